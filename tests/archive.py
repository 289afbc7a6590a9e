"""The archive of the Comfy registry: files under version control but those in .comfyignore.

Git itself applies the rules of .comfyignore, since they are written as its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LARGEST_BYTES = 20_000_000
"""Of the packed archive, and of its files together."""
RUNS = ("__init__.py", "weights", "multitalk", "kokoro", "nodes", "workflows/api")


def git(*arguments: str) -> str:
    # A git hook that calls us points GIT_DIR at its own repository.
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    command = ["git", "-C", str(ROOT), "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, env=env, capture_output=True, check=True).stdout.decode("utf-8")


def is_repository() -> bool:
    """False in a copy without .git, for example a downloaded archive."""
    return (ROOT / ".git").exists() and shutil.which("git") is not None


def repository_files() -> list[str]:
    """Files of this working tree, new ones too, as paths with slashes."""
    listed = git("ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    return sorted({name for name in listed if name and (ROOT / name).is_file()})


def archive_files() -> list[str]:
    """What `comfy node publish` packs."""
    rules = ("--ignored", "--exclude-from", str(ROOT / ".comfyignore"))
    left_out = git("ls-files", "-z", "--cached", "--others", *rules).split("\0")
    return sorted(set(repository_files()) - set(left_out))


def unpack(folder: Path) -> Path:
    """Put the archive's files into a new folder."""
    for name in archive_files():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
    return folder


def sources() -> list[Path]:
    """Python files that users run; dev.py, tools and tests are for developers."""
    roots = [ROOT / name for name in RUNS]
    return [file for root in roots for file in ([root] if root.is_file() else root.rglob("*.py"))]
