"""Golden cases through the host: its WAN module, our audio part on its hooks, the guider path."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import SimpleNamespace

import comfy.samplers
import torch

from pack.multitalk.config import ApgConfig, WindowSize
from pack.multitalk.frames import fit_frames
from pack.multitalk.generate import Models, Scene, generate
from pack.multitalk.guidance import plan_guidance
from pack.multitalk.noise import SeededNoise
from pack.multitalk.schedule import shifted_sigmas
from pack.multitalk.settings import DriftControl, GuidanceSettings, RunSettings
from pack.multitalk.speakers import half_masks, latent_masks, reference_box_masks
from pack.multitalk.stepcache import COEFFICIENTS, StepCacheSettings
from pack.multitalk.windows import audio_windows, plan_reference
from pack.nodes.sampling.block_cache import RunCache
from pack.nodes.sampling.denoiser import RunInputs, window_denoiser
from pack.nodes.sampling.economy import Economy
from pack.nodes.sampling.talk_guider import AudioInputs, TalkGuider
from pack.tests.golden_index import RecordedNoise
from pack.tools.host.models import build_model


def conditioning(text, sizes, **values):
    rows = torch.nn.functional.pad(text, (0, 0, 0, sizes["text_len"] - len(text)))[None]
    return [[rows, values]]


def concat_values(y):
    """`y` [20, T, h, w] as the host takes it: mask inverted, latent apart."""
    return {"concat_mask": 1 - y[None, :4], "concat_latent_image": y[None, 4:]}


def weights(case):
    build_model(case.config, case.weights)


def denoiser(case, model=None, names=None, change=lambda model: model):
    """Compare a forward with all outputs of the case, or with the named ones."""
    sizes = case.weights_config()
    model = change(model or build_model(sizes, case.weights))
    if "in.audio" in case.tensors:
        speech = case["in.audio"]
    else:
        frames = 4 * (case["in.x"].shape[1] - 1) + 1
        tracks = [case[n] for n in sorted(case.tensors) if n.startswith("in.audio_track")]
        speech = audio_windows(tracks, 0, frames)
    clip = SimpleNamespace(penultimate_hidden_states=case["in.clip"])
    cond = conditioning(
        case["in.context"], sizes, clip_vision_output=clip, **concat_values(case["in.y"][0])
    )
    cells = case["in.masks"] if len(speech) > 1 else None
    guider = TalkGuider(
        model, cond, cond, AudioInputs(speech=speech, cells=cells), plan_guidance(1.0, 1.0)
    )
    sigma = case["in.t"] / 1000
    x = case["in.x"][None]
    velocities = []  # of the network itself: (x - clean) / sigma costs 3e-4 at t = 1
    network = model.model.diffusion_model
    hook = network.register_forward_hook(lambda _module, _inputs, output: velocities.append(output))
    with torch.inference_mode():
        guider.sample(
            x / sigma,
            torch.zeros_like(x),
            comfy.samplers.sampler_object("euler"),
            torch.cat([sigma, torch.zeros(1)]),
            disable_pbar=True,
        )
    hook.remove()
    ((velocity,),) = velocities  # one call, one pass
    for name in names or case.tensors:
        if name.startswith("out.") and case.expects(name) == "match":
            case.check(velocity, name)


def step_cache(case):
    sizes = case.weights_config()
    model = build_model(sizes, case.weights)
    clip = SimpleNamespace(penultimate_hidden_states=case["in.clip"])
    values = {"clip_vision_output": clip, **concat_values(case["in.y"][0])}
    positive = conditioning(case["in.text_positive"], sizes, **values)
    negative = conditioning(case["in.text_negative"], sizes, **values)
    cells = case["in.masks"] if case.config["speakers"] > 1 else None
    audio = AudioInputs(speech=case["in.audio"], cells=cells)
    # The scales are stated in words only.
    text, sound = re.search(
        r"text scale ([\d.]+), audio scale ([\d.]+)", case.entry["what"]
    ).groups()
    guidance = plan_guidance(float(text), float(sound.rstrip(".")))
    coefficients = tuple(case.config["coefficients_highest_power_first"])
    limits, always = case.tolerance, case.config["always_computed_first_steps"]
    for name, sub in case.config["cases"].items():
        sigmas = shifted_sigmas(sub["steps"], sub["shift"])
        settings = StepCacheSettings(
            threshold=sub["threshold"], coefficients=coefficients, always_computed=always
        )
        cache = RunCache(settings)
        guider = TalkGuider(model, positive, negative, audio, guidance, cache=cache)
        noise = case["in.noise"][None]
        with torch.inference_mode():
            final = guider.sample(
                noise,
                torch.zeros_like(noise),
                comfy.samplers.sampler_object("euler"),
                sigmas,
                disable_pbar=True,
            )
        computed = torch.tensor(cache.plan.compute)[:, None].expand(-1, 3)
        assert torch.equal(computed, case[f"{name}.computed"].bool()), name
        worst = (torch.tensor(cache.plan.accumulated) - case[f"{name}.accumulated"]).abs().max()
        assert float(worst) <= limits["accumulated_max_abs"], (name, worst)
        worst = (final[0] - case[f"{name}.final_latent"]).abs().max()
        assert float(worst) <= limits["final_latent_max_abs"], (name, worst)


class StoredNoise(RecordedNoise):
    """Those of MultiTalk's and InfiniteTalk's loops."""

    def motion(self, shape):
        noise = self.case["noise.motion"][self.index - 1][self.draw][None]
        self.draw += 1
        return noise.clone()


@dataclass
class Stubs:
    """The stand-ins for VAE and CLIP vision that the index describes."""

    case: object

    def encode(self, frames):
        """Frames [F, H, W, 3] in 0..1 -> [1, 16, T, h, w]."""
        x = (frames * 2 - 1).permute(3, 0, 1, 2)
        blocks = torch.nn.functional.avg_pool3d(x[None], (1, 8, 8))[0]  # [3, F, h, w]
        groups = [blocks[:, :1], *blocks[:, 1:].split(4, dim=1)]
        means = torch.cat([group.mean(1, keepdim=True) for group in groups], dim=1)
        return torch.einsum("cthw,cd->dthw", means, self.case["stub.vae_encode_mix"])[None]

    def decode(self, latents):
        """[1, 16, T, h, w] -> [F, H, W, 3] in 0..1."""
        x = torch.einsum("dthw,dc->cthw", latents[0], self.case["stub.vae_decode_mix"])
        fade = 1 - 0.05 * torch.arange(4.0)
        later = x[:, 1:, None] * fade[:, None, None]  # [3, T-1, 4, h, w]
        frames = torch.cat([x[:, :1], later.flatten(1, 2)], dim=1)
        frames = frames.repeat_interleave(8, 2).repeat_interleave(8, 3).clamp(-1, 1)
        return frames.permute(1, 2, 3, 0) / 2 + 0.5

    def embed(self, frame):
        """[1, H, W, 3] -> CLIP tokens [1, 257, clip]."""
        v = (frame[0] * 2 - 1).permute(2, 0, 1)
        cells = torch.nn.functional.adaptive_avg_pool2d(v, 16).flatten(1).T
        tokens = torch.cat([v.mean((1, 2))[None], cells]) @ self.case["stub.clip_mix"]
        return SimpleNamespace(penultimate_hidden_states=torch.tanh(tokens)[None])


class NoProgress:
    def callback(self, window):
        return lambda *_step: None


def loop(case, change=lambda model: model):
    family = "multitalk" if case.entry["group"] == "l" else "infinitetalk"
    sub, sizes = case.config, case.weights_config()
    stubs, requests, latents = Stubs(case), [], []
    size = (sub["target_height"], sub["target_width"])
    images = case["in.video"] if "in.video" in case.tensors else case["in.image"][None]
    images = images.float() / 255
    cells = loop_masks(case, images.shape[1:3], size)
    settings = loop_settings(sub, family)
    inputs = RunInputs(
        model=change(build_model(sizes, case.weights, family)),
        vae=None,
        clip_vision=None,
        positive=conditioning(case["in.text_positive"], sizes),
        negative=conditioning(case["in.text_negative"], sizes),
        image=images,
        cast=None,
    )
    denoise = loop_denoiser(inputs, settings, cells)

    def recorded(request):
        requests.append(request)
        latents.append(denoise(request))
        return latents[-1]

    def source(number):
        index = min(number, len(images) - 1)
        return fit_frames(images[index : index + 1], *size)

    tracks = [case[f"in.audio{s + 1}"] for s in range(sub["speakers"])]
    plan = loop_plan(case, settings)
    with torch.inference_mode():
        windows = list(
            generate(
                plan,
                Scene(source=source, tracks=tracks, silence=None),
                Models(
                    encode=stubs.encode,
                    decode=stubs.decode,
                    embed_picture=stubs.embed,
                    denoise=recorded,
                ),
                StoredNoise(case),
                family=family,
                drift=settings.drift,
            )
        )
    frames = torch.cat([window.frames for window in windows])
    expected = "out.frames" if case.expects("out.frames") == "match" else "out.frames_paired"
    case.check((frames * 2 - 1).permute(3, 0, 1, 2), expected)
    if expected == "out.frames":  # the checkpoints belong to this run
        check_loop_details(case, requests, latents)
    if settings.step_cache is not None:
        check_decisions(case, inputs.model, settings)
    if family == "multitalk":
        check_seeded_noise(case, sub)


def loop_denoiser(inputs, settings, cells):
    scales = settings.guidance
    guidance = plan_guidance(scales.text_guidance, scales.audio_guidance, apg=settings.apg)
    cache = None if settings.step_cache is None else RunCache(settings.step_cache)
    tools = {"guidance": guidance, "cache": cache, "economy": Economy(inputs.model.load_device, 1)}
    return window_denoiser(inputs, settings, cells, NoProgress(), **tools)


def loop_masks(case, picture, size):
    """Speaker masks on the latent grid, None for one speaker."""
    sub = case.config
    if sub["speakers"] == 1:
        return None
    if sub["bbox"]:
        masks = reference_box_masks(list(sub["bbox"].values()), *picture)
    else:
        masks = half_masks(*picture, margin=sub["face_scale"])
    cells = latent_masks(masks, *size)
    assert torch.equal(cells, case["ck.masks_latent"].float())
    return cells


def loop_plan(case, settings):
    sub = case.config
    plan = plan_reference(
        sub["audio_frames"], settings.size, family=settings.family, max_frames=sub["max_frames"]
    )
    assert list(plan.starts) == case["ck.window_starts"].tolist()
    return plan


def loop_settings(sub, family):
    cache = None
    if sub["step_cache_threshold"]:
        size = sub["step_cache_size"].rpartition("-")[2]
        cache = StepCacheSettings(
            threshold=sub["step_cache_threshold"], coefficients=COEFFICIENTS[size]
        )
    apg = ApgConfig(momentum=sub["apg_momentum"], norm_threshold=float(sub["apg_norm_threshold"]))
    return RunSettings(
        height=sub["target_height"],
        width=sub["target_width"],
        guidance=GuidanceSettings(
            steps=sub["steps"],
            shift=sub["shift"],
            text_guidance=sub["text_scale"],
            audio_guidance=sub["audio_scale"],
        ),
        size=WindowSize(window=sub["frames_per_window"], overlap=sub["motion_frames"]),
        family=family,
        seed=sub["seed"],
        sampler="euler",
        step_cache=cache,
        apg=apg if sub["apg"] else None,
        drift=DriftControl(color_strength=sub["colour_strength"]),
    )


def check_loop_details(case, requests, latents):
    for index, request in enumerate(requests):
        case.check(request.condition[0], case["ck.cond_y"][index][4:], f"cond_y {index}")
        known = case["ck.cond_y"][index][0].flatten(1).any(1).sum()
        assert request.known_latent_frames == int(known)
        clip = request.picture_embedding.penultimate_hidden_states[0, :3]
        case.check(clip, case["ck.clip_first_tokens"][index], f"clip {index}")
        motion = request.motion
        if "ck.motion_latents_first" in case.tensors:
            name = "ck.motion_latents_first" if index == 0 else "ck.motion_latents"
            want = case[name] if index == 0 else case[name][index - 1]
            case.check(motion.latents[0], want, f"motion {index}")
        if motion is not None:
            pinned = motion.latents.shape[2]
            assert torch.equal(latents[index][:, :, :pinned], motion.latents)
    case.check(torch.cat(latents), "ck.final_latents")


def check_decisions(case, model, settings):
    cache = RunCache(settings.step_cache)
    guided = settings.guidance
    plan = cache.plan_for(model.model, shifted_sigmas(guided.steps, guided.shift))
    name = "ck.computed" if case.expects("ck.computed") == "match" else "ck.computed_paired"
    for window in case[name].bool():
        assert torch.equal(torch.tensor(plan.compute)[:, None].expand_as(window), window)


def check_seeded_noise(case, sub):
    """A CPU seed draws the reference's numbers in the reference's order."""
    noise = SeededNoise(sub["seed"])
    for index, expected in enumerate(case["noise.window"]):
        assert torch.equal(noise.window((1, *expected.shape))[0], expected)
        if index:
            for draw in case["noise.motion"][index - 1]:
                assert torch.equal(noise.motion((1, *draw.shape))[0], draw)
