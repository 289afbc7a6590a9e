"""The C library espeak-ng of the package espeakng-loader, in a process of its own for each use.

espeak-ng is one state for a whole process, keeps things from one sentence to the next (phases, a
flutter counter), writes to standard error, and overruns its buffers on some texts (a.a.a.a... in
Spanish, scripts mixed at random), which aborts the process, the host's if it were called there. In
a child process (25 ms) the same text always gives the same samples, threads and other packs do not
meet, and a crash is a sentence.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

logger = logging.getLogger("kokoro")

CHILD = Path(__file__).with_name("child.py")
# espeak-ng's own buffers end soon after these.
MAX_RUN = 50  # characters without a blank
MAX_INITIALS = 20  # letters with a full stop each
SMALL = 100  # characters; a text this short that crashes espeak-ng is given up
SAMPLE_RATE_HZ = 22050
PATIENCE_S, CHARACTERS_PER_S = 60, 1000  # it does some 9000 characters a second


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceEntry:
    """A voice of espeak-ng: one language or dialect."""

    name: str  # such as English (America)
    identifier: str  # such as gmw/en-US
    languages: tuple[tuple[int, str], ...]  # priority (lower is nearer) and code, own code first


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """What espeak-ng made of a text."""

    samples: bytes  # 16-bit, mono
    sample_rate: int  # Hz
    words: tuple[tuple[int, int], ...]  # character and sample at which each word begins


class EspeakCrashError(RuntimeError):
    """espeak-ng ended before it answered, or never did; caught in this file."""


def is_installed() -> bool:
    """Whether espeak-ng is there."""
    return importlib.util.find_spec("espeakng_loader") is not None


def known_voices(what: str) -> tuple[VoiceEntry, ...]:
    """Every voice in alphabetical order of language, read once in a process.

    Raises:
        RuntimeError: If the package is missing (`what` needs it) or does not start.
    """
    if not is_installed():
        raise RuntimeError(
            f"{what} needs espeak-ng, and the package espeakng-loader, which brings it, is not "
            "installed. Run: pip install espeakng-loader"
        )
    return _read_voices()


@functools.cache
def _read_voices() -> tuple[VoiceEntry, ...]:
    found, _, _ = _ask({"do": "voices"}, 0)
    return tuple(
        VoiceEntry(name=name, identifier=identifier, languages=tuple(map(tuple, languages)))
        for name, identifier, languages in found
    )


def read_ipa(texts: Sequence[str], voice: str) -> list[str]:
    """IPA of words or stretches of words: words apart by blanks, `^` as tie.

    It is empty for a text that espeak-ng cannot read. `voice` is the identifier of a voice.

    Raises:
        RuntimeError: If the package is missing or does not start.
    """
    if not texts:
        return []
    request = {"do": "ipa", "voice": voice, "texts": [break_runs(text) for text in texts]}
    try:
        found, _, _ = _ask(request, sum(map(len, texts)))
    except EspeakCrashError:
        if len(texts) == 1:
            logger.warning("espeak-ng cannot read %.40r; it is left out.", texts[0])
            return [""]
        half = len(texts) // 2
        return read_ipa(texts[:half], voice) + read_ipa(texts[half:], voice)
    return [str(ipa) for ipa in found]


def synthesize(text: str, voice: str, *, rate: int, pitch: int) -> Sound:
    """Say a text without long runs, see `break_runs`; what espeak-ng cannot say is left out.

    `voice` is an identifier, with `+` and the name of a variant if one is wanted. The rate is in
    words per minute, the pitch 0 to 100.

    Raises:
        RuntimeError: If the package is missing or does not start.
    """
    try:
        return _synthesize(text, voice, rate=rate, pitch=pitch)
    except EspeakCrashError:
        middle = text.rfind(" ", 0, len(text) // 2 + 1)
        if middle <= 0 or len(text) < SMALL:
            logger.warning("espeak-ng cannot say %.40r; it is left out.", text)
            return Sound(samples=b"", sample_rate=SAMPLE_RATE_HZ, words=())
    parts = [
        synthesize(part, voice, rate=rate, pitch=pitch) for part in (text[:middle], text[middle:])
    ]
    shift = len(parts[0].samples) // 2
    later = [(character + middle, sample + shift) for character, sample in parts[1].words]
    return Sound(
        samples=parts[0].samples + parts[1].samples,
        sample_rate=parts[0].sample_rate,
        words=(*parts[0].words, *later),
    )


def _synthesize(text: str, voice: str, *, rate: int, pitch: int) -> Sound:
    request = {"do": "speak", "voice": voice, "text": text, "rate": rate, "pitch": pitch}
    words, samples, sample_rate = _ask(request, len(text))
    return Sound(samples=samples, sample_rate=sample_rate, words=tuple(map(tuple, words)))


def break_runs(text: str) -> str:
    """Put blanks into runs that are too long for any word, pauses into runs of initials."""
    text = re.sub(rf"((?:\w\.[,;]?\s?){{{MAX_INITIALS}}})", "\\1\n\n", text)
    return re.sub(rf"(\S{{{MAX_RUN}}})(?=\S)", r"\1 ", text)


def _ask(request: dict[str, object], characters: int) -> tuple[list, bytes, int]:
    """Result, samples and sample rate."""
    import espeakng_loader

    command = [sys.executable or "python", "-I", "-S", str(CHILD)]
    paths = [str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path())]
    no_window = getattr(subprocess, "CREATE_NO_WINDOW", 0)  # Windows only
    try:
        done = subprocess.run(
            [*command, *paths],
            input=json.dumps(request).encode(),
            capture_output=True,
            check=False,
            timeout=PATIENCE_S + characters / CHARACTERS_PER_S,
            creationflags=no_window,
        )
    except OSError as error:
        raise RuntimeError(
            f"espeak-ng runs in a process of its own, and {sys.executable!r} cannot be started "
            "for it. Run the host with an ordinary Python."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EspeakCrashError("espeak-ng did not finish in time.") from error
    samples, head = _answer(done.stdout)
    if head is None:
        raise EspeakCrashError(f"espeak-ng ended with code {done.returncode} and no answer.")
    if head["status"] != 0:
        raise RuntimeError(
            f"espeak-ng does not work: its error code is {head['status']}, its voice "
            f"{request.get('voice')!r}. Run: pip install --force-reinstall espeakng-loader"
        )
    return head["result"], samples, head["sample_rate"]


def _answer(data: bytes) -> tuple[bytes, dict | None]:
    """Samples, and what stands before them; None if the answer is not whole."""
    line, end, samples = data.partition(b"\n")
    head = json.loads(line) if end else {}
    return (samples, head) if len(samples) == head.get("num_bytes") else (b"", None)
