"""Every base layout with every third audio layout, and a LoRA on both; `--every-pair`: with all."""

from __future__ import annotations

import pytest
from layouts import AUDIO_LAYOUTS, BASE_LAYOUTS, WHOLE_LAYOUTS

from pack.tests.nodes.layout_bench import IN_BASE, difference
from pack.tests.nodes.layout_bounds import AUDIO_BOUNDS, BASE_BOUNDS, ROUNDING, WHOLE_BOUNDS
from pack.tests.nodes.layout_lora import widgets

pytestmark = pytest.mark.host
BASES = [
    *(("base", row) for row in BASE_LAYOUTS),
    *(("whole", row) for row in WHOLE_LAYOUTS),  # chosen as a base, also with another audio part
]
AUDIOS = [
    *(("audio", row) for row in AUDIO_LAYOUTS),
    ("whole", "quanto int8"),  # chosen as an audio part; its base weights win
    ("whole", IN_BASE),
]
PAIRS = [(b, a) for b in BASES for a in AUDIOS if b[0] == "whole" or a[1] != IN_BASE]
THIRD = [(b, a) for b, a in PAIRS if (BASES.index(b) + AUDIOS.index(a)) % 3 == 0 or a[1] == IN_BASE]
BOUNDS = {"base": BASE_BOUNDS, "audio": AUDIO_BOUNDS, "whole": WHOLE_BOUNDS}


def pytest_generate_tests(metafunc):
    if "audio" in metafunc.fixturenames:
        chosen = PAIRS if metafunc.config.getoption("--every-pair") else THIRD
        metafunc.parametrize(("base", "audio"), chosen, ids=lambda pair: " ".join(pair))


def test_every_layout_is_in_a_third_of_the_pairs():
    for place, layouts in enumerate((BASES, AUDIOS)):
        used = [pair[place] for pair in THIRD]
        assert min(used.count(layout) for layout in layouts) >= 5


def test_lora_on_every_pair_of_layouts(bench, base, audio):
    below = getattr(bench, base[0])[base[1]]
    bounds = [BOUNDS[base[0]][base[1]]]
    if audio[1] == IN_BASE:
        above, file = below, IN_BASE
    else:
        above = getattr(bench, audio[0])[audio[1]]
        bounds.append(BOUNDS[audio[0]][audio[1]])
        file = above.file
    velocity = bench.velocity(below.file, file, **widgets())
    found = bench.expected(below, above, lora=True)
    assert difference(velocity, found) <= max(sum(b.patched for b in bounds), ROUNDING)
    unquantised = [above] if audio[1] == "base weights inside" else []
    wanted = bench.expected(*unquantised, lora=True)
    assert difference(velocity, wanted) <= sum(b.stored for b in bounds)
