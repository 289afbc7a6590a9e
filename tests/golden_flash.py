"""Golden cases of FlashTalk: noise levels, what windows hear, colors; its loop through the host."""

from __future__ import annotations

import re
from dataclasses import replace

import torch

from pack.multitalk import config, windows
from pack.multitalk.generate import Models, Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.schedule import trained_sigmas
from pack.multitalk.settings import DriftControl, GuidanceSettings, RunSettings
from pack.multitalk.sound import wav2vec2
from pack.multitalk.sound.loudness import normalize_loudness
from pack.tests.golden_index import RecordedNoise, exact, read_index
from pack.tests.multitalk.colors import match_colors

RATE, PER_FRAME = config.SAMPLE_RATE_HZ, config.SAMPLES_PER_FRAME


def timesteps(case):
    for name in case.tensors:
        steps, shift = re.fullmatch(r"steps(\d+)_shift([\d.]+)", name).groups()
        case.check(trained_sigmas("flashtalk", int(steps), float(shift)) * 1000, name)


def needed_config(case):
    """Sizes of the encoder that the case needs: those of the first case of that file."""
    entries = [e for e in read_index(case.folder) if e.get("file") == case.entry["needs"][0]]
    return next(e["config"] for e in entries)


def exact_plan(num_frames, size):
    return windows.plan_exact(num_frames, size, lead=size.overlap)


def audio_windows(case):
    sub = case.config
    encoder = needed_config(case)
    sizes = {n: v for n, v in encoder.items() if n not in ("clips", "do_normalize")}
    model = wav2vec2.build_encoder(sizes, case.weights)
    size = config.WindowSize(window=sub["frames_per_window"], overlap=sub["motion_frames"])
    check_whole_track(case, model, size)
    check_rolling(case, model, size)
    for row in case.entry.get("rows", sub.get("rows", ())):
        check_row(row)


def encode(case, model, samples, frames, gain):
    """Features [frames, M, E] of samples, leveled; `gain` is what the leveling must be."""
    level, _ = normalize_loudness(samples[None], RATE)
    loudest = int(samples.abs().argmax())
    if samples[loudest]:
        found = float(level[0, loudest] / samples[loudest])
        assert abs(found - float(gain)) <= 1e-3 * float(gain), (case.name, found, gain)
    heard = level[0]
    if case.config["do_normalize"]:
        heard = wav2vec2.normalize_waveform(heard)
    with torch.inference_mode():
        return wav2vec2.encode_waveform(model, heard, frames)


def check_whole_track(case, model, size):
    """Mode once: the whole track is encoded once; windows start at 0, F-m ..."""
    samples, sub = case["in.samples"], case.config["once"]
    features = encode(case, model, samples, sub["track_frames"], case["once.gain"][0])
    case.check(features, "once.features")
    for start, want in zip(sub["window_starts"], case["once.windows"], strict=True):
        exact(windows.audio_windows([case["once.features"]], start, size.window)[0], want)


