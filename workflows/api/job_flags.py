"""The command line of the reference: what each option becomes, or why it is refused."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeVar

from .edit import find_nodes, read_prompt
from .failures import UsageError

Family = Literal["multitalk", "infinitetalk"]
Number = TypeVar("Number", int, float)

FAMILIES: tuple[Family, ...] = ("multitalk", "infinitetalk")
SIZES = ("480", "720")
WINDOW = 81
OVERLAPS: Mapping[str, int] = {"multitalk": 25, "infinitetalk": 9}
SHIFTS: Mapping[str, float] = {"480": 7.0, "720": 11.0}
LORA_SCALE = 1.2
APG_MOMENTUM, APG_NORM_THRESHOLD = -0.75, 55.0
STEP_CACHE = 0.2
MAX_LORAS = 5
FIRST_SHARD = "diffusion_pytorch_model-00001-of-00007.safetensors"
IN_BASE = "(in base)"


def yes_or_no(text: str) -> bool:
    """Read a truth value as the reference does.

    Args:
        text: True, false, yes, no, 1, 0 ...

    Returns:
        The value.

    Raises:
        ValueError: If it is something else.
    """
    word = text.lower()
    if word in ("true", "yes", "t", "y", "1"):
        return True
    if word in ("false", "no", "f", "n", "0"):
        return False
    raise ValueError(text)


# Name, type (None: a switch), what it becomes. All are None if not given.
Flag = tuple[str, Callable[[str], object] | None, str]
FLAGS: tuple[Flag, ...] = (
    ("task", str, "multitalk-14B or infinitetalk-14B"),
    ("size", str, "multitalk-480, -720, infinitetalk-480 or -720: size of the sampler"),
    ("frame_num", int, "window of the sampler; length of the video with mode clip"),
    ("ckpt_dir", str, "base: the folder of this name in models/diffusion_models, or a file"),
    ("quant_dir", str, "folder of the quantised model, or with InfiniteTalk its file"),
    ("infinitetalk_dir", str, "audio part: the file of this name in models/model_patches"),
    ("wav2vec_dir", str, "speech encoder: the folder of this name in models/audio_encoders"),
    ("lora_dir", str, "LoRAs: files of these names in models/loras; with quant the base"),
    ("lora_scale", float, "strengths, one for each LoRA"),
    ("offload_model", yes_or_no, "false: needs a ComfyUI started with --highvram"),
    ("ulysses_size", int, "only 1"),
    ("ring_size", int, "only 1"),
    ("t5_fsdp", None, "refused"),
    ("t5_cpu", None, "the text encoder runs on the CPU"),
    ("dit_fsdp", None, "refused"),
    ("save_file", str, "name of the video"),
    ("audio_save_dir", str, "refused"),
    ("base_seed", int, "seed; negative: a random one"),
    ("input_json", Path, "the job file"),
    ("motion_frame", int, "overlap of the sampler"),
    ("mode", str, "clip: one window; streaming: as long as the sound"),
    ("sample_steps", int, "steps"),
    ("sample_shift", float, "shift"),
    ("sample_text_guide_scale", float, "text guidance"),
    ("sample_audio_guide_scale", float, "audio guidance"),
    ("num_persistent_param_in_dit", int, "only 0: needs a ComfyUI started with --novram"),
    ("audio_mode", str, "localfile or tts"),
    ("use_teacache", None, "step cache on"),
    ("teacache_thresh", float, "step cache, with use_teacache"),
    ("use_apg", None, "APG on"),
    ("apg_momentum", float, "only -0.75"),
    ("apg_norm_threshold", float, "only 55"),
    ("color_correction_strength", float, "colour match"),
    ("quant", str, "int8 or fp8: the quantised model of quant_dir"),
    ("max_frame_num", int, "longest video in frames, with mode streaming"),
)
SEVERAL = ("lora_dir", "lora_scale")


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Add the job file, our own options and those of the reference.

    Args:
        parser: Of the command `job`.
    """
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the job file")
    parser.add_argument(
        "--toy", action="store_true", help="the toy's models and numbers instead of the real ones"
    )
    parser.add_argument(
        "--map",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="beginning of the job's paths, and what stands for it here",
    )
    group = parser.add_argument_group("options of the reference")
    for name, kind, words in FLAGS:
        if kind is None:
            group.add_argument(f"--{name}", action="store_true", default=None, help=words)
        elif name in SEVERAL:
            group.add_argument(f"--{name}", type=kind, nargs="+", help=words)
        else:
            group.add_argument(f"--{name}", type=kind, help=words)


