"""The WAN 2.1 video VAE at toy size, in a form that trains on whole clips at once.

Same keys and same numbers as the host's class, which works on chunks with caches (test_vae.py
compares them): every causal convolution pads two frames of zeros on the left; halving time keeps
frame 0 and convolves the whole sequence with stride 2; doubling time leaves frame 0 alone and does
not show it to the frames after it.

Source: Wan 2.1 technical report, section on the VAE; toy.md section 3.3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from pack.multitalk.config import LATENT_CHANNELS

LOG_VARIANCE = -6.0
MULTIPLES = (1, 2, 4, 4)


class CausalConv3d(nn.Conv3d):
    """Convolution that sees this frame and, with three taps, the two before it."""

    def __init__(self, num_in: int, num_out: int, taps: int, size: int) -> None:
        super().__init__(num_in, num_out, (taps, size, size), padding=(0, size // 2, size // 2))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve [B, C, T, H, W]."""
        past = self.kernel_size[0] - 1
        if past and x.shape[2] == 1:  # nothing but padding in the past
            return functional.conv3d(x, self.weight[:, :, -1:], self.bias, padding=self.padding)
        return super().forward(functional.pad(x, (0, 0, 0, 0, past, 0)) if past else x)


class ChannelNorm(nn.Module):
    """Root mean square norm over channels."""

    def __init__(self, width: int, *, dims: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width, *(1,) * dims))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize dimension 1."""
        scale = torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-12)
        return x * scale * self.gamma


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, num_in: int, num_out: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            ChannelNorm(num_in),
            nn.SiLU(),
            CausalConv3d(num_in, num_out, 3, 3),
            ChannelNorm(num_out),
            nn.SiLU(),
            nn.Identity(),
            CausalConv3d(num_out, num_out, 3, 3),
        )
        same = num_in == num_out
        self.shortcut = nn.Identity() if same else CausalConv3d(num_in, num_out, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T, H, W]."""
        return self.shortcut(x) + self.residual(x)


class FrameAttention(nn.Module):
    """Self attention within each frame, one head."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(width, dims=2)
        self.to_qkv = nn.Conv2d(width, 3 * width, 1)
        self.proj = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, C, T, H, W]."""
        frames = as_frames(x)
        qkv = self.to_qkv(self.norm(frames)).flatten(2).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)  # [B*T, H*W, C]
        out = functional.scaled_dot_product_attention(q, k, v)
        out = out.transpose(1, 2).reshape(frames.shape)
        return x + as_clip(self.proj(out), x.shape[0])


def as_frames(x: Tensor) -> Tensor:
    """[B, C, T, H, W] to [B*T, C, H, W]."""
    return x.transpose(1, 2).flatten(0, 1)


def as_clip(frames: Tensor, batch: int) -> Tensor:
    """[B*T, C, H, W] to [B, C, T, H, W]."""
    return frames.unflatten(0, (batch, -1)).transpose(1, 2)


class Halve(nn.Module):
    """Half the height and width, and half the frames after the first if asked for."""

    def __init__(self, width: int, *, time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(width, width, 3, stride=2)
        )
        if time:
            self.time_conv = CausalConv3d(width, width, 3, 1)
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1+2n, H, W] to [B, C, 1+n, H/2, W/2]."""
        x = as_clip(self.resample(as_frames(x)), x.shape[0])
        if not self.time or x.shape[2] == 1:
            return x
        later = functional.conv3d(x, self.time_conv.weight, self.time_conv.bias, stride=(2, 1, 1))
        return torch.cat((x[:, :, :1], later), 2)


class Double(nn.Module):
    """Twice the height and width at half the channels, and twice the frames after the first."""

    def __init__(self, width: int, *, time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest"),
            nn.Conv2d(width, width // 2, 3, padding=1),
        )
        if time:
            self.time_conv = CausalConv3d(width, 2 * width, 3, 1)
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, 1+n, H, W] to [B, C/2, 1+2n, 2H, 2W]."""
        if self.time and x.shape[2] > 1:
            halves = self.time_conv(x[:, :, 1:]).unflatten(1, (2, -1))  # [B, 2, C, n, H, W]
            later = halves.permute(0, 2, 3, 1, 4, 5).flatten(2, 3)
            x = torch.cat((x[:, :, :1], later), 2)
        return as_clip(self.resample(as_frames(x)), x.shape[0])


def _middle(width: int) -> nn.Sequential:
    return nn.Sequential(
        ResidualBlock(width, width), FrameAttention(width), ResidualBlock(width, width)
    )


def _head(width: int, num_out: int) -> nn.Sequential:
    return nn.Sequential(ChannelNorm(width), nn.SiLU(), CausalConv3d(width, num_out, 3, 3))


