from __future__ import annotations

import json
import os
import tracemalloc

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from pack.multitalk.model.naming import is_audio_part
from pack.weights import parts
from pack.weights.parts import files_of, is_later_part, is_part
from pack.weights.safetensors_file import safetensors_contents

KEY = "audio_proj.proj1.weight"


def parts_contents(path):
    return parts.parts_contents(path, is_audio_part)


def entry(dtype="F32", shape=(1,), span=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(span)}


def write(path, header, num_bytes=0, beginning=b""):
    """A safetensors file put together by hand, which may be as wrong as wanted."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((beginning or len(text).to_bytes(8, "little")) + text + bytes(num_bytes))
    return path


def found(path):
    return {name: (e.dtype, e.shape) for name, e in safetensors_contents(path).entries.items()}


def test_every_kind_of_tensor_is_listed(tmp_path):
    header = {
        "__metadata__": {"format": "pt"},
        "empty": entry(shape=[0, 7], span=[0, 0]),
        "z": entry("BF16", [2, 3], [0, 12]),
        "a": entry(shape=[], span=[12, 16]),
        "four bits": entry("F4", [2, 4], [16, 20]),
        "last": entry("U8", [0], [20, 20]),
    }
    path = write(tmp_path / "x.safetensors", header, 20)
    expected = {"empty": ("F32", (0, 7)), "z": ("BF16", (2, 3)), "a": ("F32", ())}
    assert found(path) == expected | {"four bits": ("F4", (2, 4)), "last": ("U8", (0,))}
    assert safetensors_contents(path).metadata == {"format": "pt"}
    assert {e.file for e in safetensors_contents(path).entries.values()} == {path}


@pytest.mark.parametrize("header", [{}, {"__metadata__": {}}, {"__metadata__": None}])
def test_file_without_tensors_is_empty(tmp_path, header):
    contents = safetensors_contents(write(tmp_path / "x.safetensors", header))
    assert (contents.entries, contents.metadata) == ({}, {})


def test_spaces_after_the_header_are_allowed(tmp_path):
    assert found(write(tmp_path / "x.safetensors", b'{"__metadata__": {"a": "b"}}   ')) == {}


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn,
        torch.float8_e5m2, torch.int8, torch.uint8, torch.int64, torch.bool,
    ],
)  # fmt: skip
def test_library_files_are_read_as_the_library_reads_them(tmp_path, dtype):
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(3, 5).to(dtype), "b": torch.zeros(2).to(dtype)}, path, {"k": "v"})
    with safe_open(path, framework="pt") as file:
        expected = {
            key: (file.get_slice(key).get_dtype(), tuple(file.get_slice(key).get_shape()))
            for key in ("a", "b")
        }
    assert found(path) == expected


@pytest.mark.parametrize(
    ("header", "num_bytes", "message"),
    [
        ({"a": entry(), "b": entry(span=[8, 12])}, 12, "b takes the bytes 8 to 12, .* 4 bytes fro"),
        ({"a": entry(span=[4, 8])}, 8, "a takes the bytes 4 to 8, .* needs 4 bytes from 0"),
        ({"a": entry(shape=[2], span=[0, 8]), "b": entry(span=[4, 8])}, 8, "b takes the bytes 4"),
        ({"a": entry(), "b": entry()}, 4, "b takes the bytes 0 to 4, .* from 4"),
        ({"a": entry(shape=[2], span=[0, 12])}, 12, r"shape \[2\] of F32 needs 8 bytes"),
        ({"a": entry(shape=[0], span=[0, 4])}, 4, r"shape \[0\] of F32 needs 0 bytes"),
        ({"a": entry(shape=[3], span=[4, 0])}, 0, r"a takes the bytes 4 to 0"),
        ({"a": entry("F4", [3], [0, 1])}, 1, "of F4 needs 2 bytes"),
        ({"a": entry(shape=[2**62] * 8)}, 4, r"needs 81834765197403546\d+ bytes"),
        ({"a": entry("F128", [1], [0, 16])}, 16, "a is stored as 'F128', a form"),
        ({"a": entry(None)}, 4, "a is stored as 'None', a form"),
    ],
    ids=[
        "hole", "hole at the beginning", "overlap", "same place", "too long", "empty with data",
        "negative", "half a byte", "astronomical", "dtype", "no dtype",
    ],
)  # fmt: skip
def test_tensors_that_do_not_fit_the_data_are_refused(tmp_path, header, num_bytes, message):
    path = write(tmp_path / "some.safetensors", header, num_bytes)
    with pytest.raises(ValueError, match=rf"some\.safetensors.*{message}.*Download"):
        safetensors_contents(path)


@pytest.mark.parametrize(
    "shape",
    [None, 1, "", "1", {}, {"1": 1}, [1.0], [True], ["1"], [None], [-1], [-1, -1], [2**63], [1] * 9,
     [[1]]],
)  # fmt: skip
def test_shape_that_is_no_list_of_lengths_is_refused(tmp_path, shape):
    path = write(tmp_path / "some.safetensors", {"a": {**entry(), "shape": shape}}, 4)
    with pytest.raises(ValueError, match=r"some\.safetensors is no safetensors file, or its begin"):
        safetensors_contents(path)


@pytest.mark.parametrize(
    "span",
    [None, 4, "04", [], [4], [0, 4, 4], ["0", "4"], [0.0, 4], [False, 4], [-4, 0], {"0": 0, "4": 4},
     [0, float("inf")], [0, float("nan")]],
)  # fmt: skip
def test_place_that_is_no_pair_of_offsets_is_refused(tmp_path, span):
    path = write(tmp_path / "some.safetensors", {"a": {**entry(), "data_offsets": span}}, 4)
    with pytest.raises(ValueError, match=r"some\.safetensors is no safetensors file, or its begin"):
        safetensors_contents(path)


@pytest.mark.parametrize(
    "header",
    [
        b'{"__metadata__": {"a": 1}}',
        b'{"__metadata__": {"a": {"b": "c"}}}',
        b'{"__metadata__": 3}',
        b'{"__metadata__": ["a"]}',
        b'{"a": []}',
        b'{"a": "b"}',
        b'{"a": {"shape": [], "dtype": "F32"}}',
        b'{"a": {"shape": [], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "data_offsets": [0, 4]}}',
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        "{}".encode("utf-16-le"),
        b'{"\xff": 1}',
        b"{}{}",
        b"",
        b"[" * 100_000,
        b'{"__metadata__": {"a": "b"}, "__metadata__": {"a": "c"}}',
        b'{"__metadata__": {"a": "b", "a": "c"}}',
        b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}, '
        b'"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [7], "shape": [0], "data_offsets": [0, 0]}}',
        b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0], "b": NaN}}',
        b'{"a": {"dtype": "F32", "shape": [1%s], "data_offsets": [0, 0]}}' % (b"0" * 5000),
        b'{"a": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0], "b": %s1%s}}'
        % (b"[" * 50_000, b"]" * 50_000),
        b'{"\\ud800": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}',
        b'{"%s": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}' % (b"a" * 2000),
    ],
)
def test_header_of_another_form_is_refused(tmp_path, header):
    path = write(tmp_path / "some.safetensors", header)
    with pytest.raises(ValueError, match=r"some\.safetensors is no safetensors file.*download it"):
        safetensors_contents(path)


@pytest.mark.parametrize("length", [3, 2**62, 2**64 - 1])
def test_header_longer_than_the_file_is_refused(tmp_path, length):
    path = write(tmp_path / "some.safetensors", b"{}", beginning=length.to_bytes(8, "little"))
    with pytest.raises(ValueError, match=r"some\.safetensors is no safetensors file"):
        safetensors_contents(path)


def test_huge_header_is_refused_without_reading_it(tmp_path):
    path = write(tmp_path / "x.safetensors", b"{", beginning=(2**30).to_bytes(8, "little"))
    os.truncate(path, 2**31)  # takes no room
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"x\.safetensors is no safetensors file"):
            safetensors_contents(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


PART = "model-{:05}-of-00003.safetensors"
PARTS = [PART.format(n) for n in (1, 2, 3)]
INDEX = "model.safetensors.index.json"


def write_parts(folder, *, index):
    """Three parts with the tensors a, b, c, of lengths 1, 2, 3; returns the first."""
    places = dict(zip("abc", PARTS, strict=True))
    for length, (name, file) in enumerate(places.items(), 1):
        save_file({name: torch.zeros(length)}, folder / file, {"from": file, name: "x"})
    if index:
        write_index(folder, places)
    return folder / PARTS[0]


def write_index(folder, places, name=INDEX):
    (folder / name).write_text(json.dumps({"metadata": {"total_size": 9}, "weight_map": places}))


def shapes(contents):
    return {name: e.shape for name, e in contents.entries.items()}


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("chosen", PARTS)
def test_any_part_stands_for_all(tmp_path, index, chosen):
    write_parts(tmp_path, index=index)
    contents = parts_contents(tmp_path / chosen)
    assert shapes(contents) == {"a": (1,), "b": (2,), "c": (3,)}
    assert [e.file.name for e in contents.entries.values()] == PARTS
    assert contents.metadata == {"from": PARTS[2], "a": "x", "b": "x", "c": "x"}


@pytest.mark.parametrize("index", [True, False])
def test_missing_parts_are_named(tmp_path, index):
    path = write_parts(tmp_path, index=index)
    for file in PARTS[1:]:
        (tmp_path / file).unlink()
    message = rf"{PARTS[0]} is one of 3 parts, and 2 are missing: {PARTS[1]}, {PARTS[2]}\. Downl"
    with pytest.raises(ValueError, match=message):
        parts_contents(path)


def test_damaged_part_is_named(tmp_path):
    path = write_parts(tmp_path, index=True)
    with (tmp_path / PARTS[1]).open("ab") as file:
        file.write(b"x")
    with pytest.raises(ValueError, match=rf"{PARTS[1]} is damaged"):
        parts_contents(path)


@pytest.mark.parametrize("name", ["../b.safetensors", "sub/b.safetensors", "/b.safetensors", ""])
def test_index_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    path = write_parts(folder, index=False)
    save_file({"b": torch.zeros(2)}, tmp_path / "b.safetensors")
    write_index(folder, {"a": PARTS[0], "b": name})
    with pytest.raises(ValueError, match=rf"{INDEX} names a file outside its folder: '{name}'"):
        parts_contents(path)


def test_tensor_that_is_not_where_the_index_says_is_named(tmp_path):
    path = write_parts(tmp_path, index=False)
    write_index(tmp_path, {"a": PARTS[0], "b": PARTS[2], "d": PARTS[1]})
    message = rf"{INDEX} says that b lies in {PARTS[2]}, but it does not \(2 such tensors\)"
    with pytest.raises(ValueError, match=message):
        parts_contents(path)


@pytest.mark.parametrize(
    "text",
    ["", "no", "[]", "3", "null", "{}", '{"weight_map": null}', '{"weight_map": [1]}',
     '{"weight_map": "x"}', "[" * 100_000, '{"weight_map": {"a": "b"'],
)  # fmt: skip
def test_index_that_is_none_is_refused(tmp_path, text):
    path = write_parts(tmp_path, index=False)
    (tmp_path / INDEX).write_text(text)
    message = rf"{INDEX} beside {PARTS[0]} is no index of tensors\. Download it again, or delete"
    with pytest.raises(ValueError, match=message):
        parts_contents(path)


def test_of_two_indexes_the_one_that_names_the_part_counts(tmp_path):
    path = write_parts(tmp_path, index=False)
    write_index(tmp_path, {"x": "other-00001-of-00002.safetensors"}, "a.safetensors.index.json")
    write_index(tmp_path, {"c": PARTS[2], "a": PARTS[0]}, "b.safetensors.index.json")
    assert shapes(parts_contents(path)) == {"c": (3,), "a": (1,)}


def test_index_of_another_model_leaves_parts_to_their_names(tmp_path):
    path = write_parts(tmp_path, index=False)
    write_index(tmp_path, {"x": "other-00001-of-00002.safetensors"})
    assert set(parts_contents(path).entries) == set("abc")


def test_index_may_name_an_audio_part(tmp_path):
    path = write_parts(tmp_path, index=False)
    save_file({KEY: torch.zeros(4)}, tmp_path / "multitalk.safetensors")
    write_index(tmp_path, {"a": PARTS[0], KEY: "multitalk.safetensors"})
    contents = parts_contents(path)
    assert shapes(contents) == {"a": (1,), KEY: (4,)}
    assert contents.entries[KEY].file.name == "multitalk.safetensors"


def test_only_audio_part_in_the_folder_belongs_to_the_parts(tmp_path):
    path = write_parts(tmp_path, index=False)
    save_file({KEY: torch.zeros(4), "b": torch.zeros(7)}, tmp_path / "multitalk.safetensors")
    save_file({"other": torch.zeros(1)}, tmp_path / "vae.safetensors")
    assert shapes(parts_contents(path)) == {"a": (1,), "b": (7,), "c": (3,), KEY: (4,)}


def test_audio_part_of_another_model_does_not_replace_the_one_in_the_parts(tmp_path):
    write_parts(tmp_path, index=False)
    own = {KEY: torch.zeros(3), "audio": torch.zeros(3)}
    save_file(own, tmp_path / PARTS[2])
    before = parts.file_identity(tmp_path / PARTS[0], is_audio_part)
    other = {KEY: torch.zeros(4), "audio": torch.zeros(4), "scale": torch.ones(1)}
    save_file(other, tmp_path / "multitalk.safetensors")
    found = parts_contents(tmp_path / PARTS[0])
    assert shapes(found) == {"a": (1,), "b": (2,), KEY: (3,), "audio": (3,)}
    assert parts.file_identity(tmp_path / PARTS[0], is_audio_part) == before


def test_of_two_audio_parts_in_the_folder_none_is_chosen(tmp_path):
    path = write_parts(tmp_path, index=False)
    for name in ("multitalk", "infinitetalk"):
        save_file({KEY: torch.zeros(4)}, tmp_path / f"{name}.safetensors")
    assert set(parts_contents(path).entries) == set("abc")


def test_whole_model_in_the_folder_is_no_audio_part_of_the_parts(tmp_path):
    path = write_parts(tmp_path, index=False)
    whole = {KEY: torch.zeros(4), "head.modulation": torch.zeros(1), "b": torch.zeros(9)}
    save_file(whole, tmp_path / "whole.safetensors")
    assert shapes(parts_contents(path)) == {"a": (1,), "b": (2,), "c": (3,)}


def test_damaged_file_of_another_model_does_not_matter(tmp_path):
    path = write_parts(tmp_path, index=False)
    (tmp_path / "half a download.safetensors").write_bytes(b"")
    assert set(parts_contents(path).entries) == set("abc")


@pytest.mark.parametrize(
    ("name", "part", "later"),
    [
        ("m-00001-of-00007.safetensors", True, False),
        ("m-00002-of-00007.safetensors", True, True),
        ("sub/m-00007-of-00007.safetensors", True, True),
        ("sub\\m-00007-of-00007.safetensors", True, True),
        ("m-1-of-7.safetensors", False, False),
        ("m-00002-of-00007.gguf", False, False),
        ("-00002-of-00007.safetensors", False, False),
        ("m.safetensors", False, False),
    ],
)
def test_parts_are_told_by_their_names(name, part, later):
    assert is_later_part(name) is later
    assert is_part(name) is part


def test_files_of_a_part_are_all_parts_and_indexes(tmp_path):
    path = write_parts(tmp_path, index=True)
    single = tmp_path / "single.safetensors"
    single.write_bytes(b"")
    assert [file.name for file in files_of(path)] == [*PARTS, INDEX]
    assert files_of(single) == [single]
