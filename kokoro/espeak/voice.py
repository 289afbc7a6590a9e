"""espeak-ng as a voice, and its languages."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..markup import drop_markup
from ..spoken import Spoken, Word
from ..symbols import drop_unsaid
from .process import VoiceEntry, break_runs, known_voices, synthesize

VARIANTS = (*(f"m{i}" for i in range(1, 8)), *(f"f{i}" for i in range(1, 6)))
WORDS_PER_MINUTE = 175  # at speed 1
MIN_RATE, MAX_RATE = 80, 450  # words per minute that espeak-ng can do
SILENT = 1 / 256  # samples below this are a pause


@dataclass(frozen=True, kw_only=True, slots=True)
class EspeakVoice:
    """A voice of espeak-ng: a plain machine voice that needs no download."""

    language: str = "en-us"  # code or name, see `list_languages`
    variant: str | None = None  # m1 to m7 and f1 to f5 sound like different people
    speed: float = 1.0  # 1 is 175 words per minute
    pitch: int = 50  # 0 to 100

    def speak(self, text: str) -> Spoken:
        """Say a text at 22050 Hz; what the language cannot say is passed over.

        Equal texts give equal samples.

        Raises:
            ValueError: If language, variant, speed or pitch is impossible.
            RuntimeError: If espeak-ng is not installed.
        """
        text = drop_markup(drop_unsaid(text), keep_sounds=False)
        rate, text = self._check(), break_runs(text)
        identifier = find_voice(known_voices("The espeak-ng voice"), self.language).identifier
        if self.variant is not None:
            identifier += f"+{self.variant}"
        sound = synthesize(text, identifier, rate=rate, pitch=self.pitch)
        waveform = torch.zeros(0)
        if sound.samples:
            waveform = torch.frombuffer(bytearray(sound.samples), dtype=torch.int16) / 32768
        words = _words(text, sound.words, waveform, sound.sample_rate)
        return Spoken(waveform=waveform, sample_rate=sound.sample_rate, words=words)

    def _check(self) -> int:
        if self.variant is not None:
            check_variant(self.variant)
        if not 0 <= self.pitch <= 100:
            raise ValueError(
                f"The pitch is {self.pitch}; it goes from 0 to 100. Use for example 50."
            )
        low, high = MIN_RATE / WORDS_PER_MINUTE, MAX_RATE / WORDS_PER_MINUTE
        if not low <= self.speed <= high:
            raise ValueError(
                f"speed is {self.speed}; espeak-ng speaks at {low:.2f} to {high:.2f} times "
                "normal speed. Use for example 1.0."
            )
        return round(WORDS_PER_MINUTE * self.speed)


def check_variant(variant: str) -> None:
    """Refuse what is none of `VARIANTS`.

    Raises:
        ValueError: With all of them.
    """
    if variant not in VARIANTS:
        raise ValueError(
            f"There is no voice {variant[:40]!r} in espeak-ng. Use one of {', '.join(VARIANTS)}, "
            "or none."
        )


def list_languages() -> dict[str, str]:
    """What espeak-ng speaks: over a hundred names by language code, such as `en-us`, sorted.

    Raises:
        RuntimeError: If espeak-ng is not installed.
    """
    names: dict[str, str] = {}
    for voice in known_voices("The list of languages"):
        names.setdefault(voice.languages[0][1], voice.name)
    return dict(sorted(names.items()))


def find_voice(voices: Sequence[VoiceEntry], language: str) -> VoiceEntry:
    """The voice nearest to a language: a code in any case, or a voice's name or identifier.

    Raises:
        ValueError: If there is none; names similar codes.
    """
    wanted = language.strip().lower().replace("_", "-")
    for voice in voices:
        if wanted in (voice.name.lower(), voice.identifier.lower()):
            return voice
    speaking = [
        (priority, voice.languages[0][1] != wanted, number)
        for number, voice in enumerate(voices)
        for priority, code in voice.languages
        if code.lower() == wanted
    ]
    if not speaking:
        codes = sorted({code for voice in voices for _, code in voice.languages})
        similar = difflib.get_close_matches(wanted, codes, n=5) or codes
        raise ValueError(
            f"language is {language[:40]!r}; espeak-ng has no voice for it. "
            f"It knows {len(codes)} others. Choose for example one of: {', '.join(similar[:8])}."
        )
    return voices[min(speaking)[2]]


def _words(
    text: str, events: Sequence[tuple[int, int]], waveform: Tensor, sample_rate: int
) -> tuple[Word, ...]:
    """Times of the written words from the times at which espeak-ng began to say something."""
    spans = [m for m in re.finditer(r"\S+", text) if any(c.isalnum() for c in m[0])]
    begins = [span.start() for span in spans]
    starts: list[int | None] = [None] * len(spans)
    for character, sample in events:
        index = max(0, bisect_right(begins, character) - 1)
        if index < len(starts) and starts[index] is None:
            starts[index] = sample
    edges = _fill(starts, len(waveform))
    words = []
    for span, start, end in zip(spans, edges[:-1], edges[1:], strict=True):
        heard = (waveform[start:end].abs() > SILENT).nonzero()
        stop = start + int(heard[-1]) + 1 if len(heard) else end
        words.append(Word(text=span[0], start_s=start / sample_rate, end_s=stop / sample_rate))
    return tuple(words)


def _fill(starts: list[int | None], length: int) -> list[int]:
    """Starts in order of time and the end; words said as one with the one before share its time."""
    edges: list[int] = []
    index = 0
    known = [*starts, length]
    while index < len(starts):
        begin = max(known[index] or 0, edges[-1] if edges else 0)
        after = next(i for i in range(index + 1, len(known)) if known[i] is not None)
        until = max(begin, known[after] or 0)
        share = (until - begin) / (after - index)
        edges += [begin + round(share * i) for i in range(after - index)]
        index = after
    return [min(edge, length) for edge in edges] + [length]
