"""LoRAs in ComfyUI's style, as files and as what they must do to weights."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

FILE = "layout_lora.safetensors"
BASE_FILE = "layout_base_lora.safetensors"  # only what the host's own loader of LoRAs can change
RANK, ALPHA, STRENGTH = 4, 2.0, 0.75
AUDIO, MODULATION = "blocks.1.audio_cross_attn.q_linear", "blocks.1.modulation"
PAIRS = ("blocks.0.self_attn.q", "blocks.1.cross_attn.k", "blocks.0.ffn.0", AUDIO)
CHANGES = {  # suffix by parameter
    "blocks.1.norm3.weight": ".diff",
    "blocks.0.self_attn.v.bias": ".diff_b",
    MODULATION: ".diff",
}


def write_loras(folder: Path, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write the files, for a model with these weights.

    Returns:
        What the first adds at STRENGTH, by parameter.
    """
    generator = torch.Generator().manual_seed(4)

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    stored: dict[str, Tensor] = {}
    added: dict[str, Tensor] = {}
    for path in PAIRS:
        rows, columns = weights[f"{path}.weight"].shape
        up, down = noise(rows, RANK), noise(RANK, columns) * columns**-0.5
        stored |= {f"{path}.lora_up.weight": up, f"{path}.lora_down.weight": down}
        stored[f"{path}.alpha"] = torch.tensor(ALPHA)
        added[f"{path}.weight"] = STRENGTH * ALPHA / RANK * (up @ down)
    for parameter, suffix in CHANGES.items():
        change = 0.1 * noise(*weights[parameter].shape)
        stored[parameter.removesuffix(".weight").removesuffix(".bias") + suffix] = change
        added[parameter] = STRENGTH * change
    folder.mkdir()
    named = {f"diffusion_model.{key}": tensor for key, tensor in stored.items()}
    save_file(named, folder / FILE)
    rest = {n: t for n, t in named.items() if AUDIO not in n and MODULATION not in n}
    save_file(rest, folder / BASE_FILE)
    return added


def merge(weights: dict[str, Tensor], added: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights with the LoRA in them."""
    return {**weights, **{name: weights[name] + change for name, change in added.items()}}


def widgets(file: str = FILE, strength: float = STRENGTH) -> dict[str, object]:
    """Inputs of MultiTalk Load Model that choose a LoRA."""
    return {"loras": "1", "loras.lora_1": file, "loras.strength_1": strength}
