"""The network that is trained: the host's own WAN module with the engine's audio part on its hooks.

What nodes/model_patch.py does for one request is done here for a batch, in which every clip has its
own speakers and may have lost its audio. The module is the host's, so what is trained is what runs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from toy import build_audio, build_base

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.audio_attention import (
    AudioPart,
    SpeakerAxis,
    build_audio_part,
    join_speakers,
    plain_attention,
    rotation,
    speaker_axis,
    speaker_map,
    speaker_positions,
)

CONFIG = AudioPartConfig(
    dim=128,
    num_heads=2,
    num_layers=4,
    encoder_layers=4,
    encoder_channels=64,
    hidden=128,
    num_tokens=8,
    token_width=64,
)
FFN = 384
TEXT_WIDTH = 64
IN_CHANNELS = 36


def import_host(checkout: Path) -> None:
    """Import the pinned host for training on the CPU or a GPU.

    Args:
        checkout: ComfyUI's folder.
    """
    sys.path.insert(0, str(checkout))
    arguments, sys.argv = sys.argv, sys.argv[:1]
    import comfy.cli_args

    sys.argv = arguments
    known: argparse.Namespace = comfy.cli_args.args
    known.cpu = not torch.cuda.is_available()
    known.use_pytorch_cross_attention = True
    import comfy.model_management

    comfy.model_management.in_training = True  # rotations that can be differentiated


class Denoiser(nn.Module):
    """Base and audio part."""

    def __init__(self, *, seed: int) -> None:
        super().__init__()
        import comfy.ldm.wan.model
        import comfy.ops

        self.base = comfy.ldm.wan.model.WanModel(
            model_type="t2v",
            in_dim=IN_CHANNELS,
            dim=CONFIG.dim,
            ffn_dim=FFN,
            text_dim=TEXT_WIDTH,
            num_heads=CONFIG.num_heads,
            num_layers=CONFIG.num_layers,
            dtype=torch.float32,
            operations=comfy.ops.disable_weight_init,
        )
        self.audio: AudioPart = build_audio_part(CONFIG)
        self.base.load_state_dict(build_base(seed=seed, dtype=torch.float32)[0])
        self.audio.load_state_dict(build_audio(seed=seed + 1, dtype=torch.float32)[0])
        self.requires_grad_(requires_grad=True)
        self.axis = speaker_axis(2, CONFIG)

    def forward(
        self, x: Tensor, sigma: Tensor, speech: Tensor, masks: Tensor | None, heard: Tensor
    ) -> Tensor:
        """Predict the velocity, noise minus clean.

        Args:
            x: [B, 36, T, h, w]: noisy latents, mask, condition.
            sigma: [B] in 0..1.
            speech: [B, S, F, 5, M, E].
            masks: [B, S+1, n] token masks in x's dtype, or None for one speaker.
            heard: [B] bool; where False the audio is left out, as guidance does.

        Returns:
            [B, 16, T, h, w].
        """
        speech = speech * heard.view(-1, 1, 1, 1, 1, 1)
        tokens = self.audio.audio_proj(speech.flatten(0, 1)).unflatten(0, speech.shape[:2])
        call = Call(
            audio=self.audio,
            tokens=join_speakers(tokens),
            masks=masks,
            heard=heard,
            axis=self.axis,
            key_rotation=None if masks is None else self._key_rotation(heard, tokens.shape[2]),
        )
        text = x.new_zeros(len(x), 1, TEXT_WIDTH)
        patches = {"attn1_patch": [call.place], "attn2_patch": [call.add]}
        return self.base(x, 1000 * sigma, text, transformer_options={"patches": patches})

    def _key_rotation(self, heard: Tensor, num_frames: int) -> Tensor:
        """[B*T, 1, S*K, D/2, 2]; no rotation where the audio is left out."""
        places = torch.tensor(self.axis.key_positions, device=heard.device)
        places = places.repeat_interleave(CONFIG.num_tokens) * heard[:, None]
        table = rotation(places, CONFIG.dim // CONFIG.num_heads)[:, None]
        return table.repeat_interleave(num_frames, 0)


@dataclass(kw_only=True, slots=True)
class Call:
    """What holds for one forward."""

    audio: AudioPart
    tokens: Tensor  # [B, T, S*K, E]
    masks: Tensor | None
    heard: Tensor
    axis: SpeakerAxis
    key_rotation: Tensor | None  # [B*T, 1, S*K, D/2, 2]
    query_rotation: Tensor | None = None

    def place(self, args: dict[str, Any]) -> Tensor:
        """Find where each video token lies on the speaker axis, without gradient."""
        if self.masks is not None:
            with torch.no_grad():
                q, k = args["q"], args["k"]
                shares = torch.cat(
                    [speaker_map(q[i : i + 1], k[i : i + 1], self.masks[i]) for i in range(len(q))]
                )
                positions = speaker_positions(shares, self.axis) * self.heard[:, None]
                self.query_rotation = rotation(positions, q.shape[-1])[:, None]
        return args["x"]

    def add(self, args: dict[str, Any]) -> Tensor:
        """Add the audio residual of this block."""
        x = args["x"]
        block = self.audio.blocks[args["transformer_options"]["block_index"]]
        return x + block(
            x,
            self.tokens,
            query_rotation=self.query_rotation,
            key_rotation=self.key_rotation,
            attention=plain_attention,
        )
