"""Golden cases of dialogue scripts: turns, and the tracks that a stand-in voice makes of them."""

from __future__ import annotations

import math

import pytest
import torch

from pack.kokoro.script.reader import REFERENCE_SPEAKERS, parse_reference_script
from pack.kokoro.script.turns import schedule_turns
from pack.multitalk.config import SAMPLE_RATE_HZ
from pack.multitalk.sound.audio import resample
from pack.multitalk.sound.dialogue import dialogue_tracks, lay_turns

VOICE_RATE_HZ = 24_000
SAMPLES_PER_CHARACTER = 240
AMPLITUDE = 0.3


def stand_in_voice(text, hertz):
    """A tone per line, as long as the line, begun anew."""
    lines = [line for line in text.strip().split("\n") if line.strip()]
    tones = [torch.arange(SAMPLES_PER_CHARACTER * len(line), dtype=torch.float64) for line in lines]
    waves = [AMPLITUDE * torch.sin(2 * math.pi * hertz * n / VOICE_RATE_HZ) for n in tones]
    return torch.cat(waves).float()


def turns(case):
    for number, row in enumerate(case.config["texts"]):
        if row.get("expect") == "not asked":  # the reference fails; so do we, in words
            with pytest.raises(ValueError, match=r"has no mark|has no text"):
                parse_reference_script(row["text"])
            continue
        script = parse_reference_script(row["text"])
        assert [[str(turn.speaker + 1), turn.text] for turn in script.turns] == row["turns"]
        spoken = [turn for turn in script.turns if turn.speaker < REFERENCE_SPEAKERS]
        speakers = [turn.speaker for turn in spoken]
        voices = case.config["voice_hz"]
        waves = [stand_in_voice(turn.text, voices[turn.speaker]) for turn in spoken]
        starts = schedule_turns(spoken, [len(wave) for wave in waves], VOICE_RATE_HZ)
        laid = lay_turns(waves, starts, speakers, len(script.speakers))
        assert [not track.any() for track in laid] == row["silent"]
        assert laid.shape[1] == row["samples_24k"]
        heard = resample(laid, VOICE_RATE_HZ, SAMPLE_RATE_HZ)
        assert [len(track) for track in heard] == row["samples_16k"]
        mix = dialogue_tracks(laid, VOICE_RATE_HZ).mix.waveform[0]
        stored = {f"t{number}.sum_24k": mix}
        stored |= {f"t{number}.speaker{n}_16k": track for n, track in enumerate(heard, start=1)}
        for name, samples in stored.items():
            if name in case.tensors:
                worst = float((samples - case[name]).abs().max())
                assert worst <= case.tolerance["samples_max_abs"], (name, worst)


HANDLERS = {"tts_turns": turns}
__all__ = ["HANDLERS"]
