"""An error is said under the node that found it, and under the one where its value was typed."""

from __future__ import annotations

import re

import pytest

from pack.tests.layers import ROOT
from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host


@pytest.fixture
def origins(host):
    return host.module("nodes.origins")


@pytest.fixture
def places(host, origins, monkeypatch):
    """Where a sentence stands: the nodes, for a prompt that runs and the node that found it."""

    def find(prompt, node_id, sentence, *, running=True):
        from comfy_execution.graph import DynamicPrompt
        from comfy_execution.progress import reset_progress_state

        if isinstance(prompt, dict):
            prompt = DynamicPrompt(prompt)
        reset_progress_state("tests", prompt)
        host.recorder.events.clear()
        origins.say_error(sentence, node_id, running=running)
        events = host.recorder.events
        assert [d for kind, d in events if kind == origins.EVENT] == [{"sentence": sentence}]
        shown = [d for kind, d in events if kind == "text"]
        assert all(d["text"] == sentence for d in shown)
        return [d["node"] for d in shown]

    return find


@pytest.mark.parametrize(
    ("prompt", "words", "typed"),
    [
        (talk(sound="nan"), "sample that is not a finite number", ["speech", "sound_1"]),
        (talk(voices=2, sound="nan"), "speaker_1 has 1 sample", ["tracks", "sound_1"]),
        (talk(voices=2, boxes="0,0,20,64"), "masks holds 1 mask", ["sampler", "masks"]),
        (talk(voices=2, boxes="0,0,20,64; 0,0,0,0"), "mask of speaker 2", ["sampler", "masks"]),
        (talk(overlap=9), "overlap is 9 and window is 9", ["sampler"]),
        (
            talk(audio_part="multitalk_toy_base.safetensors"),
            "takes an audio part",
            ["sampler", "model"],
        ),
        (talk(picture=(2048, 64)), "picture is 2048 x 64", ["sampler", "image"]),
    ],
)
def test_an_error_is_said_where_it_was_found_and_where_its_value_is_from(
    host, prompt, words, typed
):
    result = host.run(prompt)
    assert not result.ok
    said = [d for kind, d in result.events if kind == "text" and words in d["text"]]
    assert {d["text"] for d in said} == {result.error["exception_message"].strip()}
    assert result.error["node_id"] == typed[0]
    assert [d["node"] for d in said] == typed


SOUND = node("LoadAudio", audio="voice.wav")
TRIM = {"start_index": 0.0, "duration": 1.0}
EMBEDDING = node("MultiTalkSpeechEmbedding", audio=["2", 0], normalise_loudness=True)
EMPTY = "audio is empty: it has no samples."


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ({"2": SOUND}, ["3", "2"]),
        ({"1": SOUND, "2": node("TrimAudioDuration", audio=["1", 0], **TRIM)}, ["3", "1"]),
        ({"1": SOUND, "2": node("Another Pack's Reroute", anything=["1", 0])}, ["3", "1"]),
        ({"1": node("LoadVideo"), "2": node("GetVideoComponents", video=["1", 0])}, ["3", "2"]),
        (  # two of a kind come together here
            {"0": SOUND, "1": SOUND, "2": node("AudioConcat", audio1=["0", 0], audio2=["1", 0])},
            ["3", "2"],
        ),
        ({"2": node("AudioConcat", audio1=["2", 0])}, ["3", "2"]),  # a circle ends
        ({}, ["3", "2"]),
    ],
)
def test_a_sound_is_followed_to_where_it_begins(places, between, expected):
    assert places({**between, "3": EMBEDDING}, "3", EMPTY) == expected


@pytest.mark.parametrize(
    ("inputs", "sentence", "expected"),
    [
        ({"window": 9, "overlap": ["1", 0]}, "overlap is 9 and window is 9", ["5", "1"]),
        ({"window": ["1", 0], "overlap": 9}, "overlap is 9 and window is 9", ["5"]),
        ({"size.width": ["1", 0], "size": "custom"}, "width is 9; sizes must be", ["5", "1"]),
        ({"images": ["1", 0]}, "overlap is 9", ["5"]),  # names none of the inputs
        ({"image": ["1", 0]}, "imagery is no input", ["5"]),
        ({"image": ["1", 0]}, "The picture is 9 x 900", ["5", "1"]),
        ({"boxes": ["1", 0]}, "Box 2 of boxes is 9", ["5", "1"]),
    ],
)
def test_the_input_that_is_named_first_counts(places, inputs, sentence, expected):
    prompt = {"1": node("PrimitiveInt", value=9), "5": node("MultiTalkSampler", **inputs)}
    assert places(prompt, "5", sentence) == expected


def test_a_file_is_said_where_it_was_chosen(places):
    prompt = {
        "1": node("MultiTalkLoadModel", base="wan/a.gguf", audio_part="b.safetensors"),
        "2": node("LoraLoaderModelOnly", model=["1", 0], lora_name="c.safetensors"),
        "3": node("MultiTalkSampler", model=["2", 0]),
    }
    assert places(prompt, "3", "a.gguf holds no audio part.") == ["3", "1"]
    assert places(prompt, "3", "The model has c.safetensors beside b.safetensors.") == ["3", "2"]
    assert places(prompt, "1", "'b.safetensors' is not in models/loras.") == ["1"]


def test_a_subgraph_says_what_is_wrong_in_it(places):
    prompt = {
        "1": SOUND,
        "9:4:2": node("MultiTalkSpeechEmbedding", audio=["1", 0]),
        "9:3": node("MultiTalkSampler", overlap=["8:1", 0]),
        "8:1": node("PrimitiveInt", value=9),
    }
    assert places(prompt, "9:4:2", EMPTY) == ["9:4:2", "9:4", "9", "1"]
    assert places(prompt, "9:3", "overlap is 9") == ["9:3", "9", "8:1", "8"]


def test_what_a_node_expands_into_is_said_under_it(places):
    from comfy_execution.graph import DynamicPrompt

    prompt = DynamicPrompt({"4": node("MultiTalkLoadModel", base="a.gguf")})
    prompt.add_ephemeral_node("4.0.0.1", node("MultiTalkReadFiles", base="a.gguf"), "4", "4")
    assert places(prompt, "4.0.0.1", "a.gguf is damaged.") == ["4"]


def test_nothing_is_looked_up_while_no_prompt_runs(places):
    prompt = {"1": SOUND, "2": node("MultiTalkSpeechEmbedding", audio=["1", 0])}
    assert places(prompt, "2", EMPTY, running=False) == ["2"]
    assert places(prompt, "gone", EMPTY) == ["gone"]


def test_the_page_and_the_host_mean_the_same_event(origins):
    page = (ROOT / "web" / "error_texts.js").read_text("ascii")
    assert re.findall(r'EVENT = "(\w+)"', page) == [origins.EVENT]
