"""What tests of run folders share: a video that is made any number of times."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.config import WindowSize
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.runs.folder import RunFolder, continue_windows
from pack.multitalk.runs.writer import Writer
from pack.multitalk.settings import DriftControl
from pack.multitalk.windows import plan_exact
from pack.tests.multitalk.stand_ins import Painter

SIZE = WindowSize(window=13, overlap=5)
NUM_FRAMES = 53  # six windows
IDENTITY = {"picture": "a", "seed": "1", "settings": "b"}


class Random(Painter):
    """A model whose pictures depend on its noise, and on the frames before."""

    def denoise(self, request):
        super().denoise(request)
        return request.noise + request.condition.mean()

    def decode(self, latents):
        values = torch.nn.functional.interpolate(latents[0, :3], scale_factor=8)
        frames = values.repeat_interleave(4, dim=1)[:, 3:].movedim(0, -1)
        return torch.sigmoid(frames)


def picture(_number):
    return torch.linspace(0, 1, 16 * 16 * 3).reshape(1, 16, 16, 3)


class Studio:
    """Makes the same video any number of times; counts windows, stops where it is told."""

    def __init__(self, family="infinitetalk", reference="running mean"):
        self.plan = plan_exact(NUM_FRAMES, SIZE)
        self.made = []
        self.family = family
        self.drift = DriftControl(color_reference=reference, color_strength=0.5)
        self.stop_in = None

    def make(self, after):
        scene = Scene(
            source=picture,
            tracks=[torch.zeros(NUM_FRAMES, 1, 1)],
            silence=torch.zeros(1, 1),
        )
        finished = generate(
            self.plan,
            scene,
            Random(self.plan).models,
            SeededNoise(5),
            family=self.family,
            drift=self.drift,
            after=after,
        )
        for window in finished:
            if window.index == self.stop_in:
                raise KeyboardInterrupt
            self.made.append(window.index)
            yield window

    def run(self, root, identity=IDENTITY):
        """One queued prompt: frames, notes; the folder goes when all is done."""
        with RunFolder(root, identity, self.plan.num_windows) as folder:
            with Writer() as writer:
                windows = list(continue_windows(folder, self.make, writer))
            folder.remove()
        assert [window.index for window in windows] == list(range(self.plan.num_windows))
        return torch.cat([window.frames for window in windows]), folder.notes


def stop(studio, root, index):
    studio.stop_in = index
    with pytest.raises(KeyboardInterrupt):
        studio.run(root)
    studio.stop_in = None
    studio.made.clear()


def folder_of(root):
    (path,) = root.iterdir()
    return path
