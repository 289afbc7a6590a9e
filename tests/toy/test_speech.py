import numpy as np

from pack.tools.toy.speech import opening_curve

RATE = 16000


def burst(seconds, level=0.3):
    random = np.random.default_rng(0)
    return (level * random.standard_normal(int(seconds * RATE))).astype(np.float32)


def test_silence_keeps_the_mouth_exactly_shut():
    assert np.array_equal(opening_curve(np.zeros(RATE, np.float32), 25), np.zeros(25))


def test_the_mouth_opens_where_there_is_sound():
    sound = np.concatenate((np.zeros(RATE), burst(1), np.zeros(RATE))).astype(np.float32)
    curve = opening_curve(sound, 75)
    assert curve.shape == (75,)
    assert curve[:20].max() == 0
    assert curve[30:45].min() > 0.8
    assert curve[55:].max() == 0


def test_level_and_silence_around_do_not_matter():
    speech = burst(1) * np.sin(np.linspace(0, 20, RATE)) ** 2
    placed = np.concatenate((np.zeros(4 * RATE), 0.1 * speech)).astype(np.float32)
    assert np.allclose(opening_curve(placed, 125)[102:], opening_curve(speech, 25)[2:], atol=1e-3)
