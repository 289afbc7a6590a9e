"""The commands `run`, `job` and `jobs`: see `main`, and `README.md` in this folder."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from . import edit
from .failures import (
    EXIT_CODES,
    HostError,
    HostInterruptedError,
    StorageError,
    UsageError,
    write_failure,
)
from .jobs.flags import add_job_flags
from .jobs.job import make_job
from .many.command import FIRST_STOP, add_jobs, run_jobs
from .option_values import WRONG, seconds, whole
from .report import JsonReport, Report
from .run import LOCAL, Place, Starter, Task, parse_address, run_task
from .settings import apply_settings

_RAW_VALUE = re.compile(r"invalid (\w+) value: ['\"](.*)['\"]")  # the parser's own words
_TAKES = {"int": "a whole number", "float": "a number", "yes_or_no": "true or false"}
FILES: Mapping = {"type": Path, "action": "append", "default": []}


class Parser(argparse.ArgumentParser):
    """Raises instead of ending the program."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line with a UsageError."""
        option, _, rest = message.removeprefix("argument ").partition(": ")
        name = option.rpartition("/")[2]
        if rest.startswith(WRONG):
            raise UsageError(f"{name}{rest.removeprefix(WRONG)}.", field=name)
        if raw := _RAW_VALUE.fullmatch(rest):
            takes = _TAKES.get(raw[1], "another value")
            raise UsageError(f"{name} is {raw[2]}; it takes {takes}.", field=name)
        given = rest.removeprefix("invalid choice: ").partition(" (")[0]
        said = {
            "the following arguments are required": f"{rest} is missing",
            "unrecognized arguments": f"{rest} is not known",
            "command": f"{given} is no command; take run, job or jobs",
        }.get(option, f"{option} needs a value" if rest.startswith("expected") else message)
        raise UsageError(f"{self.prog}: {said}.", hint=f"See {self.prog} --help.")


def main(arguments: Sequence[str], starter: Starter | None = None) -> int:
    """Run one command, `run` or `job` and what follows; returns one of EXIT_CODES.

    `starter` starts a host where none runs; None: it cannot be started from here.
    """
    print_anywhere()
    report = JsonReport() if "--json" in arguments else Report()
    with terminated_like_ctrl_c():
        try:
            options = parse(arguments, "python workflows/api" if starter is None else "dev.py")
            if options.command == "jobs":
                return run_jobs(options, make_task)
            do(options.make(options), options, starter, report)
            return 0
        except HostError as error:
            failure = error
        except KeyboardInterrupt:
            failure = HostInterruptedError("Interrupted.")
        except OSError as error:  # others are told where they are met
            print_nowhere()
            failure, report = printing_failed(error), Report()
        report.failure(failure)
        return failure.code + (FIRST_STOP if arguments[:1] == ["jobs"] else 0)


def make_task(arguments: Sequence[str]) -> Task:
    """Make the task of the arguments of `run` or `job`; UsageError if they are wrong."""
    options = parse(arguments)
    return options.make(options)


def printing_failed(error: OSError) -> StorageError:
    """Make the error for an output that nobody reads any more, or that has no place."""
    text = f"What is printed could not be written: {error.strerror}."
    return StorageError(text, hint="The run itself may have ended well.")


def print_nowhere() -> None:
    """Let nothing fail again when the program ends and Python writes the rest."""
    if sys.stdout is sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_anywhere() -> None:
    """Escape letters that the console has no place for: Windows writes cp1252 into pipes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextlib.contextmanager
def terminated_like_ctrl_c() -> Iterator[None]:
    """Take the end by a service manager or `timeout` like Ctrl-C: the host's run ends too."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def do(task: Task, options: argparse.Namespace, starter: Starter | None, report: Report) -> None:
    """Run a task, or show what would run."""
    if options.write:
        write_prompt(options.write, task, report)
    elif options.dry_run:
        line = {
            "event": "prompt",
            "prompt": task.prompt,
            "uploads": {name: str(path) for name, path in task.uploads.items()},
            "notes": list(task.notes),
        }
        print(json.dumps(line if options.json else task.prompt), flush=True)
    else:
        address = parse_address(options.address) if options.address else ""
        place = Place(address=address, output=options.output, timeout=options.timeout)
        run_task(task, place, starter, report)


def write_prompt(path: Path, task: Task, report: Report) -> None:
    """Write the prompt into a file instead of running it; StorageError if that fails."""
    try:
        path.write_text(json.dumps(task.prompt, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise write_failure(str(path), error) from error
    for note in task.notes:
        report.say("note", note)
    for name, file in task.uploads.items():
        report.say("note", f"Copy {file} to {name} in the host's input folder.", name=name)
    report.result([path])


def parse(arguments: Sequence[str], program: str = "dev.py") -> argparse.Namespace:
    """Read the command line of a program; UsageError if it is wrong.

    Of the options `make` is the function that makes a task of them.
    """
    codes = "; ".join(f"{code} {words}" for code, words in EXIT_CODES.items())
    parser = Parser(prog=program, description="Make talking videos through ComfyUI's API.")
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    one = commands.add_parser("run", help="run a graph", epilog=f"Exit codes: {codes}.")
    add = one.add_argument
    add("graph", metavar="GRAPH", help=f"{', '.join(edit.graph_names())}, or a file in API form")
    add("--image", help="picture; repeat for several", **FILES)
    add("--sound", help="voice; once per speaker, in order", **FILES)
    add("--prompt", help="text that describes the video")
    add("--seed", type=whole, help="another seed makes another video")
    add_common(one)
    one.set_defaults(make=make_run)
    words = "run a job file of the reference"
    one = commands.add_parser("job", help=words, epilog=f"Exit codes: {codes}.", allow_abbrev=False)
    add_common(one)
    add_job_flags(one)
    one.set_defaults(make=make_job)
    add_jobs(commands)
    return parser.parse_args(list(arguments))


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what both commands take."""
    add = parser.add_argument
    words = "change an input; NODE is an id, a title or a class, VALUE is JSON or a text"
    add("--set", action="append", default=[], metavar="NODE.INPUT=VALUE", help=words)
    add("--address", default="", help=f"HOST:PORT of ComfyUI; default: {LOCAL}, or it is started")
    words = "folder for the video; default: this one"
    add("--output", type=Path, default=Path.cwd(), help=words)
    words = "stop everything then, the run on the host too"
    add("--timeout", type=seconds, default=math.inf, metavar="SECONDS", help=words)
    add("--json", action="store_true", help="one JSON object per line")
    add("--write", type=Path, metavar="FILE", help="write the prompt, run nothing")
    add("--dry-run", action="store_true", help="print the prompt, run nothing")


def make_run(options: argparse.Namespace) -> Task:
    """Make the task of `run`; UsageError if something does not fit the graph."""
    prompt = edit.read_prompt(options.graph)
    uploads: dict[str, Path] = {}
    for option, paths, place in (
        ("--image", options.image, edit.place_images),
        ("--sound", options.sound, edit.place_sounds),
    ):
        names = [edit.upload_name(path, option) for path in paths]
        if paths:
            place(prompt, names)
        uploads.update(zip(names, paths, strict=True))
    if options.prompt is not None:
        edit.set_text(prompt, options.prompt)
    if options.seed is not None:
        edit.set_seed(prompt, options.seed)
    return Task(prompt=apply_settings(prompt, options.set), uploads=uploads)
