"""Color matching: move each frame's Lab statistics to those of a reference picture.

On the way pixels lie in planes [3, n]. A processor takes one frame at a time, in pieces that stay
in its cache, with the operations that torch runs as vectors there: no `where`, no `power` (three
times the time of logarithm and exponential), no strided copy. A card takes many frames at once,
and nothing waits for its results. `tools/bench/color_cpu.py` measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
_F_TO_LAB = ((0.0, 116.0, 0.0), (500.0, -500.0, 0.0), (0.0, 200.0, -200.0))  # L + 16
_SRGB_KNEE, _LINEAR_KNEE = 0.04045, 0.0031308  # IEC 61966-2-1: below these sRGB is a line
_CUBE_FROM = 0.008856  # CIE 1976 L*a*b*: below this the cube root becomes a line
_SLOPE = 7.787
_OFFSET = 16 / 116
# Here that line meets the cube root; from the rounded threshold to here they are 3e-7 apart.
_CUBE_KNEE = 0.00889
_ROOT_KNEE = _CUBE_KNEE ** (1 / 3)
_TO_XYZ = np.array(_RGB_TO_XYZ) / np.array(_WHITE)[:, None]
_TO_LINEAR = np.linalg.inv(np.array(_RGB_TO_XYZ)) * np.array(_WHITE)
_GAMMA = 1.055**2.4
# How far the L of `_to_lab` is above L, which saves it two operations.
_LIFT = 16 + 116 * _SLOPE * _CUBE_KNEE
# In a nearly grey frame the rounding of power, product and cube root decides, so they are those of
# the reference's library; torch's differ in the last bit, which the match amplifies many times.
_NEARLY_GREY = 0.2
_ROUNDING = 1e-4  # a smaller deviation is no color, only rounding
MEASURED_FRAMES = 5  # of a window, evenly spaced: enough for its mean color
_PIECE = 32768  # pixels per thread of a processor: three such planes take 0.1 MB
_GROUP = 2**22  # pixels of the frames that a card takes at once: 50 MB a copy


class _Tables:
    """Constant matrices on a device: made once per match, as each is a copy to a card."""

    def __init__(self, device: torch.device) -> None:
        def table(values: np.ndarray | Sequence[Sequence[float]]) -> Tensor:
            return torch.tensor(np.asarray(values), dtype=torch.float32, device=device)

        self.to_xyz, self.to_linear = table(_TO_XYZ / _GAMMA), table(_TO_LINEAR * _GAMMA)
        self.to_lab = table(_F_TO_LAB)
        self.from_lab = table(((1 / 116, 1 / 500, 0), (1 / 116, 0, 0), (1 / 116, 0, -1 / 200)))
        self.lift, self.dark = table(((_LIFT, 0, 0), (16, 0, 0)))


def color_statistics(frames: Tensor, device: torch.device | None = None) -> Tensor:
    """Colors of a picture, or of up to 5 frames of a window, [F, H, W, 3] in 0..1.

    They are computed on `device`; None: where the frames are. The result is [2, 3] float32: mean
    and population standard deviation of L, a and b, the mean over frames.
    """
    step = max(1, len(frames) // MEASURED_FRAMES)
    measured = frames[::step][:MEASURED_FRAMES]
    device = device or frames.device
    tables, groups = _Tables(device), _groups(measured, device)
    found = [_measure(_to_lab(group, tables), tables).view(-1, 2, 3) for _, group in groups]
    return torch.cat(found).mean(0)


def color_distance(statistics: Tensor, reference: Tensor) -> float:
    """Distance of two `color_statistics` [2, 3]: of the means, CIE76; 2 is just visible."""
    return float((statistics[0] - reference[0].to(statistics)).norm())


def match_statistics(frames: Tensor, target: Tensor, *, strength: float) -> Tensor:
    """Give each frame [F, H, W, 3] in 0..1 the mean and deviation [2, 3] of a target, in Lab.

    A channel without any deviation beyond rounding becomes the target's mean. Frames are matched
    on the target's device; strength 0 leaves them untouched, 1 replaces them.

    Source: Reinhard et al. 2001, "Color transfer between images", in CIE Lab; sampling.md 7.
    """
    if strength == 0:
        return frames
    out = torch.empty(frames.shape, dtype=frames.dtype, device=frames.device)
    tables, memory = _Tables(target.device), None
    for place, source in _groups(frames, target.device):
        lab = memory = _to_lab(source, tables, memory)
        statistics = _measure(lab, tables)
        if lab.device.type == "cpu" and float(statistics[..., 1, :].min()) < _NEARLY_GREY:
            lab, statistics = _center_exactly(source)
        matrix, offset = _move(statistics, target, tables)
        before, after = _planes(source), _planes(out[place])
        for piece in _pieces(lab):
            rgb = _to_rgb(torch.matmul(matrix, lab[..., piece]).add_(offset), tables)
            if strength != 1:
                rgb = torch.lerp(_loose(before[..., piece]).clamp_(0, 1), rgb, strength)
            _copy(rgb, after[..., piece])
    return out


def _groups(frames: Tensor, device: torch.device) -> Iterator[tuple[int | slice, Tensor]]:
    """Place and float32 copy of one frame [H, W, 3], or on a card of many [F, H, W, 3]."""
    if device.type == "cpu":
        for index, frame in enumerate(frames):
            yield index, frame.to(device, torch.float32)
        return
    size = max(1, _GROUP // max(1, frames[:1, ..., 0].numel()))
    for start in range(0, len(frames), size):
        place = slice(start, start + size)
        yield place, frames[place].to(device, torch.float32)


def _planes(frames: Tensor) -> Tensor:
    """[..., H, W, 3] seen as [..., 3, H * W]."""
    return frames.movedim(-1, -3).flatten(-2)


def _pieces(planes: Tensor) -> Iterator[slice]:
    """Parts of the last axis that are worked off together."""
    size = planes.shape[-1]
    step = _PIECE * torch.get_num_threads() if planes.device.type == "cpu" else size
    return (slice(start, start + step) for start in range(0, size, max(1, step)))


def _copy(source: Tensor, destination: Tensor) -> None:
    """Copy planes of unlike strides; numpy takes a third of torch's time, a channel at a time."""
    if source.device.type == destination.device.type == "cpu" and source.dtype == destination.dtype:
        for values, place in zip(source, destination, strict=True):
            np.copyto(place.numpy(), values.numpy())
    else:
        destination.copy_(source)


