"""From the sockets and widgets of a sampling node to a run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...multitalk.cast import Cast
from ...multitalk.config import FAMILIES, FAMILY_NAMES, Family
from ...multitalk.first_look import shown_plan
from ...multitalk.model.kinds import needs_clip
from ...multitalk.schedule import check_sigmas
from ...multitalk.settings import (
    DriftControl,
    GuidanceSettings,
    RunSettings,
    resolve_guidance,
    resolve_step_cache,
    resolve_video_size,
    resolve_windows,
)
from ...multitalk.solvers import check_levels, choose_schedule
from ...multitalk.trained import check_preset, describe_rule, resolve_sampler
from ...multitalk.words import count
from ..checked import once
from ..continuation import read_continuation
from ..directing import DRIFT_CORRECTION, FIRST_SECONDS, OUTSIDE, START_STRENGTH
from ..host import upstream
from ..loading.audio_hooks import attached_audio, base_kind
from ..loading.experts import boundary_of, wants_clip
from ..pictures import read_pictures
from ..sockets import to_masks
from ..values import check_inputs, missing_lazy, plain
from ..widgets import ADVANCED, KEEP_FINISHED, KEEP_PROGRESS, SCHEDULE, SETTINGS
from .bases import check_kind, read_controls
from .denoiser import RunInputs, empty_conditioning, sampler_name
from .end_image import check_end_image, describe_end
from .experts import check_experts, check_two, describe_experts
from .film import describe_film, read_film
from .finite import check_media, check_vae
from .other_nodes import check_other_nodes, follow_sampling
from .pass_cards import describe_cards_of_run
from .scene import check_prompts
from .source_video import describe_source
from .video_run import VideoRun, check_frames

if TYPE_CHECKING:
    from .identity import RunIdentity

_LAZY = ("model", "vae", "positive", "negative", "clip_vision", "custom_sampler", "sigmas", "scene")


def check_run(inputs: dict[str, Any], hidden: Any, *, holds_frames: bool) -> list[str]:
    """Check everything that needs no model, then name the lazy inputs that are to be made.

    `inputs` are as the host gives them to check_lazy_status, `hidden` is the node's, which may hold
    all frames in memory.

    Raises:
        ValueError: If something cannot work, with what to do.
    """
    from ..loading.model_files import check_files

    inputs = plain(inputs)
    check_inputs(inputs, "image", "speech")
    inputs, speech = _with_pictures(inputs, hidden), inputs["speech"]
    check_media_once(inputs, hidden)
    if early := _made_first(inputs, hidden):
        return early
    family = check_files(speech, hidden.dynprompt, hidden.unique_id)
    if family is None:
        settings = _resolve_any(inputs)
    else:
        settings = resolve_settings(inputs, family)
        _check_pictures(inputs["image"], settings)
    _check_base(settings, inputs, hidden)
    check_end_image(inputs.get("end_image"), (settings.height, settings.width))
    video = settings.height, settings.width
    cast_of(inputs, hidden, video)
    plan, _, _ = read_film(settings, inputs, hidden)
    plan = shown_plan(plan, FIRST_SECONDS.read(inputs))
    if holds_frames:
        check_frames(plan.num_frames, settings.height, settings.width)
    return missing_lazy(inputs, *_LAZY)


def _check_base(settings: RunSettings, inputs: dict[str, Any], hidden: Any) -> None:
    """Refuse what the chosen base cannot do, as far as its header tells that."""
    from ..loading.model_files import chosen_files, has_two_experts

    files = chosen_files(hidden.dynprompt, hidden.unique_id)
    if files is not None:
        check_kind(files.kind, settings, inputs)
        if "clip_vision" not in inputs:
            _check_clip(None, wanted=needs_clip(files.base))
    if not has_two_experts(hidden.dynprompt, hidden.unique_id):
        return
    boundary = None
    before = [name for name, _ in upstream(hidden.dynprompt, hidden.unique_id, "model")]
    # A node between may set another shift, which moves steps from one expert to the other.
    if files is not None and before == ["MultiTalkLoadModel"] and _has_levels(inputs):
        boundary = boundary_of(files.sizes.in_channels)
    check_two(settings, boundary)


def _has_levels(inputs: dict[str, Any]) -> bool:
    """Whether noise levels are known: none come over a socket, or they are made."""
    return "sigmas" not in inputs or inputs["sigmas"] is not None


def _made_first(inputs: dict[str, Any], hidden: Any) -> list[str]:
    """Sampler, noise levels and scene, if they need no model: looked at before it, once a queue."""
    dynprompt, node_id = hidden.dynprompt, hidden.unique_id
    asked: set[str] = once(dynprompt, ("asked", node_id), set)
    models = {id(values) for _, values in upstream(dynprompt, node_id, "model")}
    early = []
    for name in missing_lazy(inputs, "custom_sampler", "sigmas", "scene"):
        makers = {id(values) for _, values in upstream(dynprompt, node_id, name)}
        if makers and name not in asked and not makers & models:
            early.append(name)
    asked.update(early)
    return early


def prepare_run(inputs: dict[str, Any], hidden: Any, *, to_file: bool = False) -> VideoRun:
    """The run of a sampling node with these models, media and widgets, not open yet.

    `to_file`: the node shows its video while it grows.

    Raises:
        ValueError: If models, media and settings do not fit each other.
    """
    check_inputs(inputs, "image", "speech", "model", "vae")
    inputs = _with_pictures(inputs, hidden)
    model, image = inputs["model"], inputs["image"]
    weights = attached_audio(model).family
    settings, shifted = follow_sampling(model, resolve_settings(inputs, weights))
    cached = settings.step_cache is not None
    others = check_other_nodes(model, apg=settings.apg is not None, step_cache=cached)
    check_experts(model, settings)
    video = settings.height, settings.width
    cast = cast_of(inputs, hidden, video)
    plan, shots, before = read_film(settings, inputs, hidden)
    kind, end = base_kind(model), inputs.get("end_image")
    others += check_kind(kind, settings, inputs)
    control = read_controls(kind, settings, inputs)
    _check_clip(inputs.get("clip_vision"), wanted=wants_clip(model))
    _check_pictures(image, settings)
    check_end_image(end, video)
    check_prompts(inputs)
    check_vae(inputs["vae"])
    notes = [
        *describe_rule(settings, weights, len(cast.tracks)), *shifted,
        *describe_experts(model, settings), *_describe_clip(model, inputs.get("clip_vision")),
        *describe_cards_of_run(model, settings),
        *others, *describe_end(model, has_end=end is not None, drift=settings.drift),
        *(control.notes if control else ()), *cast.speech.notes, *cast.notes,
        *describe_source(len(image), plan.shots[0].num_frames, hidden),
        *describe_film(plan, shots, before),
    ]  # fmt: skip
    return VideoRun(
        _run_inputs(inputs, cast=cast, control=control, shots=shots, before=before),
        settings,
        node_id=hidden.unique_id,
        identity=_identity(settings, cast, {**inputs, "before": before}, hidden),
        notes=notes,
        keep_finished=KEEP_FINISHED.read(inputs),
        first_seconds=FIRST_SECONDS.read(inputs),
        to_file=to_file,
    )


def _run_inputs(inputs: dict[str, Any], **made: Any) -> RunInputs:
    """Models and media of the sockets, and what was `made` of them."""
    model = inputs["model"]
    return RunInputs(
        model=model,
        vae=inputs["vae"],
        clip_vision=inputs.get("clip_vision") if wants_clip(model) else None,
        positive=inputs.get("positive") or empty_conditioning(model),
        negative=inputs.get("negative") or empty_conditioning(model),
        image=inputs["image"],
        sampler=inputs.get("custom_sampler"),
        end_image=inputs.get("end_image"),
        scene=inputs.get("scene"),
        **made,
    )


def _identity(
    settings: RunSettings, cast: Cast, inputs: dict[str, Any], hidden: Any
) -> RunIdentity | None:
    """What tells the run from others, if finished windows are to be kept."""
    if not KEEP_PROGRESS.read(inputs):
        return None
    from .identity import run_identity  # reads files of weights: not when the host starts

    return run_identity(settings, inputs["image"], cast, inputs, hidden)


def _with_pictures(inputs: dict[str, Any], hidden: Any) -> dict[str, Any]:
    """The inputs with the images as checked pictures, read once per queue."""
    names = ("image", "end_image", "continue_from")
    given = {name: inputs[name] for name in names if inputs.get(name) is not None}
    key = ("pictures", hidden.unique_id, *map(id, given.values()))

    def read(name: str, value: object) -> Tensor:
        video = name == "continue_from"
        return read_continuation(value, inputs) if video else read_pictures(value, name)

    def make() -> tuple[dict[str, Tensor], object]:
        # What came in is kept too: an id tells things apart only while they live.
        return {name: read(name, value) for name, value in given.items()}, given

    return {**inputs, **once(hidden.dynprompt, key, make)[0]}


def check_media_once(inputs: dict[str, Any], hidden: Any) -> None:
    """Refuse pictures, speech or masks that hold NaN or infinite values, once per queue.

    Raises:
        ValueError: With which, how many, and what to do.
    """
    given = [inputs.get(name) for name in ("image", "speech", "masks", "end_image")]
    key = ("finite", hidden.unique_id, *map(id, given))

    def make() -> list[Any]:
        check_media(*given)
        return given  # kept, for the same reason as in `cast_of`

    once(hidden.dynprompt, key, make)


def cast_of(inputs: dict[str, Any], hidden: Any, video: tuple[int, int]) -> Cast:
    """Voices of a node and their places in a `video` of this height and width, once per queue.

    Raises:
        ValueError: If voices and masks do not fit each other or the video.
    """
    speech, masks, image = inputs["speech"], inputs.get("masks"), inputs.get("image")
    picture = None if image is None else (image.shape[1], image.shape[2])
    still, outside, shots = inputs.get("still"), OUTSIDE.read(inputs), inputs.get("shots")
    given = id(speech), id(masks), id(still), outside, id(shots)
    key = ("cast", hidden.unique_id, *given, video, picture)

    def make() -> tuple[Cast, object]:
        places, quiet = (None if value is None else to_masks(value) for value in (masks, still))
        sizes = {"picture": picture, "video": video}
        seen = speech if shots is None else shots.speech_of(0, speech)
        cast = Cast(seen, places, still=quiet, outside=outside, **sizes)
        return cast, (masks, still, shots)

    # Masks are kept too: an id tells things apart only while they live.
    return once(hidden.dynprompt, key, make)[0]


def resolve_settings(inputs: dict[str, Any], family: Family) -> RunSettings:
    """Numbers and choices of the widgets, for an image and the family of the weights.

    Raises:
        ValueError: If something is out of range, unknown, or contradicts something else.
    """
    rows = (*SETTINGS, *ADVANCED, SCHEDULE, START_STRENGTH, DRIFT_CORRECTION)
    chosen = {row.becomes or row.name: row.read(inputs) for row in rows}

    def part(of: str) -> dict[str, Any]:
        names = [name for name in chosen if name.startswith(f"{of}.")]
        return {name.partition(".")[2]: chosen.pop(name) for name in names}

    height, width = resolve_video_size(chosen.pop("video"), *inputs["image"].shape[1:3])
    family, threshold = chosen.pop("family") or family, chosen.pop("step_cache")
    preset, sampler = chosen.pop("guidance"), chosen.pop("sampler")
    check_preset(preset, family)
    connected = inputs.get("custom_sampler")
    if connected is not None:
        sampler = sampler_name(connected)
    elif "custom_sampler" in inputs:  # not made yet
        sampler = "euler"
    guidance = resolve_guidance(preset, height, width, step_cache=threshold)
    sampler = resolve_sampler(preset, family, sampler, connected=connected is not None)
    settings = RunSettings(
        height=height,
        width=width,
        family=family,
        sampler=sampler,
        schedule=choose_schedule(chosen.pop("schedule"), sampler),
        **_with_sigmas(guidance, inputs, preset, step_cache=threshold > 0),
        size=resolve_windows(family, **part("size")),
        step_cache=resolve_step_cache(threshold, height, width),
        drift=DriftControl(**part("drift")),
        **chosen,
    )
    if _has_levels(inputs):
        check_levels(settings)
    return settings


def _with_sigmas(
    guidance: GuidanceSettings, inputs: dict[str, Any], preset: dict[str, Any], *, step_cache: bool
) -> dict[str, Any]:
    """Guidance, and the noise levels that came over a socket with as many steps as these have."""
    if "sigmas" not in inputs:
        return {"guidance": guidance}
    if preset.get("preset") != "custom":
        raise ValueError(
            f"sigmas is connected, and preset {preset.get('preset')} brings steps and shift of its "
            "own. Set preset to custom, or remove the link to sigmas."
        )
    if inputs["sigmas"] is None:  # not made yet
        return {"guidance": guidance}
    sigmas = check_sigmas(inputs["sigmas"], step_cache=step_cache)
    return {"guidance": replace(guidance, steps=len(sigmas) - 1), "sigmas": sigmas}


def _resolve_any(inputs: dict[str, Any]) -> RunSettings:
    """As `resolve_settings` for weights that are not known yet: refused is what suits none."""
    refusals = []
    for family in FAMILIES:
        try:
            return resolve_settings(inputs, family)
        except ValueError as error:
            refusals.append(error)
    raise refusals[0]


def _check_clip(clip_vision: Any, *, wanted: bool) -> None:
    if wanted and clip_vision is None:
        raise ValueError(
            "This base expects CLIP vision, and nothing is connected to clip_vision; "
            "connect clip_vision_h with the host's Load CLIP Vision."
        )


def _describe_clip(model: Any, clip_vision: Any) -> list[str]:
    """What is said of CLIP vision that nothing looks at."""
    if clip_vision is None or wants_clip(model):
        return []
    return ["clip_vision is connected, and this base has no image embedding: it is not used"]


def _check_pictures(image: Tensor, settings: RunSettings) -> None:
    if settings.start_strength < 1 and len(image) == 1:
        raise ValueError(
            f"start_strength is {settings.start_strength:g}, and image holds one picture; below 1 "
            "windows begin from a source video. Connect the frames of a video, for example from "
            "MultiTalk Dub Source, or set start_strength to 1."
        )
    if len(image) > 1 and settings.family != "infinitetalk":
        raise ValueError(
            f"image holds {count(len(image), 'picture')}; {FAMILY_NAMES[settings.family]} takes "
            "one, only InfiniteTalk follows a video. Connect one picture, or load an InfiniteTalk "
            "audio part."
        )
    if len(image) > 1 and settings.drift.correction > 0:
        raise ValueError(
            f"drift_correction is {settings.drift.correction:g}, and image holds a video of "
            f"{count(len(image), 'frame')}; it keeps places as the first window has them, and a "
            "video moves. Set drift_correction to 0, or connect one picture."
        )
