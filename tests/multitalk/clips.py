"""Small videos to write and ways to look at a video file; a script that writes one in a child.

As a script: `clips.py ROOT PATH WINDOWS` waits for a line on stdin, writes a window, says so, and
so on to the last; then it finishes the file.
"""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

HEIGHT, WIDTH = 48, 64
GRAPH = {"workflow": {"nodes": [1, "two"], "name": "caf\u00e9"}, "prompt": {"3": {"inputs": {}}}}
CLICK = 78  # samples into each frame


def pictures(start, count, *, height=HEIGHT, width=WIDTH):
    """Frames [F, H, W, 3] of a moving color wave, the same for the same numbers."""
    frame, y, x = np.ogrid[start : start + count, 0:height, 0:width]
    waves = [np.sin((x + 2 * frame) / 9), np.cos((y - frame) / 7), np.sin((x + y + frame) / 11)]
    stacked = np.stack([np.broadcast_to(w, (count, height, width)) for w in waves], -1)
    return torch.from_numpy((127.5 + 100 * stacked).astype(np.uint8))


def clicks(num_frames, sample_rate, channels=1, *, frame_rate=25):
    """A waveform [C, A] with one loud sample in every frame."""
    waveform = torch.zeros(channels, round(Fraction(num_frames * sample_rate, frame_rate)))
    for frame in range(num_frames):
        waveform[:, frame * sample_rate // frame_rate + CLICK] = 0.9
    return waveform


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a player finds in a file."""

    frames: np.ndarray  # [F, H, W, 3] uint8
    times_s: list[Fraction]
    waveform: np.ndarray  # [C, A]
    sample_rate: int
    metadata: dict[str, str]
    frame_entries: int  # frames that the index names; 0 where there is no index
    duration_s: Fraction
    sound_s: Fraction
    brand: str


def read(path):
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        facts = {
            "metadata": dict(container.metadata),
            "frame_entries": video.frames,
            "duration_s": video.duration * video.time_base,
            "sound_s": audio.duration * audio.time_base,
            "sample_rate": audio.codec_context.sample_rate,
            "brand": container.metadata["major_brand"],
        }
        frames, times, sound = [], [], []
        for frame in container.decode(video, audio):
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_ndarray(format="rgb24"))
                times.append(frame.pts * frame.time_base)
            else:
                sound.append(frame.to_ndarray())
    return Contents(
        frames=np.stack(frames), times_s=times, waveform=np.concatenate(sound, 1), **facts
    )


def lag(waveform, clicks):
    """Samples by which a decoded sound [C, A] is later than its clicks [C, A]."""
    reach = 1500  # more than an AAC frame
    heard = np.pad(waveform[0, : clicks.shape[1]], reach)
    offsets = range(-reach, reach + 1)
    places = np.flatnonzero(clicks[0].numpy()) + reach
    return max(offsets, key=lambda offset: float(heard[places + offset].sum()))


def boxes(data):
    """Names and ends of the top-level boxes of an mp4 file."""
    found, start = [], 0
    while start < len(data):
        name = data[start + 4 : start + 8].decode("ascii")
        start += int.from_bytes(data[start : start + 4], "big")
        found.append((name, start))
    return found


def main():
    root, *files = sys.argv[1:]
    package = types.ModuleType("pack")
    package.__path__ = [root]
    sys.modules["pack"] = package
    from pack.multitalk.sound.audio import Sound
    from pack.multitalk.video.mp4 import VideoFile

    shape = {"height": 96, "width": 160}
    for path, windows in zip(files[::2], files[1::2], strict=True):
        sizes = [int(size) for size in windows.split(",")]
        sound = Sound(waveform=clicks(sum(sizes), 16000), sample_rate=16000)
        facts = {"sound": sound, "num_frames": sum(sizes), "metadata": GRAPH}
        with VideoFile(Path(path), **shape, **facts) as file:
            for size in sizes:
                sys.stdin.readline()
                file.write(pictures(file.frames_written, size, **shape))
                print("written", flush=True)
            file.finish()


if __name__ == "__main__":
    main()
