"""What a window on a VACE base is told: known frames, a reference picture, and a user's control.

VACE reads a second video beside the noise: latents of what is to be kept and of what guides
[1, 32, T, h, w], and a mask [1, 64, T, h, w] that is 0 where frames are kept; reference pictures
are latent frames in front of both. Known frames of a window, the picture or the end of the window
before, are kept ones; the picture is the reference too. What the host's WanVaceToVideo left in
CONDITIONING is one such video for the whole run, of which each window gets its part.

Source: sampling.md section 12, decisions.md 41.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import comfy.latent_formats
import torch
from torch import Tensor

from ...multitalk.config import LATENT_CHANNELS, VAE_SPACE, VAE_TIME
from ...multitalk.film import FilmPlan
from ...multitalk.frames import count_latent_frames
from ...multitalk.generate import WindowRequest
from ...multitalk.words import count

MASK_CHANNELS = VAE_SPACE**2  # a pixel each
_NODE = "WanVaceToVideo"

Encode = Callable[[Tensor], Tensor]  # frames [F, H, W, 3] -> raw latents [1, 16, T, h, w]


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """What WanVaceToVideo left in one entry of a CONDITIONING; several in a row add up."""

    videos: list[Tensor]  # [1, 32, R+T, h, w] each
    masks: list[Tensor]  # [1, 64, R+T, h, w] each
    strengths: list[float]
    references: int  # R, latent frames of reference pictures in front

    @property
    def num_latent_frames(self) -> int:
        """T, without reference pictures."""
        return self.videos[0].shape[2] - self.references

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of the video it is for."""
        height, width = self.videos[0].shape[-2:]
        return VAE_SPACE * height, VAE_SPACE * width


def read_control(entry: Mapping[str, Any]) -> Control | None:
    """The control in an entry of a CONDITIONING, or None.

    Raises:
        ValueError: If its videos are not of one length and size.
    """
    videos = entry.get("vace_frames")
    if not videos:
        return None
    masks = entry.get("vace_mask") or [
        video.new_ones(1, MASK_CHANNELS, *video.shape[2:]) for video in videos
    ]
    references = [_count_references(*pair) for pair in zip(videos, masks, strict=True)]
    shapes = {tuple(values.shape[2:]) for values in (*videos, *masks)}
    if len(shapes) > 1 or len(set(references)) > 1:
        raise ValueError(
            f"{_NODE} stands several times before this node, with other lengths, sizes or "
            "reference images; these controls cannot be added. Give all of them the same length, "
            "width, height and reference_image."
        )
    return Control(
        videos=videos,
        masks=masks,
        strengths=entry.get("vace_strength") or [1.0] * len(videos),
        references=references[0],
    )


def _nothing(like: Tensor) -> Tensor:
    """The guiding half of a reference picture, as the host marks it."""
    return comfy.latent_formats.Wan21().process_out(torch.zeros_like(like))


def _count_references(video: Tensor, mask: Tensor) -> int:
    """Latent frames in front that are pictures: nothing guides there, and all of it is kept."""
    guide = video[:, LATENT_CHANNELS:]
    nothing = (guide == _nothing(guide[:, :, :1])).flatten(3).all(-1).all(1)[0]
    kept = (mask == 0).flatten(3).all(-1).all(1)[0]
    pictures = (nothing & kept).tolist()
    return [*pictures, False].index(False)


