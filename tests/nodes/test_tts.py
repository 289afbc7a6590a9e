"""Text to speech in the host: dialogues by the machine voice, Kokoro with random weights."""

from __future__ import annotations

import json
import socket

import pytest
import torch
from safetensors.torch import save_file

from pack.tools.host.prompts import node
from pack.tools.make.small_kokoro import SMALL_JSON, published_state, random_model

pytestmark = pytest.mark.host
ESPEAK = "espeak-ng (plain machine voice, no download)"
SCRIPT = "Anna: Hello there!\nBen: Good morning.\nAnna: [0.5s] Shall we? [-0.2s] "
PHONEMES = "h\u0259l\u02c8O w\u02c8\u025c\u0279ld."


@pytest.fixture(scope="module", autouse=True)
def no_network():
    """Nothing here may open a connection."""
    connect = socket.socket.connect

    def refuse(*args):
        raise AssertionError("a connection was opened")

    socket.socket.connect = refuse
    yield
    socket.socket.connect = connect


@pytest.fixture(scope="module")
def kokoro(host):
    """A speech model of the published layout at small size, in models/kokoro."""
    import folder_paths

    folder = host.base / "speech" / "tiny"
    (folder / "voices").mkdir(parents=True)
    folder_paths.add_model_folder_path("kokoro", str(host.base / "speech"))
    torch.save(published_state(random_model()), folder / "kokoro-tiny.pth")
    (folder / "config.json").write_text(json.dumps(SMALL_JSON))
    generator = torch.Generator().manual_seed(1)
    packs = torch.randn(4, 510, 1, 256, generator=generator)
    for pack, name in zip(packs, ("af_heart", "am_adam", "bf_emma"), strict=False):
        torch.save(pack.clone(), folder / "voices" / f"{name}.pt")
    save_file({"voice": packs[3].clone()}, folder / "voices" / "af_other.safetensors")
    folder_paths.filename_list_cache.clear()
    return "tiny/kokoro-tiny.pth"


def run(host, kind, model=ESPEAK, **inputs):
    """One speech node; its outputs."""
    prompt = {
        "voices": node("MultiTalkLoadKokoro", model=model),
        "speech": node(kind, voice_model=["voices", 0], **inputs),
    }
    prompt["end"] = node("TestShowSpeech", speech=["speech", 0])
    result = host.run(prompt)
    if not result.ok:
        raise ValueError(result.error["exception_message"])
    return [values[0] for values in result.outputs["speech"]]


def spans(timings):
    """(start, end, speaker, word) of every line."""
    out = []
    for line in timings.splitlines():
        start, end, words = line.split(" ", 2)
        speaker, _, word = words.partition(": ")
        out.append((float(start), float(end), speaker, word))
    return out


def test_tracks_are_silent_where_another_speaks_alone_and_the_mix_is_their_sum(host):
    script = "Anna: Hello there!\nBen: Good morning.\nAnna: [0.5s] Shall we?"
    tracks, mix, picture, timings, _ = run(host, "MultiTalkDialogue", script=script)
    waveforms = [track.sound.waveform[0] for track in tracks.tracks]
    assert torch.equal(sum(waveforms), mix["waveform"][0, 0])
    assert {len(w) for w in waveforms} == {mix["waveform"].shape[-1]}
    assert all(track.start_s == 0 for track in tracks.tracks)
    rate, words = mix["sample_rate"], spans(timings)
    assert [word for *_, word in words] == [
        "Hello", "there!", "Good", "morning.", "Shall", "we?",
    ]  # fmt: skip
    assert [speaker for _, _, speaker, _ in words] == ["Anna"] * 2 + ["Ben"] * 2 + ["Anna"] * 2
    for start, end, speaker, _ in words:
        own = waveforms[0 if speaker == "Anna" else 1]
        other = waveforms[1 if speaker == "Anna" else 0]
        inside = slice(round(start * rate) + 1, round(end * rate) - 1)
        assert own[inside].abs().max() > 0.01
        assert not other[inside].any()
    gap = words[4][0] - words[3][1]
    assert gap >= 0.5
    assert picture.shape[-1] == 3
    assert picture.shape[1:3] == (320, 960)


