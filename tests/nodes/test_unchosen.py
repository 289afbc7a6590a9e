"""A sound or video that nobody has chosen is named before anything runs."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.host


def seen(request):
    """A request after the pack has seen it."""
    from pack.nodes.origins import say_error
    from pack.nodes.unchosen import say_what_is_missing

    return say_what_is_missing(request, say_error)


def refused(prompt):
    """Details of the host's refusal by node, after the pack has seen the prompt."""
    import execution

    request = seen({"prompt": prompt, "client_id": "x"})
    assert request["client_id"] == "x"
    valid, _, _, faults = asyncio.run(execution.validate_prompt("a", request["prompt"], None))
    assert not valid
    return {key: fault["errors"][0]["details"] for key, fault in faults.items() if fault["errors"]}


def test_empty_sound_fails_the_hosts_check_with_a_sentence(host):
    sound = {"class_type": "LoadAudio", "inputs": {"audio": ""}}
    level = {"class_type": "MultiTalkLoudness", "inputs": {"audio": ["1", 0], "loudness_lufs": -23}}
    shown = {"class_type": "PreviewAudio", "inputs": {"audio": ["2", 0]}}
    host.recorder.events.clear()
    unused = {"class_type": "LoadAudio", "inputs": {"audio": ""}}
    (words,) = refused({"1": sound, "2": level, "3": shown, "4": unused}).values()
    assert "no sound is chosen yet. Choose one on this node" in words
    said = [data for kind, data in host.recorder.events if kind == "text"]
    assert [data["node"] for data in said] == ["1"]  # what the host shows is behind a button
    assert said[0]["text"].startswith("No sound is chosen yet. Choose one on this node, or upload")


@pytest.mark.parametrize("choice", ["mine.wav", ["7", 0], None])
def test_other_choices_stay_as_they_are(host, choice):
    prompt = {
        "1": {"class_type": "LoadAudio", "inputs": {"audio": choice}},
        "2": {"class_type": "MultiTalkTracks", "inputs": {}},
    }
    assert seen({"prompt": prompt})["prompt"]["1"]["inputs"]["audio"] == choice


def test_graphs_without_nodes_of_this_pack_are_left_alone(host):
    prompt = {"1": {"class_type": "LoadAudio", "inputs": {"audio": ""}}}
    assert seen({"prompt": prompt})["prompt"]["1"]["inputs"]["audio"] == ""


@pytest.mark.parametrize("sent", [{}, {"prompt": 3}, {"prompt": {"1": 2, "2": {"inputs": 4}}}])
def test_odd_requests_pass(host, sent):
    assert seen(sent) == sent
