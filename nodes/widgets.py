"""Inputs of the sampler and the guider: words, units, ranges, defaults."""

from __future__ import annotations

from typing import Any

import comfy.samplers
from comfy_api.latest import io

from ..multitalk.config import COLOR_REFERENCES, FAMILIES, IMAGE_TOKENS, PRESETS
from .sockets import Speech

MAX_SEED = 0xFFFF_FFFF_FFFF_FFFF
MAX_SIDE_PX = 4096


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


def guidance_inputs() -> list[Any]:
    """The two scales."""
    full = PRESETS["full"]
    return [
        io.Float.Input(
            "text_guidance",
            default=full.text_guidance,
            min=0.0,
            max=20.0,
            step=0.1,
            tooltip="Factor: how strongly the prompt counts. 1: not beyond itself, and quicker.",
        ),
        io.Float.Input(
            "audio_guidance",
            default=full.audio_guidance,
            min=0.0,
            max=20.0,
            step=0.1,
            tooltip="Factor: how strongly lips follow the voice. 3 to 5 without a LoRA for few "
            "steps; 1 is quickest.",
        ),
    ]


def _side_tooltip(side: str) -> str:
    return f"{side} of the video in pixels, a multiple of 16."


def setting_inputs() -> list[Any]:
    """What most people set."""
    full = PRESETS["full"]
    custom = [
        io.Int.Input(
            "steps",
            default=full.steps,
            min=1,
            max=200,
            tooltip="Steps from noise to picture, per window: more are finer and slower.",
        ),
        io.Float.Input(
            "shift",
            default=7.0,
            min=0.1,
            max=100.0,
            step=0.1,
            tooltip="Larger spends more steps on the rough shapes, fewer on detail. A number "
            "without unit: 7 at size 480 and 11 at 720 without a LoRA, 2 with one for few steps.",
        ),
        *guidance_inputs(),
    ]
    side = {"min": 16, "max": MAX_SIDE_PX, "step": 16}
    return [
        io.DynamicCombo.Input(
            "preset",
            options=[
                *(io.DynamicCombo.Option(name, []) for name in PRESETS),
                io.DynamicCombo.Option("custom", custom),
            ],
            tooltip="full: 40 steps without LoRA. FusionX: 8 steps, lightx2v: 4 steps, each with "
            "the LoRA of that name at strength 1. custom: your own numbers.",
        ),
        io.Int.Input(
            "seed",
            default=42,
            min=0,
            max=MAX_SEED,
            control_after_generate=io.ControlAfterGenerate.fixed,
            tooltip="Same seed, same video. Numbers are drawn on the CPU, so on every machine.",
        ),
        io.DynamicCombo.Input(
            "size",
            options=[
                io.DynamicCombo.Option("480", []),
                io.DynamicCombo.Option("720", []),
                io.DynamicCombo.Option(
                    "custom",
                    [
                        io.Int.Input("width", default=832, tooltip=_side_tooltip("Width"), **side),
                        io.Int.Input(
                            "height", default=480, tooltip=_side_tooltip("Height"), **side
                        ),
                    ],
                ),
            ],
            tooltip="480: about 640 x 640 pixels in the shape of the picture; 720: about "
            "960 x 960. custom: multiples of 16; the picture is cropped to that shape.",
        ),
    ]


def advanced_inputs() -> list[Any]:
    """What few people set; the defaults are those of training."""
    return [*_strength_inputs(), *_window_inputs(), *_sampling_inputs(), *_drift_inputs()]


def keep_inputs() -> list[Any]:
    """Whether finished windows outlive a stop."""
    return [
        io.Boolean.Input(
            "keep_progress",
            default=False,
            optional=True,
            tooltip="Write each finished window into the folder multitalk_runs of the output "
            "folder. After a stop of any kind, queue the same prompt again: it goes on after the "
            "last whole window, with the same picture bits.",
        ),
        io.Boolean.Input(
            "keep_finished",
            default=False,
            optional=True,
            advanced=True,
            tooltip="With keep_progress: leave the windows on disk when the video is done. "
            "Off: they are deleted then.",
        ),
    ]


def _drift_inputs() -> list[Any]:
    return [
        io.Combo.Input(
            "colour_reference",
            options=list(COLOR_REFERENCES),
            default=COLOR_REFERENCES[0],
            optional=True,
            advanced=True,
            tooltip="What colour_match matches to. picture: frame 0, against any drift. source "
            "frame: with a video, the frame that the window begins at, so that its light may "
            "change. running mean: the picture and all windows so far, so that slow changes pass "
            "and jumps do not.",
        ),
        io.Combo.Input(
            "image_tokens",
            options=list(IMAGE_TOKENS),
            default=IMAGE_TOKENS[0],
            optional=True,
            advanced=True,
            tooltip="Which picture CLIP vision sees. window: the one that the window continues "
            "from, as trained. picture: always the first, which holds a face longer.",
        ),
    ]


def _strength_inputs() -> list[Any]:
    return [
        io.Float.Input(
            "audio_strength",
            default=1.0,
            min=0.0,
            max=4.0,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip="Factor on what the audio part adds. 1 as trained, 0 mute.",
        ),
        io.Float.Input(
            "colour_match",
            default=1.0,
            min=0.0,
            max=1.0,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip="Factor: how much every window is brought to the colours of the picture. "
            "1 wholly, 0 is off.",
        ),
    ]


def _window_inputs() -> list[Any]:
    return [
        io.Int.Input(
            "window",
            default=0,
            min=0,
            max=401,
            optional=True,
            advanced=True,
            tooltip="Frames sampled at once: a multiple of 4, plus 1, such as 49 or 81. 0: as "
            "trained, 81.",
        ),
        io.Int.Input(
            "overlap",
            default=0,
            min=0,
            max=397,
            optional=True,
            advanced=True,
            tooltip="Frames that a window repeats of the one before: a multiple of 4, plus 1. "
            "0: as trained, 25 for MultiTalk, 9 for InfiniteTalk.",
        ),
        io.Combo.Input(
            "rule",
            options=["auto", *FAMILIES],
            default="auto",
            optional=True,
            advanced=True,
            tooltip="How windows continue. auto: as the loaded weights were trained.",
        ),
    ]


def _sampling_inputs() -> list[Any]:
    return [
        io.Combo.Input(
            "sampler",
            options=comfy.samplers.SAMPLER_NAMES,
            default="euler",
            optional=True,
            advanced=True,
            tooltip="The host's samplers. euler as trained; those that ask the model several "
            "times per step are experimental.",
        ),
        io.Float.Input(
            "step_cache",
            default=0.0,
            min=0.0,
            max=2.0,
            step=0.05,
            optional=True,
            advanced=True,
            tooltip="Reuse of steps that change little (TeaCache), with 20 steps or more. A limit "
            "without unit: 0.2 to 0.5 is useful, 0 is off.",
        ),
        io.Boolean.Input(
            "apg",
            default=False,
            optional=True,
            advanced=True,
            tooltip="Adaptive projected guidance: steadier colours at high guidance.",
        ),
        io.Combo.Input(
            "length",
            options=["exact", "reference"],
            default="exact",
            optional=True,
            advanced=True,
            tooltip="exact: as long as the sound. reference: as the published programs do it, "
            "mirrored speech at the end, up to 1000 frames.",
        ),
        io.Combo.Input(
            "last_window",
            options=["full", "short"],
            default="full",
            optional=True,
            advanced=True,
            tooltip="short samples only the frames that are needed at the end: quicker, but of a "
            "length that was not trained.",
        ),
    ]
