"""What the audio part costs beside the host's transformer: `python tools/bench/pass_cost.py`.

One process, one thread, CPU seconds, variants interleaved and their order rotated in each round;
ratios of minima and medians against the plain host. Config mid2 of the measuring protocol: width
512, 8 heads, 2 blocks, 9 x 20 x 20 tokens, float32, random weights.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import platform
import statistics
import sys
import time
import types
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

SIZES = {
    "dim": 512, "num_heads": 8, "num_layers": 2, "ffn_dim": 1384, "freq_dim": 256,
    "text_dim": 512, "text_len": 512, "in_channels": 36, "out_channels": 16,
    "patch_size": [1, 2, 2], "clip_dim": 1280, "norm_eps": 1e-6, "qk_norm_self": True,
    "audio_layers": 12, "audio_channels": 768, "audio_hidden": 512, "audio_token_dim": 768,
    "audio_tokens_per_speaker": 32, "speaker_class_range": 24, "speaker_class_interval": 4,
}  # fmt: skip
GRID = (9, 40, 40)  # latent frames, rows, columns; tokens are half of rows and columns


def naive_map(q, k, masks, *, attention=None):
    """The map with its quadratic buffer, as a peer would write it."""
    cells = masks.shape[1]
    scores = torch.einsum("blhd,bnhd->bhln", q, k[:, :cells]) / q.shape[-1] ** 0.5
    shares = torch.einsum("bhln,sn->bhsl", scores.softmax(-1), masks) / masks.sum(1)[:, None]
    return shares.mean(1)


def variants():
    """Name -> callable that runs one pass."""
    from pack.tools.host.models import build_model, random_weights

    model = build_model(SIZES, random_weights(SIZES))
    import comfy.samplers  # noqa: F401 - host is ready

    from pack.multitalk.model.audio_attention import rotation, speaker_axis
    from pack.multitalk.speakers import token_masks
    from pack.nodes.loading import audio_hooks as model_patch

    part = model.get_additional_models_with_key(model_patch.KEY)[0].model
    network, device = model.model.diffusion_model, torch.device("cpu")
    x = torch.randn(1, 36, *GRID)
    context, clip = torch.randn(1, 512, 512), torch.randn(1, 257, 1280)
    cells = torch.zeros(3, *GRID[1:])
    cells[0, :, :20], cells[1, :, 20:] = 1, 1
    axis = speaker_axis(2, part.config)
    keys = torch.tensor(axis.key_positions).repeat_interleave(part.config.num_tokens)
    routing = model_patch.Routing(
        token_masks=token_masks(cells),
        key_rotation=rotation(keys, part.config.dim // part.config.num_heads),
        axis=axis,
    )

    def run(speakers):
        options = {
            "patches": model.model_options["transformer_options"]["patches"] if speakers else {},
            "wrappers": model.wrappers if speakers else {},
        }
        more = {}
        if speakers:
            routings = {device: routing} if speakers > 1 else {}
            run_state = model_patch.AudioRun(parts={device: part}, routings=routings, strength=1.0)
            options[model_patch.RUN] = run_state
            more[model_patch.TOKENS] = torch.randn(1, speakers, GRID[0], 32, 768)
        network(x, torch.tensor([500.0]), context, clip, None, options, **more)

    def materialised():
        kept, model_patch.speaker_map = model_patch.speaker_map, naive_map
        try:
            run(2)
        finally:
            model_patch.speaker_map = kept

    return {
        "host, no audio part": lambda: run(0),
        "one speaker": lambda: run(1),
        "two speakers, map as attention": lambda: run(2),
        "two speakers, map materialised": materialised,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    from pack.tools.host.inprocess import start_host
    from pack.tools.host.launch import stand_ins

    stand_ins()
    start_host(ROOT)
    torch.manual_seed(0)
    runs = variants()
    seconds = {name: [] for name in runs}
    names = list(runs)
    with torch.inference_mode():
        for number in range(options.rounds + 1):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                begin = time.process_time()
                runs[name]()
                if number:  # the first round warms up
                    seconds[name].append(time.process_time() - begin)
    base = seconds[names[0]]
    print(f"{platform.machine()}, torch {torch.__version__}, load {os.getloadavg()}, "
          f"{options.rounds} rounds")  # fmt: skip
    print(
        "| variant | min s | median s | ratio of minima | ratio of medians |\n|---|---|---|---|---|"
    )
    for name, values in seconds.items():
        low, middle = min(values), statistics.median(values)
        ratios = f"{low / min(base):.3f} | {middle / statistics.median(base):.3f}"
        print(f"| {name} | {low:.3f} | {middle:.3f} | {ratios} |")


if __name__ == "__main__":
    main()
