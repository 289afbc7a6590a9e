"""What MultiTalk Load Model says of its files, from their headers, before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...multitalk.model.experts import describe_single, note_lora
from ...multitalk.model.kinds import contradicts, describe, is_expert
from ..host import IN_BASE
from .loras import report_loras
from .model_files import LOW_NOISE_BASE, NONE, check_no_loras, find_low_noise, find_model_files

Chosen = Sequence[tuple[str, float]]  # file names and strengths


@dataclass(frozen=True, kw_only=True, slots=True)
class FilesReport:
    """What is said of the files of a model."""

    text: str
    short: str  # what LoRAs change and what is missing, for the node itself


def report_files(
    files: Mapping[str, str], family: str, loras: Chosen, low_noise_loras: Chosen, dynprompt: Any
) -> FilesReport:
    """Check all headers and describe them.

    Args:
        files: By widget: base, audio_part and low_noise_base of MultiTalk Load Model.
        family: As chosen, or auto.
        loras: Of the base.
        low_noise_loras: Of low_noise_base.
        dynprompt: The host's running prompt.

    Raises:
        ValueError: If a file is wrong, or the files do not belong together.
    """
    found = find_model_files(files["base"], files["audio_part"], dynprompt)
    found.check_family(family)
    headers = [found.base]
    changes = [report_loras(loras, found.network, dynprompt)]
    single = ""
    if files[LOW_NOISE_BASE] != NONE:
        low = find_low_noise(files[LOW_NOISE_BASE], found, dynprompt)
        headers.append(low.base)
        changes += [note_lora(name, "high") for name, _ in loras]
        if low_noise_loras:
            changes.append(f"on the low-noise expert, {low.base.name}:")
        changes.append(report_loras(low_noise_loras, low.network, dynprompt))
        changes += [note_lora(name, "low") for name, _ in low_noise_loras]
    else:
        check_no_loras(low_noise_loras)
        if is_expert(found.base):
            single = describe_single(found.base.files, found.base.name)
    if files["audio_part"] != IN_BASE:
        headers.append(found.audio.header)
    short = "\n".join(filter(None, [single, *changes]))
    said = [*map(describe, headers), contradicts(found.audio.header, family), short]
    return FilesReport(text="\n\n".join(filter(None, said)), short=short)
