"""What dev.py sets up: the virtual environment in .venv and the pinned host in .host.

Standard library only. Every step looks first whether its result is there, so that a second call
is quick and needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import tomllib

from .pins import PINS_FILE, Pins, read_pins

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
HOST = ROOT / ".host"
STAMP = VENV / "multitalk-pins.sha256"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Large, read by no WAN path, and missing in some copies of the repository.
LEFT_OUT = (
    "comfy/text_encoders/llama_tokenizer/tokenizer.json",
    "comfy/text_encoders/qwen35_tokenizer/vocab.json",
)


class SetupError(RuntimeError):
    """A set-up step failed; the message is one sentence for the user."""


def say(text: str) -> None:
    """Tell the user what happens.

    Args:
        text: One line.
    """
    print(text, flush=True)


def own_checkout() -> Path | None:
    """Find a ComfyUI that is there already and goes before the pinned one.

    Returns:
        The folder in COMFYUI_DIR, or the ComfyUI whose custom_nodes this pack lies in, or None.

    Raises:
        SetupError: If COMFYUI_DIR is not a folder with ComfyUI.
    """
    named = os.environ.get("COMFYUI_DIR")
    if named:
        folder = Path(named).resolve()
        if not (folder / "main.py").is_file():
            raise SetupError(f"COMFYUI_DIR is {named}, but there is no ComfyUI (main.py) in it.")
        return folder
    if ROOT.parent.name == "custom_nodes" and (ROOT.parents[1] / "main.py").is_file():
        return ROOT.parents[1]
    return None


def find_checkout() -> Path:
    """Find the ComfyUI that tests and demos run.

    Returns:
        `own_checkout`, or else the pinned one in .host.

    Raises:
        SetupError: If there is none.
    """
    folder = own_checkout() or HOST
    if not (folder / "main.py").is_file():
        raise SetupError(
            "ComfyUI is not set up: run `python dev.py test` once, or set COMFYUI_DIR."
        )
    return folder


def has_nvidia_driver() -> bool:
    """Tell whether an NVIDIA driver with at least one GPU answers.

    Returns:
        True if nvidia-smi lists a GPU.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        return False
    try:
        listed = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return listed.returncode == 0 and "GPU" in listed.stdout


def sees_gpu(python: Path) -> bool:
    """Tell whether the torch of an interpreter can compute on a GPU.

    Args:
        python: The interpreter that runs the host.

    Returns:
        True for CUDA and ROCm. Asks torch, which takes seconds, only where it can be true.
    """
    if not (has_nvidia_driver() or os.environ.get("COMFYUI_PYTHON")):
        return False
    code = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    return (
        subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    )


def has_bf16(python: Path) -> bool:
    """Tell whether the torch of an interpreter computes in bfloat16 on this CPU.

    The WAN VAE is four times faster that way where the CPU has instructions for it, and slower
    where it has not.

    Args:
        python: The interpreter that runs the host.

    Returns:
        True with AVX-512 BF16. Asks torch, which takes two seconds.
    """
    code = "import sys, torch; sys.exit(not torch.cpu._is_avx512_bf16_supported())"
    return (
        subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
    )


