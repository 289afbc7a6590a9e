"""What a base other than WAN I2V changes in a run, refused where it cannot be.

Source: sampling.md section 12, decisions.md 41.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...multitalk.config import BaseKind
from ...multitalk.settings import RunSettings
from ...multitalk.words import count
from .control import ControlWindows, read_control
from .film import plan_of


def check_kind(kind: BaseKind, settings: RunSettings, inputs: Mapping[str, Any]) -> list[str]:
    """What is to be said of a sampling node's run on a base of this kind.

    Raises:
        ValueError: If the run asks for something that the base cannot do.
    """
    if kind == "image":
        return []
    name = {"control": "VACE", "text": "text-to-video"}[kind]
    if settings.family == "flashtalk":
        raise ValueError(
            f"rule is flashtalk and the base is a {name} one; FlashTalk was distilled together "
            "with its own base. Load FlashTalk as base with audio_part (in base), or another audio "
            "part."
        )
    if inputs.get("end_image") is not None:
        raise ValueError(
            f"end_image is connected, and the base is a {name} one, which has no place for it. "
            "Remove the link, or load a WAN I2V base, or a first-last-frame one such as Wan 2.1 "
            "FLF2V 14B."
        )
    if kind == "control":
        if settings.start_strength < 1:
            raise ValueError(
                f"start_strength is {settings.start_strength:g}, and the base is VACE, which takes "
                "a source video as control. Set start_strength to 1."
            )
        if settings.step_cache is not None:
            raise ValueError(
                "step_cache is on, and the base is VACE, whose control acts between the blocks "
                "that the cache would leave out. Set step_cache to 0."
            )
        return ["VACE base: image is the first frame, and a reference picture for every window"]
    if inputs.get("shots") is not None:
        raise ValueError(
            "shots is connected, and a text-to-video base shows no pictures, so that a cut would "
            "lead to nothing new. Remove the link, or load a WAN I2V or VACE base."
        )
    if (num_pictures := len(inputs["image"])) > 1:
        raise ValueError(
            f"image holds {count(num_pictures, 'picture')}, and a text-to-video base follows no "
            "video. Connect one picture, which sets the size, or load a WAN I2V or VACE base."
        )
    return [
        "text-to-video base, experimental: the first window comes from the prompt alone; image "
        "sets the size, and colours follow the first window"
    ]


def read_controls(
    kind: BaseKind, settings: RunSettings, inputs: dict[str, Any]
) -> ControlWindows | None:
    """Control of the windows of a run on VACE; None on other bases.

    Raises:
        ValueError: If positive or negative carries control that does not fit.
    """
    texts = [inputs.get(name) or [] for name in ("positive", "negative")]
    if kind == "control":
        plan = plan_of(settings, inputs)
        control = ControlWindows(plan, texts, (settings.height, settings.width))
        for name in ("shots", "continue_from"):
            if control.notes and inputs.get(name) is not None:
                raise ValueError(
                    f"{name} is connected, and positive or negative carries VACE control, whose "
                    "windows would not begin where those of the video do. Remove one of both."
                )
        return control
    if any(read_control(entry) is not None for rows in texts for _, entry in rows):
        raise ValueError(
            "positive or negative carries VACE control, which only a VACE base reads. Load one, "
            "for example wan2.1_vace_14B_fp16.safetensors, or remove WanVaceToVideo."
        )
    return None
