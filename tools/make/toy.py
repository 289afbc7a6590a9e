"""Writes tiny models with random weights in the real file formats.

`python tools/make/toy.py DIR [--seed N] [--dim 128] ...`. Nothing here uses the pack, the host or
transformers: keys and shapes are written down again from what the real files hold, so these files
also check the loaders. The builders take other sizes for tests, and the toy's training (tools/toy)
starts from them. Transformer, audio part and speech encoder are noise that stays bounded; the VAE
is a hand-made transform that shows a blurred picture (toy_vae.py).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import torch
from safetensors.torch import save
from toy_vae import build_vae
from toy_weights import LICENCE, Metadata, State, Weights

CLIP_WIDTH = 1280
VACE_CHANNELS = 96  # 16 kept + 16 guiding + 64 mask
PATCH = (1, 2, 2)
BASE_SETTINGS = {
    "window": 33,
    "overlap": 9,
    "steps": 8,
    "shift": 3.0,
    "text_guidance": 1.0,
    "audio_guidance": 2.0,
    "width": 144,
    "height": 96,
    "trained": False,
    "licence": LICENCE,
}
CONV_TAPS = (10, 3, 3, 3, 3, 2, 2)
ENCODER_CONFIG = {
    "model_type": "wav2vec2",
    "architectures": ["Wav2Vec2Model"],
    "feat_extract_norm": "group",
    "feat_extract_activation": "gelu",
    "conv_bias": False,
    "conv_kernel": CONV_TAPS,
    "conv_stride": (5, 2, 2, 2, 2, 2, 2),
    "num_feat_extract_layers": len(CONV_TAPS),
    "hidden_act": "gelu",
    "do_stable_layer_norm": False,
    "layer_norm_eps": 1e-5,
    "apply_spec_augment": False,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    "hidden_dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "feat_proj_dropout": 0.0,
    "final_dropout": 0.0,
    "layerdrop": 0.0,
}


def build_base(
    *,
    dim: int = 128,
    ffn: int = 384,
    layers: int = 4,
    heads: int = 2,
    text_dim: int = 64,
    in_dim: int = 36,
    out_dim: int = 16,
    freq_dim: int = 256,
    clip: bool = False,
    vace: int = 0,
    seed: int = 0,
    dtype: torch.dtype = torch.bfloat16,
) -> tuple[State, Metadata]:
    """Wan 2.1 transformer without audio part, and its metadata.

    Args:
        dim: Width.
        ffn: Width of the feed-forward layers.
        layers: Number of blocks.
        heads: Attention heads; dim / heads must be even. The speaker map needs an even number.
        text_dim: Width of the text embedding; real files have 4096.
        in_dim: 16 noisy + 4 mask + 16 condition channels.
        out_dim: Latent channels.
        freq_dim: Width of the time sinusoid; the host knows only 256.
        clip: Add the image embedding and image attention that real I2V files have.
        vace: Number of control blocks of VACE beside the main ones.
        seed: Seed of the weights.
        dtype: Dtype of all tensors.
    """
    weights = Weights(seed)
    patch = math.prod(PATCH)
    fan_in = in_dim * patch
    weights.state["patch_embedding.weight"] = weights.noise(dim, in_dim, *PATCH, std=fan_in**-0.5)
    weights.state["patch_embedding.bias"] = weights.noise(dim, std=0.02)
    weights.linear("text_embedding.0", text_dim, dim)
    weights.linear("text_embedding.2", dim, dim)
    weights.linear("time_embedding.0", freq_dim, dim, gain=0.3)
    weights.linear("time_embedding.2", dim, dim, gain=0.3)
    weights.linear("time_projection.1", dim, 6 * dim, gain=0.3)
    if clip:
        weights.norm("img_emb.proj.0", CLIP_WIDTH)
        weights.linear("img_emb.proj.1", CLIP_WIDTH, CLIP_WIDTH)
        weights.linear("img_emb.proj.3", CLIP_WIDTH, dim)
        weights.norm("img_emb.proj.4", dim)
    for i in range(layers):
        _add_block(weights, f"blocks.{i}", dim=dim, ffn=ffn, clip=clip)
    weights.state["head.modulation"] = weights.noise(1, 2, dim, std=dim**-0.5)
    weights.linear("head.head", dim, out_dim * patch, gain=0.2)
    if vace:
        _add_vace(weights, vace, dim=dim, ffn=ffn)
    settings = BASE_SETTINGS if clip else {"clip": "none", **BASE_SETTINGS}
    config = {"transformer": {"num_heads": heads, "text_dim": text_dim}, "multitalk": settings}
    return weights.finish(dtype), {"config": json.dumps(config)}


def _add_vace(weights: Weights, count: int, *, dim: int, ffn: int) -> None:
    fan_in = VACE_CHANNELS * math.prod(PATCH)
    patch = weights.noise(dim, VACE_CHANNELS, *PATCH, std=fan_in**-0.5)
    weights.state["vace_patch_embedding.weight"] = patch
    weights.state["vace_patch_embedding.bias"] = weights.noise(dim, std=0.02)
    for i in range(count):
        _add_block(weights, f"vace_blocks.{i}", dim=dim, ffn=ffn, clip=False)
        for side in ("before", "after") if i == 0 else ("after",):
            weights.linear(f"vace_blocks.{i}.{side}_proj", dim, dim)


def _add_block(weights: Weights, name: str, *, dim: int, ffn: int, clip: bool) -> None:
    weights.state[f"{name}.modulation"] = weights.noise(1, 6, dim, std=dim**-0.5)
    for attention in ("self_attn", "cross_attn"):
        for part in "qkvo":
            weights.linear(f"{name}.{attention}.{part}", dim, dim)
        for part in "qk":
            weights.norm(f"{name}.{attention}.norm_{part}", dim, bias=False)
    if clip:
        weights.linear(f"{name}.cross_attn.k_img", dim, dim)
        weights.linear(f"{name}.cross_attn.v_img", dim, dim)
        weights.norm(f"{name}.cross_attn.norm_k_img", dim, bias=False)
    weights.norm(f"{name}.norm3", dim)
    weights.linear(f"{name}.ffn.0", dim, ffn)
    weights.linear(f"{name}.ffn.2", ffn, dim)


def build_audio(
    *,
    dim: int = 128,
    layers: int = 4,
    heads: int = 2,
    encoder_layers: int = 4,
    encoder_channels: int = 64,
    hidden: int = 128,
    tokens: int = 8,
    width: int = 64,
    seed: int = 1,
    dtype: torch.dtype = torch.bfloat16,
) -> tuple[State, Metadata]:
    """MultiTalk audio part (projection and one attention per block), and its metadata.

    Args:
        dim: Width of the base.
        layers: Blocks of the base.
        heads: Attention heads of the base.
        encoder_layers: Speech-encoder layers that are read.
        encoder_channels: Width of the speech encoder.
        hidden: Width inside the projection; real files have 512.
        tokens: Audio tokens per latent frame and speaker; real files have 32.
        width: Width of an audio token; real files have 768.
        seed: Seed of the weights.
        dtype: Dtype of all tensors.
    """
    weights = Weights(seed)
    features = encoder_layers * encoder_channels
    weights.linear("audio_proj.proj1", 5 * features, hidden, gain=math.sqrt(2))
    weights.linear("audio_proj.proj1_vf", 8 * features, hidden, gain=math.sqrt(2))
    weights.linear("audio_proj.proj2", hidden, hidden, gain=math.sqrt(2))
    weights.linear("audio_proj.proj3", hidden, tokens * width)
    weights.norm("audio_proj.norm", width)
    for i in range(layers):
        weights.linear(f"blocks.{i}.audio_cross_attn.q_linear", dim, dim)
        weights.linear(f"blocks.{i}.audio_cross_attn.kv_linear", width, 2 * dim)
        weights.linear(f"blocks.{i}.audio_cross_attn.proj", dim, dim, gain=0.5)
        weights.norm(f"blocks.{i}.norm_x", dim)
    settings = {
        "num_heads": heads,
        "encoder_layers": encoder_layers,
        "encoder_channels": encoder_channels,
        "family": "multitalk",
        "licence": LICENCE,
        "trained": False,
    }
    return weights.finish(dtype), {"config": json.dumps({"multitalk": settings})}


def _add_convolutions(weights: Weights, width: int) -> None:
    channels = 1
    for i, taps in enumerate(CONV_TAPS):
        std = math.sqrt(2 / (channels * taps))
        name = f"feature_extractor.conv_layers.{i}"
        weights.state[f"{name}.conv.weight"] = weights.noise(width, channels, taps, std=std)
        channels = width
    weights.norm("feature_extractor.conv_layers.0.layer_norm", width)


def build_encoder(
    *,
    hidden: int = 64,
    layers: int = 4,
    heads: int = 2,
    intermediate: int = 128,
    conv_dim: int = 32,
    conv_pos: int = 16,
    conv_pos_groups: int = 4,
    seed: int = 2,
    dtype: torch.dtype = torch.bfloat16,
) -> tuple[State, Metadata]:
    """Hugging Face wav2vec2 encoder (50 Hz), and its metadata.

    Args:
        hidden: Width; real files have 768.
        layers: Transformer layers; real files have 12.
        heads: Attention heads.
        intermediate: Width of the feed-forward layers.
        conv_dim: Width of all seven convolutions; real files have 512.
        conv_pos: Taps of the positional convolution.
        conv_pos_groups: Groups of the positional convolution.
        seed: Seed of the weights.
        dtype: Dtype of all tensors.
    """
    weights = Weights(seed)
    _add_convolutions(weights, conv_dim)
    weights.norm("feature_projection.layer_norm", conv_dim)
    weights.linear("feature_projection.projection", conv_dim, hidden)
    position, group = "encoder.pos_conv_embed.conv", hidden // conv_pos_groups
    direction = weights.noise(hidden, group, conv_pos, std=(group * conv_pos) ** -0.5)
    length = direction.square().sum((0, 1), keepdim=True).sqrt()
    weights.state[f"{position}.parametrizations.weight.original0"] = length
    weights.state[f"{position}.parametrizations.weight.original1"] = direction
    weights.state[f"{position}.bias"] = torch.zeros(hidden)
    weights.norm("encoder.layer_norm", hidden)
    for i in range(layers):
        name = f"encoder.layers.{i}"
        for part in ("q", "k", "v", "out"):
            weights.linear(f"{name}.attention.{part}_proj", hidden, hidden)
        weights.norm(f"{name}.layer_norm", hidden)
        weights.linear(f"{name}.feed_forward.intermediate_dense", hidden, intermediate)
        weights.linear(f"{name}.feed_forward.output_dense", intermediate, hidden)
        weights.norm(f"{name}.final_layer_norm", hidden)
    config = {
        **ENCODER_CONFIG,
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "conv_dim": [conv_dim] * len(CONV_TAPS),
        "num_conv_pos_embeddings": conv_pos,
        "num_conv_pos_embedding_groups": conv_pos_groups,
    }
    metadata = {"config": json.dumps(config), "do_normalize": "false", "licence": LICENCE}
    return weights.finish(dtype), metadata


def file_bytes(state: State, metadata: Metadata) -> bytes:
    """Safetensors file with its metadata sorted, which the library leaves in random order."""
    data = save(state, metadata)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:start]) | {"__metadata__": metadata}, sort_keys=True)
    header += " " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header.encode() + data[start:]


def parse_arguments() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write random models.")
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random weights")
    parser.add_argument("--dim", type=int, default=128, help="width of transformer and audio part")
    parser.add_argument("--ffn", type=int, default=384, help="width of the feed-forward layers")
    parser.add_argument("--layers", type=int, default=4, help="transformer blocks")
    parser.add_argument("--heads", type=int, default=2, help="attention heads")
    parser.add_argument("--text-dim", type=int, default=64, help="width of the text embedding")
    parser.add_argument("--vae-dim", type=int, default=8, help="width of the VAE's first level")
    parser.add_argument(
        "--clip", action="store_true", help="add image embedding and image attention"
    )
    return parser.parse_args()


def main() -> None:
    """Write the four files and print what they are."""
    args = parse_arguments()
    sizes = {"dim": args.dim, "layers": args.layers, "heads": args.heads}
    base = build_base(
        **sizes, ffn=args.ffn, text_dim=args.text_dim, clip=args.clip, seed=4 * args.seed
    )
    parts = {
        "diffusion_models/multitalk_toy_base.safetensors": base,
        "model_patches/multitalk_toy_audio.safetensors": build_audio(
            **sizes, seed=4 * args.seed + 1
        ),
        "vae/multitalk_toy_vae.safetensors": build_vae(dim=args.vae_dim, seed=4 * args.seed + 3),
        "audio_encoders/multitalk_toy_encoder.safetensors": build_encoder(seed=4 * args.seed + 2),
    }
    total = 0
    for file, (state, metadata) in parts.items():
        path = args.out / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file_bytes(state, metadata))
        size, count = path.stat().st_size, sum(tensor.numel() for tensor in state.values())
        total += size
        print(f"{file:52}{len(state):5} tensors{count:10,} parameters{size / 1e6:7.2f} MB")
    print(f"{'total':84}{total / 1e6:7.2f} MB")


if __name__ == "__main__":
    main()
