"""Table, curves and contact sheets can be drawn and have the size they should."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pack.tools.lab.cast import make_clip
from pack.tools.lab.measures import Take
from pack.tools.lab.report import caption, draw_curves, draw_long_sheet, draw_sheet, table


@pytest.fixture(scope="module")
def still():
    clip = make_clip("listener", 0)
    return Take(clip=clip, frames=np.stack([clip.picture] * clip.num_frames))


def test_table_is_markdown():
    assert table({"r": 0.91234}) == "| what | value |\n|---|---|\n| r | 0.9123 |"


def test_caption_leaves_out_who_is_silent(still):
    assert caption(still) == "listener_0: r - 0.00"


def test_pictures_are_written(still, tmp_path):
    draw_curves([still], tmp_path / "curves.png")
    draw_sheet([still], [still], tmp_path / "clips.png")
    long = Take(clip=still.clip, frames=np.concatenate([still.frames] * 5))
    draw_long_sheet(long, tmp_path / "dialogue.png")
    with Image.open(tmp_path / "clips.png") as sheet:
        assert sheet.size == (2 * 9 * 144 + 6, 2 * 2 * 96 + 22)
    with Image.open(tmp_path / "dialogue.png") as sheet:  # picture, 3 s, 6 s
        assert sheet.size == (7 * (2 * 144 + 6), 2 * 96 + 22)
    assert (tmp_path / "curves.png").stat().st_size > 1000
