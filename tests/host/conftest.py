"""Running hosts for all tests over HTTP that can share them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pack.tools.bench.kills import Studio
from pack.tools.host.client import HostProcess, HostSettings


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host with this pack and the predictable cache; `address` and `base` say where."""
    settings = HostSettings(
        base=tmp_path_factory.mktemp("server"), arguments=("--cache-classic", "--verbose", "INFO")
    )
    with HostProcess(settings) as process:
        yield process


@pytest.fixture(scope="session")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A host without a cache, which one file kills and another uses as it is then."""
    made = Studio(tmp_path_factory.mktemp("studio"))
    yield made
    made.stop()
