"""The suite's own sharing over several processes."""

from __future__ import annotations

import re

from pack.tests.layers import ROOT
from pack.tests.sharing import GROUPS, SLOW, Sharing, group_of, need_of

FILES = [p.relative_to(ROOT).as_posix() for p in sorted((ROOT / "tests").rglob("test_*.py"))]


def test_table_names_files_that_are_here():
    assert set(SLOW) <= set(FILES)
    assert all(any(re.match(pattern, name) for name in FILES) for _, _, pattern in GROUPS)


def test_files_that_use_a_host_are_known():
    for need in ("host", "server"):
        asks = re.compile(rf"def (?:test_\w+|\w+)\((?:\w+, )*{need}[,)]")
        using = [name for name in FILES if asks.search((ROOT / name).read_text(encoding="utf-8"))]
        mine = {name for name in using if "HostProcess(" not in (ROOT / name).read_text()}
        assert "" not in {need_of(group_of(name)) for name in mine if "tests/host/" not in name}
        assert len(using) > 3


def test_processes_go_on_with_what_they_have_started():
    ids = [f"{name}::test_{number}" for name in reversed(FILES) for number in range(2)]
    sharing, handed = Sharing(ids), {0: [], 1: []}
    worker = 0
    while group := sharing.next_group(worker):
        handed[worker].append(group)
        worker = 1 - worker
    assert sharing.next_group(worker) == []
    numbers = [number for groups in handed.values() for group in groups for number in group]
    assert sorted(numbers) == list(range(len(ids)))
    needs = {w: [need_of(group_of(ids[g[0]])) for g in groups] for w, groups in handed.items()}
    assert needs[0][0] == "server"
    assert "server" not in needs[1]
    assert needs[1][0] == "host"
    assert needs[1].index("") > needs[1].count("host") - 1  # first all that needs it
    for group in handed[0] + handed[1]:
        assert group == sorted(group)
        assert len({group_of(ids[number]) for number in group}) == 1
