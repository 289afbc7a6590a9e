"""Which bases come as two experts, by shapes and names."""

from __future__ import annotations

import pytest

from pack.multitalk.model.kinds import VARIANTS, describe
from pack.tests.multitalk.model.test_kinds import variant_shapes
from pack.tests.weights.published import header


@pytest.mark.parametrize(
    ("label", "name", "told"),
    [
        ("T2V", "wan2.2_t2v_low_noise_14B_fp8_scaled.safetensors", True),
        ("VACE", "Wan2_2-VACE-Fun-A14B-LOW_bf16.safetensors", True),
        ("T2V", "wan2.1_t2v_14B_low_vram.safetensors", False),
        ("VACE", "wan2.1_vace_14B_fp16.safetensors", False),
        ("WAN 2.2 5B", "wan2.2_ti2v_5B_fp16.safetensors", False),
        ("WAN 2.2 S2V", "wan2.2_s2v_14B_bf16.safetensors", False),
    ],
)
def test_only_what_comes_in_two_is_called_an_expert(label, name, told):
    row = next(row for row in VARIANTS if row.label == label)
    said = describe(header(variant_shapes(row), name=name))
    assert ("by its name the low-noise expert" in said) is told
    assert ("expert" in said) is told