class Quiet:
    """A voice with 0.4 s of silence before and 0.6 s after a second of sound, as Kokoro's have."""

    def __init__(self):
        self.voices = []

    def check_voice(self, voice):
        assert voice in {"", "one", "two", "three", "four"}

    def default_voices(self):
        return ["one", "two"]

    def cast_voices(self):
        return ["one", "three"]

    def say(self, text, manner, progress=None):
        from pack.kokoro.spoken import Spoken, Word

        self.voices.append(manner.voice)
        waveform = torch.zeros(2000)
        waveform[400:1400] = 0.5
        words = (Word(text=text, start_s=0.4, end_s=1.4),)
        return Spoken(waveform=waveform, sample_rate=1000, words=words, lead=400, tail=600)


@pytest.mark.parametrize(
    ("script", "ben", "length"),
    [
        ("Anna: Hi.\nBen: [1s] Hi.", 2.4, 4.0),
        ("Anna: Hi.\nBen: [-0.3s] Hi.", 1.1, 2.7),
        ("Anna: Hi.\nBen: [0s] Hi. [0.5s]", 1.4, 2.9),
        ("Anna: Hi.\nBen: [together] Hi.", 0.4, 2.0),
        ("Anna: Hi.\nBen: Hi.", 2.4, 4.0),  # as the voices have it: 0.6 s and 0.4 s
        ("Anna: [0.1s] Hi.\nBen: Hi. [0s]", 2.1, 3.1),
    ],
)
def test_pauses_and_overlaps_count_between_sounds(host, script, ben, length):
    from pack.kokoro.synthesis import Manner
    from pack.nodes.sockets import LoadedVoices
    from pack.nodes.voices import speak_dialogue

    voices = LoadedVoices(synthesizer=Quiet(), patcher=None, name="quiet")
    dialogue = speak_dialogue(
        voices, script, "", Manner(), level=False, make_progress=lambda turns: lambda *done: None
    )
    track = dialogue.tracks.tracks[1].sound
    heard = track.waveform[0].nonzero()[:, 0]
    assert int(heard[0]) / 1000 == pytest.approx(ben, abs=0.006)
    assert len(heard) == pytest.approx(1000, abs=2)
    assert track.duration_s == pytest.approx(length)
    assert spans(dialogue.timings)[-1][:2] == pytest.approx((ben, ben + 1))


@pytest.mark.parametrize(
    ("cast", "expected"),
    [("", ["one", "two"]), (" Auto\n", ["one", "three"]), ("Ben\nAnna", ["two", "one"])],
)
def test_auto_is_a_cast_of_its_own_and_empty_stays_as_it_was(host, cast, expected):
    from pack.kokoro.synthesis import Manner
    from pack.nodes.sockets import LoadedVoices
    from pack.nodes.voices import speak_dialogue

    quiet = Quiet()
    voices = LoadedVoices(synthesizer=quiet, patcher=None, name="quiet")
    speak_dialogue(
        voices, "Anna: Hi.\nBen: Hi.", cast, Manner(), level=False,
        make_progress=lambda turns: lambda *done: None,
    )  # fmt: skip
    assert quiet.voices == expected


def test_new_dialogues_are_levelled_and_prompts_that_say_nothing_are_not(host):
    import inspect

    from pack.nodes.text_to_speech import MultiTalkDialogue

    inputs = MultiTalkDialogue.define_schema().inputs
    fresh = {item.id: getattr(item, "default", None) for item in inputs}
    assert (fresh["normalise_loudness"], fresh["voices"]) == (True, "auto")
    omitted = inspect.signature(MultiTalkDialogue.execute).parameters
    assert (omitted["normalise_loudness"].default, omitted["voices"].default) == (False, "")


