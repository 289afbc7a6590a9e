"""Files of two experts of WAN 2.2: loading both, LoRAs of each, and what is refused before."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.stops import frames_of
from pack.tests.nodes.test_refusals import refuse
from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host
HIGH, LOW = "test_high_noise.safetensors", "test_low_noise.safetensors"
# Noise levels 1, 0.91, 0.71 and 0.005: two at the boundary or above.
SHORT = {
    "seconds": 0.3, "size__width": 32, "size__height": 32, "preset__steps": 4, "preset__shift": 5.0,
}  # fmt: skip


def loaded(prompt, **changes):
    """The prompt with MultiTalk Load Model of both experts."""
    prompt.pop("base", None)
    inputs = {"base": HIGH, "audio_part": TOY["audio_part"], "low_noise_base": LOW}
    prompt["model"] = node("MultiTalkLoadModel", **(inputs | changes))
    return prompt


ON_LOW = {
    "low_noise_loras": "1",
    "low_noise_loras.lora_1": "test_pair_low_noise.safetensors",
    "low_noise_loras.strength_1": 0.5,
}


def test_both_ways_of_loading_are_equal(host, expert_files):
    def attached(low):
        prompt = talk(**SHORT)
        prompt["base"] = node("UNETLoader", unet_name=HIGH, weight_dtype="default")
        prompt["base_2"] = node("UNETLoader", unet_name=LOW, weight_dtype="default")
        prompt["lora"] = node(
            "LoraLoaderModelOnly",
            model=["base_2", 0],
            lora_name="test_pair_low_noise.safetensors",
            strength_model=0.5,
        )
        prompt["model"]["inputs"]["low_noise_model"] = [low, 0]
        return frames_of(host, prompt)

    plain = frames_of(host, loaded(talk(**SHORT)))
    assert torch.equal(plain, attached("base_2"))
    changed = frames_of(host, loaded(talk(**SHORT), **ON_LOW))
    assert torch.allclose(attached("lora"), changed)
    assert not torch.equal(plain, changed)


def test_report_says_which_steps_and_which_loras(host, expert_files):
    wrong = {name.replace("low_noise_", "", 1): value for name, value in ON_LOW.items()}
    wrong = {name.replace(".low_noise_", "."): value for name, value in wrong.items()}
    prompt = loaded(talk(**SHORT), **ON_LOW, **wrong)
    prompt["clip"] = node("TestClipVision")
    prompt["sampler"]["inputs"]["clip_vision"] = ["clip", 0]
    result = host.run(prompt, host.executor())
    assert result.ok, result.error
    report, said = result.outputs["sampler"][2][0], result.outputs["model"][1][0]
    assert "experts: steps 1-2 of 4 on the high-noise expert, steps 3-4 on the low-noise" in report
    assert "clip_vision is connected, and this base has no image embedding" in report
    assert "LoRA: 8 weights changed" in report
    assert "by its name the high-noise expert; the other is called low noise" in said
    assert f"on the low-noise expert, {LOW}:\ntest_pair_low_noise.safetensors: PEFT" in said
    assert said.count("was made for the low-noise expert by its name, and changes the other") == 1


def test_one_expert_alone_says_so(host, expert_files):
    prompt = loaded(talk(**SHORT), base=LOW, low_noise_base="none")
    result = host.run(prompt)
    assert result.ok, result.error
    assert f"{LOW} alone: it is the low-noise expert of two" in result.outputs["model"][1][0]


REFUSED = {
    "twice": ({"low_noise_base": HIGH}, "is chosen as base and as low_noise_base"),
    "swapped": (
        {"base": LOW, "low_noise_base": HIGH},
        f"{LOW} is the low-noise expert by its name, and stands in base. Choose",
    ),
    "high in both": (
        {"base": TOY["base"], "low_noise_base": HIGH},
        "is the high-noise expert by its name, and stands in low_noise_base",
    ),
    "other size": (
        {"low_noise_base": "test_other_low_noise.safetensors"},
        "are of different sizes (ffn 384 and 256)",
    ),
    "other kind": (
        {"low_noise_base": "test_t2v.safetensors"},
        "are of different sizes (in channels 36 and 16)",
    ),
    "no base": ({"low_noise_base": "test_small.safetensors"}, "is a 1.3B model (T2V)"),
    "LoRAs of nothing": ({"low_noise_base": "none", **ON_LOW}, "and low_noise_base is none"),
    "audio in base": (
        {"base": "SoulX-FlashTalk/test_whole.safetensors", "audio_part": "(in base)"},
        "holds a base and an audio part, and low_noise_base is chosen",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_pairs_are_refused_before_anything_is_read(host, expert_files, case):
    changes, message = REFUSED[case]
    assert message in refuse(host, loaded(talk(**SHORT), **changes))


def test_step_cache_is_refused(host, expert_files):
    message = "step_cache is on, and the MODEL has two experts"
    settings = {**SHORT, "preset__steps": 40, "step_cache": 0.2}
    assert message in refuse(host, loaded(talk(**settings)))
    prompt = talk(**settings)
    prompt["base_2"] = node("TestCountedModel", name=LOW)
    prompt["model"]["inputs"]["low_noise_model"] = ["base_2", 0]
    assert message in refuse(host, prompt)


def test_a_solver_that_takes_no_step_with_one_alone_is_refused(host, expert_files):
    message = "uni_pc needs 2 or more steps on each of two experts, and the high-noise one runs 1"
    settings = {**SHORT, "preset__shift": 2.0, "sampler": "uni_pc", "schedule": "auto"}
    assert message in refuse(host, loaded(talk(**settings)))
    prompt = talk(**settings)
    prompt["base"]["inputs"]["name"] = HIGH
    prompt["base_2"] = node("TestCountedModel", name=LOW)
    prompt["model"]["inputs"]["low_noise_model"] = ["base_2", 0]
    assert message in host.run(prompt).error["exception_message"]


@pytest.mark.parametrize(
    ("high", "low", "message"),
    [
        (HIGH, "test_t2v.safetensors", "are of different sizes (input channels 36 and 16)"),
        ("test_vace.safetensors", "test_t2v.safetensors", "one is a VACE base and the other a"),
        (HIGH, HIGH, "The same model is connected to model and to low_noise_model"),
        (HIGH, "again", "The model already carries the audio part"),
    ],
)
def test_attach_refuses_what_is_no_pair(host, expert_files, high, low, message):
    prompt = talk(**SHORT)
    prompt["base"] = node("UNETLoader", unet_name=high, weight_dtype="default")
    prompt["base_2"] = node("UNETLoader", unet_name=low, weight_dtype="default")
    if low == "again":
        prompt["base_2"] = node("MultiTalkAttach", model=["base", 0], audio_part=TOY["audio_part"])
    prompt["model"]["inputs"]["low_noise_model"] = ["base_2", 0]
    assert message in host.run(prompt).error["exception_message"]


def model_of(host, **changes):
    """The MODEL of MultiTalk Load Model."""
    prompt = {name: row for name, row in loaded({}, **changes).items() if name == "model"}
    prompt["end"] = node("TestShowSpeech", speech=["model", 0])
    result = host.run(prompt)
    assert result.ok, result.error
    return result.outputs["model"][0][0]


def test_both_are_quantised_alike_and_share_one_audio_part(host, expert_files):
    from pack.nodes.loading.audio_hooks import KEY
    from pack.nodes.loading.experts import low_noise_of

    high = model_of(host, weight_dtype="int8")
    low = low_noise_of(high).model
    kinds = [type(m.model.diffusion_model.blocks[0].ffn[0].weight) for m in (high, low)]
    assert kinds[0] is kinds[1]
    assert kinds[0] is not torch.nn.Parameter
    (one,), (other,) = (m.get_additional_models_with_key(KEY) for m in (high, low))
    assert one.model is other.model
    assert low not in high.get_nested_additional_models()  # the host would load both at once


def test_one_expert_may_be_gguf_and_the_other_not(host, expert_files):
    import folder_paths
    from layout_writers import write_ggml
    from safetensors import safe_open

    folder = expert_files / "diffusion_models"
    with safe_open(folder / LOW, "pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        written = write_ggml(folder, state, file.metadata(), kind="Q8_0")
    (folder / written.file).rename(path := folder / "test_low_noise_Q8_0.gguf")
    folder_paths.filename_list_cache.clear()
    prompt = loaded(talk(**SHORT))
    exact = frames_of(host, prompt)
    prompt["model"]["inputs"]["low_noise_base"] = path.name
    found = frames_of(host, prompt)
    path.unlink()
    assert 0 < (found - exact).abs().max() < 0.1


def test_first_last_frame_base_is_loaded(host, expert_files):
    import folder_paths
    from toy import build_base

    state, metadata = build_base(clip=True)
    state["img_emb.emb_pos"] = torch.randn(1, 514, 1280).to(torch.bfloat16)
    path = expert_files / "diffusion_models" / "test_flf.safetensors"
    save_file(state, path, metadata)
    folder_paths.filename_list_cache.clear()
    network = model_of(host, base=path.name, low_noise_base="none").model.diffusion_model
    assert torch.equal(network.img_emb.emb_pos, state["img_emb.emb_pos"])
    path.unlink()
