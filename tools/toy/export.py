"""Writes the trained toy as the four files that users get, with what is known about them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import torch
from torch import Tensor
from toy import BASE_SETTINGS, LICENCE, build_audio, build_base, file_bytes

from pack.multitalk.config import Family
from pack.tools.toy.frozen_vae import FOLDED, POLISHED, load_folded

FAMILY: Family = "infinitetalk"
"""Rule that the toy continues windows by: it learned both, and with the picture in every window
faces stay for a minute, while by MultiTalk's rule they are lost after ten seconds."""
FILES = {
    "base": "diffusion_models/multitalk_toy_base.safetensors",
    "audio": "model_patches/multitalk_toy_audio.safetensors",
    "vae": "vae/multitalk_toy_vae.safetensors",
    "encoder": "audio_encoders/multitalk_toy_encoder.safetensors",
}


def training_commit(root: Path) -> str:
    """Commit of the program, with a plus sign if files were changed since."""
    git = ["git", "-C", str(root)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
    )
    if commit.returncode:
        return "unknown"
    changed = subprocess.run([*git, "status", "--porcelain", "tools/toy"], capture_output=True)
    return commit.stdout.strip() + ("+" if changed.stdout else "")


def split(average: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    """Weights of `base` or `audio` in bfloat16."""
    prefix = part + "."
    return {
        name.removeprefix(prefix): tensor.to(torch.bfloat16).contiguous().cpu()
        for name, tensor in average.items()
        if name.startswith(prefix)
    }


def trained_weights(folder: Path, seed: int) -> tuple[dict[str, Tensor], int]:
    """Weights of the last training of the denoiser, and the steps of all of them."""
    steps, average = 0, {}
    for name in (f"denoiser_{seed}.pt", f"continued_{seed}.pt"):
        if (folder / name).is_file() or not average:
            state = torch.load(folder / name, map_location="cpu", weights_only=True)
            average, steps = state["average"], steps + state["step"]
    return average, steps


def export_toy(folder: Path, out: Path, *, seed: int, metrics: dict[str, float]) -> None:
    """Write the files.

    Args:
        folder: Work folder.
        out: Folder of the toy, assets/toy in the repository.
        seed: Seed of the denoiser that is exported.
        metrics: What the laboratory measured, put into the metadata.
    """
    average, steps = trained_weights(folder, seed)
    facts = {
        "trained": True,
        "training_commit": training_commit(Path(__file__).resolve().parents[2]),
        "training_seed": seed,
        "training_steps": steps,
        "metrics": metrics,
    }
    base = json.loads(build_base()[1]["config"])
    base["multitalk"] = {**base["multitalk"], **BASE_SETTINGS, **facts}
    audio = json.loads(build_audio()[1]["config"])
    audio["multitalk"] |= {**facts, "family": FAMILY}
    file = POLISHED if (folder / POLISHED).is_file() else FOLDED
    vae = {
        name: tensor.to(torch.bfloat16).contiguous()
        for name, tensor in load_folded(folder, file).state_dict().items()
    }
    plain = {name: json.dumps(value) for name, value in facts.items() if name != "training_steps"}
    made = {
        "base": (split(average, "base"), {"config": json.dumps(base)}),
        "audio": (split(average, "audio"), {"config": json.dumps(audio)}),
        "vae": (vae, {"licence": LICENCE, **plain}),
    }
    for file in FILES.values():
        (out / file).parent.mkdir(parents=True, exist_ok=True)
    for name, (tensors, metadata) in made.items():
        (out / FILES[name]).write_bytes(file_bytes(tensors, metadata))
    (out / FILES["encoder"]).write_bytes((folder / "encoder.safetensors").read_bytes())
    for file in FILES.values():
        print(f"{file:52}{(out / file).stat().st_size / 1e6:7.2f} MB")
