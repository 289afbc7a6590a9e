"""The gate around those who speak holds on every way that the audio residual takes."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.stepcache import StepCacheSettings
from pack.tests.nodes.test_compiled import latents
from pack.tests.nodes.test_lean_block import GRID, talking, velocity

__all__ = ["talking"]
pytestmark = pytest.mark.host

CELLS = GRID[1] * GRID[2] // 4  # tokens of a latent frame
GATE = torch.zeros(CELLS, 1)
GATE[: CELLS // 2] = 1.0
GATE[CELLS // 2] = 0.5


@pytest.fixture
def gated(monkeypatch):
    """A function that gives runs a gate, and the residuals that are added from here on."""
    from pack.nodes.loading import audio_hooks

    make, add, added = audio_hooks.AudioRun, torch.add, []

    def use(gate):
        gates = {} if gate is None else {torch.device("cpu"): gate}
        monkeypatch.setattr(audio_hooks, "AudioRun", lambda **given: make(gates=gates, **given))

    def watched(heard, residual, **how):
        added.append(residual.clone())
        return add(heard, residual, **how)

    monkeypatch.setattr(audio_hooks.torch, "add", watched)
    return use, added


@pytest.mark.parametrize("speakers", [1, 2])
@pytest.mark.parametrize("one", [None, False, True])
@pytest.mark.parametrize("fold", [False, True])
def test_every_way_gives_the_gated_video(talking, gated, monkeypatch, speakers, one, fold):
    from pack.multitalk.model import audio_folding

    use, added = gated
    batch = 2 if one is not None else 1
    how = {"speakers": speakers, "batch": batch, "one": one}
    use(GATE)
    expected = velocity(talking, lean=False, **how)
    monkeypatch.setattr(audio_folding, "LEAST_VALUES", 0 if fold else 1 << 20)
    added.clear()
    out = velocity(talking, lean=True, **how)
    assert float((out - expected).abs().max()) <= 2e-6 * float(expected.abs().max())
    assert len(added) == 3
    for residual in added:
        kept = residual.unflatten(1, (GRID[0], CELLS))
        assert not kept[:, :, GATE[:, 0] == 0].any()
        assert kept[:, :, GATE[:, 0] > 0].abs().amin() > 0


@pytest.mark.parametrize("speakers", [1, 2])
def test_a_gate_that_is_open_changes_no_bit_and_a_shut_one_is_no_audio(talking, gated, speakers):
    use, added = gated
    found = {}
    for name, gate in {"none": None, "open": GATE * 0 + 1, "half": GATE, "shut": GATE * 0}.items():
        use(gate)
        added.clear()
        found[name] = velocity(talking, lean=True, speakers=speakers)
        if name == "open":
            first = added[0]
        elif name == "half":  # of the first block, where the tokens are the same
            assert torch.equal(added[0], first * GATE.repeat(GRID[0], 1))
    assert torch.equal(found["open"], found["none"])
    assert not torch.equal(found["half"], found["none"])
    options = talking.model_options["transformer_options"]
    mute = {**options["patches"], "attn2_patch": [lambda args: args["x"]]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(options, "patches", mute)
        assert torch.equal(found["shut"], velocity(talking, lean=True, speakers=speakers))


def test_a_network_with_a_step_cache_is_gated_too(talking):
    from pack.nodes.sampling.block_cache import RunCache

    gate = GATE.view(GRID[1] // 2, GRID[2] // 2)
    expected = latents(talking, speakers=2, gate=gate)
    assert float((expected - latents(talking, speakers=2)).abs().max()) > 0.01
    cache = RunCache(StepCacheSettings(threshold=0.3, coefficients=(1.0,)))
    out = latents(talking, speakers=2, gate=gate, cache=cache)
    torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)
