"""Inputs of the sampling nodes: sockets, and a table of widgets.

A row says all there is to a widget: what people see of it, and what it becomes in a run.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..multitalk.config import COLOR_REFERENCES, FAMILIES, IMAGE_TOKENS, PRESETS, ApgConfig
from .sockets import Speech
from .values import check_choice

MAX_SEED = 0xFFFF_FFFF_FFFF_FFFF
MAX_SIDE_PX = 4096
_FULL = PRESETS["full"]
_KINDS = {bool: io.Boolean, int: io.Int, float: io.Float, str: io.Combo}


@dataclass(frozen=True, kw_only=True, slots=True)
class Widget:
    """A row of the table."""

    name: str
    default: bool | int | float | str  # its kind is that of the widget
    words: str  # what it is for and in which unit
    limits: tuple[float, ...] = ()  # least, greatest, step
    choices: Collection[Any] = ()  # as a mapping: to what each becomes
    parts: Mapping[str, Sequence[Widget]] | None = None  # choices, and the widgets they bring along
    becomes: str = ""  # field of RunSettings, with a dot one of its parts; empty: as the name
    optional: bool = False  # may be left out of a prompt, as all that are advanced
    advanced: bool = False
    after_generate: io.ControlAfterGenerate | None = None  # what the editor does with a seed

    def input(self) -> Any:
        """The row as an input of a host's schema."""
        about: dict[str, Any] = {"tooltip": self.words}
        if self.parts is not None:
            options = [
                io.DynamicCombo.Option(choice, inputs_of(parts))
                for choice, parts in self.parts.items()
            ]
            return io.DynamicCombo.Input(self.name, options=options, **about)
        about |= {"default": self.default} | dict(
            zip(("min", "max", "step"), self.limits, strict=False)
        )
        if self.optional or self.advanced:
            about |= {"optional": True, "advanced": self.advanced or None}
        if self.after_generate is not None:
            about["control_after_generate"] = self.after_generate
        if isinstance(self.default, str):
            about["options"] = list(self.choices)
        return _KINDS[type(self.default)].Input(self.name, **about)

    def read(self, inputs: Mapping[str, Any]) -> Any:
        """What the row becomes.

        Args:
            inputs: Values by name; what is free has the default.

        Returns:
            A number or truth value, what a choice becomes, or a choice with its parts by name.

        Raises:
            ValueError: If it is an unknown choice.
        """
        value = inputs.get(self.name)
        if self.parts is not None:
            return value or {self.name: self.default}
        value = self.default if value is None else value
        if not isinstance(self.default, str):
            value = type(self.default)(value)
        if self.choices:
            check_choice(self.name, value, self.choices)
        return self.choices[value] if isinstance(self.choices, Mapping) else value


_Advanced = partial(Widget, advanced=True)


def inputs_of(rows: Sequence[Widget]) -> list[Any]:
    """Rows as inputs of a host's schema."""
    return [row.input() for row in rows]


