"""The attention kernel of a run, with stand-ins for kernels and for the card's clock."""

from __future__ import annotations

import pytest
import torch

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("host")]

CPU = torch.empty(0)
SHAPE = (24, 8)


class Card:
    """A tensor that says it lies on a card, and makes tensors that do not."""

    device = torch.device("cuda")

    def new_zeros(self, *shape):
        return torch.zeros(*shape)


@pytest.fixture
def offered(monkeypatch):
    """Three kernels of the host and how long each takes; the first is the host's own."""
    from comfy.ldm.modules import attention

    from pack.nodes.sampling import attention_choice

    calls, seconds = [], {"pytorch": 1.0, "flash": 0.5, "cuDNN": 0.7}
    kernels = {
        name: (lambda *_a, name=name, **_k: calls.append(name) or name) for name in seconds
    }  # fmt: skip

    def stopwatch(work):
        time = seconds[work()]
        if isinstance(time, Exception):
            raise time
        return time

    monkeypatch.setattr(attention, "optimized_attention", kernels["pytorch"])
    monkeypatch.setattr(attention, "REGISTERED_ATTENTION_FUNCTIONS", dict(kernels))
    monkeypatch.setattr(attention_choice, "_cudnn", kernels["cuDNN"])
    monkeypatch.setattr(attention_choice, "time_on_card", stopwatch)
    return calls, seconds, kernels


def choose(folder=None, like=None, **options):
    """What a window of a run does: options, and notes for the report."""
    from pack.nodes.sampling.attention_choice import AttentionChoice

    notes = []
    choice = AttentionChoice(folder, notes.append)
    given = {"transformer_options": dict(options)}
    choice.install(given, SHAPE, Card() if like is None else like)
    choice.install(
        given if options else {"transformer_options": {}}, SHAPE, Card() if like is None else like
    )
    return given["transformer_options"].get("optimized_attention_override"), notes


def test_the_fastest_kernel_is_taken_once_by_the_hosts_own_hook(offered):
    calls, _, kernels = offered
    override, notes = choose()
    assert sorted(calls) == ["cuDNN", "flash", "pytorch"]  # once in a run
    assert notes == [
        "attention: flash (cuDNN 700.0 ms, flash 500.0 ms, pytorch 1000.0 ms for 4 heads)"
    ]
    q = torch.zeros(1, 4, 8)
    assert override(kernels["pytorch"], q, q, q, 2) == "flash"
    assert override(kernels["pytorch"], q, q, q, 2, mask=q) == "pytorch"


def test_the_hosts_kernel_stays_unless_another_gains(offered):
    _, seconds, _ = offered
    seconds |= {"flash": 0.97, "cuDNN": RuntimeError("no such kernel for this card")}
    override, (note,) = choose()
    assert override is None
    assert note.startswith("attention: pytorch (flash 970.0 ms, pytorch 1000.0 ms")


def test_nothing_is_timed_on_a_processor_or_where_somebody_chose(offered):
    calls, _, kernels = offered
    from comfy.ldm.modules import attention

    assert choose(like=CPU) == (None, [])
    another = object()
    assert choose(optimized_attention_override=another) == (another, [])
    attention.optimized_attention = attention.REGISTERED_ATTENTION_FUNCTIONS["sage"] = print
    assert choose() == (None, ["attention: sage, as ComfyUI was started"])
    assert calls == []
    assert kernels


def test_a_run_that_goes_on_keeps_its_kernel(offered, tmp_path):
    calls, seconds, kernels = offered
    choose(tmp_path)
    calls.clear()
    seconds["cuDNN"] = 0.1
    override, notes = choose(tmp_path)
    assert (calls, notes) == ([], [])
    assert override(None, 1, 2, 3, 4) == "flash"
    from comfy.ldm.modules import attention

    del attention.REGISTERED_ATTENTION_FUNCTIONS["flash"]
    override, (note,) = choose(tmp_path)
    assert override is None
    assert "began with flash" in note
    assert kernels


@pytest.mark.parametrize("name", ["sage", "comfy_kitchen_int8", "pytorch"])
def test_exact_calls_are_exact_whatever_the_host_uses(monkeypatch, name):
    from comfy.ldm.modules import attention

    from pack.nodes.loading.audio_hooks import exact_attention

    def lossy(q, *_args, **_kwargs):
        return torch.zeros_like(q)

    used = attention.attention_pytorch if name == "pytorch" else lossy
    monkeypatch.setattr(attention, "optimized_attention", used)
    monkeypatch.setitem(attention.REGISTERED_ATTENTION_FUNCTIONS, name, used)
    q, k, v = torch.randn(3, 1, 2, 5, 8)
    expected = torch.nn.functional.scaled_dot_product_attention(q, k, v)
    of_others = {"optimized_attention_override": lambda _usual, q, *_a, **_k: torch.zeros_like(q)}
    for options in ({}, of_others):
        assert torch.allclose(exact_attention(options)(q, k, v), expected, atol=1e-6)
