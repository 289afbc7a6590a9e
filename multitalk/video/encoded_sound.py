"""Sound of a video file: AAC that is encoded in step with the frames.

One encoder lives as long as the file, so that no seam is heard between windows. The waveform is
read 1024 samples at a time and only as far as frames are written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..sound.audio import Sound, resample
from ..sound.channels import within_full_scale
from ..words import count

if TYPE_CHECKING:
    import av
    import numpy as np

BLOCK_SAMPLES = 1024  # samples of one AAC packet
PRIMING_SAMPLES = 1024  # the encoder's first packet; players drop it (edit list of the file)
LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1")  # by channels; PyAV 18 fails with 8
FOLDED = {7: "6.1", 8: "7.1"}  # layouts that become 5.1
FOLD_SAMPLES = 1 << 16  # at once
MARGIN_S = Fraction(1, 10)
# ISO/IEC 14496-3, table 1.18; Hz.
AAC_RATES = (
    7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000,
)  # fmt: skip


class SoundEncoder:
    """Turns a sound into AAC packets, on demand."""

    def __init__(self, sound: Sound, *, num_frames: int, frame_rate: Fraction) -> None:
        """Open the encoder; the sound is cut or padded with silence to the whole video's length.

        Raises:
            ValueError: If there are more channels than can be folded.
        """
        self._sound = as_encoded(cut_sound(sound, Fraction(num_frames) / frame_rate))
        self._frame_rate = frame_rate
        self.layout = LAYOUTS[len(self._sound.waveform) - 1]
        self.sample_rate = self._sound.sample_rate  # Hz
        self.num_samples = round(num_frames * self.sample_rate / frame_rate)
        self._encoder = open_encoder(self.sample_rate, self.layout)
        self._blocks = self._read_blocks()
        self._fed = 0  # samples
        self._covered = -PRIMING_SAMPLES  # samples that the packets given so far decode to

    def packets_until(self, num_frames: int) -> list[av.Packet]:
        """Packets not given before, in order, until they cover the first `num_frames` frames.

        Times count samples from the start of the video; the packets reach at most 1023 samples
        beyond the frames, and end exactly with the video.
        """
        end = math.ceil(num_frames * self.sample_rate / self._frame_rate)
        packets: list[av.Packet] = []
        while self._covered < min(end, self.num_samples):
            block = next(self._blocks, None)
            frame = None if block is None else self._frame(block)
            self._fed += 0 if block is None else block.shape[-1]
            for packet in self._encoder.encode(frame):
                assert packet.pts is not None, "AAC packet without a time"
                assert packet.duration, "AAC packet without a length"
                packets.append(packet)
                self._covered = packet.pts + packet.duration
            assert block is not None or self._covered == self.num_samples, (
                f"sound ends at {self._covered} of {self.num_samples} samples"
            )
        return packets

    def _read_blocks(self) -> Iterator[np.ndarray]:
        """The sound and silence after it, blocks [C, 1024] float32; the last may be shorter."""
        import numpy as np

        waveform = self._sound.waveform
        for start in range(0, self.num_samples, BLOCK_SAMPLES):
            size = min(BLOCK_SAMPLES, self.num_samples - start)
            block = waveform[:, start : start + size].float().cpu().numpy()
            yield np.pad(block, ((0, 0), (0, size - block.shape[-1])))

    def _frame(self, block: np.ndarray) -> av.AudioFrame:
        """The next block [C, A] of the sound."""
        import av
        import numpy as np

        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block), format="fltp", layout=self.layout
        )
        frame.sample_rate = self.sample_rate
        frame.time_base = Fraction(1, self.sample_rate)
        frame.pts = self._fed
        return frame


def check_encodable(sound: Sound, name: str) -> None:
    """Refuse a sound that no video file of ours could have; the message calls it `name`.

    Raises:
        ValueError: If it has more channels than can be folded.
    """
    if len(sound.waveform) > max(FOLDED):
        raise ValueError(
            f"{name} has {count(len(sound.waveform), 'channel')}; a video file takes up to "
            f"{max(FOLDED)}. Mix it down to stereo first."
        )


def as_encoded(sound: Sound) -> Sound:
    """The sound as AAC takes it, itself if it is so: channels, rate, and within full scale.

    Seven and eight channels (6.1, 7.1) are folded to 5.1; a rate that AAC lacks becomes the next
    higher one that it has, or its highest.

    Raises:
        ValueError: If there are more channels than can be folded.
    """
    check_encodable(sound, "The sound")
    waveform, rate = sound.waveform, sound.sample_rate
    if len(waveform) in FOLDED:
        waveform = _fold(waveform, rate, FOLDED[len(waveform)])
    encoded = next((r for r in AAC_RATES if r >= rate), AAC_RATES[-1])
    waveform = within_full_scale(resample(waveform, rate, encoded))
    if waveform is sound.waveform:
        return sound
    return Sound(waveform=waveform, sample_rate=encoded)


def _fold(waveform: Tensor, sample_rate: int, layout: str) -> Tensor:
    """Channels [C, A] of a layout to [6, A] by FFmpeg's own weights."""
    import av
    import numpy as np

    resampler = av.AudioResampler(format="fltp", layout=LAYOUTS[-1], rate=sample_rate)
    parts: list[np.ndarray] = []
    for part in waveform.split(FOLD_SAMPLES, dim=1):
        # Samples of all channels in turn: PyAV 18 fails with 8 channels one after another.
        packed = np.ascontiguousarray(part.T.numpy()).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate = sample_rate
        parts += [folded.to_ndarray() for folded in resampler.resample(frame)]
    return torch.from_numpy(np.concatenate(parts, 1))


def cut_sound(sound: Sound, length_s: Fraction) -> Sound:
    """The part that is heard, and a little more so that resampling has no edge there."""
    length = math.ceil((length_s + MARGIN_S) * sound.sample_rate)
    if sound.waveform.shape[-1] <= length:
        return sound
    return Sound(waveform=sound.waveform[:, :length], sample_rate=sound.sample_rate)


def open_encoder(sample_rate: int, layout: str) -> av.AudioCodecContext:
    """An AAC encoder for an mp4 file at FFmpeg's own bit rate, as the host's."""
    import av
    from av.codec.context import Flags

    encoder = av.CodecContext.create("aac", "w")
    encoder.sample_rate = sample_rate
    encoder.layout = layout
    encoder.format = "fltp"
    encoder.bit_rate = 0  # FFmpeg's choice: 69 kbit/s mono, 128 kbit/s stereo
    encoder.time_base = Fraction(1, sample_rate)
    encoder.flags |= Flags.global_header.value
    encoder.open()
    assert encoder.frame_size == BLOCK_SAMPLES, f"AAC frames of {encoder.frame_size} samples"
    return encoder
