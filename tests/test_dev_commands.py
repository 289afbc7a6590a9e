"""What dev.py starts: one command after the other, the type checker beside them."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def dev():
    spec = importlib.util.spec_from_file_location("dev_of_pack", ROOT / "dev.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("ends", "code"), [((0, 0), 0), ((3, 0), 3), ((0, 5), 5)])
def test_commands_without_a_type_check_run_in_their_order(dev, monkeypatch, capfd, ends, code):
    started = []

    def run(command, **_settings):
        started.append(command[2:])
        return subprocess.CompletedProcess(command, ends[len(started) - 1])

    monkeypatch.setattr(subprocess, "run", run)
    commands = [["pytest", "tests/browser"], ["ruff", "check"]]
    assert dev.run_all(Path("python"), commands, {}) == code
    assert started == commands
