"""Sound that the memory is too small for is refused, with its length and what it needs."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from types import SimpleNamespace

import pytest
from torch import zeros

from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host
GIB = 1 << 30


@pytest.fixture
def memory(host, monkeypatch):
    """Say how many bytes are free."""

    def set_free(free):
        monkeypatch.setattr(host.module("nodes.host"), "free_memory", lambda: free)

    return set_free


def fail(host, prompt):
    error = host.run(prompt).error
    assert error["exception_type"] == "ValueError"
    return error["exception_message"]


def test_length_and_memory_are_said(host, memory):
    check = host.module("nodes.host").check_memory
    memory(17 * GIB)
    check(17 * GIB, "audio", Fraction(36000), "levelling")
    with pytest.raises(ValueError, match="audio is") as refused:
        check(80 * GIB, "audio", Fraction(36000), "listening to")
    assert str(refused.value) == (
        "audio is 10.0 h long; listening to it needs about 80.0 GiB of memory, and 17.0 GiB are "
        "free. Cut it into shorter parts, or use a machine with more memory."
    )


def test_ten_hours_need_more_than_a_common_machine_has(host):
    from pack.multitalk.sound.audio import Sound, Track, Tracks
    from pack.multitalk.sound.wav2vec2 import embedding_bytes

    def needed(seconds, voices):
        sound = Sound(waveform=zeros(1).expand(1, seconds * 16000), sample_rate=16000)
        tracks = (Track(sound=sound, start_s=Fraction(0)),) * voices
        return embedding_bytes(Tracks(tracks=tracks, mix=sound), 12, 768)

    assert 40 * GIB < needed(36000, 1) < 120 * GIB
    assert needed(600, 1) < 2 * GIB
    assert 30 * GIB < needed(36000, 2) - needed(36000, 1) < 40 * GIB  # features


def test_speech_is_refused_before_its_encoder_is_loaded(host, memory):
    prompt = talk(seconds=2.0)
    del prompt["encoder"]
    prompt["speech"]["inputs"]["speech_encoder"] = None
    memory(400_000)
    words = fail(host, prompt)
    assert "audio is 2 s long; listening to it needs about" in words


def test_features_count_when_the_encoder_is_there(host, memory):
    module = host.module("nodes.speech_embedding")
    tracks = module.read_tracks({"waveform": zeros(1, 1, 32000), "sample_rate": 16000})
    memory(host.module("multitalk.sound.wav2vec2").embedding_bytes(tracks, 0, 0))
    module._check_length(tracks, None)
    with pytest.raises(ValueError, match="listening to it needs about"):
        module._check_length(tracks, SimpleNamespace(num_layers=12, width=768))


def test_frames_that_memory_is_too_small_for_are_refused_before_a_model_is_loaded(
    host, monkeypatch
):
    prompt = talk(seconds=0.4)
    prompt["sampler"]["inputs"] |= {"model": None, "vae": None}
    module = import_module(f"{host.pack_name}.nodes.sampling.video_run")
    monkeypatch.setattr(module, "free_memory", lambda: 600_000)
    words = fail(host, prompt)
    assert "The video has 10 frames of 64 x 64 (1 s); all of them at once need about" in words
    assert "Use MultiTalk Sample To Video, whose memory does not grow" in words
    prompt["sampler"]["class_type"] = "MultiTalkSampleToVideo"
    prompt["sampler"]["inputs"]["filename_prefix"] = "video/x"
    del prompt["video"]
    assert "model is not connected" in fail(host, prompt)


def test_loudness_is_refused(host, memory):
    prompt = {
        "sound": node("TestSound", samples=160_000, rate=16000, kind="noise", seed=1, channels=2),
        "level": node("MultiTalkLoudness", audio=["sound", 0], loudness_lufs=-16.0),
        "end": node("PreviewAudio", audio=["level", 0]),
    }
    memory(9_000_000)
    assert "audio is 10 s long; levelling it needs about 0.0 GiB" in fail(host, prompt)


def test_a_mix_grows_by_the_highest_rate_and_the_most_channels(host, memory):
    prompt = {
        "long": node("TestSound", samples=300_000, rate=1000, kind="noise", seed=1, channels=1),
        "fine": node("TestSound", samples=100, rate=192_000, kind="noise", seed=1, channels=8),
        "tracks": node(
            "MultiTalkTracks",
            placement="together",
            **{"speakers.speaker_1": ["long", 0], "speakers.speaker_2": ["fine", 0]},
        ),
        "end": node("PreviewAudio", audio=["tracks", 1]),
    }
    memory(3 * GIB)
    words = fail(host, prompt)
    assert "The mix is 5 min long; making it needs about 3.4 GiB of memory" in words


def test_a_container_may_set_the_limit(host, tmp_path):
    free_memory = host.module("nodes.host").free_memory
    whole = free_memory(tmp_path)
    (tmp_path / "memory.max").write_text("5000000")
    (tmp_path / "memory.current").write_text("4000000")
    (tmp_path / "memory.stat").write_text("anon 1000000\nfile 3000000\n")
    assert free_memory(tmp_path) == 4_000_000
    (tmp_path / "memory.max").write_text("max")
    assert abs(free_memory(tmp_path) - whole) < GIB
