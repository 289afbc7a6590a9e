"""The pins of the host and of the tests, read from pins.txt beside this file.

Standard library only: dev.py reads the pins before anything is installed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PINS_FILE = Path(__file__).with_name("pins.txt")
_MARKER = r'; python_version < "3\.\d+"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Pins:
    """What pins.txt says."""

    repository: str
    """Address of the host's git repository."""
    commit: str
    """Full sha of the host's commit."""
    version: str
    """Version that this commit reports on /system_stats."""
    torch: tuple[str, ...]
    """Requirements of torch, torchvision and torchaudio, torch first."""
    requirements: tuple[str, ...]
    """All other requirements, each `name==version`, some for older versions of Python only."""


def parse_pins(text: str) -> Pins:
    """Read the text of a pins file.

    Args:
        text: Lines `# name: value`, free comments, and requirements as pip takes them.

    Returns:
        The pins.

    Raises:
        ValueError: If a named value is missing, or a requirement is not pinned with `==`.
    """
    named = dict(re.findall(r"^# (repository|commit|version|torch): (.+)$", text, re.MULTILINE))
    missing = {"repository", "commit", "version", "torch"} - named.keys()
    if missing:
        raise ValueError(f"pins.txt has no line for {', '.join(sorted(missing))}.")
    lines = [line.strip() for line in text.splitlines()]
    requirements = tuple(line for line in lines if line and not line.startswith("#"))
    torch = tuple(named["torch"].split())
    for requirement in torch + requirements:
        if not re.fullmatch(rf"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*({_MARKER})?", requirement):
            raise ValueError(f"{requirement!r} is not of the form name==version.")
    return Pins(
        repository=named["repository"].strip(),
        commit=named["commit"].strip(),
        version=named["version"].strip(),
        torch=torch,
        requirements=requirements,
    )


def read_pins() -> Pins:
    """Read pins.txt.

    Returns:
        The pins.
    """
    return parse_pins(PINS_FILE.read_text(encoding="utf-8"))