def _loose(planes: Tensor) -> Tensor:
    """A contiguous copy that may be changed."""
    copy = torch.empty(planes.shape, dtype=planes.dtype, device=planes.device)
    _copy(planes, copy)
    return copy


def _to_lab(frames: Tensor, tables: _Tables, memory: Tensor | None = None) -> Tensor:
    """[..., H, W, 3] sRGB, clipped to 0..1, as [..., 3, H * W] of L + `_LIFT`, a and b.

    It is laid into `memory` if that has its shape: new memory costs a sixth of the whole match.
    """
    planes = _planes(frames)
    lab = memory
    if lab is None or lab.shape != planes.shape:
        lab = torch.empty(planes.shape, device=planes.device)
    for piece in _pieces(planes):
        rgb = _loose(planes[..., piece])
        line = rgb.clamp(0, _SRGB_KNEE).sub_(_SRGB_KNEE)
        power = _power_(rgb.clamp_(_SRGB_KNEE, 1).add_(0.055), 2.4)
        xyz = torch.matmul(tables.to_xyz, power.add_(line, alpha=_GAMMA / 12.92))
        line = xyz.clamp_max(_CUBE_KNEE)
        root = _power_(xyz.clamp_min_(_CUBE_KNEE), 1 / 3).add_(line, alpha=_SLOPE)
        torch.matmul(tables.to_lab, root, out=lab[..., piece])
    return lab


def _to_rgb(f: Tensor, tables: _Tables) -> Tensor:
    """[..., 3, n] of the cube roots of XYZ, with their line, to sRGB, clipped to 0..1; changes f.

    A negative z has no color; clamped before the inverse, as the usual libraries do.
    """
    f[..., 2, :].clamp_(min=0)
    line = f.clamp_max(_ROOT_KNEE).sub_(_ROOT_KNEE).mul_(1 / _SLOPE)
    f.clamp_min_(_ROOT_KNEE)
    xyz = line.addcmul_(f.square(), f)
    linear = torch.matmul(tables.to_linear, xyz)
    line = linear.clamp_max(_GAMMA * _LINEAR_KNEE)
    power = _power_(linear.clamp_min_(_GAMMA * _LINEAR_KNEE), 1 / 2.4)
    rgb = power.add_(line, alpha=12.92 / _GAMMA)
    return rgb.sub_(0.055 + 12.92 * _LINEAR_KNEE).clamp_(0, 1)


def _power_(values: Tensor, exponent: float) -> Tensor:
    """Powers of positive values, in place."""
    if values.device.type != "cpu":
        return values.pow_(exponent)
    return values.log2_().mul_(exponent).exp2_()


def _measure(lab: Tensor, tables: _Tables) -> Tensor:
    """Mean and population standard deviation of the result of `_to_lab`, as [..., 2, 3]."""
    mean = lab.mean(-1)
    squares = [(lab[..., piece] - mean[..., None]).square_().sum(-1) for piece in _pieces(lab)]
    deviation = (torch.stack(squares).sum(0) / lab.shape[-1]).sqrt_()
    return torch.stack([mean - tables.lift, deviation], dim=-2)


def _move(source: Tensor, target: Tensor, tables: _Tables) -> tuple[Tensor, Tensor]:
    """Matrix [..., 3, 3] and offset [..., 3, 1] that shift and scale each channel of `_to_lab`.

    They lead to the cube roots that `_to_rgb` takes. A channel without deviation becomes the
    target's mean.
    """
    varies = source[..., 1, :] > _ROUNDING
    gain = torch.where(varies, target[1] / source[..., 1, :].clamp_min(_ROUNDING), 0)
    offset = target[0] + tables.dark - gain * (source[..., 0, :] + tables.lift)
    return tables.from_lab * gain[..., None, :], torch.matmul(tables.from_lab, offset[..., None])


def _center_exactly(frame: Tensor) -> tuple[Tensor, Tensor]:
    """A frame [H, W, 3] as `_to_lab` gives it, less its mean, and its statistics; by numpy."""
    rgb = frame.clamp(0, 1).contiguous()
    power = np.power(((rgb + 0.055) / 1.055).numpy(), 2.4)
    linear = torch.where(rgb > _SRGB_KNEE, torch.as_tensor(power), rgb / 12.92)
    xyz = _fused_product(linear, _matrix(_RGB_TO_XYZ, rgb).T) / _matrix(_WHITE, rgb)
    root = torch.from_numpy(np.cbrt(xyz.numpy()))
    x, y, z = torch.where(xyz > _CUBE_FROM, root, _SLOPE * xyz + _OFFSET).unbind(-1)
    lab = torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)
    mean, deviation = lab.mean((0, 1)), lab.std((0, 1), unbiased=False)
    centered = _planes(lab - mean).contiguous()
    return centered, torch.stack([_matrix((-_LIFT, 0.0, 0.0), lab), deviation])


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
