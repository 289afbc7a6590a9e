"""The audio part at the size of the released files: names, shapes and counts, without memory."""

from __future__ import annotations

import torch

from pack.multitalk.audio_attention import build_audio_part
from pack.multitalk.checkpoint import Header, audio_part_config, check_fit
from pack.multitalk.config import AudioPartConfig

RELEASED = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)


def released_part():
    return build_audio_part(RELEASED, device=torch.device("meta"))


def test_the_module_has_the_tensors_of_the_released_file():
    state = released_part().state_dict()
    assert len(state) == 330
    assert sum(tensor.numel() for tensor in state.values()) == 2_487_168_000
    assert state["audio_proj.proj1.weight"].shape == (512, 46080)
    assert state["audio_proj.proj1_vf.weight"].shape == (512, 73728)
    assert state["audio_proj.proj3.weight"].shape == (24576, 512)
    assert state["blocks.39.audio_cross_attn.kv_linear.weight"].shape == (10240, 768)
    assert state["blocks.0.norm_x.bias"].shape == (5120,)


def test_sizes_are_read_from_shapes_alone():
    shapes = {name: tuple(t.shape) for name, t in released_part().state_dict().items()}
    header = Header(name="multitalk.safetensors", shapes=shapes, dtypes={}, metadata={})
    assert audio_part_config(header) == RELEASED
    base = {"head.modulation": (1, 2, 5120), "blocks.39.modulation": (1, 6, 5120)}
    wan = Header(name="wan2.1.safetensors", shapes=base, dtypes={}, metadata={})
    check_fit(wan, RELEASED, header.name)
