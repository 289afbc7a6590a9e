from __future__ import annotations

import pytest

from pack.kokoro.espeak.process import known_voices
from pack.kokoro.espeak.voice import find_voice
from pack.kokoro.synthesis import EspeakSynthesizer, Manner
from pack.kokoro.writing import LANGUAGES, language_of_writing

HELLO_CHINESE = "\u4f60\u597d"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (HELLO_CHINESE, "cmn"),
        (f"{HELLO_CHINESE}\uff0c\u4e16\u754c\uff01 5", "cmn"),
        (f"OK {HELLO_CHINESE}", "cmn"),
        (f"The Chinese word for hello is {HELLO_CHINESE}", None),
        ("\u3053\u3093\u306b\u3061\u306f\u4e16\u754c", "ja"),
        ("\u65e5\u672c\u8a9e\u306e\u6587\u7ae0", "ja"),
        ("\uff76\uff80\uff76\uff85", "ja"),
        ("\uc548\ub155\ud558\uc138\uc694", "ko"),
        ("\u041f\u0440\u0438\u0432\u0435\u0442", "ru"),
        ("\u041f\u0440\u0438\u0432\u0456\u0442", "uk"),
        ("\u03b3\u03b5\u03b9\u03b1", "el"),
        ("\u0645\u0631\u062d\u0628\u0627", "ar"),
        ("\u0646\u0645\u0633\u062a\u0647 \u067e", "fa"),
        ("\u0928\u092e\u0938\u094d\u0924\u0947", "hi"),
        ("Gr\u00fc\u00dfe", None),
        ("12 !", None),
        ("", None),
    ],
)
def test_letters_tell_the_language(text, language):
    assert language_of_writing(text) == language


def test_espeak_speaks_every_language_that_letters_tell():
    voices = known_voices("The test")
    for code in {*LANGUAGES.values(), "uk", "fa"}:
        assert find_voice(voices, code)


def test_auto_is_the_language_of_the_letters():
    def say(text, language="auto"):
        return EspeakSynthesizer().say(text, Manner(voice="m3", language=language)).waveform

    auto = say(HELLO_CHINESE)
    assert auto.equal(say(HELLO_CHINESE, "cmn"))
    assert not auto.equal(say(HELLO_CHINESE, "en-us"))
    assert say("Hi").equal(say("Hi", "en-us"))
