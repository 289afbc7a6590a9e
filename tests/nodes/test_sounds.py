"""What may stand on an AUDIO socket, and what is refused with a sentence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from pack.tools.host.prompts import node

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("host")]
RAMP = torch.linspace(-1, 1, 100)


def read(waveform, rate=16000):
    from pack.nodes.sounds import read_sound

    return read_sound({"waveform": waveform, "sample_rate": rate}, "speaker_2")


class Lazy(Mapping):
    """As other packs give sound that is decoded when somebody asks."""

    def __init__(self, **values):
        self.values_ = values

    def __getitem__(self, key):
        return self.values_[key]

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


def test_float_sound_keeps_its_bits():
    waveform = torch.stack([RAMP, -RAMP])[None]
    sound = read(waveform, 44100)
    assert sound.sample_rate == 44100
    assert sound.waveform.data_ptr() == waveform.data_ptr()


FORMS = {
    "one dimension": RAMP,
    "two dimensions": RAMP[None],
    "samples first": RAMP[:, None],
    "list": RAMP.tolist(),
    "list of tensors": [RAMP],
    "array": RAMP.numpy(),
    "array of doubles": RAMP.double().numpy()[None, None],
    "array of other byte order": RAMP.numpy().astype(">f4"),
    "reversed array": RAMP.flip(0).numpy()[::-1],
    "gradient": RAMP.clone().requires_grad_(),
}


@pytest.mark.parametrize("waveform", FORMS.values(), ids=FORMS.keys())
def test_forms_whose_meaning_is_plain(waveform):
    assert torch.equal(read(waveform).waveform, RAMP[None])


@pytest.mark.parametrize("shape", [(2, 50), (50, 2), (1, 2, 50)])
def test_channels_are_found(shape):
    assert read(torch.zeros(shape)).waveform.shape == (2, 50)


def test_whole_numbers_are_scaled_by_their_range():
    words = torch.tensor([-32768, 0, 16384, 32767])
    expected = torch.tensor([[-1, 0, 0.5, 32767 / 32768]])
    assert torch.equal(read(words.short()).waveform, expected)
    assert torch.equal(read(words.short().numpy()).waveform, expected)
    torch.testing.assert_close(read((words * 65536).int()).waveform, expected)
    assert read(torch.tensor([0, 128, 192], dtype=torch.uint8)).waveform.tolist() == [[-1, 0, 0.5]]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(kind):
    sound = read(RAMP.to(kind)[None, None])
    assert torch.equal(sound.waveform[0], RAMP.to(kind).float())


@pytest.mark.parametrize("rate", [16000.0, np.int32(16000), torch.tensor(16000), np.array(16000)])
def test_rates_that_are_whole_numbers(rate):
    assert read(RAMP, rate).sample_rate == 16000
    assert type(read(RAMP, rate).sample_rate) is int


def test_sound_that_is_read_when_asked_for():
    from pack.nodes.sounds import read_sound

    sound = read_sound(Lazy(waveform=RAMP[None, None], sample_rate=8000), "audio")
    assert torch.equal(sound.waveform, RAMP[None])


RATES = [0, -44100, 1, 999, 2_000_000, 44100.5, float("nan"), float("inf"), "44100", None, True,
         [44100], torch.zeros(2)]  # fmt: skip


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_rates_that_are_none(rate):
    with pytest.raises(ValueError, match=r"sample_rate of speaker_2 is .*; it must be a whole"):
        read(RAMP, rate)


REFUSED = {
    "four dimensions": (
        torch.zeros(1, 1, 1, 9),
        r"waveform of speaker_2 has the shape \[1, 1, 1, 9",
    ),
    "no dimension": (torch.zeros(()), r"has the shape \[\]"),
    "samples before channels": (torch.zeros(1, 900, 2), r"has the shape \[1, 900, 2\]"),
    "square": (torch.zeros(9, 9), r"has the shape \[9, 9\]"),
    "text": ("voice.wav", r"waveform of speaker_2 is 'voice.wav'; it must be numbers of shape"),
    "number": (1, "waveform of speaker_2 is 1; it must"),
    "meta": (RAMP[None, None].to("meta"), "waveform of speaker_2 is a tensor of 1 x 1 x 100"),
    "sparse": (RAMP[None, None].to_sparse(), "waveform of speaker_2 is a tensor of 1 x 1 x 100"),
    "nothing": (None, "waveform of speaker_2 is nothing"),
    "ragged list": ([[1.0], [1.0, 2.0]], "waveform of speaker_2 is a list"),
    "ragged tensors": ([RAMP, RAMP[1:]], "waveform of speaker_2 is a list"),
    "list of texts": (["a"], "waveform of speaker_2 is a list"),
    "list of whole numbers": ([1, 2, 3], "holds numbers of the kind int64, whose full scale is"),
    "truth values": (torch.ones(5, dtype=torch.bool), "of the kind bool"),
    "complex": (torch.zeros(5, dtype=torch.complex64), "of the kind complex64"),
    "two sounds": (torch.zeros(2, 1, 9), "speaker_2 is a batch of 2 sounds; one is possible"),
    "no sound": (torch.zeros(0, 1, 9), "speaker_2 carries no sound"),
    "no samples": (torch.zeros(1, 1, 0), "speaker_2 is empty: it has no samples"),
    "nan": (torch.full((1, 1, 9), torch.nan), "speaker_2 has 9 samples that are not finite"),
    "scale of 16 bits": (RAMP * 30000, "speaker_2 has samples up to 30000; sound lies between"),
}


@pytest.mark.parametrize(("waveform", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_forms_that_have_no_plain_meaning(waveform, message):
    with pytest.raises(ValueError, match=message):
        read(waveform)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "audio carries no sound"),
        ("voice.wav", "audio is 'voice.wav'; it takes a sound"),
        (torch.zeros(5), "audio is a tensor of 5 numbers; it takes a sound"),
        ({"waveform": RAMP}, "audio comes without a sample_rate; it takes a sound"),
        ({"sample_rate": 8000}, "audio comes without a waveform; it takes a sound"),
    ],
)
def test_values_that_are_no_sound(value, message):
    from pack.nodes.sounds import read_sounds

    with pytest.raises(ValueError, match=message):
        read_sounds(value, "audio")


def test_sound_that_leaves_a_node_lies_within_full_scale():
    from pack.multitalk.sound.audio import Sound
    from pack.nodes.sounds import from_sound

    loud = from_sound(Sound(waveform=1.22 * RAMP[None], sample_rate=8000))["waveform"]
    assert float(loud.abs().max()) == pytest.approx(10 ** (-1 / 20))
    quiet = RAMP[None].clone()
    out = from_sound(Sound(waveform=quiet, sample_rate=8000))["waveform"]
    assert out.data_ptr() == quiet.data_ptr()


def test_loudness_says_when_a_file_would_cut_off(host):
    loud = {"waveform": (RAMP.repeat(100) ** 9)[None, None], "sample_rate": 8000}
    prompt = {
        "level": node("MultiTalkLoudness", audio={"__value__": loud}, loudness_lufs=-5.0),
        "end": node("TestShowSpeech", speech=["level", 0]),
    }
    result = host.run(prompt)
    assert result.ok, result.error
    (shown,) = [d for e, d in result.events if e == "executed" and d["node"] == "level"]
    assert "times full scale: a file would cut it off." in shown["output"]["text"][0]
