from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
import torch

from pack.tests.limits import bytes_read, resident_bytes
from pack.weights.pickles import named_tensors, pickle_contents

STATE = {"b.weight": torch.ones(2, 3, dtype=torch.bfloat16), "a": torch.arange(4)}


def shapes(contents):
    return {name: e.shape for name, e in contents.entries.items()}


def same(tensors, expected):
    return list(tensors) == list(expected) and all(
        map(torch.equal, tensors.values(), STATE.values())
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("inner", [None, "state_dict"])
def test_pytorch_files_old_and_new_are_read(tmp_path, zipped, inner):
    path = tmp_path / "x.pth"
    state = STATE if inner is None else {inner: STATE, "epoch": torch.zeros(1)}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    contents = pickle_contents(path)
    assert shapes(contents) == {"b.weight": (2, 3), "a": (4,)}
    assert [e.dtype for e in contents.entries.values()] == ["BF16", "I64"]
    assert same(named_tensors(path), STATE)


def test_dictionaries_inside_become_dotted_names_and_other_values_nothing(tmp_path):
    path = tmp_path / "x.pth"
    values = {"epoch": 3, "name": "x", "none": None, "list": [torch.zeros(1)], "state_dict": None}
    torch.save({"bert": {"module": STATE}, 7: torch.zeros(5), **values}, path)
    expected = {"bert.module.b.weight": (2, 3), "bert.module.a": (4,), "7": (5,)}
    assert shapes(pickle_contents(path)) == expected


def test_single_tensor_gets_a_name(tmp_path):
    path = tmp_path / "af_heart.pt"
    torch.save(torch.zeros(510, 1, 256), path)
    assert shapes(pickle_contents(path)) == {"tensor": (510, 1, 256)}


class Payload:
    """Its pickle touches a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_program_in_a_pytorch_file_is_refused_and_never_run(tmp_path, zipped):
    path, trace = tmp_path / "x.pth", tmp_path / "was here"
    state = {**STATE, "extra": Payload(trace)}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(
        ValueError, match=r"x\.pth .*holds more than tensors.*\.safetensors file of"
    ):
        pickle_contents(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists()  # so the payload works


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0, 0.01, 0.3, 0.6, 0.99])
def test_cut_pytorch_file_is_refused(tmp_path, zipped, share):
    path = tmp_path / "x.pth"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=r"^x\.pth is no PyTorch file, or .*(Download|Choose)"):
        pickle_contents(path)


@pytest.mark.parametrize("content", [b"{}", b"\x80\x02.", b"PK\3\4" + bytes(100), b"<html>" * 9])
def test_other_files_are_no_pytorch_files(tmp_path, content):
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^x\.pth is no PyTorch file, or .*(Download|Choose)"):
        pickle_contents(path)


def test_unknown_dtype_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(1, dtype=torch.complex64)}, path)
    message = r"x\.pth: a is stored as complex64, a form of .*Choose the \.safetens"
    with pytest.raises(ValueError, match=message):
        pickle_contents(path)


def rewrite(path, change):
    """Write the records of a PyTorch file anew, as other programs do."""
    with zipfile.ZipFile(path) as archive:
        records = {record.filename: archive.read(record) for record in archive.infolist()}
    with zipfile.ZipFile(path, "w", change) as archive:
        for name, content in records.items():
            archive.writestr(name, content)


def test_archive_of_another_program_is_read(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(STATE, path)
    rewrite(path, zipfile.ZIP_STORED)
    assert same(named_tensors(path), STATE)


def test_compressed_archive_is_refused(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(STATE, path)
    rewrite(path, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"x\.pth is no PyTorch file, or is damaged"):
        pickle_contents(path)


def test_no_flipped_bit_of_an_archive_gives_other_values(tmp_path):
    path = tmp_path / "x.pth"
    torch.save(STATE, path)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        pickled = archive.getinfo("x/data.pkl")
        places = [r.header_offset + at for r in archive.infolist() for at in range(30)]
        places += range(64, 64 + pickled.file_size)  # the pickle
        places += range(archive.start_dir, len(whole))
    refused = 0
    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        path.write_bytes(content)
        try:
            tensors = named_tensors(path)
        except ValueError:
            refused += 1
        else:
            assert same(tensors, STATE), place
    assert refused > len(places) / 2


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_huge_pytorch_file_is_mapped_and_not_read(tmp_path):
    path = tmp_path / "x.pth"
    with torch.serialization.skip_data():  # takes no room
        torch.save({"a": torch.empty(3 * 2**30, dtype=torch.int8), "b": torch.empty(2**29)}, path)
    before, read = resident_bytes(), bytes_read()
    tensors = named_tensors(path)
    assert tensors["a"].shape == (3 * 2**30,)
    assert tensors["b"][-1] == 0  # behind 4 GiB
    assert resident_bytes() - before < 2**25
    assert bytes_read() - read < 2**20