def test_speakers_sound_different_and_a_cast_decides(host):
    script = "Anna: Same words.\nBen: Same words."
    tracks = run(host, "MultiTalkDialogue", script=script)[0]
    first, second = (track.sound.waveform[0] for track in tracks.tracks)
    half = int(first.nonzero()[-1])
    assert not torch.equal(first[:half][:1000], second[second != 0][:1000])
    same = run(host, "MultiTalkDialogue", script=script, voices="Ben = f3\nAnna = f3")[0]
    ben, anna = (track.sound.waveform[0] for track in same.tracks)  # the cast's order
    assert anna.nonzero()[0] < ben.nonzero()[0]
    length = min(int((anna != 0).sum()), int((ben != 0).sum()))
    begin = int(ben.nonzero()[0]) - int(anna.nonzero()[0])
    torch.testing.assert_close(ben[begin : begin + length // 2], anna[: length // 2])


def test_loudness_is_levelled_for_each_speaker_only_if_asked(host):
    from pack.multitalk.sound.loudness import measure_loudness

    script = "Anna: This is a somewhat longer sentence.\nBen: And this one is quite long too."
    loudness = {}
    for level in (False, True):
        tracks, mix, *_ = run(host, "MultiTalkDialogue", script=script, normalise_loudness=level)
        parts = [t.sound.waveform[:, t.sound.waveform[0] != 0] for t in tracks.tracks]
        loudness[level] = [measure_loudness(part, mix["sample_rate"]) for part in parts]
    assert all(abs(value + 23) < 1.5 for value in loudness[True])
    assert any(abs(value + 23) > 1.5 for value in loudness[False])


def test_kokoro_speaks_phonemes_reproducibly(host, kokoro):
    inputs = {"model": kokoro, "text": PHONEMES, "text_is": "phonemes"}
    first, timings = run(host, "MultiTalkSpeak", **inputs)
    again, _ = run(host, "MultiTalkSpeak", **inputs)
    other, _ = run(host, "MultiTalkSpeak", **inputs, seed=7)
    fast, _ = run(host, "MultiTalkSpeak", **inputs, speed=2.0)
    assert first["sample_rate"] == 24_000
    assert first["waveform"].shape[:2] == (1, 1)
    assert torch.equal(first["waveform"], again["waveform"])
    assert not torch.equal(first["waveform"], other["waveform"])
    assert fast["waveform"].shape[-1] < first["waveform"].shape[-1]
    words = [line.split(" ", 2) for line in timings.splitlines()]
    assert len(words) == 2
    assert 0 < float(words[0][0]) < float(words[0][1]) <= float(words[1][0])
    assert float(words[1][1]) <= first["waveform"].shape[-1] / 24_000


def test_kokoro_mixes_voices_and_says_english(host, kokoro):
    inputs = {"model": kokoro, "text": "Hello world, it is 3:45."}
    plain, timings = run(host, "MultiTalkSpeak", **inputs)
    mixed, _ = run(host, "MultiTalkSpeak", **inputs, voice="af_heart:0.5, am_adam:0.5")
    assert not torch.equal(plain["waveform"], mixed["waveform"])
    assert [line.split(" ", 2)[2] for line in timings.splitlines()][:2] == ["Hello", "world"]


def test_kokoro_dialogue_uses_the_first_voices_that_are_there(host, kokoro):
    script = "(s1) Hello. (s2) Hello."
    tracks, mix, _, timings, _ = run(host, "MultiTalkDialogue", model=kokoro, script=script)
    assert mix["sample_rate"] == 24_000
    assert len(tracks.tracks) == 2
    assert [speaker for _, _, speaker, _ in spans(timings)] == ["s1", "s2"]


@pytest.mark.parametrize(
    ("kind", "inputs", "message"),
    [
        ("MultiTalkSpeak", {"text": "  "}, "There is nothing to say"),
        ("MultiTalkSpeak", {"text": "Hi", "voice": "x9"}, "x9"),
        ("MultiTalkSpeak", {"text": "Hi", "language": "qqq"}, "qqq"),
        ("MultiTalkSpeak", {"text": "Hi", "text_is": "phonemes"}, "espeak-ng takes words"),
        ("MultiTalkDialogue", {"script": ""}, "The script has no words"),
        ("MultiTalkDialogue", {"script": "A: Hi\nB: [1.5s no end"}, "Line 2, column"),
        ("MultiTalkDialogue", {"script": "A: Hi\nB [voice=x9]: Hi"}, "Line 2, column 1: .*x9"),
        ("MultiTalkDialogue", {"script": "A: Hi", "voices": "= f2"}, "voices, line 1"),
        ("MultiTalkDialogue", {"script": "A: Hi", "voices": "A = f1\nA = f2"}, "A is there twice"),
    ],
)
def test_wrong_input_is_refused_with_its_place(host, kind, inputs, message):
    with pytest.raises(ValueError, match=message):
        run(host, kind, **inputs)


def test_an_unknown_voice_of_kokoro_names_what_there_is(host, kokoro):
    with pytest.raises(ValueError, match=r"af_hart.*af_heart"):
        run(host, "MultiTalkSpeak", model=kokoro, text="Hello", voice="af_hart")


def test_a_voice_with_code_in_it_is_refused_and_not_run(host, kokoro, tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = host.base / "speech" / "tiny" / "voices" / "af_bad.pt"
    torch.save(Payload(), path)
    with pytest.raises(ValueError, match=r"af_bad\.pt"):
        run(host, "MultiTalkSpeak", model=kokoro, text="Hello", voice="af_bad")
    assert not (tmp_path / "ran").exists()
    path.unlink()
