"""From a training run to a VAE file whose raw latents have the host's mean and deviation.

The host subtracts fixed statistics of the real Wan 2.1 VAE from raw latents. One affine map per
channel, folded into the last convolution of the encoder and the first of the decoder, gives ours
the same statistics, so that the network gets zero mean and unit deviation. Exact, no cost.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from toy_vae import HOST_MEAN, HOST_STD

from pack.multitalk.config import LATENT_CHANNELS
from pack.multitalk.model.cpu_kernels import quick_kernels
from pack.tools.toy.clips import open_clips
from pack.tools.toy.precision import mixed
from pack.tools.toy.vae import VideoVae
from pack.tools.toy.vae_train import DIM, to_network

STATISTICS_CLIPS = 64
FOLDED, POLISHED = "vae_folded.safetensors", "vae_polished.safetensors"


def load_average(folder: Path) -> VideoVae:
    """The averaged weights of the training run."""
    state = torch.load(folder / "vae.pt", map_location="cpu", weights_only=True)
    vae = VideoVae(DIM)
    vae.load_state_dict(state["average"])
    return vae.eval().requires_grad_(requires_grad=False)


def load_folded(folder: Path, name: str = FOLDED) -> VideoVae:
    """The VAE that `freeze_vae` wrote, or the one with the polished decoder, in float32."""
    from safetensors.torch import load_file

    vae = VideoVae(DIM)
    vae.load_state_dict(load_file(folder / name))
    return vae.eval().requires_grad_(requires_grad=False)


@torch.no_grad()
def encode(vae: VideoVae, frames: Tensor) -> Tensor:
    """Mean latents [B, 16, 1+n, h, w] float32 of frames [B, 3, F, H, W] in -1..1."""
    layout = frames.to(memory_format=torch.channels_last_3d)
    with mixed(frames.device.type), quick_kernels():
        return vae.posterior(layout)[0].float()


@torch.no_grad()
def decode(vae: VideoVae, latents: Tensor) -> Tensor:
    """Frames [B, 3, F, H, W] in -1..1 of latents."""
    layout = latents.to(memory_format=torch.channels_last_3d)
    with mixed(latents.device.type), quick_kernels():
        return vae.decode(layout).float().clamp(-1, 1)


@torch.no_grad()
def fold(vae: VideoVae, mean: Tensor, deviation: Tensor) -> None:
    """Give raw latents of mean and deviation [16] those of the host; decoded frames stay equal."""
    host_mean, gain = torch.tensor(HOST_MEAN), torch.tensor(HOST_STD) / deviation
    first, last = vae.conv1, vae.conv2
    assert first.bias is not None
    assert last.bias is not None
    first.weight[:LATENT_CHANNELS] *= gain.view(-1, 1, 1, 1, 1)
    first.bias[:LATENT_CHANNELS] = gain * (first.bias[:LATENT_CHANNELS] - mean) + host_mean
    matrix = last.weight[:, :, 0, 0, 0]
    last.bias += matrix @ (mean - host_mean / gain)
    last.weight /= gain.view(1, -1, 1, 1, 1)


def freeze_vae(folder: Path) -> None:
    """Measure the latents of some clips, fold, and write vae_folded.safetensors."""
    from safetensors.torch import save_file

    vae = load_average(folder)
    clips, done = open_clips(folder)
    numbers = np.flatnonzero(done)
    numbers = numbers[:: -(-len(numbers) // STATISTICS_CLIPS)]
    rows = [encode(vae, to_network(clips.film(int(n))[None]))[0].flatten(1) for n in numbers]
    values = torch.cat(rows, 1).double()
    fold(vae, values.mean(1).float(), values.std(1).float())
    print(
        f"latents of {len(numbers)} clips: deviation {values.std(1).min():.2f} to "
        f"{values.std(1).max():.2f}"
    )
    save_file(vae.state_dict(), folder / FOLDED)


def normalize(latents: Tensor) -> Tensor:
    """What the host makes of raw latents [B, 16, T, h, w]."""
    mean, deviation = _host_statistics(latents)
    return (latents - mean) / deviation


def denormalize(latents: Tensor) -> Tensor:
    """Raw latents [B, 16, T, h, w] of normalized ones."""
    mean, deviation = _host_statistics(latents)
    return latents * deviation + mean


def _host_statistics(like: Tensor) -> tuple[Tensor, Tensor]:
    mean, deviation = (like.new_tensor(v).view(1, -1, 1, 1, 1) for v in (HOST_MEAN, HOST_STD))
    return mean, deviation
