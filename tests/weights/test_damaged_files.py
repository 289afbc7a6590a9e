from __future__ import annotations

import random
import re

import gguf
import pytest

from pack.multitalk.model.architecture import is_audio_name
from pack.multitalk.model.fit import audio_part_config, check_base, check_fit, check_parameters
from pack.multitalk.model.naming import read_model_header as read_header
from pack.tests.limits import count_calls
from pack.tests.weights.damage import (
    KINDS,
    damage_gguf,
    damage_index,
    damage_pickle,
    damage_safetensors,
)
from pack.tests.weights.model_files import (
    LAYOUTS,
    pieces,
    read_safetensors,
    write_model,
)
from pack.weights.header import open_tensors
from pack.weights.layouts import collect

SEED, PER_KIND = 20261125, 3  # 8 layouts x 5 kinds x 3 = 120 files
MIN_ERRORS = 114
MAX_MESSAGE, MAX_CALLS = 1500, 100_000
ADVICE = re.compile(r"(?i)\b(download|choose|put|update|install|correct|delete) ")


def load(base, audio):
    """What the node does before a model exists; every bit of the parameters."""
    headers = {False: read_header(base), True: read_header(audio)}
    check_base(headers[False])
    config = audio_part_config(headers[True])
    check_fit(headers[False], config, headers[True].name)
    check_parameters(headers[False], headers[True], config)
    out = {}
    for is_audio, header in headers.items():
        for name, stored in collect(header, open_tensors(header, read_safetensors)).items():
            if is_audio_name(name) == is_audio:
                out |= pieces(name, stored)
    return out


def damage(path, kind, chance):
    content = path.read_bytes()
    if path.suffix == ".gguf":
        reader = gguf.GGUFReader(path)
        found = {t.name: (t.shape.tolist(), t.tensor_type.name) for t in reader.tensors}
        return damage_gguf(content, kind, chance, reader.data_offset, found)
    ways = {".pth": damage_pickle, ".json": damage_index, ".safetensors": damage_safetensors}
    return ways[path.suffix](content, kind, chance)


def choose_file(folder, kind, chance):
    """A file of one half of the model; an index has neither shapes nor dtypes."""
    files = [f for f in sorted(folder.iterdir()) if f.suffix != ".json" or "index" in f.name]
    if kind in ("shape", "dtype"):
        files = [file for file in files if file.suffix != ".json"]
    return chance.choice(files)


def judge(base, audio, damaged, original):
    """How the model is read while one of its files is damaged: error, equal, or what is wrong."""
    try:
        with count_calls() as count:
            found = load(base, audio)
    except ValueError as error:
        message, outcome = str(error), "error"
        chosen = base if damaged.parent == base.parent else audio
        if not any(name in message for name in (damaged.name, chosen.name)):
            outcome = f"does not name the file: {message}"
        elif len(message) > MAX_MESSAGE or not ADVICE.search(
            re.split(r"\. (?=[A-Z])", message)[-1]
        ):
            outcome = f"too long or without advice: {message}"
    except Exception as error:  # noqa: BLE001  (whatever escapes is the finding)
        outcome = f"{type(error).__name__}: {error}"
    else:
        # A spare tensor is named and not read: its name was that of a scale which nothing needs.
        differ = [key for key, value in original.items() if value != found.get(key)]
        outcome = f"loaded with other values: {differ[:3]}" if differ else "equal"
    return outcome if count.calls < MAX_CALLS else f"{outcome} after {count.calls} calls"


def try_damages(base, audio, chance):
    """(file, kind, outcome) of every damage of one model."""
    original = load(base, audio)
    for kind in KINDS:
        for _ in range(PER_KIND):
            path = choose_file(chance.choice((base, audio)).parent, kind, chance)
            whole = path.read_bytes()
            path.write_bytes(damage(path, kind, chance))
            outcome = judge(base, audio, path, original)
            path.write_bytes(whole)
            yield f"{path.parent.name}/{path.name}", kind, outcome
    assert load(base, audio) == original


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folders = {layout: tmp_path_factory.mktemp("model") for layout in LAYOUTS}
    return {layout: write_model(folder, layout) for layout, folder in folders.items()}


def test_damaged_files_are_refused_or_read_in_full(models, record_property):
    chance = random.Random(SEED)
    found = [
        f"{layout}: {kind} of {file}: {outcome}"
        for layout, (base, audio) in models.items()
        for file, kind, outcome in try_damages(base, audio, chance)
    ]
    assert len(found) == 120
    others = [line for line in found if not line.endswith(": error")]
    record_property("not refused", others)
    print("\n".join(others))
    assert [line for line in others if not line.endswith(": equal")] == []
    assert len(others) <= len(found) - MIN_ERRORS, others
