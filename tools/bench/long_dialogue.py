"""A dialogue of ten minutes: `python tools/bench/long_dialogue.py [--minutes 10] [--output DIR]`.

Two toy heads whose faces and voices the training never saw talk in turn, through MultiTalk Sample
To Video in the host of this process, at the toy's own settings. While it runs the growing file is
opened again and again. At the end: frames, length of the sound, and whether the mouths move with
their sound in the first and the last minute, measured in the frames of the file at several shifts.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
import types
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack
sys.path.insert(0, str(ROOT / "tools" / "make"))

SHIFTS = range(-6, 7)  # frames by which the sound is moved against the mouths
MINUTE = 60 * 25
LOOK_EVERY_S = 60


def resident_mb():
    """Resident memory of this process, in MB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def frames_in(path):
    """Frames that can be read from a video file, whole or growing."""
    import av

    with av.open(str(path)) as container:
        return sum(packet.size > 0 for packet in container.demux(video=0))


class Watcher(threading.Thread):
    """Opens the growing file and looks at the memory until told to stop."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.rows, self.ended = folder, [], threading.Event()
        self.begin = time.monotonic()

    def run(self):
        while not self.ended.wait(LOOK_EVERY_S):
            for path in self.folder.rglob("*.mp4"):
                row = {
                    "s": round(time.monotonic() - self.begin),
                    "frames": frames_in(path),
                    "rss_mb": round(resident_mb()),
                }
                self.rows.append(row)
                print(row, flush=True)


def mouth_curves(path, clip):
    """Openings of every mouth in a file, [S, F], read in pieces."""
    import av

    from pack.tools.lab.measures import read_mouths

    curves, piece = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            piece.append(frame.to_ndarray(format="rgb24"))
            if len(piece) == 500:
                curves.append(read_mouths(np.stack(piece), clip.areas))
                piece = []
    if piece:
        curves.append(read_mouths(np.stack(piece), clip.areas))
    return np.concatenate(curves, axis=1)


def synchrony(mouths, openings):
    """Correlation of own mouth and own track at each shift, mean over the two people."""
    from pack.tools.toy.reading import pearson

    rows = {}
    for shift in SHIFTS:
        moved = np.roll(openings, shift, axis=1)
        inside = slice(max(SHIFTS), -max(SHIFTS))
        pairs = zip(mouths[:, inside], moved[:, inside], strict=True)
        rows[shift] = round(float(np.mean([pearson(mouth, track) for mouth, track in pairs])), 3)
    return rows


def sound_samples(path):
    """Length of a file's sound by its index, and its rate."""
    import av

    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        return round(sound.duration * sound.time_base * sound.rate), sound.rate


def main() -> int:
    """Run the command line; 1 if length or synchrony is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--output", type=Path, default=ROOT / ".work" / "long")
    options = parser.parse_args()
    from pack.tools.lab.cast import make_dialogue
    from pack.tools.lab.run import start_lab, toy_settings

    num_frames = round(options.minutes * MINUTE)
    clip = make_dialogue(num_frames)
    lab = start_lab()
    prompt = lab._prompt(clip, toy_settings(steps=options.steps))
    prompt["sampler"]["class_type"] = "MultiTalkSampleToVideo"
    prompt["sampler"]["inputs"]["filename_prefix"] = "long"
    del prompt["keep"]
    watcher = Watcher(lab.host.base / "output")
    watcher.start()
    begin = time.process_time(), time.monotonic()
    result = lab.host.run(prompt, lab.host.executor())
    cpu_s, wall_s = time.process_time() - begin[0], time.monotonic() - begin[1]
    watcher.ended.set()
    assert result.ok, result.error
    made = Path(result.outputs["sampler"][0][0].get_stream_source())
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "ten_minutes.mp4"
    path.write_bytes(made.read_bytes())
    report = result.outputs["sampler"][1][0]
    print(report.rpartition("\n")[0])
    mouths = mouth_curves(path, clip)
    samples, rate = sound_samples(path)
    facts = {
        "frames": mouths.shape[1],
        "wanted": num_frames,
        "sound_samples": samples,
        "sound_rate": rate,
        "first_minute": synchrony(mouths[:, :MINUTE], clip.openings[:, :MINUTE]),
        "last_minute": synchrony(mouths[:, -MINUTE:], clip.openings[:, -MINUTE:]),
        "cpu_s": round(cpu_s),
        "wall_s": round(wall_s),
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "growing_file": watcher.rows,
        "colour_distance_last_windows": report.rpartition(", ")[2],
    }
    (options.output / "facts.json").write_text(json.dumps(facts, indent=1))
    print(json.dumps({k: v for k, v in facts.items() if k != "growing_file"}, indent=1))
    last = facts["last_minute"]
    exact = mouths.shape[1] == num_frames and samples == num_frames * rate // 25
    return 0 if exact and max(last, key=last.get) == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
