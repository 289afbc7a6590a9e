"""The audio part of the network: audio projection, per-frame audio cross attention, L-RoPE.

Checkpoint: multitalk.safetensors and infinitetalk.safetensors, keys `audio_proj.*`,
`blocks.{i}.audio_cross_attn.*`, `blocks.{i}.norm_x.*`. Layers come from an `operations` namespace
(torch.nn, or the host's), so that whoever owns the weights decides how they are cast and paged.
Deviations, all equal up to rounding: the speaker map is attention with the masks as values, so no
quadratic buffer; rotations are real cosines and sines; one speaker and passes without audio skip
map and rotation.

Source: denoiser.md sections 4 to 6; Kong et al. 2025, "Let Them Talk" (MultiTalk), section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..config import AUDIO_RADIUS, AUDIO_WINDOW, VAE_TIME, AudioPartConfig
from ..parallel.slices import Stretch

LATTER_WINDOW = AUDIO_WINDOW + VAE_TIME - 1  # 8 audio frames for the four frames of a latent frame


# Exact attention: q, k, v [B, N, L, D] to [B, N, L, D].
Attention = Callable[[Tensor, Tensor, Tensor], Tensor]
plain_attention: Attention = nn.functional.scaled_dot_product_attention
# The smallest and largest values [B, S, 1] of [B, S, L], over all tokens of a video.
Bounds = Callable[[Tensor], tuple[Tensor, Tensor]]
# x [B, L, N, D] and a table of `rotation` [B or 1, L, 1, D/2, 2] to x rotated.
Turn = Callable[[Tensor, Tensor], Tensor]


def group_by_latent_frame(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Split frame neighbourhoods [S, F, 5, M, E], F = 4n+1, into what each latent frame reads.

    Returns:
        The 5 audio frames of latent frame 0, [S, 1, 5, M, E], and 8 consecutive ones for each later
        latent frame, [S, n, 8, M, E]: of its four frames the first gives offsets -2..0, the middle
        two give 0, the last gives 0..2.
    """
    later = rearrange(windows[:, 1:], "s (n four) five m e -> s n four five m e", four=VAE_TIME)
    centre = AUDIO_RADIUS
    latter = torch.cat(
        [later[:, :, 0, : centre + 1], later[:, :, 1:-1, centre], later[:, :, -1, centre:]], dim=2
    )
    return windows[:, :1], latter


