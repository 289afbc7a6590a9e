"""Lines of a scene as nodes take and draw them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .values import naming

if TYPE_CHECKING:
    from ..multitalk.sound.timeline import Caption
    from ..multitalk.spans import PromptSpan


def read_scene(text: object) -> tuple[PromptSpan, ...]:
    """The lines of a scene; none of a text that is not made yet.

    Raises:
        ValueError: If one cannot be understood.
    """
    from ..multitalk.spans import read_spans

    with naming("scene_text"):
        return read_spans(text) if isinstance(text, str) else ()


def captions(spans: Sequence[PromptSpan]) -> list[Caption]:
    """Lines as pictures of the time line take them."""
    from ..multitalk.sound.timeline import Caption

    return [
        Caption(
            start_s=float(span.start_s),
            end_s=None if span.end_s is None else float(span.end_s),
            text=span.text,
        )
        for span in spans
    ]
