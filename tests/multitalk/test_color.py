from __future__ import annotations

import numpy as np
import pytest
import torch

from pack.multitalk import color
from pack.tests.multitalk.colors import match_colors
from pack.tests.multitalk.tolerances import close

WHITE = (0.95047, 1.0, 1.08883)
TO_XYZ = np.array(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
)


def lab(picture):
    """CIE Lab of sRGB after the standards, in float64: [..., 3]."""
    rgb = picture.double().numpy()
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = linear @ TO_XYZ.T / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1).reshape(-1, 3)


def rgb(values):
    """SRGB of CIE Lab [n, 3] after the standards, in float64."""
    light, a, b = values.T
    y = (light + 16) / 116
    f = np.stack([y + a / 500, y, np.maximum(y - b / 200, 0)], -1)
    xyz = np.where(f > np.cbrt(0.008856), f**3, (f - 16 / 116) / 7.787)
    linear = (xyz * WHITE) @ np.linalg.inv(TO_XYZ).T
    gamma = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear > 0.0031308, gamma, 12.92 * linear).clip(0, 1)


def matched(frame, reference):
    """The rule of the match for one frame, in float64."""
    own, wanted = lab(frame), lab(reference)
    moved = (own - own.mean(0)) * (wanted.std(0) / own.std(0)) + wanted.mean(0)
    return torch.from_numpy(rgb(moved).reshape(frame.shape))


def muted(*shape, seed, low=0.3, high=0.7):
    """Colors far from the borders of sRGB, so that a match stays inside."""
    random = torch.Generator().manual_seed(seed)
    return low + (high - low) * torch.rand(*shape, 3, generator=random)


def flat(*color, height=6, width=5):
    return torch.tensor(color).expand(height, width, 3)


@pytest.fixture
def reference():
    return muted(7, 9, seed=1, low=0.45, high=0.6) + torch.tensor([0.05, 0.0, -0.1])


def test_frames_keep_shape_and_dtype_and_are_not_changed(reference):
    frames = muted(3, 6, 5, seed=0)
    before = frames.clone()
    out = match_colors(frames, reference, strength=1.0)
    assert out.shape == (3, 6, 5, 3)
    assert out.dtype == torch.float32
    assert torch.equal(frames, before)


@pytest.mark.parametrize(
    ("low", "high"), [(0.3, 0.7), (0.005, 0.06), (0.498, 0.502)], ids=["mid", "dark", "faint"]
)
def test_matched_frames_have_the_statistics_of_the_reference(reference, low, high):
    out = match_colors(muted(3, 32, 32, seed=0, low=low, high=high), reference, strength=1.0)
    assert 0 < out.min() < out.max() < 1  # nothing was clipped
    for frame in out:
        np.testing.assert_allclose(lab(frame).mean(0), lab(reference).mean(0), atol=2e-3)
        np.testing.assert_allclose(lab(frame).std(0), lab(reference).std(0), atol=2e-3)


@pytest.mark.parametrize("low_high", [(0.3, 0.7), (0.0, 0.08), (0.0, 1.0)])
def test_frames_larger_than_a_piece_follow_the_rule_at_every_brightness(low_high, reference):
    frame = muted(210, 190, seed=3, low=low_high[0], high=low_high[1])
    frame[:, :95] *= 0.1  # shades of the line near black as well
    out = match_colors(frame[None], reference, strength=1.0)[0]
    assert float((out - matched(frame, reference)).abs().max()) < 2e-5


