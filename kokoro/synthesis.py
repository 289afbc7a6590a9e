"""A text in a voice, with the times of its words: by the speech model, or by espeak-ng.

Both say `say(text, ...) -> Spoken`. The speech model says a text chunk by chunk, joined without
pauses, and tells word times from the durations of symbols, those of the first and last word from
the sound itself. Source: kokoro.md sections 4 and 7.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from .chunks import Chunk, joined
from .config import SAMPLE_RATE_HZ, phoneme_ids
from .espeak.voice import VARIANTS, EspeakVoice, check_variant
from .phonemes import phoneme_chunks, speech_chunks
from .phonemizers import LANGUAGES, choose_phonemizer
from .spoken import Spoken, Word, find_sound
from .voices import list_voices, mix_voices, parse_mix, voice_style
from .writing import language_of_writing

if TYPE_CHECKING:
    from .network.model import Kokoro

# The reference's two first, then the best graded of both kinds in turn.
DEFAULT_VOICES = ("af_heart", "am_adam", "af_bella", "am_michael", "bf_emma", "bm_george")
# For the cast "auto": am_adam is the worst graded of English (F+), also by measure: pitch scatters
# by 5.0 semitones, 18 % of its energy is harmonic (am_michael: 2.8, 28 %, as loud as af_heart).
CAST_VOICES = ("af_heart", "am_michael", "af_bella", "am_fenrir", "bf_emma", "bm_george")
DEFAULT_VARIANTS = ("f2", "m3", "f4", "m1", "f1", "m7")
AUTO = "auto"  # a language: that of the voice

Progress = Callable[[int, int], None]  # chunks done, chunks in all


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How a text is said."""

    voice: str = ""  # empty: the first of `default_voices`
    language: str = AUTO
    speed: float = 1.0
    seed: int = 0
    typed_phonemes: bool = False  # the text is phonemes


class Synthesizer(Protocol):
    """What can say a text: a voice model, or the machine voice. Who talks is a speaker."""

    def say(self, text: str, manner: Manner, progress: Progress | None = None) -> Spoken:
        """Say a text; `progress` is told after each chunk."""
        ...

    def check_voice(self, voice: str) -> None:
        """ValueError, with what there is, if it is no voice or mix of voices."""
        ...

    def default_voices(self) -> Sequence[str]:
        """Voices for the first, second ... speaker of a dialogue; at least one."""
        ...

    def cast_voices(self) -> Sequence[str]:
        """The same for the cast "auto"."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class KokoroSynthesizer:
    """The speech model with a folder of voices."""

    model: Kokoro
    voices: Path  # folder of .pt files

    def check_voice(self, voice: str) -> None:
        """ValueError, with what there is, if it is no voice or mix of voices."""
        if voice.strip():
            mix_voices(voice, self.voices)

    def default_voices(self) -> Sequence[str]:
        """The best known voices that are there, then all others."""
        return _best_first(DEFAULT_VOICES, list_voices(self.voices))

    def cast_voices(self) -> Sequence[str]:
        """The best voices by grade and measure that are there, then all others."""
        return _best_first(CAST_VOICES, list_voices(self.voices))

    def say(self, text: str, manner: Manner, progress: Progress | None = None) -> Spoken:
        """Say a text, with `[word](/phonemes/)` where wanted, or phonemes, at 24 kHz.

        The voice is a name, or a mix such as "af_heart:0.7, am_adam:0.3". The same text, manner and
        model give the same samples.

        Raises:
            ValueError: If the voice or language is unknown, or nothing can be said.
            RuntimeError: If what reads the language is not installed.
        """
        mix = manner.voice.strip() or next(iter(self.default_voices()), "")
        voice = mix_voices(mix, self.voices)
        language = manner.language
        if language == AUTO:
            language = voice_language(parse_mix(mix)[0][0])
        if manner.typed_phonemes:
            chunks = list(phoneme_chunks(text))
        else:
            chunks = list(speech_chunks(text, choose_phonemizer(language)))
        if not chunks:
            raise _nothing_to_say(text)
        config = self.model.config
        frame_s = config.samples_per_frame / SAMPLE_RATE_HZ
        waveforms, words, start = [], [], 0
        sounds: list[tuple[int, int]] = []  # begin and end in each chunk
        for number, chunk in enumerate(chunks):
            said = self.model.synthesize(
                phoneme_ids(chunk.phonemes, config.vocabulary),
                voice_style(voice, len(chunk.phonemes)),
                speed=manner.speed,
                seed=manner.seed + number,
            )
            own = word_times(chunk, said.durations, config.vocabulary, frame_s=frame_s)
            silence_s = float(said.durations[0]) * frame_s
            sounds.append(_sound_of(said.waveform, own, silence_s))
            words += _heard_words(own, sounds[-1], start)
            start += len(said.waveform)
            waveforms.append(said.waveform)
            if progress is not None:
                progress(number + 1, len(chunks))
        waveform = torch.cat(waveforms)
        return Spoken(
            waveform=waveform,
            sample_rate=SAMPLE_RATE_HZ,
            words=tuple(words),
            lead=sounds[0][0],
            tail=len(waveforms[-1]) - sounds[-1][1],
        )


def _sound_of(waveform: Tensor, words: Sequence[Word], silence_s: float) -> tuple[int, int]:
    """Where a chunk [A] is heard.

    The model begins earlier than its durations say (0.6 to 0.9 of the first boundary's, which is
    `silence_s`, with the released voices), and the last word's reach into the silence.
    """
    if not words:
        return 0, len(waveform)
    return find_sound(
        waveform,
        SAMPLE_RATE_HZ,
        begins=(
            round(silence_s / 2 * SAMPLE_RATE_HZ),
            round(words[0].start_s * SAMPLE_RATE_HZ),
        ),
        earliest_end=round(words[-1].start_s * SAMPLE_RATE_HZ),
    )


def _heard_words(words: Sequence[Word], sound: tuple[int, int], start: int) -> list[Word]:
    """Words of a chunk that begins at a sample of the text, from the first to the last sound."""
    begin_s, end_s = (edge / SAMPLE_RATE_HZ for edge in sound)
    start_s = start / SAMPLE_RATE_HZ
    out = []
    for number, word in enumerate(words):
        first = begin_s if number == 0 else word.start_s
        last = end_s if number == len(words) - 1 else word.end_s
        out.append(replace(word, start_s=start_s + first, end_s=start_s + last))
    return out


def voice_language(name: str) -> str:
    """The language that a voice's name tells; American English if it tells none."""
    named = re.match(r"([a-z])[fm]_", name)
    return named[1] if named and named[1] in LANGUAGES else "a"


