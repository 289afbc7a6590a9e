"""Running hosts for all tests over HTTP that can share them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pack.tools.bench import kills
from pack.tools.bench.kills import Studio
from pack.tools.host.client import HostProcess, HostSettings
from pack.tools.host.forks import Nursery
from pack.tools.host.process import Start, begin
from pack.tools.lab.run import has_bf16


@pytest.fixture(scope="session")
def start(nursery: Nursery | None) -> Start:
    """Begins hosts; they share the imports of libraries where the system can do that."""
    return nursery.start if nursery else begin


@pytest.fixture(scope="session")
def server(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host with this pack and the predictable cache; `address` and `base` say where."""
    settings = HostSettings(
        base=tmp_path_factory.mktemp("server"),
        arguments=("--cache-classic", "--verbose", "INFO"),
        start=start,
    )
    with HostProcess(settings) as process:
        yield process


@pytest.fixture(scope="session")
def studio(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A host without a cache, which one file kills and another uses as it is then."""
    with pytest.MonkeyPatch.context() as patch:  # it would ask a process with a torch of its own
        patch.setattr(kills, "has_bf16", lambda _python: has_bf16())
        made = Studio(tmp_path_factory.mktemp("studio"), start)
    yield made
    made.stop()
