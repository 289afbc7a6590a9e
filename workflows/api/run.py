"""Run a prompt on a host: find or start it, upload, queue, wait, download."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .answers import Answer, Deadline, Question
from .client import START_HINT, HostClient
from .edit import UPLOADS, Prompt, upload_name
from .events import files_of
from .failures import HostError, HostInterruptedError, UnreachableError, UsageError, write_failure
from .report import Report
from .texts import plain_name

PORT = 8188
LOCAL = f"127.0.0.1:{PORT}"
ANSWER_SECONDS = 5.0
STOP_SECONDS = 30.0
MOST_FILES = 10_000
MAY_NOT_STOP = "may still go on at the host, which does not say that it has stopped"


class Running(Protocol):
    """A host that runs."""

    address: str  # host and port
    log: Path  # what it prints


# Starts a host with more arguments for ComfyUI; it runs while the `with` block does.
Starter = Callable[[Sequence[str]], AbstractContextManager[Running]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A prompt with all that it needs."""

    prompt: Prompt
    uploads: Mapping[str, Path] = field(default_factory=dict)  # by their names on the host
    save_as: str = ""  # name of the video here, without folder; empty: as on the host
    host_arguments: tuple[str, ...] = ()  # what ComfyUI must have been started with
    notes: tuple[str, ...] = ()  # what the user should know


class Book:
    """What is written down of a run, so that a later one can go on; here nothing is."""

    earlier = ""  # id of a prompt for the same, of which nobody saw the end

    def queue(self, prompt_id: str) -> None:
        """Take the id of the prompt that the host is given next."""

    def claim(self, names: Sequence[str]) -> Collection[str]:
        """Take the names that the results have here; give those whose files may be replaced."""
        return names


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where to run and where to put the result."""

    address: str  # empty: a host on this machine's usual port, or one that is started
    output: Path  # folder for the files
    timeout: float  # seconds that all of it may take
    deadline: Deadline | None = None  # who sets it may move it; None: one of `timeout`
    book: Book = field(default_factory=Book)


def parse_address(text: str, option: str = "--address") -> str:
    """Read host and port from a host, `host:port` or an http address; UsageError if it is none."""
    plain = text.removeprefix("http://").rstrip("/")
    name, colon, port = plain.rpartition(":")
    if not colon:
        name, port = plain, str(PORT)
    is_port = port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 1 << 16
    if not name or not is_port or "/" in name or not name.isprintable() or " " in name:
        takes = f"it takes HOST:PORT, for example {LOCAL}."
        raise UsageError(f"{option} is {text}; {takes}", field=option)
    return f"{name}:{port}"


def ask(address: str) -> dict | None:
    """What a ComfyUI says about its system; None if nobody or somebody else answers."""
    question = Question("/system_stats")
    try:
        with Answer(address, question, seconds=ANSWER_SECONDS) as answer:
            system = answer.members().get("system") if answer.status == 200 else None
    except UnreachableError:
        return None
    return system if isinstance(system, dict) else None


def has_run(address: str, prompt_id: str) -> bool:
    """Whether a host answers and has a prompt: it waits there, runs or has ended."""
    try:
        with HostClient(address, Deadline(ANSWER_SECONDS)) as client:
            return bool(prompt_id) and client.knows(prompt_id)
    except (UnreachableError, TimeoutError):
        return False


@contextlib.contextmanager
def reach(
    address: str, starter: Starter | None, arguments: Sequence[str], report: Report
) -> Iterator[str]:
    """Find a host that was started with some arguments, or start one, and give its address.

    Raises:
        UnreachableError: If there is none and none can be started.
        UsageError: If the one that runs was started in another way.
    """
    wanted = address or LOCAL
    system = ask(wanted)
    if system is not None:
        argv = system.get("argv")
        started_with = argv if isinstance(argv, list) else ()
        # On the CPU these options of a GPU's memory mean nothing.
        missing = [a for a in arguments if a not in started_with and "--cpu" not in started_with]
        if missing:
            raise UsageError(
                f"The ComfyUI at {wanted} runs without {' '.join(missing)}, which this job asks "
                "for.",
                hint=f"Start ComfyUI with {' '.join(missing)}, or leave out the option.",
            )
        report.say("host", f"Using the ComfyUI at {wanted}.", address=wanted)
        yield wanted
        return
    if address or starter is None:
        raise UnreachableError(f"No ComfyUI answers at {wanted}.", hint=START_HINT)
    report.say("starting", "Starting ComfyUI ...")
    with contextlib.ExitStack() as stack:
        # What a set-up prints is no result: programs read the standard output.
        with contextlib.redirect_stdout(sys.stderr):
            try:
                running = stack.enter_context(starter(arguments))
            except (RuntimeError, OSError) as error:
                raise UnreachableError(f"ComfyUI could not be started: {error}") from error
        report.say("host", f"Started ComfyUI at {running.address}.", address=running.address)
        try:
            yield running.address
        except UnreachableError as error:
            error.hint = f"The log: {running.log}"
            raise


def run_task(task: Task, place: Place, starter: Starter | None, report: Report) -> None:
    """Run a prompt and download what it made; HostError of the kind that fits what failed."""
    started = time.monotonic()
    for note in task.notes:
        report.say("note", note)
    check_folder(place.output)
    try:
        paths = run_in_time(task, place, starter, report)
    except TimeoutError as error:
        text = f"Not all was done within the {place.timeout:g} s of --timeout."
        raise HostInterruptedError(text) from error
    report.result(paths, seconds=round(time.monotonic() - started, 1))


def run_in_time(task: Task, place: Place, starter: Starter | None, report: Report) -> list[Path]:
    """Run a prompt and give the paths of what it made; TimeoutError if it takes too long."""
    with reach(place.address, starter, task.host_arguments, report) as address:
        deadline = place.deadline or Deadline(place.timeout)  # not for the start of a host
        with HostClient(address, deadline) as client:
            entry = earlier_run(client, task, place, report)
            if entry is None:
                upload(client, task.uploads, report)
                entry = run_prompt(client, task.prompt, place, report)
            return fetch(client, entry, task, place)


def upload(client: HostClient, files: Mapping[str, Path], report: Report) -> None:
    """Upload files; UsageError if one has changed since it was named by its contents."""
    for name, path in files.items():
        check_unchanged(name, path)
        folder, _, last = name.rpartition("/")
        client.upload(path, name=last, subfolder=folder)
        report.say("uploaded", f"Uploaded {path}.", file=str(path), name=name)


def check_unchanged(name: str, path: Path) -> None:
    """Refuse a file that is not any more what its name on the host says: UsageError."""
    if name.startswith(f"{UPLOADS}/") and upload_name(path, "uploads") != name:
        raise UsageError(f"{path} has changed since it was read.", hint="Start again.")


def fetch(client: HostClient, entry: Mapping, task: Task, place: Place) -> list[Path]:
    """Download what a run made, by its entry in the history, and give the paths."""
    files = [file for file in files_of(entry) if file.get("type") == "output"]
    if not files:
        raise HostError(
            "The run made no file in the output folder.",
            hint="Set save_output of MultiTalk Video Combine to true.",
        )
    if len(files) > MOST_FILES:
        raise HostError(
            f"The run made {len(files)} files; up to {MOST_FILES} are copied.",
            hint="They are in the host's output folder.",
        )
    names = names_here(task.save_as, files)
    own = place.book.claim(names) if task.save_as else ()
    return [
        client.download(file, place.output, name, replace=name in own)
        for file, name in zip(files, names, strict=True)
    ]


def names_here(save_as: str, files: Sequence[Mapping]) -> list[str]:
    """Name the files that a run made: as on the host, or `save_as` and a number from the second."""
    names = [plain_name(file["filename"]) for file in files]
    if not save_as:
        return names
    return [
        f"{save_as}{f'_{number}' if number > 1 else ''}{Path(name).suffix}"
        for number, name in enumerate(names, start=1)
    ]


def check_folder(folder: Path) -> None:
    """Make the folder for results and try to write there, before anything is computed.

    Raises:
        StorageError: If that fails.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise write_failure(str(folder), error) from error