GUIDANCE = (
    Widget(
        name="text_guidance",
        default=_FULL.text_guidance,
        limits=(0.0, 20.0, 0.1),
        words="Factor: how strongly the prompt counts. 1: not beyond itself, and quicker.",
    ),
    Widget(
        name="audio_guidance",
        default=_FULL.audio_guidance,
        limits=(0.0, 20.0, 0.1),
        words="Factor: how strongly lips follow the voice. 3 to 5 without a LoRA for few steps; 1 "
        "is quickest.",
    ),
)
_SCHEDULE = (
    Widget(
        name="steps",
        default=_FULL.steps,
        limits=(1, 200),
        words="Steps from noise to picture, per window: more are finer and slower.",
    ),
    Widget(
        name="shift",
        default=7.0,
        limits=(0.1, 100.0, 0.1),
        words="Larger spends more steps on the rough shapes, fewer on detail. A number without "
        "unit: 7 at size 480 and 11 at 720 without a LoRA, 2 with one for few steps.",
    ),
)
_SIDES = tuple(
    Widget(
        name=side,
        default=default,
        limits=(16, MAX_SIDE_PX, 16),
        words=f"{side.capitalize()} of the video in pixels, a multiple of 16.",
    )
    for side, default in (("width", 832), ("height", 480))
)
SETTINGS = (
    Widget(
        name="preset",
        default="full",
        parts={**dict.fromkeys(PRESETS, ()), "custom": (*_SCHEDULE, *GUIDANCE)},
        words="full: 40 steps without LoRA. FusionX: 8 steps, lightx2v: 4 steps, each with the "
        "LoRA of that name at strength 1. custom: your own numbers.",
        becomes="guidance",
    ),
    Widget(
        name="seed",
        default=42,
        limits=(0, MAX_SEED),
        after_generate=io.ControlAfterGenerate.fixed,
        words="Same seed, same video. Numbers are drawn on the CPU, so on every machine.",
    ),
    Widget(
        name="size",
        default="480",
        parts={"480": (), "720": (), "custom": _SIDES},
        words="480: about 640 x 640 pixels in the shape of the picture; 720: about 960 x 960. "
        "custom: multiples of 16; the picture is cropped to that shape.",
        becomes="video",
    ),
)
AUDIO_STRENGTH = _Advanced(
    name="audio_strength",
    default=1.0,
    limits=(0.0, 4.0, 0.05),
    words="Factor on what the audio part adds. 1 as trained, 0 mute.",
)
APG = _Advanced(
    name="apg",
    default=False,
    choices={False: None, True: ApgConfig()},
    words="Adaptive projected guidance: steadier colours at high guidance.",
)
ADVANCED = (
    AUDIO_STRENGTH,
    _Advanced(
        name="colour_match",
        default=1.0,
        limits=(0.0, 1.0, 0.05),
        words="Factor: how much every window is brought to the colours of the picture. 1 wholly, "
        "0 is off.",
        becomes="drift.color_strength",
    ),
    _Advanced(
        name="window",
        default=0,
        limits=(0, 401),
        words="Frames sampled at once: a multiple of 4, plus 1, such as 49 or 81. 0: as trained, "
        "81.",
        becomes="size.window",
    ),
    _Advanced(
        name="overlap",
        default=0,
        limits=(0, 397),
        words="Frames that a window repeats of the one before: a multiple of 4, plus 1. 0: as "
        "trained, 25 for MultiTalk, 9 for InfiniteTalk.",
        becomes="size.overlap",
    ),
    _Advanced(
        name="rule",
        default="auto",
        choices={"auto": None, **{family: family for family in FAMILIES}},
        words="How windows continue. auto: as the loaded weights were trained.",
        becomes="family",
    ),
    _Advanced(
        name="sampler",
        default="euler",
        choices=comfy.samplers.SAMPLER_NAMES,  # the list itself: other packs add to it
        words="The host's samplers. euler as trained; those that ask the model several times per "
        "step are experimental.",
    ),
    _Advanced(
        name="step_cache",
        default=0.0,
        limits=(0.0, 2.0, 0.05),
        words="Reuse of steps that change little (TeaCache), with 20 steps or more. A limit "
        "without unit: 0.2 to 0.5 is useful, 0 is off.",
    ),
    APG,
    _Advanced(
        name="length",
        default="exact",
        choices={"exact": False, "reference": True},
        words="exact: as long as the sound. reference: as the published programs do it, mirrored "
        "speech at the end, up to 1000 frames.",
        becomes="reference_length",
    ),
    _Advanced(
        name="last_window",
        default="full",
        choices={"full": False, "short": True},
        words="short samples only the frames that are needed at the end: quicker, but of a length "
        "that was not trained.",
        becomes="short_last_window",
    ),
    _Advanced(
        name="colour_reference",
        default=COLOR_REFERENCES[0],
        choices=COLOR_REFERENCES,
        words="What colour_match matches to. picture: frame 0, against any drift. source frame: "
        "with a video, the frame that the window begins at, so that its light may change. running "
        "mean: the picture and all windows so far, so that slow changes pass and jumps do not.",
        becomes="drift.color_reference",
    ),
    _Advanced(
        name="image_tokens",
        default=IMAGE_TOKENS[0],
        choices=IMAGE_TOKENS,
        words="Which picture CLIP vision sees. window: the one that the window continues from, as "
        "trained. picture: always the first, which holds a face longer.",
        becomes="drift.image_tokens",
    ),
)
KEEP_PROGRESS = Widget(
    name="keep_progress",
    default=False,
    words="Write each finished window into the folder multitalk_runs of the output folder. After "
    "a stop of any kind, queue the same prompt again: it goes on after the last whole window, "
    "with the same picture bits.",
    optional=True,
)
KEEP_FINISHED = _Advanced(
    name="keep_finished",
    default=False,
    words="With keep_progress: leave the windows on disk when the video is done. Off: they are "
    "deleted then.",
)
START_FRAME = Widget(
    name="start_frame",
    default=0,
    limits=(0, 1_000_000),
    words="First frame of the speech that this window hears; 25 frames are a second.",
)


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
            "base needs it; the toy does not.",
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
