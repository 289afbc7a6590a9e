"""What all trainings share: a run that is saved and goes on, and its loop.

The learning rate follows the CPU time that was spent (on a GPU the wall time), so that a run of any
length ends with the rate near zero.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

SAVE_EVERY_S = 60.0
LOG_EVERY = 25
LOWEST_RATE = 0.01


@dataclass(kw_only=True, slots=True)
class Run:
    """State of one training."""

    model: nn.Module
    average: dict[str, Tensor]
    """Running average of the weights, which is what is used in the end."""
    optimiser: torch.optim.Optimizer
    path: Path
    seconds: float = 0.0
    step: int = 0
    losses: list[float] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    def save(self) -> None:
        """Write the run so that a stop at any moment leaves a whole file."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "seconds": self.seconds,
            "step": self.step,
        }
        new = self.path.with_suffix(".new")
        torch.save(state, new)
        new.replace(self.path)

    @torch.no_grad()
    def follow(self, ema: float) -> None:
        """Move the running average; at the beginning it forgets faster."""
        share = min(ema, self.step / (9 + self.step))
        for name, tensor in self.model.state_dict().items():
            self.average[name].lerp_(tensor, 1 - share)


def start_run(
    model: nn.Module, trained: Iterable[nn.Parameter], path: Path, *, decay: float = 0.0
) -> Run:
    """A new run, or the saved one.

    Args:
        model: On its device.
        trained: Parameters that learn.
        path: File of the run.
        decay: Weight decay.
    """
    optimiser = torch.optim.AdamW(trained, betas=(0.9, 0.98), weight_decay=decay)
    average = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    run = Run(model=model, average=average, optimiser=optimiser, path=path)
    if path.is_file():
        state = torch.load(path, map_location=run.device, weights_only=True)
        model.load_state_dict(state["model"])
        if "optimiser" in state:  # not in a run that was made of shipped weights
            optimiser.load_state_dict(state["optimiser"])
        run.average, run.seconds, run.step = state["average"], state["seconds"], state["step"]
    return run


def falling(spent: float) -> float:
    """Factor of the learning rate after this share of the time: a cosine to nearly zero."""
    return max(0.5 * (1 + math.cos(math.pi * min(spent, 1.0))), LOWEST_RATE)


def train(
    run: Run,
    loss_of: Callable[[np.random.Generator], Tensor],
    *,
    rate: Callable[[float], float],
    minutes: float,
    seed: int,
    ema: float,
    saved: Callable[[], None] = lambda: None,
) -> None:
    """Train until `minutes` were spent altogether.

    Args:
        run: Changed in place and saved every minute.
        loss_of: Makes a batch from random numbers and gives its loss.
        rate: Learning rate by the share of the time that was spent.
        minutes: Length of the whole run.
        seed: Seed of batches and noise.
        ema: Decay of the running average.
        saved: Called after every save.
    """
    total_s, next_save = 60 * minutes, run.seconds + SAVE_EVERY_S
    clock = time.process_time if run.device.type == "cpu" else time.perf_counter
    bar = tqdm(total=round(total_s), initial=round(run.seconds), desc=run.path.stem, unit="s")
    while run.seconds < total_s:
        begin = clock()
        torch.manual_seed(1000 * seed + run.step)
        for group in run.optimiser.param_groups:
            group["lr"] = rate(run.seconds / total_s) * min(1.0, (run.step + 1) / 50)
        loss = loss_of(np.random.default_rng([seed, run.step]))
        run.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
        run.optimiser.step()
        run.step += 1
        run.follow(ema)
        run.losses.append(loss.item())
        spent = clock() - begin
        run.seconds += spent
        bar.update(min(spent, bar.total - bar.n))
        bar.set_postfix(step=run.step, loss=f"{np.mean(run.losses[-LOG_EVERY:]):.4f}")
        if run.step % LOG_EVERY == 0 or run.seconds >= total_s:
            note(run, seed=seed, loss=round(float(np.mean(run.losses[-LOG_EVERY:])), 4))
        if run.seconds >= next_save or run.seconds >= total_s:
            next_save += SAVE_EVERY_S
            run.save()
            saved()


def note(run: Run, **facts: float) -> None:
    """Append a row to the run's log."""
    row = {"step": run.step, "cpu_s": round(run.seconds), **facts}
    with run.path.with_suffix(".log").open("a", encoding="ascii") as log:
        log.write(json.dumps(row) + "\n")
