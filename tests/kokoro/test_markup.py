from __future__ import annotations

import pytest

from pack.kokoro.espeak.voice import EspeakVoice
from pack.kokoro.markup import drop_markup
from pack.kokoro.phonemes import speech_chunks
from pack.kokoro.phonemizers import choose_phonemizer
from pack.kokoro.symbols import drop_unsaid
from pack.tests.limits import no_endless_loop


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("**bold** *it* __b__ _i_ ***x*** ~~s~~ `code`", "bold it b i x s code"),
        ("# Heading\n### Small ##\ntext", "Heading\nSmall\ntext"),
        ("- one\n* two\n+ three\n1. four\n- [x] done", "one\ntwo\nthree\n1. four\ndone"),
        ("> said\n> > twice", "said\ntwice"),
        ("[text](http://a.b/c_d \"title\") ![a cat](x.png)", "text a cat"),
        ("[text][1] more[^2]", "text more"),
        ("[Kokoro](/ko/) [hot](+2) [it](-1.5)", "[Kokoro](/ko/) [hot](+2) [it](-1.5)"),
        ("a\n---\nb\n* * *\nc\n___", "a\n\nb\n\nc\n"),
        ("| a | b |\n|---|:-:|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("```python\nx = 1\n```", "x = 1"),
        ("<b>bold</b> <https://a.b> <v Anna>hi", "bold https://a.b hi"),
        ("**Note:** \"*yes*\" (*sigh*) **$5**!", "Note: \"yes\" (sigh) $5!"),
        ("\\*not\\*", "not"),
        ("5 * 3, 5*3, 2**3, a < b > c, snake_case, don`t, > 50%, -5, --",
         "5 * 3, 5*3, 2**3, a < b > c, snake_case, don`t, > 50%, -5, --"),
    ],
)  # fmt: skip
def test_marks_of_markdown_are_dropped_and_words_kept(written, said):
    assert drop_markup(written) == said


def test_no_voice_speaks_marks():
    plain, marked = "Some bold words", "# Some **bold** [words](http://a.b)"
    one, other = (list(speech_chunks(t, choose_phonemizer("a"))) for t in (plain, marked))
    assert [c.phonemes for c in one] == [c.phonemes for c in other]
    words = EspeakVoice().speak("# Some **bold** [words](/w/)").words
    assert [word.text for word in words] == ["Some", "bold", "words"]


def test_letters_of_other_looks_are_plain_ones():
    # Wide, bold, circled, joined; raised letters are symbols of the speech model.
    assert (
        drop_unsaid("\uff11\uff12 \uff28\uff49 \U0001d407\U0001d7d3 \u2460 \ufb01")
        == "12 Hi H5 1 fi"
    )
    assert (
        drop_unsaid("x\u00b2 \u02b0 \u1d4a \u2026 \u00bd") == "x\u00b2 \u02b0 \u1d4a \u2026 \u00bd"
    )
    words = EspeakVoice().speak("\uff11\uff12\uff13").words
    assert [word.text for word in words] == ["123"]
    assert words[0].end_s > 0.5  # it was 0.01 s


@pytest.mark.parametrize(
    "piece", ["*", "[", "](", "<a", "\\*", "[a](", "![", "a_", "|a", "\n>", "[^", "a*", "#", " "]
)
def test_sixty_thousand_characters_of_marks_are_read_at_once(piece):
    with no_endless_loop():
        assert len(drop_markup(piece * (60_000 // len(piece)))) <= 60_000
