"""Where a video goes, and the player that shows it while it grows.

It goes under a free name into a folder of the host, also when other hosts write there.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import folder_paths
from comfy_api.v0_0_2 import io, ui

from ..multitalk.config import FRAME_RATE
from ..multitalk.sound.audio import Sound
from ..multitalk.video.mp4 import VideoFile
from ..multitalk.video.placing import TRIES, place_file
from .host import new_video
from .progress import show_early

GROWTH = 1.5  # the player is renewed when so much more is there: it begins anew each time


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


class GrowingPlayer:
    """Shows a growing video in the editor, early, and again whenever there is much more of it."""

    def __init__(self, path: Path, *, later: int) -> None:
        """Nothing is shown before one part, or as many as come at once from an earlier run.

        Args:
            path: The file, in the host's output folder.
            later: Number of these parts.
        """
        place = path.relative_to(folder_paths.get_output_directory())
        folder = "" if place.parent == Path() else place.parent.as_posix()
        saved = ui.SavedResult(place.name, folder, io.FolderType.output)
        self._shown = ui.PreviewVideo([saved])
        self._parts, self._later, self._frames = 0, later, 0

    def show(self, frames: int, *, last: bool = False) -> None:
        """Show the file with so many frames, if that is much more than before, or the last time."""
        self._parts += not last
        enough = self._parts >= self._later and frames >= GROWTH * self._frames
        if frames > self._frames and (last or enough):
            self._frames = frames
            show_early(self._shown)
