"""All a developer runs: `python dev.py demo | run | job | serve | test | editor | lint ...`.

Each command first sets up what is missing and prints what it does: a virtual environment in
.venv and the pinned ComfyUI in .host. Once set up, nothing needs the network. Working files lie
in .work. An existing installation can be used instead: COMFYUI_DIR names a folder with ComfyUI
(it is also found when this pack lies in its custom_nodes), COMFYUI_PYTHON an interpreter that has
all requirements; that interpreter is used as it is, nothing is installed into it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pack.tools.host.client import HostProcess

ROOT = Path(__file__).resolve().parent
WORK = ROOT / ".work"
SERVE_PORT = 8188
MAX_WORKERS = 4  # processes of the test suite
OWN_OPTIONS = ("train", "lab", "rehearse", "run", "job", "jobs")  # whose --help is their own


def main() -> int:
    """Run the command line; returns the exit code."""
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        version = ".".join(map(str, sys.version_info[:2]))
        print(f"dev.py needs Python 3.11, 3.12 or 3.13; this is {version}.", file=sys.stderr)
        return 1
    # The repository's root is a package of the host's; tests and this file call it `pack`.
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.dont_write_bytecode = True
    from pack.tools.host.client import HostError
    from pack.tools.host.environment import SetupError
    from pack.workflows.api.command import print_anywhere
    from pack.workflows.api.texts import shown

    print_anywhere()
    options, rest = parse(sys.argv[1:])
    try:
        return options.command(options, rest)
    except (SetupError, HostError, TimeoutError, OSError) as error:
        print(f"dev.py {options.name}: {shown(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Read the command line: options, and what `options.command`, the function to call, hands on.

    That goes to pytest, or to a program with options of its own.
    """
    parser = argparse.ArgumentParser(prog="dev.py", description="Run, test and show the pack.")
    commands = parser.add_subparsers(dest="name", required=True)
    one = {}
    for name, (command, words) in COMMANDS.items():
        one[name] = commands.add_parser(name, help=words)
        one[name].set_defaults(command=command)
    add = one["demo"].add_argument
    add("--two", action="store_true", help="two speakers")
    add("--ui", action="store_true", help="leave the graph editor running afterwards")
    add("--output", type=Path, default=WORK / "demo", help="folder for the mp4")
    add("--preview", type=Path, help="folder for an animation and a contact sheet")
    words = f"default: {SERVE_PORT}, or a free one"
    one["serve"].add_argument("--port", type=int, default=0, help=words)
    if arguments[:1] and arguments[0] in OWN_OPTIONS:
        return parser.parse_args(arguments[:1]), arguments[1:]
    options, rest = parser.parse_known_args(arguments)
    if rest and options.name not in ("test", "editor"):
        parser.error(f"{' '.join(rest)} is not known")
    return options, rest


