from __future__ import annotations

import pytest
import torch

from pack.multitalk.shots import (
    Shots,
    check_cuts,
    cut_frame,
    parse_times,
    parse_voices,
)
from pack.multitalk.sound.audio import Sound
from pack.multitalk.sound.wav2vec2 import Speech


@pytest.mark.parametrize(
    ("cuts", "num_frames", "words"),
    [
        ([5], None, "Shot 2 begins at 0.2 s; .* at least 0.4 s after the beginning. Write 0.4 s"),
        ([50, 40], None, "Shot 3 begins at 1.6 s; .* after shot 2, at 2 s. Write 2.4 s or more"),
        ([50, 55], None, "Shot 3 begins at 2.2 s; .* at least 0.4 s after shot 2"),
        ([50], 50, "Shot 2 begins at 2 s and the sound is 2 s long; that is beyond its end"),
        ([50], 55, "2.2 s long; that leaves it next to no time, and a shot lasts at least 0.4 s"),
    ],
)
def test_impossible_cuts_are_refused(cuts, num_frames, words):
    with pytest.raises(ValueError, match=words):
        check_cuts(cuts, num_frames)


@pytest.mark.parametrize(("cuts", "num_frames"), [([], 3), ([10], 20), ([10, 20], None)])
def test_cuts_with_as_much_time_as_a_shot_needs_are_taken(cuts, num_frames):
    check_cuts(cuts, num_frames)


@pytest.mark.parametrize(
    ("text", "frames"),
    [("4", [100]), ("4, 9.5", [100, 238]), ("0.4,.50, 3.", [10, 12, 75]), ("1,", [25])],
)
def test_times_are_read_as_the_nearest_frames(text, frames):
    assert parse_times(text, len(frames)) == frames


def test_frame_number_is_that_of_python_rounding():
    assert [cut_frame(seconds) for seconds in (0.02, 0.06, 0.059, 4.02)] == [0, 2, 1, 100]


@pytest.mark.parametrize(
    ("text", "pictures", "words"),
    [
        ("", 1, "seconds has 0 numbers for 1 picture; .* Write for example: 4$"),
        ("4, 5", 1, "seconds has 2 numbers for 1 picture"),
        ("0, 4", 1, "picture of the sampler is the first shot, from 0 on"),
        ("four", 2, "seconds contains 'four'; .* Write for example: 4, 9.5$"),
        ("-4", 1, "seconds contains '-4'"),
        ("1e3", 1, "seconds contains '1e3'"),
        ("nan", 1, "seconds contains 'nan'"),
        ("999999", 1, "seconds contains '999999'"),
    ],
)
def test_texts_that_are_no_times_are_refused(text, pictures, words):
    with pytest.raises(ValueError, match=words):
        parse_times(text, pictures)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("", ()),
        ("  ", ()),
        ("1, 2; 1; 2", ((0, 1), (0,), (1,))),
        ("2 1\n0\n", ((0, 1), ())),
        ("; 2", (None, (1,))),
    ],
)
def test_who_is_seen_is_read_shot_by_shot(text, seen):
    assert parse_voices(text, 3) == seen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1; 2; 1; 2", "voices has entries for 4 shots, and there are 3"),
        ("Anna; Ben", "voices contains 'Anna'; it takes numbers of voices for each shot"),
        ("0, 1", "voices contains '0, 1'"),
    ],
)
def test_texts_that_name_nobody_are_refused(text, words):
    with pytest.raises(ValueError, match=words):
        parse_voices(text, 3)


def speech_of(voices):
    features = torch.arange(4.0 * voices).view(voices, 4, 1, 1)
    sound = Sound(waveform=torch.zeros(1, 4), sample_rate=25)
    return Speech(features=features, silence=torch.full((1, 1), -1.0), sound=sound, identity="x")


@pytest.mark.parametrize(
    ("seen", "rows"),
    [((0,), [0]), ((2,), [2]), ((0, 2), [0, 2]), ((1, 2), [1, 2]), ((0, 1, 3), [0, 1, 3])],
)
def test_a_shot_hears_the_voices_that_have_a_face_in_it(seen, rows):
    speech = speech_of(4)
    heard = Shots(later=(), seen=(None, seen)).speech_of(1, speech)
    assert torch.equal(heard.features, speech.features[rows])
    copied = heard.features.untyped_storage().data_ptr() != speech.features.data_ptr()
    assert copied == (len(rows) == 3)  # sounds of hours are not copied for common shots


def test_all_are_seen_where_nothing_is_said_and_silence_where_nobody_is():
    speech, shots = speech_of(2), Shots(later=(), seen=(None, ()))
    assert shots.speech_of(0, speech) is speech
    assert shots.speech_of(5, speech) is speech
    assert shots.speech_of(1, speech).features.flatten().tolist() == [-1.0] * 4
    with pytest.raises(ValueError, match="voices has number 3 for shot 1, and speech has 2 voices"):
        Shots(later=(), seen=((2,),)).speech_of(0, speech)
