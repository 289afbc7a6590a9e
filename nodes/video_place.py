"""Where a video goes: a free name in a folder of the host, also when other hosts write there."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from comfy_api.latest import io, ui

from ..multitalk.config import FRAME_RATE
from ..multitalk.sound.audio import Sound
from ..multitalk.video.mp4 import VideoFile
from ..multitalk.video.placing import TRIES, place_file
from .host import new_video


class VideoPlace:
    """Gives names to one video.

    Attributes:
        shown: What tells the editor of the video, by the name that was given last.
    """

    def __init__(self, prefix: str, folder: io.FolderType, size_px: tuple[int, int]) -> None:
        """Make the folder, so that one that cannot be used is found out at once.

        Args:
            prefix: Folder and beginning of the name, as in the host's save nodes.
            folder: The host's folder that all lies in.
            size_px: Height and width of the video.

        Raises:
            OSError: If the folder cannot be made or read.
        """
        self._prefix, self._folder, self._size_px = prefix, folder, size_px
        self.shown: ui.PreviewVideo
        self.next_name()

    def next_name(self) -> Path:
        """A name that is free now.

        Raises:
            OSError: If the folder cannot be made or read.
        """
        path, self.shown = new_video(self._prefix, self._folder, *self._size_px)
        return path

    def take(self, finished: Path) -> Path:
        """Move a finished file to its name, never over another, and tell which.

        Raises:
            OSError: If the disk refuses; the file stays where it is.
        """
        return place_file(finished, self.next_name)

    def open(
        self,
        path: Path | None = None,
        *,
        sound: Sound | None,
        num_frames: int,
        metadata: Mapping[str, object] | None,
        frame_rate: Fraction | int = FRAME_RATE,
    ) -> VideoFile:
        """A file that grows at a path, or under its final name.

        Raises:
            ValueError: If the frames or the sound cannot be in a file.
            OSError: If the file cannot be made.
        """
        height, width = self._size_px
        tries = 0
        while True:
            tries += 1
            try:
                return VideoFile(
                    path or self.next_name(),
                    height=height,
                    width=width,
                    sound=sound,
                    num_frames=num_frames,
                    metadata=metadata,
                    frame_rate=frame_rate,
                )
            except OSError as error:  # another host may have taken the name just now
                taken = isinstance(error.__cause__, FileExistsError)
                if path is not None or not taken or tries == TRIES:
                    raise
