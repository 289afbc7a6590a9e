"""Motion frames that are disturbed for the training of continuation."""

from __future__ import annotations

import numpy as np
import torch

from pack.tools.toy import disturbed
from pack.tools.toy.disturbed import disturb, smooth_field


def test_fields_are_smooth_and_of_unit_deviation():
    values = torch.cat([smooth_field(np.random.default_rng(n), 8, (12, 18)) for n in range(40)])
    assert 0.5 < values.std() < 1.1
    step = (values[..., 1:] - values[..., :-1]).std()
    assert step < 1.0 * values.std()  # 1.41 if neighbors had nothing to do with each other


def test_all_frames_are_disturbed_alike(monkeypatch):
    monkeypatch.setattr(disturbed, "WARP", 0.0)
    latents = torch.zeros(16, 3, 12, 18)
    found = disturb(latents, np.random.default_rng(1))
    assert found.shape == latents.shape
    assert found.abs().max() > 0
    for frame in (1, 2):
        torch.testing.assert_close(found[:, frame], found[:, 0])


def test_without_strength_nothing_changes(monkeypatch):
    for name in ("TINT", "WARP", "SOFTNESS"):
        monkeypatch.setattr(disturbed, name, 0.0)
    latents = torch.randn(16, 3, 18, 12, generator=torch.Generator().manual_seed(1))
    found = disturb(latents, np.random.default_rng(1))
    torch.testing.assert_close(found, latents, atol=1e-4, rtol=0)


def test_a_warp_moves_what_is_seen(monkeypatch):
    for name in ("TINT", "SOFTNESS"):
        monkeypatch.setattr(disturbed, name, 0.0)
    latents = torch.arange(18.0).expand(16, 3, 12, 18).contiguous()  # values are columns
    moved = disturb(latents, np.random.default_rng(4)) - latents
    assert 0.02 < moved.abs().mean() < 2
