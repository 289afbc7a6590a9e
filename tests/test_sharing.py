"""The suite's own sharing over several processes."""

from __future__ import annotations

import re
from collections import OrderedDict

from pack.tests.layers import ROOT
from pack.tests.sharing import GROUPS, SLOW, Sharing, group_of, need_of, rank

FILES = [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "tests").rglob("test_*.py"))]


def test_table_names_files_that_are_here():
    assert set(SLOW) <= set(FILES)
    assert all(any(re.match(pattern, name) for name in FILES) for _, _, pattern in GROUPS)


def test_files_that_use_a_host_are_known():
    for need in ("host", "server"):
        asks = re.compile(rf"def (?:test_\w+|\w+)\((?:\w+, )*{need}[,)]")
        using = [name for name in FILES if asks.search((ROOT / name).read_text(encoding="utf-8"))]
        mine = {name for name in using if "HostProcess(" not in (ROOT / name).read_text()}
        assert {need_of(group_of(name)) for name in mine if "tests/host/" not in name} <= {"host"}
        assert len(using) > 3


class Worker:
    """A process as the scheduler sees it."""

    def __init__(self):
        self.sent = []

    def send_runtest_some(self, numbers):
        self.sent += numbers


def test_processes_go_on_with_what_they_have_started():
    ids = sorted((f"{name}::test_a" for name in FILES), key=rank)
    sharing, workers = Sharing.__new__(Sharing), (Worker(), Worker())
    sharing.started, sharing.assigned_work = {}, {}
    sharing.registered_collections = dict.fromkeys(workers, ids)
    sharing.workqueue = OrderedDict((group_of(one), {}) for one in ids)
    for one in ids:
        sharing.workqueue[group_of(one)][one] = False
    num_groups = len(sharing.workqueue)
    for turn in range(num_groups):
        sharing._assign_work_unit(workers[turn % 2])
    needs = [[need_of(group_of(ids[number])) for number in worker.sent] for worker in workers]
    assert sorted(number for worker in workers for number in worker.sent) == list(range(len(ids)))
    assert needs[0][0] == "server"
    assert "server" not in needs[1]
    assert needs[1][0] == "host"
    assert needs[1].index("") > needs[1].count("host") - 1  # first all that needs it
