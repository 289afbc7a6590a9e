"""Reading golden data: an index of cases and their tensors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor


@dataclass
class Case:
    """One entry of index.json with its tensors."""

    folder: Path
    entry: dict[str, Any]

    def __post_init__(self) -> None:
        self.name: str = self.entry["name"]
        self.config: dict[str, Any] = self.entry.get("config", {})
        self.tensors: dict[str, Tensor] = self.load(self.entry["file"])

    def load(self, file: str) -> dict[str, Tensor]:
        """Tensors of a file of the folder, int8 ones turned into float32."""
        raw = load_file(self.folder / file)
        out = {name: t for name, t in raw.items() if not name.startswith(("q8.", "q8scale."))}
        for name, tensor in raw.items():
            if name.startswith("q8."):
                out[name[3:]] = tensor.float() * raw[f"q8scale.{name[3:]}"]
        return out

    def __getitem__(self, name: str) -> Tensor:
        return self.tensors[name]

    def expects(self, name: str) -> str:
        """What the index says of one tensor: match, fixed or not asked."""
        expect = self.entry.get("expect", {})
        return expect.get(name, "match") if isinstance(expect, dict) else expect

    @property
    def weights(self) -> dict[str, Tensor]:
        """Weights by state-dict name, from the case or the file it needs."""
        files = [f for f in self.entry.get("needs", ()) if f.endswith(".safetensors")]
        sources = [self.tensors, *map(self.load, files)]
        return {n[2:]: t for source in sources for n, t in source.items() if n.startswith("w.")}

    def weights_config(self) -> dict[str, Any]:
        """Sizes that belong to the weights."""
        if "dim" in self.config:
            return self.config
        index = read_index(self.folder)
        needed = self.entry["needs"][0]
        return next(entry["config"] for entry in index if entry.get("file") == needed)

    @property
    def tolerance(self) -> dict[str, float]:
        """Allowed differences."""
        return self.entry["tolerance"]

    def check(self, actual: Tensor, expected: str | Tensor, label: str = "") -> None:
        """Compare within max_abs, mean_abs and relative_to_max, whichever are given."""
        want = self[expected] if isinstance(expected, str) else expected
        label = label or str(expected)
        assert actual.shape == want.shape, (self.name, label, actual.shape, want.shape)
        difference = (actual.double() - want.double()).abs()
        worst = float(difference.max()) if difference.numel() else 0.0
        limits = self.tolerance
        if "max_abs" in limits:
            assert worst <= limits["max_abs"], (self.name, label, worst)
        if "mean_abs" in limits:
            assert float(difference.mean()) <= limits["mean_abs"], (self.name, label)
        if "relative_to_max" in limits:
            assert worst <= limits["relative_to_max"] * float(want.abs().max()), (label, worst)


def read_index(folder: Path) -> list[dict[str, Any]]:
    """All cases of a folder."""
    return json.loads((folder / "index.json").read_text())["cases"]


def exact(actual: Tensor, expected: Tensor) -> None:
    """Bit equality."""
    assert torch.equal(actual, expected.to(actual.dtype))


class RecordedNoise:
    """The recorded random numbers of a loop case: a window, and the draws in it."""

    def __init__(self, case):
        self.case, self.index, self.draw = case, -1, 0

    def window(self, shape):
        self.index, self.draw = self.index + 1, 0
        return self.case["noise.window"][self.index][None].clone()

    def state(self):
        return torch.tensor([self.index + 1, self.draw], dtype=torch.uint8)

    def restore(self, state):
        self.index, self.draw = int(state[0]) - 1, int(state[1])
