import numpy as np
import pytest

from pack.tools.toy.reading import pearson, read_opening
from pack.tools.toy.world import SKINS, TALL, WIDE, mouth_area, random_scene

CURVE = 0.5 + 0.5 * np.sin(np.linspace(0, 9, 15))


@pytest.mark.parametrize(("people", "size"), [(1, WIDE), (2, WIDE), (1, TALL)])
def test_a_scene_is_the_same_for_the_same_seed(people, size):
    openings = np.full((people, 1), 0.4)
    first, again, other = (
        random_scene(np.random.default_rng(seed), people=people, size=size).film(openings)
        for seed in (5, 5, 6)
    )
    assert first.shape == (1, size[1], size[0], 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(4))
def test_the_drawn_mouth_can_be_read_back(seed):
    scene = random_scene(np.random.default_rng(seed), people=2, size=WIDE)
    openings = np.stack([CURVE, CURVE[::-1] * 0.8])
    film = scene.film(openings, start=40)
    for actor, truth in zip(scene.actors, openings, strict=True):
        assert pearson(read_opening(film, *mouth_area(actor.head)), truth) > 0.97


def test_a_shut_mouth_reads_as_nothing():
    for seed in range(6):
        scene = random_scene(np.random.default_rng(seed), people=1, size=WIDE)
        film = scene.film(np.zeros((1, 2)))
        assert read_opening(film, *mouth_area(scene.actors[0].head)).max() < 12


def test_every_skin_is_brighter_than_the_inside_of_a_mouth():
    assert min(red for red, _, _ in SKINS) >= 170


def test_heads_blink_and_bob():
    scene = random_scene(np.random.default_rng(1), people=1, size=WIDE)
    heads = [scene.actors[0].at(frame, 0.0) for frame in range(100)]
    assert max(head.blink for head in heads) == 1
    assert np.ptp([head.centre[1] for head in heads]) > 0.5
