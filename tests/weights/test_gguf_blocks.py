from __future__ import annotations

import sys

import gguf
import numpy as np
import pytest
import torch
from gguf_writer import quantize, write_gguf

from pack.weights.gguf_blocks import BLOCK_KINDS, dequantize_blocks, require_gguf

QUANTISABLE = ("BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")
# First bytes of the float16 scales in a block.
HALVES = {
    "BF16": (0,), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q8_0": (0,),
    "Q2_K": (80, 82), "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,),
    "IQ4_NL": (0,), "IQ4_XS": (0,),
}  # fmt: skip
LEFT_TO_THE_PACKAGE = {
    "IQ2_XXS": (0,), "IQ2_XS": (0,), "IQ2_S": (0,), "IQ3_XXS": (0,), "IQ3_S": (0,), "IQ1_S": (0,),
    "TQ1_0": (52,), "TQ2_0": (64,),
}  # fmt: skip
SHAPE = (6, 512)


def random_blocks(kind, num_values, seed=0):
    """Random bytes whose float16 scales are finite, of both signs, some of them subnormal."""
    block_values, block_bytes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
    random = np.random.default_rng(seed)
    blocks = random.integers(0, 256, (num_values // block_values, block_bytes), dtype=np.uint8)
    for start in (HALVES | LEFT_TO_THE_PACKAGE)[kind]:
        scales = random.standard_normal(len(blocks)) * 10.0 ** random.integers(-7, 2, len(blocks))
        blocks[:, start : start + 2] = scales.astype(np.float16).view(np.uint8).reshape(-1, 2)
    return blocks


def reference(blocks, kind, shape=SHAPE):
    values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[kind])
    return torch.from_numpy(values).reshape(shape)


def same_bits(actual, expected):
    """Equal to the sign of zero."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype == torch.float32
    assert torch.equal(actual.view(torch.int32), expected.view(torch.int32))


def test_table_gives_the_block_sizes_of_the_package():
    assert set(BLOCK_KINDS) == set(HALVES)
    for kind, row in BLOCK_KINDS.items():
        sizes = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]]
        assert (row.num_values, row.num_bytes) == sizes, kind


@pytest.mark.parametrize("kind", QUANTISABLE)
def test_quantised_matrix_comes_back_as_the_package_gives_it(kind):
    values = np.random.default_rng(1).standard_normal(SHAPE, dtype=np.float32)
    data = quantize(values, kind)
    found = dequantize_blocks(torch.from_numpy(data), kind, SHAPE, torch.float32)
    same_bits(found, reference(data, kind))
    # The coarsest kind has 15 steps from -4 to 4: half a step is 0.3.
    assert (found - torch.from_numpy(values)).abs().max() < 0.5


@pytest.mark.parametrize("kind", [*HALVES, *LEFT_TO_THE_PACKAGE])
def test_random_blocks_are_those_of_the_package_to_the_bit(kind):
    blocks = random_blocks(kind, 6 * 512)
    found = dequantize_blocks(torch.from_numpy(blocks), kind, SHAPE, torch.float32)
    assert found.isfinite().all()
    assert found.unique().numel() > 20
    same_bits(found, reference(blocks, kind))


def test_every_byte_of_a_block_counts():
    for kind, row in BLOCK_KINDS.items():
        shape = (8 * row.num_values,)  # in one block alone a scale of zero could hide a byte
        blocks = torch.from_numpy(random_blocks(kind, *shape))
        before = dequantize_blocks(blocks, kind, shape, torch.float32)
        for index in range(row.num_bytes):
            other = blocks.clone()
            other[:, index] ^= 0x55
            after = dequantize_blocks(other, kind, shape, torch.float32)
            assert not torch.equal(before, after), (kind, index)


def test_values_known_by_hand():
    # Q8_0: scale 0.5, then -128 ... -97. Q4_0: scale 2, every byte 0x9F: low 15 - 8, high 9 - 8.
    half, two = np.float16([0.5, 2]).view(np.uint8).reshape(2, 2)
    eight = torch.from_numpy(np.concatenate([half, np.arange(128, 160, dtype=np.uint8)]))
    assert dequantize_blocks(eight, "Q8_0", (32,), torch.float32).tolist() == [
        0.5 * n for n in range(-128, -96)
    ]
    four = torch.from_numpy(np.concatenate([two, np.full(16, 0x9F, np.uint8)]))
    assert (
        dequantize_blocks(four, "Q4_0", (32,), torch.float32).tolist() == [14.0] * 16 + [2.0] * 16
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("kind", ["Q8_0", "Q4_K", "IQ3_S"])
def test_other_dtypes_are_rounded_once_from_float32(kind, dtype):
    blocks = random_blocks(kind, 6 * 512)
    found = dequantize_blocks(torch.from_numpy(blocks), kind, SHAPE, dtype)
    assert torch.equal(found, reference(blocks, kind).to(dtype))
    assert found.dtype == dtype


@pytest.mark.parametrize("kind", [*HALVES, "IQ3_S"])
def test_data_may_be_shaped_and_placed_anyhow_and_is_not_written(kind):
    blocks = torch.from_numpy(random_blocks(kind, 6 * 512))
    wanted = reference(blocks.numpy(), kind)
    odd_place = torch.empty(blocks.numel() + 1, dtype=torch.uint8)[1:]
    odd_place.copy_(blocks.flatten())
    spread = torch.zeros(*blocks.shape, 3, dtype=torch.uint8)
    spread[..., 1] = blocks
    turned = blocks.T.contiguous().T
    for data in (blocks.flatten(), blocks.reshape(6, -1), odd_place, spread[..., 1], turned):
        before = data.clone()
        with torch.inference_mode():
            found = dequantize_blocks(data, kind, SHAPE, torch.float32)
        same_bits(found, wanted)
        assert torch.equal(data, before)


@pytest.mark.parametrize("kind", HALVES)
def test_single_block_at_an_odd_address_is_read(kind):
    num_values = BLOCK_KINDS[kind].num_values
    blocks = random_blocks(kind, num_values)
    place = torch.empty(blocks.size + 1, dtype=torch.uint8)[1:]
    place.copy_(torch.from_numpy(blocks).flatten())
    found = dequantize_blocks(place, kind, (num_values,), torch.float32)
    same_bits(found, reference(blocks, kind, (num_values,)))


@pytest.mark.parametrize("kind", ["Q8_0", "Q6_K", "BF16"])
def test_large_tensors_are_done_in_pieces(monkeypatch, kind):
    module = sys.modules[dequantize_blocks.__module__]
    monkeypatch.setattr(module, "_CHUNK_VALUES", 1280)  # 2.4 of them
    blocks = random_blocks(kind, 6 * 512)
    found = dequantize_blocks(torch.from_numpy(blocks), kind, SHAPE, torch.float32)
    same_bits(found, reference(blocks, kind))


def test_no_blocks_are_no_values():
    found = dequantize_blocks(torch.empty(0, dtype=torch.uint8), "Q8_0", (0, 32), torch.float16)
    assert (found.shape, found.dtype) == ((0, 32), torch.float16)


@pytest.mark.parametrize("kind", ["Q9_Z", "Q8_K"])
def test_unknown_kind_is_refused_with_the_known_ones(kind):
    data = torch.zeros(gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q8_K][1], dtype=torch.uint8)
    message = rf"The GGUF kind {kind} cannot be read; BF16, Q4_0, .*IQ4_XS can"
    with pytest.raises(ValueError, match=message):
        dequantize_blocks(data, kind, (256,), torch.float32)


@pytest.mark.parametrize(("kind", "size"), [("Q8_0", 34), ("Q8_0", 69), ("IQ3_S", 110)])
def test_data_of_another_size_is_refused(kind, size):
    with pytest.raises(
        ValueError, match=rf"{size} bytes of {kind} are not the values of \[2, 32\]"
    ):
        dequantize_blocks(torch.zeros(size, dtype=torch.uint8), kind, (2, 32), torch.float32)


def test_table_needs_no_package_and_other_kinds_say_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    blocks = torch.zeros(34, dtype=torch.uint8)
    assert not dequantize_blocks(blocks, "Q8_0", (32,), torch.float32).any()
    with pytest.raises(RuntimeError, match="needs the package gguf; install it with: pip install"):
        dequantize_blocks(blocks, "IQ3_S", (32,), torch.float32)
    with pytest.raises(RuntimeError, match="needs the package gguf"):
        require_gguf()


@pytest.mark.parametrize(
    ("kind", "limit"),
    # Half a step of the widest run, plus the rounding of its scale to 6 or 8 bits.
    [("Q4_K", 0.25), ("Q6_K", 0.08)],
)
def test_own_quantisers_of_the_test_files_are_near(kind, limit):
    values = np.random.default_rng(2).standard_normal((4, 512), dtype=np.float32)
    values[0, :256] = 0
    values[1, :32] = 0.25  # a run without spread
    data = quantize(values, kind)
    found = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind])
    assert found.shape == values.shape
    assert np.abs(found - values).max() < limit
    assert np.corrcoef(found.flatten(), values.flatten())[0, 1] > 0.995
    assert not found[0, :256].any()


def test_own_quantisers_refuse_half_blocks():
    with pytest.raises(ValueError, match="no whole blocks of 256"):
        quantize(np.zeros((2, 128), np.float32), "Q4_K")


def test_writer_tells_what_a_reader_finds(tmp_path):
    weight = torch.randn(3, 256, generator=torch.Generator().manual_seed(0))
    expected = write_gguf(tmp_path / "x.gguf", {"w": weight, "b": weight[0]}, {"w": "Q6_K"})
    assert torch.equal(expected["b"], weight[0])
    stored = gguf.GGUFReader(tmp_path / "x.gguf").tensors[0]
    same_bits(expected["w"], reference(stored.data, "Q6_K", (3, 256)))
