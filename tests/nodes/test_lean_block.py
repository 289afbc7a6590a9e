"""Blocks that need less memory give what the host's give, or stay away."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.model.audio_attention import rotate, rotation, speaker_axis

pytestmark = pytest.mark.host

SIZES = {
    "dim": 128, "num_heads": 2, "num_layers": 3, "ffn_dim": 352, "freq_dim": 64,
    "text_dim": 64, "text_len": 16, "in_channels": 36, "out_channels": 16,
    "patch_size": [1, 2, 2], "clip_dim": 32, "norm_eps": 1e-6, "qk_norm_self": True,
    "audio_layers": 3, "audio_channels": 16, "audio_hidden": 32, "audio_token_dim": 32,
    "audio_tokens_per_speaker": 4, "speaker_class_range": 24, "speaker_class_interval": 4,
}  # fmt: skip
GRID = (3, 8, 12)


@pytest.fixture(scope="module")
def talking(host):
    """A small host model with its audio part."""
    from pack.tools.host.models import build_model, random_weights

    torch.manual_seed(0)
    return build_model(SIZES, {name: 5 * w for name, w in random_weights(SIZES).items()})


def routing_of(part):
    from pack.nodes.loading.audio_hooks import Routing

    axis = speaker_axis(2, part.config)
    keys = torch.tensor(axis.key_positions).repeat_interleave(part.config.num_tokens)
    cells = GRID[1] * GRID[2] // 4
    masks = torch.zeros(3, cells)
    masks[0, : cells // 3], masks[1, cells // 2 :], masks[2, cells // 3 : cells // 2] = 1, 1, 1
    return Routing(token_masks=masks, key_rotation=rotation(keys, 64), axis=axis)


def velocity(talking, *, speakers, lean, batch=1, picture=True, one=None):
    """One forward, and the options that it had."""
    from pack.nodes.loading import audio_hooks
    from pack.nodes.sampling.lean_block import ONE_BEGINNING, install_lean_blocks

    part = talking.get_additional_models_with_key(audio_hooks.KEY)[0].model
    network, device = talking.model.diffusion_model, torch.device("cpu")
    options = {
        "patches": talking.model_options["transformer_options"]["patches"],
        "wrappers": talking.wrappers,
        audio_hooks.RUN: audio_hooks.AudioRun(
            parts={device: part},
            routings={device: routing_of(part)} if speakers > 1 else {},
            strength=0.8,
        ),
    }
    if lean:
        assert install_lean_blocks({"transformer_options": options}, {device: network.blocks})
    random = torch.Generator().manual_seed(speakers)

    def draw(*shape):
        return torch.randn(batch, *shape, generator=random)

    x, text, clip = draw(36, *GRID), draw(16, 64), draw(5, 32) if picture else None
    if one is not None:
        x = x[:1].expand(batch, -1, -1, -1, -1)
        options |= {"cond_or_uncond": list(range(batch)), ONE_BEGINNING: one}
    tokens = draw(speakers, GRID[0], 4, 32)
    timestep = torch.full((batch,), 500.0)
    with torch.inference_mode():
        return network(x, timestep, text, clip, None, options, **{audio_hooks.TOKENS: tokens})


@pytest.mark.parametrize("speakers", [1, 2])
@pytest.mark.parametrize(("batch", "picture"), [(1, True), (2, True), (1, False)])
def test_lean_blocks_give_the_same_velocity(talking, speakers, batch, picture):
    how = {"speakers": speakers, "batch": batch, "picture": picture}
    expected = velocity(talking, lean=False, **how)
    out = velocity(talking, lean=True, **how)
    assert float((out - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.parametrize("speakers", [1, 2])
def test_passes_of_a_step_share_the_self_attention_of_the_first_block(talking, speakers):
    from pack.nodes.sampling import lean_block

    how = {"speakers": speakers, "batch": 3}
    expected = velocity(talking, lean=False, one=False, **how)
    seen, attend = [], lean_block.optimized_attention

    def watched(q, *args, **kwargs):
        seen.append(len(q))
        return attend(q, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lean_block, "optimized_attention", watched)
        out = velocity(talking, lean=True, one=True, **how)
        assert seen == [1, 3, 3, 3, 3, 3, 3, 3, 3]  # self, picture, text of three blocks
        seen.clear()
        velocity(talking, lean=True, one=False, **how)
        assert seen == 9 * [3]
    assert float((out - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


@pytest.mark.usefixtures("host")
def test_passes_begin_as_one_unless_something_tells_them_apart():
    from pack.nodes.sampling.lean_block import begin_as_one

    latent, mask = torch.zeros(1), torch.ones(1)

    def one(*, wrappers=None, function=None, models=(), **changes):
        row = {"concat_latent_image": latent, "concat_mask": mask}
        row["model_conds"] = dict.fromkeys(("c_crossattn", "clip_fea", "c_concat", *models))
        options = {"transformer_options": {"wrappers": wrappers or {}}}
        if function is not None:
            options["model_function_wrapper"] = function
        conds = {"full": [row], "negative": [{**row, **changes}], "bare": [row]}
        return begin_as_one(options, conds)

    assert one()
    assert one(cross_attn=latent, area=None, wrappers={"diffusion_model": {"multitalk": [print]}})
    assert not one(concat_latent_image=latent.clone())
    assert not one(area=(1, 2, 3, 4))
    assert not one(models=("reference_latent",))
    assert not one(function=print)
    assert not one(wrappers={"apply_model": {"another": [print]}})
    two = {"model_conds": {}}
    assert not begin_as_one({"transformer_options": {}}, {"full": [two, two], "negative": []})


@pytest.mark.parametrize("lean", [False, True])
def test_folded_audio_gives_the_same_velocity_also_with_a_lora(talking, monkeypatch, lean):
    from pack.multitalk.model import audio_folding
    from pack.nodes.loading import audio_hooks, folded_audio

    calls, fold = [], folded_audio.folded_audio
    monkeypatch.setattr(audio_hooks, "folded_audio", lambda *a: calls.append(1) or fold(*a))
    part = talking.get_additional_models_with_key(audio_hooks.KEY)[0].model
    attention = part.blocks[1].audio_cross_attn
    found = []
    for least in (1 << 20, 0):
        monkeypatch.setattr(audio_folding, "LEAST_VALUES", least)
        found.append(velocity(talking, speakers=1, lean=lean, batch=2))
        for layer in (attention.q_linear, attention.proj):
            monkeypatch.setattr(layer, "weight_function", [lambda weight: weight + 0.5])
        found.append(velocity(talking, speakers=1, lean=lean, batch=2))
        for layer in (attention.q_linear, attention.proj):
            monkeypatch.setattr(layer, "weight_function", [])
    assert len(calls) == 2 * len(part.blocks)
    plain, plain_lora, folded, folded_lora = found
    scale = float(plain.abs().max())
    assert float((folded - plain).abs().max()) <= 2e-6 * scale
    assert float((folded_lora - plain_lora).abs().max()) <= 2e-6 * scale
    assert float((plain_lora - plain).abs().max()) > 1e-3 * scale


def test_audio_is_not_folded_where_weights_are_quantized_or_watched(talking, monkeypatch):
    from pack.multitalk.model import audio_folding
    from pack.nodes.loading import audio_hooks, folded_audio

    monkeypatch.setattr(audio_folding, "LEAST_VALUES", 0)
    block = talking.get_additional_models_with_key(audio_hooks.KEY)[0].model.blocks[0]
    given = block, torch.zeros(1, 3 * 24, 128), torch.zeros(1, 3, 4, 32)
    assert folded_audio.can_fold(*given)
    layer = block.audio_cross_attn.proj
    whole = layer.weight
    layer.weight = torch.nn.Parameter(whole.to(torch.float8_e4m3fn), requires_grad=False)
    assert not folded_audio.can_fold(*given)
    layer.weight = whole
    hook = layer.register_forward_hook(lambda *_: None)
    assert not folded_audio.can_fold(*given)
    hook.remove()
    assert folded_audio.can_fold(*given)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_rotation_of_the_host_is_ours(host, batch):
    from pack.nodes.loading.audio_hooks import rotate_by_host

    x = torch.randn(batch, 7, 3, 64, generator=torch.Generator().manual_seed(0))
    table = rotation(torch.rand(batch, 7) * 24, 64)[:, :, None]
    torch.testing.assert_close(rotate_by_host(x, table), rotate(x, table), rtol=0, atol=1e-6)


def test_blocks_that_another_node_has_to_do_with_stay_the_hosts(talking):
    from pack.nodes.sampling.lean_block import install_lean_blocks

    blocks = talking.model.diffusion_model.blocks

    def installed(**options):
        given = {"transformer_options": options}
        done = install_lean_blocks(given, {torch.device("cpu"): blocks})
        assert done == (("double_block", 0) in options.get("patches_replace", {}).get("dit", {}))
        return done

    assert installed()
    assert installed(patches={"attn1_patch": [print]})
    assert not installed(patches_replace={"dit": {("double_block", 1): print}})
    assert not installed(patches={"double_block": [print]})
    blocks[2].self_attn.forward = blocks[2].self_attn.forward  # as attention patches of nodes do
    try:
        assert not installed()
    finally:
        del blocks[2].self_attn.forward


def test_weights_that_come_from_elsewhere_come_once(talking):
    from pack.nodes.sampling.lean_block import _parts

    ffn, x = talking.model.diffusion_model.blocks[0].ffn, torch.zeros(1, 9, 128)
    assert [part.shape[1] for part in _parts(ffn, x)] == [5, 4]
    ffn[2]._v = object()  # memory that the host pages
    try:
        assert [part.shape[1] for part in _parts(ffn, x)] == [9]
    finally:
        del ffn[2]._v
    assert len(list(_parts(ffn, x.to("meta")))) == 1
