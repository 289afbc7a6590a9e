"""Video files that are painted with the numbers of their frames, at any times."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

BITS = 12
CELL = 8
SIZE = (CELL, BITS * CELL)  # height and width
RATE_HZ = 8000


def paint(number, size=SIZE):
    """A frame whose cells are the bits of a number."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8) * 255, CELL)
    return np.broadcast_to(row[None, :, None], (*size, 3)).copy()


def read(frame):
    """The number of a frame [H, W, 3] of bytes or of 0..1."""
    row = np.asarray(frame, dtype=float)[CELL // 2, CELL // 2 :: CELL, 0]
    return sum(1 << bit for bit, value in enumerate(row) if value > row.max() / 2 and row.max() > 0)


def film(starts, *, base=Fraction(1, 90_000), rate=25, format="matroska", codec="ffv1", sound=None,
         size=SIZE):  # fmt: skip
    """A file in memory with frame k at starts[k] seconds, and a mono sound [A] with it."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=format) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = size
        stream.pix_fmt = {"ffv1": "bgr0", "libx264": "yuv420p"}[codec]
        stream.codec_context.time_base = stream.time_base = base
        heard = None
        if sound is not None:
            heard = container.add_stream("pcm_s16le", rate=RATE_HZ, layout="mono")
        for number, start in enumerate(starts):
            frame = av.VideoFrame.from_ndarray(paint(number, size), format="rgb24")
            frame.pts, frame.time_base = round(start / base), base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if heard is not None:
            begin, samples = sound
            frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, round(begin * RATE_HZ)
            frame.time_base = Fraction(1, RATE_HZ)
            container.mux(heard.encode(frame))
            container.mux(heard.encode(None))
    return buffer
