"""MultiTalk Sample To Video in the real host: a file that grows, stops, the whole file."""

from __future__ import annotations

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
    assert "made now: 7 of 7" in result.outputs["sampler"][1][0]


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
