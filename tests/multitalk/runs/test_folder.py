from __future__ import annotations

import ast
import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from pack.multitalk.runs import folder as resume
from pack.multitalk.runs.folder import RunFolder, continue_windows, run_name
from pack.multitalk.runs.lock import RunLock
from pack.multitalk.runs.writer import Writer
from pack.multitalk.video.lossless import decode_frames, encode_frames
from pack.tests.limits import full_disk
from pack.tests.multitalk.runs.studio import IDENTITY, folder_of, stop

ROOT = Path(__file__).resolve().parents[3]


def test_unbroken_run_gives_the_frames_of_the_loop_and_leaves_nothing(studio, expected, tmp_path):
    frames, notes = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert notes == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("index", range(1, 6))
def test_run_goes_on_after_the_last_window_with_the_same_bits(studio, expected, tmp_path, index):
    stop(studio, tmp_path, index)
    frames, notes = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == list(range(index, 6))
    are = "is" if index == 1 else "are"
    assert notes == [f"continues an earlier run: {index} of 6 windows {are} there"]


def test_stop_in_the_first_window_leaves_nothing(studio, tmp_path):
    stop(studio, tmp_path, 0)
    assert list(tmp_path.iterdir()) == []


def test_folder_may_be_copied_elsewhere(studio, expected, tmp_path):
    stop(studio, tmp_path / "here", 4)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    shutil.rmtree(tmp_path / "here")
    frames, _ = studio.run(tmp_path / "there")
    assert torch.equal(frames, expected)
    assert studio.made == [4, 5]


