"""The command `jobs`: its options, and what it prints at the end."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from ..failures import HostError, UsageError
from ..option_values import seconds
from ..report import Report
from ..run import LOCAL, Place, check_folder, parse_address
from ..texts import shown
from .done import alone
from .job_list import Maker, NamedTask, read_jobs
from .ray_cluster import RayJobs
from .report import HostLines, HostReport, JsonHostReport
from .spread import Reporter, Spread

MOST_FAILED, FIRST_STOP = 100, 100  # codes above tell what stopped all of them


def add_jobs(commands: argparse._SubParsersAction) -> None:
    """Add the command `jobs`."""
    codes = (
        f"Exit code: how many jobs failed, at most {MOST_FAILED}; above that if all was stopped."
    )
    one = commands.add_parser("jobs", help="run many jobs on one host or several", epilog=codes)
    add = one.add_argument
    add("jobs", metavar="JOBS", type=Path, help="folder of jobs, or a JSON list of them")
    add("--hosts", default=LOCAL, metavar="HOST:PORT,...", help=f"ComfyUIs; default: {LOCAL}")
    words = "give the jobs to a Ray cluster: auto, or HOST:PORT of its head. A job takes one "
    words += "resource comfyui of a worker; --hosts are then the ComfyUIs as each worker sees them"
    add("--ray", metavar="ADDRESS", default="", help=words)
    words = "folder for the videos; default: this one. What is done there is not made again"
    add("--output", type=Path, default=Path.cwd(), help=words)
    words = "for each job; its run is stopped on the host then"
    add("--timeout", type=seconds, default=math.inf, metavar="SECONDS", help=words)
    add("--json", action="store_true", help="one JSON object per line")


def read_hosts(text: str) -> list[str]:
    """Read addresses with commas between; UsageError if there is none, or one is wrong."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    hosts = list(dict.fromkeys(parse_address(part, "--hosts") for part in parts))
    if not hosts:
        raise UsageError("--hosts names no host.", field="--hosts", hint=f"For example {LOCAL}.")
    return hosts


def run_jobs(options: argparse.Namespace, make: Maker) -> int:
    """Run many jobs on many hosts; returns how many failed, at most MOST_FAILED."""
    hosts = read_hosts(options.hosts)
    jobs = read_jobs(options.jobs, make)
    check_folder(options.output)
    with alone(options.output):
        lines = None if options.json else HostLines([] if options.ray else hosts, len(jobs))

        def reporter(host: str, job: str) -> Report:
            return JsonHostReport(host, job) if lines is None else HostReport(lines, host, job)

        spread = _spread(options, hosts, jobs, reporter)
        if lines is not None:
            lines.skip(spread.skipped)
        spread.run(hosts)
    return sum_up(len(jobs), spread.skipped, spread.failed, words=lines is not None)


def _spread(
    options: argparse.Namespace, hosts: list[str], jobs: list[NamedTask], reporter: Reporter
) -> Spread | RayJobs:
    place = Place(address="", output=options.output, timeout=options.timeout)
    if options.ray:
        return RayJobs(jobs, place, reporter, options.ray)
    return Spread(jobs, place, reporter)


def sum_up(jobs: int, skipped: int, failed: dict[str, HostError], *, words: bool) -> int:
    """Say how many jobs were made; the exit code."""
    made, names = jobs - len(failed) - skipped, sorted(failed)
    if words:
        which = f": {', '.join(names)}" if names else ""
        text = f"{made} made, {skipped} were there already, {len(names)} failed{which}."
        print(shown(text), file=sys.stderr, flush=True)
    else:
        facts = {"event": "jobs", "made": made, "there": skipped, "failed": names}
        print(json.dumps(facts), flush=True)
    return min(len(names), MOST_FAILED)
