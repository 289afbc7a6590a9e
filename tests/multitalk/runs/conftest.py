from __future__ import annotations

import pytest
import torch

from pack.multitalk.frames import to_bytes
from pack.tests.multitalk.runs.studio import NUM_FRAMES, Studio


@pytest.fixture(params=["multitalk", "infinitetalk"])
def studio(request):
    return Studio(request.param)


@pytest.fixture
def expected(studio):
    frames = torch.cat([to_bytes(window.frames) for window in studio.make(None)])
    studio.made.clear()
    assert len(frames) == NUM_FRAMES
    assert len(frames.unique()) > 100
    return frames
