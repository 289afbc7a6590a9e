"""What speech costs at the published sizes: `OMP_NUM_THREADS=2 python tools/bench/kokoro_speed.py`.

Random weights, written to a .pth as published and loaded again; the bias of the duration layer is
set so that a phoneme lasts 3 frames on average. The texts are random phoneme strings: words of 5
on average with blanks between, sentences of 12 words, chunks of at most 510 characters cut at
sentence ends. A fresh process for each length; wall and CPU seconds over seconds of sound, and the
peak of anonymous memory, sampled every 5 ms, over what the loaded model takes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import subprocess
import sys
import tempfile
import threading
import time
import types
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

WORDS = (100, 500, 2000)
WORD_PHONEMES = (3, 4, 5, 6, 7)
SENTENCE_WORDS = 12
LETTERS = "abdefhijklmnoprstuvwz"


def chunks(num_words, most):
    """Phoneme strings of at most `most` characters, of whole sentences."""
    chance = random.Random(0)
    words = [
        "".join(chance.choices(LETTERS, k=chance.choice(WORD_PHONEMES))) for _ in range(num_words)
    ]
    sentences = [
        " ".join(words[i : i + SENTENCE_WORDS]) + "." for i in range(0, num_words, SENTENCE_WORDS)
    ]
    out = [sentences[0]]
    for sentence in sentences[1:]:
        joined = f"{out[-1]} {sentence}"
        out[-1:] = [joined] if len(joined) <= most else [out[-1], sentence]
    return out


class Peak(threading.Thread):
    """Samples anonymous memory until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.start_bytes = self.peak_bytes = self.read()
        self.stop = threading.Event()

    @staticmethod
    def read():
        text = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(text.split("RssAnon:")[1].split()[0]) * 1024

    def run(self):
        while not self.stop.wait(0.005):
            self.peak_bytes = max(self.peak_bytes, self.read())


def measure(path, num_words):
    """Say a text in this process."""
    from pack.kokoro.config import MAX_PHONEMES, phoneme_ids
    from pack.kokoro.network.files import find_files
    from pack.kokoro.network.model import load_files

    model = load_files(find_files(path))
    pack_of_styles = torch.randn(510, 256, generator=torch.Generator().manual_seed(1)) * 0.1
    watch = Peak()
    watch.start()
    wall, cpu, samples, frames, symbols = time.perf_counter(), time.process_time(), 0, 0, 0
    texts = chunks(num_words, MAX_PHONEMES)
    for text in texts:
        ids = phoneme_ids(text, model.config.vocabulary)
        said = model.synthesize(ids, pack_of_styles[len(text) - 1])
        samples += len(said.waveform)
        frames += int(said.durations.sum())
        symbols += len(ids)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    watch.stop.set()
    watch.join()
    print(json.dumps({
        "wall_s": wall, "cpu_s": cpu, "sound_s": samples / 24000, "chunks": len(texts),
        "longest": max(map(len, texts)), "frames_per_symbol": frames / symbols,
        "peak_mb": (watch.peak_bytes - watch.start_bytes) / 1e6,
        "model_mb": watch.start_bytes / 1e6, "finite": bool(said.waveform.isfinite().all()),
    }))  # fmt: skip


def run(path, num_words):
    command = [sys.executable, __file__, "--measure", str(path), str(num_words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    return json.loads(done.stdout.strip().splitlines()[-1])


def report(num_words, runs):
    best = min(runs, key=lambda r: r["wall_s"])
    assert all(r["finite"] for r in runs)
    walls = " / ".join(f"{r['wall_s'] / r['sound_s']:.2f}" for r in runs)
    print(
        f"| {num_words} | {best['chunks']} (longest {best['longest']}) | {best['sound_s']:.0f} | "
        f"{best['frames_per_symbol']:.2f} | {best['wall_s']:.0f} | {walls} | "
        f"{min(r['cpu_s'] / r['sound_s'] for r in runs):.2f} | "
        f"{max(r['peak_mb'] for r in runs):.0f} |",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--words", type=int, nargs="+", default=WORDS)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        measure(Path(args.measure[0]), int(args.measure[1]))
        return
    from pack.kokoro.config import KokoroConfig
    from pack.tools.make.small_kokoro import published_state, random_model

    print(f"{platform.machine()}, torch {torch.__version__}, {torch.get_num_threads()} threads, "
          f"load {os.getloadavg()}, {args.repeats} repeats")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "kokoro-v1_0.pth"
        torch.save(published_state(random_model(KokoroConfig())), path)
        print(f"file {path.stat().st_size / 1e6:.0f} MB")
        print("| words | chunks | sound s | frames per symbol | wall s, best | wall / sound | "
              "CPU / sound, best | peak over model MB |\n|" + "---|" * 8)  # fmt: skip
        for num_words in args.words:
            report(num_words, [run(path, num_words) for _ in range(args.repeats)])
    print(f"load {os.getloadavg()}")


if __name__ == "__main__":
    main()
