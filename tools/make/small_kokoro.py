"""A small speech model with random weights, and the layouts that models are published in."""

from __future__ import annotations

import torch

from pack.kokoro.config import BertConfig, GeneratorConfig, KokoroConfig
from pack.kokoro.network.model import Kokoro

SMALL = KokoroConfig(
    num_symbols=178, hidden=16, style_width=128, num_layers=2, max_duration=6, text_kernel=3,
    decoder_mid_channels=12, decoder_text_residual_channels=4,
    bert=BertConfig(
        embedding=8, hidden=12, num_heads=2, intermediate=20, num_layers=2, max_positions=512
    ),
    generator=GeneratorConfig(
        initial_channels=8, block_kernels=(3, 5), block_dilations=((1, 3), (1, 2))
    ),
)  # fmt: skip
SMALL_JSON = {
    "n_token": 178, "hidden_dim": 16, "style_dim": 128, "n_layer": 2, "max_dur": 6,
    "text_encoder_kernel_size": 3, "decoder_mid_channels": 12,
    "decoder_text_residual_channels": 4, "plbert_embedding_size": 8,
    "plbert": {
        "hidden_size": 12, "num_attention_heads": 2, "intermediate_size": 20,
        "num_hidden_layers": 2, "max_position_embeddings": 512,
    },
    "istftnet": {
        "upsample_rates": [10, 6], "upsample_kernel_sizes": [20, 12],
        "upsample_initial_channel": 8, "resblock_kernel_sizes": [3, 5],
        "resblock_dilation_sizes": [[1, 3], [1, 2]], "gen_istft_n_fft": 20,
        "gen_istft_hop_size": 5,
    },
}  # fmt: skip
PLAIN = ("noise_convs", "F0_proj", "N_proj")  # convolutions that have no weight norm
POOLER = ("bert.pooler.weight", "bert.pooler.bias")


def random_model(config=SMALL, seed=0):
    """Random weights, a pitch that is voiced, and durations of about 3 frames at full size."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Kokoro(config).eval().requires_grad_(requires_grad=False)
    model.predictor.F0_proj.bias.fill_(150)
    share = 3 / config.max_duration
    model.predictor.duration_proj.linear_layer.bias.fill_(torch.logit(torch.tensor(share)))
    return model


def has_weight_norm(name, tensor):
    """Whether a weight of the network is two tensors in published files."""
    return name.endswith(".weight") and tensor.ndim == 3 and not any(p in name for p in PLAIN)


def published_shapes(config):
    """Names and shapes of published files, flat and without `module.`; instance norms as well."""
    with torch.device("meta"):
        state = Kokoro(config).state_dict()
    width = config.bert.hidden
    out = {POOLER[0]: (width, width), POOLER[1]: (width,)}
    for name, tensor in state.items():
        if has_weight_norm(name, tensor):
            out |= {f"{name}_g": (len(tensor), 1, 1), f"{name}_v": tuple(tensor.shape)}
        else:
            out[name] = tuple(tensor.shape)
    return out


def is_instance_norm(name):
    """Whether published files leave a tensor out."""
    return name.rpartition(".")[0].endswith(".norm")


def flat_state(model, *, norms=False):
    """Tensors as published, by flat names without `module.`."""
    width = model.config.bert.hidden
    out = {POOLER[0]: torch.zeros(width, width), POOLER[1]: torch.zeros(width)}
    for name, tensor in model.state_dict().items():
        if has_weight_norm(name, tensor):
            magnitude = tensor.flatten(1).norm(dim=1)[:, None, None]
            out |= {f"{name}_g": magnitude, f"{name}_v": tensor * 3}  # its length is free
        elif norms or not is_instance_norm(name):
            out[name] = tensor.clone()
    return out


def published_state(model):
    """The dict of five dicts of the published file."""
    out = {}
    for name, tensor in flat_state(model).items():
        part, _, rest = name.partition(".")
        out.setdefault(part, {})[f"module.{rest}"] = tensor
    return out


def new_names(state):
    """The same with the newer names of weight norm."""
    return {
        part: {
            name.replace("weight_g", "parametrizations.weight.original0").replace(
                "weight_v", "parametrizations.weight.original1"
            ): tensor
            for name, tensor in tensors.items()
        }
        for part, tensors in state.items()
    }
