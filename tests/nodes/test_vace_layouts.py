"""Files of a VACE base in the layouts of users, and LoRAs for its control blocks."""

from __future__ import annotations

from functools import partial

import layouts
import pytest
import torch
from layout_writers import write_float, write_ggml, write_host_fp8, write_quanto, write_scaled_fp8

from pack.multitalk.model.architecture import base_parameters, base_sizes
from pack.multitalk.model.file_check import loader_words
from pack.multitalk.model.kinds import describe
from pack.multitalk.model.lora import match_lora
from pack.multitalk.model.model_files import ModelFiles
from pack.multitalk.model.naming import read_model_header

pytestmark = pytest.mark.host


def diffusers(name):
    name = layouts.diffusers_name(name)
    return name.replace("before_proj", "proj_in").replace("after_proj", "proj_out")


WRITERS = {
    "GGUF": partial(write_ggml, kind="Q8_0"),
    "quanto": partial(write_quanto, dtype=torch.int8, which=layouts.is_block_matrix),
    "scaled fp8": partial(write_scaled_fp8, dtype=torch.float8_e4m3fn, marker=2),
    "host fp8": partial(write_host_fp8, listed=False),
    "diffusers": partial(write_float, dtype=torch.bfloat16, rename=diffusers),
}


@pytest.fixture(scope="module")
def vace():
    """Weights of a small VACE model and its audio part, and what their files say of themselves."""
    base = layouts.build_base(dim=256, ffn=512, layers=2, in_dim=16, vace=2, dtype=torch.float32)
    audio = layouts.build_audio(dim=256, layers=2, hidden=16, tokens=2, width=32)
    return (layouts.settle(base[0], 1), base[1]), audio


@pytest.mark.parametrize("layout", WRITERS)
def test_every_layout_gives_the_numbers_of_the_file(host, vace, layout, tmp_path):
    from comfy.quant_ops import QuantizedTensor

    from pack.nodes.loading.base_model import load_base

    (state, metadata), audio = vace
    written = WRITERS[layout](tmp_path, state, metadata)
    part = tmp_path / "part"
    part.mkdir()
    path = part / write_float(part, *audio).file
    header = read_model_header(tmp_path / written.file)
    assert "WAN VACE, 2 blocks of width 256" in describe(header)
    assert loader_words(header) == "MultiTalk Load Model reads this file."
    model = load_base(ModelFiles.read(tmp_path / written.file, path), "default")
    found = dict(model.model.diffusion_model.named_parameters())
    assert found.keys() == written.twin.keys() == state.keys()
    for name, weight in found.items():
        number = weight.dequantize() if isinstance(weight, QuantizedTensor) else weight
        torch.testing.assert_close(number.float(), written.twin[name], rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("style", ["diffusion_model.{}", "lora_unet_{}"])
def test_loras_change_control_blocks(vace, style):
    (state, _), _ = vace
    parameters = base_parameters(base_sizes({n: tuple(t.shape) for n, t in state.items()}))
    shapes = {}
    for layer in ("vace_blocks.1.after_proj", "vace_blocks.0.cross_attn.k", "blocks.1.ffn.2"):
        name = style.format(layer if "." in style else layer.replace(".", "_"))
        rows, columns = parameters[f"{layer}.weight"]
        shapes |= {f"{name}.lora_up.weight": (rows, 4), f"{name}.lora_down.weight": (4, columns)}
    match = match_lora(shapes, parameters)
    assert len(match.applied) == 3
    assert not match.ignored
