"""The Kokoro speech model: symbols and a style -> waveform and durations.

Network: StyleTTS 2 (Li et al. 2023) without its diffusion, released checkpoint
hexgrad/Kokoro-82M (kokoro-v1_0.pth, 81.8 M parameters). Module names are those of the checkpoint;
see layers.py and decoder.py for the deviations. Source: kokoro.md section 2.
"""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ...weights.blank import without_numbers
from ..config import KokoroConfig, read_config
from .decoder import Decoder, draw_noise
from .files import KokoroFiles, check_names, check_numbers, flatten, plain_weights, read_weights
from .layers import (
    SLOPE,
    AdaptiveBlock,
    AdaptiveLayerNorm,
    Albert,
    ChannelNorm,
    Convolution,
    bilstm,
)

MIN_SPEED, MAX_SPEED = 0.25, 4.0
MIN_SYMBOLS = 3  # one between the boundaries

logger = logging.getLogger("kokoro")


@dataclass(frozen=True, kw_only=True, slots=True)
class Synthesis:
    """What the model makes of a chunk."""

    waveform: Tensor  # [A] float32 at 24 kHz, on the CPU
    durations: Tensor  # [P] int64 frames of 600 samples; A = 600 * their sum


class DurationEncoder(nn.Module):
    """Features of symbols in a style, from which durations are read."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, style = config.hidden, config.style_width
        self.lstms = nn.ModuleList()
        for _ in range(config.num_layers):
            self.lstms.append(bilstm(width + style, width))
            self.lstms.append(AdaptiveLayerNorm(width, style))

    def forward(self, features: Tensor, style: Tensor) -> Tensor:
        """[1, P, C] and a style [1, width] -> [1, P, C + width]."""
        repeated = style[:, None].expand(-1, features.shape[1], -1)
        x = torch.cat((features, repeated), dim=-1)
        for lstm, norm in zip(self.lstms[::2], self.lstms[1::2], strict=True):
            x = torch.cat((norm(lstm(x)[0], style), repeated), dim=-1)
        return x


class Predictor(nn.Module):
    """How long, how high and how loud: durations, pitch and energy."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, style = config.hidden, config.style_width
        self.text_encoder = DurationEncoder(config)
        self.lstm = bilstm(width + style, width)
        linear = nn.Linear(width, config.max_duration)
        self.duration_proj = nn.Sequential(OrderedDict(linear_layer=linear))
        self.shared = bilstm(width + style, width)

        def curve() -> nn.ModuleList:
            return nn.ModuleList([
                AdaptiveBlock(width, width, style),
                AdaptiveBlock(width, width // 2, style, doubling=True),
                AdaptiveBlock(width // 2, width // 2, style),
            ])  # fmt: skip

        self.F0, self.N = curve(), curve()
        self.F0_proj = Convolution(width // 2, 1, 1)
        self.N_proj = Convolution(width // 2, 1, 1)

    def durations(self, encoded: Tensor, speed: float) -> Tensor:
        """Frames [P] int64 of symbols [1, P, C]: halves to even, at least 1."""
        scores = self.duration_proj(self.lstm(encoded)[0])  # [1, P, max_duration]
        frames = torch.sigmoid(scores).sum(-1)[0] / speed
        _check_numbers(frames, "the predictor, for durations")
        return torch.round(frames).clamp(min=1).long()

    def curves(self, encoded: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Pitch in Hz and energy, each [1, 2 Fr], of features [1, Fr, C]."""
        shared = self.shared(encoded)[0].mT  # [1, C, Fr]
        out = []
        for blocks, project in ((self.F0, self.F0_proj), (self.N, self.N_proj)):
            x = shared
            for block in blocks:
                x = block(x, style)
            out.append(project(x)[:, 0])
        return out[0], out[1]


class TextEncoder(nn.Module):
    """Features of symbols for the decoder."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        width, kernel = config.hidden, config.text_kernel
        self.embedding = nn.Embedding(config.num_symbols, width)
        self.cnn = nn.ModuleList(
            nn.Sequential(
                Convolution(width, width, kernel, padding=kernel // 2),
                ChannelNorm(width),
                nn.LeakyReLU(SLOPE),
            )
            for _ in range(config.num_layers)
        )
        self.lstm = bilstm(width, width)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids [1, P] -> [1, C, P]."""
        x = self.embedding(ids).mT
        for layer in self.cnn:
            x = layer(x)
        return self.lstm(x.mT)[0].mT


class Kokoro(nn.Module):
    """The whole network."""

    def __init__(self, config: KokoroConfig) -> None:
        super().__init__()
        self.config = config
        self.bert = Albert(config.bert, config.num_symbols)
        self.bert_encoder = nn.Linear(config.bert.hidden, config.hidden)
        self.predictor = Predictor(config)
        self.text_encoder = TextEncoder(config)
        self.decoder = Decoder(config)

    @torch.inference_mode()
    def synthesize(
        self, ids: Sequence[int] | Tensor, style: Tensor, *, speed: float = 1.0, seed: int = 0
    ) -> Synthesis:
        """Say a chunk.

        Args:
            ids: [P] symbols with the boundary 0 at both ends; see `phoneme_ids`.
            style: [2 width] a row of a voice: the decoder's half, then the predictor's.
            speed: 2.0 = twice as fast; 0.25 to 4.
            seed: Of the noise in the voice. The same seed gives the same waveform.

        Raises:
            ValueError: If an argument is not as described, or a stage gives no numbers.
        """
        device = self.bert_encoder.weight.device
        self._check(ids, style, speed)
        symbols = torch.as_tensor(ids, dtype=torch.long, device=device)[None]
        halves = style.to(device=device, dtype=torch.float32)[None]
        for_decoder, for_predictor = halves.split(self.config.style_width, dim=1)
        features = self.bert_encoder(self.bert(symbols))
        encoded = self.predictor.text_encoder(features, for_predictor)
        _check_numbers(encoded, "the text part and the duration encoder")
        durations = self.predictor.durations(encoded, speed)
        laid_out = encoded.repeat_interleave(durations, dim=1)
        pitch, energy = self.predictor.curves(laid_out, for_predictor)
        _check_numbers(pitch, "the predictor, for pitch")
        _check_numbers(energy, "the predictor, for energy")
        text = self.text_encoder(symbols).repeat_interleave(durations, dim=2)
        _check_numbers(text, "the text encoder")
        x = self.decoder(text, pitch, energy, for_decoder)
        _check_numbers(x, "the decoder")
        generator = self.decoder.generator
        noise = draw_noise(pitch.shape[1] * self.config.generator.samples_per_value, seed)
        excitation = generator.excite(pitch, noise.to(device))
        del noise
        waveform = generator(x, for_decoder, excitation)[0]
        _check_numbers(waveform, "the generator")
        return Synthesis(waveform=waveform.cpu(), durations=durations.cpu())

    def _check(self, ids: Sequence[int] | Tensor, style: Tensor, speed: float) -> None:
        limit, symbols = self.config.bert.max_positions, self.config.num_symbols
        values = torch.as_tensor(ids)
        if values.ndim != 1 or not MIN_SYMBOLS <= len(values) <= limit:
            raise ValueError(
                f"ids has the shape {list(values.shape)}; the model takes {MIN_SYMBOLS} to {limit} "
                "ids with the boundaries. Give at least one phoneme that it knows, and cut long "
                "texts."
            )
        if values.is_floating_point() or values.min() < 0 or values.max() >= symbols:
            raise ValueError(
                f"ids hold other values than the whole numbers 0 to {symbols - 1}. "
                "Use the ids of the model's own symbols."
            )
        if style.shape != (2 * self.config.style_width,):
            raise ValueError(
                f"style has the shape {list(style.shape)}; the model takes "
                f"[{2 * self.config.style_width}]. Give one row of a voice."
            )
        if not (math.isfinite(speed) and MIN_SPEED <= speed <= MAX_SPEED):
            raise ValueError(
                f"speed is {speed}; it can be {MIN_SPEED} to {MAX_SPEED}. Use for example 1."
            )


def _check_numbers(values: Tensor, stage: str) -> None:
    """Stop where a stage gives values that are no numbers, which would become silence or noise."""
    if not values.isfinite().all():
        raise ValueError(
            f"The speech model stopped: {stage} gives values that are no numbers. Its weights or "
            "the voice are damaged; download them again, or choose another voice."
        )


def load_kokoro(state: Mapping[str, Tensor | Mapping[str, Tensor]], config: KokoroConfig) -> Kokoro:
    """Build the network in evaluation mode, float32, on the CPU, and load its weights strictly.

    They have any of the published names, flat or a dict per submodule.

    Raises:
        ValueError: If names or shapes do not fit, or values are no numbers, with the first of them.
    """
    with without_numbers():
        model = Kokoro(config)
    tensors = plain_weights(flatten(state, "The state"))
    expected = model.state_dict()
    # Published files have no tensors for the instance norms.
    norms = {name for name in expected if name.rpartition(".")[0].endswith(".norm")}
    check_names(tensors, expected, norms)
    check_numbers(tensors)
    for name in norms - tensors.keys():
        fill = torch.ones if name.endswith("weight") else torch.zeros
        tensors[name] = fill(expected[name].shape)
    model.load_state_dict(tensors, strict=True, assign=True)
    model.requires_grad_(False)  # noqa: FBT003 - torch's own signature
    return model.eval()


def load_files(files: KokoroFiles) -> Kokoro:
    """Load a model from what `find_files` found; see `load_kokoro`.

    Raises:
        ValueError: If a file is damaged or they do not fit together; it names the weights.
    """
    if files.config is None:
        logger.info("No config.json beside %s; that of Kokoro-82M v1.0 is assumed",
                    files.weights.name)  # fmt: skip
    config = KokoroConfig() if files.config is None else read_config(files.config)
    try:
        model = load_kokoro(read_weights(files.weights), config)
    except ValueError as error:
        if str(error).startswith(files.weights.name):
            raise
        raise ValueError(f"{files.weights.name}: {error}") from error
    count = sum(parameter.numel() for parameter in model.parameters())
    logger.info("Kokoro from %s: %.1f M parameters, float32", files.weights.name, count / 1e6)
    return model
