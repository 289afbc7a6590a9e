"""The command `python dev.py lab`: measures the toy on held-out faces and voices.

Every clip goes through the real nodes in the pinned host. Table, curves and contact sheets are
written to .work/lab (or `--output`).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

from pack.multitalk.config import FRAME_RATE
from pack.tools.lab.cast import Clip, make_cast, make_clip, make_dialogue
from pack.tools.lab.dubbing import CAST, STRENGTHS, make_dub, summarise_dubs
from pack.tools.lab.measures import Take, summarise, summarise_long, summarise_vae
from pack.tools.lab.report import draw_curves, draw_long_sheet, draw_sheet, table
from pack.tools.lab.round_trips import vae_drift
from pack.tools.lab.run import ROOT, Lab, Settings, start_lab, toy_settings

MIN_CLIPS = 3  # one of each kind that a number needs
LONG_S = 60


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, Settings]:
    """Read the command line: what to measure, and an option for every field of Settings."""
    parser = argparse.ArgumentParser(prog="dev.py lab", description="Measure the toy.")
    parser.add_argument("--clips", type=int, default=24, help="a third of them show one face")
    parser.add_argument("--long", action="store_true", help="also a dialogue of one minute")
    parser.add_argument("--dub", action="store_true", help="also films with new mouths")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--output", type=Path, default=ROOT / ".work" / "lab", help="folder")
    default = toy_settings()
    for field in dataclasses.fields(Settings):
        name, value = "--" + field.name.replace("_", "-"), getattr(default, field.name)
        if isinstance(value, bool):
            parser.add_argument(name, action="store_true")
        else:
            parser.add_argument(name, type=type(value), default=value, help=f"default: {value}")
    options = parser.parse_args(arguments)
    if options.clips < MIN_CLIPS:
        parser.error(f"--clips is {options.clips}; at least {MIN_CLIPS} are needed")
    chosen = {field.name: getattr(options, field.name) for field in dataclasses.fields(Settings)}
    return options, Settings(**chosen)


def say(text: str) -> None:
    """Tell what happens."""
    print(text, flush=True)


def film_all(lab: Lab, clips: list[Clip], settings: Settings) -> list[Take]:
    """Videos of all clips."""
    takes = []
    for number, clip in enumerate(clips, start=1):
        begin = time.perf_counter()
        takes.append(Take(clip=clip, frames=lab.video(clip, settings)))
        say(f"{number}/{len(clips)} {clip.name}: {time.perf_counter() - begin:.1f} s")
    return takes


def measure_clips(lab: Lab, options: argparse.Namespace, settings: Settings) -> dict[str, float]:
    """Numbers of the short clips, and their pictures."""
    takes = film_all(lab, make_cast(options.clips), settings)
    say("Drawing the films as they should be, and the VAE alone ...")
    films = [Take(clip=take.clip, frames=take.clip.film) for take in takes]
    rebuilt = [Take(clip=film.clip, frames=lab.rebuild(film.frames)) for film in films]
    draw_curves(takes, options.output / "curves.png")
    draw_sheet(films, takes, options.output / "clips.png")
    return summarise(takes) | summarise_vae(films, rebuilt)


def measure_dialogue(lab: Lab, options: argparse.Namespace, settings: Settings) -> dict[str, float]:
    """Numbers of a long dialogue, its contact sheet, and what the VAE alone drifts by."""
    say(f"A dialogue of {LONG_S} s ...")
    (take,) = film_all(lab, [make_dialogue(LONG_S * FRAME_RATE)], settings)
    draw_long_sheet(take, options.output / "dialogue.png")
    alone = vae_drift(make_clip("turns", 0), lab.rebuild, settings.colour_match)
    return summarise_long(take) | alone


def measure_dubbing(lab: Lab, settings: Settings) -> dict[str, float]:
    """Numbers of films in which only mouths are new, by the strength that sampling begins with."""
    say(f"{len(CAST)} films with other voices ...")
    dubs = [make_dub(kind, number) for kind, number in CAST]
    numbers: dict[str, float] = {}
    for strength in STRENGTHS:
        takes = [lab.dub(dub, settings, strength) for dub in dubs]
        found = summarise_dubs(takes)
        say(f"start_strength {strength:g}: {found}")
        numbers |= {f"{name}_{strength:g}": value for name, value in found.items()}
    return numbers


def main(arguments: list[str]) -> None:
    """Measure and write.

    Args:
        arguments: Command line.
    """
    options, settings = parse_arguments(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    say("Starting ComfyUI in this process ...")
    lab = start_lab()
    numbers = measure_clips(lab, options, settings)
    if options.long:
        numbers |= measure_dialogue(lab, options, settings)
    if options.dub:
        numbers |= measure_dubbing(lab, settings)
    (options.output / "numbers.md").write_text(
        f"{settings}\n\n{table(numbers)}\n", encoding="ascii"
    )
    say(table(numbers))
    say(f"Pictures and table: {options.output}")
    if options.json:
        say(json.dumps(numbers))
