"""What is finished is written while the next window is made: order, errors, one window at a time.

Nothing here asks a clock: a save waits for the test.
"""

from __future__ import annotations

import logging
import threading

import pytest

from pack.multitalk.runs.folder import RunFolder, continue_windows
from pack.multitalk.runs.writer import Writer
from pack.tests.multitalk.runs.studio import IDENTITY, Studio

LONGEST_S = 60  # a thread that never comes fails the test instead of holding it


class Watched(Studio):
    """Lets the first save go on when the second window is made."""

    def __init__(self):
        super().__init__()
        self.gate, self.done = threading.Event(), []

    def make(self, after):
        for window in super().make(after):
            if window.index == 1:
                assert self.done == []
                self.gate.set()
            yield window

    def slow(self, save):
        def slower(window, state):
            assert self.gate.wait(LONGEST_S)
            save(window, state)
            self.done.append(f"saved {window.index}")

        return slower


def test_the_next_window_is_made_while_one_is_saved_and_no_further(tmp_path):
    studio = Watched()
    with RunFolder(tmp_path, IDENTITY, 6) as folder, Writer() as writer:
        folder.save = studio.slow(folder.save)
        windows = continue_windows(folder, studio.make, writer)
        next(windows)
        writer.add(lambda: studio.done.append("in the video 0"))
        next(windows)
        assert studio.done[:2] == ["saved 0", "in the video 0"]  # before the second is saved
        writer.wait()
        assert studio.done[2:] == ["saved 1"]
        assert folder.finished == studio.made == [0, 1]


def test_after_an_error_nothing_more_is_written_and_it_is_told_once(caplog):
    done, error = [], OSError("the disk is full")

    def fail():
        raise error

    with Writer() as writer:
        for work in (lambda: done.append(1), fail, lambda: done.append(2)):
            writer.add(work)
        with pytest.raises(OSError, match="full") as told:
            writer.wait()
        assert told.value is error
        assert done == [1]
        with pytest.raises(OSError, match="full"):
            writer.check()
        with caplog.at_level(logging.WARNING), pytest.raises(OSError, match="full"):
            writer.wait()
    assert not caplog.records


def test_a_stop_waits_for_the_writer_and_keeps_its_own_error(caplog):
    done, gate = [], threading.Event()

    def work():
        gate.wait(LONGEST_S)
        done.append(1)
        raise OSError("the disk is full")

    def stop():
        with Writer() as writer:
            writer.add(work)
            gate.set()
            raise KeyboardInterrupt

    with caplog.at_level(logging.WARNING), pytest.raises(KeyboardInterrupt):
        stop()
    assert done == [1]
    assert "could not be written: the disk is full" in caplog.text
