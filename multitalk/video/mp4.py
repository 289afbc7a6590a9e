"""A video file that grows window by window and plays at any moment.

While it grows it is a fragmented mp4: a head, and one fragment per window with its frames and
their sound. Each window is encoded whole (its first frame needs no earlier one), made into a
fragment in memory and added in one write, so that a run that is stopped, killed or out of disk
leaves a file that plays up to a window's end. At the end the packets are copied, without encoding
again, into an ordinary mp4 with an index in front, which takes the growing file's place at once.
A plain PyAV writer that stays open was tried: killed, it lost the last two windows.

Picture: H.264 with x264's own quality, 4:2:0, colors as PyAV turns RGB into it; the host saves
the same way. Same frames give the same bytes, see `_open_streams`.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..config import FRAME_RATE
from ..disk import refusal
from ..sound.audio import Sound
from .encoded_sound import PRIMING_SAMPLES, SoundEncoder

if TYPE_CHECKING:
    import av
    from av.container import OutputContainer

REORDER_FRAMES = 2  # how far x264 decodes ahead of showing: B-frames that refer to B-frames
X264_THREADS = 4  # part of the result: another number gives other bytes
HEAD_FLAGS = "use_metadata_tags+empty_moov+delay_moov+default_base_moof+skip_trailer"
LATER_FLAGS = "empty_moov+frag_discont+default_base_moof+skip_trailer"
FINAL_FLAGS = "use_metadata_tags+faststart"


class VideoFile:
    """An mp4 that takes windows of frames; a context manager.

    Leaving the context before `finish` keeps what was written so far; it plays. Without a single
    window no file is left.
    """

    def __init__(
        self,
        path: Path,
        *,
        height: int,
        width: int,
        sound: Sound | None,
        num_frames: int,
        metadata: Mapping[str, object] | None,
        frame_rate: int | Fraction = FRAME_RATE,
    ) -> None:
        """Make the file, still empty, so that an unusable folder is found out at once.

        Nothing may be at the path. The sound is heard from the first frame on; cut or padded with
        silence to the length of the whole video; None: a silent film. Metadata is stored as JSON
        under these names, as the host does: the editor restores the graph from `workflow` and
        `prompt`.

        Raises:
            ValueError: If a side is odd or the sound has too many channels.
            OSError: If the file cannot be made.
        """
        if height % 2 or width % 2:
            raise ValueError(
                f"The frames are {width} x {height}; H.264 needs even sides. "
                "Crop them by one pixel."
            )
        assert num_frames > 0, f"num_frames is {num_frames}"
        self.path = path
        self.num_frames = num_frames
        self.frames_written = 0
        self._height, self._width = height, width
        self._frame_rate = Fraction(frame_rate)
        self._metadata = {name: json.dumps(value) for name, value in (metadata or {}).items()}
        self._sound = sound and SoundEncoder(
            sound, num_frames=num_frames, frame_rate=self._frame_rate
        )
        self._windows = 0
        self._size = 0  # bytes of whole windows
        self._whole = True  # False from the start of a write until it is on disk
        try:
            self._file = path.open("xb", buffering=0)
        except OSError as error:
            raise self._failure(error) from error

    def __enter__(self) -> VideoFile:
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self._file.close()
            if not self.frames_written:
                self.path.unlink(missing_ok=True)

    def write(self, frames: Tensor) -> None:
        """Add a window [F, H, W, 3] uint8 RGB; afterwards the file plays to its end, with sound.

        Raises:
            OSError: If the disk refuses; the windows before stay playable.
        """
        count = len(frames)
        after = self.frames_written + count
        assert self._whole, "an earlier write failed"
        assert frames.dtype == torch.uint8, f"frames are {frames.dtype}"
        assert frames.shape == (count, self._height, self._width, 3), f"frames {frames.shape}"
        assert count > 0, "no frames"
        assert after <= self.num_frames, f"{after} frames of {self.num_frames}"
        self._whole = False
        self._append(self._fragment(frames))
        self.frames_written = after
        self._windows += 1
        self._whole = True

    def finish(self) -> None:
        """Turn the file into an ordinary mp4 with its index in front, in one step.

        Raises:
            OSError: If the disk refuses; the growing file stays, complete and playable.
        """
        assert self._whole, "an earlier write failed"
        assert self.frames_written == self.num_frames, (
            f"{self.frames_written} of {self.num_frames} frames were written"
        )
        from av.error import FFmpegError

        temporary = self.path.with_name(self.path.name + ".part")
        try:
            self._file.close()
            self._copy_packets(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(self.path)
        except (OSError, FFmpegError) as error:
            raise self._failure(error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _fragment(self, frames: Tensor) -> bytes:
        """A window as bytes to add to the file; the first one begins with the head."""
        import av

        first = self._windows == 0
        options = {"movflags": HEAD_FLAGS, "fragment_index": "1"}
        if not first:  # times as they are: no edit list, no shift to zero
            options = {
                "movflags": LATER_FLAGS,
                "fragment_index": str(self._windows + 1),
                "use_editlist": "0",
                "avoid_negative_ts": "disabled",
            }
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mp4", container_options=options) as container:
            if first:
                container.metadata.update(self._metadata)
            video, audio = self._open_streams(container)
            pictures = self._encode(video, frames)
            sounds = self._sound_packets(self.frames_written + len(frames), audio)
            for packets, ahead in ((pictures, REORDER_FRAMES), (sounds, PRIMING_SAMPLES)):
                for packet in packets:
                    _shift(packet, 0 if first else ahead)  # the head's edit list takes it back
                    container.mux(packet)
        data = buffer.getvalue()
        return data if first else data[_find_box(data, b"moof") :]

    def _sound_packets(self, end: int, stream: av.AudioStream | None) -> list[av.Packet]:
        """Packets of the sound up to the end of `end` frames."""
        if self._sound is None:
            return []
        packets = self._sound.packets_until(end)
        for packet in packets:
            packet.stream = stream
        return packets

    def _open_streams(
        self, container: OutputContainer
    ) -> tuple[av.VideoStream, av.AudioStream | None]:
        """A fresh H.264 encoder, and a place for sound that is encoded elsewhere.

        x264 165 is not deterministic on processors with AVX-512: a routine of mbtree for them reads
        memory that nobody wrote. There it is told to do without; no cost was measured.
        """
        video = container.add_stream("libx264", rate=self._frame_rate)
        video.width, video.height, video.pix_fmt = self._width, self._height, "yuv420p"
        video.codec_context.thread_type = "FRAME"
        video.codec_context.thread_count = X264_THREADS
        if torch.backends.cpu.get_cpu_capability() == "AVX512":
            video.options = {"x264-params": "asm=avx2"}
        if self._sound is None:
            return video, None
        rate, layout = self._sound.sample_rate, self._sound.layout
        audio = container.add_stream("aac", rate=rate, layout=layout, bit_rate=0)
        return video, audio

    def _encode(self, video: av.VideoStream, frames: Tensor) -> list[av.Packet]:
        """Packets of one window in decoding order, on the time line of the whole video."""
        import av

        packets: list[av.Packet] = []
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels.contiguous().cpu().numpy(), format="rgb24")
            frame = frame.reformat(format="yuv420p")
            frame.pts, frame.time_base = index, 1 / self._frame_rate
            packets += video.encode(frame)
        packets += video.encode(None)
        assert len(packets) == len(frames), f"{len(packets)} packets of {len(frames)} frames"
        for index, packet in enumerate(packets):
            assert packet.pts is not None, "H.264 packet without a time"
            assert packet.pts >= index - REORDER_FRAMES, f"{packet.pts} is decoded at {index}"
            # Own count: a window of one or two frames would not leave room for the reordering.
            packet.dts = self.frames_written + index - REORDER_FRAMES
            packet.pts += self.frames_written
        return packets

    def _append(self, data: bytes) -> None:
        """Add bytes to the file and see them safe; on failure the file is as before."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
            os.fsync(self._file.fileno())
            self.path.stat()  # a deleted file takes writes without a word
        except OSError as error:
            with suppress(OSError):
                self._file.truncate(self._size)
            raise self._failure(error) from error
        self._size += len(data)

    def _copy_packets(self, target: Path) -> None:
        """Write the growing file's packets as an ordinary mp4."""
        import av

        options = {"movflags": FINAL_FLAGS}
        with (
            av.open(str(self.path)) as source,
            av.open(str(target), "w", format="mp4", container_options=options) as container,
        ):
            container.metadata.update(self._metadata)
            streams = {
                stream: container.add_stream_from_template(stream, opaque=True)
                for stream in (*source.streams.video[:1], *source.streams.audio[:1])
            }
            for packet in source.demux(*streams):
                if packet.dts is not None:  # the demuxer ends with an empty packet
                    packet.stream = streams[packet.stream]
                    container.mux(packet)

    def _failure(self, error: Exception) -> OSError:
        """The sentence for a refused write: why, what is safe and what to do."""
        cause, remedy, _ = refusal(error)
        if not self.frames_written:
            safe = "No frame was written"
        elif not self.path.exists():
            safe = "The frames written before went with it"
        elif self.frames_written < self.num_frames:
            safe = f"Its first {self.frames_written} of {self.num_frames} frames are safe and play"
        else:
            safe = "All frames are safe in it and play; only their index is missing"
            remedy = f"Use it as it is, or {remedy[0].lower()}{remedy[1:]}"
        return OSError(
            f"The video file {self.path} could not be written: {cause}. {safe}. "
            f"{remedy} and run again."
        )


def _shift(packet: av.Packet, ticks: int) -> None:
    assert packet.pts is not None
    assert packet.dts is not None
    packet.pts += ticks
    packet.dts += ticks


def _find_box(data: bytes, name: bytes) -> int:
    """Where the first top-level mp4 box of a name begins."""
    start = 0
    while data[start + 4 : start + 8] != name:
        size = int.from_bytes(data[start : start + 4], "big")
        assert size >= 8, f"no {name!r} box"
        start += size
    return start
