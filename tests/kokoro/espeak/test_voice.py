from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from pack.kokoro.espeak import process as espeak_process
from pack.kokoro.espeak.phonemes import espeak_ipa
from pack.kokoro.espeak.process import VoiceEntry
from pack.kokoro.espeak.voice import VARIANTS, EspeakVoice, find_voice, list_languages

GREETINGS = {
    "af": "Goeie more", "ar": "\u0645\u0631\u062d\u0628\u0627", "ca": "Bon dia",
    "cmn": "\u4f60\u597d", "cs": "Dobr\u00fd den", "da": "God morgen", "de": "Guten Tag",
    "el": "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1", "en-gb": "Good day", "en-us": "Hello",
    "es": "Buenos d\u00edas", "fi": "Hyv\u00e4\u00e4 p\u00e4iv\u00e4\u00e4", "fr": "Bonjour",
    "hi": "\u0928\u092e\u0938\u094d\u0924\u0947", "hu": "J\u00f3 napot", "it": "Buongiorno",
    "nl": "Goedendag", "pl": "Dzie\u0144 dobry", "pt-br": "Bom dia", "ro": "Bun\u0103 ziua",
    "ru": "\u0414\u043e\u0431\u0440\u044b\u0439 \u0434\u0435\u043d\u044c", "sv": "God morgon",
    "sw": "Habari", "tr": "G\u00fcnayd\u0131n", "vi": "Xin ch\u00e0o",
}  # fmt: skip
TEXT = "Hello there, my dear friend. How are you (today)? I am 25 years old."


def test_a_text_is_sound_with_its_words():
    spoken = EspeakVoice().speak(TEXT)
    assert spoken.sample_rate == 22050
    assert spoken.waveform.dtype == torch.float32
    assert spoken.waveform.ndim == 1
    assert 0.1 < float(spoken.waveform.abs().max()) <= 1
    assert [word.text for word in spoken.words] == TEXT.split()
    ends = [word.end_s for word in spoken.words]
    starts = [word.start_s for word in spoken.words]
    assert all(start < end for start, end in zip(starts, ends, strict=True))
    assert all(end <= start + 1e-9 for end, start in zip(ends[:-1], starts[1:], strict=True))
    assert ends[-1] <= len(spoken.waveform) / spoken.sample_rate


def test_a_pause_is_in_no_word():
    spoken = EspeakVoice().speak("One. Two.")
    one, two = spoken.words
    gap = spoken.waveform[round(one.end_s * 22050) : round(two.start_s * 22050)]
    assert len(gap) > 2000
    assert float(gap.abs().max()) < 0.01


def test_the_same_text_gives_the_same_samples_whatever_was_said_between():
    first = EspeakVoice().speak(TEXT).waveform
    EspeakVoice(language="de", variant="f2").speak("Etwas anderes.")
    assert torch.equal(EspeakVoice().speak(TEXT).waveform, first)


def test_noise_in_voices_does_not_depend_on_the_clock():
    noisy = ("f2", "f3", "f5")
    first = [EspeakVoice(variant=variant).speak(TEXT).waveform for variant in noisy]
    time.sleep(1.1)  # espeak-ng's own seed is the second in which it starts
    for variant, waveform in zip(noisy, first, strict=True):
        assert torch.equal(EspeakVoice(variant=variant).speak(TEXT).waveform, waveform), variant


def test_threads_do_not_meet():
    voices = [EspeakVoice(variant=variant) for variant in ("m1", "f1", "m1", "f1")]
    with ThreadPoolExecutor(4) as pool:
        sounds = list(pool.map(lambda voice: voice.speak(TEXT).waveform, voices))
    assert torch.equal(sounds[0], sounds[2])
    assert torch.equal(sounds[1], sounds[3])


def test_more_text_is_more_sound():
    lengths = [len(EspeakVoice().speak("one two three. " * n).waveform) for n in (1, 2, 4)]
    assert lengths[0] * 1.8 < lengths[1]
    assert lengths[1] * 1.8 < lengths[2]


def test_speed_shortens_and_pitch_changes_the_sound():
    normal, fast, high = (
        EspeakVoice(speed=speed, pitch=pitch).speak(TEXT).waveform
        for speed, pitch in ((1.0, 50), (2.0, 50), (1.0, 90))
    )
    assert len(fast) < 0.7 * len(normal)
    assert not torch.equal(high[:40000], normal[:40000])


def test_variants_sound_different():
    sounds = [EspeakVoice(variant=variant).speak("Hello").waveform for variant in VARIANTS]
    for index, sound in enumerate(sounds):
        for other in sounds[:index]:
            assert len(sound) != len(other) or not torch.equal(sound, other)


def test_languages_give_sound():
    listed = list_languages()
    assert len(listed) > 100
    assert listed["en-us"] == "English (America)"
    assert len(GREETINGS) >= 20
    with ThreadPoolExecutor(4) as pool:
        sounds = list(pool.map(lambda p: EspeakVoice(language=p[0]).speak(p[1]), GREETINGS.items()))
    for language, sound in zip(GREETINGS, sounds, strict=True):
        assert float(sound.waveform.abs().max()) > 0.05, language
        assert len(sound.waveform) > 5000, language


