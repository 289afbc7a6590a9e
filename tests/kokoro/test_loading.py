from __future__ import annotations

import json
import logging
import os
import pickle
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from pack.kokoro.config import KokoroConfig
from pack.kokoro.network.files import find_files, plain_weights, read_weights
from pack.kokoro.network.model import load_files, load_kokoro
from pack.kokoro.voices import read_voice
from pack.tests.multitalk.tolerances import close
from pack.tools.make.small_kokoro import (
    SMALL,
    SMALL_JSON,
    flat_state,
    is_instance_norm,
    new_names,
    published_state,
    random_model,
)


class Code:
    """Does something when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture(scope="module")
def model():
    return random_model()


def folder_of(tmp_path, model, *, config=True):
    torch.save(published_state(model), tmp_path / "kokoro-v1_0.pth")
    if config:
        (tmp_path / "config.json").write_text(json.dumps(SMALL_JSON))
    return tmp_path


LAYOUTS = {
    "published": published_state,
    "newer weight norm": lambda model: new_names(published_state(model)),
    "flat": flat_state,
    "flat with norms": lambda model: flat_state(model, norms=True),
    "whole model wrapped": lambda model: {
        f"module.{name}": tensor for name, tensor in flat_state(model).items()
    },
    "plain weights": lambda model: dict(model.state_dict()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_loads_equal_weights(model, layout):
    loaded = load_kokoro(LAYOUTS[layout](model), SMALL).state_dict()
    assert loaded.keys() == model.state_dict().keys()
    for name, tensor in model.state_dict().items():
        close(loaded[name], tensor)


def test_loaded_model_only_evaluates(model):
    loaded = load_kokoro(published_state(model), SMALL)
    assert not any(module.training for module in loaded.modules())
    assert not any(p.requires_grad for p in loaded.parameters())
    assert {(p.dtype, p.device.type) for p in loaded.parameters()} == {(torch.float32, "cpu")}


def test_loaded_model_speaks_as_the_saved_one(model):
    style = torch.linspace(-1, 1, 256)
    loaded = load_kokoro(published_state(model), SMALL)
    first, second = (m.synthesize([0, 43, 44, 0], style) for m in (model, loaded))
    assert torch.equal(first.durations, second.durations)


def test_absent_instance_norms_are_one_and_zero(model):
    loaded = load_kokoro(published_state(model), SMALL).state_dict()
    norms = [name for name in loaded if is_instance_norm(name)]
    assert len(norms) > 20
    for name in norms:
        assert (loaded[name] == float(name.endswith("weight"))).all()


def test_stored_instance_norms_are_kept(model):
    name = "decoder.encode.norm1.norm.bias"
    state = flat_state(model, norms=True)
    state[name] = torch.arange(float(len(state[name])))
    assert torch.equal(load_kokoro(state, SMALL).state_dict()[name], state[name])


def test_weight_norm_is_folded_as_pytorch_computes_it():
    magnitude, direction = torch.rand(6, 1, 1), torch.randn(6, 4, 3)
    found = plain_weights({"decoder.x.weight_g": magnitude, "decoder.x.weight_v": direction})
    close(found.pop("decoder.x.weight"), torch._weight_norm(direction, magnitude, 0))
    assert not found


def test_half_precision_file_becomes_float32(model):
    state = {name: tensor.half() for name, tensor in flat_state(model).items()}
    loaded = load_kokoro(state, SMALL)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_weights_do_not_share_memory_with_what_was_read(model):
    state = flat_state(model)
    loaded = load_kokoro(state, SMALL)
    before = loaded.bert_encoder.weight.clone()
    state["bert_encoder.weight"].zero_()
    assert torch.equal(loaded.bert_encoder.weight, before)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bert_encoder.bias": None}, "Missing: bert_encoder.bias."),
        ({"decoder.surprise": torch.zeros(2)}, "Unexpected: decoder.surprise."),
        ({"bert_encoder.bias": torch.zeros(3)}, r"bert_encoder.bias is \[3\], expected \[16\]"),
        (
            {"decoder.F0_conv.weight_g": None},
            "Missing: decoder.F0_conv.weight. Unexpected: decoder.F0_conv.weight_v.",
        ),
    ],
    ids=["missing", "unexpected", "wrong shape", "half a weight norm"],
)
def test_weights_that_do_not_fit_are_refused(model, change, message):
    changed = {n: t for n, t in (flat_state(model) | change).items() if t is not None}
    with pytest.raises(ValueError, match=message) as error:
        load_kokoro(changed, SMALL)
    assert "looks like a Kokoro model" in str(error.value)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("decoder.encode.conv1.weight_v", 0.0, "decoder.encode.conv1.weight"),
        ("bert_encoder.weight", torch.nan, "bert_encoder.weight"),
        ("predictor.F0_proj.bias", torch.inf, "predictor.F0_proj.bias"),
    ],
)
def test_weights_that_are_no_numbers_are_refused_by_name(model, name, value, shown):
    state = flat_state(model)
    state[name][0] = value
    with pytest.raises(ValueError, match=rf"a row of zeros .*: {shown}\. .*download it again"):
        load_kokoro(state, SMALL)


def test_names_stripped_of_seven_characters_are_not_tried(model):
    state = {f"another{name}": tensor for name, tensor in flat_state(model).items()}
    with pytest.raises(ValueError, match="is no Kokoro model"):
        load_kokoro(state, SMALL)


def test_error_lists_ten_names(model):
    with pytest.raises(ValueError, match=r"Missing: (\S+, ){9}\S+ and \d+ more\."):
        load_kokoro({"bert_encoder.weight": torch.zeros(16, 12)}, SMALL)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"blocks.0.weight": torch.zeros(2), "head.bias": torch.zeros(2)}, "is no Kokoro model"),
        ({"tensor": torch.zeros(510, 1, 256)}, "is a voice; it goes into the folder voices"),
        ({"bert": {"module.x": torch.zeros(1)}, "decoder": {"module.x": torch.zeros(1)}},
         "only a part of a Kokoro model, without bert_encoder, predictor, text_encoder"),
    ],
    ids=["another model", "voice", "two of five parts"],
)  # fmt: skip
def test_error_says_what_the_file_seems_to_be(state, message):
    with pytest.raises(ValueError, match=message) as error:
        load_kokoro(state, SMALL)
    assert "Choose kokoro-v1_0.pth" in str(error.value)


def test_sizes_of_another_configuration_are_refused(model):
    with pytest.raises(ValueError, match=r"config\.json that was published with it"):
        load_kokoro(published_state(model), KokoroConfig())


def test_same_tensor_by_two_names_is_refused(model):
    state = flat_state(model)
    state["module.bert_encoder.bias"] = torch.zeros(16)
    with pytest.raises(ValueError, match=r"holds bert_encoder\.bias twice"):
        load_kokoro(state, SMALL)


def test_folder_is_found_whole(tmp_path, model):
    folder = folder_of(tmp_path, model)
    (folder / "voices").mkdir()
    files = find_files(folder)
    assert files.weights == folder / "kokoro-v1_0.pth"
    assert files.config == folder / "config.json"
    assert files.voices == folder / "voices"
    assert find_files(files.weights) == files


def test_config_may_be_absent_and_that_is_said(tmp_path, caplog):
    sizes = KokoroConfig()
    assert find_files(folder_of(tmp_path, random_model(), config=False)).config is None
    with caplog.at_level(logging.INFO, "kokoro"), pytest.raises(ValueError, match="Wrong shape"):
        load_files(find_files(tmp_path))
    assert "No config.json beside" in caplog.text
    assert sizes.vocabulary["a"] == 43


def test_folder_without_weights_or_with_several_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"found: none\. Put kokoro-v1_0.pth there"):
        find_files(tmp_path)
    for name in ("a.pth", "b.safetensors", "voice.pt"):
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=r"found: a.pth, b.safetensors\."):
        find_files(tmp_path)
    with pytest.raises(ValueError, match="does not exist"):
        find_files(tmp_path / "missing.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_model_loads_from_its_files(tmp_path, model, suffix, caplog):
    folder = folder_of(tmp_path, model)
    if suffix == ".safetensors":
        (folder / "kokoro-v1_0.pth").unlink()
        save_file(flat_state(model), folder / "kokoro.safetensors")
    with caplog.at_level(logging.INFO, "kokoro"):
        loaded = load_files(find_files(folder))
    assert loaded.config == SMALL
    close(loaded.bert_encoder.weight, model.bert_encoder.weight)
    assert [record.levelname for record in caplog.records] == ["INFO"]
    assert "M parameters" in caplog.text


def test_error_of_a_file_names_it(tmp_path, model):
    folder = folder_of(tmp_path, model)
    torch.save({"x": torch.zeros(2)}, folder / "kokoro-v1_0.pth")
    with pytest.raises(ValueError, match=r"kokoro-v1_0\.pth: This file is no Kokoro model"):
        load_files(find_files(folder))


def write_zip_pickle(path, value):
    torch.save({"bert": {"x": value}}, path)


def write_plain_pickle(path, value):
    path.write_bytes(pickle.dumps(value, protocol=2))  # others warn first


@pytest.mark.parametrize("write", [write_zip_pickle, write_plain_pickle])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, write):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    write(path, Code(trace))
    with pytest.raises(ValueError, match=r"evil\.pth .*more than tensors"):
        read_weights(path)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"PK\3\4 no zip", b"<html>404</html>", b"\x80\x02garbage"]
)
def test_damaged_file_is_refused(tmp_path, suffix, content):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"^damaged\{suffix} is no .* file"):
        read_weights(path)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_file_is_refused(tmp_path, model, suffix):
    path = tmp_path / f"short{suffix}"
    if suffix == ".pth":
        torch.save(published_state(model), path)
    else:
        save_file(flat_state(model), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match="short"):
        read_weights(path)


def test_file_of_the_format_before_zip_is_read(tmp_path, model):
    path = tmp_path / "old.pth"
    torch.save(published_state(model), path, _use_new_zipfile_serialization=False)
    assert read_weights(path).keys() == read_nested(published_state(model)).keys()


def read_nested(state):
    return {f"{part}.{name}": t for part, tensors in state.items() for name, t in tensors.items()}


def test_what_is_no_tensor_is_refused(tmp_path):
    path = tmp_path / "odd.pth"
    torch.save({"bert": {"steps": 5}}, path)
    with pytest.raises(ValueError, match=r"odd.pth holds more than tensors, under 'bert.steps'"):
        read_weights(path)


def test_other_kinds_of_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"model\.onnx is neither a"):
        read_weights(tmp_path / "model.onnx")


def test_model_loads_and_speaks_under_inference_mode(model):
    with torch.inference_mode():  # as the host runs every node
        loaded = load_kokoro(published_state(model), SMALL)
    assert loaded.synthesize([0, 43, 0], torch.zeros(256)).waveform.isfinite().all()


@pytest.mark.parametrize("read", [read_weights, read_voice])
def test_archive_whose_table_does_not_fit_its_records_is_refused(tmp_path, read):
    path = tmp_path / "some.pt"
    torch.save(torch.zeros(510, 1, 256), path)
    whole = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        record = next(r for r in archive.infolist() if "/data/" in r.filename)
    whole[record.header_offset + 30] ^= 1  # a bit of its name, which PyTorch does not compare
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"^some\.pt is no PyTorch file, or is damaged\. Download"):
        read(path)
