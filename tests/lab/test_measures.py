"""The measures on drawn films and on numbers known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pack.tools.lab.cast import make_clip
from pack.tools.lab.measures import (
    Take,
    amplitude,
    bind,
    binding,
    color_drift,
    drawn_mouths,
    likeness_db,
    own_minus_other,
    own_r,
    silent_ratio,
    summarise_long,
    summarise_vae,
    to_lab,
)


@pytest.fixture(scope="module")
def turns():
    clip = make_clip("turns", 0)
    return Take(clip=clip, frames=clip.film)


@pytest.fixture(scope="module")
def listener():
    clip = make_clip("listener", 0)
    return Take(clip=clip, frames=clip.film)


def redraw(take, openings):
    return Take(clip=take.clip, frames=take.clip.scene.film(openings))


def test_own_minus_other_by_hand():
    assert own_minus_other(np.array([[0.9, 0.1], [0.2, 0.8]])) == pytest.approx(0.7)
    assert own_minus_other(np.array([[0.1, 0.9], [0.8, 0.2]])) == pytest.approx(-0.7)


def test_binding_has_faces_down_and_tracks_across():
    openings = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0]])
    mouths = np.array([[1.0, 5.0, 1.0, 1.0], [1.0, 5.0, 1.0, 1.0]])  # both follow the first track
    expected = [[1, -1 / 3**0.5], [1, -1 / 3**0.5]]
    np.testing.assert_allclose(bind(mouths, openings), expected, atol=1e-12)


def test_a_track_that_hardly_moves_is_not_judged():
    openings = np.array([[0.0, 1.0, 0.0], [0.0, 0.1, 0.0]])
    matrix = bind(openings, openings)
    assert np.isnan(matrix[:, 1]).all()
    assert not np.isnan(matrix[:, 0]).any()


def test_a_drawn_film_gets_the_best_numbers(turns, listener):
    takes = [turns, listener]
    assert np.diag(binding(takes)).min() > 0.99
    assert len(own_r(takes, ("turns", "listener"))) == 3
    assert min(own_r(takes, ("turns", "listener"))) > 0.99
    assert amplitude(takes) == pytest.approx(1, abs=0.05)
    assert silent_ratio(takes) < 0.05


def test_exchanged_mouths_turn_the_binding_over(turns):
    swapped = redraw(turns, turns.clip.openings[::-1])
    assert np.diag(binding([swapped])).max() < 0
    assert own_minus_other(binding([swapped])) < -1


def test_smaller_movement_is_a_smaller_amplitude(turns):
    assert amplitude([redraw(turns, 0.5 * turns.clip.openings)]) == pytest.approx(0.5, abs=0.06)


def test_a_listener_who_talks_is_no_listener(listener):
    talker = listener.clip.openings.max(0)
    moved = redraw(listener, np.stack([talker, talker]))
    assert silent_ratio([moved]) == pytest.approx(1, abs=0.3)  # mouths differ in width and lips
    assert silent_ratio([listener]) < 0.05


def test_drawn_mouths_are_those_of_the_film(turns):
    np.testing.assert_allclose(drawn_mouths(turns.clip).std(1), turns.mouths.std(1), rtol=0.05)


def test_lab_of_known_colours():
    colours = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [119, 119, 119]], np.uint8)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20], [50.03, 0, 0]]
    np.testing.assert_allclose(to_lab(colours), expected, atol=0.02)


def test_drift_is_the_distance_of_colours_beside_the_mouths():
    picture = np.full((16, 24, 3), 119, np.uint8)
    frames = np.full((2, 16, 24, 3), 255, np.uint8)
    frames[0] = picture
    frames[0, 4:12, 4:12] = 0  # a mouth that is wide open
    drift = color_drift(frames, picture, [(slice(4, 12), slice(4, 12))])
    np.testing.assert_allclose(drift, [0, 100 - 50.03], atol=0.02)


def test_drift_sees_what_the_mean_of_a_frame_does_not():
    picture = np.full((8, 16, 3), 100, np.uint8)
    frame = picture.copy()
    frame[:, :8], frame[:, 8:] = 80, 120
    assert color_drift(frame[None], picture, [])[0] > 5


def test_likeness_falls_when_a_face_fades(turns):
    grey = np.full_like(turns.frames[:2], 128)
    faded = (0.5 * turns.frames[:2] + 0.5 * grey).astype(np.uint8)
    clear = likeness_db(turns.frames[:2], turns.clip)
    assert (likeness_db(faded, turns.clip) < clear - 6).all()


def test_vae_numbers_of_a_film_that_lost_nothing(turns):
    numbers = summarise_vae([turns], [turns])
    assert numbers["vae_psnr_db"] > 100
    assert numbers["vae_mouth_r"] > 0.99


def test_long_numbers_look_at_the_end(turns):
    numbers = summarise_long(turns)
    assert numbers["r_last_10s"] > 0.99
    assert numbers["own_minus_other_last_10s"] > 1
    assert numbers["drift_de_60s"] < 2
    assert numbers["likeness_db_last_10s"] == numbers["likeness_db_first_10s"]
