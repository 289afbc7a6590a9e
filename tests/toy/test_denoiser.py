"""What is trained is what runs: the batched network against the pack's hooks on the host."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.model.audio_attention import join_speakers

pytestmark = pytest.mark.host
SHAPE = (9, 12, 18)
TOKENS = 54


@pytest.fixture(scope="module")
def model(host):
    import comfy.model_management

    from pack.tools.toy.denoiser import Denoiser

    comfy.model_management.in_training = True
    yield Denoiser(seed=2).requires_grad_(requires_grad=False)
    comfy.model_management.in_training = False


def hooked(model, x, sigma, speech, masks):
    """One clip the way nodes/model_patch.py runs it."""
    from pack.multitalk.model.audio_attention import rotation
    from pack.nodes.loading import audio_hooks as model_patch
    from pack.tools.toy.denoiser import CONFIG

    keys = torch.tensor(model.axis.key_positions).repeat_interleave(CONFIG.num_tokens)
    routing = model_patch.Routing(
        token_masks=masks, key_rotation=rotation(keys, 64), axis=model.axis
    )
    tokens = model.audio.audio_proj(speech)[None]
    options = {
        "patches": {
            "attn1_patch": [model_patch.place_tokens],
            "attn2_patch": [model_patch.add_audio],
        }
    }
    options[model_patch.RUN] = model_patch.AudioRun(parts={}, routings={}, strength=1.0)
    options[model_patch.CALL] = model_patch.AudioCall(
        part=model.audio,
        tokens=join_speakers(tokens),
        routing=routing if len(speech) > 1 else None,
    )
    text = torch.zeros(1, 1, 64)
    return model.base(x, 1000 * sigma, text, transformer_options=options)


@pytest.mark.parametrize("speakers", [1, 2])
@torch.no_grad()
def test_a_batch_equals_single_requests(model, speakers):
    random = torch.Generator().manual_seed(speakers)
    x = torch.randn(3, 36, *SHAPE, generator=random)
    sigma = torch.tensor([0.2, 0.6, 0.9])
    speech = torch.randn(3, speakers, 33, 5, 4, 64, generator=random)
    masks = torch.rand(3, 3, TOKENS, generator=random).round()
    heard = torch.tensor([True, True, False])
    out = model(x, sigma, speech, masks if speakers > 1 else None, heard)
    for row in range(3):
        # Without audio guidance hands over one speaker of zeros and no masks.
        windows = speech[row] if heard[row] else torch.zeros_like(speech[row][:1])
        single = hooked(model, x[row : row + 1], sigma[row : row + 1], windows, masks[row])
        assert torch.allclose(out[row], single[0], atol=2e-5), row


@pytest.mark.parametrize("frames", [9, 21])
def test_the_velocity_takes_back_what_is_wrong_and_motion_frames_bear_nothing_of_it(frames):
    from pack.tools.toy.denoiser_train import LOWEST_LEVEL, Batch, noisy_latents
    from pack.tools.toy.latents import KINDS

    random = torch.Generator().manual_seed(frames)
    target = torch.randn(2, 16, frames, 4, 6, generator=random)
    batch = Batch(
        target=target,
        condition=torch.zeros(2, 20, frames, 4, 6),
        motion=target[:, :, :3].clone(),
        kinds=(KINDS.index("multitalk"), KINDS.index("begin")),
        speech=torch.zeros(2, 1, 4 * frames - 3, 5, 4, 64),
        masks=None,
        mouths=torch.ones(2, 1, 1, 4, 6),
        numbers=(0, 1),
    )
    wrong = torch.randn(2, 16, 1, 4, 6, generator=random)
    sigma = torch.tensor([LOWEST_LEVEL, 0.9])
    noisy, velocity, weight = noisy_latents(batch, sigma, wrong)
    reached = noisy - sigma.view(-1, 1, 1, 1, 1) * velocity
    assert weight.shape[2] == frames
    counted = (weight > 0).expand_as(target)
    assert torch.allclose(reached[counted], target[counted], atol=1e-5)
    assert weight[0, :, :3].max() == 0
    torch.manual_seed(1)
    pinned = noisy_latents(batch, sigma, wrong)[0][0, :, :3]
    torch.manual_seed(1)
    assert torch.equal(pinned, noisy_latents(batch, sigma)[0][0, :, :3])