@pytest.mark.parametrize("end", [".mkv", ".json"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "gone"])
def test_damaged_window_is_made_again_alone(studio, expected, tmp_path, damage, end):
    stop(studio, tmp_path, 5)
    path = folder_of(tmp_path) / f"window_00002{end}"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    contents = {"flipped": data, "cut": data[: len(data) // 2], "empty": b""}
    path.unlink() if damage == "gone" else path.write_bytes(contents[damage])
    frames, notes = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == [2, 5]
    if (damage, end) != ("gone", ".json"):
        assert notes[0].startswith("damaged and made again: window 3 in ")


def test_damaged_state_costs_the_window_that_left_it(studio, expected, tmp_path):
    stop(studio, tmp_path, 5)
    path = folder_of(tmp_path) / "window_00004.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    frames, _ = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == [4, 5]


def test_nonsense_in_the_folder_is_left_alone_or_made_again(studio, expected, tmp_path):
    stop(studio, tmp_path, 3)
    folder = folder_of(tmp_path)
    (folder / "window_00001.json").write_text('{"frames": 3}')
    (folder / "window_00009.json").write_text("{}")
    (folder / "window_x.json").write_text("[")
    (folder / "run.json").write_text("\0")
    (folder / "window_00002.mkv.partial").write_text("half")
    frames, _ = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == [1, 3, 4, 5]


def test_states_are_thinned_out_beyond_their_share_of_the_disk(
    studio, expected, tmp_path, monkeypatch
):
    monkeypatch.setattr(resume, "STATE_BYTES", 1)
    stop(studio, tmp_path, 5)
    states = sorted(path.name for path in folder_of(tmp_path).glob("*.safetensors"))
    assert states == ["window_00003.safetensors", "window_00004.safetensors"]
    (folder_of(tmp_path) / "window_00001.mkv").unlink()
    frames, _ = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == [0, 1, 5]


def test_changed_prompt_begins_anew_and_says_what_changed(studio, tmp_path):
    stop(studio, tmp_path, 2)
    changed = {**IDENTITY, "seed": "2", "model": "new"}
    _, notes = studio.run(tmp_path, changed)
    assert studio.made == list(range(6))
    assert notes == [
        f"a new run: it differs in model, seed from the unfinished run {run_name(IDENTITY)} "
        "(2 of 6 windows), which stays; delete that folder if you do not need it"
    ]
    assert folder_of(tmp_path).name == run_name(IDENTITY)


def test_run_of_an_older_version_is_named_and_never_continued(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "FORMAT", 1)
    stop(studio, tmp_path, 2)
    (old,) = tmp_path.iterdir()
    monkeypatch.undo()
    _, notes = studio.run(tmp_path)
    assert studio.made == list(range(6))
    assert notes == [
        "a new run: another version of this pack, which told less runs apart, began the unfinished "
        f"run {old.name} (2 of 6 windows), which stays; delete that folder if you do not need it"
    ]
    assert resume.FORMAT == 3


def test_two_programs_never_share_a_folder(studio, tmp_path):
    with RunFolder(tmp_path, IDENTITY, 6), pytest.raises(ValueError, match=f"{os.getpid()}"):
        RunFolder(tmp_path, IDENTITY, 6)
    with RunFolder(tmp_path, IDENTITY, 6):  # free again
        pass


def test_lock_ends_with_a_killed_process(tmp_path):
    code = textwrap.dedent(
        f"""
        import pathlib, sys, time, types
        pack = types.ModuleType("pack"); pack.__path__ = [{str(ROOT)!r}]; sys.modules["pack"] = pack
        from pack.multitalk.runs.lock import RunLock
        lock = RunLock(pathlib.Path({str(tmp_path)!r}))
        print("locked", flush=True); time.sleep(600)
        """
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(ValueError, match=f"process {child.pid} on"):
            RunLock(tmp_path)
        child.kill()
    RunLock(tmp_path).release()


@pytest.mark.skipif(sys.platform == "win32", reason="flock is of POSIX systems")
@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_disk_without_locks_is_a_warning_and_no_refusal(tmp_path, monkeypatch, caplog, number):
    def refuse(_handle, _how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    RunLock(tmp_path).release()
    assert f"the disk of {tmp_path} has no locks" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="flock is of POSIX systems")
def test_lock_file_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    import fcntl

    lock, removed = fcntl.flock, []

    def lock_too_late(handle, how):
        if not removed:
            removed.append((tmp_path / "lock").unlink())
        lock(handle, how)

    monkeypatch.setattr("fcntl.flock", lock_too_late)
    held = RunLock(tmp_path)
    with pytest.raises(ValueError, match=f"process {os.getpid()} on"):
        RunLock(tmp_path)
    held.release()


def test_full_disk_loses_no_finished_window(studio, expected, tmp_path):
    with RunFolder(tmp_path, IDENTITY, 6) as folder, Writer() as writer:
        windows = continue_windows(folder, studio.make, writer)
        next(windows), next(windows)
        writer.wait()
        sentence = r"window 3; 2 of 6 .* safe.*Free some"
        with full_disk(4000), pytest.raises(OSError, match=sentence) as full:
            next(windows), next(windows)
        assert full.value.errno == errno.EFBIG
        assert not list(folder.path.glob("*.partial"))
    studio.made.clear()
    frames, _ = studio.run(tmp_path)
    assert torch.equal(frames, expected)
    assert studio.made == [2, 3, 4, 5]


def test_folder_that_cannot_be_made_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot be opened \(Not a directory\).*keep_progress off"):
        RunFolder(tmp_path / "file", IDENTITY, 6)


def test_name_depends_on_every_ingredient_and_nothing_else():
    names = {run_name({**IDENTITY, key: "changed"}) for key in IDENTITY}
    assert len({*names, run_name(IDENTITY)}) == 4
    assert run_name(dict(reversed(IDENTITY.items()))) == run_name(IDENTITY)


def test_record_holds_no_path_and_no_time(studio, tmp_path):
    stop(studio, tmp_path, 1)
    record = json.loads((folder_of(tmp_path) / "window_00000.json").read_text())
    assert set(record) == {"start", "shape", "drift", "left_drift", "frames", "state"}


@pytest.mark.parametrize("module", ["runs/folder", "runs/files", "runs/lock", "video/lossless"])
def test_no_clock_is_asked(module):
    tree = ast.parse((ROOT / "multitalk" / f"{module}.py").read_text())
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in nodes for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert not names & {"time", "datetime"}
    assert "st_mtime" not in ast.unparse(tree)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 97), (2, 2)])
def test_frames_come_back_without_loss(height, width):
    frames = torch.randint(0, 256, (5, height, width, 3), dtype=torch.uint8)
    data = encode_frames(frames)
    assert torch.equal(decode_frames(data), frames)
    assert encode_frames(frames) == data
