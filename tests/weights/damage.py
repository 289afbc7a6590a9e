"""Damage to files of weights: flipped bits, cut ends, other names, shapes and dtypes."""

from __future__ import annotations

import io
import json
import string
import struct
import zipfile

import gguf
import torch

# Swaps that keep the number of bytes, so that only sense can tell.
SWAPS = {
    "F32": ("I32", "U32"), "F16": ("BF16", "I16", "U16"), "BF16": ("F16", "I16", "U16"),
    "F8_E4M3": ("F8_E5M2", "I8", "U8"), "I8": ("U8", "F8_E4M3", "BOOL"),
    "U8": ("I8", "BOOL", "F8_E4M3"),
}  # fmt: skip
TORCH = {
    "F16": torch.float16, "I16": torch.int16, "U16": torch.uint16, "BF16": torch.bfloat16,
    "F32": torch.float32, "I32": torch.int32,
}  # fmt: skip
GGUF_SWAPS = {"F32": ("I32",), "F16": ("I16",), "Q8_0": ("Q5_0", "Q4_0", "Q8_1", "F16", "I8")}
KINDS = ("flip", "cut", "name", "shape", "dtype")


def other_name(name, taken, chance):
    """The name with one character changed, added or left out."""
    while True:
        at = chance.randrange(len(name))
        letter = chance.choice(string.ascii_lowercase + string.digits + "._")
        way = chance.randrange(3)
        changed = name[:at] + (letter, letter + name[at], "")[way] + name[at + 1 :]
        if changed not in ("", name, *taken):
            return changed


def flip(content, positions, chance):
    out = bytearray(content)
    out[chance.choice(positions)] ^= 1 << chance.randrange(8)
    return bytes(out)


def cut(content, beginning, chance):
    """Anywhere, in the header, or only a few bytes."""
    size = len(content)
    ends = (chance.randrange(size), chance.randrange(beginning), size - chance.randint(1, 64))
    return content[: max(chance.choice(ends), 0)]


def damage_safetensors(content, kind, chance):
    length = int.from_bytes(content[:8], "little")
    if kind == "flip":
        return flip(content, range(8 + length), chance)
    if kind == "cut":
        return cut(content, 8 + length, chance)
    header = json.loads(content[8 : 8 + length])
    metadata = header.pop("__metadata__")
    damage_header(header, kind, chance)
    text = json.dumps({"__metadata__": metadata, **header}).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def damage_header(header, kind, chance):
    name = chance.choice(sorted(header))
    if kind == "name":
        header[other_name(name, header, chance)] = header.pop(name)
    elif kind == "dtype":
        header[name]["dtype"] = chance.choice(SWAPS[header[name]["dtype"]])
    else:
        shapes = {key: entry["shape"] for key, entry in header.items()}
        for key, shape in other_shapes(shapes, chance).items():
            header[key]["shape"] = shape


def other_shapes(shapes, chance, *, same_size=False):
    """One tensor's shape transposed, or those of two exchanged."""
    if chance.random() < 0.5:
        found = sorted(name for name, shape in shapes.items() if shape[::-1] != shape)
        name = chance.choice(found)
        return {name: shapes[name][::-1]}
    while True:
        one, two = chance.sample(sorted(shapes), 2)
        size = [torch.Size(shapes[name]).numel() for name in (one, two)]
        if shapes[one] != shapes[two] and (size[0] == size[1] or not same_size):
            return {one: shapes[two], two: shapes[one]}


def damage_pickle(content, kind, chance):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        records = archive.infolist()
    data = [(place(content, i), i.file_size) for i in records if "/data/" in i.filename]
    if kind == "flip":
        inside = {at for start, size in data for at in range(start, start + size)}
        return flip(content, [at for at in range(len(content)) if at not in inside], chance)
    if kind == "cut":
        return cut(content, 4096, chance)
    state = torch.load(io.BytesIO(content))
    name = chance.choice(sorted(state))
    if kind == "name":
        state[other_name(name, state, chance)] = state.pop(name)
    elif kind == "dtype":
        state[name] = state[name].view(TORCH[chance.choice(SWAPS["BF16"])])
    else:
        shapes = {key: list(tensor.shape) for key, tensor in state.items()}
        for key, shape in other_shapes(shapes, chance, same_size=True).items():
            state[key] = state[key].reshape(shape)
    out = io.BytesIO()
    torch.save(state, out)
    return out.getvalue()


def place(content, record):
    """Where the data of a record of a zip file begins."""
    name, extra = struct.unpack_from("<2H", content, record.header_offset + 26)
    return record.header_offset + 30 + name + extra


def damage_gguf(content, kind, chance, beginning, tensors):
    """`beginning` is where the data begin; `tensors` are name -> (shape, kind)."""
    if kind == "flip":
        return flip(content, range(beginning), chance)
    if kind == "cut":
        return cut(content, beginning, chance)
    out, name = bytearray(content), chance.choice(sorted(tensors))

    def find(name):
        return content.index(struct.pack("<Q", len(name)) + name.encode()) + 8

    if kind == "name":
        at = find(name)
        while len(new := other_name(name, tensors, chance)) != len(name):
            pass
        out[at : at + len(name)] = new.encode()
    elif kind == "dtype":
        shape, old = tensors[name]
        at = find(name) + len(name) + 4 + 8 * len(shape)
        new = gguf.GGMLQuantizationType[chance.choice(GGUF_SWAPS[old])]
        out[at : at + 4] = struct.pack("<I", new)
    else:
        found = {key: list(shape) for key, (shape, _) in tensors.items()}
        changed = other_shapes(found, chance)
        while any(len(found[key]) != len(shape) for key, shape in changed.items()):
            changed = other_shapes(found, chance)
        for key, shape in changed.items():
            at = find(key) + len(key) + 4
            out[at : at + 8 * len(shape)] = struct.pack(f"<{len(shape)}Q", *shape)
    return bytes(out)


def damage_index(content, kind, chance):
    if kind == "flip":
        return flip(content, range(len(content)), chance)
    if kind == "cut":
        return cut(content, len(content), chance)
    index = json.loads(content)
    places = index["weight_map"]
    name = chance.choice(sorted(places))
    if chance.random() < 0.5:
        places[name] = other_name(places[name], places.values(), chance)
    else:
        places[other_name(name, places, chance)] = places.pop(name)
    return json.dumps(index).encode()