def thread_settings() -> dict[str, str]:
    """Threads of the host on the CPU: half the cores, and no busy waiting.

    With a thread for every core, torch's threads wait for each other in a loop as soon as anything
    else runs: a demo of 22 s took 223 s on two cores.
    """
    threads = max(1, (os.cpu_count() or 1) // 2)
    wanted = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    return {name: os.environ.get(name, value) for name, value in wanted.items()}


def host(port: int, arguments: Sequence[str] = ()) -> HostProcess:
    """A host with this pack on a TCP port (0: a free one), based in .work/host, not started yet.

    It gets more arguments where it computes on a GPU.
    """
    from pack.tools.host.client import HostProcess, HostSettings
    from pack.tools.host.environment import has_bf16, own_checkout, prepare, sees_gpu

    python, checkout = prepare()
    cpu = not sees_gpu(python)
    base = WORK / "host"
    settings = base / "user" / "default" / "comfy.settings.json"
    if not settings.exists():  # no first-start dialogs in the editor
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text('{"Comfy.TutorialCompleted": true}\n', encoding="ascii")
    return HostProcess(
        HostSettings(
            base=base,
            port=port,
            cpu=cpu,
            bf16_vae=cpu and has_bf16(python),
            python=python,
            checkout=checkout,
            any_version=own_checkout() is not None,
            env=thread_settings(),
            arguments=() if cpu else tuple(arguments),
        )
    )


def editor_port() -> int:
    """ComfyUI's usual port if nobody uses it, else 0: any free one."""
    from pack.tools.host.process import port_is_free

    return SERVE_PORT if port_is_free(SERVE_PORT) else 0


def stay(running: HostProcess) -> None:
    """Print the editor's address and wait for Ctrl-C; HostError if the host ends by itself."""
    from pack.tools.host.client import HostError

    print(f"The graph editor: http://{running.address}   (Ctrl-C ends it)", flush=True)
    try:
        while running.is_running():
            time.sleep(0.5)
    except KeyboardInterrupt:
        print()
        return
    raise HostError(f"ComfyUI ended by itself; the reason is at the end of {running.log}")


def api(options: argparse.Namespace, rest: list[str]) -> int:
    """Run a graph, a job file or many of them, see workflows/api/command.py."""
    from pack.workflows.api.command import main as run_command

    return run_command([options.name, *rest], lambda arguments: host(0, arguments))


def demo(options: argparse.Namespace, _rest: list[str]) -> int:
    """Make a talking video with the toy model and print its path; HostError if that fails."""
    from pack.tools.host.client import HostClient, HostError, files_of
    from pack.workflows.api.edit import read_prompt
    from pack.workflows.api.report import Progress
    from pack.workflows.api.texts import shown

    graph = f"toy_{'two_speakers' if options.two else 'one_speaker'}"
    prompt = read_prompt(graph)
    with_pack = host(editor_port() if options.ui else 0)
    print(f"Starting ComfyUI (log: {with_pack.log}) ...", flush=True)
    with with_pack as running:
        progress = Progress(prompt)
        with HostClient(running.address) as client:
            started = time.monotonic()
            print(f"Running workflows/api/{graph}.json ...", flush=True)
            try:
                entry = client.run(prompt, progress, timeout=3600.0)
            finally:
                progress.done()
            videos = [file for file in files_of(entry) if file["filename"].endswith(".mp4")]
            if not videos:
                raise HostError(f"{graph} ran but made no mp4.")
            path = client.download(videos[-1], options.output.resolve())
        print(f"Done in {time.monotonic() - started:.0f} s.", flush=True)
        print(shown(path), flush=True)
        if options.preview:
            program = str(ROOT / "tools" / "make" / "preview.py")
            command = [str(with_pack.settings.python), program, str(path)]
            command += [str(options.preview.resolve()), "--name", path.stem]
            subprocess.run(command, check=True)
        if options.ui:
            stay(running)
    return 0


def serve(options: argparse.Namespace, _rest: list[str]) -> int:
    """Run the host with this pack and the graph editor until Ctrl-C."""
    with_pack = host(options.port or editor_port())
    print(f"Starting ComfyUI (log: {with_pack.log}) ...", flush=True)
    with with_pack as running:
        stay(running)
    return 0


def sum_up(codes: list[tuple[int, list[str]]]) -> int:
    """Say which commands failed; the exit code of the first of them."""
    failed = [" ".join(command) for code, command in codes if code]
    print(f"== failed: {'; '.join(failed)}" if failed else "== all passed", flush=True)
    return next((code for code, _ in codes if code), 0)


def run_all(python: Path, commands: list[list[str]], env: dict[str, str]) -> int:
    """Run modules with their arguments, all of them; the exit code of the first that failed.

    The type checker runs beside the others, since it takes one core alone; its words come last.
    """
    checkers = [one for one in commands if one[0] == "basedpyright"]
    with tempfile.TemporaryFile() as said:
        beside = [
            subprocess.Popen(
                [str(python), "-m", *command], cwd=ROOT, env=env, stdout=said, stderr=said
            )
            for command in checkers
        ]
        codes: list[tuple[int, list[str]]] = []
        for command in [one for one in commands if one not in checkers]:
            print(f"== {' '.join(command)}", flush=True)
            run = subprocess.run([str(python), "-m", *command], cwd=ROOT, env=env, check=False)
            codes.append((run.returncode, command))
        codes += [(one.wait(), command) for one, command in zip(beside, checkers, strict=True)]
        said.seek(0)
        for command in checkers:
            print(f"== {' '.join(command)}\n{said.read().decode(errors='replace')}", flush=True)
    return sum_up(codes)


def checks(python: Path) -> list[list[str]]:
    """Checks that need no run of the code; basedpyright sees that interpreter's packages."""
    return [
        ["ruff", "check", "."],
        ["ruff", "check", "--preview", "--select", "PLW1514", "."],  # encodings; the rest is stable
        ["ruff", "format", "--check", "."],
        ["basedpyright", "--pythonpath", str(python)],
    ]


def lint(_options: argparse.Namespace, _rest: list[str]) -> int:
    """Run ruff and basedpyright."""
    from pack.tools.host.environment import prepare

    python, _ = prepare()
    return run_all(python, checks(python), dict(os.environ))


def test(_options: argparse.Namespace, rest: list[str]) -> int:
    """Run everything CI runs; `rest` goes to pytest."""
    from pack.tools.host.environment import prepare
    from pack.tools.host.forks import can_fork

    python, checkout = prepare()
    env = {
        "OMP_NUM_THREADS": "1",
        **os.environ,
        "COMFYUI_DIR": str(checkout),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asked in the other way, forks could not use a GPU
    }
    # All tests take several processes, each a file at a time; single ones are seen better in one.
    # One more than there are cores: now and then one waits for a host or for a clock.
    number = str(min(MAX_WORKERS, (os.cpu_count() or 1) + 1))
    workers = ["--workers", number] if can_fork() else ["-n", number, "--dist", "loadfile"]
    return run_all(python, [*checks(python), ["pytest", *(rest or workers)]], env)


def editor(_options: argparse.Namespace, rest: list[str]) -> int:
    """Run the tests of the graph editor in a real browser; `rest` goes to pytest."""
    from pack.tools.host.browser import ASKED, install_playwright
    from pack.tools.host.environment import prepare

    python, checkout = prepare()
    install_playwright(python)
    env = {**os.environ, **thread_settings(), "COMFYUI_DIR": str(checkout), ASKED: "1"}
    named = any(Path(argument.split("::")[0]).exists() for argument in rest)
    return run_all(python, [["pytest", *([] if named else ["tests/browser"]), *rest]], env)


def tool(options: argparse.Namespace, rest: list[str]) -> int:
    """Run a program of tools/ with ComfyUI at hand: toy/train.py, lab/lab.py, rehearse.py."""
    from pack.tools.host.environment import prepare

    python, checkout = prepare()
    program, settings = {
        "train": ("toy/train.py", {}),
        "lab": ("lab/lab.py", thread_settings()),
        "rehearse": ("rehearse/rehearse.py", thread_settings()),
    }[options.name]
    command = [str(python), str(ROOT / "tools" / program), *rest]
    env = {**os.environ, **settings, "COMFYUI_DIR": str(checkout)}
    return subprocess.run(command, cwd=ROOT, env=env, check=False).returncode


COMMANDS = {
    "demo": (demo, "make a talking video with the toy model"),
    "run": (api, "run a graph through the API; `run --help` says how"),
    "job": (api, "run a job file of the reference; `job --help`"),
    "jobs": (api, "run many jobs on several hosts; `jobs --help`"),
    "serve": (serve, "run ComfyUI with this pack and the graph editor"),
    "test": (test, "run everything CI runs; other arguments go to pytest"),
    "editor": (editor, "run the tests of the graph editor in a real browser, with Chromium"),
    "lint": (lint, "run only ruff and basedpyright"),
    "train": (tool, "train the toy; `train --help` lists the stages"),
    "lab": (tool, "measure the toy; `lab --help` lists the options"),
    "rehearse": (tool, "run graphs on files as large as the released ones; `rehearse --help`"),
}


if __name__ == "__main__":
    sys.exit(main())
