"""Who speaks where: the voices of a run, and the places they have in its video."""

from __future__ import annotations

import torch
from torch import Tensor

from .config import TOKEN_PX, VAE_SPACE
from .sound.wav2vec2 import Speech
from .speakers import (
    check_masks,
    check_token_masks,
    describe_stretch,
    half_masks,
    latent_masks,
    resize_masks,
    token_masks,
)
from .still import OutsideSpeakers, describe_still, place_voices, speaker_gate
from .words import count


class Cast:
    """Voices and their places: made of what fits together, or not at all.

    Attributes:
        speech: Features and sound of the voices.
        masks: [S, H, W] on the picture, one per voice as they were given; None: none were.
        tracks: Features [F, M, E] of every speaker that the network gets. One voice with a mask
            brings a silent second speaker along, who has the rest of the picture.
        gate: [rows, columns] what part of the audio residual a token keeps; None: all of it.
        cells: [S+1, h, w] zeros and ones on the latent grid of the video, background last; None
            for one speaker without a mask. Two without masks have the halves of the picture.
        notes: What was done to the masks, for the report.
    """

    def __init__(
        self,
        speech: Speech,
        masks: Tensor | None,
        *,
        picture: tuple[int, int] | None,
        video: tuple[int, int],
        still: Tensor | None = None,
        outside: OutsideSpeakers = "as trained",
    ) -> None:
        """Give every voice its place.

        Masks [S, H, W] may have any size: editors and detectors often give another than that of
        the picture; None for the picture: they have its size. Sizes are height and width. `still`
        are masks [R, H, W] of those who do not speak, `outside` says what sound does to tokens
        that belong to nobody who speaks.

        Raises:
            ValueError: If voices and masks do not fit each other, a mask cannot tell speakers
                apart, or a voice has no place left in the video.
        """
        check_voices(speech, masks)
        self.notes: list[str] = []
        if masks is not None and picture is not None:
            self.notes = describe_stretch(masks, *picture)
            masks = resize_masks(masks, *picture)
        self.speech, self.masks = speech, masks
        self.tracks = list(speech.features)
        masks, quiet = _places(masks, still, len(self.tracks), picture=picture, video=video)
        if masks is not None and quiet is not None:
            self.tracks.append(speech.silence.expand_as(self.tracks[0]))
            masks = torch.cat([masks, quiet])
        self.cells = None if masks is None else latent_masks(masks, *video)
        self.gate: Tensor | None = None
        if self.cells is not None:
            self._check_tokens(self.cells, asked=still is not None)
            if outside == "no audio":
                self.gate = self._gate(self.cells, asked=still is not None)
        shown = quiet if still is not None else None
        self.notes += describe_still(self.masks, shown, self.gate, asked=outside == "no audio")

    def _check_tokens(self, cells: Tensor, *, asked: bool) -> None:
        """Refuse voices without a token; a still place that was not asked for may vanish."""
        tokens, voices = token_masks(cells), self.speech.num_speakers
        height, width = (VAE_SPACE * side for side in cells.shape[1:])
        check_token_masks(torch.cat([tokens[:voices], tokens[-1:]]), height, width)
        if asked and not tokens[voices].any():
            raise ValueError(
                f"still vanishes in a video of {width} x {height} pixels: it is smaller than "
                f"{TOKEN_PX} pixels there, or was cropped away. Make it larger, move it towards "
                "the middle, or choose a size of the picture's shape."
            )

    def _gate(self, cells: Tensor, *, asked: bool) -> Tensor:
        height, width = cells.shape[1:]
        tokens = token_masks(cells).view(-1, height // 2, width // 2)
        return speaker_gate(tokens, self.speech.num_speakers + asked)


def _places(
    masks: Tensor | None,
    still: Tensor | None,
    voices: int,
    *,
    picture: tuple[int, int] | None,
    video: tuple[int, int],
) -> tuple[Tensor | None, Tensor | None]:
    """Masks of the voices [S, H, W], and of those who are silent [1, H, W], if there are any."""
    if still is not None:
        height, width = picture or (still if masks is None else masks).shape[1:]
        return place_voices(masks, still, voices, (height, width))
    if masks is None:
        return (half_masks(*(picture or video)) if voices > 1 else None), None
    return masks, (masks <= 0).float() if voices == 1 else None


def check_voices(speech: Speech, masks: Tensor | None) -> None:
    """Refuse masks [S, H, W] that do not fit the voices.

    Raises:
        ValueError: If there are more voices than masks or the reverse, or a mask is unusable.
    """
    voices = speech.num_speakers
    if masks is None:
        if voices > 2:
            raise ValueError(
                f"masks is not connected, and speech has {count(voices, 'voice')}; from three "
                "voices on, everyone needs a mask. Connect MultiTalk Speakers."
            )
        return
    if len(masks) != voices:
        raise ValueError(
            f"masks holds {count(len(masks), 'mask')}, and speech has {count(voices, 'voice')}; "
            "every voice needs one mask. Add or remove boxes or masks in MultiTalk Speakers, or "
            "voices. Join a list of masks with Mask List To Mask Batch."
        )
    check_masks(masks)
