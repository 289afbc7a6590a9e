"""Base layouts with audio layouts, and a LoRA on both: those that differ; `--every-pair`: all.

`load_base` and `load_audio_part` know nothing of each other but the dtype of the computation; each
chooses its layers by what its own file holds. So a pair tells something new if it has a row that no
pair before it had, or two kinds of layers that were not together. Where base weights lie beside the
audio part the two files meet, so such rows are tried with every third base. That all rows are read
to the bit, without a LoRA and beside float32, stands in `test_layouts`.
"""

from __future__ import annotations

from itertools import product

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
KINDS = ("fp8", "scaled", "rows", "blocks", "host int8", "host", "quanto", "GGUF")
MEETING = (("audio", "base weights inside"), ("whole", IN_BASE))


def kind(layout):
    """What its layers are, in words of its row: equal ones are stored, loaded and patched alike."""
    return next((word for word in KINDS if layout[1].startswith(word)), "plain")


def is_third(pair):
    return sum(map(list.index, (BASES, AUDIOS), pair)) % 3 == 0 or pair[1][1] == IN_BASE


def news(pair):
    """What a pair tells: its rows, and two kinds of layers together."""
    return {*enumerate(pair), tuple(map(kind, pair))}


def differing():
    """The pairs that meet, and those that tell most beside them, until nothing new is left."""
    chosen = [pair for pair in PAIRS if pair[1] in MEETING and is_third(pair)]
    seen = set().union(*map(news, chosen))
    while True:
        pair = max(PAIRS, key=lambda pair: len(news(pair) - seen))
        if news(pair) <= seen:
            return chosen
        seen |= news(pair)
        chosen.append(pair)


CHOSEN = differing()
BOUNDS = {"base": BASE_BOUNDS, "audio": AUDIO_BOUNDS, "whole": WHOLE_BOUNDS}


def pytest_generate_tests(metafunc):
    if "audio" in metafunc.fixturenames:
        chosen = PAIRS if metafunc.config.getoption("--every-pair") else CHOSEN
        metafunc.parametrize(("base", "audio"), chosen, ids=lambda pair: " ".join(pair))


def test_every_layout_and_every_two_kinds_of_layers_are_tried():
    assert {base for base, _ in CHOSEN} == set(BASES)
    assert {audio for _, audio in CHOSEN} == set(AUDIOS)
    kinds = [{kind(layout) for layout in layouts} for layouts in (BASES, AUDIOS[:-1])]
    assert {(kind(base), kind(audio)) for base, audio in CHOSEN} >= set(product(*kinds))


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
