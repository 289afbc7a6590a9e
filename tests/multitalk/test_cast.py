from __future__ import annotations

import pytest
import torch

from pack.multitalk.cast import Cast
from pack.multitalk.sound.audio import Sound
from pack.multitalk.sound.wav2vec2 import Speech
from pack.multitalk.speakers import half_masks, latent_masks

PICTURE, VIDEO = (64, 128), (32, 64)


def speech(voices, frames=5):
    generator = torch.Generator().manual_seed(voices)
    return Speech(
        features=torch.randn(voices, frames, 2, 3, generator=generator),
        silence=torch.full((2, 3), 7.0),
        sound=Sound(waveform=torch.zeros(1, 10), sample_rate=10),
        identity="speech",
    )


def columns(*ranges, size=PICTURE):
    masks = torch.zeros(len(ranges), *size)
    for mask, (left, right) in zip(masks, ranges, strict=True):
        mask[:, left:right] = 1
    return masks


def test_one_voice_needs_no_place():
    cast = Cast(speech(1), None, picture=PICTURE, video=VIDEO)
    assert (cast.masks, cast.cells) == (None, None)
    assert [track.shape for track in cast.tracks] == [(5, 2, 3)]


def test_two_voices_have_the_halves_of_the_picture():
    given = speech(2)
    cast = Cast(given, None, picture=PICTURE, video=VIDEO)
    assert cast.masks is None
    assert torch.equal(cast.cells, latent_masks(half_masks(*PICTURE), *VIDEO))
    for track, features in zip(cast.tracks, given.features, strict=True):
        assert torch.equal(track, features)


def test_one_voice_with_a_mask_brings_a_silent_speaker_along():
    masks = columns((0, 64))
    cast = Cast(speech(1), masks, picture=PICTURE, video=VIDEO)
    assert torch.equal(cast.masks, masks)
    assert (cast.tracks[1] == 7).all()
    assert torch.equal(cast.cells[1], 1 - cast.cells[0])
    assert not cast.cells[2].any()


def test_silent_speaker_may_have_no_place():
    cast = Cast(speech(1), torch.ones(1, *PICTURE), picture=PICTURE, video=VIDEO)
    assert not cast.cells[1].any()


def test_masks_of_another_size_are_those_of_the_picture():
    small = Cast(speech(2), columns((0, 30), (34, 64), size=(64, 64)), picture=PICTURE, video=VIDEO)
    same = Cast(speech(2), columns((0, 60), (68, 128)), picture=PICTURE, video=VIDEO)
    assert torch.equal(small.masks, same.masks)
    assert torch.equal(small.cells, same.cells)
    free = Cast(speech(2), columns((0, 30), (34, 64), size=(64, 64)), picture=None, video=(64, 64))
    assert free.masks.shape == (2, 64, 64)


@pytest.mark.parametrize(
    ("voices", "masks", "message"),
    [
        (
            3,
            None,
            "masks is not connected, and speech has 3 voices; from three voices on",
        ),
        (2, [(0, 20)], "masks holds 1 mask, and speech has 2 voices; every voice needs one mask"),
        (
            1,
            [(0, 20), (40, 60)],
            "masks holds 2 masks, and speech has 1 voice; every voice needs one mask",
        ),
        (2, [(0, 20), (40, 40)], "The mask of speaker 2 is empty"),
        (2, [(0, 60), (4, 24)], "100% of speaker 2 lies inside speaker 1"),
        (2, [(0, 60), (60, 63)], "The mask of speaker 2 vanishes in a video of 32 x 32"),
    ],
)
def test_what_does_not_fit_makes_no_cast(voices, masks, message):
    given = None if masks is None else columns(*masks)
    with pytest.raises(ValueError, match=message):
        Cast(speech(voices), given, picture=PICTURE, video=(32, 32))
