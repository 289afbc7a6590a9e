"""Changing prompts: by name, with files, and the sentences about what is wrong."""

from __future__ import annotations

import json

import pytest

from pack.tools.make.graph_index import FILES
from pack.workflows.api.edit import (
    find_node,
    graph_names,
    place_images,
    place_sounds,
    read_prompt,
    set_seed,
    set_text,
    upload_name,
)
from pack.workflows.api.failures import UsageError
from pack.workflows.api.settings import apply_settings, parse_setting, read_value


def inputs(prompt, name):
    return prompt[find_node(prompt, name)]["inputs"]


def test_names_are_those_of_the_shipped_graphs():
    assert graph_names() == sorted(FILES)


@pytest.mark.parametrize(
    "name", ["6", "MultiTalkSampler", "MultiTalk Sampler", "sampler", "Sampler", "multitalksampler"]
)
def test_node_is_found_by_id_class_and_title(name):
    assert find_node(read_prompt("toy_one_speaker"), name) == "6"


def test_title_of_a_user_is_found():
    prompt = read_prompt("multitalk_one_speaker")
    assert find_node(prompt, "positive prompt") == "3"
    with pytest.raises(UsageError, match="CLIPTextEncode means the nodes 3, 4; write one of"):
        find_node(prompt, "CLIPTextEncode")


def test_unknown_node_is_answered_with_all_there_are():
    with pytest.raises(UsageError, match="There is no node smapler in this graph") as caught:
        find_node(read_prompt("toy_one_speaker"), "smapler")
    assert "6 MultiTalkSampler, 7 MultiTalkVideoCombine" in caught.value.hint


def test_setting_is_split_at_the_first_dot_and_the_first_equals_sign():
    assert parse_setting("sampler.preset.steps=4") == ("sampler", "preset.steps", "4")
    assert parse_setting("2:21.base=a=b.gguf") == ("2:21", "base", "a=b.gguf")


@pytest.mark.parametrize(
    ("text", "schema", "expected"),
    [
        ("7", {}, 7),
        ("false", {}, False),
        ("a.gguf", {}, "a.gguf"),
        ('"A: 1\\nB: 2"', {"type": "string"}, "A: 1\nB: 2"),
        ("2024", {"type": "string"}, "2024"),
        ("480", {"enum": ["480", "720"]}, "480"),
        ('["1", 0]', {"type": "array"}, ["1", 0]),
        ("many", {"type": "integer"}, "many"),
    ],
)
def test_value_is_json_or_else_a_text(text, schema, expected):
    assert read_value(text, schema, {}) == expected


@pytest.mark.parametrize("text", ["seed=7", "sampler.seed", ".seed=7", "sampler.=7"])
def test_setting_without_its_parts_is_refused(text):
    with pytest.raises(UsageError, match="is not understood"):
        parse_setting(text)


def test_settings_change_a_copy():
    before = read_prompt("toy_one_speaker")
    after = apply_settings(before, ["sampler.preset.steps=4", "sampler.size.width=64"])
    assert (
        inputs(after, "sampler")["preset.steps"],
        inputs(before, "sampler")["preset.steps"],
    ) == (
        4,
        8,
    )


def test_another_choice_drops_the_fields_of_the_old_one():
    after = apply_settings(read_prompt("toy_one_speaker"), ["sampler.preset=FusionX"])
    assert [name for name in inputs(after, "sampler") if name.startswith("preset")] == ["preset"]


def test_another_choice_brings_its_fields_with_their_defaults():
    settings = ["load model.loras=1", "load model.loras.lora_1=a.safetensors"]
    after = inputs(apply_settings(read_prompt("toy_one_speaker"), settings), "load model")
    assert after["loras.strength_1"] == 1.0
    with pytest.raises(UsageError, match=r"Node 2 MultiTalkLoadModel: loras.lora_1 is missing"):
        apply_settings(read_prompt("toy_one_speaker"), settings[:1])


@pytest.mark.parametrize(
    ("setting", "sentence", "hint"),
    [
        ("sampler.preset.step=4", "preset.step is not an input", "Did you mean preset.steps?"),
        ("sampler.preset.steps=many", 'preset.steps is "many"; it takes a whole number', ""),
        ('sampler.image=["77", 0]', "there is no node 77", ""),
        ("load model.loras.lora_1=a", "loras.lora_1 is not used with the other inputs", ""),
    ],
)
def test_wrong_setting_is_refused(setting, sentence, hint):
    with pytest.raises(UsageError, match=sentence) as caught:
        apply_settings(read_prompt("toy_one_speaker"), [setting])
    assert hint in caught.value.hint
    assert (caught.value.code, bool(caught.value.node)) == (2, True)


