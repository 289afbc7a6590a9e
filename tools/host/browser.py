"""A real browser for the tests of the graph editor: playwright, and a Chromium that is there.

Playwright is no requirement of anything else, so it lies in a folder of its own, .work/browser: an
interpreter that COMFYUI_PYTHON names is left as it is. Standard library only.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import tomllib

from .environment import ROOT, SetupError, run_command, say

PACKAGES = ROOT / ".work" / "browser"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
ASKED = "MULTITALK_BROWSER"
"""Environment variable: set by `dev.py editor`, so that nothing is skipped."""
WAITING = """async () => {
  const queue = await (await fetch('/queue')).json();
  return queue.queue_running.length + queue.queue_pending.length;
}"""
"""Script of a page of the editor: how many prompts run or wait."""
NO_PLAYWRIGHT = "playwright is missing: `python dev.py editor` installs it and runs these tests"
NO_CHROMIUM = (
    "no Chromium or Chrome was found: install one (on Debian and Ubuntu `sudo apt-get install "
    "chromium`), or name the program in the environment variable CHROMIUM"
)


def add_packages() -> None:
    """Let this process import what `install_playwright` installed; it hides nothing else."""
    if PACKAGES.is_dir() and str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))


def install_playwright(python: Path) -> None:
    """Install the pinned playwright into .work/browser, unless it can be imported.

    Args:
        python: The interpreter that runs the tests.

    Raises:
        SetupError: If pip fails.
    """
    code = f"import sys; sys.path.append({str(PACKAGES)!r}); import playwright.sync_api"
    if subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0:
        return
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["optional-dependencies"]["browser"]
    say(f"Installing {', '.join(wanted)} into .work/browser ...")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--upgrade"]
    run_command([*pip, "--target", str(PACKAGES), *wanted], "Installing playwright")


def find_chromium() -> Path | None:
    """Find a browser: the one that CHROMIUM names, an installed one, or playwright's own.

    Returns:
        The program, or None.

    Raises:
        SetupError: If CHROMIUM is no program.
    """
    named = os.environ.get("CHROMIUM")
    if named:
        found = shutil.which(named)
        if found is None:
            raise SetupError(f"CHROMIUM is {named}, but that is not a program.")
        return Path(found)
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            return Path(found)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    return own if own.is_file() else None


def missing() -> str:
    """Say what the browser tests lack.

    Returns:
        A sentence without its full stop, or an empty text.
    """
    add_packages()
    if not importlib.util.find_spec("playwright"):
        return NO_PLAYWRIGHT
    return "" if find_chromium() else NO_CHROMIUM
