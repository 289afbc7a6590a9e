"""The memory plan against what real_size.py counted, and what it says where memory is short."""

from __future__ import annotations

import re

import pytest

from pack.multitalk.model.memory import RunSize, advise_memory, plan_memory, tell_memory
from pack.tests.layers import ROOT

COUNTS = ROOT / "tools" / "bench" / "real_size_20261129.md"
GIB = 1 << 30


def size_of(height=720, width=1280, speakers=1, **changes):
    given = {
        "window": 81, "num_frames": 750, "passes": 1, "lean": True, "dim": 5120, "itemsize": 2,
        "vae_dim": 96, "vae_itemsize": 2, "weights": 37_800_000_000, "weight_itemsize": 2.0,
        "vae_weights": 253_800_000,
    }  # fmt: skip
    return RunSize(height=height, width=width, speakers=speakers, **(given | changes))


def counted(name):
    """Bytes per size and speakers, of a row of the table."""
    row = re.search(rf"^\| {name} \|(.*)\|$", COUNTS.read_text("utf-8"), re.MULTILINE)
    assert row is not None
    sizes = (480, 832), (640, 640), (720, 1280), (960, 960)
    for (height, width), cell in zip(sizes, row[1].split("|"), strict=True):
        for speakers, number in enumerate(re.findall(r"[\d.]+", cell), 1):
            yield height, width, speakers, float(number) * 1e9


@pytest.mark.parametrize(
    ("name", "lean"), [("step, lean blocks", True), ("step, host's blocks", False)]
)
def test_a_step_needs_what_was_counted_at_real_size(name, lean):
    rows = [row for row in counted(name) if row[3]]
    assert len(rows) >= 4
    for height, width, speakers, there in rows:
        plan = plan_memory(size_of(height, width, speakers, lean=lean))
        assert plan.step == pytest.approx(there, rel=0.05)


def test_the_vae_needs_what_was_counted_at_real_size():
    for height, width, _, there in counted("VAE, decode"):
        if there:
            plan = plan_memory(size_of(height, width, vae_weights=0))
            assert plan.vae == pytest.approx(there, rel=0.05)


def test_the_plan_names_its_parts():
    assert tell_memory(size_of(480, 832, passes=2)) == (
        "memory: about 39.1 GiB at most: weights 35.2 GiB, and a step 3.8 GiB (2 passes together) "
        "or the VAE 2.9 GiB; all frames as 8 bit 857 MiB of main memory"
    )


def test_a_smaller_card_is_told_what_needs_less_and_a_large_one_nothing():
    size = size_of()
    assert advise_memory(size, 48 * GIB, frames_held=True) is None
    said = advise_memory(size, 24 * GIB, frames_held=True)
    assert said == (
        "24.0 GiB of memory are fewer than the 41.7 GiB of this plan; ComfyUI then moves weights "
        "in and out, which works but takes longer. These need less: weights as fp8 or GGUF "
        "(24.1 GiB), size 480 (38.1 GiB), MultiTalk Sample To Video (1.9 GiB less main memory)."
    )


def test_nothing_is_advised_that_is_there_already():
    small = size_of(480, 832, window=49, weight_itemsize=1.0, weights=19_000_000_000)
    said = advise_memory(small, 12 * GIB, frames_held=False)
    assert said is not None
    assert said.endswith("takes longer.")
