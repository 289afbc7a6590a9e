"""New mouths in old pictures: a region of talking frames laid over those of the source.

Whatever lies outside the regions stays the source's own, bit for bit. Inside, the edge fades over
some pixels, and colors are brought to those that the source has along that edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..frames import cover_place, least_around
from ..words import count

MOST_GAIN = 1.5  # a region whose edge shows something else is no measure of contrast
_FLAT = 1 / 255  # deviation below which an edge has no contrast


@dataclass(frozen=True, kw_only=True, slots=True)
class Laid:
    """What was laid over how much."""

    frames: Tensor  # [F, H, W, 3] in 0..1
    untouched: int  # pixels of all frames that are the source's own
    narrowed: int  # frames whose edge is narrower than was asked for
    color_shift: float  # mean change of colors, in 0..1


def lay_over(
    source: Tensor, talking: Tensor, regions: Sequence[Tensor], *, feather: int, match: bool
) -> Laid:
    """Lay regions of talking frames over a source.

    Args:
        source: [F, H, W, 3] in 0..1.
        talking: [F', h, w, 3] in 0..1, F' not above F, of what a video of h x w shows of the source
            (its centre, scaled to cover). Frames after its end stay the source's own.
        regions: One [1, H, W] for all frames, or one per talking frame; above 0 is laid over.
        feather: Pixels over which a region's edge fades, inwards; fewer where it is small.
        match: Whether colors are brought to those of the source along the edge.

    Returns:
        New frames; `source` stays as it is.

    Raises:
        ValueError: If there are more talking frames than source frames, or a region is empty where
            the talking frames show it.
    """
    _check_lengths(source, talking, regions)
    out, shift = source.clone(), 0.0
    untouched, narrowed = len(source) * source.shape[1] * source.shape[2], 0
    shown = _shown_part(source.shape[1:3], talking.shape[1:3])
    edge: tuple[Tensor, bool] | None = None
    known: Tensor | None = None
    for index, frame in enumerate(talking):
        region = regions[min(index, len(regions) - 1)]
        if edge is None or region is not known:
            known, edge = region, _edge(region[0] > 0, shown, feather)
        alpha, narrow = edge
        rows, columns = _bounds(alpha)
        part, fade = source[index, rows, columns], alpha[rows, columns, None]
        new = _sample(frame, source.shape[1:3], rows, columns)
        if match:
            moved = _match(new, part, fade[..., 0])
            shift += float((moved - new).abs().mean()) / len(talking)
            new = moved
        laid = torch.lerp(part, new.clamp(0, 1).to(part.dtype), fade.to(part.dtype))
        out[index, rows, columns] = torch.where(fade > 0, laid, part)
        untouched -= int((alpha > 0).sum())
        narrowed += narrow
    return Laid(frames=out, untouched=untouched, narrowed=narrowed, color_shift=shift)


def _check_lengths(source: Tensor, talking: Tensor, regions: Sequence[Tensor]) -> None:
    if len(talking) > len(source):
        raise ValueError(
            f"talking holds {count(len(talking), 'frame')}, and source {len(source)}; every one "
            "needs a frame of the source. Connect images of the same MultiTalk Dub Source to both "
            "the sampler and source."
        )
    if 1 < len(regions) < len(talking):
        raise ValueError(
            f"The face regions are given for {count(len(regions), 'frame')}, and there are "
            f"{len(talking)}; give one per frame, or one for all."
        )


def _shown_part(source: tuple[int, ...], video: tuple[int, ...]) -> tuple[slice, slice]:
    """Whole rows and columns of the source that a video of another size shows."""
    rows, columns, top, left = cover_place(source[0], source[1], (video[0], video[1]))
    spans = []
    for size, scaled, begin, shown in zip(source, (rows, columns), (top, left), video, strict=True):
        ratio = size / scaled
        spans.append(slice(_up(begin * ratio), int((begin + shown) * ratio + 1e-6)))
    return spans[0], spans[1]


def _up(value: float) -> int:
    """The next whole number, but for rounding."""
    return -int(-value + 1e-6)


def _edge(region: Tensor, shown: tuple[slice, slice], feather: int) -> tuple[Tensor, bool]:
    """How much of each pixel [H, W] is laid over, and whether the fade had to be narrower."""
    seen = torch.zeros_like(region)
    seen[shown] = region[shown]
    if not seen.any():
        raise ValueError(
            "The face region lies outside of what the talking frames show, or is empty. Draw it "
            "around the mouth, in pixels of the source."
        )
    inner, mask = feather // 2, seen.float()[None, None]
    while inner and not least_around(mask, 4 * inner).any():  # the middle half is to be new wholly
        inner //= 2
    size, core = 2 * inner + 1, least_around(mask, inner)
    soft = torch.nn.functional.avg_pool2d(
        core, size, stride=1, padding=inner, count_include_pad=False
    )
    return soft[0, 0] * mask[0, 0], inner < feather // 2


def _bounds(alpha: Tensor) -> tuple[slice, slice]:
    """Rows and columns that hold everything above 0."""
    spans = []
    for axis in (1, 0):
        places = (alpha > 0).any(axis).nonzero()[:, 0]
        spans.append(slice(int(places[0]), int(places[-1]) + 1))
    return spans[0], spans[1]


def _sample(frame: Tensor, source: tuple[int, ...], rows: slice, columns: slice) -> Tensor:
    """What a talking frame [h, w, 3] shows at these pixels of a source of another size."""
    if frame.shape[:2] == source:
        return frame[rows, columns]
    height, width = frame.shape[:2]
    cover = cover_place(source[0], source[1], (height, width))
    axes = []
    for span, own, scaled, begin, shown in zip(
        (rows, columns), source, cover[:2], cover[2:], (height, width), strict=True
    ):
        centres = torch.arange(span.start, span.stop) + 0.5
        places = centres * scaled / own - begin  # in pixels of the talking frame
        axes.append(2 * places / shown - 1)
    grid = torch.stack(torch.meshgrid(axes[1], axes[0], indexing="xy"), dim=-1)
    sampled = torch.nn.functional.grid_sample(
        frame.movedim(-1, 0)[None], grid[None].to(frame), padding_mode="border", align_corners=False
    )
    return sampled[0].movedim(0, -1)


def _match(new: Tensor, old: Tensor, fade: Tensor) -> Tensor:
    """`new` [H, W, 3] with the mean and contrast that `old` has where the edge fades."""
    along = (fade > 0) & (fade < 1)
    if not along.any():
        along = fade > 0
    ours, theirs = new[along], old[along].to(new.dtype)
    spread, wanted = ours.std(0, unbiased=False), theirs.std(0, unbiased=False)
    has = (spread > _FLAT) & (wanted > _FLAT)
    gain = torch.where(has, wanted / spread.clamp_min(_FLAT), 1.0)
    gain = gain.clamp(1 / MOST_GAIN, MOST_GAIN)
    return (new - ours.mean(0)) * gain + theirs.mean(0)


def describe_laid(laid: Laid, talking: int) -> str:
    """What is said of frames that were made by `lay_over`; `talking` frames have new mouths."""
    whole = laid.frames[..., 0].numel()
    lines = [
        f"{count(talking, 'frame')} of {len(laid.frames)} with new mouths",
        f"of {count(whole, 'pixel')} {laid.untouched} ({laid.untouched / whole:.2%}) are the "
        "source's own, bit for bit",
    ]
    if laid.color_shift:
        lines.append(f"colours inside were moved by {laid.color_shift * 255:.1f} of 255 on average")
    if laid.narrowed:
        lines.append(
            f"{count(laid.narrowed, 'frame')}: the region is too small for such a wide feather, "
            "which was narrowed"
        )
    return "\n".join(lines)
