"""Color matching: move each frame's Lab statistics to those of a reference picture."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

# sRGB (D65) to XYZ divided by the D65 white point of the 2 degree observer, and back.
# Source: IEC 61966-2-1; CIE 15, white point (0.95047, 1, 1.08883).
_WHITE = (0.95047, 1.0, 1.08883)
_RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_CUBE_FROM = 0.008856  # CIE 1976 L*a*b*: below this the cube root becomes a line
_SLOPE = 7.787
_OFFSET = 16 / 116
# In a nearly grey frame the rounding of power, product and cube root decides, so they are those of
# the reference's library; torch's differ in the last bit, which the match amplifies many times.
_NEARLY_GREY = 0.05
_ROUNDING = 1e-4  # a smaller deviation is no color, only rounding
MEASURED_FRAMES = 5  # of a window, evenly spaced: enough for its mean color


def _to_lab(rgb: Tensor, *, with_numpy: bool = False) -> Tensor:
    """[..., 3] sRGB in 0..1 to [..., 3] Lab (L 0..100)."""
    scaled = (rgb + 0.055) / 1.055
    power = np.power(scaled.numpy(), 2.4) if with_numpy else scaled.clamp_min(0) ** 2.4
    linear = torch.where(rgb > 0.04045, torch.as_tensor(power), rgb / 12.92)
    product = _fused_product if with_numpy else torch.matmul
    xyz = product(linear, _matrix(_RGB_TO_XYZ, rgb).T) / _matrix(_WHITE, rgb)
    root = torch.from_numpy(np.cbrt(xyz.numpy())) if with_numpy else xyz.clamp_min(0) ** (1 / 3)
    f = torch.where(xyz > _CUBE_FROM, root, _SLOPE * xyz + _OFFSET)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def _fused_product(rows: Tensor, matrix: Tensor) -> Tensor:
    """Product of rows [..., 3] and matrix [3, 3], float32, by fused multiply-adds from the left.

    So does the BLAS below the reference's library. Whether torch.matmul fuses depends on the
    processor, and the last bit decides here. Products of float32 are exact in float64.
    """
    total = rows[..., :1] * matrix[0]
    for index in (1, 2):
        fused = total.double() + rows[..., index, None].double() * matrix[index].double()
        total = fused.float()
    return total


def _matrix(values: object, like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)


def _to_rgb(lab: Tensor) -> Tensor:
    """[..., 3] Lab to [..., 3] sRGB, clipped to 0..1."""
    light, a, b = lab.unbind(-1)
    y = (light + 16) / 116
    # A negative z has no color; clamped before the inverse, as the usual libraries do.
    f = torch.stack([y + a / 500, y, (y - b / 200).clamp_min(0)], dim=-1)
    xyz = torch.where(f > _CUBE_FROM ** (1 / 3), f**3, (f - _OFFSET) / _SLOPE)
    inverse = torch.linalg.inv(torch.tensor(_RGB_TO_XYZ, dtype=torch.float64)).float().to(lab)
    linear = (xyz * _matrix(_WHITE, lab)) @ inverse.T
    gamma = 1.055 * linear.clamp_min(0) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, gamma, linear * 12.92).clamp(0, 1)


def color_statistics(frames: Tensor, device: torch.device | None = None) -> Tensor:
    """Colors of a picture, or of up to 5 frames of a window, [F, H, W, 3] in 0..1.

    They are computed a frame at a time on `device`; None: where the frames are. The result is
    [2, 3] float32: mean and population standard deviation of L, a and b, the mean over frames.
    """
    step = max(1, len(frames) // MEASURED_FRAMES)
    measured = [
        _measure(_to_lab(frame.to(device or frame.device).float().clamp(0, 1)))
        for frame in frames[::step][:MEASURED_FRAMES]
    ]
    return torch.stack(measured).mean(0)


def color_distance(statistics: Tensor, reference: Tensor) -> float:
    """Distance of two `color_statistics` [2, 3]: of the means, CIE76; 2 is just visible."""
    return float((statistics[0] - reference[0].to(statistics)).norm())


def match_statistics(frames: Tensor, target: Tensor, *, strength: float) -> Tensor:
    """Give each frame [F, H, W, 3] in 0..1 the mean and deviation [2, 3] of a target, in Lab.

    A channel without any deviation beyond rounding becomes the target's mean. Frames are matched
    on the target's device, one at a time; strength 0 leaves them untouched, 1 replaces them.

    Source: Reinhard et al. 2001, "Color transfer between images", in CIE Lab; sampling.md 7.
    """
    if strength == 0:
        return frames
    out = torch.empty_like(frames)
    for index, frame in enumerate(frames):
        source = frame.to(target.device).clamp(0, 1)
        lab = _to_lab(source)
        statistics = _measure(lab)
        if float(statistics[1].min()) < _NEARLY_GREY:
            lab = _to_lab(source.cpu().contiguous(), with_numpy=True).to(source.device)
            statistics = _measure(lab)
        out[index] = torch.lerp(source, _to_rgb(_move(lab, statistics, target)), strength)
    return out


def _measure(lab: Tensor) -> Tensor:
    """Mean and population standard deviation of [H, W, 3], as [2, 3]."""
    return torch.stack([lab.mean((0, 1)), lab.std((0, 1), unbiased=False)])


def _move(lab: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Shift and scale each channel; one without deviation becomes the target's mean."""
    varies = source[1] > _ROUNDING
    gain = torch.where(varies, target[1] / source[1].clamp_min(_ROUNDING), 0)
    return (lab - source[0]) * gain + target[0]
