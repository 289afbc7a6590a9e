"""From phonemes that are laid out in time to the waveform.

Network: the iSTFTNet decoder (Kaneko et al. 2022) of StyleTTS 2 (Li et al. 2023) with a harmonic
source (Wang et al. 2019). Module names are those of the published checkpoint. Deviation: the phase
of the source is computed once per pitch value, since the reference's own down-sampling reads
nothing between (checked: equal numbers); the random start phases have no effect for that reason.
Pitch and energy have two values per frame.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..config import SAMPLE_RATE_HZ, GeneratorConfig, KokoroConfig
from .layers import TILE, AdaptiveBlock, AdaptiveNorm, Convolution, Upsampling

NUM_HARMONICS = 9  # with the fundamental
SINE_AMPLITUDE = 0.1
VOICED_HZ = 10.0  # pitch above this is voice
VOICED_NOISE, UNVOICED_NOISE = 0.003, SINE_AMPLITUDE / 3  # standard deviations
SIDE_KERNELS = (7, 11)  # of the residual blocks of the source: every level but the last, the last
SIDE_DILATIONS = (1, 3, 5)
SLOPE, LAST_SLOPE = 0.1, 0.01  # of leaky ReLU


def draw_noise(num_samples: int, seed: int) -> Tensor:
    """Noise of the source, [1, A, 9] float32 of unit variance on the CPU.

    Drawn as in the reference, so that a seed stands for the same numbers: start phases first, then
    normal numbers, harmonic by harmonic. What it draws afterwards it throws away.
    """
    generator = torch.Generator().manual_seed(seed)
    torch.rand(1, NUM_HARMONICS, generator=generator)
    # PyTorch fills a tensor whose axes are exchanged with other numbers than a contiguous one.
    return torch.empty(1, NUM_HARMONICS, num_samples).mT.normal_(generator=generator)


def spectrum(waveform: Tensor, n_fft: int, hop: int) -> Tensor:
    """Magnitudes, then phases [1, n_fft + 2, T] of a waveform [1, A], T = A / hop + 1.

    Periodic Hann windows of `n_fft` samples, `hop` samples apart, centred, reflected at the ends.
    """
    window = torch.hann_window(n_fft, device=waveform.device)
    bins = torch.stft(waveform, n_fft, hop, window=window, return_complex=True)
    return torch.cat((bins.abs(), bins.angle()), dim=1)


def waveform_of(magnitude: Tensor, phase: Tensor, hop: int) -> Tensor:
    """Waveform [1, A] of magnitudes and phases [1, n_fft / 2 + 1, T], the inverse of `spectrum`."""
    n_fft = 2 * (magnitude.shape[1] - 1)
    window = torch.hann_window(n_fft, device=magnitude.device)
    return torch.istft(torch.polar(magnitude, phase), n_fft, hop, window=window)


class Source(nn.Module):
    """What the vocal folds do: sines at multiples of the pitch, and noise."""

    def __init__(self, samples_per_value: int) -> None:
        super().__init__()
        self.samples_per_value = samples_per_value
        self.l_linear = nn.Linear(NUM_HARMONICS, 1)

    def sines(self, pitch: Tensor, noise: Tensor) -> Tensor:
        """Pitch [1, T] Hz, noise [1, T * samples_per_value = A, 9] -> noisy harmonics [1, A, 9]."""
        length = self.samples_per_value
        orders = torch.arange(1, NUM_HARMONICS + 1, device=pitch.device)
        turns = (pitch[..., None] * orders / SAMPLE_RATE_HZ % 1).cumsum(1)  # [1, T, 9], per sample
        phase = (turns * 2 * math.pi).mT * length
        phase = F.interpolate(phase, scale_factor=length, mode="linear")  # [1, 9, A]
        sines = phase.sin_().mT.unflatten(1, (-1, length))  # [1, T, length, 9]
        voiced = (pitch > VOICED_HZ)[..., None, None]
        deviation = torch.where(voiced, VOICED_NOISE, UNVOICED_NOISE)
        sines = sines.mul_(voiced * SINE_AMPLITUDE)
        return sines.addcmul_(noise.unflatten(1, (-1, length)), deviation).flatten(1, 2)

    def forward(self, pitch: Tensor, noise: Tensor) -> Tensor:
        """Pitch [1, T] and noise [1, A, 9] -> waveform [1, A]."""
        return torch.tanh(self.l_linear(self.sines(pitch, noise)))[..., 0]


class SnakeBlock(nn.Module):
    """Residual block with style-dependent norms and the snake activation (Ziyin et al. 2020)."""

    def __init__(
        self, channels: int, kernel: int, dilations: tuple[int, ...], style_width: int
    ) -> None:
        super().__init__()

        def convolutions(steps: tuple[int, ...]) -> nn.ModuleList:
            return nn.ModuleList(
                Convolution(channels, channels, kernel, dilation=d, padding=(kernel - 1) // 2 * d)
                for d in steps
            )

        self.convs1 = convolutions(dilations)
        self.convs2 = convolutions((1,) * len(dilations))
        self.adain1, self.adain2 = (
            nn.ModuleList(AdaptiveNorm(channels, style_width) for _ in dilations) for _ in range(2)
        )
        self.alpha1, self.alpha2 = (
            nn.ParameterList(torch.ones(1, channels, 1) for _ in dilations) for _ in range(2)
        )

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """[1, C, T] and a style -> [1, C, T]. `x` is kept."""
        out = x.clone()
        layers = zip(self.adain1, self.alpha1, self.convs1, self.adain2, self.alpha2, self.convs2,
                     strict=True)  # fmt: skip
        for norm1, alpha1, conv1, norm2, alpha2, conv2 in layers:
            inner = conv1(snake_(norm1(out, style), alpha1))
            conv2(snake_(norm2(inner, style), alpha2), out)
            del inner  # before the next norm: a copy of the sound
        return out


def snake_(x: Tensor, alpha: Tensor) -> Tensor:
    """Add sin(alpha x)^2 / alpha to x [1, C, T], in place."""
    for piece in x.split(TILE, dim=-1):
        wave = (piece * alpha).sin_()
        piece.addcdiv_(wave.mul_(wave), alpha)
    return x


class Generator(nn.Module):
    """Waveform from features, pitch and style."""

    def __init__(self, config: GeneratorConfig, style_width: int) -> None:
        super().__init__()
        self.config = config
        rates, levels = config.upsample_rates, range(len(config.upsample_rates))
        widths = [config.initial_channels // 2**level for level in range(len(rates) + 1)]
        self.m_source = Source(config.samples_per_value)
        self.noise_convs, self.noise_res = nn.ModuleList(), nn.ModuleList()
        self.ups, self.resblocks = nn.ModuleList(), nn.ModuleList()
        for level in levels:
            width, last = widths[level + 1], level + 1 == len(rates)
            self.noise_convs.append(_side_convolution(config, width, math.prod(rates[level + 1 :])))
            self.noise_res.append(
                SnakeBlock(width, SIDE_KERNELS[last], SIDE_DILATIONS, style_width)
            )
            kernel, rate = config.upsample_kernels[level], rates[level]
            self.ups.append(Upsampling(widths[level], width, kernel, rate, (kernel - rate) // 2))
            for size, dilations in zip(config.block_kernels, config.block_dilations, strict=True):
                self.resblocks.append(SnakeBlock(width, size, dilations, style_width))
        self.conv_post = Convolution(widths[-1], config.n_fft + 2, 7, padding=3)

    def excite(self, pitch: Tensor, noise: Tensor) -> Tensor:
        """The source's `spectrum` for a pitch [1, T] Hz and noise [1, A, 9] of unit variance."""
        return spectrum(self.m_source(pitch, noise), self.config.n_fft, self.config.hop)

    def forward(self, x: Tensor, style: Tensor, excitation: Tensor) -> Tensor:
        """Waveform [1, A] of features [1, C, T], two per frame, and what `excite` returns.

        The style [1, width] is the decoder's half of a style.
        """
        per_level = len(self.config.block_kernels)
        for level, up in enumerate(self.ups):
            side = self.noise_res[level](self.noise_convs[level](excitation), style)
            x = up(F.leaky_relu(x, SLOPE))
            if level + 1 == len(self.ups):
                x = F.pad(x, (1, 0), mode="reflect")
            x += side
            del side
            blocks = self.resblocks[level * per_level : (level + 1) * per_level]
            total = blocks[0](x, style)
            for block in blocks[1:]:
                total += block(x, style)
            x = total.div_(per_level)
        magnitude, phase = self.conv_post(F.leaky_relu_(x, LAST_SLOPE)).chunk(2, dim=1)
        return waveform_of(magnitude.exp(), phase.sin(), self.config.hop)


