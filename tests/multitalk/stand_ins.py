"""Models too big to build, as the window loop sees them: they paint the number of each frame."""

from __future__ import annotations

import torch

from pack.multitalk.generate import Models

STEPS = 3


class Painter:
    """VAE, CLIP vision and sampler; remembers what it was given.

    `denoise` returns the start of its window, `decode` paints every frame with start + position,
    `encode` gives latent frame j the value of frame 4j.
    """

    def __init__(self, plan):
        self.plan = plan
        self.encoded, self.pictures, self.requests, self.decoded = [], [], [], []

    @property
    def models(self):
        return Models(
            encode=self.encode, decode=self.decode, embed_picture=self.embed, denoise=self.denoise
        )

    def encode(self, frames):
        self.encoded.append(frames.clone())
        values = frames[::4, 0, 0, 0]
        height, width = frames.shape[1] // 8, frames.shape[2] // 8
        return values[None, None, :, None, None].repeat(1, 16, 1, height, width)

    def embed(self, picture):
        self.pictures.append(picture.clone())
        return ("embedding", len(self.pictures))

    def denoise(self, request):
        self.requests.append(request)
        if request.motion is not None and request.motion.noise is not None:
            for _ in range(STEPS):
                request.motion.noise()
        return torch.full_like(request.noise, float(self.plan.starts[request.index]))

    def decode(self, latents):
        frames, (height, width) = 4 * (latents.shape[2] - 1) + 1, latents.shape[3:]
        numbers = latents[0, 0, 0, 0, 0] + torch.arange(float(frames))
        self.decoded.append(numbers[:, None, None, None].repeat(1, 8 * height, 8 * width, 3))
        return self.decoded[-1].clone()


class CountedNoise:
    """A noise source whose draws are numbered, with a record of their order."""

    def __init__(self):
        self.draws = []

    def window(self, shape):
        return self.draw("window", shape)

    def motion(self, shape):
        return self.draw("motion", shape)

    def state(self):
        return torch.tensor([len(self.draws)], dtype=torch.uint8)

    def restore(self, state):
        del self.draws[int(state) :]

    def draw(self, kind, shape):
        self.draws.append((kind, tuple(shape)))
        return torch.full(tuple(shape), float(len(self.draws)))
