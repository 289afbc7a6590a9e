"""Writes one random tiny model in every layout that users have: base, audio part, whole model.

`python tools/make/layouts.py DIR`. Sizes: two blocks of width 256 with two heads, so that rows hold
whole GGUF blocks and the host can tell the heads, and CLIP width as released, so that no file needs
metadata to be read (a .pth file cannot carry any). All values are rounded to what float32, float16
and bfloat16 can hold.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from layout_writers import (
    Written,
    is_block_matrix,
    is_norm,
    write_float,
    write_fp8,
    write_ggml,
    write_grid,
    write_host_fp8,
    write_kitchen,
    write_mixed_audio,
    write_parts,
    write_pickle,
    write_quanto,
    write_scaled_fp8,
)
from toy import build_audio, build_base, build_encoder
from toy_weights import Metadata, State

Writer = Callable[[Path, State, Metadata], Written]

LAYERS = 2
DIM = 256
ENCODER = {"layers": 12, "hidden": 32, "heads": 4, "intermediate": 64}
ENCODER_FILE = "layout_encoder.safetensors"
E4M3, E5M2 = torch.float8_e4m3fn, torch.float8_e5m2
HALF, BRAIN = torch.float16, torch.bfloat16
DIFFUSERS = {  # beginnings and endings of official names -> those of the diffusers library
    "head.modulation": "scale_shift_table",
    "head.head": "proj_out",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "img_emb.proj.0": "condition_embedder.image_embedder.norm1",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb.proj.4": "condition_embedder.image_embedder.norm2",
    ".modulation": ".scale_shift_table",
    ".norm3": ".norm2",
    ".ffn.0": ".ffn.net.0.proj",
    ".ffn.2": ".ffn.net.2",
    ".cross_attn.k_img": ".attn2.add_k_proj",
    ".cross_attn.v_img": ".attn2.add_v_proj",
    ".cross_attn.norm_k_img": ".attn2.norm_added_k",
    ".self_attn.o.": ".attn1.to_out.0.",
    ".cross_attn.o.": ".attn2.to_out.0.",
    ".self_attn.norm": ".attn1.norm",
    ".cross_attn.norm": ".attn2.norm",
    ".self_attn.": ".attn1.to_",
    ".cross_attn.": ".attn2.to_",
}


def diffusers_name(name: str) -> str:
    """Name of a base tensor in the diffusers library."""
    old = next((old for old in DIFFUSERS if old in name), "")
    return name.replace(old, DIFFUSERS[old]) if old else name


def with_base_weights(folder: Path, state: State, metadata: Metadata) -> Written:
    """An audio part with some base weights inside, of other values than the base has."""
    other = {
        "blocks.0.self_attn.q.weight": state["blocks.0.audio_cross_attn.q_linear.weight"].flip(0),
        "blocks.1.cross_attn.k_img.weight": state["blocks.1.audio_cross_attn.proj.weight"].flip(1),
        "blocks.0.cross_attn.v.weight": state["blocks.1.audio_cross_attn.proj.weight"].flip(0),
        "blocks.1.cross_attn.o.bias": state["blocks.1.audio_cross_attn.proj.bias"].flip(0),
        "blocks.1.norm3.weight": state["blocks.0.norm_x.weight"].flip(0),
        "blocks.1.modulation": state["blocks.0.audio_cross_attn.proj.weight"][:6].flip(0)[None],
    }
    return write_float(folder, {**other, **state}, metadata, name="infinitetalk.safetensors")


PIPELINE = {  # other models in a checkpoint of the host
    "vae.decoder.head.0.gamma": torch.ones(4, 1, 1, 1),
    "text_encoders.umt5xxl.transformer.shared.weight": torch.ones(2, 4, dtype=HALF),
}
BASE_LAYOUTS: dict[str, Writer] = {
    "float32": write_float,
    "float16": partial(write_float, dtype=HALF),
    "bfloat16": partial(write_float, dtype=BRAIN),
    "bfloat16, float32 norms": partial(write_float, dtype=BRAIN, other=(is_norm, torch.float32)),
    "model.diffusion_model.": partial(write_float, dtype=HALF, prefix="model.diffusion_model."),
    "diffusion_model.": partial(write_float, dtype=HALF, prefix="diffusion_model."),
    "model.": partial(write_float, dtype=HALF, prefix="model."),
    "pipeline": partial(write_float, prefix="model.diffusion_model.", beside=PIPELINE),
    "parts": partial(write_parts, index=False),
    "parts, index": partial(write_parts, index=True),
    "diffusers, parts, index": partial(write_parts, index=True, rename=diffusers_name),
    "diffusers": partial(write_float, dtype=BRAIN, rename=diffusers_name),
    "pth": partial(write_pickle, nested=False),
    "pth, state_dict": partial(write_pickle, nested=True),
    "fp8 e4m3": partial(write_fp8, dtype=E4M3),
    "fp8 e5m2": partial(write_fp8, dtype=E5M2, rest=BRAIN),
    "scaled e4m3, 2": partial(write_scaled_fp8, dtype=E4M3, marker=2),
    "scaled e4m3, 0, inputs": partial(
        write_scaled_fp8, dtype=E4M3, marker=0, which=is_block_matrix, rest=HALF, inputs=True
    ),
    "scaled e5m2": partial(write_scaled_fp8, dtype=E5M2, marker=2, rest=BRAIN),
    "rows int8": partial(write_grid, dtype=torch.int8, suffix=".weight_scale", block=None),
    "blocks e4m3": partial(write_grid, dtype=E4M3, suffix=".scale_weight", block=32),
    "host e4m3": partial(write_host_fp8, listed=False),
    "host e5m2": partial(write_host_fp8, dtype=E5M2, listed=False, rest=HALF),
    "host e4m3, listed": partial(write_host_fp8, listed=True),
    "host e4m3, listed, prefix": partial(
        write_host_fp8, listed=True, prefix="model.diffusion_model."
    ),
    "host e4m3, prefix": partial(write_host_fp8, listed=False, prefix="diffusion_model."),
    "host int8": partial(write_kitchen, kind="int8_tensorwise"),
    "host nvfp4": partial(write_kitchen, kind="nvfp4"),
    "host mxfp8": partial(write_kitchen, kind="mxfp8"),
    "quanto int8, blocks": partial(write_quanto, dtype=torch.int8, which=is_block_matrix),
    "GGUF F16": partial(write_ggml, kind="F16"),
    "GGUF BF16": partial(write_ggml, kind="BF16"),
    "GGUF Q8_0": partial(write_ggml, kind="Q8_0"),
    "GGUF Q6_K": partial(write_ggml, kind="Q6_K"),
    "GGUF Q4_K": partial(write_ggml, kind="Q4_K"),
}
KEPT = ("audio_proj.",)
AUDIO_LAYOUTS: dict[str, Writer] = {
    "float32": partial(write_float, name="multitalk.safetensors"),
    "MultiTalk": partial(
        write_float, other=(lambda name, _: ".norm_x." in name, BRAIN), name="multitalk.safetensors"
    ),
    "InfiniteTalk": write_mixed_audio,
    "bfloat16": partial(write_float, dtype=BRAIN),
    "diffusion_model.": partial(write_float, dtype=HALF, prefix="diffusion_model."),
    "pth": partial(write_pickle, nested=False),
    "base weights inside": with_base_weights,
    "fp8 e4m3": partial(write_fp8, dtype=E4M3),
    "scaled e4m3": partial(
        write_scaled_fp8, dtype=E4M3, marker=2, which=is_block_matrix, rest=torch.float32
    ),
    "scaled e5m2": partial(
        write_scaled_fp8, dtype=E5M2, marker=2, which=is_block_matrix, rest=torch.float32
    ),
    "host e4m3": partial(write_host_fp8, listed=False),
    "quanto int8": partial(write_quanto, dtype=torch.int8, rest=BRAIN),
    "quanto fp8": partial(write_quanto, dtype=E4M3),
    "GGUF Q8_0": partial(write_ggml, kind="Q8_0"),
    "GGUF Q6_K": partial(write_ggml, kind="Q6_K"),
    "GGUF Q4_K": partial(write_ggml, kind="Q4_K", kept=KEPT),
}
WHOLE_LAYOUTS: dict[str, Writer] = {  # base and audio part
    "MultiTalk folder": partial(write_parts, index=True, audio="in index"),
    "parts, audio beside": partial(write_parts, index=False, audio="beside"),
    "quanto int8": partial(
        write_quanto, dtype=torch.int8, rest=BRAIN, name="dit_model_int8",
        map_name="dit_model_map_int8",
    ),
    "quanto fp8": partial(
        write_quanto, dtype=E4M3, name="infinitetalk_multi_fp8", map_name="infinitetalk_multi_fp8"
    ),
    "quanto int8, no map": partial(write_quanto, dtype=torch.int8),
}  # fmt: skip


def build_parts() -> tuple[State, Metadata, State, Metadata]:
    """Base and audio part in float32, each with its metadata."""
    base, base_metadata = build_base(
        dim=DIM, ffn=2 * DIM, layers=LAYERS, clip=True, dtype=torch.float32
    )
    audio, audio_metadata = build_audio(
        dim=DIM,
        layers=LAYERS,
        encoder_layers=ENCODER["layers"],
        encoder_channels=ENCODER["hidden"],
        hidden=64,
        tokens=4,
        width=DIM,
        dtype=torch.float32,
    )
    return settle(base, seed=8), base_metadata, settle(audio, seed=9), audio_metadata


def settle(state: State, seed: int) -> State:
    """Norms that change something, and values that all three float dtypes hold."""
    generator = torch.Generator().manual_seed(seed)
    out = {}
    for name, tensor in state.items():
        if is_norm(name, tensor):
            tensor = tensor + 0.2 * torch.randn(tensor.shape, generator=generator)
        out[name] = tensor.to(BRAIN).to(HALF).float()  # also below the normal numbers of float16
    return out


def merge(base: Metadata, audio: Metadata) -> Metadata:
    """Metadata of a file that holds base and audio part."""
    first, second = json.loads(base["config"]), json.loads(audio["config"])
    first["multitalk"] |= second["multitalk"]
    return {"config": json.dumps(first)}


def write_all(
    table: dict[str, Writer], folder: Path, state: State, metadata: Metadata
) -> dict[str, Written]:
    """A folder per row of a table; file names begin with the folder of all rows."""
    out = {}
    for name, write in table.items():
        inner = folder / name.strip(".").replace(", ", "-").replace(" ", "_")
        inner.mkdir(parents=True)
        written = write(inner, state, metadata)
        file = f"{folder.name}/{inner.name}/{written.file}"
        out[name] = Written(file=file, twin=written.twin)
    return out


def write_layouts(folder: Path) -> dict[str, dict[str, Written]]:
    """All files, by table and row; and the speech encoder that the audio part hears."""
    base, base_metadata, audio, audio_metadata = build_parts()
    whole, whole_metadata = {**base, **audio}, merge(base_metadata, audio_metadata)
    encoder, encoder_metadata = build_encoder(**ENCODER)
    models, patches = folder / "diffusion_models", folder / "model_patches"
    encoders = folder / "audio_encoders"
    encoders.mkdir(parents=True)
    write_float(encoders, encoder, encoder_metadata, name=ENCODER_FILE)
    return {
        "base": write_all(BASE_LAYOUTS, models / "base", base, base_metadata),
        "audio": write_all(AUDIO_LAYOUTS, patches / "audio", audio, audio_metadata),
        "whole": write_all(WHOLE_LAYOUTS, models / "whole", whole, whole_metadata),
    }


def main() -> None:
    """Write the files and print what each is."""
    parser = argparse.ArgumentParser(description="Write a random model in every layout.")
    parser.add_argument("out", type=Path, help="folder to write to")
    for table, rows in write_layouts(parser.parse_args().out).items():
        for name, written in rows.items():
            print(f"{table:6}{name:28}{len(written.twin):5} parameters  {written.file}")


if __name__ == "__main__":
    main()
