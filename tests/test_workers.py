"""Tests in several processes that share one collection."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pack.tests.layers import ROOT
from pack.tools.host.forks import can_fork

CONFTEST = f"""
import importlib.util, os, sys, pytest
spec = importlib.util.spec_from_file_location("workers", {str(ROOT / "tests" / "workers.py")!r})
workers = importlib.util.module_from_spec(spec)
sys.modules["workers"] = workers
spec.loader.exec_module(workers)
COLLECTED = os.getpid()
class Queue:
    def __init__(self, ids):
        self.groups = [[n for n, i in enumerate(ids) if i.startswith(f"test_{{f}}")] for f in "abc"]
    def next_group(self, worker):
        return self.groups.pop(0) if self.groups else []
def pytest_sessionstart(session):
    session.config.pluginmanager.register(workers.Workers(2, Queue, lambda ids: None))
@pytest.fixture(scope="session")
def shared():
    yield 1
    print("taken down")
"""
TESTS = {
    "a": """
import os, sys, warnings
from conftest import COLLECTED
def test_is_a_fork():
    assert os.getppid() == COLLECTED
def test_dies():
    os._exit(7)
def test_goes_on():
    pass
""",
    "b": """
import os, pytest, warnings
def test_fails(shared):
    os.write(1, b"heard with it")
    assert [1, 2] == [1, 3]
def test_skips():
    pytest.skip("not today")
def test_warns():
    warnings.warn("take care", RuntimeWarning)
def test_files(tmp_path):
    assert tmp_path.parent.name.startswith("worker")
""",
    "c": """
import pytest
@pytest.fixture
def bad():
    yield
    raise OSError("late trouble")
def test_end(bad):
    pass
""",
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says of `TESTS`."""
    if not can_fork():
        pytest.skip("this system cannot fork a process with libraries")
    folder = tmp_path_factory.mktemp("suite")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    for name, text in TESTS.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "."]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done
    return done.stdout


@pytest.mark.parametrize(
    "line",
    [
        "2 failed, 5 passed, 1 skipped, 1 warning, 1 error in",
        " died in this test; its exit code: 7.",
        "FAILED test_a.py::test_dies",
        "FAILED test_b.py::test_fails - assert [1, 2] == [1, 3]",
        "heard with it",
        "not today",
        "test_b.py:9: UserWarning: RuntimeWarning: take care",
        "ERROR test_c.py::test_end - OSError: late trouble",
    ],
)
def test_terminal_says_what_came_of_each_test(said: str, line: str):
    assert line in said