def _best_first(best: Sequence[str], there: Sequence[str]) -> Sequence[str]:
    return [*(n for n in best if n in there), *(n for n in there if n not in best)]


def _nothing_to_say(text: str) -> ValueError:
    if language_of_writing(text):
        return ValueError(
            f"There is nothing to say in {text.strip()[:40]!r}: the language does not use these "
            "letters. Choose a voice or language that does."
        )
    return ValueError(f"There is nothing to say in {text.strip()[:40]!r}. Write words or numbers.")


def word_times(
    chunk: Chunk,
    durations: Tensor,
    vocabulary: Mapping[str, int],
    *,
    frame_s: float,
) -> list[Word]:
    """When the words of a chunk are said by the durations, in order; marks are none.

    Durations [P] are frames of each symbol, boundaries included; what the vocabulary lacks has
    none.
    """
    ends = torch.cumsum(durations, 0).tolist()  # of each symbol, the first boundary included
    before = [0]  # known symbols before each character
    for symbol in chunk.phonemes:
        before.append(before[-1] + (symbol in vocabulary))
    spelled = joined(chunk.tokens)
    position = len(spelled.lstrip()) - len(spelled)  # the chunk's phonemes begin without blanks
    words = []
    for token in chunk.tokens:
        length = len(token.phonemes or "")
        first, last = (min(max(p, 0), len(chunk.phonemes)) for p in (position, position + length))
        position += length + token.blank
        if before[last] > before[first] and any(map(str.isalnum, token.text)):
            begin, end = (ends[before[at]] * frame_s for at in (first, last))
            words.append(Word(text=token.text, start_s=begin, end_s=end))
    return words


@dataclass(frozen=True, kw_only=True, slots=True)
class EspeakSynthesizer:
    """espeak-ng: a plain machine voice that needs no model file."""

    def check_voice(self, voice: str) -> None:
        """ValueError, with what there is, if it is none of the variants."""
        if voice.strip():
            check_variant(voice.strip())

    def default_voices(self) -> Sequence[str]:
        """Variants that sound like different people."""
        return _best_first(DEFAULT_VARIANTS, VARIANTS)

    def cast_voices(self) -> Sequence[str]:
        """As `default_voices`."""
        return self.default_voices()

    def say(self, text: str, manner: Manner, progress: Progress | None = None) -> Spoken:
        """Say a text at espeak-ng's rate, 22050 Hz.

        Voices are m1 to m7 and f1 to f5, languages all that espeak-ng has; auto is that of
        the letters, for Latin ones American English. The seed changes nothing.

        Raises:
            ValueError: If voice or language is unknown, phonemes are given, or nothing can be said.
            RuntimeError: If espeak-ng is not installed.
        """
        if manner.typed_phonemes:
            raise ValueError(
                "text_is is phonemes, which are those of Kokoro; espeak-ng takes words. Set "
                "text_is to text, or load Kokoro."
            )
        voice = manner.voice.strip() or self.default_voices()[0]
        language = manner.language
        if language == AUTO:
            language = language_of_writing(text) or "en-us"
        spoken = EspeakVoice(language=language, variant=voice, speed=manner.speed).speak(text)
        if not spoken.words:
            raise _nothing_to_say(text)
        if progress is not None:
            progress(1, 1)
        return spoken
