"""The graph editor in a real browser, with the settings that a new user has.

`python dev.py editor` runs these tests and installs what they need; so does a plain pytest that
names this folder. In a run of all tests, and without playwright or Chromium, they are skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pack.tools.host.browser import ASKED, missing
from pack.tools.host.client import HostClient, HostProcess, HostSettings

from .editor import Editor

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).resolve().parent
NOT_ASKED = "the browser tests run when asked for: `python dev.py editor`"
VIEW = {"width": 1600, "height": 1000}
MODES = {"classic": False, "nodes2": True}  # of Comfy.VueNodes.Enabled


def is_asked(config: pytest.Config) -> bool:
    """Somebody named this folder, or a file in it."""
    places = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    return ASKED in os.environ or any(FOLDER in (path, *path.parents) for path in places)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests of this folder where they were not asked for or cannot run."""
    own = [item for item in items if FOLDER in item.path.parents]
    if not own:
        return
    reason = missing() if is_asked(config) else NOT_ASKED
    if reason and ASKED in os.environ:
        raise pytest.UsageError(reason)
    for item in own if reason else ():
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host with this pack, the example's picture, and empty files for all models of graphs."""
    import screenshots

    base = tmp_path_factory.mktemp("editor")
    screenshots.make_base(base, sys.executable, with_models=True)
    settings = HostSettings(base=base, arguments=("--cache-classic",))  # forgets nothing by itself
    with HostProcess(settings) as host:
        yield host


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Both ways in which the editor draws nodes."""
    return request.param


@pytest.fixture
def editor(running: HostProcess, mode: str) -> Iterator[Editor]:
    """An opened editor beside a host that remembers no result; errors of the page fail the test."""
    with opened_editor(running, mode) as opened:
        yield opened


@pytest.fixture(scope="module", params=MODES)
def shared_editor(running: HostProcess, request: pytest.FixtureRequest) -> Iterator[Editor]:
    """The same, opened once for all tests of a module: an editor takes a quarter of a minute."""
    with opened_editor(running, request.param) as opened:
        yield opened


@contextmanager
def opened_editor(running: HostProcess, mode: str) -> Iterator[Editor]:
    """Open the editor in a mode, as a new user has it."""
    import screenshots

    shutil.copy(screenshots.EXAMPLES / "one_speaker.png", running.base / "input" / "example.png")
    screenshots.write_settings(
        running.base,
        {"Comfy.TutorialCompleted": True, "Comfy.VueNodes.Enabled": MODES[mode]},
    )
    with HostClient(running.address) as client:
        client.free()
        report = screenshots.Report(name=mode)
        with screenshots.open_editor(running.address, report, focus=False) as page:
            opened: Page = page
            opened.set_viewport_size(VIEW)
            opened.set_default_timeout(90_000)  # the run may have the computer for itself
            yield Editor(opened, client)
    assert report.problems == []