def refuse(flag: str, given: object, allowed: str, hint: str = "") -> UsageError:
    """Say that an option is refused.

    Args:
        flag: Its name.
        given: What was given.
        allowed: What is allowed, or why it is not.
        hint: What to do.

    Returns:
        The error to raise.
    """
    text = "" if given is True else f" is {given}"
    return UsageError(f"--{flag}{text}: {allowed}.", field=f"--{flag}", hint=hint)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What the options ask for."""

    family: Family
    """Which weights and window rule."""
    size: str
    """480 or 720."""
    window: int
    """Frames per window."""
    overlap: int
    """Frames that two windows share."""
    limit: int
    """Longest video in frames; 0: as long as the sound."""
    steps: int
    """Steps."""
    shift: float
    """Shift of the schedule."""
    text_guidance: float
    """Scale."""
    audio_guidance: float
    """Scale."""
    seed: int
    """From 0."""
    step_cache: float
    """Threshold; 0 is off."""
    apg: bool
    """Adaptive projected guidance."""
    colour_match: float
    """0 to 1."""
    base: str
    """File of the base; empty: as in the graph."""
    audio_part: str
    """File of the audio part; empty: as in the graph."""
    encoder: str
    """File of the speech encoder; empty: as in the graph."""
    loras: tuple[tuple[str, float], ...]
    """Files and strengths."""
    text_on_cpu: bool
    """The text encoder runs on the CPU."""
    host_arguments: tuple[str, ...]
    """What ComfyUI must have been started with."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """What holds where no option says otherwise."""

    window: int
    overlap: int
    steps: int
    shift: float
    text_guidance: float
    audio_guidance: float


def resolve(options: argparse.Namespace, *, follows_video: bool) -> Run:
    """Work out what the options ask for.

    Args:
        options: The command line.
        follows_video: The job has cond_video, so it is InfiniteTalk's.

    Returns:
        The settings.

    Raises:
        UsageError: If an option is refused; it is named.
    """
    family, size = _family_and_size(options, follows_video=follows_video)
    _refuse_impossible(options)
    usual = _toy_numbers() if options.toy else _numbers(family, size)
    window = _frames(options, "frame_num", usual.window)
    overlap = _frames(options, "motion_frame", usual.overlap)
    if overlap >= window:
        raise refuse("motion_frame", overlap, f"it must be below frame_num, {window}")
    base, audio_part = _models(options, family)
    seed = _or(options.base_seed, 42)
    return Run(
        family=family,
        size=size,
        window=window,
        overlap=overlap,
        limit=_limit(options, window),
        steps=_or(options.sample_steps, usual.steps),
        shift=_or(options.sample_shift, usual.shift),
        text_guidance=_or(options.sample_text_guide_scale, usual.text_guidance),
        audio_guidance=_or(options.sample_audio_guide_scale, usual.audio_guidance),
        seed=seed if seed >= 0 else random.randint(0, 99_999_999),
        step_cache=_or(options.teacache_thresh, STEP_CACHE) if options.use_teacache else 0.0,
        apg=bool(options.use_apg),
        colour_match=_or(options.color_correction_strength, 1.0),
        base=base,
        audio_part=audio_part,
        encoder=_in_folder(options.wav2vec_dir, "model.safetensors"),
        loras=() if options.quant else _loras(options),
        text_on_cpu=bool(options.t5_cpu),
        host_arguments=_host_arguments(options),
    )


def _numbers(family: Family, size: str) -> Numbers:
    """What the reference takes if an option is not given."""
    return Numbers(
        window=WINDOW,
        overlap=OVERLAPS[family],
        steps=40,
        shift=SHIFTS[size],
        text_guidance=5.0,
        audio_guidance=4.0,
    )


def _toy_numbers() -> Numbers:
    """Those of the toy's graph."""
    prompt = read_prompt("toy_one_speaker")
    (key,) = find_nodes(prompt, "MultiTalkSampler")
    inputs = prompt[key]["inputs"]
    return Numbers(
        window=inputs["window"],
        overlap=inputs["overlap"],
        steps=inputs["preset.steps"],
        shift=inputs["preset.shift"],
        text_guidance=inputs["preset.text_guidance"],
        audio_guidance=inputs["preset.audio_guidance"],
    )


def _or(value: Number | None, default: Number) -> Number:
    return default if value is None else value


def _family_and_size(options: argparse.Namespace, *, follows_video: bool) -> tuple[Family, str]:
    """From task, size, infinitetalk_dir and the job; they may not contradict each other."""
    asked: dict[str, Family] = {"cond_video": "infinitetalk"} if follows_video else {}
    if options.infinitetalk_dir is not None:
        asked["infinitetalk_dir"] = "infinitetalk"
    size = "480"
    for flag, endings in (("task", ("14B",)), ("size", SIZES)):
        value = getattr(options, flag)
        if value is None:
            continue
        allowed: dict[str, tuple[Family, str]] = {
            f"{family}-{end}": (family, end) for family in FAMILIES for end in endings
        }
        if value not in allowed:
            raise refuse(flag, value, f"it takes {', '.join(allowed)}")
        asked[flag], end = allowed[value]
        size = end if flag == "size" else size
    if len(set(asked.values())) > 1:
        listed = ", ".join(f"{name} means {family}" for name, family in asked.items())
        last = next(reversed(asked))
        raise UsageError(f"Two families are asked for: {listed}.", field=f"--{last}")
    families = list(asked.values())
    return families[0] if families else "multitalk", size


