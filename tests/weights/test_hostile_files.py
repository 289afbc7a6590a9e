"""Small files that would take long, much memory, or another file than they seem to be."""

from __future__ import annotations

import os
import pickle
import re
import socket
import struct
import tarfile
import zipfile
from collections import OrderedDict

import pytest
import torch
from safetensors.torch import save_file

from pack.kokoro.network.files import read_weights
from pack.kokoro.voices import list_voices, read_voice
from pack.multitalk.model.naming import model_identity, read_model_header
from pack.tests.limits import count_calls, no_waiting
from pack.weights import pickles
from pack.weights.gguf_file import read_gguf
from pack.weights.header import read_header
from pack.weights.parts import files_of, parts_contents
from pack.weights.pickles import named_tensors, read_pickle

SUFFIXES = (".safetensors", ".sft", ".pth", ".pt", ".bin", ".ckpt", ".gguf")
SECONDS = 20


def archive(path, pickled, name="data.pkl"):
    """A PyTorch file of the new kind around any pickle."""
    with zipfile.ZipFile(path, "w") as file:
        for record, content in ((name, pickled), ("byteorder", b"little"), ("version", b"3\n")):
            file.writestr(f"x/{record}", content)
    return path


def shouted(path, pickled):
    """The same with a name of the pickle that PyTorch finds as well."""
    return archive(path, pickled, "DATA.PKL")


def old(path, pickled):
    """A PyTorch file of the kind before 1.6 around any pickle."""
    parts = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}]
    path.write_bytes(b"".join(pickle.dumps(p, 2) for p in parts) + pickled + pickle.dumps([], 2))
    return path


def nested(levels, *, shared):
    inner = {"a": torch.ones(1)}
    for _ in range(levels):
        inner = {"b": inner, "c": inner} if shared else {"b": inner}
    return inner


def selfish():
    out = {"a": torch.ones(1)}
    out["b"] = out
    return out


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "value", [nested(40, shared=True), nested(100, shared=False), selfish()],
    ids=["shared", "deep", "itself"],
)  # fmt: skip
def test_dictionaries_without_end_are_refused_soon(tmp_path, value, zipped):
    path = tmp_path / "x.pth"
    torch.save(value, path, _use_new_zipfile_serialization=zipped)
    with no_waiting(SECONDS), pytest.raises(ValueError, match=r"x\.pth holds diction.*Choose"):
        named_tensors(path)
    with no_waiting(SECONDS), pytest.raises(ValueError, match=r"x\.pth holds diction.*Choose"):
        read_weights(path)


def test_a_dictionary_that_two_names_share_is_read_under_both(tmp_path):
    state = {"w": torch.arange(3.0)}
    torch.save({"a": state, "b": state}, tmp_path / "x.pth")
    assert list(named_tensors(tmp_path / "x.pth")) == ["a.w", "b.w"]


# t = (t, t) 60 times as the key of a dictionary: its hash takes 2^60 steps, in C.
TUPLES = b"\x80\x02}K\x01\x85" + b"q\x00h\x00\x86" * 60 + b"K\x01s."


@pytest.mark.parametrize("write", [archive, shouted, old])
@pytest.mark.parametrize(
    "pickled",
    [
        TUPLES,
        TUPLES.replace(b"q\x00h\x00\x86", b"2\x86"),
        b"\x80\x02cbuiltins\nbytearray\nI64\n\x85R.",
        b"\x80\x02c__builtin__\nbytearray\nI64\n\x85R.",
    ],
    ids=["hash", "hash without memory", "bytes", "bytes by the old name"],
)
def test_pickles_that_build_more_than_tensors_are_never_built(tmp_path, write, pickled):
    path = write(tmp_path / "x.pth", pickled)
    with no_waiting(SECONDS), pytest.raises(ValueError, match=r"x\.pth .*more than tensors"):
        read_pickle(path)


def test_tar_archives_are_refused(tmp_path):
    path = tmp_path / "x.pth"
    with tarfile.open(path, "w") as file:
        file.addfile(tarfile.TarInfo("pickle"))
    with pytest.raises(ValueError, match=r"x\.pth is no PyTorch file"):
        read_pickle(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(1).expand(2**40), "is no plain tensor"),
        (torch.zeros(2, 2).to_sparse(), "is no plain tensor"),
        (torch.zeros(2, device="meta"), "is no plain tensor"),
    ],
    ids=["larger than its numbers", "sparse", "meta"],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore")
def test_tensors_whose_numbers_are_not_there_are_refused(tmp_path, tensor, message, zipped):
    path = tmp_path / "x.pth"
    torch.save({"a": tensor}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=rf"x\.pth: a {message}.*Choose"):
        named_tensors(path)


