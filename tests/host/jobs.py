"""Job files like the reference's four kinds of examples, with this pack's picture and voices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from pack.tools.host.environment import ROOT

EXAMPLES = ROOT / "assets" / "examples"
TWO = {"person1": [100, 40, 600, 460], "person2": [100, 500, 600, 920]}
"""Top, left, bottom, right: rows first."""
KINDS = {
    "two_in_turn": {
        "prompt": "Two people talk in a car.",
        "cond_image": "examples/multi/1/multi1.png",
        "audio_type": "add",
        "cond_audio": {
            "person1": "examples/multi/1/1.flac",
            "person2": "examples/multi/1/2.flac",
        },
        "bbox": TWO,
    },
    "two_together": {
        "prompt": "Two people sing.",
        "cond_image": "examples/multi/2/multi2.png",
        "audio_type": "para",
        "cond_audio": {
            "person1": "examples/multi/2/1.flac",
            "person2": "examples/multi/2/1.flac",
        },
    },
    "two_spoken": {
        "prompt": "Two people talk.",
        "cond_image": "examples/multi/1/multi1.png",
        "audio_type": "para",
        "tts_audio": {
            "text": "(s1) Hello! (s2) Yes?",
            "human1_voice": "weights/Kokoro-82M/voices/af_heart.pt",
            "human2_voice": "weights/Kokoro-82M/voices/am_adam.pt",
        },
        "cond_audio": {},
    },
    "one": {
        "prompt": "A woman sings.",
        "cond_image": "examples/single/single1.png",
        "cond_audio": {"person1": "examples/single/1.flac"},
    },
    "one_spoken": {
        "prompt": "A woman talks.",
        "cond_image": "examples/single/single1.png",
        "tts_audio": {
            "text": "Welcome to this test.",
            "human1_voice": "weights/Kokoro-82M/voices/af_heart.pt",
        },
        "cond_audio": {},
    },
}
SECONDS = {"voice_1.flac": 0.8, "voice_2.flac": 1.0}
SOURCES = {
    "multi_1/multi1.png": "two_speakers.png",
    "multi_1/1.flac": "voice_1.flac",
    "multi_1/2.flac": "voice_2.flac",
    "multi/2/multi2.png": "two_speakers.png",
    "multi/2/1.flac": "voice_1.flac",
    "single/single1.png": "one_speaker.png",
    "single/1.flac": "voice_1.flac",
}
"""Files beside the job file; of the first pair the folders are joined by an underscore."""


def write_sound(path: Path, source: str, seconds: float) -> Path:
    """Write the loudest part of a voice: short, for quick tests.

    Args:
        path: The file to write.
        source: One of the pack's voices.
        seconds: Its length.

    Returns:
        The path.
    """
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(str(EXAMPLES / source), dtype="float32")
    size = round(seconds * rate)
    energy = np.cumsum(samples**2)
    start = int(np.argmax(energy[size:] - energy[:-size]))
    soundfile.write(str(path), samples[start : start + size], rate)
    return path


def write_jobs(folder: Path) -> dict[str, Path]:
    """Write all kinds into a folder, with their pictures and sounds.

    Args:
        folder: An empty folder.

    Returns:
        The job files by kind.
    """
    for name, source in SOURCES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if source in SECONDS:
            write_sound(path, source, SECONDS[source])
        else:
            shutil.copy(EXAMPLES / source, path)
    paths = {}
    for kind, job in KINDS.items():
        paths[kind] = folder / f"{kind}.json"
        paths[kind].write_text(json.dumps(job))
    return paths
