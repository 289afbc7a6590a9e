"""Copies held-out tracks of the toy's speech into the laboratory: `python tools/make/voices.py`.

The tracks are those that `tools/toy/train.py speech` spoke into .work/toy; the laboratory reads
only the FLAC files made here, so it needs neither espeak-ng nor the training.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

NUM_VOICES = 16
LENGTH_S = 6.4


def main() -> None:
    """Write the first tracks as mono FLAC of 16 bits, cut to one length."""
    import soundfile

    from pack.multitalk.config import SAMPLE_RATE_HZ
    from pack.tools.lab.cast import VOICES
    from pack.tools.toy.speech import FADE_SAMPLES, load_bank

    VOICES.mkdir(exist_ok=True)
    length = round(LENGTH_S * SAMPLE_RATE_HZ)
    long_enough = [t for t in load_bank(ROOT / ".work" / "toy", held_out=True) if len(t) >= length]
    for number, track in enumerate(long_enough[:NUM_VOICES], start=1):
        voice = track[:length].copy()
        voice[-FADE_SAMPLES:] *= np.linspace(1, 0, FADE_SAMPLES, dtype=np.float32)
        path = VOICES / f"voice_{number:02}.flac"
        soundfile.write(path, voice, SAMPLE_RATE_HZ, subtype="PCM_16", compression_level=1.0)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
