"""Pre-training of the toy's speech encoder: it learns to hear what moves a mouth.

The encoder is the pack's own, and so is the way to its features. What it is trained on looks like
the track of one speaker in a dialogue: speech at -23 LUFS between stretches of digital silence.
"""

from __future__ import annotations

import csv
import json
import math
import time
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from toy import build_encoder as build_toy_encoder
from toy import file_bytes
from tqdm import tqdm

from pack.multitalk.config import LOUDNESS_LUFS, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from pack.multitalk.model.naming import read_model_header
from pack.multitalk.sound.audio import Sound, Track, Tracks, encoder_waveform
from pack.multitalk.sound.wav2vec2 import build_encoder, embed_tracks, encode_waveform
from pack.tools.toy.speech import load_bank, opening_curve

if TYPE_CHECKING:
    from transformers import Wav2Vec2Model

BATCH = 6
LEARNING_RATE = 1.5e-3
CHECKPOINT_STEPS = 50

CLIP_FRAMES = (100, 200)
SILENT_CLIPS = 0.05
FULL_CLIPS = 0.3
"""Clips without added silence."""
MAX_SILENCE = 0.6
"""Largest part of a clip that is digital silence."""
GAIN_DB = 3.0

BANDS = 16
MEL_WINDOW = 1024
MEL_RANGE_DB = 40.0
PROBE_RADIUS = 2
PROBE_TRACKS = 120
PROBE_RIDGE = 1e-5


def features(model: Wav2Vec2Model, waveform: Tensor, num_frames: int) -> Tensor:
    """What MultiTalkSpeechEmbedding makes of one speaker.

    Args:
        model: The encoder.
        waveform: [A] float32 at 16 kHz; frames past its end are those of encoded silence.
        num_frames: Length of the video; the waveform is cut to it.

    Returns:
        [F, M, E] float32 on the CPU.
    """
    length = num_frames * SAMPLES_PER_FRAME
    sounds = [
        Sound(waveform=part[None], sample_rate=SAMPLE_RATE_HZ)
        for part in (waveform[:length], torch.zeros(length))  # the second gives the video's length
    ]
    tracks = Tracks(
        tracks=tuple(Track(sound=sound, start_s=Fraction(0)) for sound in sounds), mix=sounds[1]
    )
    speech = embed_tracks(
        model,
        tracks,
        sound=tracks.mix,
        loudness_lufs=LOUDNESS_LUFS,
        do_normalize=False,
        encoder_identity="",
        device=next(model.parameters()).device,
    )
    return speech.features[0].clone()  # outside of inference mode: a tensor to train on


def load_encoder(folder: Path) -> Wav2Vec2Model:
    """Read the trained encoder with the engine's own functions.

    Args:
        folder: Work folder.

    Returns:
        The encoder, float32, frozen, on the CPU.
    """
    path = folder / "encoder.safetensors"
    return build_encoder(read_model_header(path).settings, load_file(path))


