"""Wire types of the pack, and what lies between a host value and an engine value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.v0_0_2 import io
from torch import Tensor

from ..multitalk.spans import PromptSpan
from ..multitalk.speakers import Box, boxes_from_items

if TYPE_CHECKING:
    from comfy.model_patcher import ModelPatcher

    from ..kokoro.synthesis import Synthesizer

Tracks = io.Custom("MULTITALK_TRACKS")
Speech = io.Custom("MULTITALK_SPEECH")
SpeechEncoder = io.Custom("MULTITALK_SPEECH_ENCODER")
ShotList = io.Custom("MULTITALK_SHOTS")
VoiceModel = io.Custom("MULTITALK_VOICE_MODEL")
Scene = io.Custom("MULTITALK_SCENE")


class BoxSocket(io.BoundingBox.Input):
    """A socket without a default; the host's own has a box, which programs then fill in."""

    def __init__(self, id: str, tooltip: str) -> None:
        super().__init__(id, optional=True, force_input=True, tooltip=tooltip)
        self.default = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedEncoder:
    """A speech encoder under the host's memory management."""

    patcher: ModelPatcher  # the host looks for this name
    num_layers: int
    width: int
    do_normalize: bool
    name: str  # file name, for messages
    identity: str  # digest of the file's contents


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedVoices:
    """A voice model; the machine voice has no weights to manage."""

    synthesizer: Synthesizer
    patcher: ModelPatcher | None
    name: str  # for messages


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneScript:
    """What counts when in a video, as the text encoder gave it."""

    spans: tuple[PromptSpan, ...]
    # CONDITIONING of the host for each span, the same object where texts are; None: no text.
    conditionings: tuple[list[Any] | None, ...]


def to_masks(masks: Tensor) -> Tensor:
    """Host MASK, [H, W] or [S, H, W], to [S, H, W] float32 on the CPU."""
    masks = masks.to("cpu", torch.float32)
    return masks[None] if masks.ndim == 2 else masks


def to_boxes(value: object) -> list[Box]:
    """Read a host BOUNDING_BOX: one dict, a list of dicts, or a list per frame (the first counts).

    Boxes keep their order; those of a detector (with a score or label) go from left to right.

    Raises:
        ValueError: If a box lacks one of x, y, width, height.
    """
    if isinstance(value, Sequence) and len(value) and isinstance(value[0], list | tuple):
        value = value[0]
    items = [value] if isinstance(value, Mapping) else value
    if not isinstance(items, list | tuple) or not all(isinstance(i, Mapping) for i in items):
        raise ValueError("detections holds no boxes. Connect a node that gives BOUNDING_BOX.")
    return boxes_from_items(items)
