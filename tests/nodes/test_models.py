"""Loading, attaching, LoRAs, and the guider in the host's own sampler nodes."""

from __future__ import annotations

import os
from functools import partial

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.small import SIZES, SMALL
from pack.tools.host import prompts
from pack.tools.host.prompts import node

pytestmark = pytest.mark.host
talk = partial(prompts.talk, files=SMALL)


def with_loader(prompt, **changes):
    inputs = {
        "base": SMALL["base"],
        "audio_part": SMALL["audio_part"],
        "weight_dtype": "default",
        "family": "auto",
        "loras": "none",
    }
    prompt.pop("base", None)
    prompt["model"] = node("MultiTalkLoadModel", **(inputs | changes))
    return prompt


def frames_of(result):
    assert result.ok, result.error
    return result.outputs["sampler"][0][0]


@pytest.fixture(scope="module")
def loras(host):
    import folder_paths

    folder = host.base / "loras"
    folder.mkdir()
    folder_paths.add_model_folder_path("loras", str(folder))
    generator = torch.Generator().manual_seed(3)
    good = {}
    for i in range(SIZES["layers"]):
        name = f"diffusion_model.blocks.{i}.self_attn.q"
        good[f"{name}.lora_A.weight"] = torch.randn(4, SIZES["dim"], generator=generator)
        good[f"{name}.lora_B.weight"] = torch.randn(SIZES["dim"], 4, generator=generator)
    save_file(good, folder / "test_good.safetensors")
    other = {n.replace("blocks", "layers"): t for n, t in good.items()}
    save_file(other, folder / "test_other.safetensors")
    folder_paths.filename_list_cache.clear()


def test_both_ways_of_loading_are_equal(host):
    attached = frames_of(host.rerun(talk()))
    loaded = frames_of(host.rerun(with_loader(talk())))
    torch.testing.assert_close(loaded, attached, rtol=0, atol=0)


def test_lora_changes_the_result_by_its_strength(host, loras):
    plain = frames_of(host.rerun(with_loader(talk())))
    one = {"loras": "1", "loras.lora_1": "test_good.safetensors", "loras.strength_1": 0.5}
    strong = frames_of(host.rerun(with_loader(talk(), **one)))
    assert not torch.equal(strong, plain)
    off = frames_of(host.rerun(with_loader(talk(), **(one | {"loras.strength_1": 0.0}))))
    torch.testing.assert_close(off, plain, rtol=0, atol=0)
    halves = {
        "loras": "2",
        "loras.lora_1": "test_good.safetensors",
        "loras.strength_1": 0.25,
        "loras.lora_2": "test_good.safetensors",
        "loras.strength_2": 0.25,
    }
    twice = frames_of(host.rerun(with_loader(talk(), **halves)))
    torch.testing.assert_close(twice, strong, rtol=0, atol=2e-3)


def test_a_lora_that_fits_nothing_is_an_error(host, loras):
    one = {"loras": "1", "loras.lora_1": "test_other.safetensors", "loras.strength_1": 1.0}
    result = host.run(with_loader(talk(), **one))
    assert "test_other.safetensors changes nothing" in result.error["exception_message"]


def test_only_one_audio_part(host):
    prompt = talk()
    prompt["twice"] = node(
        "MultiTalkAttach", model=["model", 0], audio_part=SMALL["audio_part"], family="auto"
    )
    prompt["sampler"]["inputs"]["model"] = ["twice", 0]
    result = host.run(prompt)
    assert "already carries the audio part" in result.error["exception_message"]


def test_the_file_name_tells_infinitetalk(host, other_files):
    prompt = prompts.talk(audio_part="test_infinite_audio.safetensors")
    prompt["end"] = node("TestShowSpeech", speech=["model", 0])
    model = host.run(prompt).outputs["model"][0][0]
    assert model.attachments["multitalk"].family == "infinitetalk"


