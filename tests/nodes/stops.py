"""What tests of stops share: a graph that fails when it should, and what it left."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import av
import numpy as np
import torch

from pack.tests.nodes.small import SMALL
from pack.tools.host.prompts import node, talk

SECONDS = 0.96  # 24 frames: windows at 0, 4, 8, 12 and 15
WINDOWS = 5


@cache
def host_nodes():
    return next(module for name, module in sys.modules.items() if name.endswith("nodes_for_tests"))


def output_folder():
    import folder_paths

    return Path(folder_paths.get_output_directory())


def runs():
    return output_folder() / "multitalk_runs"


def prompt_of(*, to_video=False, real_vae=False, voices=2, seconds=SECONDS, **settings):
    """A small graph with two speakers whose network and VAE fail when a test wants it."""
    if real_vae:  # what such a run waits for
        settings = {"picture": (32, 32), "size__width": 32, "size__height": 32} | settings
    settings |= {"seconds": seconds, "voices": voices, "flat_vae": not real_vae}
    prompt = talk(files=SMALL, **settings)
    prompt["trouble"] = node("TestTrouble", model=["model", 0], vae=["vae", 0])
    prompt["sampler"]["inputs"] |= {"model": ["trouble", 0], "vae": ["trouble", 1]}
    if to_video:
        prompt["sampler"]["class_type"] = "MultiTalkSampleToVideo"
        prompt["sampler"]["inputs"]["filename_prefix"] = "video/long"
        del prompt["video"]
    return prompt


def run(host, prompt, *, anew=False):
    """Run the sampler and keep its frames; what it needs may be there, if not all is to be new."""
    if anew:
        host.kept = None
    host_nodes().CALLS.clear()
    prompt = {**prompt, "keep": node("TestKeepFrames", images=["sampler", 0])}
    prompt.pop("video", None)
    return host.rerun(prompt)


def frames_of(host, prompt):
    result = run(host, prompt)
    assert result.ok, result.error
    return host_nodes().SAVED_FRAMES.pop()


def report_of(host, prompt, output=2):
    result = run(host, prompt)
    assert result.ok, result.error
    return result.outputs["sampler"][output][0]


def fail_in(place, passing, failing, error):
    host_nodes().TROUBLE[place] = (passing, failing, error)


def windows_begun():
    """Windows whose frames were decoded in the last run."""
    return sum(str(call).startswith("decode") for call in host_nodes().CALLS)


def interrupt():
    import comfy.model_management

    return comfy.model_management.InterruptProcessingException()


def oom():
    return torch.OutOfMemoryError("Allocation on device 0 would exceed allowed memory")


def read_video(path):
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        sound = container.streams.audio[0]
        samples = round(sound.duration * sound.time_base * sound.rate)
        return torch.from_numpy(np.stack(frames)), samples, container.metadata


def video_of(host, prompt):
    host_nodes().CALLS.clear()
    result = host.rerun(prompt)
    assert result.ok, result.error
    return Path(result.outputs["sampler"][0][0].get_stream_source()), result