class Encoder(nn.Module):
    """Frames to mean and log variance of latents."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = [dim, *(dim * m for m in MULTIPLES)]
        self.conv1 = CausalConv3d(3, dim, 3, 3)
        layers: list[nn.Module] = []
        for level in range(4):
            num_in, num_out = widths[level : level + 2]
            layers += [ResidualBlock(num_in, num_out), ResidualBlock(num_out, num_out)]
            if level < 3:
                layers.append(Halve(num_out, time=level > 0))
        self.downsamples = nn.Sequential(*layers)
        self.middle = _middle(widths[-1])
        self.head = _head(widths[-1], 2 * LATENT_CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, 1+4n, H, W] to [B, 32, 1+n, H/8, W/8]."""
        return self.head(self.middle(self.downsamples(self.conv1(x))))


class Decoder(nn.Module):
    """Latents to frames."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        widths = [dim * m for m in (MULTIPLES[-1], *MULTIPLES[::-1])]
        self.conv1 = CausalConv3d(LATENT_CHANNELS, widths[0], 3, 3)
        self.middle = _middle(widths[0])
        layers: list[nn.Module] = []
        for level in range(4):
            num_in, num_out = widths[level : level + 2]
            num_in = num_in // 2 if level else num_in
            layers += [ResidualBlock(num_in, num_out)]
            layers += [ResidualBlock(num_out, num_out) for _ in range(2)]
            if level < 3:
                layers.append(Double(num_out, time=level < 2))
        self.upsamples = nn.Sequential(*layers)
        self.head = _head(dim, 3)

    def forward(self, z: Tensor) -> Tensor:
        """[B, 16, 1+n, h, w] to [B, 3, 1+4n, 8h, 8w]."""
        return self.head(self.upsamples(self.middle(self.conv1(z))))


class VideoVae(nn.Module):
    """Encoder and decoder."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.encoder = Encoder(dim)
        self.conv1 = CausalConv3d(2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1, 1)
        self.conv2 = CausalConv3d(LATENT_CHANNELS, LATENT_CHANNELS, 1, 1)
        self.decoder = Decoder(dim)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each [B, 16, 1+n, H/8, W/8], of frames in -1..1."""
        mean, log_variance = self.conv1(self.encoder(x)).chunk(2, dim=1)
        return mean, log_variance.clamp(-20, 10)

    def decode(self, z: Tensor) -> Tensor:
        """Frames [B, 3, 1+4n, H, W]; not clamped."""
        return self.decoder(self.conv2(z))


@torch.no_grad()
def start_as_identity(vae: VideoVae, *, seed: int) -> None:
    """Begin near a transform that keeps means of blocks, which learns several times faster.

    Shortcuts copy channels, residuals are small, halving averages, doubling copies, past frames
    count nothing; the first convolution passes RGB and a constant, without which the channel norm
    hides flat color.

    Args:
        vae: Changed in place.
        seed: Seed of the small random parts.
    """
    _randomise(vae, torch.Generator().manual_seed(seed))
    for module in vae.modules():
        if isinstance(module, ResidualBlock):
            module.residual[6].weight *= 0.1
            if isinstance(module.shortcut, nn.Conv3d):
                _copy(module.shortcut)
        elif isinstance(module, FrameAttention):
            module.proj.weight *= 0.1
        elif isinstance(module, Halve | Double):
            _copy_resample(module)
    for conv in (vae.conv1, vae.conv2):
        _copy(conv)
    vae.conv1.weight[LATENT_CHANNELS:] *= 0.1
    vae.conv1.bias[LATENT_CHANNELS:] = LOG_VARIANCE
    first = vae.encoder.conv1
    first.weight *= 0.1
    first.weight[:3] = 0
    first.weight[torch.arange(3), torch.arange(3), -1, 1, 1] = 1
    first.weight[3] = 0
    first.bias[3] = 1


def _randomise(vae: VideoVae, random: torch.Generator) -> None:
    """Normal weights on the newest frame, zero for past frames and biases."""
    for module in vae.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            weight = module.weight
            fan_in = weight[0].numel() / (weight.shape[2] if weight.ndim == 5 else 1)
            weight.copy_(torch.randn(weight.shape, generator=random) * fan_in**-0.5)
            assert module.bias is not None
            module.bias.zero_()
            if weight.ndim == 5:
                weight[:, :, :-1] = 0


def _copy(conv: nn.Conv3d) -> None:
    """Make a convolution of one tap copy channels by number."""
    conv.weight.zero_()
    channels = torch.arange(min(conv.weight.shape[:2]))
    conv.weight[channels, channels] = 1


def _copy_resample(module: Halve | Double) -> None:
    conv = module.resample[1]
    conv.weight *= 0.1
    channels = torch.arange(min(conv.weight.shape[:2]))
    if isinstance(module, Halve):
        for row in range(2):
            for column in range(2):
                conv.weight[channels, channels, row, column] += 0.25
    else:
        conv.weight[channels, channels, 1, 1] += 1
    if module.time:
        taps = module.time_conv.weight
        taps.zero_()
        newest = torch.arange(taps.shape[0])
        taps[newest, newest % taps.shape[1], -1] = 1
