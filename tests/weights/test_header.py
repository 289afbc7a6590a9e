from __future__ import annotations

import json
import os
import sys

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.limits import bytes_read, resident_bytes
from pack.tests.weights.model_files import (
    LAYOUTS,
    audio_state,
    base_state,
    read_safetensors,
    write_model,
)
from pack.weights.gguf_file import GgufTensor
from pack.weights.header import Header, open_tensors, read_header
from pack.weights.parts import file_identity

BASE, AUDIO = "head.modulation", "audio_proj.proj1.weight"


def write(path, names):
    save_file({name: torch.full((2,), i) for i, name in enumerate(names)}, path)
    return path


def write_big(path, names, length):
    """Float32 tensors of a length each, all zeros, in a file that takes no room."""
    spans = [(4 * length * i, 4 * length * (i + 1)) for i in range(len(names))]
    header = {
        name: {"dtype": "F32", "shape": [length], "data_offsets": span}
        for name, span in zip(names, spans, strict=True)
    }
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    os.truncate(path, 8 + len(text) + spans[-1][1])
    return path


@pytest.mark.parametrize("suffix", ["safetensors", "SAFETENSORS", "sft"])
def test_suffix_of_safetensors_may_be_any_of_its_spellings(tmp_path, suffix):
    path = write(tmp_path / f"x.{suffix}", ["a"])
    assert read_header(path).format == "safetensors"


@pytest.mark.parametrize("suffix", ["pth", "pt", "bin", "ckpt", "PTH"])
def test_suffix_tells_pytorch_files(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    torch.save({"a": torch.zeros(2)}, path)
    header = read_header(path)
    assert (header.format, dict(header.shapes), header.files) == ("PyTorch", {"a": (2,)}, (path,))
    assert header.num_bytes == path.stat().st_size


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_of_every_layout_are_those_of_the_header(tmp_path, layout):
    for path, state in zip(
        write_model(tmp_path, layout), (base_state(), audio_state()), strict=True
    ):
        header = read_header(path)
        tensors = open_tensors(header, read_safetensors)
        assert {name: tuple(tensor.shape) for name, tensor in tensors.items()} == header.shapes
        assert list(tensors) == list(header.shapes) == list(header.dtypes)
        norm = tensors["blocks.0.norm_x.weight" if AUDIO in state else "blocks.0.norm3.weight"]
        values = norm.data if isinstance(norm, GgufTensor) else norm
        assert torch.equal(values.float(), torch.ones(128))


def test_parts_know_their_files_and_their_size(tmp_path):
    base, _ = write_model(tmp_path, "parts")
    header = read_header(base)
    parts = sorted(base.parent.glob("*.safetensors"))
    assert len(parts) == 3
    assert sorted(header.files) == parts
    assert header.num_bytes == sum(part.stat().st_size for part in parts)
    assert header.name == parts[0].name


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_huge_file_is_opened_without_reading_it(tmp_path):
    names = [BASE, *(f"blocks.{i}.modulation" for i in range(15))]
    path = write_big(tmp_path / "x.safetensors", names, 2**26)  # 16 times 256 MiB
    before, read = resident_bytes(), bytes_read()
    header = read_header(path)
    tensors = open_tensors(header, read_safetensors)
    assert header.num_bytes > 2**32
    assert all(tensors[name][-1] == 0 for name in names)
    assert resident_bytes() - before < 2**25
    assert bytes_read() - read < 2**20


@pytest.mark.parametrize("change", [{"a": torch.zeros(3)}, {"b": torch.zeros(2)}, {}])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_file_that_changed_since_its_header_was_read_is_refused(tmp_path, suffix, change):
    path = tmp_path / f"x.{suffix}"
    save = torch.save if suffix == "pth" else save_file
    save({"a": torch.zeros(2)}, path)
    header = read_header(path)
    save(change, path)
    with pytest.raises(ValueError, match=rf"x\.{suffix} changed while it was being loaded\. Queue"):
        open_tensors(header, read_safetensors)


def test_each_file_is_mapped_once_and_by_the_given_reader(tmp_path):
    base, _ = write_model(tmp_path, "parts")
    seen = []

    def read(path):
        seen.append(path)
        return read_safetensors(path)

    open_tensors(read_header(base), read)
    assert sorted(seen) == sorted(base.parent.glob("*.safetensors"))


def test_header_made_by_hand_has_no_files():
    header = Header(name="x", shapes={"a": (1,)}, dtypes={"a": "F32"}, metadata={})
    assert (header.files, header.sources, header.num_bytes) == ((), {}, 0)


@pytest.mark.parametrize("name", ["x.safetensors", "x.gguf", "x-00001-of-00002.safetensors"])
def test_missing_file_is_told_by_the_system_or_as_a_missing_part(tmp_path, name):
    with pytest.raises((FileNotFoundError, ValueError), match=name):
        read_header(tmp_path / name)


PARTS = [f"m-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]


def write_parts(folder, *, index, names=PARTS):
    folder.mkdir(exist_ok=True)
    for letter, name in zip("abc", names, strict=True):
        write(folder / name, [letter])
    if index:
        places = dict(zip("abc", names, strict=True))
        (folder / "m.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    return folder / names[0]


def test_identity_is_the_same_wherever_the_file_lies(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(b"contents")
    first = file_identity(path)
    assert len(bytes.fromhex(first)) == 32
    os.utime(path, (0, 0))
    assert file_identity(path.rename(tmp_path / "other.gguf")) == first


@pytest.mark.parametrize("index", [True, False])
def test_identity_of_parts_is_that_of_all(tmp_path, index):
    path = write_parts(tmp_path / "a", index=index)
    whole = file_identity(path)
    assert {file_identity(path.with_name(name)) for name in PARTS} == {whole}
    renamed = [name.replace("m-", "n-") for name in PARTS]
    assert file_identity(write_parts(tmp_path / "b", index=index, names=renamed)) == whole
    write(tmp_path / "a" / "other-00001-of-00003.safetensors", ["x"])
    write(tmp_path / "a" / "other.safetensors", ["y"])
    assert file_identity(path) == whole
    write(path.with_name(PARTS[1]), ["d"])
    assert file_identity(path) != whole


def test_identity_of_parts_needs_all_of_them(tmp_path):
    path = write_parts(tmp_path, index=True)
    path.with_name(PARTS[2]).unlink()
    with pytest.raises(ValueError, match=f"one of 3 parts, and 1 are missing: {PARTS[2]}"):
        file_identity(path)


@pytest.mark.parametrize("body", [b"[]", b"7 ", b'{"a": {"dtype": "F32"}}', b'{"a": 1}'])
def test_json_that_is_no_header_is_refused(tmp_path, body):
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(body).to_bytes(8, "little") + body)
    with pytest.raises(ValueError, match="is no safetensors file"):
        read_header(path)
