"""Wrong inputs are refused with a sentence, before the base model is read (decisions.md 15)."""

from __future__ import annotations

import sys

import pytest

from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host


def executed_loaders():
    module = next(m for n, m in sys.modules.items() if n.endswith("nodes_for_tests"))
    return module.EXECUTED


def refuse(host, prompt):
    """Run a prompt that must fail; the message, after checking that no model was read."""
    executed_loaders().clear()
    result = host.run(prompt)
    assert not result.ok
    assert executed_loaders() == []
    error = result.error
    if "exception_message" in error:
        return error["exception_message"]
    return str(error)


def load_model_node(base=None, audio_part=None):
    """MultiTalk Load Model with files of these names; None is the toy's."""
    return node(
        "MultiTalkLoadModel",
        base=base or TOY["base"],
        audio_part=audio_part or TOY["audio_part"],
        weight_dtype="default",
        family="auto",
        loras="none",
    )


CASES = {
    "two voices, one mask": (
        {"voices": 2, "boxes": "0,0,20,64"},
        "masks holds 1 mask, and speech has 2 voices; every voice needs one mask",
    ),
    "one voice, two masks": (
        {"boxes": "0,0,20,64;40,0,20,64"},
        "masks holds 2 masks, and speech has 1 voice; every voice needs one mask",
    ),
    "three voices, no mask": ({"voices": 3}, "masks is not connected, and speech has 3 voices"),
    "empty mask": (
        {"voices": 2, "boxes": "0,0,20,64;40,0,0,0"},
        "The mask of speaker 2 is empty",
    ),
    "swallowed mask": (
        {"voices": 2, "boxes": "0,0,60,60;4,4,20,20"},
        "100% of speaker 2 lies inside speaker 1",
    ),
    "mask cropped away": (
        {"voices": 2, "boxes": "0,0,10,64;150,0,100,64", "picture": (256, 64)},
        "The mask of speaker 1 vanishes in a video of 64 x 64",
    ),
    "width not times 16": ({"size__width": 100}, "width"),
    "window not 4n+1": (
        {"window": 10},
        "window is 10; it must be a multiple of 4, plus 1. Use 9 or 13.",
    ),
    "overlap not 4n+1": (
        {"overlap": 4},
        "overlap is 4; it must be a multiple of 4, plus 1. Use 1 or 5.",
    ),
    "overlap too large": ({"overlap": 9}, "the overlap must be smaller than the window"),
    "preset against cache": (
        {"preset": "lightx2v", "step_cache": 0.2},
        "preset lightx2v has 4 steps and step_cache is 0.2",
    ),
    "too short for reference mode": (
        {"length": "reference", "seconds": 0.3},
        "reference mode needs more than one window of 9",
    ),
    "no samples": ({"seconds": 0.0}, "audio is empty: it has no samples"),
    "not finite": ({"sound": "nan"}, "audio has 1 sample that is not a finite number"),
    "one of two empty": ({"voices": 2, "seconds": 0.0}, "speaker_1 is empty"),
    "audio part is a base": ({"audio_part": TOY["base"]}, "is a WAN base model; audio_part takes"),
    "encoder does not fit": (
        {"audio_part": "test_other_audio.safetensors"},
        "The speech encoder gives 4 layers of 64 values; test_other_audio.safetensors reads",
    ),
}


@pytest.mark.parametrize(("changes", "message"), CASES.values(), ids=CASES.keys())
def test_refused_before_the_base_is_read(host, other_files, changes, message):
    assert message in refuse(host, talk(**changes))


@pytest.mark.parametrize(
    ("name", "choices"),
    [
        ("rule", "auto, multitalk, infinitetalk, flashtalk."),
        ("length", "exact, reference."),
        ("last_window", "full, short."),
        ("colour_reference", "picture, source frame, running mean."),
        ("image_tokens", "window, picture."),
        ("sampler", "euler, "),
    ],
)
def test_unknown_choice_is_refused_where_the_host_compares_none(host, name, choices):
    prompt = talk()
    prompt["choice"] = node("TestChoice", text="x")  # what comes over a link, it does not compare
    prompt["sampler"]["inputs"][name] = ["choice", 0]
    assert f"{name} is 'x'; use {choices}" in refuse(host, prompt)


