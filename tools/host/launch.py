"""Run ComfyUI's main.py, also beside a torch that was built without CUDA.

    python launch.py [--follow-parent] CHECKOUT [ComfyUI's own arguments]

ComfyUI needs torchvision and torchaudio. The Linux wheels on the package index link CUDA
libraries that a CPU build of torch does not have, and one sub-module of each package then
refuses to be imported. `stand_ins` puts a harmless module in the place of these two, nothing
else: transforms, resampling and mel scales stay the real code, and only a call of a compiled
operator (nms, roi_align, forced_align) fails. Where the wheels match it does nothing.

This module must not import torch: ComfyUI sets environment variables before it does so itself.
"""

from __future__ import annotations

import importlib.util
import mmap
import os
import runpy
import signal
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from pathlib import Path

FOLLOW_PARENT = "--follow-parent"
EXIT_GRACE_SECONDS = 20.0


def package_folder(name: str) -> Path | None:
    """Find an installed package without importing it.

    Args:
        name: Name of a top-level package.

    Returns:
        Its folder, or None if it is not installed.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def links_cuda(folder: Path) -> bool:
    """Tell whether a compiled library below a folder asks for torch's CUDA library.

    Args:
        folder: Folder of an installed package.

    Returns:
        True if one of its .so files names libtorch_cuda.
    """
    for library in sorted(folder.rglob("*.so")):
        if library.stat().st_size == 0:
            continue
        with (
            library.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        ):
            if data.find(b"libtorch_cuda") >= 0:
                return True
    return False


def _raise_not_compiled(*_args: object, **_kwargs: object) -> None:
    raise RuntimeError(
        "This torchaudio was built for CUDA and torch was not: no compiled operators."
    )


def _contents() -> dict[str, dict[str, object]]:
    return {
        # It only registers shape rules of compiled operators for torch.compile (torchvision 0.28).
        "torchvision._meta_registrations": {},
        # The state "there is no compiled extension", which torchaudio 2.11's own code knows.
        "torchaudio._extension": {
            "_IS_TORCHAUDIO_EXT_AVAILABLE": False,
            "_IS_ALIGN_AVAILABLE": False,
            "_check_cuda_version": lambda: None,
            "_load_lib": lambda _library: False,
            "fail_if_no_align": lambda _function: _raise_not_compiled,
        },
    }


def stand_ins() -> tuple[str, ...]:
    """Stand in for the sub-modules that cannot be imported beside a CPU build of torch.

    Call it before anything imports torchvision, torchaudio or ComfyUI; a second call does nothing.

    Returns:
        Names of the modules put into sys.modules by this call; empty where the wheels match torch.
    """
    torch = package_folder("torch")
    if torch is None or (torch / "lib" / "libtorch_cuda.so").exists():
        return ()
    done = []
    for name, contents in _contents().items():
        folder = package_folder(name.partition(".")[0])
        if name in sys.modules or folder is None or not links_cuda(folder):
            continue
        module = types.ModuleType(name, "Stand-in by the launcher: see its docstring.")
        module.__spec__ = ModuleSpec(name, None)
        vars(module).update(contents)
        sys.modules[name] = module
        done.append(name)
    return tuple(done)


def _stop_with_parent() -> None:
    """Wait for the end of standard input, which comes with the parent's end, then stop."""
    while os.read(0, 1024):
        pass
    if os.name == "nt":
        signal.raise_signal(signal.SIGINT)
    else:
        os.kill(os.getpid(), signal.SIGINT)  # to the process: it wakes the main thread
    threading.Event().wait(EXIT_GRACE_SECONDS)
    os._exit(1)


def main(arguments: list[str]) -> None:
    """Run a checkout's main.py as if it had been called itself.

    Args:
        arguments: As in the module's docstring.
    """
    follow = arguments[:1] == [FOLLOW_PARENT]
    if follow:
        arguments = arguments[1:]
    checkout = Path(arguments[0]).resolve()
    script = checkout / "main.py"
    if not script.is_file():
        sys.exit(f"{script} does not exist: the first argument must be a folder with ComfyUI.")
    # A shell that starts us in the background passes SIGINT on as ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if follow:
        threading.Thread(target=_stop_with_parent, daemon=True).start()
    here = str(Path(__file__).resolve().parent)
    sys.path[:] = [str(checkout), *(entry for entry in sys.path if entry != here)]
    os.chdir(checkout)
    sys.argv = [str(script), *arguments[1:]]
    if stand_ins():  # processes that the host starts need them too; see stand_ins/
        os.environ["PYTHONPATH"] = here + os.sep + "stand_ins"
    runpy.run_path(str(script), run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
