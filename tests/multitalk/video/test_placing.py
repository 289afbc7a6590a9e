from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from pack.multitalk.video import placing
from pack.multitalk.video.placing import place_file


@pytest.fixture
def folders(tmp_path):
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    return near, far


def names(folder):
    return map(lambda number: folder / f"v_{number}.mp4", count(1)).__next__


def make(folder, text="whole"):
    path = folder / "growing"
    path.write_text(text, encoding="ascii")
    return path


@pytest.fixture(params=["one disk", "other disk", "link refused", "no links"])
def disk(request, monkeypatch):
    """Disks as they are, told apart by what they refuse."""
    link = os.link

    def refuse(source, target):
        if request.param == "no links" or Path(source).parent != Path(target).parent:
            raise OSError(errno.EPERM if request.param == "no links" else errno.EXDEV, "refused")
        link(source, target)

    if request.param == "other disk":
        monkeypatch.setattr(placing, "_is_near", lambda *_: False)
    if request.param in ("link refused", "no links"):
        monkeypatch.setattr(os, "link", refuse)
    return request.param


def test_file_gets_the_first_free_name(folders, disk):
    near, far = folders
    (far / "v_1.mp4").write_bytes(b"another's")
    source = make(near)
    assert place_file(source, names(far)) == far / "v_2.mp4"
    assert (far / "v_1.mp4").read_bytes() == b"another's"
    assert (far / "v_2.mp4").read_text() == "whole"
    assert sorted(path.name for path in far.iterdir()) == ["v_1.mp4", "v_2.mp4"]
    assert not source.exists()


@pytest.mark.usefixtures("disk")
def test_many_at_once_get_a_name_each(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    sources = []
    for number in range(12):
        (tmp_path / str(number)).mkdir()
        sources.append(make(tmp_path / str(number), f"video {number}"))
    with ThreadPoolExecutor(12) as pool:
        targets = [*pool.map(lambda source: place_file(source, names(out)), sources)]
    assert len(set(targets)) == 12
    assert [t.read_text() for t in targets] == [f"video {number}" for number in range(12)]
    assert sorted(out.iterdir()) == sorted(targets)


@pytest.mark.parametrize("step", ["copyfileobj", "fsync"])
def test_full_disk_leaves_nothing_under_the_name(folders, monkeypatch, step):
    near, far = folders
    source = make(near)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(placing, "_is_near", lambda *_: False)
    monkeypatch.setattr(placing.shutil if step == "copyfileobj" else os, step, full)
    with pytest.raises(OSError, match="could not be put into the folder") as refused:
        place_file(source, names(far))
    assert str(refused.value) == (
        f"The finished video could not be put into the folder {far}: the disk is full. It is safe "
        f"and whole as {source}. Free some space and run again."
    )
    assert type(refused.value) is OSError
    assert not [*far.iterdir()]
    assert source.read_text() == "whole"


def test_folder_that_went_is_a_sentence(folders):
    near, far = folders
    far.rmdir()
    with pytest.raises(OSError, match=r"it or its folder is not there\. It is safe and whole as"):
        place_file(make(near), names(far))


def test_names_that_are_never_free_end(folders):
    near, far = folders
    (far / "v.mp4").touch()
    with pytest.raises(OSError, match="a file of that name is there already"):
        place_file(make(near), lambda: far / "v.mp4")
