"""Broken prompts against a running host: `python tools/bench/prompt_fuzz.py --seed 1`.

Every prompt is a shipped graph (or a small one of the nodes that no shipped graph holds), changed
once or twice as tools/fuzz/mutations.py does, and sent to one host after the other. What counts as
a good answer is written in tools/fuzz/broken_prompts.py. Prompt number N of a seed is always the
same: `--only N` repeats it and prints the prompt. The report, Markdown and JSON, goes to --output.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

from pack.tools.fuzz.broken_prompts import HOST_FAULTS, Answer, Asker, bases, place_files  # noqa: E402
from pack.tools.fuzz.mutations import Mutation, mutate  # noqa: E402
from pack.tools.host.client import HostClient, HostError, HostProcess, HostSettings  # noqa: E402

MEMORY_GIB = 6  # that a host may take beyond what it takes when it starts
RESTART = (
    "hangs", "host ended", "host died", "client failed", "host's worker ended",
    "worker ended by us",
)  # fmt: skip
ESCAPE = Path("/tmp/multitalk_fuzz_escape")  # the absolute paths among the mutations


def make(seed, number, graphs):
    """Prompt `number` of a seed: name of its base, mutation."""
    chance = random.Random(f"{seed}:{number}")
    name = chance.choice(list(graphs))
    return name, mutate(graphs[name], chance)


def tree(folder, left_out):
    """Files below a folder with their times, without those below `left_out`."""
    found = {}
    for parent, folders, files in os.walk(folder):
        here = Path(parent)
        folders[:] = [
            f for f in folders if here / f not in left_out and f not in (".git", "__pycache__")
        ]
        found |= {here / f: (here / f).lstat().st_mtime_ns for f in [*files, *folders]}
    return found


class Watch:
    """Notices files outside the host's own folder."""

    def __init__(self, around, base, checkout):
        self.places = [(around, {base}), (ROOT, set()), (checkout, set()), (Path.cwd(), set())]
        self.before = [tree(*place) for place in self.places]

    def changes(self):
        """Paths that are new or changed since the beginning."""
        out = [str(ESCAPE)] if ESCAPE.exists() else []
        for place, before in zip(self.places, self.before, strict=True):
            now = tree(*place)
            out += [str(p) for p, when in now.items() if before.get(p) != when and not p.is_dir()]
        return sorted(set(out))


class Host:
    """A host that is started again when it died or hangs."""

    def __init__(self, base):
        self.settings = HostSettings(
            base=base,
            packs=(ROOT, ROOT / "tools" / "host" / "nodes_for_tests.py"),
            arguments=("--cache-lru", "300", "--verbose", "INFO"),
            env={"TMPDIR": str(base / "tmp"), "OMP_NUM_THREADS": "1"},
        )
        (base / "tmp").mkdir(parents=True)
        self.process = self.client = self.asker = None
        self.starts = 0

    def start(self):
        self.stop()
        self.process = HostProcess(self.settings)
        self.process.start()
        pid = self.process._process.pid  # the limit is for this bench alone
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="utf-8").split()[0])
        limit = pages * resource.getpagesize() + (MEMORY_GIB << 30)
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
        self.client = HostClient(self.process.address)
        self.asker = Asker(client=self.client, log=self.process.log)
        self.starts += 1

    def stop(self):
        if self.client is not None:
            self.client.close()
        if self.process is not None:
            self.process.stop()

    def ask(self, prompt):
        try:
            answer = self.asker.ask(prompt)
        except (HostError, OSError, TimeoutError, ValueError) as error:
            running = self.process.is_running()
            kind = "client failed" if running else "host died"
            answer = Answer(kind=kind, message=f"{error}\n{self.process.log_tail()}")
        if answer.kind in (
            "hangs",
            "host's worker ended",
            "worker ended by us",
            "host ended",
            "host died",
            "client failed",
        ):
            self.start()
        return answer


