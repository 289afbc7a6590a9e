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


def quiet(*ranges):
    return columns(*ranges)


def test_a_still_face_is_a_silent_speaker_and_the_voice_has_the_rest():
    cast = Cast(speech(1), None, picture=PICTURE, video=VIDEO, still=quiet((96, 128)))
    assert len(cast.tracks) == 2
    assert (cast.tracks[1] == 7).all()
    assert torch.equal(cast.cells, latent_masks(columns((0, 96), (96, 128)), *VIDEO))
    assert (cast.masks, cast.gate) == (None, None)
    assert cast.notes == ["still: 25% of the picture hears silence"]


def test_all_still_places_are_one_speaker_beside_voices_that_keep_theirs():
    still = quiet((0, 24), (60, 80))
    cast = Cast(speech(2), columns((16, 56), (88, 120)), picture=PICTURE, video=VIDEO, still=still)
    assert len(cast.tracks) == 3
    expected = columns((16, 56), (88, 120), (0, 16))
    expected[2, :, 60:80] = 1
    assert torch.equal(cast.cells, latent_masks(expected, *VIDEO))


def test_two_voices_without_masks_have_the_halves_but_for_still_places():
    cast = Cast(speech(2), None, picture=PICTURE, video=VIDEO, still=quiet((48, 80)))
    halves = half_masks(*PICTURE)
    halves[:, :, 48:80] = 0
    assert torch.equal(cast.cells, latent_masks(torch.cat([halves, quiet((48, 80))]), *VIDEO))


@pytest.mark.parametrize("still", [None, (88, 96)])
def test_the_gate_is_open_on_all_who_have_a_place_and_fades_around_them(still):
    given = {"picture": PICTURE, "video": (256, 512)}
    masks = columns((32, 64))
    places = None if still is None else quiet(still)
    cast = Cast(speech(1), masks, still=places, outside="no audio", **given)
    row = cast.gate[3]
    assert cast.gate.shape == (16, 32)
    assert torch.equal(cast.gate, row.expand(16, -1))
    assert row[6:18].tolist() == [0.0, 0.5, *8 * [1.0], 0.5, 0.0]
    listener = [0.0] * 4 if still is None else [0.5, 1.0, 1.0, 0.5]
    assert row[18:].tolist() == [0.0, 0.0, 0.0, *listener, *7 * [0.0]]
    free = Cast(speech(1), masks, still=places, **given)
    assert torch.equal(cast.cells, free.cells)
    assert free.gate is None


def test_one_voice_without_masks_has_nothing_outside():
    cast = Cast(speech(1), None, picture=PICTURE, video=VIDEO, outside="no audio")
    assert (cast.gate, len(cast.tracks)) == (None, 1)
    assert cast.notes[0].startswith("outside_speakers no audio: one voice without masks has the")


@pytest.mark.parametrize(
    ("voices", "masks", "still", "message"),
    [
        (1, None, (0, 0), "still is empty; it must cover those who do not speak"),
        (1, [(0, 64)], (8, 64), "still lies wholly inside the masks of those who speak"),
        (1, None, (0, 128), "still leaves speaker 1 no place in the picture"),
        (2, None, (64, 128), "still leaves speaker 2 no place in the picture"),
        (1, [(0, 60)], (60, 63), "still vanishes in a video of 32 x 32 pixels"),
        (6, [(20 * i, 20 * i + 16) for i in range(6)], (120, 128), "speech has 6 voices; those"),
    ],
)
def test_still_places_that_do_not_fit_are_refused(voices, masks, still, message):
    given = None if masks is None else columns(*masks)
    with pytest.raises(ValueError, match=message):
        Cast(speech(voices), given, picture=PICTURE, video=(32, 32), still=quiet(still))


def test_still_places_that_are_no_numbers_are_refused():
    still = quiet((0, 8))
    still[0, 0, 0] = float("nan")
    with pytest.raises(ValueError, match="still: 1 of 8192 values"):
        Cast(speech(1), None, picture=PICTURE, video=VIDEO, still=still)
