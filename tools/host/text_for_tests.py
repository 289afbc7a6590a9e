"""A test-only node: a text encoder that needs no file."""

from __future__ import annotations

from typing import Any

import torch


class TextEncoder:
    """What nodes use of a CLIP of the host, of the toy's text width: other texts, other numbers."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, text: str) -> list[Any]:
        generator = torch.Generator().manual_seed(sum(text.encode()))
        return [[torch.randn(1, 7, 64, generator=generator), {}]]


class TestTextEncoder:
    RETURN_TYPES = ("CLIP",)
    FUNCTION = "load"
    INPUT_TYPES = staticmethod(dict)

    def load(self) -> tuple[TextEncoder]:
        return (TextEncoder(),)


NODE_CLASS_MAPPINGS = {"TestTextEncoder": TestTextEncoder}
