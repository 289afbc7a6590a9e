from __future__ import annotations

import os
import threading

import pytest

from pack.weights import file_digest as module
from pack.weights.file_digest import CHUNK_BYTES, file_digest


@pytest.fixture
def reads(monkeypatch):
    """Sizes of the files that were really read."""
    done, read = [], module._read
    monkeypatch.setattr(module, "_KNOWN", {})
    monkeypatch.setattr(
        module, "_read", lambda p, size, check: (done.append(size), read(p, size, check))[1]
    )
    return done


@pytest.fixture
def settled(monkeypatch):
    """No file counts as one that just changed."""
    monkeypatch.setattr(module, "FRESH_NS", -(10**18))


@pytest.mark.parametrize("place", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 9])
def test_every_byte_counts(tmp_path, place):
    path = tmp_path / "x"
    path.write_bytes(bytes(CHUNK_BYTES + 10))
    before = file_digest(path)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b"x")
    assert len(file_digest(path)) == 32
    assert file_digest(path) != before


def test_size_and_order_of_chunks_count(tmp_path):
    digests = []
    for data in (b"", b"\0", bytes(CHUNK_BYTES), bytes(CHUNK_BYTES + 1), b"a" + bytes(CHUNK_BYTES)):
        (tmp_path / "x").write_bytes(data)
        digests.append(file_digest(tmp_path / "x"))
    assert len(set(digests)) == 5


@pytest.mark.usefixtures("settled")
def test_file_is_read_once(tmp_path, reads):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    (tmp_path / "link").symlink_to(path)
    assert file_digest(path) == file_digest(path) == file_digest(tmp_path / "link")
    assert reads == [3]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("how", ["in place", "another inode", "same time", "longer"])
def test_changed_file_is_read_again(tmp_path, reads, how):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    before, first = path.stat(), file_digest(path)
    data = b"abcd" if how == "longer" else b"abd"
    target = tmp_path / "y" if how == "another inode" else path
    target.write_bytes(data)
    if how != "in place":
        os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    target.replace(path)
    assert file_digest(path) != first
    assert len(reads) == 2


def test_file_that_just_changed_is_not_remembered(tmp_path, reads):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    file_digest(path)
    file_digest(path)
    assert reads == [3, 3]


@pytest.mark.usefixtures("settled")
def test_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, reads, monkeypatch):
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    file_digest(path, lambda: path.write_bytes(b"abcde"))
    assert module._KNOWN == {}


def test_stop_while_reading_ends_at_once_and_leaves_no_thread(tmp_path, reads):
    path = tmp_path / "x"
    path.touch()
    os.truncate(path, 20 * CHUNK_BYTES)
    threads = threading.active_count()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        file_digest(path, stop)
    assert threading.active_count() == threads