def _side_convolution(config: GeneratorConfig, width: int, stride: int) -> Convolution:
    """From the source's spectrum to a level; `stride` is what later levels up-sample by."""
    if stride == 1:
        return Convolution(config.n_fft + 2, width, 1)
    return Convolution(config.n_fft + 2, width, 2 * stride, stride, (stride + 1) // 2)


class Decoder(nn.Module):
    """Features for the generator, and the generator."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        style, text, mid = config.style_width, config.hidden, config.decoder_mid_channels
        residual, out = config.decoder_text_residual_channels, config.generator.initial_channels
        joined = mid + residual + 2
        self.encode = AdaptiveBlock(text + 2, mid, style)
        self.decode = nn.ModuleList(AdaptiveBlock(joined, mid, style) for _ in range(3))
        self.decode.append(AdaptiveBlock(joined, out, style, doubling=True))
        self.F0_conv = Convolution(1, 1, 3, stride=2, padding=1)
        self.N_conv = Convolution(1, 1, 3, stride=2, padding=1)
        self.asr_res = nn.Sequential(Convolution(text, residual, 1))
        self.generator = Generator(config.generator, style)

    def forward(self, text: Tensor, pitch: Tensor, energy: Tensor, style: Tensor) -> Tensor:
        """Features [1, C, 2 Fr] for the generator.

        Of encoded symbols [1, C, Fr] laid out in time, pitch [1, 2 Fr] Hz, energy [1, 2 Fr] and the
        decoder's half [1, width] of a style.
        """
        curves = torch.cat((self.F0_conv(pitch[:, None]), self.N_conv(energy[:, None])), dim=1)
        x = self.encode(torch.cat((text, curves), dim=1), style)
        residual = self.asr_res(text)
        for block in self.decode:
            x = block(torch.cat((x, residual, curves), dim=1), style)
        return x