def check_rolling(case, model, size):
    """Mode stream: the same places, each window of the last seconds encoded anew."""
    samples, sub = case["in.samples"], case.config["stream"]
    length = int(case.config["cache_seconds"] * RATE)
    for index, start in enumerate(sub["window_starts"]):
        begin = int(case["stream.cache_start"][index])
        assert begin == (start + size.window) * PER_FRAME - length
        heard = samples[max(0, begin) : begin + length]
        heard = torch.nn.functional.pad(heard, (length - len(heard), 0))
        frames = length // PER_FRAME
        features = encode(case, model, heard, frames, case["stream.gain"][index])
        case.check(features, case["stream.features"][index], f"features {index}")
        want = case["stream.windows"][index]
        first = frames - size.window
        exact(windows.audio_windows([case["stream.features"][index]], first, size.window)[0], want)
    whole = exact_plan(len(samples) // PER_FRAME, size)
    assert list(whole.starts[: len(sub["window_starts"])]) == sub["window_starts"]


def check_row(row):
    """Windows of a length: at the places of mode stream, as many as the sound needs."""
    if row["expect"] == "not asked":
        return
    size = config.WindowSize(window=row["frames_per_window"], overlap=row["motion_frames"])
    fixed = row.get("fixed", row) if row["expect"] == "fixed" else row
    num_frames = -(-row["samples"] * config.FRAME_RATE // RATE)
    plan = exact_plan(num_frames, size)
    assert plan.num_windows == fixed["windows"], row
    assert list(plan.starts) == fixed["window_starts"], row
    kept = [plan.kept(index) for index in range(plan.num_windows)]
    assert sum(part.stop - part.start for part in kept) == fixed["returned_frames"], row
    if "last_window_last_two_frames_slots" not in row or row is not fixed:
        return
    # Whole features look ahead where rolling ones repeat the newest frame.
    track = torch.arange(float(num_frames))[:, None, None]
    heard = windows.window_speech(plan, plan.num_windows - 1, [track], None)
    assert heard[0, -2:, :, 0, 0].int().tolist() == row["last_window_last_two_frames_slots"], row


def colour(case):
    def picture(name):
        return case[name][0].permute(1, 2, 3, 0) / 2 + 0.5  # [F, H, W, 3] in 0..1

    reference = picture("in.reference")[0]
    for name in (n[3:] for n in case.tensors if n.startswith("in.") and n != "in.reference"):
        for strength in case.config["strengths"]:
            wanted = f"out.{name}_{strength}"
            expect = case.expects(wanted)
            if expect == "not asked":
                continue
            out = match_colors(picture(f"in.{name}"), reference, strength=float(strength))
            want = picture(wanted if expect == "match" else f"fixed.{name}_{strength}")
            if f"mask.{name}" in case.tensors:  # outside the colors that there are: two rules
                inside = case[f"mask.{name}"] == 0
                out, want = out[inside], want[inside]
            case.check(out * 2, want * 2, wanted)  # -1..1, as the tolerance is meant


def step_noise(case):
    """What was mixed in per window; a single step mixes in nothing."""
    return case.tensors.get("noise.step", [()] * len(case["noise.window"]))


class StoredNoise(RecordedNoise):
    """Those of FlashTalk's loops; draws of weight 0 are not stored."""

    def step(self, shape):
        stored, draw = step_noise(self.case)[self.index], self.draw
        self.draw += 1
        return stored[draw][None].clone() if draw < len(stored) else torch.zeros(shape)


def loop(case):
    from pack.multitalk.frames import fit_frames
    from pack.nodes.sampling.denoiser import RunInputs
    from pack.tests.golden_host import Stubs, conditioning, loop_denoiser
    from pack.tools.host.models import build_model

    sub, sizes, stubs = case.config, case.weights_config(), Stubs(case)
    settings = loop_settings(sub)
    text = conditioning(case["in.text_positive"], sizes)
    image = case["in.image"][None].float() / 255
    inputs = RunInputs(
        model=build_model(sizes, case.weights, "flashtalk"), vae=None, clip_vision=None,
        positive=text, negative=text, image=image, cast=None,
    )  # fmt: skip
    denoise, seen, requests, finals = loop_denoiser(inputs, settings, None), [], [], []
    network = inputs.model.model.diffusion_model
    hook = network.register_forward_pre_hook(lambda _module, given: seen.append(given[0][:, :16]))
    plan = loop_plan(case, settings)

    def recorded(request):
        check_places(case, request.speech, plan, request.index)
        heard = case["in.audio_windows"][request.index][None]
        request = replace(request, speech=heard)
        requests.append(request)
        finals.append(denoise(request))
        return finals[-1]

    picture = fit_frames(image, settings.height, settings.width)
    scene = Scene(
        source=lambda _number: picture, tracks=[case["in.audio1"]], silence=case["in.audio_silence"]
    )
    models = Models(
        encode=stubs.encode, decode=stubs.decode, embed_picture=stubs.embed, denoise=recorded
    )
    with torch.inference_mode():
        made = generate(
            plan, scene, models, StoredNoise(case), family="flashtalk", drift=settings.drift
        )
        frames = torch.cat([window.frames for window in made])
    hook.remove()
    case.check((frames * 2 - 1).permute(3, 0, 1, 2), "out.frames")
    case.check(torch.cat(finals), "ck.final_latents")
    check_requests(case, requests, finals)
    check_steps(case, seen, finals, sub["steps"])
    check_draws(case, sub)


def loop_settings(sub):
    return RunSettings(
        height=sub["target_height"],
        width=sub["target_width"],
        guidance=GuidanceSettings(
            steps=sub["steps"], shift=sub["shift"], text_guidance=1.0, audio_guidance=1.0
        ),
        size=config.WindowSize(window=sub["frames_per_window"], overlap=sub["motion_frames"]),
        family="flashtalk",
        seed=sub["seed"],
        sampler="lcm",
        drift=DriftControl(color_strength=sub["colour_strength"]),
    )


def loop_plan(case, settings):
    """The windows of the case: those of mode stream are ours, those of once begin at frame 0."""
    starts, size = case["ck.window_starts"].tolist(), settings.size
    num_frames = len(starts) * (size.window - size.overlap)
    ours = exact_plan(num_frames, size)
    if case.config["audio_mode"] == "stream":
        assert list(ours.starts) == starts
        return ours
    shifted = replace(ours, starts=tuple(starts), num_frames=num_frames + size.overlap)
    assert [start - size.overlap for start in starts] == list(ours.starts)
    return shifted


def check_places(case, speech, plan, index):
    """Speech [1, F, 5, M, E] is that of the case, but for what its mode does otherwise.

    Mode stream does not look ahead, and mode once has no silence before the track.
    """
    end = plan.starts[index] + plan.window_frames(index)
    numbers = torch.arange(plan.starts[index], end)[:, None] + torch.arange(-2, 3)
    known = numbers < end if case.config["audio_mode"] == "stream" else numbers >= 0
    assert torch.equal(speech[0][known], case["in.audio_windows"][index][known])


def check_requests(case, requests, finals):
    for index, request in enumerate(requests):
        case.check(request.condition[0], case["ck.cond_y"][4:], f"cond_y {index}")
        known = case["ck.cond_y"][0].flatten(1).any(1).sum()
        assert request.known_latent_frames == int(known)
        clip = request.picture_embedding.penultimate_hidden_states[0, :3]
        case.check(clip, "ck.clip_first_tokens", f"clip {index}")
        later = index and case["ck.motion_latents"][index - 1]
        want = later if index else case["ck.motion_latents_first"]
        case.check(request.motion.latents[0], want, f"motion {index}")
        pinned = request.motion.latents.shape[2]
        assert torch.equal(finals[index][:, :, :pinned], request.motion.latents)


def check_steps(case, seen, finals, steps):
    """What the network was given, step by step: `seen` [1, 16, T, h, w] of all windows."""
    assert len(seen) == steps * len(finals)
    case.check(torch.cat(seen[::steps]), "ck.first_model_input")
    case.check(torch.cat([*seen[1:steps], finals[0]]), "ck.after_step")
    sigmas = trained_sigmas("flashtalk", steps, case.config["shift"])
    case.check(sigmas[:-1] * 1000, "ck.timesteps")


def check_draws(case, sub):
    """A CPU seed draws the reference's numbers in the reference's order."""
    noise = SeededNoise(sub["seed"])
    for first, later in zip(case["noise.window"], step_noise(case), strict=True):
        assert torch.equal(noise.window((1, *first.shape))[0], first)
        for step in later:
            assert torch.equal(noise.step((1, *step.shape))[0], step)
        noise.step((1, *first.shape))  # of weight 0


HANDLERS = {
    "flash_timesteps": timesteps,
    "flash_audio_windows": audio_windows,
    "flash_colour": colour,
}
HOST = {"flash_loop": loop, "flash_loop_2step": loop}
__all__ = ["HANDLERS", "HOST"]
