"""Frame counts, size buckets, resize, crop, and what lies around a place."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .config import FRAME_RATE, TOKEN_PX, VAE_SPACE, VAE_TIME, SizeClass

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CROP = 16  # a picture of another shape than the video loses up to all but this part

# (label = height / width with two decimals, (height, width)); sizes are multiples of 64.
BUCKETS: Mapping[SizeClass, Sequence[tuple[float, tuple[int, int]]]] = {
    "480": (
        (0.26, (320, 1216)), (0.38, (384, 1024)), (0.50, (448, 896)), (0.67, (512, 768)),
        (0.82, (576, 704)), (1.00, (640, 640)), (1.22, (704, 576)), (1.50, (768, 512)),
        (1.86, (832, 448)), (2.00, (896, 448)), (2.50, (960, 384)), (2.83, (1088, 384)),
        (3.60, (1152, 320)), (3.80, (1216, 320)), (4.00, (1280, 320)),
    ),
    "720": (
        (0.22, (448, 2048)), (0.29, (512, 1792)), (0.36, (576, 1600)), (0.45, (640, 1408)),
        (0.55, (704, 1280)), (0.63, (768, 1216)), (0.76, (832, 1088)), (0.88, (896, 1024)),
        (1.00, (960, 960)), (1.14, (1024, 896)), (1.31, (1088, 832)), (1.50, (1152, 768)),
        (1.58, (1216, 768)), (1.82, (1280, 704)), (1.91, (1344, 704)), (2.20, (1408, 640)),
        (2.30, (1472, 640)), (2.67, (1536, 576)), (2.89, (1664, 576)), (3.62, (1856, 512)),
        (3.75, (1920, 512)),
    ),
}  # fmt: skip


def count_frames(duration_s: Fraction) -> int:
    """Number of video frames that cover a sound, in exact arithmetic."""
    return math.ceil(duration_s * FRAME_RATE)


def count_latent_frames(num_frames: int) -> int:
    """Latent frames of `num_frames` frames (4n+1 frames give n+1)."""
    return (num_frames - 1) // VAE_TIME + 1


def latent_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the latent of a picture."""
    return height // VAE_SPACE, width // VAE_SPACE


def bucket_size(
    height: int,
    width: int,
    *,
    size: SizeClass,
    buckets: Mapping[SizeClass, Sequence[tuple[float, tuple[int, int]]]] = BUCKETS,
) -> tuple[int, int]:
    """Height and width of the bucket whose shape is nearest to the picture's; the earlier of two.

    Size class "480" is about 640x640, "720" about 960x960.
    """
    ratio = height / width
    return min(buckets[size], key=lambda entry: abs(entry[0] - ratio))[1]


def check_size(height: int, width: int) -> None:
    """Raise ValueError for a side in pixels that is not a positive multiple of 16."""
    for name, value in (("width", width), ("height", height)):
        if value < TOKEN_PX or value % TOKEN_PX:
            below = max(TOKEN_PX, value // TOKEN_PX * TOKEN_PX)
            raise ValueError(
                f"{name} is {value}; sizes must be multiples of {TOKEN_PX}. "
                f"Use {below} or {below + TOKEN_PX}."
            )


def check_shape(picture: tuple[int, int], video: tuple[int, int]) -> None:
    """Refuse a picture of which the video would show next to nothing.

    Resized to cover the video it would also need that many times the memory. Sizes are height and
    width.

    Raises:
        ValueError: If less than a sixteenth of the picture would be seen.
    """
    ratio = Fraction(picture[0] * video[1], picture[1] * video[0])
    if max(ratio, 1 / ratio) > MAX_CROP:
        raise ValueError(
            f"The picture is {picture[1]} x {picture[0]} and the video {video[1]} x {video[0]}; "
            f"less than 1/{MAX_CROP} of the picture would be seen. Crop the picture, or choose a "
            "size of its shape."
        )


def cover_place(height: int, width: int, target: tuple[int, int]) -> tuple[int, int, int, int]:
    """Size that covers the target, and top left corner of the centre crop."""
    scale = max(target[0] / height, target[1] / width)
    rows, columns = math.ceil(scale * height), math.ceil(scale * width)
    # Half to even, as the reference's round().
    return rows, columns, round((rows - target[0]) / 2), round((columns - target[1]) / 2)


def fit_frames(frames: Tensor, height: int, width: int) -> Tensor:
    """Resize [F, H, W, 3] in 0..1 to cover the target, then crop the centre.

    The result, [F, height, width, 3] float32, has 8 bits per channel: Pillow's antialiased bilinear
    resize works on bytes, as the reference does.
    """
    rows, columns, top, left = cover_place(frames.shape[1], frames.shape[2], (height, width))
    out = torch.empty(len(frames), height, width, 3)
    for index, picture in enumerate(to_bytes(frames).numpy()):
        resized = Image.fromarray(picture).resize((columns, rows), Image.Resampling.BILINEAR)
        cropped = resized.crop((left, top, left + width, top + height))
        out[index] = torch.from_numpy(np.array(cropped)) / 255
    return out


def fit_masks(masks: Tensor, height: int, width: int) -> Tensor:
    """Resize masks [S, H, W] to cover the target by nearest neighbour, then crop the centre."""
    rows, columns, top, left = cover_place(masks.shape[1], masks.shape[2], (height, width))
    resized = torch.nn.functional.interpolate(masks[None].float(), (rows, columns), mode="nearest")
    return resized[0, :, top : top + height, left : left + width]


def pad_with_grey(frames: Tensor, num_frames: int) -> Tensor:
    """Append mid grey, the "to be generated" of Wan I2V: [F, H, W, 3] to [num_frames, H, W, 3]."""
    grey = frames.new_full((num_frames - len(frames), *frames.shape[1:]), 0.5)
    return torch.cat([frames, grey])


def to_bytes(frames: Tensor) -> Tensor:
    """Round frames [F, H, W, 3] in 0..1 to uint8 on the CPU; they change by 1/510 at most."""
    return (frames.clamp(0, 1) * 255).round_().to("cpu", torch.uint8)


def from_bytes(frames: Tensor) -> Tensor:
    """The opposite of `to_bytes`: uint8 to float32 in 0..1; the way back is exact."""
    return frames.float().div_(255)


def picture_source(image: Tensor, height: int, width: int) -> Callable[[int], Tensor]:
    """Frames of a picture or source video [F, H, W, 3] in 0..1, resized when asked for.

    The callable takes a number and gives [1, height, width, 3]; the first frame stands for all
    before it, where a video goes on from another one, and the last for all that follow.
    """
    first = fit_frames(image[:1], height, width)

    def frame(number: int) -> Tensor:
        index = max(0, min(number, len(image) - 1))
        return fit_frames(image[index : index + 1], height, width) if index else first

    return frame


def least_around(planes: Tensor, pixels: int) -> Tensor:
    """The least value within a square of `pixels` around each place of planes [..., C, H, W].

    What is brighter than its surroundings shrinks by as much; beyond the picture lies nothing.
    """
    for axis in (0, 1):
        size, padding = [1, 1], [0, 0]
        size[axis], padding[axis] = 2 * pixels + 1, pixels
        planes = -torch.nn.functional.max_pool2d(-planes, size, stride=1, padding=padding)
    return planes