def test_a_box_out_of_the_picture(host):
    prompt = talk(voices=2)
    prompt["who"] = node(
        "MultiTalkSpeakers", image=["image", 0], boxes="0, 0, 20, 20\n100, 0, 20, 20"
    )
    prompt["sampler"]["inputs"]["masks"] = ["who", 0]
    assert "The box of speaker 2 (x 100, y 0, width 20, height 20) holds no pixel" in refuse(
        host, prompt
    )


def test_no_speaker(host):
    prompt = talk(voices=2)
    for name in ("speakers.speaker_1", "speakers.speaker_2"):
        del prompt["tracks"]["inputs"][name]
    assert "speaker_1" in refuse(host, prompt)


def test_gap_between_speakers(host):
    prompt = talk(voices=2)
    prompt["tracks"]["inputs"]["speakers.speaker_3"] = prompt["tracks"]["inputs"].pop(
        "speakers.speaker_2"
    )
    assert "speakers must follow one another without a gap" in refuse(host, prompt)


@pytest.mark.parametrize(
    ("base", "audio_part", "encoder", "message"),
    [
        ("test_small.safetensors", None, None, "is a 1.3B model (T2V), whose blocks are 1536 wide"),
        (
            "test_audio_as_base.safetensors",
            None,
            None,
            "is an audio part; base takes a WAN 2.1 I2V model",
        ),
        (
            "test_encoder_as_base.safetensors",
            None,
            None,
            "is a speech encoder; base takes a WAN base model",
        ),
        (
            None,
            "test_vae_as_audio.safetensors",
            None,
            "is a WAN VAE; audio_part takes an audio part",
        ),
        (None, "test_short_audio.safetensors", None, "was made for a model of 2 blocks"),
        (None, None, "test_large.safetensors", "is wav2vec2-large (24 layers of 1024)"),
        (
            None,
            None,
            "test_vae_as_encoder.safetensors",
            "is a WAN VAE; the speech encoder takes a speech encoder",
        ),
        ("test_cut.safetensors", None, None, "test_cut.safetensors is truncated"),
        (
            "test_text.safetensors",
            None,
            None,
            "is no safetensors file, or its beginning is damaged",
        ),
    ],
)
def test_wrong_files_are_refused_from_the_header(
    host, other_files, monkeypatch, base, audio_part, encoder, message
):
    prompt = talk()
    del prompt["base"]
    prompt["model"] = load_model_node(base, audio_part)
    prompt["encoder"]["inputs"]["encoder"] = encoder or TOY["encoder"]
    import comfy.sd

    read = []
    monkeypatch.setattr(comfy.sd, "load_diffusion_model", lambda *a, **k: read.append(a))
    found = refuse(host, prompt)
    assert message in found
    assert read == []


def test_missing_clip_vision_is_refused(host, other_files):
    prompt = talk()
    prompt["base"]["inputs"]["name"] = "test_clip_base.safetensors"
    result = host.run(prompt)
    assert "This base expects CLIP vision" in result.error["exception_message"]


def test_missing_clip_vision_is_refused_from_the_header(host, other_files, monkeypatch):
    import comfy.sd

    read = []
    monkeypatch.setattr(comfy.sd, "load_diffusion_model", lambda *a, **k: read.append(a))
    prompt = talk()
    del prompt["base"]
    prompt["model"] = load_model_node("test_clip_base.safetensors")
    assert "This base expects CLIP vision" in refuse(host, prompt)
    assert read == []


def test_a_video_needs_infinitetalk(host):
    result = host.run(talk(source_frames=3, rule="multitalk"))
    assert "only InfiniteTalk follows a video" in result.error["exception_message"]


def test_a_video_moves_so_its_drift_is_not_corrected(host):
    result = host.run(talk(source_frames=3, rule="infinitetalk", drift_correction=0.5))
    message = result.error["exception_message"]
    assert "drift_correction is 0.5, and image holds a video of 3 frames" in message
    assert "Set drift_correction to 0, or connect one picture" in message


def test_a_model_without_audio_part_is_refused(host):
    prompt = talk()
    prompt["sampler"]["inputs"]["model"] = ["base", 0]
    result = host.run(prompt)
    assert "The model has no audio part" in result.error["exception_message"]
