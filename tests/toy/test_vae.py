import numpy as np
import pytest
import torch
from toy_vae import HOST_MEAN, HOST_STD

from pack.tools.toy.frozen_vae import fold, normalize
from pack.tools.toy.vae import VideoVae, start_as_identity

DIM = 8


@pytest.fixture(scope="module")
def vae():
    made = VideoVae(DIM).eval().requires_grad_(requires_grad=False)
    start_as_identity(made, seed=3)
    random = torch.Generator().manual_seed(4)
    for parameter in made.parameters():  # past frames count too
        parameter.add_(0.05 * torch.randn(parameter.shape, generator=random))
    return made


@pytest.mark.host
@pytest.mark.parametrize("frames", [1, 5, 9, 33])
@torch.no_grad()
def test_whole_clips_equal_the_hosts_chunks(host, vae, frames):
    from comfy.ldm.wan.vae import WanVAE

    theirs = WanVAE(dim=DIM, z_dim=16, temperal_downsample=[False, True, True]).eval()
    theirs.load_state_dict(vae.state_dict(), strict=True)
    x = torch.rand(1, 3, frames, 32, 48, generator=torch.Generator().manual_seed(5)) * 2 - 1
    mean, _ = vae.posterior(x)
    assert torch.allclose(mean, theirs.encode(x), atol=1e-5)
    assert torch.allclose(vae.decode(mean), theirs.decode(mean), atol=1e-5)


@torch.no_grad()
def test_folding_gives_latents_of_the_host_and_the_same_frames(vae):
    folded = VideoVae(DIM)
    folded.load_state_dict(vae.state_dict())
    x = torch.rand(1, 3, 9, 32, 32, generator=torch.Generator().manual_seed(6)) * 2 - 1
    before, _ = vae.posterior(x)
    rows = before[0].flatten(1)
    fold(folded, rows.mean(1), rows.std(1))
    after, _ = folded.posterior(x)
    values = after[0].flatten(1)
    assert torch.allclose(values.mean(1), torch.tensor(HOST_MEAN), atol=1e-4)
    assert torch.allclose(values.std(1), torch.tensor(HOST_STD), atol=1e-4)
    assert torch.allclose(normalize(after)[0].flatten(1).std(1), torch.ones(16), atol=1e-4)
    assert torch.allclose(folded.decode(after), vae.decode(before), atol=1e-4)


@torch.no_grad()
def test_the_start_keeps_the_picture():
    start = VideoVae(DIM)
    start_as_identity(start, seed=0)
    x = torch.full((1, 3, 1, 32, 32), 0.3)
    mean, log_variance = start.posterior(x)
    assert mean.std() > 0.1
    assert log_variance.mean() == pytest.approx(-6, abs=1)


def test_clips_that_are_not_drawn_are_not_measured(vae, tmp_path):
    from pack.tools.toy.clips import ClipBank
    from pack.tools.toy.vae_train import evaluate_vae

    random = np.random.default_rng(7)
    drawn = random.integers(0, 256, (4, 33 * 96 * 144 * 3), dtype=np.uint8)
    rest = {"tall": np.zeros(4, bool), "areas": np.zeros((4, 2, 4), int)}
    rest |= {"openings": np.zeros((4, 2, 33)), "boxes": np.zeros((4, 2, 4), int)}
    sheet = tmp_path / "sheet.png"
    empty, whole = (
        ClipBank(frames=frames, pictures=frames[:, :41472], **rest)
        for frames in (np.zeros_like(drawn), drawn)
    )
    assert evaluate_vae(vae, empty, sheet) is None
    assert not sheet.exists()
    quality, mouth = evaluate_vae(vae, whole, sheet) or (0.0, 1.0)
    assert 0 < quality < 40
    assert mouth == 0
