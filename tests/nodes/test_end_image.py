"""End images through the real host: bases that were trained for them, and others; what is refused.

The condition is compared with what the host's own WAN First Last Frame To Video makes.
"""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.stops import (
    fail_in,
    frames_of,
    host_nodes,
    prompt_of,
    report_of,
    run,
    runs,
    video_of,
)
from pack.tests.nodes.test_refusals import refuse
from pack.tools.host.prompts import node, talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
FLF, TOKENS = "test_flf_base.safetensors", 16  # as many as TestClipVision gives
PLAIN = {"colour_match": 0.0}


def ending(prompt, **inputs):
    """The prompt with an end image: the negative of its picture."""
    prompt["end"] = node("ImageInvert", image=["image", 0])
    prompt["sampler"]["inputs"]["end_image"] = ["end", 0]
    prompt["sampler"]["inputs"] |= inputs
    return prompt


def first_and_last(prompt):
    """The prompt on a small base of the first-and-last-frame kind."""
    prompt["base"]["inputs"]["name"] = FLF
    prompt["clip"] = node("TestClipVision")
    prompt["sampler"]["inputs"]["clip_vision"] = ["clip", 0]
    return prompt


@pytest.fixture(scope="module")
def flf_base(other_files):
    import folder_paths
    from toy import build_base

    state, metadata = build_base(clip=True)
    random = torch.Generator().manual_seed(4)
    state["img_emb.emb_pos"] = torch.randn(1, 2 * TOKENS, 1280, generator=random).bfloat16()
    save_file(state, other_files / "diffusion_models" / FLF, metadata)
    folder_paths.filename_list_cache.clear()


@pytest.fixture
def seen(host, monkeypatch):
    """What every call of the network got: noisy latent, mask and condition; CLIP tokens."""
    calls = []

    def note(executor, x, timestep, context, clip_fea=None, *args, **kwargs):
        calls.append((x.float().clone(), None if clip_fea is None else clip_fea.float().clone()))
        return executor(x, timestep, context, clip_fea, *args, **kwargs)

    monkeypatch.setattr(host_nodes(), "count_rows", note)
    host.kept = None
    yield calls
    host.kept = None


def watched(prompt, reader="sampler"):
    prompt["counted"] = node("TestCountPasses", model=["model", 0])
    prompt[reader]["inputs"]["model"] = ["counted", 0]
    return prompt


def shown(frames):
    """What a picture of the video's size is after the flat VAE: means of cells, of 8 bits."""
    cells = torch.nn.functional.avg_pool2d((frames * 255).round().movedim(-1, 1) / 255, 8)
    return cells.repeat_interleave(8, 2).repeat_interleave(8, 3).movedim(1, -1)


@pytest.mark.parametrize("rule", ["multitalk", "infinitetalk", "flashtalk"])
def test_base_that_was_not_trained_for_it_ends_on_the_image(host, seen, rule):
    settings = {"rule": rule, "preset__audio_guidance": 1.0, **PLAIN}
    free = frames_of(host, talk(**settings))
    result = run(host, watched(ending(talk(**settings))))
    assert result.ok, result.error
    frames, picture = host_nodes().SAVED_FRAMES.pop(), result.outputs["end"][0][0]
    assert frames.shape == free.shape
    torch.testing.assert_close(
        frames[-4:], shown(picture).expand(4, -1, -1, -1), rtol=0, atol=0.51 / 255
    )
    assert (free[-1] - frames[-1]).abs().mean() > 0.1
    assert torch.equal(frames[:9], free[:9])  # windows before the last see nothing of it
    mask = seen[-1][0][0, 16:20, :, 0, 0]
    begins = 2 if rule == "multitalk" else 1
    assert mask.tolist() == [[float(t < begins or t == 2) for t in range(3)]] * 4
    assert seen[0][0][0, 16:20, :, 0, 0].sum() == 4
    report = result.outputs["sampler"][2][0]
    assert "\nend_image: put in place in the last 4 frames, because this base was not" in report
    assert "experimental" in report
    assert "is no drift" not in report


@pytest.mark.parametrize("seconds", [0.08, 0.28, 0.36])
def test_video_shorter_than_a_window_ends_on_it_too(host, seconds):
    result = run(host, ending(talk(seconds=seconds, **PLAIN)))
    assert result.ok, result.error
    frames = host_nodes().SAVED_FRAMES.pop()
    assert len(frames) == round(25 * seconds)
    picture = shown(result.outputs["end"][0][0])[0]
    torch.testing.assert_close(frames[-1], picture, rtol=0, atol=0.51 / 255)
    first = shown(result.outputs["image"][0][0])[0]
    torch.testing.assert_close(frames[0], first, rtol=0, atol=0.51 / 255)


