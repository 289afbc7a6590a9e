from __future__ import annotations

import os

import pytest
import torch
from safetensors.torch import save_file

from pack.kokoro.voices import list_voices, mix_voices, parse_mix, read_voice, voice_style
from pack.tests.multitalk.tolerances import close


class Code:
    """Does something when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def pack_of(seed):
    return torch.randn(510, 1, 256, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def folder(tmp_path):
    for seed, name in enumerate(("am_adam", "af_heart")):
        torch.save(pack_of(seed), tmp_path / f"{name}.pt")
    save_file({"voice": pack_of(2)}, tmp_path / "bf_emma.safetensors")
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".hidden.pt").touch()
    return tmp_path


def test_voices_are_listed_by_name(folder):
    assert list_voices(folder) == ["af_heart", "am_adam", "bf_emma"]
    assert list_voices(folder / "missing") == []


@pytest.mark.parametrize(
    ("file", "seed"), [("am_adam.pt", 0), ("af_heart.pt", 1), ("bf_emma.safetensors", 2)]
)
def test_voice_is_its_table(folder, file, seed):
    voice = read_voice(folder / file)
    assert voice.dtype == torch.float32
    assert torch.equal(voice, pack_of(seed))


def test_half_precision_voice_becomes_float32(tmp_path):
    torch.save(pack_of(0).half(), tmp_path / "v.pt")
    assert torch.equal(read_voice(tmp_path / "v.pt"), pack_of(0).half().float())


def test_code_in_a_voice_is_refused_and_not_run(tmp_path):
    trace = tmp_path / "trace"
    torch.save(Code(trace), tmp_path / "evil.pt")
    with pytest.raises(ValueError, match=r"evil\.pt .*more than tensors"):
        read_voice(tmp_path / "evil.pt")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(510, 256), r"float32, 510 x 256; a voice is floating-point, 510 x 1 x 256"),
        (torch.zeros(511, 1, 256), "511 x 1 x 256"),
        (torch.zeros(510, 1, 256, dtype=torch.int32), "of the kind int32,"),
        (torch.zeros(510, 1, 256, dtype=torch.complex64), "of the kind complex64,"),
        (torch.full((510, 1, 256), torch.nan), "values that are no numbers"),
        (torch.full((510, 1, 256), torch.inf), "values that are no numbers"),
        ({"a": torch.zeros(1), "b": torch.zeros(1)}, "holds 2 tensors; a voice is one"),
        ({}, "holds 0 tensors"),
        (7, r"holds more than tensors"),
    ],
)
def test_what_is_no_voice_is_refused(tmp_path, value, message):
    torch.save(value, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=message):
        read_voice(tmp_path / "odd.pt")


def test_damaged_voice_is_refused(folder):
    path = folder / "am_adam.pt"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"am_adam\.pt is no PyTorch file, or is damaged"):
        mix_voices("am_adam", folder)


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ("af_heart", {"af_heart": 1.0}),
        (" af_heart , am_adam ", {"af_heart": 0.5, "am_adam": 0.5}),
        ("af_heart:0.7, am_adam:0.3", {"af_heart": 0.7, "am_adam": 0.3}),
        ("af_heart : 3,am_adam", {"af_heart": 0.75, "am_adam": 0.25}),
        ("a:1e-3,b:1e-3", {"a": 0.5, "b": 0.5}),
        ("a(2)+b(1)", {"a": 2 / 3, "b": 1 / 3}),
        (" a (3) + b (1) ", {"a": 0.75, "b": 0.25}),
        ("a+b", {"a": 0.5, "b": 0.5}),
        ("a + b + c + d", {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}),
        ("a(3)+b", {"a": 0.75, "b": 0.25}),
        ("0.6*a+0.4*b", {"a": 0.6, "b": 0.4}),
        (".6 * a + .4 * b", {"a": 0.6, "b": 0.4}),
        ("a*0.6, b*0.4", {"a": 0.6, "b": 0.4}),
        ("a:0.6+b:0.4", {"a": 0.6, "b": 0.4}),
        ("a:60%+b:40%", {"a": 0.6, "b": 0.4}),
        ("30%*a,70%*b", {"a": 0.3, "b": 0.7}),
        ("a(1e+1)+b:1e+1", {"a": 0.5, "b": 0.5}),
    ],
)
def test_mix_has_names_and_weights_that_sum_to_one(mix, expected):
    shares = parse_mix(mix)
    assert [name for name, _ in shares] == list(expected)
    assert dict(shares) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("", "has an empty part"),
        ("af_heart,", "has an empty part"),
        (",", "has an empty part"),
        ("a+", "has an empty part"),
        ("a()", "has an empty part"),
        ("(2)+b", "has an empty part"),
        ("0.6*", "has an empty part"),
        ("*a", "has an empty part"),
        ("a(0)+b", "weight of voice 'a' is '0'"),
        ("a(-1)+b", "weight of voice 'a' is '-1'"),
        ("a*b", "weight of voice 'a' is 'b'"),
        ("a+a", "names 'a' twice"),
        ("af_heart:", "has an empty part"),
        (":1", "has an empty part"),
        ("af_heart:x", "weight of voice 'af_heart' is 'x'; it is a number above 0"),
        ("af_heart:0", "is '0'"),
        ("af_heart:-1, am_adam:2", "is '-1'"),
        ("af_heart:nan", "is 'nan'"),
        ("af_heart:inf", "is 'inf'"),
        ("af_heart:1:2", "is '1:2'"),
        ("af_heart, af_heart", "names 'af_heart' twice"),
    ],
)
def test_mix_that_cannot_be_read_is_refused(mix, message):
    with pytest.raises(ValueError, match=message):
        parse_mix(mix)


def test_one_voice_is_itself(folder):
    assert torch.equal(mix_voices("af_heart", folder), pack_of(1))
    close(mix_voices("af_heart:5", folder), pack_of(1))


def test_names_with_commas_are_averaged(folder):
    expected = torch.stack([pack_of(1), pack_of(0)]).mean(0)
    close(mix_voices("af_heart,am_adam", folder), expected)


def test_weights_count(folder):
    expected = pack_of(1) * 0.7 + pack_of(2) * 0.2 + pack_of(0) * 0.1
    close(mix_voices("af_heart:7, bf_emma:2, am_adam:1", folder), expected)


def test_a_file_that_is_called_like_a_mix_is_itself(folder):
    torch.save(pack_of(3), folder / "af_heart+am_adam.pt")
    assert torch.equal(mix_voices("af_heart+am_adam", folder), pack_of(3))
    close(mix_voices("am_adam+af_heart", folder), (pack_of(0) + pack_of(1)) / 2)


def test_unknown_voice_names_the_nearest_and_all(folder):
    message = (
        r"no voice 'af_hart'\. Did you mean af_heart\? There are: af_heart, am_adam, bf_emma\."
    )
    with pytest.raises(ValueError, match=message):
        mix_voices("am_adam, af_hart", folder)
    with pytest.raises(ValueError, match=r"There is no voice in .*published \.pt files"):
        mix_voices("af_heart", folder / "missing")


@pytest.mark.parametrize("name", ["../am_adam", "am_adam.pt", "/etc/passwd", "x" * 100_000])
def test_name_is_no_path(folder, name):
    with pytest.raises(ValueError, match="There is no voice") as error:
        mix_voices(name, folder)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("num_phonemes", "row"), [(1, 0), (2, 1), (17, 16), (250, 249), (510, 509), (0, 0), (600, 509)]
)
def test_style_is_the_row_of_the_length(num_phonemes, row):
    pack = pack_of(0)
    found = voice_style(pack, num_phonemes)
    assert torch.equal(found, pack[row, 0])
    assert found.untyped_storage().nbytes() == 256 * 4
