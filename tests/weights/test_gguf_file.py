from __future__ import annotations

import os
import random
import struct
import sys

import gguf
import pytest
import torch
from gguf_writer import write_gguf

from pack.tests.limits import bytes_read, count_calls, resident_bytes
from pack.weights.gguf_blocks import dequantize_blocks
from pack.weights.gguf_file import read_gguf

KINDS = ("F32", "F16", "BF16", "Q4_0", "Q5_1", "Q8_0", "Q4_K", "Q6_K")
STRING, UINT32, INT32, ARRAY = 8, 4, 5, 9


def random_tensors():
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"blocks.0.{kind}.weight": torch.randn(3, 512, generator=generator) for kind in KINDS
    }
    tensors["patch_embedding.weight"] = torch.randn(8, 3, 1, 2, 2, generator=generator)
    tensors["head.modulation"] = torch.randn(1, 2, 24, generator=generator)
    tensors["norm.bias"] = torch.randn(5, generator=generator)
    return tensors


def kind_by_name(name, tensor):
    return name.split(".")[2] if name.startswith("blocks.") else "F16"


def user_file(path):
    """A file with every kind, as users have them; returns what it holds."""
    return write_gguf(path, random_tensors(), kind_by_name, metadata={"general.name": "toy"})


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def field(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def entry(name="w", lengths=(32,), kind=0, offset=0, num_axes=None):
    axes = len(lengths) if num_axes is None else num_axes
    head = struct.pack(f"<I{len(lengths)}Q", axes, *lengths)
    return text(name) + head + struct.pack("<IQ", kind, offset)


def raw_file(path, *, fields=(), entries=(), data=b"", version=3, counts=None, align=32):
    """A file put together by hand, which may be as wrong as wanted."""
    num_tensors, num_fields = counts or (len(entries), len(fields))
    body = b"GGUF" + struct.pack("<IQQ", version, num_tensors, num_fields)
    body += b"".join(fields) + b"".join(entries)
    path.write_bytes(body + bytes(-len(body) % align) + data)
    return path


def test_every_tensor_comes_back(tmp_path):
    path = tmp_path / "toy.gguf"
    expected = user_file(path)
    tensors, _ = read_gguf(path)
    assert list(tensors) == list(expected)
    for name, tensor in tensors.items():
        assert tensor.shape == expected[name].shape
        if tensor.kind in ("F32", "F16"):
            found = tensor.data.float()
        else:
            assert tensor.data.dtype == torch.uint8
            found = dequantize_blocks(tensor.data, tensor.kind, tensor.shape, torch.float32)
        assert torch.equal(found, expected[name]), name


def test_kinds_dtypes_and_shapes_are_those_of_the_file(tmp_path):
    user_file(tmp_path / "toy.gguf")
    tensors, _ = read_gguf(tmp_path / "toy.gguf")
    for kind in KINDS:
        assert tensors[f"blocks.0.{kind}.weight"].kind == kind
        assert tensors[f"blocks.0.{kind}.weight"].shape == (3, 512)
    assert tensors["blocks.0.Q8_0.weight"].data.shape == (3, 512 // 32 * 34)
    assert tensors["norm.bias"].data.dtype == torch.float32
    assert tensors["head.modulation"].data.dtype == torch.float16
    assert tensors["patch_embedding.weight"].data.shape == (8, 3, 1, 2, 2)


def test_package_reads_the_same(tmp_path):
    user_file(tmp_path / "toy.gguf")
    tensors, metadata = read_gguf(tmp_path / "toy.gguf")
    other = gguf.GGUFReader(tmp_path / "toy.gguf")
    assert [tensor.name for tensor in other.tensors] == list(tensors)
    for tensor in other.tensors:
        found = tensors[tensor.name]
        assert found.kind == tensor.tensor_type.name
        assert found.data.numpy().tobytes() == tensor.data.tobytes()
    scalars = {
        key: str(value.contents())
        for key, value in other.fields.items()
        if not key.startswith("GGUF.") and value.types[0].value != ARRAY
    }
    assert metadata == scalars


def test_metadata_are_strings(tmp_path):
    user_file(tmp_path / "toy.gguf")
    assert read_gguf(tmp_path / "toy.gguf")[1] == {
        "general.architecture": "wan",
        "general.quantization_version": "2",
        "general.file_type": "1024",
        "general.name": "toy",
    }


def test_other_architecture_is_the_callers_affair(tmp_path):
    write_gguf(tmp_path / "x.gguf", {"w": torch.ones(3)}, {}, "t5encoder")
    assert read_gguf(tmp_path / "x.gguf")[1]["general.architecture"] == "t5encoder"


def test_every_kind_of_metadata_is_walked_over(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "wan")
    writer.add_bool("a.bool", val=True)
    writer.add_float64("a.float", 0.5)
    writer.add_int8("a.small", -3)
    writer.add_uint64("a.large", 2**63)
    writer.add_array("a.words", ["one", "", "three"])
    writer.add_array("a.numbers", list(range(1000)))
    writer.add_array("a.floats", [0.5, 2.0])
    writer.add_tensor("w", torch.arange(6.0).reshape(2, 3).numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    tensors, metadata = read_gguf(tmp_path / "x.gguf")
    assert tensors["w"].data.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert metadata == {
        "general.architecture": "wan",
        "a.bool": "True",
        "a.float": "0.5",
        "a.small": "-3",
        "a.large": str(2**63),
    }


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("alignment", [None, 8, 64])
def test_versions_and_alignments(tmp_path, version, alignment):
    fields = [field("general.alignment", UINT32, struct.pack("<I", alignment))] if alignment else []
    values, step = struct.pack("<2f", 1.0, 2.0), alignment or 32
    path = raw_file(
        tmp_path / "x.gguf",
        fields=fields,
        entries=[entry("a", (2,)), entry("b", (1, 2), offset=step)],
        data=values + bytes(step - 8) + values[::-1],
        version=version,
        align=step,
    )
    tensors, _ = read_gguf(path)
    assert tensors["a"].data.tolist() == [1.0, 2.0]
    assert tensors["b"].data.numpy().tobytes() == values[::-1]
    assert tensors["b"].shape == (2, 1)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [(0, torch.float32), (1, torch.float16), (28, torch.float64), (24, torch.int8),
     (25, torch.int16), (26, torch.int32), (27, torch.int64)],
)  # fmt: skip
def test_plain_kinds_are_tensors_of_their_dtype(tmp_path, kind, dtype):
    values = torch.tensor([[1, -2, 3]], dtype=dtype)
    path = raw_file(
        tmp_path / "x.gguf", entries=[entry("w", (3, 1), kind)], data=values.numpy().tobytes()
    )
    found = read_gguf(path)[0]["w"]
    assert found.data.dtype == dtype
    assert torch.equal(found.data, values)


def test_five_axes_and_none_are_read_as_they_are(tmp_path):
    path = raw_file(
        tmp_path / "x.gguf",
        entries=[entry("five", (2, 2, 1, 3, 1)), entry("none", (), offset=64)],
        data=bytes(64) + struct.pack("<f", 7.0),
    )
    tensors, _ = read_gguf(path)
    assert tensors["five"].data.shape == (1, 3, 1, 2, 2)
    assert tensors["none"].data.shape == ()
    assert tensors["none"].data.item() == 7.0


def test_nothing_written_reaches_the_file(tmp_path):
    path = tmp_path / "toy.gguf"
    user_file(path)
    before = path.read_bytes()
    tensors, _ = read_gguf(path)
    for tensor in tensors.values():
        tensor.data.zero_()
    assert path.read_bytes() == before
    assert read_gguf(path)[0]["norm.bias"].data.any()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_huge_file_is_opened_without_reading_it(tmp_path):
    length, count = 2**33, 16  # 16 times 8 GiB in a file that takes no room: more than the memory
    data = length // 32 * 34
    path = raw_file(
        tmp_path / "x.gguf",
        entries=[entry(f"w{i}", (2**13, 2**20), 8, i * data) for i in range(count)],
    )
    os.truncate(path, path.stat().st_size + count * data)
    before, read = resident_bytes(), bytes_read()
    tensors, _ = read_gguf(path)
    assert tensors["w15"].data.shape == (2**20, 2**13 // 32 * 34)
    assert not tensors["w15"].data[-1].any()
    assert resident_bytes() - before < 2**24
    assert bytes_read() - read < 2**20


def test_missing_package_is_named(tmp_path, monkeypatch):
    user_file(tmp_path / "toy.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(RuntimeError, match="needs the package gguf; install it with: pip install"):
        read_gguf(tmp_path / "toy.gguf")


def test_missing_file_is_told_by_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.gguf"):
        read_gguf(tmp_path / "nothing.gguf")


@pytest.mark.parametrize("content", [b"", b"GGUF", b"GGML" + bytes(100), b"{}" * 50])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "x.gguf").write_bytes(content)
    with pytest.raises(ValueError, match=r"x.gguf is no GGUF file, or its beginning is damaged"):
        read_gguf(tmp_path / "x.gguf")


@pytest.mark.parametrize(
    ("version", "found"),
    [(0, "for big-endian"), (1, "of version 1"), (4, "of version 4"), (3 << 24, "for big-endian")],
)
def test_other_versions_are_refused(tmp_path, version, found):
    message = rf"x.gguf is a GGUF file {found}.*versions 2 and 3 are known.*--upgrade gguf"
    with pytest.raises(ValueError, match=message):
        read_gguf(raw_file(tmp_path / "x.gguf", version=version))


@pytest.mark.parametrize("counts", [(2**40, 0), (0, 2**64 - 1), (3, 0), (1, 2)])
def test_counts_without_room_are_refused(tmp_path, counts):
    path = raw_file(tmp_path / "x.gguf", counts=counts, data=bytes(40))
    with pytest.raises(ValueError, match=rf"x.gguf is damaged .*claims {counts[0]} tensors and"):
        read_gguf(path)


@pytest.mark.parametrize("missing", [1, 4, 100])
def test_truncated_data_is_told_before_it_is_used(tmp_path, missing):
    path = tmp_path / "toy.gguf"
    write_gguf(path, {"a": torch.ones(8), "w": torch.ones(2, 512)}, {"w": "Q8_0"})
    content = path.read_bytes()
    path.write_bytes(content[:-missing])
    message = rf"toy.gguf is truncated: it has {len(content) - missing} bytes, .* {len(content)}"
    with pytest.raises(ValueError, match=message):
        read_gguf(path)


def test_file_without_tensors_is_empty(tmp_path):
    path = raw_file(tmp_path / "x.gguf", fields=[field("a", STRING, text("b"))], align=1)
    assert read_gguf(path) == ({}, {"a": "b"})


WORD = field("a", STRING, text("b"))
ENDLESS = struct.pack("<IQ", INT32, 2**60)
ENDLESS_WORDS = struct.pack("<IQ", STRING, 2**60)
NESTED = struct.pack("<IQ", ARRAY, 1)
SIZE_5 = struct.pack("<IQ2i", INT32, 2, 5, 1)
SIZE_0 = struct.pack("<IQ2i", INT32, 2, 0, 32)
SHAPE_KEY = "comfy.gguf.orig_shape.w"


@pytest.mark.parametrize(
    ("fields", "entries", "message"),
    [
        ([], [entry("w"), entry("w")], "the tensor 'w' occurs twice"),
        ([WORD, WORD], [], "the metadata key 'a' occurs twice"),
        ([field("a", 13, bytes(8))], [], "a value of the unknown kind 13"),
        ([field("a", ARRAY, NESTED)], [], "a value of the unknown kind 9"),
        ([field("a", ARRAY, ENDLESS)], [], r"\d{19} bytes at \d+ reach beyond the end"),
        ([field("a", ARRAY, ENDLESS_WORDS)], [], "reach beyond the end"),
        ([field("a", STRING, struct.pack("<Q", 2**63))], [], "reach beyond the end"),
        ([field("a", STRING, text(b"\xff\xfe"))], [], r"the text at \d+ is not UTF-8"),
        ([], [entry(b"\xff")], "is not UTF-8"),
        ([], [entry(num_axes=9)], "'w' has 9 axes, more than 8"),
        ([], [entry(num_axes=2**31)], "axes, more than 8"),
        ([], [entry(kind=99)], "'w' is of kind 99, unknown to package gguf.*pip install --upgrade"),
        ([], [entry(kind=4)], "'w' is of kind 4, unknown"),  # was removed from the format
        ([], [entry(lengths=(33,), kind=8)], r"the shape \[33\] of 'w' holds no blocks of Q8_0"),
        ([], [entry(lengths=(), kind=8)], r"the shape \[\] of 'w' holds no blocks of Q8_0"),
        ([], [entry(lengths=(2**63, 0))], "holds no blocks of F32"),
        ([], [entry(offset=4)], "a tensor begins at 4, where none can begin"),
        ([], [entry("a", (25,)), entry("b", offset=96)], "a tensor begins at 96, where"),
        ([field("general.alignment", UINT32, struct.pack("<I", 0))], [], "the alignment is 0, no"),
        ([field("general.alignment", UINT32, struct.pack("<I", 24))], [], "the alignment is 24"),
        ([field("general.alignment", UINT32, struct.pack("<I", 4))], [], "the alignment is 4"),
        ([field("general.alignment", STRING, text("8"))], [], "the alignment is '8'"),
        ([field(SHAPE_KEY, ARRAY, SIZE_5)], [entry()], r"\[32\] was never of shape \(5, 1\)"),
        ([field(SHAPE_KEY, ARRAY, SIZE_0)], [entry()], r"was never of shape \(0, 32\)"),
        ([field(SHAPE_KEY, STRING, text("32"))], [entry()], "was never of shape 32"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path, fields, entries, message):
    path = raw_file(tmp_path / "x.gguf", fields=fields, entries=entries, data=bytes(4096))
    with pytest.raises(ValueError, match=f"x.gguf cannot be read: .*{message}"):
        read_gguf(path)


@pytest.mark.parametrize("lengths", [(2**62, 2**62), (2**63,), (1025,)])
def test_shape_larger_than_the_file_is_a_truncated_file(tmp_path, lengths):
    path = raw_file(tmp_path / "x.gguf", entries=[entry(lengths=lengths)], data=bytes(4096))
    with pytest.raises(ValueError, match=r"x.gguf is truncated"):
        read_gguf(path)


MAX_CALLS = 20_000


def damage(whole, beginning, chance, *, cut):
    """Flipped bits before the data, and perhaps the end cut off."""
    content = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 8))):
        content[chance.randrange(beginning)] ^= 1 << chance.randrange(8)
    return content[: chance.randrange(len(content))] if cut else content


def test_damaged_beginnings_are_refused_or_read_in_few_calls(tmp_path):
    path = tmp_path / "toy.gguf"
    user_file(path)
    whole, beginning = path.read_bytes(), gguf.GGUFReader(path).data_offset
    chance, messages = random.Random(0), []
    for trial in range(60):
        path.write_bytes(damage(whole, beginning, chance, cut=trial % 4 == 3))
        with count_calls() as count:
            try:
                tensors, _ = read_gguf(path)
            except ValueError as error:
                tensors = {}
                messages.append(str(error))
        assert count.calls < MAX_CALLS  # a damaged count is not followed through the whole file
        for tensor in tensors.values():
            plain = tensor.data.dtype != torch.uint8
            assert tensor.data.shape == tensor.shape if plain else tensor.data.numel()
            tensor.data.sum()  # every byte can be reached
    assert all("toy.gguf" in message for message in messages)
    assert 20 < len(messages) < 60


def test_every_cut_is_refused(tmp_path):
    path = tmp_path / "toy.gguf"
    write_gguf(path, {"b": torch.ones(5), "w": torch.ones(1, 32)}, {"w": "Q8_0"})
    whole, padding = path.read_bytes(), 64 - 34
    for end in range(len(whole) - padding):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"toy\.gguf"):
            read_gguf(path)
    path.write_bytes(whole[:-padding])
    assert set(read_gguf(path)[0]) == {"b", "w"}