def compose(tracks: list[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Cut a clip from a track and put silence before, into or after it.

    Args:
        tracks: Each [A] at 16 kHz.
        random: Source of all choices.

    Returns:
        [A] float32, 4 to 8 s in whole frames.
    """
    total = int(random.integers(*CLIP_FRAMES, endpoint=True)) * SAMPLES_PER_FRAME
    out = np.zeros(total, np.float32)
    kind = random.random()
    if kind < SILENT_CLIPS:
        return out
    share = 0.0 if kind < SILENT_CLIPS + FULL_CLIPS else random.uniform(0, MAX_SILENCE)
    track = tracks[random.integers(len(tracks))]
    length = min(round((1 - share) * total), len(track))
    start = random.integers(len(track) - length + 1)
    speech = track[start : start + length]
    cut = random.integers(length + 1) if random.random() < 0.5 else length
    first, second = np.sort(random.integers(total - length + 1, size=2))
    out[first : first + cut] = speech[:cut]
    out[second + cut : second + length] = speech[cut:]
    return out


def mel_bands(waveform: np.ndarray, num_frames: int) -> np.ndarray:
    """Loudness in 16 bands, each relative to its own loud frames: what a frame sounds like.

    Args:
        waveform: [num_frames * 640] at 16 kHz.
        num_frames: Frames wanted, at 25 per second.

    Returns:
        [num_frames, 16] float32 from -1 (40 dB below, or silence) to about 1.
    """
    from transformers.audio_utils import mel_filter_bank

    filters = mel_filter_bank(MEL_WINDOW // 2 + 1, BANDS, 60.0, 7600.0, SAMPLE_RATE_HZ)
    heard = np.pad(waveform, (MEL_WINDOW - SAMPLES_PER_FRAME) // 2)
    pieces = np.lib.stride_tricks.sliding_window_view(heard, MEL_WINDOW)[::SAMPLES_PER_FRAME]
    power = np.abs(np.fft.rfft(pieces[:num_frames] * np.hanning(MEL_WINDOW))) ** 2 @ filters
    total = power.sum(1)
    if not total.any():
        return np.full((num_frames, BANDS), -1, np.float32)
    floor = 10 ** (-MEL_RANGE_DB / 10)
    loud = np.percentile(power[total > floor * total.max()], 95, axis=0)
    level = 10 * np.log10(np.maximum(power, floor * loud) / loud)
    return (1 + level / (MEL_RANGE_DB / 2)).astype(np.float32)


def make_clip(tracks: list[np.ndarray], random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Make one training clip.

    Args:
        tracks: Each [A] at 16 kHz.
        random: Source of all choices.

    Returns:
        Waveform [F * 640] as the encoder gets it, and what it shall hear, [F, 17]: bands, opening.
    """
    waveform = compose(tracks, random)
    num_frames = len(waveform) // SAMPLES_PER_FRAME
    bands, opening = mel_bands(waveform, num_frames), opening_curve(waveform, num_frames)
    sound = Sound(waveform=torch.from_numpy(waveform)[None], sample_rate=SAMPLE_RATE_HZ)
    track = Track(sound=sound, start_s=Fraction(0))
    levelled = encoder_waveform(track, num_frames, loudness_lufs=LOUDNESS_LUFS)
    gain = 10 ** (random.uniform(-GAIN_DB, GAIN_DB) / 20)
    return levelled * gain, torch.from_numpy(np.concatenate((bands, opening[:, None]), 1))


def train_step(
    model: Wav2Vec2Model, heads: nn.ModuleList, clips: list[tuple[Tensor, Tensor]]
) -> tuple[float, float]:
    """Add the gradients of one batch.

    Args:
        model: The encoder.
        heads: One linear layer to 17 channels per transformer layer, on the CPU.
        clips: Results of `make_clip`.

    Returns:
        Mean losses: of all channels, and of the opening alone.
    """
    device = next(model.parameters()).device
    total = opening = 0.0
    for waveform, wanted in clips:
        layers = encode_waveform(model, waveform.to(device), len(wanted)).unbind(1)
        heard = torch.stack([head(layer) for head, layer in zip(heads, layers, strict=True)])
        losses = nn.functional.smooth_l1_loss(heard, wanted.expand_as(heard), reduction="none")
        (losses.mean() / len(clips)).backward()
        total += losses.mean().item() / len(clips)
        opening += losses[..., -1].mean().item() / len(clips)
    return total, opening


def probe_inputs(model: Wav2Vec2Model, waveform: np.ndarray, num_frames: int) -> Tensor:
    """Features of all layers of 5 neighbouring frames and a one, [F, 5 * M * E + 1] float64."""
    rows = features(model, torch.from_numpy(waveform), num_frames).flatten(1).double()
    offsets = torch.arange(-PROBE_RADIUS, PROBE_RADIUS + 1)
    near = (torch.arange(num_frames)[:, None] + offsets).clamp(0, num_frames - 1)
    return torch.cat((rows[near].flatten(1), torch.ones(num_frames, 1).double()), 1)


def surround(
    track: np.ndarray, share: float, random: np.random.Generator
) -> tuple[np.ndarray, int]:
    """Put silence around a whole track.

    Args:
        track: [A] at 16 kHz.
        share: Part of the result that is added silence.
        random: Says how much of it comes first.

    Returns:
        The longer track in whole frames, and how many frames come before the speech.
    """
    num_frames = len(track) // SAMPLES_PER_FRAME
    added = round(num_frames * share / (1 - share))
    before = int(random.integers(added + 1))
    out = np.zeros((num_frames + added) * SAMPLES_PER_FRAME, np.float32)
    start = before * SAMPLES_PER_FRAME
    out[start : start + num_frames * SAMPLES_PER_FRAME] = track[: num_frames * SAMPLES_PER_FRAME]
    return out, before


def probe(model: Wav2Vec2Model, folder: Path, *, seed: int) -> dict[str, float]:
    """Measure how well a linear map from the features tells the mouth opening.

    Args:
        model: The encoder.
        folder: Work folder with the bank. The map is fitted on training tracks, half of them with
            silence around, and measured on held-out ones.
        seed: Seed of where silence goes.

    Returns:
        R2 by case: `plain`; half of the track silence, over all frames (`zeros`) and over those of
        the speech (`zeros_speech`); the same with 80 % silence (`long_zeros_speech`).
    """
    random = np.random.default_rng([seed, 1])
    products: Tensor | float = 0.0
    for index, track in enumerate(tqdm(load_bank(folder)[:PROBE_TRACKS], desc="probe")):
        waveform, _ = surround(track, 0.5 * (index % 2), random)
        num_frames = len(waveform) // SAMPLES_PER_FRAME
        inputs = probe_inputs(model, waveform, num_frames)
        opening = torch.from_numpy(opening_curve(waveform, num_frames)).double()
        products = products + inputs.T @ torch.cat((inputs, opening[:, None]), 1)
    square, right = products[:, :-1], products[:, -1:]
    ridge = PROBE_RIDGE * square.diagonal().sum() / len(square)
    weights = torch.linalg.solve(square + ridge * torch.eye(len(square)).double(), right)

    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for track in load_bank(folder, held_out=True):
        for name, share in (("plain", 0.0), ("zeros", 0.5), ("long_zeros", 0.8)):
            waveform, before = surround(track, share, random)
            num_frames = len(waveform) // SAMPLES_PER_FRAME
            opening = opening_curve(waveform, num_frames)
            guess = (probe_inputs(model, waveform, num_frames) @ weights)[:, 0].numpy()
            inside = slice(before, before + len(track) // SAMPLES_PER_FRAME)
            pairs.setdefault(name, []).append((opening, guess))
            pairs.setdefault(f"{name}_speech", []).append((opening[inside], guess[inside]))
    cases = ("plain", "zeros", "zeros_speech", "long_zeros_speech")
    return {name: round(_r2(pairs[name]), 4) for name in cases}


def _r2(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Share of the variance that is explained, over all frames of all tracks."""
    truth, guess = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return 1 - float(((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def train_encoder(folder: Path, *, seed: int, steps: int = 400, device: torch.device) -> None:
    """Train, measure and write the encoder; finished work is kept, unfinished is continued.

    Args:
        folder: Work folder with the bank. Written: encoder.safetensors, encoder.json,
            encoder_losses.csv, and encoder.checkpoint.pt while it trains.
        seed: Seed of the first weights and of all clips.
        steps: Batches of 6 clips.
        device: Where the encoder trains.
    """
    report = folder / "encoder.json"
    settings = {"seed": seed, "steps": steps}
    if report.exists() and settings.items() <= json.loads(report.read_text()).items():
        print(f"{report} exists")
        return
    state, metadata = build_toy_encoder(seed=seed, dtype=torch.float32)
    config = json.loads(metadata["config"])
    model = build_encoder(config, state).to(device)
    torch.manual_seed(seed)
    heads = nn.ModuleList(nn.Linear(config["hidden_size"], BANDS + 1) for _ in model.encoder.layers)
    log = fit(model, heads, folder, seed=seed, steps=steps)

    trained = model.state_dict()
    state = {name: trained[name].to("cpu", torch.bfloat16).contiguous() for name in state}
    metrics = {"r2": probe(build_encoder(config, state), folder, seed=seed)}
    metadata |= {"trained": "true", "metrics": json.dumps(metrics)}
    (folder / "encoder.safetensors").write_bytes(file_bytes(state, metadata))
    parameters = sum(tensor.numel() for tensor in state.values())
    result = settings | {"parameters": parameters, "loss": log[-1][1]} | metrics
    report.write_text(json.dumps(result, indent=2) + "\n", encoding="ascii")
    (folder / "encoder.checkpoint.pt").unlink()
    print(json.dumps(result))


def fit(
    model: Wav2Vec2Model, heads: nn.ModuleList, folder: Path, *, seed: int, steps: int
) -> list[tuple[int, float, float, float]]:
    """Train the encoder, from a checkpoint if there is one of the same seed and length.

    Args:
        model: The encoder; afterwards trained.
        heads: One linear layer per transformer layer.
        folder: Work folder with the bank.
        seed: Seed of all clips.
        steps: Batches in all.

    Returns:
        Step, loss, loss of the opening and seconds since the start, per step.
    """
    checkpoint = folder / "encoder.checkpoint.pt"
    both = nn.ModuleList((model, heads)).requires_grad_(True)  # noqa: FBT003 - torch's signature
    optimizer = torch.optim.AdamW(both.parameters(), lr=LEARNING_RATE)
    log: list[tuple[int, float, float, float]] = []
    saved = torch.load(checkpoint, map_location="cpu") if checkpoint.exists() else {}
    if saved.get("run") == [seed, steps]:
        both.load_state_dict(saved["weights"])
        optimizer.load_state_dict(saved["optimizer"])
        log = saved["log"]
    tracks = load_bank(folder)
    started = time.monotonic() - (log[-1][3] if log else 0.0)
    bar = tqdm(range(len(log), steps), initial=len(log), total=steps, desc="encoder")
    for step in bar:
        random = np.random.default_rng([seed, 0, step])
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 + math.cos(math.pi * step / steps)) / 2
        losses = train_step(model, heads, [make_clip(tracks, random) for _ in range(BATCH)])
        nn.utils.clip_grad_norm_(both.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        log.append((step, *losses, time.monotonic() - started))
        bar.set_postfix(loss=f"{losses[0]:.4f}", opening=f"{losses[1]:.4f}")
        if (step + 1) % CHECKPOINT_STEPS == 0 or step + 1 == steps:
            run = {"run": [seed, steps], "weights": both.state_dict(), "log": log}
            partial = checkpoint.with_suffix(".partial")
            torch.save(run | {"optimizer": optimizer.state_dict()}, partial)
            partial.replace(checkpoint)
            with (folder / "encoder_losses.csv").open("w", newline="", encoding="ascii") as file:
                csv.writer(file).writerows([("step", "loss", "opening", "seconds"), *log])
    return log
