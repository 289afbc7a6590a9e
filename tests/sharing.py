"""Which tests run in one process when several share the suite, and what begins first.

The libraries of ComfyUI cost 10 seconds of computing. Files that ask a running ComfyUI over HTTP,
or read the same random models, stay together; a process that has the host inside, or that forks
hosts from one with the libraries, takes other files that need it, and one that has not leaves them
to it. What takes longest begins first, so that no process waits for another at the end.
"""

from __future__ import annotations

import re
from collections import OrderedDict

# Groups of files, dearest first: name, what they need, pattern of their test ids.
GROUPS = (
    (
        "server",
        "server",
        r"tests/host/test_(api_jobs_hosts|api_run|blueprints|graphs|mutations)\.py",
    ),
    ("layouts", "host", r"tests/nodes/test_layout"),
    ("studio", "server", r"tests/host/test_(kills|server|api_jobs_hosts)\.py"),
    ("install", "server", r"tests/(host/test_install_paths|test_real_size)\.py"),
    ("cards", "server", r"tests/nodes/test_parallel\.py"),  # has the host inside too
)
HOST = re.compile(
    r"tests/(nodes|lab|toy)/|tests/test_goldens\.py|tests/weights/test_(host|large_files)"
)
# Single files that take longest, dearest first.
SLOW = (
    *("tests/test_goldens.py", "tests/nodes/test_sampler.py", "tests/nodes/test_long_video.py"),
    *("tests/lab/test_sync.py", "tests/toy/test_training.py"),
    *("tests/kokoro/test_phonemes.py", "tests/weights/test_damaged_files.py"),
)


def group_of(nodeid: str) -> str:
    """Tests of one group run one after the other in one process."""
    names = (name for name, _, pattern in GROUPS if re.match(pattern, nodeid))
    return next(names, nodeid.split("::", 1)[0])


def need_of(group: str) -> str:
    """What a group starts: ComfyUI over HTTP, in the process, or nothing."""
    needs = {name: need for name, need, _ in GROUPS}
    return needs.get(group, "host" if HOST.match(group) else "")


def rank(group: str) -> tuple[int, int, str]:
    """Place in the queue: groups, slow files, what needs the host, the rest."""
    dear = [*(name for name, _, _ in GROUPS), *SLOW]
    return dear.index(group) if group in dear else len(dear), not need_of(group), group


class Sharing:
    """Hands out groups, the dearest first; a process goes on with what it has started."""

    def __init__(self, nodeids: list[str]) -> None:
        groups: dict[str, list[int]] = {}
        for number, nodeid in enumerate(nodeids):
            groups.setdefault(group_of(nodeid), []).append(number)
        self.waiting = OrderedDict((group, groups[group]) for group in sorted(groups, key=rank))
        self.started: dict[int, set[str]] = {}  # by process

    def next_group(self, worker: int) -> list[int]:
        """Numbers of the tests that a process runs next; none when all are handed out."""
        if not self.waiting:
            return []
        own = self.started.setdefault(worker, {""})
        others = set().union(*self.started.values()) - own
        wishes = (
            lambda need: need in own - {""},
            lambda need: need not in others | {""},
            lambda need: need == "",
            lambda need: True,
        )
        group = next(g for wish in wishes for g in self.waiting if wish(need_of(g)))
        own.add(need_of(group))
        return self.waiting.pop(group)
