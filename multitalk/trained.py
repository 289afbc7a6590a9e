"""What weights were trained for: presets and samplers that fit, and what is said of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .config import FAMILY_NAMES, PRESETS, TRAINED_SAMPLERS, Family
from .settings import RunSettings
from .solvers import check_solver, describe_solver


def check_preset(choice: Mapping[str, Any], family: Family) -> None:
    """Refuse a preset that is for weights of another family.

    Raises:
        ValueError: With the presets that fit.
    """
    preset = PRESETS.get(name := str(choice.get("preset")))
    if preset is None or family in preset.families:
        return
    fitting = [other for other, row in PRESETS.items() if family in row.families]
    meant = " or ".join(FAMILY_NAMES[of] for of in preset.families)
    raise ValueError(
        f"preset {name} is for {meant} weights, and this run follows {FAMILY_NAMES[family]}. "
        f"Set preset to {', '.join(fitting)} or custom. If the weights are others than their name "
        "says, choose their family in the loader."
    )


def resolve_sampler(
    choice: Mapping[str, Any], family: Family, sampler: str, *, connected: bool = False
) -> str:
    """Name of the host's sampler that runs: one of its list, or what a `connected` one is called.

    Weights that were trained for another than Euler bring it along with their preset, where Euler
    in the list stands for "as trained". With custom numbers a choice is taken as it is.

    Raises:
        ValueError: If the sampler cannot work, or the preset needs another one.
    """
    place = "custom_sampler" if connected else "sampler"
    check_solver(sampler, place)
    trained = TRAINED_SAMPLERS[family]
    if trained == "euler" or choice.get("preset") == "custom" or sampler == trained:
        return sampler
    if sampler != "euler" or connected:
        raise ValueError(
            f"{place} is {sampler}, and preset {choice.get('preset')} runs on {trained}, as these "
            f"weights were trained. Set {place} to {trained}, or preset to custom."
        )
    return trained


def describe_rule(settings: RunSettings, weights: Family, num_tracks: int) -> list[str]:
    """What is done otherwise than the weights, of a family, were trained for; for the report."""
    family, notes = settings.family, []
    if family != weights:
        notes.append(
            f"rule {family} was chosen; by the loader these are {FAMILY_NAMES[weights]} weights"
        )
    if family == "flashtalk":
        notes += _describe_flashtalk(settings, num_tracks)
    return [*notes, *describe_solver(settings)]


def _describe_flashtalk(settings: RunSettings, num_tracks: int) -> list[str]:
    notes = []
    if num_tracks > 1:
        notes.append(
            "speakers with places of their own: FlashTalk was trained for one voice, so this is "
            "experimental"
        )
    guided, trained = settings.guidance, TRAINED_SAMPLERS["flashtalk"]
    if settings.apg is not None and guided.text_guidance == guided.audio_guidance == 1:
        notes.append("apg: without guidance there is nothing for it to act on")
    if settings.sampler != trained:
        notes.append(
            f"sampler {settings.sampler}: FlashTalk weights were trained for {trained}, which "
            "preset FlashTalk sets"
        )
    return notes
