"""Voices and masks of a run node become a cast once per queue."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host


@pytest.fixture
def casts(host, monkeypatch):
    """Every cast that is made from here on."""
    cast, made = host.module("multitalk.cast").Cast, []
    make = cast.__init__

    def count(self, *args, **kwargs):
        made.append(self)
        make(self, *args, **kwargs)

    monkeypatch.setattr(cast, "__init__", count)
    return made


def test_run_node_makes_one_cast_per_queue(host, casts):
    prompt = talk(voices=2, seconds=0.3)
    executor = host.executor()
    assert host.run(prompt, executor).ok
    assert len(casts) == 1
    assert casts[0].cells.shape == (3, 8, 8)
    prompt["sampler"]["inputs"]["seed"] = 8
    assert host.run(prompt, executor).ok
    assert len(casts) == 2


def test_every_run_node_makes_its_own(host, casts):
    prompt = talk(voices=2, seconds=0.3)
    prompt["other"] = node("MultiTalkSampleToVideo", **prompt["sampler"]["inputs"])
    prompt["other"]["inputs"]["size.width"] = 128
    assert host.run(prompt).ok
    assert sorted(cast.cells.shape[2] for cast in casts) == [8, 16]


def test_lists_of_masks_are_told_apart(host, casts):
    class Prompt:
        """Stands for a running prompt."""

    cast_of = host.module("nodes.sampling.run_setup").cast_of
    speech = host.run(talk(voices=2, seconds=0.3)).outputs["speech"][0][0]
    casts.clear()
    hidden, masks = SimpleNamespace(unique_id="a", dynprompt=Prompt()), torch.eye(2)
    for given in (masks, masks.flip(0), masks):
        inputs = {"speech": speech, "masks": given[:, None].expand(2, 2, 2)}
        cast_of(inputs, hidden, (32, 32))
    assert len(casts) == 3
    assert not torch.equal(casts[0].cells, casts[1].cells)
    one = {"speech": speech, "masks": masks[:, None]}
    assert cast_of(one, hidden, (32, 32)) is cast_of(one, hidden, (32, 32))
    assert cast_of(one, hidden, (32, 32)) is not cast_of(one, hidden, (64, 32))
