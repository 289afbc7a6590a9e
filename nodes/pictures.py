"""Whatever stands on an IMAGE socket, as checked pictures."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..multitalk.words import count
from .values import has_numbers, shown

LEAST, MOST = -0.5, 2.0  # resizing goes a little beyond 0..1; other scales go far beyond
# Kinds of whole numbers that pictures come in, and what is white.
WHITE = {torch.uint8: 255, torch.uint16: 65535, torch.bool: 1}
ADVICE = {
    "image": "it takes a picture; connect for example Load Image.",
    "end_image": "it takes a picture; connect for example Load Image, or leave it free.",
    "continue_from": "it takes a video or its frames; connect for example Load Video, or leave it "
    "free.",
    "images": "it takes frames; connect MultiTalk Sampler.",
    "source": "it takes frames of a video; connect MultiTalk Dub Source.",
    "talking": "it takes frames; connect MultiTalk Sampler.",
    "video": "it takes a video; connect the host's Load Video.",
}


def read_pictures(value: object, name: str) -> Tensor:
    """Pictures of an IMAGE, [F, H, W, 3] float32 on the CPU, nothing copied that fits.

    One channel is repeated, a fourth (how opaque) left out; whole numbers of 8 and 16 bits become
    0..1. The message calls it `name`.

    Raises:
        ValueError: If it is no picture, or its numbers have another scale.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        value = torch.from_numpy(np.ascontiguousarray(value, value.dtype.newbyteorder("=")))
    if not isinstance(value, Tensor) or not has_numbers(value):
        raise ValueError(f"{name} is {shown(value)}; {ADVICE.get(name, ADVICE['image'])}")
    image = value.detach()
    if image.ndim == 3 and image.shape[-1] in (3, 4):
        image = image[None]
    if image.ndim != 4 or not all(image.shape[1:]):
        raise ValueError(f"{name} is {shown(value)}; {ADVICE.get(name, ADVICE['image'])}")
    if not len(image):
        raise ValueError(f"{name} is an empty batch; connect a picture.")
    pictures = _to_float(_to_colors(image, name), name)
    _check_range(pictures, name)
    return pictures


def _to_colors(image: Tensor, name: str) -> Tensor:
    channels = image.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(
            f"{name} has {count(channels, 'channel')} ({shown(image)}); a picture has 3 (red, "
            "green, blue), 1 (grey) or 4 (with how opaque it is), and they come last. Connect for "
            "example Load Image."
        )
    return image.expand(-1, -1, -1, 3) if channels == 1 else image[..., :3]


def _to_float(image: Tensor, name: str) -> Tensor:
    if image.is_floating_point():
        return image.to("cpu", torch.float32)
    if image.dtype not in WHITE:
        kind = str(image.dtype).removeprefix("torch.")
        raise ValueError(
            f"{name} holds numbers of the kind {kind}, of which it is not known what is white; a "
            "picture's numbers go from 0 to 1. Divide them by what is white, such as 255."
        )
    return image.to("cpu", torch.float32) / WHITE[image.dtype]


def _check_range(pictures: Tensor, name: str) -> None:
    lowest, highest = (float(value) for value in pictures.aminmax())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise ValueError(
            f"{name} holds numbers that are not finite; every number of a picture must be. "
            "Make the picture again, or load another."
        )
    if lowest < LEAST or highest > MOST:
        signed = -1.5 < lowest < 0 and highest < 1.5
        remedy = "add 1 and divide by 2" if signed else "divide by what is white, often 255"
        raise ValueError(
            f"{name} holds numbers from {lowest:.4g} to {highest:.4g}; those of a picture go from "
            f"0 (black) to 1 (white). Load it with Load Image, or {remedy}."
        )