class AudioProjection(nn.Module):
    """Speech features to the tokens that the audio attention reads."""

    def __init__(self, config: AudioPartConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        per_frame = config.encoder_layers * config.encoder_channels
        width, hidden = config.token_width, config.hidden
        self.num_tokens = config.num_tokens
        self.proj1 = operations.Linear(AUDIO_WINDOW * per_frame, hidden, **factory)
        self.proj1_vf = operations.Linear(LATTER_WINDOW * per_frame, hidden, **factory)
        self.proj2 = operations.Linear(hidden, hidden, **factory)
        self.proj3 = operations.Linear(hidden, config.num_tokens * width, **factory)
        self.norm = operations.LayerNorm(width, **factory)

    def forward(self, windows: Tensor) -> Tensor:
        """Project the windows [S, F, 5, M, E] of all speakers to [S, T, K, E]."""
        first, latter = group_by_latent_frame(windows)
        first = torch.relu(self.proj1(rearrange(first, "s t a m e -> s t (a m e)")))
        latter = torch.relu(self.proj1_vf(rearrange(latter, "s t a m e -> s t (a m e)")))
        hidden = torch.cat([first, latter], dim=1)  # [S, T, hidden]
        tokens = self.proj3(torch.relu(self.proj2(hidden)))
        return self.norm(rearrange(tokens, "s t (k e) -> s t k e", k=self.num_tokens))


class AudioCrossAttention(nn.Module):
    """Video tokens of a latent frame attend to the audio tokens of that latent frame."""

    def __init__(self, config: AudioPartConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.q_linear = operations.Linear(config.dim, config.dim, **factory)
        self.kv_linear = operations.Linear(config.token_width, 2 * config.dim, **factory)
        self.proj = operations.Linear(config.dim, config.dim, **factory)

    def keys_and_values(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values [B*T, S*K, N, D] of tokens [B, T, S*K, E]."""
        k, v = self.kv_linear(tokens).flatten(0, 1).chunk(2, dim=-1)
        heads = (self.num_heads, -1)
        return k.unflatten(-1, heads), v.unflatten(-1, heads)

    def forward(
        self,
        x: Tensor,
        tokens: Tensor,
        *,
        query_rotation: Tensor | None,
        key_rotation: Tensor | None,
        attention: Attention,
        turn: Turn | None = None,
        stretch: Stretch | None = None,
    ) -> Tensor:
        """Attend from x [B, L, dim] to tokens [B, T, S*K, E]: [B, L, dim].

        L is frame-major, T * tokens per latent frame. Rotations are cosines and sines, of queries
        [B, 1, L, D/2, 2] and of keys [S*K, D/2, 2] or [B*T, 1, S*K, D/2, 2]; None for one speaker.
        `turn` applies them, None is `rotate`. With a `stretch` x are some tokens of a video, which
        may begin and end inside a frame, and T the frames that they touch.
        """
        B, T = tokens.shape[:2]
        heads, turn = (self.num_heads, -1), turn or rotate
        k, v = self.keys_and_values(tokens)
        q = self.q_linear(x).unflatten(-1, heads)  # [B, L, N, D]; keys [B*T, S*K, N, D]
        if query_rotation is not None and key_rotation is not None:
            q = turn(q, query_rotation.transpose(1, 2))
            by_head = key_rotation if key_rotation.ndim > 3 else key_rotation[None, None]
            k = turn(k, by_head.transpose(1, 2))
        q = whole_frames(q, stretch).unflatten(1, (T, -1)).flatten(0, 1)  # [B*T, L/T, N, D]
        out = attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
        del q, k, v  # as large as x each; the projection needs their room
        out = out.transpose(1, 2).flatten(2).unflatten(0, (B, T)).flatten(1, 2)  # [B, L, dim]
        return self.proj(own_tokens(out, stretch))


def whole_frames(rows: Tensor, stretch: Stretch | None) -> Tensor:
    """Rows [B, L, ...] of a stretch with zeros in front and behind, so that frames are whole."""
    if stretch is None:
        return rows
    total = (stretch.frames.stop - stretch.frames.start) * stretch.per_frame
    behind = total - stretch.lead - rows.shape[1]
    if stretch.lead == behind == 0:
        return rows
    beside = (0, 0) * (rows.ndim - 2)
    return nn.functional.pad(rows, (*beside, stretch.lead, behind))


def own_tokens(rows: Tensor, stretch: Stretch | None) -> Tensor:
    """What `whole_frames` was given, of rows as it gave them back."""
    if stretch is None:
        return rows
    return rows[:, stretch.lead : stretch.lead + stretch.end - stretch.first]


class AudioBlock(nn.Module):
    """What one transformer block gains."""

    def __init__(self, config: AudioPartConfig, operations: Any, **factory: Any) -> None:
        super().__init__()
        self.audio_cross_attn = AudioCrossAttention(config, operations, **factory)
        self.norm_x = operations.LayerNorm(config.dim, eps=1e-6, **factory)

    def forward(self, x: Tensor, tokens: Tensor, **attend: Any) -> Tensor:
        """Audio residual of one block, [B, L, dim]."""
        return self.audio_cross_attn(self.norm_x(x), tokens, **attend)


class AudioPart(nn.Module):
    """Audio projection and one audio block per transformer block."""

    def __init__(self, config: AudioPartConfig, operations: Any = nn, **factory: Any) -> None:
        super().__init__()
        self.config = config
        self.audio_proj = AudioProjection(config, operations, **factory)
        self.blocks = nn.ModuleList(
            AudioBlock(config, operations, **factory) for _ in range(config.num_layers)
        )


def build_audio_part(config: AudioPartConfig, operations: Any = nn, **factory: Any) -> AudioPart:
    """Build the module with empty weights; `factory` is device and dtype."""
    return AudioPart(config, operations, **factory).requires_grad_(False).eval()  # noqa: FBT003


def speaker_map(
    q: Tensor, k: Tensor, token_masks: Tensor, *, attention: Attention = plain_attention
) -> Tensor:
    """How much each video token looks at each speaker's area of the first latent frame.

    From rotated queries and keys [B, L, N, D] of the block's self attention, and masks [S+1, n] of
    zeros and ones over the n tokens of a latent frame, in q's dtype, background last.

    Returns:
        [B, S+1, L] float32: attention to the first latent frame, averaged inside each mask and over
        heads. The row of an empty mask is zero.
    """
    rows, cells = token_masks.shape
    width = q.shape[-1]
    # Zeros and ones are exact in every dtype; dividing by the counts afterwards keeps float32.
    values = nn.functional.pad(token_masks.T, (0, width - rows))  # [n, D]
    values = values.expand(len(q), q.shape[2], cells, width)
    seen = attention(q.transpose(1, 2), k[:, :cells].transpose(1, 2), values)  # [B, N, L, D]
    counts = token_masks.sum(1, dtype=torch.float32).clamp_min(1)
    return seen[..., :rows].float().mean(1).transpose(1, 2) / counts[:, None]


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeakerAxis:
    """Where speakers lie on the one-dimensional axis of L-RoPE."""

    starts: tuple[float, ...]  # beginning of each speaker's range
    interval: float  # length of a range
    background: float

    @property
    def key_positions(self) -> tuple[float, ...]:
        """Position of each speaker's audio tokens: the middle of the range."""
        return tuple(start + self.interval / 2 for start in self.starts)


def speaker_axis(num_speakers: int, config: AudioPartConfig) -> SpeakerAxis:
    """Ranges of the speakers.

    Two speakers lie at the two ends, 0..4 and 20..24, as trained. Three to six follow one another,
    4i..4i+4: an extension by the community, experimental.
    """
    step = float(config.class_interval)
    starts = (0.0, config.class_range - step)[:num_speakers]
    if num_speakers > 2:
        starts = tuple(step * index for index in range(num_speakers))
    return SpeakerAxis(starts=starts, interval=step, background=float(config.class_range // 2))


def speaker_positions(shares: Tensor, axis: SpeakerAxis, bounds: Bounds | None = None) -> Tensor:
    """Place every video token on the axis, [B, L] float32, by the speaker map [B, S+1, L].

    It lies within the range of the speaker it looks at most (first wins ties), by how much; at the
    background position where the background, which is last, wins. `bounds` finds the smallest and
    largest of [B, S, L] over the tokens of a video, [B, S, 1]; None: L are all of them.
    """
    speakers = shares[:, :-1]
    low, high = (bounds or _own_bounds)(speakers)
    scaled = (speakers - low) / (high - low + 1e-8) * axis.interval
    placed = torch.stack(
        [scaled[:, index] + start for index, start in enumerate(axis.starts)]
        + [torch.full_like(shares[:, -1], axis.background)],
        dim=1,
    )
    return placed.gather(1, shares.argmax(1, keepdim=True))[:, 0]


def _own_bounds(values: Tensor) -> tuple[Tensor, Tensor]:
    return values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)


def rotation(positions: Tensor, width: int) -> Tensor:
    """Cosines and sines [..., D/2, 2] float32 of rotary positions [...] float32, D the head width.

    Source: Su et al. 2021, "RoFormer", equation 15, base 10000, adjacent channels in pairs.
    """
    exponents = torch.arange(0, width, 2, device=positions.device, dtype=torch.float32) / width
    angles = positions[..., None] * 10_000.0**-exponents
    return torch.stack([angles.cos(), angles.sin()], dim=-1)


def rotate(x: Tensor, table: Tensor) -> Tensor:
    """Rotate adjacent channel pairs of x [..., D] by a table of `rotation`, broadcast in front."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = table.unbind(-1)
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).to(x.dtype)


def join_speakers(tokens: Tensor) -> Tensor:
    """Join speakers along the token axis: [B, S, T, K, E] to [B, T, S*K, E]."""
    return tokens.transpose(1, 2).flatten(2, 3)  # in every call: plain torch