@pytest.mark.parametrize(
    ("wanted", "identifier"),
    [
        ("en-us", "gmw/en-US"),
        ("EN_GB", "gmw/en"),
        ("en", "gmw/en"),
        ("fr", "roa/fr"),
        ("pt", "roa/pt"),
        ("zh", "sit/cmn"),
        ("German", "gmw/de"),
        ("gmw/en-US", "gmw/en-US"),
    ],
)
def test_languages_are_found_by_code_or_name(wanted, identifier):
    assert find_voice(espeak_process.known_voices("This"), wanted).identifier == identifier


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"language": "martian"}, "'martian'.*no voice for it"),
        ({"language": "m" * 999}, f"'{'m' * 40}'; espeak-ng has no voice for it"),
        ({"language": "en-uk"}, "Choose for example one of: .*en-us"),
        ({"variant": "m9"}, "'m9'.*m1, m2"),
        ({"speed": 0.1}, r"0\.1.*0\.46 to 2\.57"),
        ({"speed": float("nan")}, "nan"),
        ({"pitch": 101}, "101.*0 to 100"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        EspeakVoice(**settings).speak("Hello")


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    for call in (lambda: EspeakVoice().speak("a"), list_languages, lambda: espeak_ipa(["a"], "es")):
        with pytest.raises(RuntimeError, match="pip install espeakng-loader"):
            call()


@pytest.mark.parametrize("text", ["", " \n ", "\x00\x01", "\U0001f600", "\ud800", "...", "-"])
def test_nothing_to_say_is_almost_no_sound(text):
    spoken = EspeakVoice().speak(text)
    assert len(spoken.waveform) < 22050 * 0.6
    assert spoken.words == ()


@pytest.mark.parametrize(
    "text",
    [
        "\x00 one \x07\x7f two \x9f",
        "one \ud800\udfff two",
        "[[hello]] [word](/k one",
        "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 one",
        "a." * 500 + " one",
        "x" * 3000,
        "<speak>one</speak> &amp; <",
    ],
)
def test_strange_texts_are_said(text):
    spoken = EspeakVoice(speed=2.5).speak(text)
    assert float(spoken.waveform.abs().max()) > 0.1
    assert spoken.words
    assert all(0 <= w.start_s <= w.end_s for w in spoken.words)


def test_100_kb_are_said():
    text = "hello dear friend. " * 1300 + " \x00\U0001f600" * 26_000
    spoken = EspeakVoice(speed=2.5).speak(text)
    assert len(text) > 100_000
    assert len(spoken.words) == 3 * 1300
    assert spoken.words[-1].end_s <= len(spoken.waveform) / spoken.sample_rate
    assert spoken.words[-1].end_s > 0.95 * len(spoken.waveform) / spoken.sample_rate


def test_a_text_that_crashes_espeak_is_said_in_pieces(monkeypatch):
    monkeypatch.setattr(espeak_process, "MAX_INITIALS", 10**6)  # let it crash
    text = espeak_process.break_runs("good day. " * 20 + "a." * 1000 + " good night")
    with pytest.raises(espeak_process.EspeakCrashError):
        espeak_process._synthesize(text, "gmw/en-US", rate=450, pitch=50)
    spoken = EspeakVoice(speed=2.5).speak(text)
    assert [word.text for word in spoken.words] == text.split()
    starts = [word.start_s for word in spoken.words]
    assert starts == sorted(starts)
    assert starts[-1] > 0.9 * len(spoken.waveform) / 22050


def test_a_word_that_crashes_espeak_is_left_out(monkeypatch, caplog):
    monkeypatch.setattr(espeak_process, "MAX_INITIALS", 10**6)
    found = espeak_ipa(["good", "a." * 2000, "day"], "en-us")
    assert found == [espeak_ipa(["good"], "en-us")[0], "", espeak_ipa(["day"], "en-us")[0]]
    assert found[0]
    assert "left out" in caplog.text


def test_the_child_speaks_only_by_its_answer():
    command = [sys.executable, str(espeak_process.CHILD), "/nowhere/lib.so", "/nowhere"]
    done = subprocess.run(
        command, input=json.dumps({"do": "voices"}).encode(), capture_output=True, check=False
    )
    assert done.returncode != 0
    assert espeak_process._answer(done.stdout) == (b"", None)


PROBE = """
import importlib, pathlib, socket, sys, types
import soundfile
pack = types.ModuleType("pack")
pack.__path__ = [sys.argv[1]]
sys.modules["pack"] = pack
def refuse(*args, **kwargs):
    raise AssertionError("a socket")
socket.socket.__init__ = refuse
voice = importlib.import_module("pack.kokoro.espeak.voice").EspeakVoice()
before = set(pathlib.Path().iterdir())
assert voice.speak("Hello").waveform.abs().max() > 0.1
assert set(pathlib.Path().iterdir()) == before
"""


def test_a_voice_beside_other_libraries_is_silent_but_for_its_samples(tmp_path):
    root = str(espeak_process.CHILD.parents[2])
    command = [sys.executable, "-c", PROBE, root]
    done = subprocess.run(command, capture_output=True, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_nearest_voice_of_a_language_is_chosen():
    def entry(name, *languages):
        return VoiceEntry(name=name, identifier=f"x/{name}", languages=languages)

    voices = [entry("far", (9, "aa"), (2, "ab")), entry("near", (2, "aa")), entry("own", (5, "ab"))]
    assert find_voice(voices, "aa").name == "near"
    assert find_voice(voices, "ab").name == "far"