def run_command(
    command: list[str], what: str, cwd: Path = ROOT, env: dict[str, str] | None = None
) -> str:
    """Run a program of the set-up.

    Args:
        command: Program and arguments.
        what: What it does, for the error.
        cwd: Folder to run it in.
        env: All environment variables; None: those of this process.

    Returns:
        Its output.

    Raises:
        SetupError: If it cannot be started or fails; the end of its output is printed.
    """
    try:
        done = subprocess.run(
            command,
            cwd=cwd,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except OSError as error:
        raise SetupError(
            f"{what} failed: {command[0]} cannot be started ({error.strerror})."
        ) from error
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no output"]
        say("\n".join(lines[-15:]))
        raise SetupError(f"{what} failed: the last lines of its output are above.")
    return done.stdout


def venv_python() -> Path:
    """Name the interpreter of .venv.

    Returns:
        Its path; the file need not exist.
    """
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def dev_tools() -> list[str]:
    """Read the versions of the developer's tools.

    Returns:
        The requirements of the extra `dev` in pyproject.toml.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return list(project["optional-dependencies"]["dev"])


def _venv_works() -> bool:
    if not venv_python().is_file():
        return False
    code = "import pip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    return (
        subprocess.run(
            [str(venv_python()), "-c", code], capture_output=True, check=False
        ).returncode
        == 0
    )


def _pip(arguments: list[str], what: str) -> None:
    started = time.monotonic()
    say(f"{what} ...")
    run_command(
        [str(venv_python()), "-m", "pip", "--disable-pip-version-check", "install", *arguments],
        what,
    )
    say(f"  done in {time.monotonic() - started:.0f} s")


def _install_torch(pins: Pins) -> None:
    """Install torch where pip's default is not the right build: on Linux without an NVIDIA driver.

    Elsewhere the requirements' own installation brings it.
    """
    if sys.platform != "linux" or has_nvidia_driver():
        return
    cpu_build = f"{pins.torch[0]}+cpu"
    probe = [
        str(venv_python()),
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--quiet",
        "--no-deps",
        cpu_build,
    ]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        _pip([cpu_build], f"Installing {cpu_build} (no NVIDIA driver found)")
    else:
        arguments = ["--no-deps", "--index-url", CPU_INDEX, *pins.torch]
        _pip(arguments, f"Installing {cpu_build} from {CPU_INDEX} (no NVIDIA driver found)")


def ensure_venv(pins: Pins) -> Path:
    """Make .venv with torch, the host's and the pack's requirements and the developer's tools.

    Args:
        pins: The pins.

    Returns:
        The interpreter: of .venv, or the one that COMFYUI_PYTHON names, which is left as it is.

    Raises:
        SetupError: If a step fails.
    """
    named = os.environ.get("COMFYUI_PYTHON")
    if named:
        program = shutil.which(named)
        if program is None:
            raise SetupError(f"COMFYUI_PYTHON is {named}, but that is not a program.")
        return Path(program).absolute()
    tools = dev_tools()
    wanted = hashlib.sha256(PINS_FILE.read_bytes() + " ".join(tools).encode()).hexdigest()
    if _venv_works():
        if STAMP.is_file() and STAMP.read_text(encoding="ascii").strip() == wanted:
            return venv_python()
    else:
        say("Making the virtual environment .venv ...")
        run_command(
            [sys.executable, "-m", "venv", "--clear", str(VENV)],
            "Making .venv (it needs Python's venv module)",
        )
    STAMP.unlink(missing_ok=True)
    _install_torch(pins)
    _pip(
        [*pins.torch, "-r", str(PINS_FILE), *tools],
        "Installing what the host, the pack and the tests need",
    )
    STAMP.write_text(wanted + "\n", encoding="ascii")
    return venv_python()


def _git(*arguments: str) -> str:
    # A git hook that calls us points these at its own repository.
    env = {
        k: v
        for k, v in os.environ.items()
        if k not in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    }
    return run_command(
        ["git", "-C", str(HOST), *arguments], "Fetching ComfyUI with git", env=env
    ).strip()


def _host_commit() -> str:
    """Read the commit that a finished `ensure_host` left in .host, or an empty text."""
    head = HOST / ".git" / "HEAD"
    if not (head.is_file() and (HOST / "main.py").is_file()):
        return ""
    return head.read_text(encoding="ascii").strip()


def ensure_host(pins: Pins, python: Path) -> Path:
    """Fetch the pinned ComfyUI into .host, unless there is an own one.

    Args:
        pins: The pins.
        python: The interpreter that will run it.

    Returns:
        The folder of ComfyUI.

    Raises:
        SetupError: If git is missing or fails, or another commit arrives.
    """
    own = own_checkout()
    if own is not None:
        say(f"Using the ComfyUI in {own} (pinned and tested is {pins.version}).")
        return own
    if _host_commit() == pins.commit:
        return HOST
    say(f"Fetching ComfyUI {pins.version} ({pins.commit[:12]}) into .host ...")
    HOST.mkdir(exist_ok=True)
    _git("init", "--quiet")
    _git("config", "remote.origin.url", pins.repository)
    _git("config", "core.sparseCheckout", "true")
    sparse = HOST / ".git" / "info" / "sparse-checkout"
    sparse.parent.mkdir(exist_ok=True)
    sparse.write_text(
        "\n".join(["/*", *(f"!/{name}" for name in LEFT_OUT)]) + "\n", encoding="ascii"
    )
    _git("fetch", "--quiet", "--depth", "1", "--filter=blob:none", "origin", pins.commit)
    _git("checkout", "--quiet", "--force", "--detach", "FETCH_HEAD")
    if _git("rev-parse", "HEAD") != pins.commit:
        raise SetupError(
            f"{pins.repository} did not give commit {pins.commit}: delete .host and try again."
        )
    # The host runs without writing bytecode (process.py): compiled now, it starts 2 s faster.
    run_command([str(python), "-m", "compileall", "-q", "-j", "0", str(HOST)], "Compiling ComfyUI")
    return HOST


def prepare() -> tuple[Path, Path]:
    """Do the whole set-up.

    Returns:
        The interpreter that runs host and tests, and the folder of ComfyUI.

    Raises:
        SetupError: If a step fails.
    """
    pins = read_pins()
    python = ensure_venv(pins)
    return python, ensure_host(pins, python)
