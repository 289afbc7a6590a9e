"""Run folders that are deleted, moved, damaged or replaced while a run goes on."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys

import pytest
import torch

from pack.multitalk.runs.folder import RunFolder, continue_windows, run_name
from pack.multitalk.runs.writer import Writer
from pack.tests.limits import full_disk
from pack.tests.multitalk.runs.studio import IDENTITY, Studio, folder_of, stop


@pytest.fixture
def studio():
    return Studio("infinitetalk")


def lose(path, how):
    if how == "replaced by a file":
        shutil.rmtree(path)
        path.write_text("a file")
    elif how == "moved":
        path.rename(path.with_name("moved"))
    elif how == "one window":
        (path / "window_00000.mkv").unlink()
    else:
        shutil.rmtree(path)


@pytest.mark.parametrize(
    ("how", "reason", "said"),
    [
        ("deleted", "No such file", "deleted or moved while the run went on, with all 2 windows"),
        ("moved", "No such file", "deleted or moved while the run went on, with all 2 windows"),
        ("replaced by a file", "Not a directory", "deleted or moved .*, with all 2 windows"),
        ("one window", "File too large", "1 of 6 windows is safe there, 1 more was deleted"),
    ],
)
def test_folder_that_is_lost_in_the_run_is_a_sentence(
    studio, expected, tmp_path, how, reason, said
):
    with RunFolder(tmp_path, IDENTITY, 6) as folder, Writer() as writer:
        windows = continue_windows(folder, studio.make, writer)
        next(windows), next(windows)
        writer.wait()
        lose(folder.path, how)
        limit = full_disk(4000) if how == "one window" else contextlib.nullcontext()
        with limit, pytest.raises(OSError, match=rf"window 3; .*{said}.*\({reason}"):
            next(windows), next(windows)
    lost = tmp_path / run_name(IDENTITY)
    if how == "replaced by a file":
        assert lost.read_text() == "a file"
        lost.unlink()
    frames, _ = studio.run(tmp_path)
    assert torch.equal(frames, expected)


@pytest.mark.parametrize("lost", [["window_00001.mkv"], ["window_00001.mkv", "window_00000.mkv"]])
def test_window_that_is_lost_after_the_folder_was_opened_is_made_again(
    studio, expected, tmp_path, lost
):
    stop(studio, tmp_path, 4)
    with RunFolder(tmp_path, IDENTITY, 6) as folder, Writer() as writer:
        assert folder.finished == [0, 1, 2, 3]
        for name in lost:
            (folder.path / name).unlink()
        windows = list(continue_windows(folder, studio.make, writer))
    assert torch.equal(torch.cat([window.frames for window in windows]), expected)
    assert studio.made == [*range(2 - len(lost), 2), 4, 5]


@pytest.mark.skipif(sys.platform == "win32", reason="pipes in folders are of POSIX systems")
@pytest.mark.parametrize("kind", ["folder", "pipe", "broken link"])
@pytest.mark.parametrize("name", ["window_00001.json", "window_00001.mkv", "x.partial"])
def test_what_is_no_file_is_made_again(studio, expected, tmp_path, kind, name):
    stop(studio, tmp_path, 3)
    path = folder_of(tmp_path) / name
    path.unlink(missing_ok=True)
    make = {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path)}
    make.get(kind, lambda: path.symlink_to("nowhere"))()
    (tmp_path / "other").mkdir()
    os.mkfifo(tmp_path / "other" / "run.json")
    frames, _ = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == ([3, 4, 5] if name == "x.partial" else [1, 3, 4, 5])


@pytest.mark.skipif(sys.platform == "win32", reason="only POSIX systems flush folders")
@pytest.mark.parametrize(("number", "allowed"), [(errno.EINVAL, True), (errno.EIO, False)])
def test_disk_that_flushes_no_folders_is_good_enough(tmp_path, monkeypatch, number, allowed):
    flush = os.fsync

    def refuse(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        flush(handle)

    monkeypatch.setattr(os, "fsync", refuse)
    with contextlib.nullcontext() if allowed else pytest.raises(OSError, match="cannot be read"):
        RunFolder(tmp_path, IDENTITY, 6).close()
