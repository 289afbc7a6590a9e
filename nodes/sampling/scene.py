"""A scene in a run: the prompt of every window, and what is said and digested of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...multitalk.film import FilmPlan
from ...multitalk.spans import choose_spans, describe_spans
from ..sockets import SceneScript
from .contents import value_digest
from .finite import check_texts

_CONTROL = ("vace_frames", "vace_mask", "vace_strength")  # of the host's WanVaceToVideo


def check_prompts(inputs: Mapping[str, Any]) -> None:
    """Refuse texts of a sampling node, those of its scene too, with values that are not finite.

    Raises:
        NotFiniteError: With how many, and what to do.
    """
    check_texts(positive=inputs.get("positive"), negative=inputs.get("negative"))
    scene: SceneScript | None = inputs.get("scene")
    for conditioning in {id(c): c for c in scene.conditionings}.values() if scene else ():
        check_texts(scene=conditioning)


def window_prompts(
    scene: SceneScript, plan: FilmPlan, positive: list[Any], empty: list[Any]
) -> tuple[list[list[Any]], list[str]]:
    """CONDITIONING of every window, and which line each of them uses, a fact per line.

    Control of a VACE base in `positive` goes along with every text. `empty` stands for texts that
    no text encoder has read.
    """
    chosen = choose_spans(scene.spans, plan)
    entry = positive[0][1] if positive else {}
    control = {name: entry[name] for name in _CONTROL if name in entry}
    texts = [
        [[text, {**values, **control}] for text, values in conditioning or empty]
        for conditioning in scene.conditionings
    ]
    prompts = [positive if index is None else texts[index] for index in chosen]
    notes = describe_spans(scene.spans, chosen, plan.num_frames)
    if scene.spans and all(conditioning is None for conditioning in scene.conditionings):
        notes.append("scene: MultiTalk Scene has no clip, so its lines are planned and not read")
    return prompts, notes


def scene_digest(scene: SceneScript) -> str:
    """Hex digest of what a scene tells a run."""
    spans = [[str(span.start_s), str(span.end_s), span.text] for span in scene.spans]
    return value_digest([spans, list(scene.conditionings)])
