from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from pack.multitalk.config import size_class
from pack.multitalk.frames import (
    BUCKETS,
    bucket_size,
    check_size,
    count_frames,
    count_latent_frames,
    fit_frames,
    fit_masks,
    latent_size,
    pad_with_grey,
    picture_source,
)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_frame_count_is_the_integer_ceiling_at_every_length(rate):
    step = rate // 25
    near_borders = [k * step + d for k in (1, 29, 57, 81, 113, 1000) for d in (-1, 0, 1)]
    for samples in [1, *near_borders]:
        assert count_frames(Fraction(samples, rate)) == -(-samples * 25 // rate)


@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (640, 1), (641, 2), (51840, 81), (51841, 82), (16000, 25)]
)
def test_frame_count_at_16_khz(samples, frames):
    assert count_frames(Fraction(samples, 16000)) == frames


@pytest.mark.parametrize(("frames", "latent"), [(1, 1), (4, 1), (5, 2), (9, 3), (25, 7), (81, 21)])
def test_latent_frames_of_4n_plus_1_frames_are_n_plus_1(frames, latent):
    assert count_latent_frames(frames) == latent


def test_latent_size_is_an_eighth():
    assert latent_size(448, 896) == (56, 112)


@pytest.mark.parametrize(("size", "count"), [("480", 15), ("720", 21)])
def test_every_bucket_is_a_multiple_of_64_of_its_own_class(size, count):
    sizes = [hw for _, hw in BUCKETS[size]]
    assert len(sizes) == len(set(sizes)) == count
    for height, width in sizes:
        assert height % 64 == width % 64 == 0
        assert size_class(height, width) == size


@pytest.mark.parametrize(
    ("height", "width", "size", "expected"),
    [
        (500, 500, "480", (640, 640)),
        (480, 832, "480", (448, 896)),  # the table has nothing between 0.50 and 0.67
        (1, 100, "480", (320, 1216)),
        (100, 1, "480", (1280, 320)),
        (1080, 1920, "720", (704, 1280)),
        (1, 1, "720", (960, 960)),
    ],
)
def test_bucket_is_the_nearest_shape(height, width, size, expected):
    assert bucket_size(height, width, size=size) == expected


def test_bucket_tie_goes_to_the_earlier_entry():
    table = {"480": ((0.5, (16, 32)), (1.5, (48, 32)))}
    assert bucket_size(32, 32, size="480", buckets=table) == (16, 32)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (480, 832)])
def test_multiples_of_16_are_possible(height, width):
    check_size(height, width)


@pytest.mark.parametrize(
    ("height", "width", "message"),
    [
        (480, 100, "width is 100; sizes must be multiples of 16. Use 96 or 112"),
        (479, 480, "height is 479; sizes must be multiples of 16. Use 464 or 480"),
        (16, 0, "width is 0; sizes must be multiples of 16. Use 16 or 32"),
        (-32, 16, "height is -32; .* Use 16 or 32"),
    ],
)
def test_other_sizes_are_refused_with_the_neighbours(height, width, message):
    with pytest.raises(ValueError, match=message):
        check_size(height, width)


def stripes(width):
    """[1, 16, width, 3]: grey level of a column is its number."""
    return (torch.arange(float(width)) / 255)[None, None, :, None].expand(1, 16, width, 3)


def test_picture_of_the_right_size_is_unchanged():
    picture = stripes(16)
    fitted = fit_frames(picture, 16, 16)
    assert fitted.dtype == torch.float32
    assert torch.equal(fitted, picture)


@pytest.mark.parametrize(("width", "first"), [(17, 0), (18, 1), (19, 2), (20, 2), (32, 8)])
def test_crop_is_centred_and_halves_round_to_even(width, first):
    picture, middle = stripes(width), stripes(width)[:, :, first : first + 16]
    upright = (picture.transpose(1, 2), middle.transpose(1, 2))
    for given, expected in ((picture, middle), upright):
        assert torch.equal(fit_frames(given, 16, 16), expected)
        assert torch.equal(fit_masks(given[..., 0], 16, 16), expected[..., 0])


@pytest.mark.parametrize(("height", "width"), [(16, 48), (48, 16), (32, 32)])
def test_every_frame_covers_the_target(height, width):
    frames = torch.full((3, 20, 30, 3), 0.5)
    fitted = fit_frames(frames, height, width)
    assert fitted.shape == (3, height, width, 3)
    assert (fitted == 128 / 255).all()


def test_values_outside_the_range_are_clipped():
    frames = torch.tensor([-1.0, 2.0]).repeat_interleave(8)[None, None, :, None]
    fitted = fit_frames(frames.expand(1, 16, 16, 3), 16, 16)
    assert fitted.unique().tolist() == [0.0, 1.0]


def test_enlarged_masks_keep_their_values():
    masks = torch.tensor([[[0.0, 0.25], [1.0, 0.5]], [[1.0, 0.0], [0.0, 0.0]]])
    fitted = fit_masks(masks, 4, 4)
    assert fitted.shape == (2, 4, 4)
    assert torch.equal(fitted, masks.repeat_interleave(2, 1).repeat_interleave(2, 2))


def test_grey_follows_the_known_frames():
    frames = torch.rand(2, 4, 6, 3, generator=torch.Generator().manual_seed(0))
    padded = pad_with_grey(frames, 5)
    assert padded.shape == (5, 4, 6, 3)
    assert torch.equal(padded[:2], frames)
    assert (padded[2:] == 0.5).all()


def test_no_grey_when_all_frames_are_known():
    frames = torch.zeros(5, 2, 2, 3)
    assert torch.equal(pad_with_grey(frames, 5), frames)


def test_a_source_stands_still_before_its_beginning_and_after_its_end():
    video = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 16, 16, 3) / 5
    frame = picture_source(video, 16, 16)
    shown = [round(5 * float(frame(number)[0, 0, 0, 0])) for number in (-9, -1, 0, 1, 2, 3)]
    assert shown == [0, 0, 0, 1, 2, 2]
