"""The stages of the training in order, each a function of the command line."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
ASSETS = ROOT / "assets" / "toy"
VAE_MINUTES, DECODER_MINUTES, DENOISER_MINUTES = 47.0, 12.0, 42.0
RETURNING_MINUTES, CONTINUE_MINUTES = 75.0, 40.0
"""CPU time of the long stages."""
SHORT_PER_LONG = 5
"""Clips of 33 frames for one of 81."""
ADVICE = "Run those before it first; speech needs espeak-ng (apt install espeak-ng)."


def speech(options: argparse.Namespace) -> None:
    """Speak the tracks (espeak-ng)."""
    from pack.tools.toy.speech import make_bank

    make_bank(options.folder, seed=options.seed)


def encoder(options: argparse.Namespace) -> None:
    """Train the speech encoder."""
    from pack.tools.toy.encoder import train_encoder

    train_encoder(options.folder, seed=options.seed, device=prepare_torch(options))


def draw(options: argparse.Namespace) -> None:
    """Draw the clips."""
    from pack.tools.toy.clips import draw_clips

    draw_clips(options.folder, seed=options.seed, count=options.clips, processes=options.threads)


def vae(options: argparse.Namespace) -> None:
    """Train the VAE."""
    from pack.tools.toy.vae_train import train_vae

    _train(train_vae, options, VAE_MINUTES, seed=options.seed)


def freeze(options: argparse.Namespace) -> None:
    """Fold the latent statistics into the VAE; from here on its encoder must not change."""
    from pack.tools.toy.frozen_vae import freeze_vae

    freeze_vae(options.folder)


def latents(options: argparse.Namespace) -> None:
    """Encode the clips."""
    from pack.tools.toy.latents import encode_clips

    encode_clips(options.folder, seed=options.seed, processes=options.threads)


def long(options: argparse.Namespace) -> None:
    """Draw and encode clips of 81 frames, a fifth as many as short ones; needs the last VAE."""
    from pack.tools.toy.long_windows import encode_long

    count = max(1, round(options.clips / SHORT_PER_LONG))
    encode_long(options.folder, seed=options.seed, count=count, processes=options.threads)


def decoder(options: argparse.Namespace) -> None:
    """Polish the decoder of the VAE; may run beside the denoiser."""
    from pack.tools.toy.decoder_train import polish_decoder

    _train(polish_decoder, options, DECODER_MINUTES, seed=options.seed)


def returning(options: argparse.Namespace) -> None:
    """Train the VAE so that its frames encode to the latents they came from."""
    from pack.tools.toy.returning_train import train_returning

    _train(train_returning, options, RETURNING_MINUTES, seed=options.seed)


def denoiser(options: argparse.Namespace) -> None:
    """Train the denoiser with its audio part; `--second` only changes its own seed."""
    from pack.tools.toy.denoiser_train import train_denoiser

    _train_in_host(train_denoiser, options, DENOISER_MINUTES)


def continue_(options: argparse.Namespace) -> None:
    """Train the denoiser to repair motion frames that are many windows on."""
    from pack.tools.toy.continue_train import train_continuation

    _train_in_host(train_continuation, options, CONTINUE_MINUTES)


def _train_in_host(
    train: Callable[..., object], options: argparse.Namespace, minutes: float
) -> None:
    """Train what runs in the host's network."""
    from pack.tools.toy.denoiser import import_host

    import_host(options.host)
    _train(train, options, minutes, seed=options.second or options.seed)


def _train(
    train: Callable[..., object], options: argparse.Namespace, minutes: float, *, seed: int
) -> None:
    """Train for `minutes` where none are given."""
    device = prepare_torch(options)
    train(options.folder, seed=seed, minutes=options.minutes or minutes, device=device)


def adopt(options: argparse.Namespace) -> None:
    """Take the shipped toy as the result of all long stages, to go on from there."""
    from pack.tools.toy.adopted import adopt_toy

    adopt_toy(ASSETS, options.folder, seed=options.seed, seconds=60 * DENOISER_MINUTES)


def export(options: argparse.Namespace) -> None:
    """Write the files of the toy, without figures; `evaluate` adds them."""
    write_toy(options, options.out, {})


def evaluate(options: argparse.Namespace) -> None:
    """Write assets/toy, measure it in the laboratory, store the figures in it, draw the curves."""
    from pack.tools.toy.curves import draw_curves

    write_toy(options, ASSETS, {})
    command = [sys.executable, str(ROOT / "tools" / "lab" / "lab.py"), "--json", "--long"]
    env = {**os.environ, "COMFYUI_DIR": str(options.host)}
    command += ["--output", str(options.folder / "lab")]
    done = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout, flush=True)
    write_toy(options, ASSETS, json.loads(done.stdout.splitlines()[-1]))
    print(draw_curves(options.folder))


def write_toy(options: argparse.Namespace, out: Path, metrics: dict[str, float]) -> None:
    """Write the four files with the figures that belong to them."""
    from pack.tools.toy.export import export_toy

    export_toy(options.folder, out, seed=options.second or options.seed, metrics=metrics)


def prepare_torch(options: argparse.Namespace) -> torch.device:
    """Set the threads; the GPU if there is one."""
    torch.set_num_threads(options.threads)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    stage.__name__.rstrip("_"): stage
    for stage in (speech, encoder, draw, vae, freeze, latents, decoder, denoiser, export, evaluate)
}
MORE = {"returning": returning, "long": long, "continue": continue_, "adopt": adopt}
"""Stages that `all` does without. `returning` trades lips for walls; `continue` is in trial, and
`long` is for it (tools/bench)."""


def run_stages(options: argparse.Namespace) -> int:
    """Run one stage, or all.

    Args:
        options: The command line.

    Returns:
        Exit code.
    """
    options.folder.mkdir(parents=True, exist_ok=True)
    options.out = options.out or ASSETS
    for name in STAGES if options.stage == "all" else (options.stage,):
        stage = MORE.get(name) or STAGES[name]
        print(f"== {name}: {stage.__doc__}", flush=True)
        try:
            stage(options)
        except FileNotFoundError as error:
            known = f"The stages in order: {', '.join(STAGES)}."
            print(f"dev.py train {name}: {error}. {known} {ADVICE}", file=sys.stderr)
            return 1
    return 0
