"""What speech features take in memory, by length: `python tools/bench/speech_memory.py`.

A random wav2vec2-base of the real size encodes made-up sound, each case in a process of its own:
in pieces, as the pack does it; the whole track at once, as it did before; and all that the node
does with one recording of 48 kHz in stereo. The peak is the system's own mark of resident memory
(VmHWM, set back before), over the memory at rest with the model and the sound loaded and one
second encoded. Linux only.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
import types
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

LIMIT_GB = 6  # for ten minutes
CASES = [("pieces", 1), ("whole", 1), ("pieces", 3), ("whole", 3), ("pieces", 10), ("node", 10)]


def build_model():
    from pack.tools.host.launch import stand_ins

    stand_ins()
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    from pack.multitalk.sound.wav2vec2 import BASE_CONFIG, build_encoder

    torch.manual_seed(0)
    state = Wav2Vec2Model(Wav2Vec2Config.from_dict(BASE_CONFIG)).state_dict()
    return build_encoder(BASE_CONFIG, state)


def make_sound(seconds):
    """Noise in syllables of a quarter second, with pauses: nothing repeats."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(seconds * 16000, generator=generator)
    loudness = torch.rand(seconds * 4, generator=generator).square()
    return noise * loudness.repeat_interleave(4000) * 0.2


def encode_pieces(model, waveform, frames):
    from pack.multitalk.sound.wav2vec2 import encode_waveform

    return encode_waveform(model, waveform, frames)


def encode_whole(model, waveform, frames):
    """Everything at once, each layer kept and then joined."""
    features = model.feature_extractor(waveform[None])
    resampled = torch.nn.functional.interpolate(
        features, size=frames, mode="linear", align_corners=True
    )
    hidden = model.feature_projection(resampled.transpose(1, 2))[0]
    layers = []
    handles = [
        layer.register_forward_hook(lambda _m, _i, out: layers.append(out[0]))
        for layer in model.encoder.layers
    ]
    model.encoder(hidden)
    for handle in handles:
        handle.remove()
    return torch.stack([layer[0] if layer.ndim == 3 else layer for layer in layers], dim=1)


def embed(model, waveform, frames):
    """Resample, level, encode, identify: everything but the graph."""
    from fractions import Fraction

    from pack.multitalk.sound.audio import Sound, place_tracks
    from pack.multitalk.sound.wav2vec2 import embed_tracks

    stereo = waveform.repeat_interleave(3).expand(2, -1)
    tracks = place_tracks([Sound(waveform=stereo, sample_rate=48000)], [Fraction(0)])
    speech = embed_tracks(
        model,
        tracks,
        sound=tracks.mix,
        loudness_lufs=-23.0,
        do_normalize=False,
        encoder_identity="",
        device=torch.device("cpu"),
    )
    assert speech.num_frames == frames
    return speech.features


WAYS = {"pieces": encode_pieces, "whole": encode_whole, "node": embed}


def memory_bytes(field):
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))


@torch.inference_mode()
def measure(way, minutes):
    """Encode in this process; prints peak over rest, bytes of the result, CPU seconds."""
    model, waveform = build_model(), make_sound(minutes * 60)
    WAYS[way](model, waveform[:16000], 25)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # sets the mark back
    rest, begin = memory_bytes("VmRSS"), time.process_time()
    features = WAYS[way](model, waveform, minutes * 60 * 25)
    seconds, peak = time.process_time() - begin, memory_bytes("VmHWM") - rest
    kept = features.untyped_storage().nbytes()
    print(json.dumps({"peak": peak, "rest": rest, "kept": kept, "s": seconds}))


@torch.inference_mode()
def compare(minutes):
    """Largest difference of the two ways, relative to the range of the whole track's result."""
    model, waveform = build_model(), make_sound(minutes * 60)
    results = [WAYS[way](model, waveform, minutes * 60 * 25) for way in ("pieces", "whole")]
    span = float(results[1].max() - results[1].min())
    print(json.dumps({"worst": float((results[0] - results[1]).abs().max()), "span": span}))


def run(*arguments):
    """This script in a fresh process."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--compare", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(args.measure[0], int(args.measure[1]))
        return
    if args.compare:
        compare(args.compare)
        return
    threads = torch.get_num_threads()
    print(f"{platform.machine()}, torch {torch.__version__}, {threads} threads")
    print("| way | minutes | peak over rest GB | of it kept GB | at rest GB | CPU s |")
    print("|---|---|---|---|---|---|")
    for way, minutes in CASES:
        found = run("--measure", way, minutes)
        peak, kept, rest = (found[name] / 1e9 for name in ("peak", "kept", "rest"))
        print(
            f"| {way} | {minutes} | {peak:.2f} | {kept:.2f} | {rest:.2f} | {found['s']:.0f} |",
            flush=True,
        )
        if way != "whole" and peak + rest > LIMIT_GB:
            raise SystemExit(f"{minutes} minutes take {peak + rest:.2f} GB; {LIMIT_GB} are allowed")
    found = run("--compare", 1)
    share = found["worst"] / found["span"]
    print(f"1 minute, largest difference: {found['worst']:.2e}, {share:.2e} of the range")


if __name__ == "__main__":
    main()
