"""first_seconds in the real host: the beginning of the whole, which goes on from it."""

from __future__ import annotations

import pytest
import torch

from pack.tests.nodes.stops import (
    frames_of,
    host_nodes,
    prompt_of,
    read_video,
    report_of,
    run,
    runs,
    video_of,
    windows_begun,
)

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]


def test_whole_goes_on_from_the_windows_of_the_first_look(host, unbroken):
    look = prompt_of(keep_progress=True)
    look["sampler"]["inputs"]["first_seconds"] = 0.5
    result = run(host, look)
    assert result.ok, result.error
    assert torch.equal(host_nodes().SAVED_FRAMES.pop(), unbroken[:13])
    assert windows_begun() == 2
    sound, report = result.outputs["sampler"][1][0], result.outputs["sampler"][2][0]
    assert sound["waveform"].shape[-1] == round(0.52 * sound["sample_rate"])
    assert report.startswith("video: 13 frames of 64 x 64 (0.52 s), 2 speakers\nwindows: 2 of 9")
    assert "\nfirst look: 0.52 of 0.96 s, 2 of 5 windows; by the pace of window 1 (" in report
    assert "\nits windows stay: set first_seconds to 0, and the whole goes on after" in report
    assert len(list(runs().glob("*/window_*.json"))) == 2
    again = report_of(host, look)
    assert "\nmade now: 0 of 2 windows" in again
    assert "\nfirst look: 0.52 of 0.96 s, 2 of 5 windows\n" in again
    assert torch.equal(frames_of(host, prompt_of(keep_progress=True)), unbroken)
    assert windows_begun() == 3
    assert not list(runs().glob("*"))


def test_file_of_a_first_look_has_its_frames_and_as_much_sound(host):
    look = prompt_of(to_video=True, voices=1)
    look["sampler"]["inputs"]["first_seconds"] = 0.2
    path, result = video_of(host, look)
    frames, samples, _ = read_video(path)
    assert (len(frames), samples) == (5, 3200)
    assert windows_begun() == 1
    assert "\nfirst look: 0.20 of 0.96 s, 1 of 5 windows" in result.outputs["sampler"][1][0]
