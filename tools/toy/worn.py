"""Beginnings of clips as several windows of the network leave them: heads softer, colors mixed.

From window to window a video loses what the network does not draw again: outlines of hair, collars,
eyes. What it draws itself cannot be compared with the film, because its heads bob otherwise. So it
draws the film's own latents again from a middle noise level, which keeps their motion, and goes on
from the result the next time.

Source: Meng et al. 2022, "SDEdit: guided image synthesis and editing with stochastic differential
equations", for the way in; Ross et al. 2011, "A reduction of imitation learning and structured
prediction to no-regret online learning", for teaching on what the learner itself leaves.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from pack.multitalk.schedule import shifted_sigmas
from pack.tools.toy.denoiser import Denoiser
from pack.tools.toy.denoiser_train import Batch
from pack.tools.toy.latents import KNOWN, OVERLAP_LATENTS
from pack.tools.toy.rollout import SHIFT, STEPS

LATENTS = 5
"""Latent frames that are drawn again; later frames do not change the first ones much."""
BEGIN_STEPS = (2, 3, 4)
"""Steps of a whole run that are left out, so that the film's motion stays."""
MOST_WINDOWS = 10
"""After these a clip begins clean again."""
CHANGED_SHARE, MOST_CHANGE = 0.5, 0.7
"""Batches that went through the VAE before, and how many times its change they bear."""
WORN_SHARE, OTHER_ERRORS = 0.75, 0.3
"""Clips that go on from worn frames, and how much of other errors these bear too."""


class Worn:
    """Worn beginnings of the clips that were drawn again so far."""

    def __init__(self) -> None:
        self._worn: dict[tuple[int, int], tuple[Tensor, int]] = {}

    def lay(self, batch: Batch, motion: Tensor, random: np.random.Generator) -> Tensor:
        """Motion frames of the first clips of a batch, worn where that is known.

        Args:
            batch: Clips.
            motion: Their motion frames with other errors, [N, 16, 3, h, w].
            random: Source of numbers.
        """
        laid = motion.clone()
        chosen = random.random(len(motion)) < WORN_SHARE
        for row, key in enumerate(_keys(batch)[: len(motion)]):
            if chosen[row] and key in self._worn:
                errors = motion[row] - batch.target[row, :, :OVERLAP_LATENTS]
                laid[row] = self._worn[key][0][:, :OVERLAP_LATENTS] + OTHER_ERRORS * errors
        return laid

    @torch.no_grad()
    def wear(
        self,
        model: Denoiser,
        batch: Batch,
        change: Tensor,
        grey: Tensor,
        random: np.random.Generator,
    ) -> float:
        """Draw the beginnings of some clips once more, from where they are.

        Args:
            model: The network as it is.
            batch: Clips.
            change: What the VAE changes in them, [B, 16, 1, h, w].
            grey: Latents of grey behind a known frame, [1, 16, >= 4, h, w].
            random: Source of numbers.

        Returns:
            Root mean square distance of the motion frames from the film.
        """
        keys, clean = _keys(batch), batch.target[:, :, :LATENTS]
        at = torch.stack([self._worn.get(k, (c, 0))[0] for k, c in zip(keys, clean, strict=True)])
        if random.random() < CHANGED_SHARE:
            at = at + random.uniform(0, MOST_CHANGE) * change
        known = torch.zeros_like(at[:, :4])
        known[:, :, : KNOWN["begin"]] = 1
        later = grey[:, :, : LATENTS - 1].expand(len(at), -1, -1, -1, -1)
        condition = torch.cat((known, torch.cat((at[:, :, :1], later), 2)), 1)
        speech, heard = batch.speech[:, :, : 4 * LATENTS - 3], torch.ones(len(at), dtype=torch.bool)
        levels = shifted_sigmas(STEPS, SHIFT)[int(random.choice(BEGIN_STEPS)) :]
        x = (1 - levels[0]) * at + levels[0] * torch.randn_like(at)
        for level, lower in pairwise(levels):
            given = torch.cat((x, condition), 1)
            x = x + (lower - level) * model(given, level.expand(len(x)), speech, batch.masks, heard)
        for key, drawn in zip(keys, x, strict=True):
            windows = 1 + self._worn.get(key, (drawn, 0))[1]
            self._worn[key] = (drawn.clone(), windows)
            if windows >= MOST_WINDOWS:
                del self._worn[key]
        return float((x - clean)[:, :, :OVERLAP_LATENTS].square().mean().sqrt())


def _keys(batch: Batch) -> list[tuple[int, int]]:
    """What tells clips of both lengths apart."""
    return [(batch.target.shape[2], number) for number in batch.numbers]
