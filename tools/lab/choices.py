"""One setting changed at a time, for tools/bench/toy_choices.py."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pack.multitalk.config import FRAME_RATE
from pack.multitalk.schedule import shifted_sigmas
from pack.multitalk.stepcache import COEFFICIENTS, StepCacheSettings
from pack.tools.host.pins import read_pins
from pack.tools.lab.cast import Clip, make_cast, make_clip, make_dialogue
from pack.tools.lab.measures import (
    Take,
    amplitude,
    binding,
    looks,
    own_minus_other,
    own_r,
    summarise,
)
from pack.tools.lab.run import ROOT, Lab, Settings, has_bf16, start_lab, toy_settings

MANY_STEPS = 40
WINDOW_COUNTS = (1, 3, 20)
NUM_DIALOGUES = 2
"""Of three windows; of twenty there is one."""

Variants = dict[str, dict[str, Any]]
"""Label of a row and the settings that differ."""

SHORT: dict[str, Variants] = {
    "steps": {f"{steps} steps": {"steps": steps} for steps in (2, 4, 8, 16, MANY_STEPS)},
    "audio_guidance": {f"audio guidance {g}": {"audio_guidance": float(g)} for g in range(1, 6)},
    "apg": {
        f"audio guidance 4, APG {'on' if apg else 'off'}": {"audio_guidance": 4.0, "apg": apg}
        for apg in (False, True)
    },
    "step_cache": {
        f"{MANY_STEPS} steps, threshold {threshold:g}": {
            "steps": MANY_STEPS,
            "step_cache": threshold,
        }
        for threshold in (0.0, 0.1, 0.2, 0.3, 0.5)
    },
    "weights": {
        f"weight_dtype {name}": {"weight_dtype": name}
        for name in (
            "default",
            "fp8_e4m3fn",
            "fp8_e4m3fn_fast",
            "fp8_e5m2",
            "int8",
            "quanto_int8",
            "quanto_fp8",
            "quanto_int4",
        )
    },
    "speakers": {
        "boxes": {},
        "halves": {"masks": "halves"},
        "swapped masks": {"masks": "swapped"},
        "swapped sounds": {"swap_sounds": True},
    },
}
LONG: dict[str, tuple[Variants, Sequence[int]]] = {
    "rule": ({f"rule {rule}": {"rule": rule} for rule in ("multitalk", "infinitetalk")}, (3,)),
    "colour_match": ({f"colour match {m:g}": {"colour_match": m} for m in (1.0, 0.0)}, (3, 20)),
    "windows": ({"": {}}, WINDOW_COUNTS),
}


@dataclass(kw_only=True, slots=True)
class Bench:
    """Makes every video once, whatever group asks for it."""

    lab: Lab
    num_clips: int
    made: dict[tuple[str, int, Settings], tuple[Take, float]]

    def film(self, clip: Clip, settings: Settings) -> tuple[Take, float]:
        """The video of a clip, and the CPU seconds that it took."""
        key = (clip.name, clip.num_frames, settings)
        if key not in self.made:
            begin = time.process_time()
            take = Take(clip=clip, frames=self.lab.video(clip, settings))
            self.made[key] = take, time.process_time() - begin
            print(f"  {clip.name}: {self.made[key][1]:.1f} CPU s", flush=True)
        return self.made[key]

    def short_row(self, settings: Settings) -> list[str]:
        """Numbers over clips of one window."""
        films = [self.film(clip, settings) for clip in make_cast(self.num_clips)]
        numbers = summarise([take for take, _ in films])
        return [
            f"{numbers['one_face_r']:.3f}",
            f"{numbers['two_face_own_r']:.3f}",
            f"{numbers['own_minus_other']:.2f}",
            f"{numbers['silent_ratio']:.2f}",
            f"{numbers['amplitude']:.2f}",
            f"{numbers['drift_de']:.1f}",
            f"{numbers['likeness_db']:.1f}",
            f"{np.median([seconds for _, seconds in films]):.2f}",
        ]

    def long_row(self, settings: Settings, num_windows: int) -> list[str]:
        """Numbers over dialogues of some windows."""
        films = [self.film(clip, settings) for clip in dialogues(num_windows, settings)]
        takes = [take for take, _ in films]
        end = looks(takes, FRAME_RATE)
        return [
            f"{np.mean(own_r(takes, ('turns',))):.3f}",
            f"{own_minus_other(binding(takes)):.2f}",
            f"{amplitude(takes):.2f}",
            f"{end['drift_de']:.1f}",
            f"{end['likeness_db']:.1f}",
            f"{np.median([seconds for _, seconds in films]) / num_windows:.2f}",
        ]


def dialogues(num_windows: int, settings: Settings) -> list[Clip]:
    """Two people in turn over exactly so many windows."""
    numbers = range(1 if num_windows == max(WINDOW_COUNTS) else NUM_DIALOGUES)
    if num_windows == 1:
        return [make_clip("turns", number) for number in numbers]
    num_frames = settings.window + (num_windows - 1) * (settings.window - settings.overlap)
    return [make_dialogue(num_frames, number=number) for number in numbers]


def reused_share(lab: Lab, settings: Settings) -> float:
    """Part of the steps whose blocks the step cache skips."""
    cache = StepCacheSettings(threshold=settings.step_cache, coefficients=COEFFICIENTS["480"])
    run = lab.host.module("nodes.sampling.block_cache").RunCache(cache)
    plan = run.plan_for(lab.model.model, shifted_sigmas(settings.steps, settings.shift))
    return plan.num_reused / settings.steps


def short_group(bench: Bench, name: str, base: Settings) -> list[str]:
    """Rows of one group of short clips."""
    titles = ["choice", "one face r", "own r", "own - other", "silent", "amplitude"]
    rows = []
    for label, changes in SHORT[name].items():
        print(f"{name}: {label}", flush=True)
        settings = replace(base, **changes)
        numbers = bench.short_row(settings)
        if name == "step_cache":
            share = reused_share(bench.lab, settings) if settings.step_cache else 0.0
            label = f"{label}: {share:.0%} reused"
        rows.append([label, *numbers])
    return markdown([*titles, "drift dE", "likeness dB", "CPU s"], rows)


def long_group(bench: Bench, name: str, base: Settings) -> list[str]:
    """Rows of one group of dialogues."""
    titles = ["choice", "own r", "own - other", "amplitude", "drift dE", "likeness dB"]
    variants, counts = LONG[name]
    rows = []
    for count in counts:
        for label, changes in variants.items():
            windows = "1 window" if count == 1 else f"{count} windows"
            text = f"{label}, {windows}" if label else windows
            print(f"{name}: {text}", flush=True)
            rows.append([text, *bench.long_row(replace(base, **changes), count)])
    return markdown([*titles, "CPU s per window"], rows)


def markdown(titles: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def head(bench: Bench, base: Settings, arguments: list[str], seconds: float) -> list[str]:
    """First lines of the page."""
    import torch

    vae = "bfloat16" if has_bf16() else "float32"
    return [
        "# What each choice gives and costs with the toy, CPU",
        "",
        f"- machine: {os.cpu_count()} shared {platform.machine()} cores, one thread used; "
        f"no accelerator; VAE in {vae}",
        f"- versions: ComfyUI {read_pins().version} (pinned commit), torch {torch.__version__}",
        f"- command: `{' '.join(['.venv/bin/python tools/bench/toy_choices.py', *arguments])}`",
        f"- the toy's own settings unless a row says otherwise: {base.steps} steps, shift "
        f"{base.shift:g}, audio guidance {base.audio_guidance:g}, text guidance "
        f"{base.text_guidance:g}, windows of {base.window} with overlap {base.overlap}, seed "
        f"{base.seed}",
        f"- {bench.num_clips} held-out clips of one window; dialogues: {NUM_DIALOGUES} of up to 3 "
        f"windows, 1 of {max(WINDOW_COUNTS)}; one seed and few clips: small differences of r mean "
        "nothing",
        "- drift and likeness: last second against the picture, as in tools/lab/measures.py; "
        "CPU s: median of a clip, VAE and speech included",
        "- weights: all that MultiTalkLoadModel offers",
        f"- whole run: {seconds:.0f} CPU s",
    ]


def main(arguments: list[str]) -> None:
    """Measure and write the page.

    Args:
        arguments: Command line.
    """
    names = [*SHORT, *LONG]
    parser = argparse.ArgumentParser(prog="toy_choices.py", description="What each choice costs.")
    parser.add_argument("--clips", type=int, default=6, help="clips of one window, 3 or more")
    parser.add_argument("--only", choices=names, action="append", help="one group; repeatable")
    today = datetime.datetime.now(tz=datetime.timezone.utc).strftime("%Y%m%d")
    default = ROOT / "tools" / "bench" / f"toy_choices_cpu_{today}.md"
    parser.add_argument("--output", type=Path, default=default)
    options = parser.parse_args(arguments)
    begin, base = time.process_time(), toy_settings()
    bench = Bench(lab=start_lab(), num_clips=options.clips, made={})
    lines = []
    for name in options.only or names:
        rows = (short_group if name in SHORT else long_group)(bench, name, base)
        lines += ["", f"## {name}", "", *rows]
    lines = head(bench, base, arguments, time.process_time() - begin) + lines
    options.output.write_text("\n".join(lines) + "\n", encoding="ascii")
    print(f"Written: {options.output}", flush=True)
