"""Masks, latents and source videos of another shape or rate: said, or refused with a sentence."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch

from pack.tests.nodes.test_models import guider_prompt
from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host
STRETCHED = "were stretched to the picture's 64 x 64, another shape"


def speakers(host, **inputs):
    prompt = {
        "image": node("TestPicture", width=64, height=64, frames=1),
        "wide": node("TestMasks", boxes="0,0,30,32;34,0,30,32", width=64, height=32),
        "whole": node("TestMasks", boxes="70,0,50,128", width=128, height=128),
        "who": node("MultiTalkSpeakers", image=["image", 0], **inputs),
        "end": node("TestShowSpeech", speech=["who", 0]),
    }
    result = host.run(prompt)
    assert result.ok, result.error
    return result.outputs["who"][2][0]


def test_masks_of_another_shape_are_told_in_the_report_of_the_speakers(host):
    assert f"masks: 64 x 32 {STRETCHED}" in speakers(host, masks=["wide", 0])
    assert f"masks: 64 x 32 {STRETCHED}" in speakers(
        host, **{"single_masks.mask_1": ["whole", 0], "single_masks.mask_2": ["wide", 0]}
    )
    assert "stretched" not in speakers(host, masks=["whole", 0])


@pytest.mark.parametrize(("size", "told"), [((64, 32), 1), ((32, 32), 0), ((65, 64), 0)])
def test_masks_of_another_shape_are_told_in_the_report_of_the_video(host, size, told):
    prompt = talk(seconds=0.2, voices=2, boxes="0,0,15,30;16,0,15,30")
    prompt["masks"]["inputs"] |= {"width": size[0], "height": size[1]}
    result = host.run(prompt)
    assert result.ok, result.error
    assert result.outputs["sampler"][2][0].count(STRETCHED) == told


def test_a_list_of_masks_has_a_node_that_joins_it(host):
    from pack.nodes.values import check_inputs

    with pytest.raises(ValueError, match=r"masks is a list; .* with Mask List To Mask Batch\."):
        check_inputs({"masks": [torch.ones(8, 8), torch.ones(8, 8)]})
    prompt = talk(seconds=0.2, voices=2, boxes="0,0,30,30")
    words = host.run(prompt).error["exception_message"]
    assert "masks holds 1 mask, and speech has 2 voices" in words
    assert "Join a list of masks with Mask List To Mask Batch." in words


def test_the_guider_refuses_a_latent_of_another_size(host):
    prompt = guider_prompt()
    prompt["other"] = node("WanImageToVideo", **prompt["start"]["inputs"] | {"length": 5})
    prompt["sample"]["inputs"]["latent_image"] = ["other", 2]
    error = host.run(prompt).error
    assert error["exception_type"] == "ValueError"
    assert error["exception_message"].startswith(
        "latent_image is for 64 x 64 and 5 frames, the start image in positive for 64 x 64 and 9 "
        "frames; both must be the same."
    )


@pytest.mark.parametrize(
    ("latent", "size"),
    [((1, 16, 3, 8, 12), "96 x 64 and 9"), ((1, 16, 4, 4, 8), "64 x 32 and 13"),
     ((1, 4, 8, 8), "64 x 64 and 1"), ((1, 16, 8), None)],
)  # fmt: skip
@pytest.mark.usefixtures("host")
def test_latents_of_other_sizes_are_named(latent, size):
    from pack.nodes.sampling.talk_guider import _check_size

    start = torch.zeros(1, 16, 3, 8, 8)
    _check_size(torch.zeros(2, 16, 3, 8, 8), start)
    with pytest.raises(ValueError, match=f"latent_image is for {size or '.*'} frames, the start"):
        _check_size(torch.zeros(latent), start)


def hidden(**loader):
    from comfy_execution.graph import DynamicPrompt

    prompt = {
        "load": node(loader.pop("kind"), **loader),
        "frames": node("GetVideoComponents", video=["load", 0]),
        "sampler": node("MultiTalkSampler", image=["frames", 0]),
    }
    return SimpleNamespace(dynprompt=DynamicPrompt(prompt), unique_id="sampler")


@pytest.fixture
def clip(host):
    """Makes a video in the input folder and tells its name."""
    import folder_paths

    def make(rate):
        name = f"clip_{rate.numerator}.mp4"
        with av.open(f"{folder_paths.get_input_directory()}/{name}", "w") as container:
            stream = container.add_stream("libx264", rate=rate)
            stream.width = stream.height = 32
            for _ in range(4):
                picture = np.zeros((32, 32, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
            container.mux(stream.encode(None))
        return name

    return make


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (Fraction(30), "30 frames per second and is shown at 25, 1.20 times as long"),
        (Fraction(24000, 1001), "23.976 frames per second and is shown at 25, 0.96 times"),
        (Fraction(25), None),
    ],
)
def test_rate_of_a_source_video_is_told_where_it_is_known(clip, rate, words):
    from pack.nodes.sampling.source_video import describe_source

    notes = describe_source(10, 10, hidden(kind="LoadVideo", file=clip(rate)))
    assert [words in note for note in notes] == ([True] if words else [])


@pytest.mark.parametrize(
    ("loader", "rate"),
    [
        ({"kind": "VHS_LoadVideo", "force_rate": 16}, "16 frames"),
        ({"kind": "VHS_LoadVideo", "force_rate": 50, "select_every_nth": 2}, None),
        ({"kind": "VHS_LoadVideo", "force_rate": 25}, None),
        ({"kind": "VHS_LoadVideo", "force_rate": ["x", 0], "video": "none.mp4"}, None),
        ({"kind": "LoadVideo", "file": "../../etc/passwd"}, None),
        ({"kind": "LoadVideo", "file": ["x", 0]}, None),
        ({"kind": "SomethingElse"}, None),
    ],
)
@pytest.mark.usefixtures("host")
def test_what_loaders_say_of_their_rate(loader, rate):
    from pack.nodes.sampling.source_video import describe_source

    notes = describe_source(10, 10, hidden(**loader))
    assert [rate in note for note in notes] == ([True] if rate else [])


def test_a_source_video_of_another_length_is_told(host):
    result = host.run(talk(seconds=0.4, source_frames=12, rule="infinitetalk"))
    assert result.ok, result.error
    report = result.outputs["sampler"][2][0]
    assert "source video: 12 frames, 0.48 s at 25 per second, for 0.40 s of speech" in report
    assert "the rest is not used" in report
