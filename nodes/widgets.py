"""What nodes take: widgets as rows of tables, and the inputs of the sampling nodes.

A row says all there is to a widget: what people see of it, and what it becomes in a run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any

import comfy.samplers
from comfy_api.v0_0_2 import io

from ..multitalk.config import (
    COLOR_REFERENCES,
    FAMILIES,
    IMAGE_TOKENS,
    PRESETS,
    SCHEDULES,
    ApgConfig,
)
from .host import PREFIX
from .sockets import Speech
from .values import check_choice

MAX_SEED = 0xFFFF_FFFF_FFFF_FFFF
MAX_SIDE_PX = 4096
FIXED = {"control_after_generate": io.ControlAfterGenerate.fixed}  # seeds stay, in the editor
_FULL = PRESETS["full"]
_KINDS = {bool: io.Boolean, int: io.Int, float: io.Float, str: io.String}


@dataclass(frozen=True, slots=True)
class Widget:
    """A row of a table of widgets."""

    name: str
    words: str  # what it is for and in which unit
    _: KW_ONLY
    default: Any = None  # its kind is that of the widget; None: the first choice
    limits: tuple[float, ...] = ()  # least, greatest, step
    absent: Any = None  # what it means in prompts of before it was there; None: the default
    choices: Collection[Any] | None = None  # as a mapping: to what each becomes
    parts: Mapping[str, Sequence[Widget]] | None = None  # choices, and the widgets they bring along
    becomes: str = ""  # field of RunSettings, with a dot one of its parts; empty: as the name
    optional: bool = False  # may be left out of a prompt, as all that are advanced
    advanced: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)  # for the host's class of this kind

    def input(self) -> Any:
        """The row as an input of a host's schema."""
        about: dict[str, Any] = {"tooltip": self.words, **self.more}
        about["optional"] = self.optional or self.advanced
        if self.parts is not None:
            options = [
                io.DynamicCombo.Option(choice, [part.input() for part in parts])
                for choice, parts in self.parts.items()
            ]
            return io.DynamicCombo.Input(self.name, options=options, **about)
        about |= {"default": self.default, "advanced": self.advanced or None}
        if self.choices is not None and not isinstance(self.default, bool):
            return io.Combo.Input(self.name, options=list(self.choices), **about)
        about |= zip(("min", "max", "step"), self.limits, strict=False)
        return _KINDS[type(self.default)].Input(self.name, **about)

    def read(self, inputs: Mapping[str, Any]) -> Any:
        """What it becomes: a number or truth value, what a choice stands for, a choice with parts.

        Raises:
            ValueError: If it is an unknown choice.
        """
        value = inputs.get(self.name)  # what is free has the default
        if self.parts is not None:
            return value or {self.name: self.default}
        if value is None:
            value = self.default if self.absent is None else self.absent
        if not isinstance(self.default, str):
            value = type(self.default)(value)
        if self.choices:
            check_choice(self.name, value, self.choices)
        return self.choices[value] if isinstance(self.choices, Mapping) else value


def schema(
    name: str,
    folder: str,
    words: str,
    *,
    inputs: Sequence[Any],
    outputs: Sequence[tuple[Any, str, str]],
    **more: Any,
) -> io.Schema:
    """What a node takes and gives.

    Args:
        name: As people see it; without spaces it is the id.
        folder: Of the editor's menu, below ours.
        words: What the node is for.
        inputs: Rows, and sockets of the host.
        outputs: Type, name and words of each.
        more: Further entries of the host's schema.
    """
    return io.Schema(
        node_id=more.pop("node_id", name.replace(" ", "")),
        display_name=name,
        category=f"MultiTalk/{folder}",
        description=words,
        inputs=[row.input() if isinstance(row, Widget) else row for row in inputs],
        outputs=[kind.Output(display_name=shown, tooltip=tip) for kind, shown, tip in outputs],
        **more,
    )


