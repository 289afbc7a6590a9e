"""One running host for all tests over HTTP that can share it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pack.tools.host.client import HostProcess, HostSettings


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostProcess]:
    """A host with this pack and the predictable cache; `address` and `base` say where."""
    settings = HostSettings(
        base=tmp_path_factory.mktemp("server"), arguments=("--cache-classic", "--verbose", "INFO")
    )
    with HostProcess(settings) as process:
        yield process
