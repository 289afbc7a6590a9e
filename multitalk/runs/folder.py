"""Finished windows on disk: a run that was stopped goes on after its last whole window.

A run folder belongs to one prompt: its name is the digest of everything the result depends on. Of
each window it holds the frames (lossless, as 8 bit), the state that the next window needs (exact)
and a record, written last, with the checksums of both. A window without an intact record does not
exist. Every file is written under a temporary name, flushed and renamed.

Nothing here asks a clock, and no path or machine is recorded: a folder may be copied elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..generate import FinishedWindow, VideoWindow, WindowState, as_video_window
from ..video.lossless import decode_frames, encode_frames
from ..words import count
from .files import (
    PARTIAL,
    checksum,
    discard,
    explained,
    pack_state,
    read_intact,
    read_json,
    unpack_state,
    write_file,
)
from .lock import RunLock
from .writer import Writer

RUN_FILE = "run.json"
FORMAT = 3  # of the folder and of what tells runs apart; part of the digest
STATE_BYTES = 4 << 30  # states beyond that are thinned out: every second goes, the last two stay


def run_name(identity: Mapping[str, str]) -> str:
    """Name of the run folder, 20 letters: digest of everything the result depends on.

    The identity is a digest or a text per ingredient, by a name that users understand.
    """
    text = json.dumps({"format": FORMAT, **identity}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


class RunFolder:
    """Windows of one prompt. A context manager: leaving it gives the folder free."""

    def __init__(self, root: Path, identity: Mapping[str, str], num_windows: int) -> None:
        """Open the folder of a prompt among all run folders, or make it.

        Raises:
            OSError: If the folder cannot be made or read; the sentence says what to do.
            ValueError: If another program works in it.
        """
        self.path = root / run_name(identity)
        self.notes: list[str] = []
        self.num_windows = num_windows
        with explained(self.path, "cannot be opened"):
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = RunLock(self.path)
        try:
            with explained(self.path, "cannot be read"):
                self._records = self._read_records()
                self._note_others(root, identity)
                header = {"format": FORMAT, "windows": num_windows, "identity": dict(identity)}
                write_file(self.path / RUN_FILE, json.dumps(header, indent=1).encode())
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the folder free; one without any window goes."""
        if self._records:
            self._lock.release()
        else:
            self.remove()

    @property
    def finished(self) -> list[int]:
        """Numbers of the windows that are there."""
        return sorted(self._records)

    def read(self, index: int) -> VideoWindow | None:
        """Frames of a finished window; None: they are gone since the folder was opened.

        Raises:
            OSError: If the disk cannot be read.
        """
        record = self._records[index]
        with explained(self.path, "cannot be read"):
            contents = read_intact(self.path / _names(index)[0], record["frames"])
        if contents is None:
            del self._records[index]
            return None
        shape = record["shape"]
        frames = decode_frames(contents) if shape[0] else torch.empty(shape, dtype=torch.uint8)
        return VideoWindow(
            index=index,
            start=record["start"],
            frames=frames,
            drift=record["drift"],
            left_drift=record["left_drift"],
            made=False,
        )

    def has(self, index: int) -> bool:
        """Whether a window is there."""
        return index in self._records

    def save(self, shown: VideoWindow, left: WindowState) -> None:
        """Write a window and the state that it left, which then outlive any stop.

        Raises:
            OSError: If it cannot be written; the sentence says what is safe.
        """
        contents = encode_frames(shown.frames) if len(shown.frames) else b""
        state = pack_state(left)
        record = {
            "start": shown.start,
            "shape": list(shown.frames.shape),
            "drift": shown.drift,
            "left_drift": shown.left_drift,
            "frames": checksum(contents),
            "state": checksum(state),
        }
        with explained(self.path, lambda: f"cannot take window {shown.index + 1}; {self._kept()}"):
            parts = contents, state, json.dumps(record).encode()
            for name, data in zip(_names(shown.index), parts, strict=True):
                write_file(self.path / name, data)
        self._records[shown.index] = record
        self._thin_states()

    def state_before(self, index: int) -> WindowState | None:
        """The latest intact state that a window before `index` left; None: begin at the picture."""
        for earlier in range(index - 1, -1, -1):
            if earlier in self._records:
                with explained(self.path, "cannot be read"):
                    path = self.path / _names(earlier)[1]
                    data = read_intact(path, self._records[earlier]["state"])
                if data is not None:
                    return unpack_state(data, earlier)
        return None

    def remove(self) -> None:
        """Delete the folder; called when the video is finished."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def _kept(self) -> str:
        """What is left of the windows, as the disk has them now."""
        kept = sum(
            all((self.path / name).is_file() for name in (_names(index)[0], _names(index)[2]))
            for index in self._records
        )
        gone = len(self._records) - kept
        if kept == 0 and gone:
            what = "its only window" if gone == 1 else f"all {gone} windows"
            return f"it was deleted or moved while the run went on, with {what} in it"
        windows = count(self.num_windows, "window")
        safe = f"{kept} of {windows} {'is' if kept == 1 else 'are'} safe there"
        lost = f", {gone} more {'was' if gone == 1 else 'were'} deleted"
        return f"{safe}{lost}" if gone else safe

    def _read_records(self) -> dict[int, dict[str, Any]]:
        """Records whose frames are as they were written; others are dropped and noted."""
        for left_over in self.path.glob(f"*{PARTIAL}"):
            discard(left_over)
        records: dict[int, dict[str, Any]] = {}
        damaged = []
        for index in range(self.num_windows):
            frames, _, path = (self.path / name for name in _names(index))
            if not os.path.lexists(path):
                continue
            record = read_json(path)
            if record and _is_record(record) and read_intact(frames, record["frames"]) is not None:
                records[index] = record
            else:
                damaged.append(str(index + 1))
                discard(frames)
                discard(path)
        if damaged:
            self.notes.append(
                f"damaged and made again: window {', '.join(damaged)} in {self.path.name}"
            )
        if records:
            self.notes.append(
                f"continues an earlier run: {len(records)} of {count(self.num_windows, 'window')} "
                f"{'is' if len(records) == 1 else 'are'} there"
            )
        return records

    def _note_others(self, root: Path, identity: Mapping[str, str]) -> None:
        """Say in what this prompt differs from unfinished runs of others."""
        if self._records:
            return
        for other in sorted(root.glob(f"*/{RUN_FILE}")):
            header = read_json(other) or {}
            known, done = header.get("identity"), len(list(other.parent.glob("window_*.json")))
            if other.parent == self.path or not isinstance(known, dict) or not done:
                continue
            changed = sorted(k for k in {*known, *identity} if known.get(k) != identity.get(k))
            why = f"it differs in {', '.join(changed)} from"
            if header.get("format") != FORMAT:
                why = "another version of this pack, which told less runs apart, began"
            self.notes.append(
                f"a new run: {why} the unfinished run {other.parent.name} ({done} of "
                f"{header.get('windows')} windows), which stays; delete that folder if you do not "
                "need it"
            )

    def _thin_states(self) -> None:
        """Keep the states within their share of the disk; frames all stay.

        A disk that does not let go of them is no reason to stop a run.
        """
        with contextlib.suppress(OSError):
            self._remove_states()

    def _remove_states(self) -> None:
        paths = [self.path / _names(index)[1] for index in sorted(self._records)]
        kept = [path for path in paths if path.exists()]
        while len(kept) > 2 and sum(path.stat().st_size for path in kept) > STATE_BYTES:
            for path in kept[-3::-2]:
                path.unlink(missing_ok=True)
            kept = [path for path in kept if path.exists()]


def continue_windows(
    folder: RunFolder,
    make: Callable[[WindowState | None], Iterator[FinishedWindow]],
    writer: Writer,
) -> Iterator[VideoWindow]:
    """All windows of a video in order: those that are there, and the others made.

    The writer saves those while the next one is made; what is given to it when a window comes is
    done after that window was saved.

    Args:
        folder: Of the run.
        make: Gives an iterator over the windows after a state; None: from the first on.
        writer: Whoever owns it waits for the last window.
    """
    index = 0
    while index < folder.num_windows:
        writer.wait()  # a window that is on its way is there as soon as it is saved
        there = folder.read(index) if folder.has(index) else None
        if there is not None:
            yield there
            index += 1
            continue
        for window in make(folder.state_before(index)):
            shown = as_video_window(window)
            writer.wait()
            writer.add(partial(folder.save, shown, window.state))
            if shown.index == index:
                yield shown
                index += 1
                if folder.has(index):
                    break


def _is_record(value: dict[str, Any]) -> bool:
    """Whether a JSON object is the record of a window."""
    sums = [value.get(key) for key in ("frames", "state")]
    numbers = [value.get(key) for key in ("start", "drift", "left_drift")]
    shape = value.get("shape")
    return (
        all(isinstance(item, dict) and {"size", "sha256"} <= item.keys() for item in sums)
        and isinstance(shape, list)
        and len(shape) == 4
        and all(isinstance(number, (int, float)) for number in numbers)
    )


def _names(index: int) -> tuple[str, str, str]:
    """Files of a window: frames, state, record; the record is written last."""
    stem = f"window_{index:05}"
    return f"{stem}.mkv", f"{stem}.safetensors", f"{stem}.json"
