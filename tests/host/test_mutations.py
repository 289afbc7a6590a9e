"""Broken prompts: how they are made, and that the host answers them; many more of them:
tools/bench/prompt_fuzz.py.
"""

from __future__ import annotations

import collections
import copy
import functools
import json
import random

import pytest

from pack.tools.fuzz.broken_prompts import (
    GOOD,
    Asker,
    bases,
    judge_error,
    own_tracebacks,
    place_files,
)
from pack.tools.fuzz.mutations import KINDS, mutate
from pack.tools.fuzz.prompt_parts import is_link, short
from pack.tools.host.client import HostClient, HostError

COUNT, SEED = 80, 20261126
OWN = '  File "/base/custom_nodes/multitalk-nodes/{}", line {}, in f\n    x\n'
HOST = '  File "/host/execution.py", line 1, in execute\n    x\n'


shared_bases = functools.cache(bases)  # a mutation leaves them as they are


def made(number, seed=SEED):
    graphs = shared_bases()
    chance = random.Random(f"{seed}:{number}")
    name = chance.choice(list(graphs))
    return graphs[name], mutate(graphs[name], chance)


def test_same_numbers_give_the_same_prompts_and_leave_the_original():
    for number in range(20):
        base, once = made(number)
        before = copy.deepcopy(base)
        again = mutate(base, random.Random(f"{SEED}:{number}x"))
        assert base == before
        assert again.prompt is not base
        assert json.dumps(once.prompt) == json.dumps(made(number)[1].prompt)


def test_every_kind_is_made_says_what_it_did_and_can_be_sent():
    kinds = collections.Counter()
    for number in range(1500):
        base, mutation = made(number)
        assert 1 <= len(mutation.kinds) <= 2
        assert len(mutation.done) == len(mutation.kinds)
        assert all(words.isascii() and len(words) < 400 for words in mutation.done)
        json.dumps(mutation.prompt).encode("ascii")
        kinds.update(mutation.kinds)
        if len(mutation.kinds) == 1 and mutation.kinds[0] == "input removed":
            inputs = sum(len(node["inputs"]) for node in base.values())
            assert sum(len(node["inputs"]) for node in mutation.prompt.values()) == inputs - 1
    assert set(kinds) == set(KINDS)


@pytest.mark.parametrize("value", [["1", 0], ["", -1]])
def test_links_are_told_from_lists(value):
    assert is_link(value)
    assert not is_link([*value, 1])
    assert not is_link([1, 0])


def test_long_and_strange_values_are_shown_short():
    assert short("x" * 1000) == "'" + "x" * 44 + "... (1002 characters)"
    assert short(10**400) == "a whole number of 1329 bits"
    assert short("\ud800") == "'\\ud800'"


def error(frames, message="It is 5. Use 6."):
    details = {
        "node_type": "N", "exception_type": "ValueError", "exception_message": message,
        "traceback": frames,
    }  # fmt: skip
    return judge_error(HostError("x", details=details))


def place_of(path, text):
    """Number of the first line that begins with a text, in a file of the pack."""
    from pack.tools.host.environment import ROOT

    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return next(i for i, line in enumerate(lines, start=1) if line.strip().startswith(text))


def test_only_what_our_code_raised_on_purpose_is_a_sentence():
    raises = OWN.format("nodes/values.py", place_of("nodes/values.py", "raise ValueError("))
    slips = OWN.format("nodes/values.py", place_of("nodes/values.py", "return"))
    assert error([HOST, raises]).kind == "sentence"
    assert error([HOST, raises], "x" * 2000).kind == "too long"
    assert error([HOST, slips]).kind == "no sentence"
    assert error([raises, HOST]).kind == "no sentence"  # something that we called fell
    handed = OWN.format(
        "nodes/sampling/talk_guider.py", place_of("nodes/sampling/talk_guider.py", "return super()")
    )
    assert error([handed, HOST]).kind == "host's error"
    assert error([HOST, handed]).kind == "no sentence"
    assert error([HOST]).kind == "host's error"
    assert (
        error([HOST, slips], "you tried to allocate: can't allocate memory").kind == "out of memory"
    )
    assert not error([HOST, slips]).is_good


def test_our_tracebacks_are_found_in_a_log():
    theirs = f"Traceback (most recent call last):\n{HOST}KeyError: 'x'"
    ours = f"Traceback (most recent call last):\n{HOST}{OWN.format('nodes/a.py', 3)}KeyError: 'y'"
    assert own_tracebacks(f"[INFO] a\n{theirs}\n[INFO] b\n{ours}\n[INFO] c\n") == [ours]


@pytest.mark.host
def test_every_broken_prompt_gets_an_answer_fit_for_people(server):
    place_files(server.base)
    with HostClient(server.address) as client:
        asker = Asker(client=client, log=server.log, run_seconds=1.0)
        answers = collections.Counter()
        for number in range(COUNT):
            _, mutation = made(number)
            if "node broken" in mutation.kinds:  # the host's own thread does not survive some
                continue
            answer = asker.ask(mutation.prompt)
            answers[answer.kind] += 1
            assert answer.is_good, (number, mutation.done, answer)
    assert set(answers) <= {*GOOD}
    assert answers["refused"] > 10
    assert answers["sentence"] > 3