def test_a_tensor_that_is_made_and_not_read_is_refused(tmp_path):
    pickled = b"\x80\x02}X\x01\x00\x00\x00actorch\nFloatTensor\nI100000\n\x85Rs."
    with pytest.raises(ValueError, match=r"x\.pth (is damaged: its tensors have|is no PyTorch)"):
        named_tensors(archive(tmp_path / "x.pth", pickled))


def test_views_and_ties_of_published_files_are_read(tmp_path):
    whole = torch.arange(12.0).reshape(3, 4)
    state = OrderedDict(
        whole=whole, tied=whole, part=whole[1:], turned=whole.T, weight=torch.nn.Parameter(whole)
    )
    torch.save(state, tmp_path / "x.pth")
    found = named_tensors(tmp_path / "x.pth")
    assert list(found) == list(state)
    assert all(torch.equal(found[name], tensor) for name, tensor in state.items())


@pytest.mark.parametrize("version", ["2.5.1", "2.5.1+cu121", "1.13.0", "2.0.0a0", "unknown"])
def test_pickles_are_refused_where_torch_is_unsafe(tmp_path, monkeypatch, version):
    path = tmp_path / "x.pth"
    torch.save({"a": torch.ones(1)}, path)
    monkeypatch.setattr(torch, "__version__", version)
    message = (
        rf"x\.pth is a PyTorch file, and PyTorch {re.escape(version)} .*Update PyTorch to 2\.6"
    )
    for read in (read_header, read_weights, read_pickle):
        with pytest.raises(ValueError, match=message):
            read(path)
    save_file({"a": torch.ones(1)}, tmp_path / "x.safetensors")
    assert read_header(tmp_path / "x.safetensors").shapes == {"a": (1,)}


@pytest.mark.parametrize("version", ["2.6.0", "2.6.0a0+ecf3bae40a.nv25.01", "2.10.0", "3.0.0"])
def test_pickles_are_read_where_torch_is_safe(tmp_path, monkeypatch, version):
    torch.save({"a": torch.ones(1)}, tmp_path / "x.pth")
    monkeypatch.setattr(torch, "__version__", version)
    assert list(named_tensors(tmp_path / "x.pth")) == ["a"]


def make_pipe(path):
    os.mkfifo(path)
    return "a pipe"


def make_folder(path):
    path.mkdir()
    return "a folder"


def make_socket(path):
    os.chdir(path.parent)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path.name)
    return "a socket"


def make_link(path):
    path.symlink_to(path.with_name("nowhere"))
    return "a link that leads nowhere"


def make_loop(path):
    path.symlink_to(path)
    return "a link that leads nowhere"


def make_device(path):
    path.symlink_to("/dev/zero")
    return "a device"


def make_nothing(path):
    return "is not there"


def make_closed(path):
    path.write_bytes(b"x")
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("whoever runs this may read everything")
    return "cannot be read"


ODD = pytest.mark.parametrize(
    "make",
    [make_pipe, make_folder, make_socket, make_link, make_loop, make_device, make_nothing,
     make_closed],
)  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices have no path in a folder there")
@ODD
def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    for suffix in SUFFIXES:
        path = tmp_path / f"model{suffix}"
        word = make(path)
        readers = [read_header, read_model_header, model_identity]
        if suffix in (".pt", ".pth", ".safetensors"):
            readers += [read_weights, read_voice]
        for read in readers:
            with (
                no_waiting(SECONDS),
                pytest.raises((ValueError, FileNotFoundError), match=word) as caught,
            ):
                read(path)
            assert path.name in str(caught.value)
            assert str(tmp_path) not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices have no path in a folder there")
