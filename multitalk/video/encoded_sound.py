"""Sound of a video file: AAC that is encoded in step with the frames.

One encoder lives as long as the file, so that no seam is heard between windows. The waveform is
read 1024 samples at a time and only as far as frames are written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from ..sound.audio import Sound

if TYPE_CHECKING:
    import av
    import numpy as np

BLOCK_SAMPLES = 1024  # samples of one AAC packet
PRIMING_SAMPLES = 1024  # the encoder's first packet; players drop it (edit list of the file)
LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1")  # by channels; PyAV 18 fails with 8


class SoundEncoder:
    """Turns a sound into AAC packets, on demand.

    Rates that AAC does not have are resampled by PyAV to the next higher one that it has.
    """

    def __init__(self, sound: Sound, *, num_frames: int, frame_rate: int) -> None:
        """Open the encoder; the sound is cut or padded with silence to the whole video's length.

        Raises:
            ValueError: If there are more than 6 channels.
        """
        import av

        num_channels = len(sound.waveform)
        if num_channels > len(LAYOUTS):
            raise ValueError(
                f"The sound has {num_channels} channels; a video file takes up to {len(LAYOUTS)}. "
                "Mix it down to stereo first."
            )
        rates = sorted(av.Codec("aac", "w").audio_rates or ())
        self._sound = sound
        self._frame_rate = frame_rate
        self.layout = LAYOUTS[num_channels - 1]
        self.sample_rate = next((r for r in rates if r >= sound.sample_rate), rates[-1])  # Hz
        self.num_samples = round(Fraction(num_frames * self.sample_rate, frame_rate))
        self._encoder = open_encoder(self.sample_rate, self.layout)
        self._blocks = self._read_blocks()
        self._fed = 0  # samples
        self._covered = -PRIMING_SAMPLES  # samples that the packets given so far decode to

    def packets_until(self, num_frames: int) -> list[av.Packet]:
        """Packets not given before, in order, until they cover the first `num_frames` frames.

        Times count samples from the start of the video; the packets reach at most 1023 samples
        beyond the frames, and end exactly with the video.
        """
        end = math.ceil(Fraction(num_frames * self.sample_rate, self._frame_rate))
        packets: list[av.Packet] = []
        while self._covered < min(end, self.num_samples):
            block = next(self._blocks, None)
            frame = None if block is None else self._frame(block, self.sample_rate, self._fed)
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
        """Blocks [C, 1024] float32 at the encoder's rate; the last one may be shorter."""
        import numpy as np

        pending = np.zeros((len(self._sound.waveform), 0), np.float32)
        source = self._converted()
        for start in range(0, self.num_samples, BLOCK_SAMPLES):
            size = min(BLOCK_SAMPLES, self.num_samples - start)
            while pending.shape[-1] < size:
                pending = np.concatenate([pending, next(source)], 1)
            yield pending[:, :size]
            pending = pending[:, size:]

    def _converted(self) -> Iterator[np.ndarray]:
        """The endless waveform at the encoder's rate."""
        if self._sound.sample_rate == self.sample_rate:
            yield from self._endless()
            return
        from av import AudioResampler

        resampler = AudioResampler(format="fltp", layout=self.layout, rate=self.sample_rate)
        for index, block in enumerate(self._endless()):
            frame = self._frame(block, self._sound.sample_rate, index * BLOCK_SAMPLES)
            for converted in resampler.resample(frame):
                yield converted.to_ndarray()

    def _endless(self) -> Iterator[np.ndarray]:
        """The waveform in blocks [C, 1024], followed by silence without end."""
        import numpy as np

        waveform = self._sound.waveform
        for start in range(0, waveform.shape[-1], BLOCK_SAMPLES):
            block = waveform[:, start : start + BLOCK_SAMPLES].float().cpu().numpy()
            yield np.pad(block, ((0, 0), (0, BLOCK_SAMPLES - block.shape[-1])))
        while True:
            yield np.zeros((len(waveform), BLOCK_SAMPLES), np.float32)

    def _frame(self, block: np.ndarray, sample_rate: int, start: int) -> av.AudioFrame:
        """A block [C, A] that begins `start` samples into the sound."""
        import av
        import numpy as np

        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block), format="fltp", layout=self.layout
        )
        frame.sample_rate = sample_rate
        frame.time_base = Fraction(1, sample_rate)
        frame.pts = start
        return frame


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