@pytest.mark.parametrize("threads", [1, 3])
def test_neither_threads_nor_the_order_in_memory_change_a_match(threads, reference):
    frames = muted(2, 120, 96, seed=4)
    expected = match_colors(frames, reference, strength=0.7)
    by_channel = frames.movedim(-1, 0).contiguous().movedim(0, -1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        close(match_colors(by_channel, reference, strength=0.7), expected)
    finally:
        torch.set_num_threads(before)


def test_frames_at_once_as_a_card_takes_them_are_matched_each_on_its_own(monkeypatch, reference):
    frames = torch.stack([muted(12, 9, seed=5), muted(12, 9, seed=6) * 0.4, muted(12, 9, seed=7)])
    expected = match_colors(frames, reference, strength=0.7)
    statistics = color.color_statistics(frames)

    def groups(frames, device):
        return [(slice(k, k + 2), frames[k : k + 2]) for k in range(0, len(frames), 2)]

    monkeypatch.setattr(color, "_groups", groups)
    close(match_colors(frames, reference, strength=0.7), expected)
    close(color.color_statistics(frames), statistics)


def test_frames_of_half_precision_keep_their_dtype(reference):
    frames = muted(2, 6, 5, seed=0).bfloat16()
    out = match_colors(frames, reference, strength=1.0)
    assert out.dtype == torch.bfloat16
    close(out, match_colors(frames.float(), reference, strength=1.0).bfloat16())


def test_dark_reference_is_reached_too():
    dark = muted(7, 9, seed=1, low=0.02, high=0.05)
    out = match_colors(muted(1, 32, 32, seed=0), dark, strength=1.0)[0]
    assert 0 < out.min() < out.max() < 0.1
    np.testing.assert_allclose(lab(out).mean(0), lab(dark).mean(0), atol=2e-3)
    np.testing.assert_allclose(lab(out).std(0), lab(dark).std(0), atol=2e-3)


def test_picture_matched_to_itself_is_itself(reference):
    out = match_colors(reference[None], reference, strength=1.0)
    torch.testing.assert_close(out[0], reference, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "color",
    [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0.2, 0.7, 0.3), (0.01, 0.02, 0.9)],
)
def test_frame_of_one_colour_gets_the_mean_colour_of_the_reference(color, reference):
    out = match_colors(flat(*color)[None], reference, strength=1.0)[0]
    assert float((out - out[0, 0]).abs().max()) < 1e-6
    np.testing.assert_allclose(lab(out)[0], lab(reference).mean(0), atol=2e-3)


def test_grey_frame_with_a_coloured_reference_takes_the_colour_but_keeps_its_shades(reference):
    shades = torch.linspace(0.2, 0.8, 64).reshape(8, 8, 1).expand(8, 8, 3)
    out = match_colors(shades[None], reference, strength=1.0)[0]
    np.testing.assert_allclose(lab(out).mean(0)[0], lab(reference).mean(0)[0], atol=2e-3)
    np.testing.assert_allclose(lab(out).std(0)[0], lab(reference).std(0)[0], atol=2e-3)
    assert (np.diff(lab(out)[:, 0]) > 0).all()


@pytest.mark.parametrize("color", [(0.25, 0.25, 0.25), (0.6, 0.3, 0.2)])
def test_reference_of_one_colour_colours_everything(color):
    out = match_colors(muted(2, 6, 5, seed=0), flat(*color), strength=1.0)
    torch.testing.assert_close(out, flat(*color).expand(2, 6, 5, 3), rtol=0, atol=1e-4)


def test_strength_zero_returns_the_frames_untouched(reference):
    frames = muted(2, 6, 5, seed=0) * 3 - 1
    assert match_colors(frames, reference, strength=0.0) is frames


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_strength_is_the_share_of_the_way(strength, reference):
    frames = muted(2, 6, 5, seed=0)
    whole = match_colors(frames, reference, strength=1.0)
    part = match_colors(frames, reference, strength=strength)
    close(part, frames + strength * (whole - frames))


def test_result_stays_in_range():
    contrast = torch.tensor([0.0, 1.0]).repeat(8)[None, :, None].expand(4, 16, 3)
    out = match_colors(muted(1, 6, 5, seed=0, low=-0.5, high=1.5), contrast, strength=1.0)
    assert out.min() == 0
    assert out.max() == 1


def test_every_frame_is_matched_on_its_own(reference):
    frames = torch.stack([muted(6, 5, seed=0), muted(6, 5, seed=2) * 0.5, flat(0.1, 0.2, 0.3)])
    single = [match_colors(frame[None], reference, strength=1.0) for frame in frames]
    assert torch.equal(match_colors(frames, reference, strength=1.0), torch.cat(single))


def test_no_frame_gives_no_frame(reference):
    assert match_colors(torch.zeros(0, 6, 5, 3), reference, strength=1.0).shape == (0, 6, 5, 3)
