"""Literals where a link belongs, numbers that are none, file names that cannot be."""

from __future__ import annotations

import re

import pytest

from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host
MODEL = "it takes a model; connect MultiTalk Load Model"


def fail(host, prompt):
    result = host.run(prompt)
    assert not result.ok
    if "exception_message" in result.error:
        assert result.error["exception_type"] == "ValueError"
        return result.error["exception_message"]
    return str(result.error)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("sampler.image", "x", "image is 'x'; it takes a picture; connect for example Load Image."),
        ("sampler.image", None, "image is free; it takes a picture"),
        ("sampler.speech", 7, "speech is 7; it takes speech; connect MultiTalk Speech Embedding."),
        ("sampler.speech", None, "speech is free; it takes speech"),
        ("sampler.model", "y" * 1000, f"model is '{'y' * 49}...; {MODEL}."),
        ("sampler.model", None, f"model is free; {MODEL}"),
        ("sampler.vae", {"a": 1}, "vae is a dict; it takes a VAE; connect the host's Load VAE."),
        ("sampler.positive", 1.5, "positive is 1.5; it takes a text; connect CLIP Text Encode"),
        ("sampler.clip_vision", True, "clip_vision is True; it takes a CLIP vision model"),
        ("sampler.masks", "m", "masks is 'm'; it takes masks; connect MultiTalk Speakers"),
        ("sampler.preset.shift", float("nan"), "shift is nan; it takes a number."),
        ("sampler.colour_match", float("nan"), "colour_match is nan; it takes a number."),
        ("speech.audio", "voice.wav", "audio is 'voice.wav'; it takes a sound or tracks"),
        ("speech.speech_encoder", "e", "speech_encoder is 'e'; it takes a speech encoder"),
        ("speech.video_sound", 3, "video_sound is 3; it takes a sound"),
        ("model.model", "m", f"model is 'm'; {MODEL}"),
        ("video.fps", float("nan"), "fps is nan; it takes a number."),
        ("video.audio", {"waveform": 1}, "audio is a dict without sample_rate; it takes a sound"),
    ],
)
def test_value_that_no_socket_or_widget_takes(host, place, value, message):
    prompt = talk()
    name, _, key = place.partition(".")
    prompt[name]["inputs"][key] = value
    assert message in fail(host, prompt)


def test_pictures_without_pixels_are_refused(host):
    prompt = talk(picture=(0, 64))
    assert "image is a tensor of 1 x 64 x 0 x 3 numbers; it takes a picture" in fail(host, prompt)
    assert "image is an empty batch; connect a picture." in fail(host, talk(source_frames=0))


def test_tracks_take_sounds_and_a_choice(host):
    prompt = talk(voices=2)
    prompt["tracks"]["inputs"]["speakers.speaker_2"] = "voice.wav"
    assert "speaker_2 is 'voice.wav'; it takes a sound" in fail(host, prompt)
    prompt = talk(voices=2)
    prompt["tracks"]["inputs"]["placement"] = ["sound_1", 0]
    assert "it takes one of its choices; choose one in the node itself" in fail(host, prompt)
    prompt = talk(voices=2, placement="in turn")
    prompt["tracks"]["inputs"]["placement.gap"] = float("nan")
    assert "gap is nan; it takes a number" in fail(host, prompt)


def test_inputs_that_a_node_does_not_have(host):
    prompt = talk(voices=2)
    prompt["tracks"]["inputs"]["speakers.speaker_2.speaker_2"] = ["sound_1", 0]
    words = "'speakers.speaker_2.speaker_2' is no input of this node. Remove it from the prompt."
    assert words in fail(host, prompt)


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("read.weight_dtype", "int3", "weight_dtype is 'int3'; use default, "),
        ("read.family", "x", "family is 'x'; use auto, multitalk, infinitetalk, flashtalk."),
        ("read.base", "../x.safetensors", "'../x.safetensors' is not in models/diffusion_models"),
        ("add.model", "m", f"model is 'm'; {MODEL}"),
        ("add.loras", "{", "loras is no list of files and strengths"),
        ("add.loras", '["a"]', "loras is no list of files and strengths"),
        ("add.loras", '[["../a", 1]]', "'../a' is not in models/loras"),
    ],
)
def test_inner_nodes_refuse_what_the_outer_one_never_gives(host, place, value, message):
    files = {"base": TOY["base"], "audio_part": TOY["audio_part"]}
    prompt = {
        "read": node("MultiTalkReadFiles", **files, weight_dtype="default", family="auto"),
        "add": node("MultiTalkAddLoras", model=["read", 0], loras="[]"),
        "end": node("TestShowSpeech", speech=["add", 0]),
    }
    name, _, key = place.partition(".")
    prompt[name]["inputs"][key] = value
    result = host.run(prompt)
    assert not result.ok
    assert message in result.error["exception_message"]


def test_sound_that_is_not_there(host):
    level = node("MultiTalkLoudness", audio=None, loudness_lufs=-23.0)
    prompt = {"level": level, "end": node("PreviewAudio", audio=["level", 0])}
    assert "audio carries no sound" in fail(host, prompt)


