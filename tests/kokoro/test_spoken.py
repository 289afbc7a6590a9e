from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pack.kokoro.config import KokoroConfig
from pack.kokoro.spoken import Spoken, Word, find_sound, trim
from pack.kokoro.synthesis import KokoroSynthesizer, Manner

RATE = 24_000
TEXT = "h\u0259l\u02c8O w\u02c8\u025c\u0279ld."  # 12 symbols with the blank and the mark


def sound(before_s, length_s, after_s, hum=0.0005):
    """A tone with almost silence around, as the speech model leaves it."""
    parts = ((before_s, hum), (length_s, 0.5), (after_s, hum))
    levels = torch.cat([torch.full((round(seconds * RATE),), level) for seconds, level in parts])
    return levels * torch.sin(torch.arange(len(levels)) * 0.1)


class Model:
    """The first boundary lasts 0.4 s and the mark 0.2 s; sound begins earlier and ends earlier."""

    config = KokoroConfig()
    bounds = (0.33, 1.0, 0.57)

    def synthesize(self, ids, style, *, speed, seed):
        durations = torch.tensor([16, *[4] * (len(ids) - 3), 8, 4])
        waveform = sound(*self.bounds)
        padded = torch.zeros(int(durations.sum()) * 600)
        padded[: len(waveform)] = waveform[: len(padded)]
        return SimpleNamespace(waveform=padded, durations=durations)


@pytest.fixture
def kokoro(tmp_path):
    torch.save(torch.zeros(510, 1, 256), tmp_path / "af_heart.pt")
    return KokoroSynthesizer(model=Model(), voices=tmp_path)


def test_sound_is_found_between_silences():
    begin, end = find_sound(sound(0.35, 1, 0.5), RATE, begins=(0, RATE), earliest_end=0)
    assert 0.33 <= begin / RATE <= 0.35
    assert 1.35 <= end / RATE <= 1.37


def test_a_word_is_never_cut_off():
    found = find_sound(sound(0.35, 1, 0.5), RATE, begins=(0, 100), earliest_end=44_000)
    assert found == (100, 44_000)
    loud = find_sound(sound(0, 1, 0), RATE, begins=(2000, 5000), earliest_end=0)
    assert loud == (2000, RATE)  # noise in what is known to be silence


@pytest.mark.parametrize("waveform", [torch.zeros(0), torch.zeros(100), torch.zeros(RATE)])
def test_silence_is_left_as_it_is(waveform):
    found = find_sound(waveform, RATE, begins=(0, 0), earliest_end=0)
    assert found == (0, len(waveform))


def test_words_are_heard_where_the_sound_is(kokoro):
    spoken = kokoro.say(TEXT, Manner(typed_phonemes=True))
    first, last = spoken.words
    assert first.start_s == pytest.approx(0.33, abs=0.021)  # by its duration 0.4
    assert last.end_s == pytest.approx(1.33, abs=0.021)  # by its duration 1.5
    assert first.end_s <= last.start_s
    assert (spoken.lead, len(spoken.waveform) - spoken.tail) == (
        round(first.start_s * RATE), round(last.end_s * RATE),
    )  # fmt: skip


def test_every_chunk_has_its_own_silence(kokoro):
    whole = kokoro.say(TEXT, Manner(typed_phonemes=True))
    twice = kokoro.say(f"{TEXT}\n{TEXT}", Manner(typed_phonemes=True))
    length_s = len(whole.waveform) / RATE
    assert torch.equal(twice.waveform, whole.waveform.repeat(2))
    assert (twice.lead, twice.tail) == (whole.lead, whole.tail)
    for word, again in zip(twice.words[:2], twice.words[2:], strict=True):
        assert again.start_s - word.start_s == pytest.approx(length_s)
        assert again.end_s - word.end_s == pytest.approx(length_s)


def test_trimming_cuts_silence_and_moves_words():
    waveform = sound(0.5, 1, 0.5)
    words = (Word(text="a", start_s=0.4, end_s=0.8), Word(text="b", start_s=0.9, end_s=1.9))
    spoken = Spoken(waveform=waveform, sample_rate=RATE, words=words, lead=12_000, tail=12_000)
    cut = trim(spoken)
    assert len(cut.waveform) == RATE
    assert torch.equal(cut.waveform[120:-120], waveform[12_120:-12_120])
    assert cut.waveform[0].abs() < waveform[12_000].abs() or waveform[12_000] == 0
    assert cut.waveform[-1].abs() < waveform[-12_001].abs()
    times = [time for word in cut.words for time in (word.start_s, word.end_s)]
    assert times == pytest.approx([0, 0.3, 0.4, 1.0])
    assert (cut.lead, cut.tail) == (12_000, 12_000)


def test_nothing_is_trimmed_without_silence():
    spoken = Spoken(waveform=sound(0, 1, 0), sample_rate=RATE, words=())
    assert torch.equal(trim(spoken).waveform, spoken.waveform)