_Advanced = partial(Widget, advanced=True)
GUIDANCE = (
    Widget(
        "text_guidance",
        "Factor: how strongly the prompt counts. 1: not beyond itself, and quicker.",
        default=_FULL.text_guidance,
        limits=(0.0, 20.0, 0.1),
    ),
    Widget(
        "audio_guidance",
        "Factor: how strongly lips follow the voice. 3 to 5 without a LoRA for few steps; 1 "
        "is quickest.",
        default=_FULL.audio_guidance,
        limits=(0.0, 20.0, 0.1),
    ),
)
_SCHEDULE = (
    Widget(
        "steps",
        "Steps from noise to picture, per window: more are finer and slower.",
        default=_FULL.steps,
        limits=(1, 200),
    ),
    Widget(
        "shift",
        "Larger spends more steps on the rough shapes, fewer on detail. A number without "
        "unit: 7 at size 480 and 11 at 720 without a LoRA, 2 with one for few steps.",
        default=7.0,
        limits=(0.1, 100.0, 0.1),
    ),
)
_SIDES = tuple(
    Widget(
        side,
        f"{side.capitalize()} of the video in pixels, a multiple of 16.",
        default=default,
        limits=(16, MAX_SIDE_PX, 16),
    )
    for side, default in (("width", 832), ("height", 480))
)
SETTINGS = (
    Widget(
        "preset",
        "full: 40 steps without LoRA. FusionX: 8 steps, lightx2v: 4 steps, each with the "
        "LoRA of that name at strength 1. FlashTalk: 4 steps of one pass, with the weights of that "
        "name. custom: your own numbers.",
        default="full",
        parts={**dict.fromkeys(PRESETS, ()), "custom": (*_SCHEDULE, *GUIDANCE)},
        becomes="guidance",
    ),
    Widget(
        "seed",
        "Same seed, same video. Numbers are drawn on the CPU, so on every machine.",
        default=42,
        limits=(0, MAX_SEED),
        more=FIXED,
    ),
    Widget(
        "size",
        "480: about 640 x 640 pixels in the shape of the picture; 720: about 960 x 960. "
        "custom: multiples of 16; the picture is cropped to that shape.",
        default="480",
        parts={"480": (), "720": (), "custom": _SIDES},
        becomes="video",
    ),
)
AUDIO_STRENGTH = _Advanced(
    "audio_strength",
    "Factor on what the audio part adds. 1 as trained, 0 mute.",
    default=1.0,
    limits=(0.0, 4.0, 0.05),
)
APG = _Advanced(
    "apg",
    "Adaptive projected guidance: steadier colours at high guidance.",
    default=False,
    choices={False: None, True: ApgConfig()},
)
ADVANCED = (
    AUDIO_STRENGTH,
    _Advanced(
        "colour_match",
        "Factor: how much every window is brought to the colours of the picture. 1 wholly, "
        "0 is off.",
        default=1.0,
        limits=(0.0, 1.0, 0.05),
        becomes="drift.color_strength",
    ),
    _Advanced(
        "window",
        "Frames sampled at once: a multiple of 4, plus 1, such as 49 or 81. 0: as trained, 81, "
        "for FlashTalk 33.",
        default=0,
        limits=(0, 401),
        becomes="size.window",
    ),
    _Advanced(
        "overlap",
        "Frames that a window repeats of the one before: a multiple of 4, plus 1. 0: as "
        "trained, 25 for MultiTalk, 9 for InfiniteTalk, 5 for FlashTalk.",
        default=0,
        limits=(0, 397),
        becomes="size.overlap",
    ),
    _Advanced(
        "rule",
        "How windows continue. auto: as the loaded weights were trained.",
        default="auto",
        choices={"auto": None, **{family: family for family in FAMILIES}},
        becomes="family",
    ),
    _Advanced(
        "sampler",
        "The host's samplers. euler as trained, for which preset FlashTalk takes lcm; those that "
        "ask the model several times per step are experimental.",
        default="euler",
        choices=comfy.samplers.SAMPLER_NAMES,
    ),
    _Advanced(
        "step_cache",
        "Reuse of steps that change little (TeaCache), with 20 steps or more. A limit "
        "without unit: 0.2 to 0.5 is useful, 0 is off.",
        default=0.0,
        limits=(0.0, 2.0, 0.05),
    ),
    APG,
    _Advanced(
        "length",
        "exact: as long as the sound. reference: as the published programs do it, mirrored "
        "speech at the end, up to 1000 frames.",
        default="exact",
        choices={"exact": False, "reference": True},
        becomes="reference_length",
    ),
    _Advanced(
        "last_window",
        "short samples only the frames that are needed at the end: quicker, but of a length "
        "that was not trained.",
        default="full",
        choices={"full": False, "short": True},
        becomes="short_last_window",
    ),
    _Advanced(
        "colour_reference",
        "What colour_match matches to. picture: frame 0, against any drift. source frame: "
        "with a video, the frame that the window begins at, so that its light may change. running "
        "mean: the picture and all windows so far, so that slow changes pass and jumps do not.",
        default=COLOR_REFERENCES[0],
        choices=COLOR_REFERENCES,
        becomes="drift.color_reference",
    ),
    _Advanced(
        "image_tokens",
        "Which picture CLIP vision sees. window: the one that the window continues from, as "
        "trained. picture: always the first, which holds a face longer.",
        default=IMAGE_TOKENS[0],
        choices=IMAGE_TOKENS,
        becomes="drift.image_tokens",
    ),
)
FILENAME_PREFIX = Widget(
    "filename_prefix",
    "Folder and beginning of the file name, inside the output folder.",
    default=PREFIX,
    optional=True,
)
KEEP_PROGRESS = Widget(
    "keep_progress",
    "Write each finished window into the folder multitalk_runs of the output folder. After "
    "a stop of any kind, queue the same prompt again: it goes on after the last whole window, "
    "with the same picture bits.",
    default=False,
    optional=True,
)
KEEP_FINISHED = _Advanced(
    "keep_finished",
    "With keep_progress: leave the windows on disk when the video is done. Off: they are "
    "deleted then.",
    default=False,
)
SCHEDULE = _Advanced(
    "schedule",
    "How noise levels are spaced. auto: as the sampler needs it, even for those that look back at "
    "earlier steps, otherwise as trained. as trained: by the weights. even: equal steps before the "
    "shift, also for LoRAs that were distilled so.",
    default=SCHEDULES[0],
    absent="as trained",  # web/saved_graphs.js says the same of graphs in the editor
    choices=SCHEDULES,
)
SAMPLING = (*SETTINGS, *ADVANCED, KEEP_PROGRESS, KEEP_FINISHED)  # what the samplers have


