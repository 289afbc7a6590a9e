"""A MODEL that a node compiled hears what it is told, and never keeps what it was compiled with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pack.multitalk.guidance import plan_guidance
from pack.multitalk.schedule import shifted_sigmas
from pack.multitalk.stepcache import StepCacheSettings
from pack.tests.nodes.test_lean_block import GRID, SIZES

pytestmark = pytest.mark.host

BLOCKS = ["diffusion_model.blocks.0"]


@pytest.fixture(scope="module")
def talking(host):
    from pack.tools.host.models import build_model, random_weights

    torch.manual_seed(0)
    sizes = {**SIZES, "num_layers": len(BLOCKS)}
    return build_model(sizes, {name: 5 * w for name, w in random_weights(sizes).items()})


def compiled(model, keys):
    """As the host's node TorchCompileModel, without a compiler behind it."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    torch.compiler.reset()
    clone = model.clone()
    options = {"guard_filter_fn": skip_torch_compile_dict}
    set_torch_compile_wrapper(model=clone, backend="eager", options=options, keys=keys)
    return clone


def latents(model, *, speakers, strength=1.0, cache=None, gate=None):
    """One step; with two speakers all three passes, of which one hears nothing."""
    import comfy.samplers

    from pack.nodes.sampling.talk_guider import AudioInputs, TalkGuider

    T, h, w = GRID
    random = torch.Generator().manual_seed(speakers)

    def draw(*shape):
        return torch.randn(*shape, generator=random)

    shown = {
        "concat_latent_image": draw(1, 16, *GRID),
        "concat_mask": torch.ones(1, 1, *GRID),
        "clip_vision_output": SimpleNamespace(penultimate_hidden_states=draw(1, 5, 32)),
    }
    text = [[draw(1, 16, 64), shown]]
    cells = torch.zeros(3, h, w)
    cells[0, :, : w // 3], cells[1, :, w // 2 :], cells[2, :, w // 3 : w // 2] = 1, 1, 1
    speech = draw(speakers, 4 * T - 3, 5, 3, 16)
    places = cells if speakers > 1 else None
    audio = AudioInputs(speech=speech, cells=places, strength=strength, gate=gate)
    guidance = plan_guidance(3.0, 2.0) if speakers > 1 else plan_guidance(1.0, 1.0)
    guider = TalkGuider(model, text, text, audio, guidance, cache=cache, single_passes=True)
    euler = comfy.samplers.sampler_object("euler")
    noise = draw(1, 16, *GRID)
    sigmas = shifted_sigmas(1, 5.0)
    return guider.sample(noise, torch.zeros_like(noise), euler, sigmas, seed=1, disable_pbar=True)


# Blocks alone, as tracing a whole network takes half a minute; the patches are the same code.
@pytest.mark.parametrize("speakers", [1, 2])
def test_a_compiled_model_follows_every_strength_pass_and_gate(talking, speakers):
    model = compiled(talking, BLOCKS)
    quiet = None
    gate = torch.zeros(GRID[1] // 2, GRID[2] // 2)
    gate[:, 0] = 1
    for strength, shut in ((1.0, None), (0.3, None), (1.0, gate)):
        expected = latents(talking, speakers=speakers, strength=strength, gate=shut)
        out = latents(model, speakers=speakers, strength=strength, gate=shut)
        torch.testing.assert_close(out, expected, rtol=0, atol=1e-4)
        assert quiet is None or float((expected - quiet).abs().max()) > 0.01
        quiet = expected


def test_a_compiled_model_and_the_step_cache_are_refused_together(talking):
    from pack.nodes.sampling.block_cache import RunCache

    cache = RunCache(StepCacheSettings(threshold=0.3, coefficients=(1.0,)))
    with pytest.raises(ValueError, match="Set step_cache to 0"):
        latents(compiled(talking, ["diffusion_model"]), speakers=1, cache=cache)
