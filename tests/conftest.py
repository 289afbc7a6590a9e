"""Set-up of all tests: the pack under the name `pack`, the host, the golden data.

The root is no importable package (its `__init__.py` needs the host, and its `nodes` would hide the
host's), so it is reached as `pack`: `pack.multitalk.x`, `pack.nodes.x`, `pack.tests.x`.
"""

from __future__ import annotations

import gc
import os
import pathlib
import sys
import tempfile
import types

import pytest

# Before torch is loaded: toy sizes gain nothing from threads, and busy cores lose a lot by them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Looking for circles at Python's own pace takes a twentieth of all time, and finds almost none.
gc.set_threshold(30_000, 20, 20)
# hypothesis keeps tables between runs even where tests store no examples; not in the repository.
os.environ.setdefault(
    "HYPOTHESIS_STORAGE_DIRECTORY", str(pathlib.Path(tempfile.gettempdir(), "multitalk-hypothesis"))
)

ROOT = pathlib.Path(__file__).resolve().parents[1]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack


class RootIsADirectory:
    """Keep pytest from importing the root's `__init__.py`."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collect_directory(self, path, parent):
        return pytest.Dir.from_parent(parent, path=path) if path == ROOT else None


def pytest_configure(config):
    # transformers looks for torchvision and torchaudio too; see tools/host/launch.py.
    from pack.tools.host.launch import stand_ins

    stand_ins()
    config.pluginmanager.register(RootIsADirectory())


def pytest_addoption(parser):
    parser.addoption(
        "--workers",
        type=int,
        default=1,
        help="run the tests in so many processes, forks of one; not on Windows",
    )

    parser.addoption(
        "--goldens",
        type=pathlib.Path,
        default=ROOT / "tests" / "goldens",
        help="folder with an index.json of golden cases (default: tests/goldens)",
    )

    parser.addoption(
        "--write-schemas",
        action="store_true",
        help="store the node schemas that tests/nodes/test_schemas.py compares with",
    )

    parser.addoption(
        "--every-pair",
        action="store_true",
        help="test a LoRA on all pairs of base and audio layouts, not only on those that differ",
    )


@pytest.fixture(scope="session")
def goldens_dir(request):
    return request.config.getoption("--goldens").resolve()


@pytest.fixture(scope="session")
def host():
    """The pinned ComfyUI in this process, on the CPU, with the pack loaded as it loads packs."""
    from pack.tools.host.inprocess import start_host

    return start_host(ROOT)


@pytest.fixture(scope="session")
def nursery(tmp_path_factory):
    """A process with the libraries that can be forked, where the system can do that, or None."""
    from pack.tools.host.forks import Nursery, can_fork

    if not can_fork():
        yield None
        return
    with Nursery(tmp_path_factory.mktemp("nursery")) as made:
        yield made


def pytest_sessionstart(session):
    number = session.config.getoption("workers")
    if number > 1:
        from pack.tests.sharing import Sharing
        from pack.tests.workers import Workers

        session.config.pluginmanager.register(Workers(number, Sharing, warm_up))


def warm_up(nodeids):
    """Import once what tests in several processes import."""
    from pack.tests.sharing import group_of, need_of
    from pack.tools.host.inprocess import find_checkout, import_modules

    if any(need_of(group_of(nodeid)) == "host" for nodeid in nodeids):
        import_modules(find_checkout(ROOT))
    gc.freeze()


def pytest_collection_finish():
    gc.freeze()  # what is here by now stays: eight thousand tests need no second look