def _refuse_impossible(options: argparse.Namespace) -> None:
    """Options that nothing here can do."""
    several = "one process cannot share out a model; ComfyUI's own several-GPU nodes can"
    for flag in ("ulysses_size", "ring_size"):
        if getattr(options, flag) not in (None, 1):
            raise refuse(flag, getattr(options, flag), f"only 1 is possible: {several}")
    for flag in ("t5_fsdp", "dit_fsdp"):
        if getattr(options, flag):
            raise refuse(flag, given=True, allowed=several, hint="Leave it out.")
    if options.audio_save_dir is not None:
        raise refuse(
            "audio_save_dir",
            options.audio_save_dir,
            "speech features are not written to files; ComfyUI keeps them while it runs",
            "Leave it out.",
        )
    for flag, only in (("apg_momentum", APG_MOMENTUM), ("apg_norm_threshold", APG_NORM_THRESHOLD)):
        if getattr(options, flag) not in (None, only):
            raise refuse(flag, getattr(options, flag), f"the sampler's APG has {only:g}")
    for flag, allowed in (
        ("mode", ("clip", "streaming")),
        ("audio_mode", ("localfile", "tts")),
        ("quant", ("int8", "fp8")),
    ):
        if getattr(options, flag) not in (None, *allowed):
            raise refuse(flag, getattr(options, flag), f"it takes {' or '.join(allowed)}")


def _frames(options: argparse.Namespace, flag: str, default: int) -> int:
    value = _or(getattr(options, flag), default)
    if value < 1 or value % 4 != 1:
        below = max(1, (value - 1) // 4 * 4 + 1)
        raise refuse(flag, value, "WAN needs 4n+1 frames", f"Use {below} or {below + 4}.")
    return value


def _limit(options: argparse.Namespace, window: int) -> int:
    if (options.mode or "clip") == "clip":
        return window
    value = options.max_frame_num
    if value is not None and value < 1:
        raise refuse("max_frame_num", value, "it takes a number from 1")
    return value or 0


def _in_folder(given: str | None, file: str) -> str:
    """The host's name of a file in a folder of this name; a file's name stays."""
    if given is None:
        return ""
    path = PurePosixPath(given.replace("\\", "/"))
    return path.name if path.suffix in (".safetensors", ".gguf") else f"{path.name}/{file}"


def _models(options: argparse.Namespace, family: Family) -> tuple[str, str]:
    """Base and audio part."""
    if not options.quant:
        if options.quant_dir is not None:
            raise refuse("quant_dir", options.quant_dir, "it needs --quant int8 or --quant fp8")
        part = _in_folder(options.infinitetalk_dir, "infinitetalk.safetensors")
        return _in_folder(options.ckpt_dir, FIRST_SHARD), part
    if options.lora_dir is not None:
        if family == "infinitetalk":
            allowed = "a quantised InfiniteTalk file holds its LoRA already"
            raise refuse("lora_dir", " ".join(options.lora_dir), allowed, "Name it in quant_dir.")
        if len(options.lora_dir) > 1 or options.lora_scale is not None:
            allowed = "with quant it is one whole model whose LoRA has its strength already"
            raise refuse("lora_dir", " ".join(options.lora_dir), allowed, "Leave out lora_scale.")
        return _in_folder(options.lora_dir[0], ""), IN_BASE
    if options.quant_dir is None:
        raise refuse("quant", options.quant, "it needs --quant_dir, where the model is")
    path = PurePosixPath(options.quant_dir.replace("\\", "/"))
    if path.suffix == ".safetensors":
        return path.name, IN_BASE
    if family == "infinitetalk":
        raise refuse("quant_dir", options.quant_dir, "InfiniteTalk needs the file itself")
    return f"dit_model_{options.quant}.safetensors", IN_BASE


def _loras(options: argparse.Namespace) -> tuple[tuple[str, float], ...]:
    names = [PurePosixPath(path.replace("\\", "/")).name for path in options.lora_dir or ()]
    scales = options.lora_scale or [LORA_SCALE] * len(names)
    if len(names) != len(scales):
        raise refuse(
            "lora_scale",
            " ".join(map(str, scales)),
            f"one value for each of the {len(names)} files of lora_dir is needed",
        )
    if len(names) > MAX_LORAS:
        raise refuse("lora_dir", " ".join(names), f"up to {MAX_LORAS} files are possible")
    return tuple(zip(names, scales, strict=True))


def _host_arguments(options: argparse.Namespace) -> tuple[str, ...]:
    kept = options.num_persistent_param_in_dit
    if kept not in (None, 0):
        raise refuse(
            "num_persistent_param_in_dit",
            kept,
            "ComfyUI counts bytes, not parameters",
            "Leave it out, or start ComfyUI with --reserve-vram GIB.",
        )
    if kept == 0 and options.offload_model is False:
        raise refuse("offload_model", given=False, allowed="num_persistent_param_in_dit 0 offloads")
    if kept == 0:
        return ("--novram",)
    return ("--highvram",) if options.offload_model is False else ()
