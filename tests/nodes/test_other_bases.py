"""Bases that take no image beside the noise: VACE, and text-to-video."""

from __future__ import annotations

import pytest
import torch

from pack.multitalk.guidance import plan_guidance
from pack.multitalk.schedule import shifted_sigmas
from pack.tests.nodes.stops import host_nodes
from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host

GRID = (3, 4, 6)  # of the video's latent
BASES = {"control": {"vace": 2}, "text": {}}


def random_numbers(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return lambda *shape: torch.randn(*shape, generator=generator)


@pytest.fixture(scope="module", params=BASES)
def talking(host, request):
    return build(request.param)


@pytest.fixture(scope="module")
def control_model(host):
    return build("control")


@torch.no_grad()
def build(kind):
    """A small float32 MODEL with an audio part, as the host loads it."""
    import comfy.model_patcher
    import comfy.ops
    import comfy.sd

    from pack.multitalk.config import AudioPartConfig
    from pack.multitalk.model.audio_attention import build_audio_part
    from pack.nodes.loading.audio_hooks import AttachedAudio, attach_audio, check_model
    from pack.tools.make.toy import build_base

    state, metadata = build_base(in_dim=16, layers=4, dtype=torch.float32, **BASES[kind])
    model = comfy.sd.load_diffusion_model_state_dict(
        state, {"dtype": torch.float32}, metadata=metadata
    )
    config = AudioPartConfig(
        dim=128, num_heads=2, num_layers=4, encoder_layers=2, encoder_channels=8, hidden=16,
        num_tokens=4, token_width=16,
    )  # fmt: skip
    part = build_audio_part(config, comfy.ops.disable_weight_init)
    part.requires_grad_(requires_grad=False)
    draw = random_numbers(1)
    for weight in part.parameters():
        weight.copy_(0.2 * draw(*weight.shape))
    cpu = torch.device("cpu")
    check_model(model, config, "part")
    attached = AttachedAudio(name="part", family="multitalk", config=config)
    return attach_audio(model, comfy.model_patcher.ModelPatcher(part, cpu, cpu), attached)


def texts(kind, front):
    draw = random_numbers(2)
    shape = (front + GRID[0], *GRID[1:])
    values = {}
    if kind == "control":
        values = {
            "vace_frames": [draw(1, 32, *shape)],
            "vace_mask": [draw(1, 64, *shape).sign().clamp(0)],
            "vace_strength": [0.7],
        }
    return [[[draw(1, 5, 64), values]], [[draw(1, 5, 64), values]]]


def speakers(count):
    """Speech of a window, and the speakers' places on the grid."""
    _, rows, columns = GRID
    cells = torch.zeros(3, rows, columns)
    cells[0, :, : columns // 2], cells[1, :, columns // 2 :] = 1, 1
    speech = random_numbers(3)(count, 4 * GRID[0] - 3, 5, 2, 8)
    return speech, cells if count > 1 else None


def sample(guider, front, steps=2):
    import comfy.samplers

    noise = random_numbers(4)(1, 16, front + GRID[0], *GRID[1:])
    euler = comfy.samplers.sampler_object("euler")
    sigmas = shifted_sigmas(steps, 3.0)
    return guider.sample(noise, torch.zeros_like(noise), euler, sigmas, seed=1, disable_pbar=True)


def ours(model, kind, *, front=0, told=None, count=1, strength=1.0, text=1.0, audio=1.0, **options):
    from pack.nodes.sampling.talk_guider import AudioInputs, TalkGuider

    speech, cells = speakers(count)
    heard = AudioInputs(speech=speech, cells=cells, strength=strength, front=front)
    plan = plan_guidance(text, audio)
    told = texts(kind, front if told is None else told)
    return sample(TalkGuider(model, *told, heard, plan, **options), front)


def hosts(model, kind, *, front=0, text=1.0):
    import comfy.samplers

    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(*texts(kind, front))
    guider.set_cfg(text)
    return sample(guider, front)


def kind_of(model):
    from pack.nodes.loading.audio_hooks import base_kind

    return base_kind(model)


@pytest.mark.parametrize(("front", "text"), [(0, 1.0), (0, 4.0), (1, 1.0)])
def test_without_audio_a_run_equals_the_hosts_bit_for_bit(talking, monkeypatch, front, text):
    from pack.nodes.sampling import lean_block

    # Fewer rows at a time are other sums for the matrix kernels of a processor with AVX-512.
    monkeypatch.setattr(lean_block, "FEED_FORWARD_PARTS", 1)
    kind = kind_of(talking)
    plain = talking.clone()
    # A function of another node, so that our guider combines by the host's own arithmetic.
    plain.set_model_sampler_post_cfg_function(lambda args: args["denoised"])
    found = ours(plain, kind, front=front, strength=0.0, text=text)
    assert torch.equal(found, hosts(talking, kind, front=front, text=text))
    close = ours(talking, kind, front=front, strength=0.0, text=text)
    assert torch.allclose(close, found, atol=2e-4, rtol=1e-4)
    assert not torch.allclose(ours(talking, kind, front=front, text=text), found, atol=1e-2)


def test_without_our_guider_a_run_equals_that_of_the_base_alone(talking):
    kind = kind_of(talking)
    alone = talking.clone()
    alone.model_options = {"transformer_options": {}}
    alone.wrappers, alone.additional_models = {}, {}
    assert torch.equal(hosts(talking, kind, text=4.0), hosts(alone, kind, text=4.0))


@pytest.mark.parametrize(("count", "front", "lean"), [(1, 0, True), (2, 1, True), (2, 1, False)])
def test_audio_acts_in_main_blocks_alone(control_model, monkeypatch, count, front, lean):
    """As if control blocks knew no patches at all."""
    from comfy.ldm.wan.model import VaceWanAttentionBlock, WanAttentionBlock

    from pack.nodes.loading import audio_hooks

    model = control_model.clone()
    if not lean:
        model.set_model_patch(lambda args: args, "double_block")
    how = {"front": front, "count": count, "audio": 2.0}
    found = ours(model, "control", **how)
    main_only = WanAttentionBlock.forward

    def without_patches(self, x, *args, transformer_options, **kwargs):
        options = transformer_options
        if isinstance(self, VaceWanAttentionBlock):
            options = {**options, "patches": {}}
        return main_only(self, x, *args, transformer_options=options, **kwargs)

    monkeypatch.setattr(WanAttentionBlock, "forward", without_patches)
    monkeypatch.setattr(audio_hooks, "_mark_blocks", lambda replaced, _: replaced)
    call = audio_hooks.AudioCall

    def always(**values):
        return call(**{**values, "in_block": True})

    monkeypatch.setattr(audio_hooks, "AudioCall", always)
    assert torch.equal(ours(model, "control", **how), found)


def test_a_main_block_that_another_node_leaves_out_hears_nothing(control_model):
    heard = []
    part = control_model.get_additional_models_with_key("multitalk")[0].model
    hooks = [
        block.register_forward_hook(lambda *_, index=index: heard.append(index))
        for index, block in enumerate(part.blocks)
    ]
    model = control_model.clone()
    model.set_model_patch_replace(lambda args, _extra: args, "dit", "double_block", 2)
    try:
        ours(model, "control")
    finally:
        for hook in hooks:
            hook.remove()
    assert heard == [0, 1, 3] * 2


def test_reference_pictures_in_front_hear_nothing(control_model):
    """Their tokens leave every block's audio part as they came."""
    from pack.nodes.loading.audio_hooks import CALL, RUN, AudioCall, AudioRun, add_audio

    part = control_model.get_additional_models_with_key("multitalk")[0].model
    draw = random_numbers()
    tokens, cells = draw(1, 3, 4, 16), 6
    run = AudioRun(parts={}, routings={}, strength=1.0, front=2)
    call = AudioCall(part=part, tokens=tokens, routing=None, front=2)
    x = draw(1, (2 + 3) * cells, 128)
    options = {CALL: call, RUN: run, "block_index": 1}
    out = add_audio({"x": x, "transformer_options": options})
    assert torch.equal(out[:, : 2 * cells], x[:, : 2 * cells])
    alone = AudioCall(part=part, tokens=tokens, routing=None)
    options = {CALL: alone, RUN: run, "block_index": 1}
    expected = add_audio({"x": x[:, 2 * cells :], "transformer_options": options})
    assert torch.equal(out[:, 2 * cells :], expected)
    assert not torch.allclose(expected, x[:, 2 * cells :], atol=1e-2)


def test_motion_is_pinned_behind_reference_pictures(control_model):
    from pack.multitalk.generate import Motion

    begin = random_numbers(5)(1, 16, 1, *GRID[1:])
    motion = Motion(latents=begin, noise=None)
    out = ours(control_model, "control", front=1, motion=motion)
    assert torch.equal(out[:, :, 1:2], begin)
    assert not torch.allclose(out[:, :, :1], begin, atol=1e-2)


def whole_run(base, *, seed=0, picture=0, **settings):
    """Two windows of 9 frames with an overlap of 5 on another base."""
    prompt = talk(seconds=0.5, **settings)
    del prompt["base"], prompt["video"]
    inputs = {"base": f"{base}.safetensors", "audio_part": TOY["audio_part"], "loras": "none"}
    prompt["model"] = node("MultiTalkLoadModel", **inputs)
    prompt["keep"] = node("TestKeepFrames", images=["sampler", 0])
    if picture:
        prompt["image"] = node("EmptyImage", width=64, height=64, batch_size=picture, color=255)
    return prompt


def frames_of(host, prompt, executor=None):
    result = host.run(prompt, executor or host.executor())
    assert result.ok, result.error
    return host_nodes().SAVED_FRAMES.pop(), result.outputs["sampler"][2][0]


def refused(host, prompt):
    result = host.run(prompt, host.executor())
    assert not result.ok
    return result.error["exception_message"]


def with_control(prompt, *, length=13, **pictures):
    prompt["text"] = node("TestText")
    prompt["control"] = node(
        "WanVaceToVideo", positive=["text", 0], negative=["text", 0], vae=["vae", 0], width=64,
        height=64, length=length, batch_size=1, strength=1.0, **pictures,
    )  # fmt: skip
    prompt["sampler"]["inputs"] |= {"positive": ["control", 0], "negative": ["control", 1]}
    return prompt


def test_a_text_to_video_base_makes_its_own_first_picture(host, other_files):
    executor = host.executor()
    frames, report = frames_of(host, whole_run("test_t2v"), executor)
    assert frames.shape == (13, 64, 64, 3)
    assert "text-to-video base, experimental: the first window comes from the prompt" in report
    white, _ = frames_of(host, whole_run("test_t2v", picture=1), executor)
    assert torch.equal(white, frames)
    noisy, _ = frames_of(host, whole_run("test_t2v", rule="multitalk"), executor)
    assert torch.equal(noisy[:9], frames[:9])  # from the prompt alone: no rule has a say
    assert not torch.equal(noisy[9:], frames[9:])


def test_a_vace_base_follows_picture_and_control(host, other_files):
    executor, prompt = host.executor(), whole_run("test_vace", rule="infinitetalk")
    frames, report = frames_of(host, prompt, executor)
    assert frames.shape == (13, 64, 64, 3)
    assert "VACE base: image is the first frame, and a reference picture" in report
    controlled = whole_run("test_vace", rule="multitalk")
    controlled = with_control(controlled, control_video=["image", 0])
    other, report = frames_of(host, controlled, executor)
    assert "each window follows its part of the VACE control" in report
    assert not torch.allclose(other, frames, atol=0.01)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (whole_run("test_vace", step_cache=0.3), "step_cache is on, and the base is VACE"),
        (whole_run("test_vace", rule="flashtalk"), "rule is flashtalk and the base is a VACE one"),
        (whole_run("test_t2v", rule="infinitetalk", picture=2), "image holds 2 pictures, and a te"),
        (with_control(whole_run("test_t2v")), "carries VACE control, which only a VACE base reads"),
        (with_control(whole_run("test_vace"), length=5), "control of 5 frames; the video has 13"),
    ],
    ids=["cache", "rule", "pictures", "no VACE", "length"],
)
def test_what_a_base_cannot_do_is_refused(host, other_files, prompt, words):
    assert words in refused(host, prompt)


def test_a_latent_of_another_size_than_the_control_is_refused(control_model):
    with pytest.raises(ValueError, match=r"the VACE control in positive .* of the WanVaceToVideo"):
        ours(control_model, "control", told=1)
