from __future__ import annotations

from functools import cache

import pytest
import torch

from pack.multitalk.frames import to_bytes
from pack.tests.multitalk.runs.studio import NUM_FRAMES, Studio


@pytest.fixture(params=["multitalk", "infinitetalk"])
def studio(request):
    return Studio(request.param)


@cache
def whole_video(family):
    """Frames of a run that nothing stops."""
    frames = torch.cat([to_bytes(window.frames) for window in Studio(family).make(None)])
    assert len(frames) == NUM_FRAMES
    assert len(frames.unique()) > 100
    return frames


@pytest.fixture
def expected(studio):
    return whole_video(studio.family).clone()
