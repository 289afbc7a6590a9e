"""Jobs out of a folder or a list: what each of them runs, and what tells it from another one."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .. import edit
from ..failures import UsageError
from ..jobs.job import Files
from ..run import Task
from ..texts import brief, plain_name

FIELDS = ("name", "graph", "image", "sound", "prompt", "seed", "set")
_REFERENCE = {"cond_image", "cond_video", "cond_audio"}  # what tells a job file of the reference
Maker = Callable[[Sequence[str]], Task]  # makes a task of the arguments of `run` or `job`


@dataclass(frozen=True, kw_only=True)
class NamedTask:
    """A job: its video is called by its name."""

    name: str
    task: Task

    def named(self) -> Task:
        """The task, with the video called by the name of the job."""
        return replace(self.task, save_as=self.name)

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of all that the video depends on; uploads are named by their contents."""
        parts = [self.task.prompt, sorted(self.task.uploads)]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_jobs(path: Path, make: Maker) -> list[NamedTask]:
    """Read the jobs of a folder, each .json in it, or of a JSON list, and check all of them.

    An entry of a list is a file beside the list, or an object with `graph` and what `run` takes.

    Raises:
        UsageError: If there is none, one is wrong, or two have one name.
    """
    jobs = [
        NamedTask(name=plain_name(name), task=_checked(name, arguments, make))
        for name, arguments in _found(path)
    ]
    if not jobs:
        hint = "Give a folder with .json files, or a JSON list of jobs."
        raise UsageError(f"{path} holds no jobs.", field="JOBS", hint=hint)
    seen: set[str] = set()
    for job in jobs:
        if job.name.casefold() in seen:
            text = f"Two jobs are called {job.name}; their videos would have one name."
            raise UsageError(text, field="name", hint="Give one of them another name.")
        seen.add(job.name.casefold())
    return jobs


def _checked(name: str, arguments: Sequence[str], make: Maker) -> Task:
    try:
        return make(arguments)
    except UsageError as error:
        raise UsageError(f"Job {name}: {error}", field=error.field, hint=error.hint) from error


def _found(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Names of jobs, and the arguments of each."""
    if path.is_dir():
        for file in sorted(path.glob("*.json")):
            if not file.name.startswith("."):
                yield _of_file(file, path)
        return
    value = _read(path)
    if not isinstance(value, list):
        raise UsageError(f"{path} is no list of jobs: [...].", field="JOBS")
    for number, entry in enumerate(value, start=1):
        if isinstance(entry, str):
            yield _of_file(_inside(entry, path.parent, f"job {number}"), path.parent)
        else:
            yield _of_entry(entry, path.parent, f"{path.stem}_{number:03d}")


def _of_file(file: Path, folder: Path) -> tuple[str, list[str]]:
    """A job of a file: of the reference, of ours with `graph`, or a graph in API form."""
    value = _read(file)
    if isinstance(value, dict) and "graph" in value:
        return _of_entry(value, folder, file.stem)
    known = isinstance(value, dict) and not _REFERENCE.isdisjoint(value)
    return file.stem, ["job" if known else "run", str(file)]


def _of_entry(entry: object, folder: Path, name: str) -> tuple[str, list[str]]:
    """Arguments of `run`, each in one piece: a value that looks like an option is none."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("graph"), str):
        text = f"Job {name} is {brief(json.dumps(entry), 100)}; it needs a graph."
        raise UsageError(text, field="graph", hint='For example {"graph": "multitalk_fast"}.')
    for field in entry:
        if field not in FIELDS:
            hint = f"Fields: {', '.join(FIELDS)}."
            raise UsageError(f"Job {name}: {field} is not known.", field=field, hint=hint)
    graph = entry["graph"]
    if graph not in edit.graph_names():
        graph = str(_inside(graph, folder, "graph"))
    arguments = ["run", graph]
    for field in ("image", "sound"):
        for text in _texts(entry.get(field, [])):
            arguments.append(f"--{field}={_inside(text, folder, field)}")
    for field in ("prompt", "seed"):
        if field in entry:
            arguments.append(f"--{field}={entry[field]}")
    arguments += [f"--set={text}" for text in _texts(entry.get("set", []))]
    return str(entry.get("name", name)), arguments


def _texts(value: object) -> list[str]:
    """One value or a list of them."""
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def _inside(text: str, folder: Path, field: str) -> Path:
    """A file that a job names: it is sent to hosts, so it must lie in the folder of the jobs."""
    files = Files(folder.resolve(), {})
    return files.uploads[files.add(text, field)]


def _read(path: Path) -> object:
    try:
        return edit.read_json(path, "JOBS", finite=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).", field="JOBS") from error