def earlier_run(client: HostClient, task: Task, place: Place, report: Report) -> dict | None:
    """The entry of a prompt that was queued earlier, once it has ended; None if it must run anew.

    So it is where the connection was lost, or this program ended, and the host went on.
    """
    prompt_id = place.book.earlier
    try:
        if not prompt_id or not client.knows(prompt_id):
            return None
    except UnreachableError:  # a host that is gone is met at once again
        return None
    report.begin(task.prompt)
    report.say("found", f"The host has it already, as {prompt_id}.", prompt_id=prompt_id)
    with stopping(client, prompt_id, place.timeout):
        try:
            return client.wait(prompt_id, report.event, timeout=place.timeout)
        except UnreachableError:
            raise
        except HostError:  # it failed or was stopped
            return None


def run_prompt(client: HostClient, prompt: Prompt, place: Place, report: Report) -> dict:
    """Queue a prompt, wait, and give its entry in the history; Ctrl-C stops it on the host too."""
    prompt_id = str(uuid.uuid4())
    report.begin(prompt)
    place.book.queue(prompt_id)
    with stopping(client, prompt_id, place.timeout):
        queued = client.queue(prompt, prompt_id=prompt_id)
    if queued != prompt_id:  # an old host chooses for itself
        place.book.queue(queued)
    with stopping(client, queued, place.timeout):
        report.say("queued", f"Queued as {queued}.", prompt_id=queued)
        return client.wait(queued, report.event, timeout=place.timeout)


@contextlib.contextmanager
def stopping(client: HostClient, prompt_id: str, timeout: float) -> Iterator[None]:
    """Stop a prompt on the host where the block is interrupted, or takes too long."""
    try:
        yield
    except (KeyboardInterrupt, TimeoutError) as error:
        reason = f"The run did not end within {timeout:g} s"
        reason = "Interrupted" if isinstance(error, KeyboardInterrupt) else reason
        ended = stop(client, prompt_id)
        how = "was stopped on the host as well" if ended else MAY_NOT_STOP
        raise HostInterruptedError(f"{reason}; the run {how}.", stopped=ended) from error


def stop(client: HostClient, prompt_id: str) -> bool:
    """Stop a prompt on the host, and tell whether it has ended."""
    client.deadline = Deadline(STOP_SECONDS)
    try:
        client.cancel(prompt_id)
        client.wait(prompt_id, timeout=STOP_SECONDS)
    except (UnreachableError, TimeoutError):
        return False
    except HostError:
        pass
    return True