def run(arguments, folder):
    """Ask everything; returns rows and the files that appeared outside."""
    graphs = bases(test_nodes=True)
    base = folder / "deep" / "er" / "base"
    host = Host(base)
    watch = Watch(folder, base, host.settings.checkout)
    rows = []
    try:
        host.start()
        place_files(base)
        if not arguments.only:
            for name, prompt in graphs.items():  # the bases themselves, unchanged
                rows.append(row(-1, name, Mutation(prompt=prompt, kinds=("none",), done=()), host))
                print(name, rows[-1]["answer"], rows[-1]["message"][:200])
        numbers = arguments.only or range(arguments.first, arguments.first + arguments.count)
        started = time.monotonic()
        for number in numbers:
            name, mutation = make(arguments.seed, number, graphs)
            if arguments.only:
                print(json.dumps(mutation.prompt)[:20000])
            rows.append(row(number, name, mutation, host))
            last = rows[-1]
            if not last["good"] or arguments.only:
                print(
                    number,
                    name,
                    *last["done"],
                    "->",
                    last["answer"],
                    last["message"][:600],
                    last["where"],
                )
            if len(rows) % 200 == 0:
                rate = len(rows) / (time.monotonic() - started)
                print(f"{len(rows)} asked, {rate:.1f} per second", flush=True)
    except KeyboardInterrupt:
        print(f"Stopped after {len(rows)} prompts.")
    finally:
        host.stop()
    return rows, watch.changes(), host.starts


def row(number, name, mutation, host):
    started = time.monotonic()
    answer = host.ask(mutation.prompt)
    return {
        "number": number, "base": name, "kinds": mutation.kinds, "done": mutation.done,
        "answer": answer.kind, "good": answer.is_good, "message": answer.message[:2000],
        "where": answer.where, "traceback": answer.traceback[-4000:] if not answer.is_good else "",
        "seconds": round(time.monotonic() - started, 2),
        "prompt": mutation.prompt if not answer.is_good else None,
    }  # fmt: skip


def report(arguments, rows, outside, starts):
    """Markdown: counts, then every distinct bad answer with the numbers that gave it."""
    answers = collections.Counter(r["answer"] for r in rows)
    kinds = collections.defaultdict(collections.Counter)
    for r in rows:
        for kind in set(r["kinds"]):
            kinds[kind][r["answer"]] += 1
    names = [name for name, _ in answers.most_common()]
    lines = [
        f"# {len(rows)} broken prompts, seed {arguments.seed}, from number {arguments.first}",
        "", f"Hosts started: {starts}. Files outside: {outside or 'none'}.", "",
        "| answer | prompts |", "|---|---|",
        *(f"| {name} | {count} |" for name, count in answers.most_common()),
        "", f"| kind | {' | '.join(names)} |", f"|---|{'---|' * len(names)}",
        *(f"| {kind} | {' | '.join(str(c[n] or '') for n in names)} |" for kind,
        c in sorted(kinds.items())),
    ]  # fmt: skip
    bad = collections.defaultdict(list)
    for r in rows:
        if not r["good"]:
            bad[(r["answer"], r["where"], r["message"][:120])].append(r)
    lines += ["", "## Bad answers", ""]
    for (answer, where, _), group in sorted(bad.items(), key=lambda item: -len(item[1])):
        first = group[0]
        numbers = ", ".join(str(r["number"]) for r in group[:8])
        lines += [
            f"- {answer}, {len(group)} times (numbers {numbers}), {where}:",
            f"  {first['message'][:400]!a}",
            f"  after {'; '.join(first['done'])} of {first['base']}",
        ]
    faults = collections.Counter(r["message"][:200] for r in rows if r["answer"] in HOST_FAULTS)
    lines += ["", "## Faults of the host alone", ""]
    lines += [f"- {count} x {text!a}" for text, count in faults.most_common()]
    heard = collections.Counter(
        (r["where"], r["message"][:100]) for r in rows if r["answer"] == "sentence"
    )
    lines += ["", "## Sentences of ours that were given", ""]
    lines += [f"- {count} x {where}: {text!a}" for (where, text), count in heard.most_common()]
    return "\n".join(lines) + "\n"


def main():
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # then the report is still written
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*", default=[])
    parser.add_argument("--output", type=Path, default=Path("prompt_fuzz"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        rows, outside, starts = run(arguments, Path(folder))
    if arguments.only:
        return 0
    text = report(arguments, rows, outside, starts)
    arguments.output.with_suffix(".md").write_text(text, encoding="ascii")
    arguments.output.with_suffix(".json").write_text(json.dumps(rows, indent=1), encoding="ascii")
    print(text.split("## Sentences")[0])
    return int(any(not r["good"] for r in rows) or bool(outside))


if __name__ == "__main__":
    sys.exit(main())