def model_inputs() -> list[Any]:
    """Sockets that need a model behind them; asked for when everything else is checked."""
    return [
        io.Model.Input(
            "model", lazy=True, tooltip="From MultiTalk Load Model or MultiTalk Attach."
        ),
        io.Vae.Input("vae", lazy=True, tooltip="The WAN 2.1 VAE, from the host's Load VAE."),
        io.Conditioning.Input(
            "positive",
            optional=True,
            lazy=True,
            tooltip="What the scene is like, from CLIP Text Encode with the umt5-xxl encoder. "
            "Not connected: no text.",
        ),
        io.Conditioning.Input(
            "negative",
            optional=True,
            lazy=True,
            tooltip="What to avoid. It counts only while text guidance differs from 1.",
        ),
        io.ClipVision.Input(
            "clip_vision",
            optional=True,
            lazy=True,
            tooltip="clip_vision_h, from the host's Load CLIP Vision. Every released WAN 2.1 I2V "
            "base needs it; WAN 2.2 and the toy do not.",
        ),
    ]


def noise_inputs() -> list[Any]:
    """What came to the samplers after their first version: how noise becomes a picture."""
    return [
        SCHEDULE.input(),
        io.Sampler.Input(
            "custom_sampler",
            optional=True,
            lazy=True,
            tooltip="A sampler of another node, such as Sampler Select, instead of the one above.",
        ),
        io.Sigmas.Input(
            "sigmas",
            optional=True,
            lazy=True,
            tooltip="Noise levels of another node, such as Basic Scheduler, instead of steps, "
            "shift and schedule; preset must be custom.",
        ),
    ]


def end_inputs() -> list[Any]:
    """What came to the samplers after that: how the video ends."""
    return [
        io.Image.Input(
            "end_image",
            optional=True,
            tooltip="A picture that the last frame of the video shows. For first-and-last-frame "
            "bases (Wan 2.1 FLF2V 14B), which were trained so; with other bases experimental. Not "
            "connected: the video ends as it comes.",
        ),
    ]


def media_inputs() -> list[Any]:
    """Picture, speech, speakers."""
    return [
        io.Image.Input(
            "image",
            tooltip="The picture that begins to talk. With InfiniteTalk weights also a batch: the "
            "video to be dubbed, one frame per frame.",
        ),
        Speech.Input("speech", tooltip="From MultiTalk Speech Embedding; sets the length."),
        io.Mask.Input(
            "masks",
            optional=True,
            tooltip="From MultiTalk Speakers, one per voice. Not connected: one voice needs "
            "none, two get the left and the right half of the picture.",
        ),
    ]
