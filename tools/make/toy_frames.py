"""Write the toy's frame interpolation model: `.venv/bin/python tools/make/toy_frames.py`.

The host takes it for a RIFE model of two channels. All of its weights are 0: nothing moves, and
what it puts between two frames is their mean. So the way from frames to a smoother video runs
anywhere, with nothing downloaded and nothing trained.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

FILE = "multitalk_toy_frames.safetensors"
FOLDER = Path(__file__).resolve().parents[2] / "assets" / "toy" / "frame_interpolation"
HEAD, WIDTH, RESIDUALS, BLOCKS, INNER = 1, 2, 8, 5, 16
NUM_OUT = 4 * 13
"""Flow of both frames, a mask and features, for four pixels each."""


def build_frames() -> dict[str, Tensor]:
    """Tensors by the names of RIFE 4.26."""
    shapes = {
        "encode.cnn0": (INNER, 3, 3),
        "encode.cnn1": (INNER, INNER, 3),
        "encode.cnn2": (INNER, INNER, 3),
    }
    state = {"encode.cnn3.weight": torch.zeros(INNER, HEAD, 4, 4), "encode.cnn3.bias": zeros(HEAD)}
    for number in range(BLOCKS):
        block = f"blocks.{number}"
        num_in = 7 + 2 * HEAD if number == 0 else 8 + 4 + 8 + 2 * HEAD
        shapes[f"{block}.conv0.0.0"] = (WIDTH // 2, num_in, 3)
        shapes[f"{block}.conv0.1.0"] = (WIDTH, WIDTH // 2, 3)
        for residual in range(RESIDUALS):
            shapes[f"{block}.convblock.{residual}.conv"] = (WIDTH, WIDTH, 3)
            state[f"{block}.convblock.{residual}.beta"] = torch.ones(1, WIDTH, 1, 1)
        state[f"{block}.lastconv.0.weight"] = torch.zeros(WIDTH, NUM_OUT, 4, 4)
        state[f"{block}.lastconv.0.bias"] = zeros(NUM_OUT)
    for name, (num_out, num_in, side) in shapes.items():
        state[f"{name}.weight"] = torch.zeros(num_out, num_in, side, side)
        state[f"{name}.bias"] = zeros(num_out)
    return {name: tensor.to(torch.float8_e4m3fn) for name, tensor in state.items()}


def zeros(count: int) -> Tensor:
    """A bias."""
    return torch.zeros(count)


def main() -> None:
    """Write the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    save_file(build_frames(), FOLDER / FILE, {"licence": "Apache-2.0"})
    print(f"{FILE}: {(FOLDER / FILE).stat().st_size} bytes")


if __name__ == "__main__":
    main()
