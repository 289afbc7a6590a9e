from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch

from pack.tests.nodes.desk import lazy

pytestmark = pytest.mark.host
ONES = torch.ones(2, 3)


@dataclass
class Params:
    scale: object
    kind: str = "a"


def quantized(host, scale=1.0, data=1):
    loaded = importlib.import_module(f"{host.pack_name}.nodes.loading.quantized")
    numbers = torch.full((2, 3), data, dtype=torch.int8)
    stored = loaded.RowScaled(data=numbers, scale=torch.full((2, 1), scale))
    return loaded.wrap(stored, torch.float32)


def function(strength, other=None):
    def patch(values):
        return values * strength if other is None else other

    return patch


class Schedule(torch.nn.Module):
    def __init__(self, shift, sigma=0.0):
        super().__init__()
        self.shift, self.helper = shift, object()
        self.register_buffer("sigmas", torch.full((2,), sigma))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (function(1.0), function(2.0)),
        (function(ONES), function(ONES + 1)),
        (Schedule(1.0), Schedule(2.0)),
        (Schedule(1.0), Schedule(1.0, 1.0)),
        (ONES, ONES.view(3, 2)),
        (ONES, ONES.double()),
        (ONES, torch.ones(2, 3, dtype=torch.bfloat16)),
        (torch.zeros(1), -torch.zeros(1)),
        ([ONES, []], [[ONES]]),
        ([1, 2], [12]),
        (1, 1.0),
        (1, True),
        (1, "1"),
        (None, "None"),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ({"a": {"b": 1}}, {"a": {}, "b": 1}),
        (Params(1), Params(2)),
        (SimpleNamespace(weights=[ONES]), SimpleNamespace(weights=[ONES + 1])),
        ("\ud800", "\ud801"),
    ],
)
def test_different_values_look_different(host, one, other):
    value_digest = lazy(host, "contents").value_digest
    assert value_digest(one) != value_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ONES, torch.ones(3, 2).T),
        (ONES, torch.ones(1).expand(2, 3)),
        ({"a": 1, "b": ONES}, {"b": ONES.clone(), "a": 1}),
        ({"uuid": object()}, {"uuid": object()}),
        ((1, 2), [1, 2]),
        (function(1.0, object()), function(1.0, object())),
        (Schedule(1.0), Schedule(1.0)),
        (SimpleNamespace(name="a"), SimpleNamespace(name="b")),  # its graph tells it apart
        (torch.ones((), dtype=torch.float8_e5m2), torch.ones((), dtype=torch.float8_e5m2)),
        (torch.zeros(0, 3), torch.zeros(0, 3)),
        (ONES, torch.nn.Parameter(ONES)),
    ],
)
def test_equal_values_look_equal(host, one, other):
    value_digest = lazy(host, "contents").value_digest
    assert value_digest(one) == value_digest(other)


def test_quantized_tensors_count_by_what_they_hold(host):
    value_digest = lazy(host, "contents").value_digest
    digests = {value_digest(quantized(host, **how)) for how in ({}, {"scale": 2.0}, {"data": 2})}
    assert len(digests) == 3
    assert value_digest(quantized(host)) in digests


def test_list_of_two_texts_is_no_link(host):
    is_link = host.module("nodes.host").is_link
    assert is_link(["a", 0])
    assert not is_link(["a.safetensors", "b.safetensors"])


def test_stop_while_weights_are_read_ends_at_once(host):
    contents = lazy(host, "contents")
    patcher = SimpleNamespace(
        model=torch.nn.Linear(2, 2), patches={}, object_patches={}, additional_models={},
        model_options={}, attachments={},
        backup={}, hook_backup={}, object_patches_backup={},
    )  # fmt: skip

    def stop():
        raise KeyboardInterrupt

    assert contents.model_digest(patcher, lambda: None)
    with pytest.raises(KeyboardInterrupt):
        contents.model_digest(patcher, stop)