def test_pictures_and_sounds_go_into_their_loaders_in_order():
    prompt = read_prompt("multitalk_two_speakers")
    place_images(prompt, ["a.png"])
    place_sounds(prompt, ["one.wav", "two.wav"])
    tracks = inputs(prompt, "tracks")
    for number, name in ((1, "one.wav"), (2, "two.wav")):
        assert prompt[tracks[f"speakers.speaker_{number}"][0]]["inputs"]["audio"] == name
    assert inputs(prompt, "load image")["image"] == "a.png"


def test_order_of_speakers_is_that_of_the_tracks():
    prompt = read_prompt("multitalk_two_speakers")
    tracks = inputs(prompt, "tracks")
    names = ("speakers.speaker_1", "speakers.speaker_2")
    first, second = (tracks[name] for name in names)
    tracks |= dict(zip(names, (second, first), strict=True))
    place_sounds(prompt, ["one.wav"])
    assert prompt[second[0]]["inputs"]["audio"] == "one.wav"


def test_own_picture_replaces_the_example_and_its_boxes():
    prompt = read_prompt("toy_two_speakers")
    place_images(prompt, ["a.png"])
    picture = find_node(prompt, "picture")
    assert inputs(prompt, "sampler")["image"] == inputs(prompt, "speakers")["image"] == [picture, 0]
    assert "detections" not in inputs(prompt, "speakers")
    assert inputs(prompt, "tracks")["speakers.speaker_1"] == [find_node(prompt, "example"), 1]


def test_example_is_gone_when_nothing_of_it_is_used():
    prompt = read_prompt("toy_two_speakers")
    place_images(prompt, ["a.png"])
    place_sounds(prompt, ["one.wav", "two.wav"])
    assert "MultiTalkExample" not in [node["class_type"] for node in prompt.values()]
    assert inputs(prompt, "tracks")["speakers.speaker_2"] == [find_node(prompt, "voice 2"), 0]


@pytest.mark.parametrize(
    ("graph", "place", "names", "sentence"),
    [
        ("toy_one_speaker", place_sounds, ["a", "b"], "--sound is given 2 times; this graph has 1"),
        ("toy_one_speaker", place_images, ["a", "b"], "--image is given 2 times; this graph has 1"),
        ("toy_dialogue", place_sounds, ["a"], "this graph speaks a text itself"),
    ],
)
def test_more_files_than_places_are_refused(graph, place, names, sentence):
    with pytest.raises(UsageError, match=sentence):
        place(read_prompt(graph), names)


def test_text_and_seed():
    prompt = read_prompt("multitalk_dialogue")
    set_text(prompt, "A dog talks.")
    set_seed(prompt, 5)
    assert inputs(prompt, "positive prompt")["text"] == "A dog talks."
    assert inputs(prompt, "negative prompt")["text"] != "A dog talks."
    assert inputs(prompt, "sampler")["seed"] == inputs(prompt, "dialogue")["seed"] == 5
    with pytest.raises(UsageError, match="this graph takes no text"):
        set_text(read_prompt("toy_one_speaker"), "A dog talks.")


def test_upload_has_another_name_for_other_contents(tmp_path):
    for folder, contents in (("a", b"1"), ("b", b"2"), ("c", b"1")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "v.wav").write_bytes(contents)
    a, b, c = (upload_name(tmp_path / folder / "v.wav", "--sound") for folder in "abc")
    assert a == c != b
    assert a.startswith("api/")
    assert a.endswith("/v.wav")
    with pytest.raises(UsageError, match=r"--sound: .*nope.wav cannot be read"):
        upload_name(tmp_path / "nope.wav", "--sound")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is no JSON"),
        ("[]", "is no prompt in the API's form"),
        ("{}", "is no prompt in the API's form"),
        ('{"1": {"class_type": "LoadImage", "inputs": []}}', "is no prompt in the API's form"),
        ('{"1": {"class_type": 3, "inputs": {}}}', "is no prompt in the API's form"),
        (json.dumps({"nodes": [], "links": []}), "editor's form"),
    ],
)
def test_file_that_is_no_prompt_is_refused(tmp_path, text, sentence):
    path = tmp_path / "graph.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence):
        read_prompt(str(path))


def test_unknown_graph_is_answered_with_the_nearest():
    with pytest.raises(UsageError, match="neither a graph of this pack nor a file") as caught:
        read_prompt("toy_one_speker")
    assert caught.value.hint.endswith("Did you mean toy_one_speaker?")