@ODD
def test_what_lies_beside_parts_and_voices_is_not_waited_for(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    names = [f"m-{number:05}-of-00002.safetensors" for number in (1, 2)]
    for name in names:
        save_file({name: torch.zeros(1)}, tmp_path / name)
    make(tmp_path / "neighbor.safetensors")
    with no_waiting(SECONDS):
        assert set(parts_contents(tmp_path / names[0], lambda _: True).entries) == set(names)
        for path in files_of(tmp_path / names[0]):
            path.stat()
    (tmp_path / names[1]).unlink()
    make(tmp_path / names[1])
    with no_waiting(SECONDS), pytest.raises(ValueError, match=r"missing|cannot be read"):
        parts_contents(tmp_path / names[0])
    assert "neighbor" in list_voices(tmp_path) or make is make_nothing


@pytest.mark.skipif(os.name == "nt", reason="pipes and devices have no path in a folder there")
@ODD
def test_an_index_that_is_no_file_is_refused(tmp_path, monkeypatch, make):
    monkeypatch.chdir(tmp_path)
    name = "m-00001-of-00001.safetensors"
    save_file({"a": torch.zeros(1)}, tmp_path / name)
    make(tmp_path / "m.safetensors.index.json")
    with no_waiting(SECONDS):
        if make is make_nothing:
            assert list(parts_contents(tmp_path / name).entries) == ["a"]
            return
        with pytest.raises(ValueError, match=r"m\.safetensors\.index\.json"):
            parts_contents(tmp_path / name)


def gguf(path, fields, tensors=()):
    """A GGUF file of fields (key, kind, bytes) and one-byte-per-value tensors (name, shape)."""

    def text(value):
        return struct.pack("<Q", len(value)) + value.encode()

    out = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(fields))
    for key, kind, value in fields:
        out += text(key) + struct.pack("<I", kind) + value
    for name, shape in tensors:
        out += text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape[::-1], 0, 0)
    path.write_bytes(out + bytes(-len(out) % 32) + bytes(64))
    return path


def floats(*values):
    return struct.pack(f"<IQ{len(values)}f", 6, len(values), *values)


@pytest.mark.parametrize(
    ("fields", "tensors"),
    [
        ([("comfy.gguf.orig_shape.a", 9, floats(float("inf"), 2))], [("a", (4, 4))]),
        ([("comfy.gguf.orig_shape.a", 9, floats(float("nan"), 4))], [("a", (4, 4))]),
        ([("comfy.gguf.orig_shape.a", 9, floats(2.0, 8.0))], [("a", (4, 4))]),
        ([("comfy.gguf.orig_shape.a", 9, struct.pack("<IQ2B", 7, 2, 1, 1))], [("a", (1, 1))]),
        ([("comfy.gguf.orig_shape.a", 9, struct.pack("<IQ2q", 11, 2, -4, -4))], [("a", (4, 4))]),
        ([("comfy.gguf.orig_shape.a", 9, struct.pack("<IQ2q", 11, 2, 0, 0))], [("a", (4, 4))]),
        ([("comfy.gguf.orig_shape.a", 6, struct.pack("<f", float("nan")))], [("a", (4, 4))]),
        ([("general.alignment", 6, struct.pack("<f", float("nan")))], [("a", (4, 4))]),
        ([("general.alignment", 12, struct.pack("<d", float("inf")))], [("a", (4, 4))]),
        ([("general.alignment", 4, struct.pack("<I", 0))], [("a", (4, 4))]),
        ([("k", 0, b"x"), ("k", 0, b"y")], [("a", (4, 4))]),
        ([], [("a", (4, 0))]),
        ([], [("a", (2**62, 2**62))]),
        ([], [("a", (2**64 - 1,))]),
        ([], [("a", (4, 4)), ("a", (4, 4))]),
        ([], [("a" * 2000, (4, 4))]),
        ([("k", 9, struct.pack("<IQ", 8, 2**40))], []),
        ([("k", 9, struct.pack("<IQ", 9, 1))], []),
        ([("k", 8, struct.pack("<Q", 2**63))], []),
    ],
    ids=[
        "inf", "nan", "floats", "truth values", "negative", "zero", "a lone nan", "alignment nan",
        "alignment inf", "alignment zero", "key twice", "no columns", "huge", "largest",
        "tensor twice", "long name", "endless list", "list of lists", "endless text",
    ],
)  # fmt: skip
def test_gguf_files_with_impossible_numbers_are_refused(tmp_path, fields, tensors):
    path = gguf(tmp_path / "x.gguf", fields, tensors)
    with count_calls() as count, pytest.raises(ValueError, match=r"x\.gguf .*Download it again"):
        read_gguf(path)
    assert count.calls < 100_000


def test_a_long_list_of_empty_texts_in_a_gguf_file_ends_soon(tmp_path):
    path = gguf(tmp_path / "x.gguf", [("k", 9, struct.pack("<IQ", 8, 10_000_000))])
    os.truncate(path, 90_000_000)  # takes no room
    with no_waiting(5), pytest.raises(ValueError, match="claims 10000000 texts"):
        read_gguf(path)


def test_the_walk_of_a_pickle_takes_steps_in_proportion_to_its_size(tmp_path):
    state = {f"blocks.{n}.weight": torch.zeros(2) for n in range(200)}
    torch.save(state, tmp_path / "x.pth")
    with count_calls() as count:
        assert len(pickles.named_tensors(tmp_path / "x.pth")) == 200
    assert count.calls < 200_000
