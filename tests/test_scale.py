"""The tables of docs/scale.md are those that their script counts."""

from __future__ import annotations

import pytest

from pack.tests.conftest import ROOT
from pack.tools.bench import scale_counts


def test_the_page_shows_what_the_script_counts():
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    assert scale_counts.pass_table() in page
    assert scale_counts.split_table() in page


def test_counts_agree_with_those_of_one_card_and_with_tokens_sent_by_hand():
    # performance.md section 1.2, without the speaker map and keys of text and sound.
    assert scale_counts.pass_flops(448, 832) == pytest.approx((1667 - 18.2) * 1e12, rel=0.005)
    assert scale_counts.pass_flops(704, 1280) == pytest.approx((6712 - 106.6) * 1e12, rel=0.005)
    # Two cards: each holds half of 30,576 tokens and sends half of that, four times in 40 blocks.
    assert scale_counts.sent_bytes(448, 832, 2) == 40 * 4 * (30_576 // 4) * 5120 * 2
