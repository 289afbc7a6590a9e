"""Lips follow sound, each its own: the shipped toy through the real nodes.

The floors are generous (toy.md section 5). Below them the same floors are held against four faults,
made by the settings of a run: they must not be met then, or the tests above would see nothing.
"""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest

from pack.tools.lab.cast import make_clip
from pack.tools.lab.dubbing import make_dub, summarise_dubs
from pack.tools.lab.measures import Take, amplitude, binding, own_minus_other, own_r, silent_ratio
from pack.tools.lab.run import Lab, has_bf16, toy_settings
from pack.tools.toy.reading import pearson

pytestmark = pytest.mark.host

ONE_FACE_R = 0.6
OWN_R = 0.7
OWN_MINUS_OTHER = 0.3
SILENT_RATIO = 0.25
AMPLITUDE = 0.6
STEPS = 4
# A sound 5 frames late would lower r of perfect lips to 0.35 or less in these clips.
ONE_FACE = (("one_face", 0),)
TURNS = (("turns", 0),)
LISTENER = (("listener", 0),)


def once(encode):
    """Encode equal pictures once: most films here show the same people with other settings."""
    known = {}

    def look(vae, pixels):
        kept = vae.vae_dtype, tuple(pixels.shape), hashlib.sha256(pixels.numpy()).digest()
        if kept not in known:
            known[kept] = encode(vae, pixels)
        return known[kept].clone()

    return look


@pytest.fixture(scope="module")
def film(host):
    """Videos of some clips; each is made once."""
    import comfy.cli_args
    import comfy.sd

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comfy.cli_args.args, "bf16_vae", has_bf16())
        patch.setattr(comfy.sd.VAE, "encode", once(comfy.sd.VAE.encode))
        lab = Lab(host)

        @cache
        def make(kind, number, changes):
            clip, settings = make_clip(kind, number), toy_settings(steps=STEPS, **dict(changes))
            return Take(clip=clip, frames=lab.video(clip, settings))

        def films(clips, **changes):
            return [make(*clip, tuple(changes.items())) for clip in clips]

        films.lab = lab
        yield films


def mean(values):
    return sum(values) / len(values)


def test_one_face_follows_its_sound(film):
    assert mean(own_r(film(ONE_FACE), ("one_face",))) > ONE_FACE_R


def test_two_faces_follow_their_own_sound(film):
    assert mean(own_r(film(TURNS), ("turns",))) > OWN_R


def test_two_faces_do_not_follow_the_other_sound(film):
    assert own_minus_other(binding(film(TURNS))) > OWN_MINUS_OTHER


def test_mouths_open_as_far_as_they_should(film):
    assert amplitude(film(ONE_FACE + TURNS)) > AMPLITUDE


def test_swapped_masks_swap_the_mouths(film):
    assert own_minus_other(binding(film(TURNS, masks="swapped"))) < 0


def test_silent_listener_stays_still(film):
    assert silent_ratio(film(TURNS + LISTENER)) < SILENT_RATIO


def test_a_dubbed_face_follows_its_new_voice_and_the_rest_stays(film):
    dubbed = film.lab.dub(make_dub(*ONE_FACE[0]), toy_settings(steps=STEPS), strength=0.8)
    numbers = summarise_dubs([dubbed])
    assert numbers["dub_r"] > ONE_FACE_R > numbers["dub_old_voice_r"]
    assert numbers["dub_identical"] == 1


def test_perfect_lips_5_frames_late_would_not_do():
    for clips, floor in ((ONE_FACE, ONE_FACE_R), (TURNS, OWN_R)):
        curves = [curve for clip in clips for curve in make_clip(*clip).openings]
        late = [np.pad(curve, (5, 0))[:-5] for curve in curves]
        assert mean([pearson(a, b) for a, b in zip(curves, late, strict=True)]) < floor - 0.2


def test_ignored_masks_are_noticed(film):
    assert not own_minus_other(binding(film(TURNS, masks="none"))) < 0  # not swapped then


def test_late_sound_is_noticed(film):
    late = film(TURNS, delay=5)
    assert not mean(own_r(late, ("turns",))) > OWN_R


def test_swapped_speakers_are_noticed(film):
    swapped = film(TURNS, swap_sounds=True)
    assert not mean(own_r(swapped, ("turns",))) > OWN_R
    assert not own_minus_other(binding(swapped)) > OWN_MINUS_OTHER


def test_dropped_audio_part_is_noticed(film):
    mute = film(TURNS, audio_strength=0.0)
    assert not amplitude(mute) > AMPLITUDE  # 0.05; r of such small movements is chance
    assert not mean(own_r(mute, ("turns",))) > OWN_R
