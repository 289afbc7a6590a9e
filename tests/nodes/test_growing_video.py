"""MultiTalk Sample To Video in the real host: a file that grows, stops, the whole file."""

from __future__ import annotations

import errno
import os

import pytest
import torch

from pack.tests.limits import full_disk
from pack.tests.nodes.stops import (
    SECONDS,
    WINDOWS,
    fail_in,
    interrupt,
    output_folder,
    prompt_of,
    read_video,
    video_of,
    windows_begun,
)

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]


def test_sample_to_video_gives_the_frames_and_the_sound_as_a_file(host, unbroken):
    path, result = video_of(host, prompt_of(to_video=True))
    frames, samples, metadata = read_video(path)
    assert frames.shape == unbroken.shape
    assert samples == round(SECONDS * 16000)
    error = (frames.float() / 255 - unbroken).abs().mean()
    assert error < 0.03  # H.264 with half the color resolution
    assert "MultiTalkSampleToVideo" in metadata["prompt"]
    shown = [data for event, data in result.events if event == "executed" and data["output"]]
    assert shown[-1]["output"]["images"][0]["filename"] == path.name
    assert shown[-1]["output"]["animated"] == [True]
    assert "made now: 5 of 5" in result.outputs["sampler"][1][0]


@pytest.mark.parametrize("keep", [False, True])
def test_stopped_video_plays_up_to_its_last_window(host, unbroken, keep):
    prompt = prompt_of(to_video=True, keep_progress=keep)
    folder = output_folder()
    before = set(folder.rglob("*.mp4"))
    fail_in("decode", 4, 1, interrupt())
    assert not host.run(prompt, host.executor()).ok
    (part,) = set(folder.rglob("*.mp4")) - before
    assert len(read_video(part)[0]) == 9 + 3 * 4
    if keep:
        whole, _ = video_of(host, prompt)
        assert windows_begun() == WINDOWS - 4
        assert not part.exists()
        frames, samples, _ = read_video(whole)
        fresh, _ = video_of(host, prompt_of(to_video=True))
        assert torch.equal(frames, read_video(fresh)[0])
        assert samples == round(SECONDS * 16000)


def test_disk_full_while_the_video_grows_is_a_sentence(host):
    with full_disk(4_000):
        result = host.run(prompt_of(to_video=True), host.executor())
    assert not result.ok
    assert result.error["exception_type"] == "OSError"  # no name of a module
    message = result.error["exception_message"]
    assert ".mp4" in message
    assert "larger than is allowed" in message
    assert os.linesep not in message.strip()


def test_full_disk_of_the_videos_loses_no_window_and_leaves_no_part(host, monkeypatch):
    prompt = prompt_of(to_video=True, keep_progress=True)
    folder = output_folder()
    before = {path for path in folder.rglob("*") if path.parent.name != "multitalk_runs"}

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    placing = host.module("multitalk.video.placing")
    monkeypatch.setattr(placing, "_is_near", lambda *_: False)
    with monkeypatch.context() as patch:
        patch.setattr(placing.shutil, "copyfileobj", full)
        error = host.run(prompt, host.executor()).error
    assert error["exception_type"] == "OSError"
    assert "could not be put into the folder" in error["exception_message"]
    assert "the disk is full. It is safe and whole as" in error["exception_message"]
    new = {path.name for path in set(folder.rglob("*.mp4")) - before}
    assert new == {"video.mp4"}  # in the run folder
    path, _ = video_of(host, prompt)
    assert windows_begun() == 0
    assert len(read_video(path)[0]) == round(SECONDS * 25)


def test_a_name_that_another_host_took_meanwhile_is_left_alone(host, monkeypatch, tmp_path):
    module = host.module("nodes.video_place")
    taken, free = tmp_path / "a_00001_.mp4", tmp_path / "a_00002_.mp4"
    taken.write_bytes(b"another's")
    names = iter([(taken, 0), (taken, 1), (free, 2)])
    monkeypatch.setattr(module, "new_video", lambda *_: next(names))
    place = module.VideoPlace("a", "output", (32, 32))
    with place.open(sound=None, num_frames=2, metadata=None) as file:
        assert (file.path, place.shown) == (free, 2)
        file.write(torch.zeros(2, 32, 32, 3, dtype=torch.uint8))
        file.finish()
    assert taken.read_bytes() == b"another's"


def test_output_folder_that_cannot_be_made_is_a_sentence(host):
    from comfy_api.latest import io

    (output_folder() / "in_the_way").write_bytes(b"")
    place = host.module("nodes.video_place").VideoPlace
    with pytest.raises(
        OSError, match=r"The folder of in_the_way/v in .* cannot be used: a part of"
    ):
        place("in_the_way/v", io.FolderType.output, (32, 32))