def test_condition_and_tokens_are_those_of_the_hosts_first_and_last_frame(host, flf_base, seen):
    ours = first_and_last(ending(talk(seconds=0.36, flat_vae=False, **PLAIN)))
    ours["sampler"]["inputs"]["preset.audio_guidance"] = 1.0
    report = report_of(host, watched(ours))
    assert "\nend_image: the last frame of the video shows it, as this base was trained\n" in report
    (x, tokens), theirs = seen[0], {name: ours[name] for name in ("image", "end", "vae", "clip")}
    seen.clear()
    base, clip = {"model": ours["base"]}, ["clip", 0]
    theirs |= base | {
        "text": node("TestText"),
        "look": node("CLIPVisionEncode", clip_vision=clip, image=["image", 0], crop="none"),
        "start": node(
            "WanFirstLastFrameToVideo",
            positive=["text", 0], negative=["text", 0], vae=["vae", 0], width=64, height=64,
            length=9, batch_size=1, start_image=["image", 0], end_image=["end", 0],
            clip_vision_start_image=["look", 0], clip_vision_end_image=["look", 0],
        ),
        "sample": node(
            "KSampler",
            model=["model", 0], positive=["start", 0], negative=["start", 1],
            latent_image=["start", 2], seed=1, steps=1, cfg=1.0, sampler_name="euler",
            scheduler="simple", denoise=1.0,
        ),
        "keep": node("TestShowSpeech", speech=["sample", 0]),
    }  # fmt: skip
    result = host.run(watched(theirs, "sample"))
    assert result.ok, result.error
    wanted, wanted_tokens = seen[0]
    assert torch.equal(x[:1, 16:20], wanted[:, 16:20])
    assert x[0, 16:20, -1, 0, 0].tolist() == [0, 0, 0, 1]
    assert torch.equal(tokens[:1], wanted_tokens)
    assert tokens.shape[1] == 2 * TOKENS
    # Pictures are brought to size in 8 bits here, there in floats.
    assert (x[0, 20:] - wanted[0, 20:]).abs().mean() < 0.01 * wanted[0, 20:].abs().mean()


def test_first_and_last_frame_base_knows_the_end_in_its_last_window_alone(host, flf_base, seen):
    prompt = first_and_last(ending(talk(**PLAIN), **{"preset.audio_guidance": 1.0}))
    frames = frames_of(host, watched(prompt))
    assert len(frames) == 15
    assert [tokens.shape[1] for _, tokens in seen] == [16, 16, 16, 16, 32, 32]
    assert [float(x[0, 19, -1, 0, 0]) for x, _ in seen] == [0, 0, 0, 0, 1, 1]
    del prompt["sampler"]["inputs"]["end_image"], prompt["end"]
    report = report_of(host, prompt)
    assert "\nend_image is not connected: this base was trained with a first and a last" in report


def test_ksampler_samples_the_same_bits_with_the_audio_part_on_the_model(host, flf_base):
    latents = []
    for loader in ("base", "model"):
        prompt = {name: talk()[name] for name in ("base", "model", "image")}
        prompt["base"]["inputs"]["name"] = FLF
        prompt |= {
            "vae": node("VAELoader", vae_name="multitalk_toy_vae.safetensors"),
            "text": node("TestText"),
            "start": node(
                "WanFirstLastFrameToVideo",
                positive=["text", 0], negative=["text", 0], vae=["vae", 0], width=32, height=32,
                length=5, batch_size=1, start_image=["image", 0], end_image=["image", 0],
            ),
            "sample": node(
                "KSampler",
                model=[loader, 0], positive=["start", 0], negative=["start", 1],
                latent_image=["start", 2], seed=3, steps=2, cfg=3.0, sampler_name="euler",
                scheduler="simple", denoise=1.0,
            ),
            "keep": node("TestShowSpeech", speech=["sample", 0]),
        }  # fmt: skip
        result = host.run(prompt)
        assert result.ok, result.error
        latents.append(result.outputs["sample"][0][0]["samples"])
    assert torch.equal(*latents)
    assert latents[0].abs().max() > 0


def test_stopped_run_goes_on_to_the_same_end_and_the_file_has_it_too(host):
    settings = {"voices": 1, "seconds": 0.6}
    unbroken = frames_of(host, ending(prompt_of(**settings)))
    prompt = ending(prompt_of(**settings), keep_progress=True)
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    assert len(list(runs().glob("*/window_*.json"))) == 2
    assert torch.equal(frames_of(host, prompt), unbroken)
    _, result = video_of(host, ending(prompt_of(to_video=True, **settings)))
    report = result.outputs["sampler"][1][0]
    assert "\nend_image: put in place" in report
    assert "\ncolours of the last window go over to those of end_image, so its distance" in report


REFUSED = {
    "several": ({"frames": 2}, {}, "end_image holds 2 pictures; a video ends on one"),
    "another shape": ({"width": 2048}, {}, "end_image: The picture is 2048 x 64"),
    "reference": ({}, {"length": "reference"}, "length is reference, and end_image is connected"),
    "one frame": ({}, {"seconds": 0.04}, "1 frame, which cannot show both image and end_image"),
}


@pytest.mark.parametrize(("picture", "settings", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_before_the_base_is_read(host, picture, settings, words):
    prompt = talk(**settings)
    prompt["end"] = node("TestPicture", **({"width": 64, "height": 64, "frames": 1} | picture))
    prompt["sampler"]["inputs"]["end_image"] = ["end", 0]
    assert words in refuse(host, prompt)


@pytest.mark.parametrize("value", ["nan", "300"])
def test_pictures_that_are_none_are_refused_by_the_name_of_the_socket(host, value):
    prompt = talk()
    prompt["end"] = node("TestBadValue", kind="image", value=value)
    prompt["sampler"]["inputs"]["end_image"] = ["end", 0]
    assert refuse(host, prompt).startswith("end_image holds numbers")