def test_speakers_take_a_picture_and_masks(host):
    prompt = {
        "image": node("TestPicture", width=64, height=64, frames=1),
        "who": node("MultiTalkSpeakers", image="p", boxes=""),
    }
    prompt["end"] = node("PreviewImage", images=["who", 1])
    assert "image is 'p'; it takes a picture" in fail(host, prompt)
    prompt["who"]["inputs"] = {"image": ["image", 0], "single_masks.mask_1": 1}
    assert "masks is 1; it takes masks" in fail(host, prompt)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (1, "detections holds no boxes. Connect a node that gives BOUNDING_BOX."),
        ("0, 0, 9, 9", "detections holds no boxes"),
        ([7], "detections holds no boxes"),
        ([[{"x": 1, "y": 1, "width": 9}]], "Box 1 has no height"),
        ([{"x": "1", "y": float("nan"), "width": 1e300, "height": 9}], "Box 1 has no x, y, width"),
    ],
)
def test_detections_that_are_no_boxes(host, boxes, message):
    from pack.nodes.sockets import to_boxes

    with pytest.raises(ValueError, match=message):
        to_boxes(boxes)


def test_spoken_text_needs_a_voice_model(host):
    say = node("MultiTalkSpeak", voice_model="kokoro", text="Hello.")
    prompt = {"say": say, "end": node("PreviewAudio", audio=["say", 0])}
    assert "voice_model is 'kokoro'; it takes a voice model" in fail(host, prompt)


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        ("../x", "videos stay inside the folder"),
        ("/", "videos stay inside the folder"),
        ("video/../../x", "videos stay inside the folder"),
        ("a\0b", "it holds characters that no file name can have"),
        ("a\nb", "it holds characters that no file name can have"),
        ("\ud800", "it holds characters that no file name can have"),
        ("x" * 201, "201 characters; up to 16 names of 200 bytes are possible"),
        ("\u4f60" * 70, "70 characters; up to 16 names of 200 bytes"),
        ("x/" * 16 + "x", "up to 16 names of 200 bytes"),
    ],
)
def test_file_name_is_refused_before_anything_runs(host, prefix, message):
    prompt = talk()
    prompt["video"]["inputs"]["filename_prefix"] = prefix
    result = host.run(prompt)
    found = str(result.error)
    assert message in found
    assert "Write for example video/MultiTalk." in found
    assert "exception_message" not in result.error  # the host's validation said so
    assert "\ud800" not in found


def test_file_name_over_a_link_is_refused_too(host):
    prompt = {
        "image": node("TestPicture", width=32, height=32, frames=2),
        "name": node("MultiTalkFileReport", file=f"diffusion_models/{TOY['base']}"),
        "video": node("MultiTalkVideoCombine", images=["image", 0], filename_prefix=["name", 0]),
    }
    assert "it holds characters that no file name can have" in fail(host, prompt)


@pytest.mark.parametrize(
    "prefix", ["video/MultiTalk", "x", "a/b/../c", "d/..", "%year%/e", "\u00e9 f"]
)
def test_ordinary_file_names_are_taken(host, prefix):
    from pack.nodes.values import check_prefix

    check_prefix(prefix, str(host.base / "output"))
    check_prefix(str(host.base / "output" / "inside"), str(host.base / "output"))


def test_a_node_id_that_cannot_be_sent_stops_nothing(host):
    prompt = talk(seconds=0.2)
    prompt["\ud800"] = prompt.pop("sampler")
    prompt["video"]["inputs"] |= {"images": ["\ud800", 0], "audio": ["\ud800", 1]}
    result = host.run(prompt)
    assert result.ok, result.error


@pytest.mark.parametrize("kind", ["MultiTalkSpeak", "MultiTalkDialogue"])
def test_hours_of_speech_are_refused_at_once(host, kind):
    prompt = {
        "voices": node("MultiTalkLoadKokoro", model="espeak-ng (plain machine voice, no download)"),
        "say": node(kind, voice_model=["voices", 0]),
        "end": node("PreviewAudio", audio=["say", {"MultiTalkSpeak": 0}.get(kind, 1)]),
    }
    name = {"MultiTalkSpeak": "text", "MultiTalkDialogue": "script"}[kind]
    prompt["say"]["inputs"][name] = "word " * 12_001
    words = fail(host, prompt)
    assert re.search(f"{name} has 60005 characters; up to 60000 are possible", words)


def test_names_in_a_refusal_can_be_written(host):
    prompt = {
        "voices": node("MultiTalkLoadKokoro", model="espeak-ng (plain machine voice, no download)"),
        "say": node(
            "MultiTalkDialogue", voice_model=["voices", 0], script="Anna: a", voices="B\ud800 = f1"
        ),
    }
    words = fail(host, prompt)
    assert '"Anna:" is not among the names B.' in words


@pytest.mark.parametrize("name", ["encoder", "model", "speech", "video"])
def test_no_node_takes_a_link_that_it_has_no_socket_for(host, name):
    prompt = talk()
    prompt[name]["inputs"]["surplus"] = ["sound_1", 0]
    assert "'surplus' is no input of this node. Remove it from the prompt." in fail(host, prompt)


def test_half_characters_in_a_file_name_are_told_in_ascii(host):
    prompt = {"name": node("MultiTalkFileReport", file="\udfff\ud800")}
    report = host.node("MultiTalkFileReport")
    for call in (report.fingerprint_inputs, report.execute):
        with pytest.raises(ValueError, match=r"'\\udfff\\ud800' is in no folder"):
            call(**prompt["name"]["inputs"])
