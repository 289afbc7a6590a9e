from __future__ import annotations

import pytest
import torch

from pack.multitalk.dubbing.mouth import describe_laid, lay_over
from pack.multitalk.frames import fit_frames

SIZE = (48, 64)


def frames(count, size=SIZE, seed=0):
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 6, 8, generator=generator)
    big = torch.nn.functional.interpolate(small, size, mode="bicubic").clamp(0.1, 0.9)
    return big.movedim(1, -1).contiguous()


def region(rows, columns, size=SIZE):
    mask = torch.zeros(1, *size)
    mask[0, slice(*rows), slice(*columns)] = 1
    return mask


MOUTH, CORNER = region((20, 40), (16, 48)), region((0, 4), (0, 4))


@pytest.mark.parametrize("feather", [0, 1, 6, 24])
@pytest.mark.parametrize("match", [False, True])
def test_pixels_outside_keep_their_bits_and_are_counted(feather, match):
    source, talking = frames(4), frames(3, seed=1)
    laid = lay_over(source, talking, [MOUTH], feather=feather, match=match)
    outside = MOUTH[0] == 0
    assert torch.equal(laid.frames[:, outside], source[:, outside])
    assert torch.equal(laid.frames[3], source[3])
    same = (laid.frames == source).all(-1)
    assert laid.untouched == int(outside.sum()) * 3 + 48 * 64
    assert laid.untouched <= int(same.sum())
    assert torch.equal(source, frames(4))
    centre = laid.frames[:3, 30, 32]
    if not match:
        assert torch.allclose(centre, talking[:, 30, 32], atol=1e-6)


def test_the_edge_fades_inwards_from_nothing_to_all():
    source, talking = torch.zeros(1, *SIZE, 3), torch.ones(1, *SIZE, 3)
    tall = region((4, 44), (16, 48))
    laid = lay_over(source, talking, [tall], feather=6, match=False)
    row = laid.frames[0, 24, :, 0]
    assert row[:16].eq(0).all()
    assert (row[15:23].diff() > 0).all()
    assert row[22:42].eq(1).all()
    assert torch.allclose(row[16:48], row[16:48].flip(0))
    assert laid.narrowed == 0


def test_a_region_at_the_edge_of_the_picture_does_not_fade_there():
    source, talking = torch.zeros(1, *SIZE, 3), torch.ones(1, *SIZE, 3)
    laid = lay_over(source, talking, [region((24, 48), (0, 64))], feather=8, match=False)
    assert laid.frames[0, 40:, :, 0].eq(1).all()


def test_a_small_region_has_a_narrower_edge():
    source, talking = torch.zeros(2, *SIZE, 3), torch.ones(2, *SIZE, 3)
    laid = lay_over(source, talking, [region((10, 14), (10, 14))], feather=24, match=False)
    assert laid.narrowed == 2
    assert laid.frames[0, 11, 11, 0] == 1
    assert "2 frames: the region is too small" in describe_laid(laid, 2)


@pytest.mark.parametrize(("gain", "offset"), [(1.0, 0.08), (0.8, 0.05), (1.2, -0.05)])
def test_colours_of_another_tone_are_brought_to_those_of_the_source(gain, offset):
    source = frames(2)
    laid = lay_over(source, source * gain + offset, [MOUTH], feather=8, match=True)
    assert float((laid.frames - source).abs().max()) < 1e-5
    assert laid.color_shift > 0.01
    plain = lay_over(source, source * gain + offset, [MOUTH], feather=8, match=False)
    assert float((plain.frames - source).abs().max()) > 0.02


def test_regions_follow_the_frames():
    source, talking = torch.zeros(3, *SIZE, 3), torch.ones(3, *SIZE, 3)
    moving = [region((8, 16), (8 * k, 8 * k + 8)) for k in range(3)]
    laid = lay_over(source, talking, moving, feather=0, match=False)
    for k in range(3):
        assert torch.equal(laid.frames[k, ..., 0], moving[k][0])
    assert laid.untouched == 3 * (48 * 64 - 64)


@pytest.mark.parametrize("video", [(24, 32), (48, 48), (96, 64), (16, 48), (80, 112)])
def test_talking_frames_of_another_size_lie_where_they_were_cut_from(video):
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    source = torch.stack([rows / 48, columns / 64, (rows + columns) / 112], -1)[None]
    talking = fit_frames(source, *video)
    whole = region((2, 46), (2, 62))
    laid = lay_over(source, talking, [whole], feather=0, match=False)
    inner = slice(4, 44), slice(4, 60)
    assert float((laid.frames - source)[0][inner].abs().max()) < 0.025
    changed = (laid.frames != source).any(-1).any(0)
    assert int(changed.sum()) <= 48 * 64 - laid.untouched
    assert laid.untouched < 48 * 64


def test_what_does_not_fit_is_refused():
    source, talking = frames(2), frames(3)
    with pytest.raises(ValueError, match="talking holds 3 frames, and source 2"):
        lay_over(source, talking, [MOUTH], feather=4, match=True)
    with pytest.raises(ValueError, match="The face regions are given for 2 frames"):
        lay_over(frames(4), talking, [MOUTH, MOUTH], feather=4, match=True)
    with pytest.raises(ValueError, match="lies outside of what the talking frames show"):
        lay_over(source, frames(1, size=(48, 16)), [CORNER], feather=0, match=False)
