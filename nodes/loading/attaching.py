"""What loading nodes share: the choice of a family, stamps of files, an audio part onto a MODEL."""

from __future__ import annotations

import logging

from comfy.model_patcher import ModelPatcher

from ...multitalk.config import FAMILIES
from ...multitalk.model.kinds import contradicts
from ...multitalk.model.model_files import AudioFile
from ..host import AUDIO_PART_FOLDERS, BASE_FOLDERS, IN_BASE, file_stamps
from ..widgets import Widget
from .audio_hooks import AttachedAudio, attach_audio, check_model

logger = logging.getLogger("multitalk.nodes")

FAMILY = Widget(
    "family",
    "Window rules the weights were trained for. auto: FlashTalk if the name of the file or "
    "its folder contains 'flashtalk', InfiniteTalk if the file name contains 'infinite', else "
    "MultiTalk.",
    default="auto",
    choices=("auto", *FAMILIES),
    advanced=True,
)


def model_stamps(base: str, audio_part: str) -> object:
    """Changes with the files of base and audio part."""
    audio = [] if audio_part == IN_BASE else [audio_part]
    return (file_stamps([base], BASE_FOLDERS), file_stamps(audio, AUDIO_PART_FOLDERS))


def with_audio(
    model: ModelPatcher, file: AudioFile, family: str, weight_dtype: str
) -> ModelPatcher:
    """A clone of a MODEL with the audio part of a file.

    Raises:
        ValueError: If they do not belong together.
    """
    from .audio_part import load_audio_part
    from .model_files import choose_family

    check_model(model, file.config, file.name)
    dtype = model.model.get_dtype_inference()
    part = load_audio_part(file, dtype, weight_dtype)
    chosen = choose_family(file, family)
    if note := contradicts(file.header, family):
        logger.warning("[MultiTalk] %s", note)
    logger.info("[MultiTalk] audio part %s, %s rules, %s", file.name, chosen, dtype)
    attached = AttachedAudio(name=file.name, family=chosen, config=file.config)
    return attach_audio(model, part, attached)
