"""No node talks to a network, and loading the pack costs next to nothing."""

from __future__ import annotations

import socket
import sys

import pytest

from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host


@pytest.fixture
def no_network(monkeypatch):
    attempts = []

    def refuse(*args, **_kwargs):
        attempts.append(args)
        raise OSError("sockets are refused in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return attempts


def test_a_whole_run_works_without_sockets(host, no_network):
    prompt = talk(seconds=0.5, voices=2, flat_vae=False)
    prompt["example"] = node("MultiTalkExample", scene="two_speakers")
    prompt["who"] = node(
        "MultiTalkSpeakers", image=["example", 0], boxes="", detections=["example", 3]
    )
    prompt["sampler"]["inputs"] |= {"image": ["example", 0], "masks": ["who", 0]}
    prompt["level"] = node("MultiTalkLoudness", audio=["sound_1", 0], loudness_lufs=-23.0)
    prompt["tracks"]["inputs"]["speakers.speaker_1"] = ["level", 0]
    del prompt["base"]
    prompt["model"] = node(
        "MultiTalkLoadModel",
        base=TOY["base"],
        audio_part=TOY["audio_part"],
        weight_dtype="default",
        family="auto",
        loras="none",
    )
    result = host.run(prompt)
    assert result.ok, result.error
    assert no_network == []


def test_loading_the_pack_is_quick_and_silent(host):
    """It imports its own modules and none of a library: these are what loading would wait for."""
    own = [name for name in host.load_modules if name.startswith(host.pack_name)]
    others = {name.split(".")[0] for name in host.load_modules.difference(own)}
    assert others <= sys.stdlib_module_names
    assert 20 < len(own) < 120  # six more nodes than when it was 100
    assert host.load_sockets == []
