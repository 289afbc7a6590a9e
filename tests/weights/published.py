"""Headers of the files that users have, from the manifests of names and shapes beside this file.

checkpoints.md says where the files are to be had.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from pack.multitalk.model.naming import ModelHeader

MANIFESTS = Path(__file__).with_name("manifests")
BLOCKS = 40


@cache
def manifest(name):
    return json.loads((MANIFESTS / f"{name}.json").read_text())


def expand(name, block="blocks.{i}.", count=BLOCKS):
    """All shapes of a manifest by name, its template of a block repeated."""
    found = manifest(name)
    shapes = {key: tuple(shape) for key, shape in found["keys"].items()}
    for i in range(count):
        for key, shape in found["block_template"].items():
            shapes[block.format(i=i) + key] = tuple(shape)
    return shapes


def base_shapes():
    return expand("wan21_i2v_14b_base")


def audio_shapes():
    return expand("multitalk_audio_part")


def is_audio_matrix(name):
    return "audio_cross_attn" in name and name.endswith(".weight")


def header(shapes, dtypes="BF16", name="some.safetensors", **fields):
    """A header; `dtypes` is one for all, or asked by name."""
    kinds = {key: dtypes(key) if callable(dtypes) else dtypes for key in shapes}
    return ModelHeader(name=name, shapes=shapes, dtypes=kinds, **{"metadata": {}, **fields})


def tensors(found, name="some.safetensors", **fields):
    """A header from name -> (dtype, shape)."""
    shapes = {key: shape for key, (_, shape) in found.items()}
    return header(shapes, lambda key: found[key][0], name, **fields)


def scaled(shapes, rest="F32", dtype="F8_E4M3", marker=(2,), which=is_audio_matrix):
    """Name -> (dtype, shape) of scaled fp8 in the old convention."""
    found = {"scaled_fp8": (dtype, marker)}
    for name, shape in shapes.items():
        found[name] = (dtype if which(name) else rest, shape)
        if which(name):
            found[name.removesuffix("weight") + "scale_weight"] = ("F32", (1,))
    return found


def quanto(shapes, dtype="I8", rest="BF16"):
    """Name -> (dtype, shape) as optimum-quanto writes it."""
    layers = set()
    for module in manifest("quanto_dit")["candidate_linears"]:
        layers |= {module.format(i=i) for i in range(BLOCKS)}
    found = {}
    for name, shape in shapes.items():
        module = name.removesuffix(".weight")
        if module not in layers:
            found[name] = (rest, shape)
            continue
        found[f"{name}._data"], found[f"{name}._scale"] = (dtype, shape), (rest, (shape[0], 1))
        found[f"{module}.input_scale"] = found[f"{module}.output_scale"] = (rest, ())
    return found


def encoder_shapes(prefix="", width=768, layers=12):
    """wav2vec2-base, or another width and depth."""
    found = expand("wav2vec2_base", "encoder.layers.{i}.", layers)
    return {
        prefix + name: tuple(width if length == 768 else length for length in shape)
        for name, shape in found.items()
    }


def kokoro_shapes():
    """As a .pth file gives them: dictionaries inside a dictionary."""
    parts = manifest("kokoro_82m")["submodules"]
    return {
        f"{part}.{name}": tuple(shape) for part, inner in parts.items() for name, shape in
        inner.items()
    }  # fmt: skip
