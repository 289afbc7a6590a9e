"""The shipped files as the results of the long stages, so that a later stage can go on from them.

Weights come back from bfloat16; of the VAE there is only the one with the polished decoder.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from pack.multitalk.model.naming import read_model_header
from pack.tools.toy.export import FILES
from pack.tools.toy.frozen_vae import FOLDED, POLISHED


def adopt_toy(shipped: Path, folder: Path, *, seed: int, seconds: float) -> None:
    """Write encoder, VAE and denoiser of a toy into a work folder.

    A training of the denoiser that went on from it would begin its optimiser anew.

    Args:
        shipped: Folder of the toy, assets/toy in the repository.
        folder: Work folder; files in it that the stages would have made are written over.
        seed: Seed that the denoiser is to be found by.
        seconds: CPU time that its training is to have taken, so that its stage has nothing to do.
    """
    from safetensors.torch import load_file, save_file

    def read(name: str) -> dict[str, Tensor]:
        return {key: value.float() for key, value in load_file(shipped / FILES[name]).items()}

    (folder / "encoder.safetensors").write_bytes((shipped / FILES["encoder"]).read_bytes())
    for name in (FOLDED, POLISHED):
        save_file(read("vae"), folder / name)
    weights = {f"{part}.{k}": v for part in ("base", "audio") for k, v in read(part).items()}
    known = read_model_header(shipped / FILES["base"]).settings["multitalk"]
    state = {
        "model": weights,
        "average": weights,
        "seconds": seconds,
        "step": known.get("training_steps", 0),
    }
    torch.save(state, folder / f"denoiser_{seed}.pt")