class ControlWindows:
    """Control of every window of a run.

    Attributes:
        front: Latent frames of reference pictures that come before each window.
        notes: What is to be said of the user's control.
    """

    def __init__(
        self, plan: FilmPlan, conditionings: Sequence[list[Any]], size_px: tuple[int, int]
    ) -> None:
        """Look at the control in the conditionings of a run with a video of `size_px`.

        Raises:
            ValueError: If it is of another size or length than the video.
        """
        self._plan, self._grey = plan, {}
        self._seen: tuple[Tensor, Tensor] | None = None  # picture, its latents
        found = [read_control(entry) for rows in conditionings for _, entry in rows]
        controls = [control for control in found if control is not None]
        self.notes = list(dict.fromkeys(self._check(control, size_px) for control in controls))
        fronts = {control.references for control in controls} - {0}
        if len(fronts) > 1:
            raise ValueError(
                f"positive and negative carry {' and '.join(map(str, sorted(fronts)))} reference "
                f"pictures. Connect both outputs of the same {_NODE}."
            )
        self.front = max(fronts, default=1)

    def apply(
        self, conditioning: list[Any], request: WindowRequest, encode: Encode
    ) -> list[list[Any]]:
        """A copy of a CONDITIONING with the control of one window."""
        return [
            [text, {**entry, **self._values(read_control(entry), request, encode)}]
            for text, entry in conditioning
        ]

    def _check(self, control: Control, size_px: tuple[int, int]) -> str:
        """Refuse control that does not fit; what each window gets of it."""
        if control.size_px != size_px:
            height, width = control.size_px
            raise ValueError(
                f"positive or negative carries VACE control of {width} x {height}; the video is "
                f"{size_px[1]} x {size_px[0]}. Set width and height of {_NODE} to these."
            )
        plan, length = self._plan, control.num_latent_frames
        window, whole = plan.size.window, _whole_length(plan)
        if length >= count_latent_frames(whole):
            return "each window follows its part of the VACE control"
        if length == count_latent_frames(window):
            return (
                f"the VACE control is as long as one window, so each follows all of it; for one "
                f"that runs through the video, set length of {_NODE} to {whole}"
            )
        given = count(VAE_TIME * (length - 1) + 1, "frame")
        raise ValueError(
            f"positive or negative carries VACE control of {given}; the video has "
            f"{plan.num_frames}, in windows of {window}. Set length of {_NODE} to {whole}, and "
            f"each window follows its part, or to {window}, and each follows all of it."
        )

    def _values(
        self, control: Control | None, request: WindowRequest, encode: Encode
    ) -> dict[str, Any]:
        """Entries of the host's CONDITIONING for one window."""
        grey = self._encoded_grey(request, encode)
        known, masks = request.known_latent_frames, _known_masks(request)
        if control is None:
            videos, told = [torch.cat([request.condition, grey], dim=1)], [masks]
            strengths = [1.0]
        else:
            neutral, strengths = torch.cat([grey, grey], dim=1), control.strengths
            parts = [self._part(control, video, neutral, request) for video in control.videos]
            begin = torch.cat([request.condition, grey], dim=1)[:, :, :known]
            videos = [torch.cat([begin, part[:, :, known:]], dim=2) for part in parts]
            free = torch.ones_like(masks)
            parts = [self._part(control, mask, free, request) for mask in control.masks]
            told = [torch.cat([masks[:, :, :known], part[:, :, known:]], dim=2) for part in parts]
        pictures = self._references(control, request, encode)
        if control is not None and control.references:
            kept = [mask[:, :, : self.front] for mask in control.masks]
        else:
            kept = [torch.zeros_like(masks[:, :, :1])] * len(videos)
        return {
            "vace_frames": [_join(*pair) for pair in zip(pictures, videos, strict=True)],
            "vace_mask": [_join(*pair) for pair in zip(kept, told, strict=True)],
            "vace_strength": strengths,
        }

    def _part(
        self, control: Control, values: Tensor, after: Tensor, request: WindowRequest
    ) -> Tensor:
        """Of values [1, C, R+T, h, w] those of one window; `after` stand beyond their end."""
        length = after.shape[2]
        running = control.num_latent_frames >= count_latent_frames(_whole_length(self._plan))
        first = self._plan.starts[request.index] // VAE_TIME if running else 0
        part = values[:, :, control.references :][:, :, first : first + length].to(after)
        return torch.cat([part, after[:, :, part.shape[2] :]], dim=2)

    def _references(
        self, control: Control | None, request: WindowRequest, encode: Encode
    ) -> list[Tensor]:
        """Reference pictures [1, 32, R, h, w]: the user's, or the picture of the window."""
        if control is not None and control.references:
            return [video[:, :, : self.front] for video in control.videos]
        assert request.picture is not None, "windows on VACE have a picture"
        picture = self._encoded_picture(request.picture, encode)
        shown = torch.cat([picture, _nothing(picture)], dim=1).repeat(1, 1, self.front, 1, 1)
        return [shown] * (1 if control is None else len(control.videos))

    def _encoded_picture(self, picture: Tensor, encode: Encode) -> Tensor:
        """Latents [1, 16, 1, h, w] of a picture; texts and windows share those of a still one."""
        if self._seen is None or not torch.equal(self._seen[0], picture):
            self._seen = picture, encode(picture)
        return self._seen[1]

    def _encoded_grey(self, request: WindowRequest, encode: Encode) -> Tensor:
        """Mid grey, which tells VACE nothing, [1, 16, T, h, w]; encoded once for a run."""
        length = request.condition.shape[2]
        if length not in self._grey:
            rows, columns = (VAE_SPACE * cells for cells in request.condition.shape[-2:])
            frames = (length - 1) * VAE_TIME + 1
            self._grey[length] = encode(torch.full((frames, rows, columns, 3), 0.5))
        return self._grey[length]


def _join(front: Tensor, window: Tensor) -> Tensor:
    return torch.cat([front.to(window), window], dim=2)


def _whole_length(plan: FilmPlan) -> int:
    """Frames of a control that runs through the video, 4n+1."""
    return -(-(plan.num_frames - 1) // VAE_TIME) * VAE_TIME + 1


def _known_masks(request: WindowRequest) -> Tensor:
    """Mask [1, 64, T, h, w] of a window that begins with known frames.

    Frames become latent frames as in the host's node and VACE's own program: of those that one
    latent frame stands for, a middle one decides.
    """
    length = request.condition.shape[2]
    frames = torch.ones(1, 1, (length - 1) * VAE_TIME + 1)
    frames[..., : (request.known_latent_frames - 1) * VAE_TIME + 1] = 0
    told = torch.nn.functional.interpolate(frames, size=length, mode="nearest-exact")
    height, width = request.condition.shape[-2:]
    return told[0, :, None, :, None, None].expand(1, MASK_CHANNELS, -1, height, width)