def guider_prompt(**changes):
    """The host's own sampler nodes around our guider."""
    prompt = {name: talk()[name] for name in ("base", "model", "encoder", "speech", "sound_1")}
    prompt |= {
        "image": node("TestPicture", width=64, height=64, frames=1),
        "vae": node("VAELoader", vae_name=SMALL["vae"]),
        "text": node("TestText"),
        "start": node(
            "WanImageToVideo",
            positive=["text", 0],
            negative=["text", 0],
            vae=["vae", 0],
            width=64,
            height=64,
            length=9,
            batch_size=1,
            start_image=["image", 0],
        ),
        "guider": node(
            "MultiTalkGuider",
            **(
                {
                    "model": ["model", 0],
                    "positive": ["start", 0],
                    "negative": ["start", 1],
                    "speech": ["speech", 0],
                    "text_guidance": 3.0,
                    "audio_guidance": 4.0,
                    "start_frame": 0,
                    "audio_strength": 1.0,
                    "apg": False,
                }
                | changes
            ),
        ),
        "noise": node("RandomNoise", noise_seed=5),
        "kind": node("KSamplerSelect", sampler_name="euler"),
        "sigmas": node(
            "BasicScheduler", model=["model", 0], scheduler="simple", steps=2, denoise=1.0
        ),
        "sample": node(
            "SamplerCustomAdvanced",
            noise=["noise", 0],
            guider=["guider", 0],
            sampler=["kind", 0],
            sigmas=["sigmas", 0],
            latent_image=["start", 2],
        ),
        "end": node("TestShowSpeech", speech=["sample", 0]),
    }
    return prompt


def test_the_guider_works_in_the_hosts_sampler(host):
    result = host.run(guider_prompt())
    assert result.ok, result.error
    latent = result.outputs["sample"][0][0]["samples"]
    assert latent.shape == (1, 16, 3, 8, 8)
    assert torch.isfinite(latent).all()
    mute = host.run(guider_prompt(audio_strength=0.0))
    assert not torch.equal(mute.outputs["sample"][0][0]["samples"], latent)


def test_the_guider_needs_a_start_image(host):
    result = host.run(guider_prompt(positive=["text", 0], negative=["text", 0]))
    assert "positive carries no start image" in result.error["exception_message"]


def test_passes_one_by_one_equal_passes_in_one_batch(host, monkeypatch):
    import comfy.model_base

    settings = {"voices": 2, "preset__text_guidance": 3.0, "preset__audio_guidance": 4.0}
    batched = frames_of(host.rerun(talk(**settings)))
    calls = []

    def too_large(*args, **kwargs):
        calls.append(1)
        return 1e30

    monkeypatch.setattr(comfy.model_base.WAN21, "memory_required", too_large)
    single = frames_of(host.rerun(talk(**settings)))
    assert calls
    torch.testing.assert_close(single, batched, rtol=0, atol=2e-4)


def test_a_replaced_file_is_loaded_anew(host, other_files):
    executor = host.executor()
    name = "test_replaced.safetensors"
    path = other_files / "model_patches" / name
    source = host.base / "small" / "model_patches" / SMALL["audio_part"]
    path.write_bytes(source.read_bytes())
    first = host.run(talk(audio_part=name), executor)
    again = host.run(talk(audio_part=name), executor)
    assert "model" not in again.executed
    os.utime(path, (1, 1))
    changed = host.run(talk(audio_part=name), executor)
    assert "model" in changed.executed
    torch.testing.assert_close(frames_of(changed), frames_of(first), rtol=0, atol=0)


def test_without_our_guider_the_model_samples_as_before(host):
    prompt = {n: guider_prompt()[n] for n in ("base", "model", "image", "vae", "text", "start")}
    for name, model in (("before", "base"), ("after", "model")):
        prompt[name] = node(
            "KSampler",
            model=[model, 0],
            seed=1,
            steps=2,
            cfg=2.0,
            sampler_name="euler",
            scheduler="simple",
            positive=["start", 0],
            negative=["start", 1],
            latent_image=["start", 2],
            denoise=1.0,
        )
        prompt[f"end_{name}"] = node("TestShowSpeech", speech=[name, 0])
    result = host.run(prompt)
    assert result.ok, result.error
    before, after = (result.outputs[n][0][0]["samples"] for n in ("before", "after"))
    torch.testing.assert_close(after, before, rtol=0, atol=0)


def test_a_loader_with_loras_is_cached(host, loras):
    one = {"loras": "1", "loras.lora_1": "test_good.safetensors", "loras.strength_1": 0.5}
    executor = host.executor()
    assert "model" in host.run(with_loader(talk(), **one), executor).executed
    assert "model" not in host.run(with_loader(talk(), **one), executor).executed


def test_only_the_chosen_model_of_several_is_judged(host, other_files):
    prompt = with_loader(talk())
    prompt["other"] = node(
        "MultiTalkLoadModel", base=SMALL["base"], audio_part="test_other_audio.safetensors"
    )
    prompt["switch"] = node("TestFirstModel", first=["model", 0], second=["other", 0])
    prompt["sampler"]["inputs"]["model"] = ["switch", 0]
    assert len(frames_of(host.run(prompt))) == 15
