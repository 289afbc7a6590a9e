"""One window on host models: conditioning, CLIP vision and a sampling run of the host."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import comfy.model_patcher
import comfy.samplers
import comfy.utils
import torch
from torch import Tensor

from ...multitalk.cast import Cast
from ...multitalk.finite import StepWatch, check_finite, is_finite
from ...multitalk.generate import WindowRequest
from ...multitalk.guidance import GuidancePlan
from ...multitalk.schedule import noise_levels
from ...multitalk.settings import RunSettings
from ..loading.audio_hooks import base_kind
from ..progress import StepProgress
from ..sockets import SceneScript
from .attention_choice import AttentionChoice
from .block_cache import RunCache
from .control import ControlWindows
from .economy import Economy
from .end_image import unknown_mask
from .experts import talk_guider
from .film import ShotInputs
from .finite import OF_CLIP, advise_network
from .talk_guider import AudioInputs, with_values

CLIP_PX = 224
NOT_LEAN = (
    "The blocks of the network ran as the host has them, which needs about a third more memory: "
    "another node changes or compiles them."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunInputs:
    """Host objects and engine values of one run."""

    model: comfy.model_patcher.ModelPatcher
    vae: Any
    clip_vision: Any | None
    positive: list[Any]
    negative: list[Any]
    image: Tensor  # [F, H, W, 3]; one picture, or the source video of InfiniteTalk
    cast: Cast
    sampler: comfy.samplers.Sampler | None = None  # that came over a socket
    end_image: Tensor | None = None  # [1, H, W, 3] that the last frame shows
    control: ControlWindows | None = None  # on a VACE base
    scene: SceneScript | None = None
    prompts: Sequence[list[Any]] | None = None  # of every window; None: `positive` in all
    shots: tuple[ShotInputs, ...] = ()  # after the first
    before: Tensor | None = None  # [O, H, W, 3] of a video that this one goes on from

    def prompt(self, index: int) -> list[Any]:
        """CONDITIONING of what is to be seen in window `index`."""
        return self.positive if self.prompts is None else self.prompts[index]


def empty_conditioning(model: comfy.model_patcher.ModelPatcher) -> list[Any]:
    """No text: one zero row, which attends like any number of zero rows."""
    return [[torch.zeros(1, 1, model.model.diffusion_model.text_dim), {}]]


def cut_text(conditioning: list[Any], model: comfy.model_patcher.ModelPatcher) -> list[Any]:
    """Leave out text rows beyond those the model was trained with (512 tokens)."""
    rows = model.model.diffusion_model.text_len
    return [[text[:, :rows], entry] for text, entry in conditioning]


def embed_picture(clip_vision: Any | None, frame: Tensor) -> object:
    """CLIP tokens of a frame [1, H, W, 3]: squashed to a square without crop or antialias."""
    if clip_vision is None:
        return None
    square = torch.nn.functional.interpolate(
        frame.movedim(-1, 1), (CLIP_PX, CLIP_PX), mode="bicubic", align_corners=False
    )
    output = clip_vision.encode_image(square.clamp(0, 1).movedim(1, -1), crop=False)
    check_finite(output.penultimate_hidden_states, "picture as CLIP vision sees it", OF_CLIP)
    return output


def window_denoiser(
    inputs: RunInputs,
    settings: RunSettings,
    cells: Tensor | None,
    progress: StepProgress,
    *,
    guidance: GuidancePlan,
    cache: RunCache | None,
    economy: Economy,
    attention: AttentionChoice | None = None,
    gate: Tensor | None = None,
) -> Callable[[WindowRequest], Tensor]:
    """The engine's `denoise`, to raw latents [1, 16, T, h, w]: one host sampling run per window.

    `cells` [S+1, h, w] are speaker masks, None for one speaker; `gate` is that of a `Cast`.
    """
    steps, sigmas = settings.guidance.steps, noise_levels(settings)
    sampler = inputs.sampler or comfy.samplers.sampler_object(settings.sampler)
    noisy = draws_noise(sampler)
    negative = cut_text(inputs.negative, inputs.model)
    front = 0 if inputs.control is None else inputs.control.front
    heard = {"strength": settings.audio_strength, "front": front, "gate": gate}

    def denoise(request: WindowRequest) -> Tensor:
        if request.start is not None and not settings.start_strength:
            return request.start  # without noise there is nothing to sample
        texts = [cut_text(inputs.prompt(request.index), inputs.model), negative]
        guider = talk_guider(
            inputs.model,
            *window_conditioning(texts, request, inputs, economy),
            AudioInputs(speech=request.speech, cells=cells, **heard),
            guidance,
            motion=request.motion,
            end=request.end_latents,
            cache=cache,
            single_passes=economy.single_passes,
            attention=attention,
        )
        show, watch = progress.callback(request.index), StepWatch()

        def after_step(step: int, denoised: Tensor, x: Tensor, total: int) -> None:
            watch.note(denoised)
            show(step, denoised, x, total)

        latents = guider.sample(
            request.noise,
            torch.zeros_like(request.noise) if request.start is None else request.start,
            with_noise(sampler, request.step_noise),
            sigmas,
            callback=after_step,
            disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
            seed=_seed_of(settings, request, noisy=noisy),
        )
        if not guider.lean:
            economy.note_once(NOT_LEAN)
        if not is_finite(latents):
            _refuse_step(latents, watch.first_bad() or steps, steps, inputs.model)
        return latents[:, :, front:]

    return denoise


def _seed_of(settings: RunSettings, request: WindowRequest, *, noisy: bool) -> int:
    """The seed of a window's sampling run: its own where the sampler draws noise."""
    if noisy or request.step_noise is not None:
        return own_seed(settings, request.index)
    return settings.seed


def _refuse_step(latents: Tensor, step: int, steps: int, model: Any) -> None:
    """Say in which step values that are no finite numbers came up, and what helps."""
    check_finite(latents, f"step {step} of {steps} of the network", advise_network(model))


def sampler_name(sampler: comfy.samplers.Sampler) -> str:
    """What a sampler of the host is called in its list, or else its class."""
    function = getattr(sampler, "sampler_function", None)
    name = getattr(function, "__name__", type(sampler).__name__)
    return name.removeprefix("sample_").removesuffix("_function")


def draws_noise(sampler: comfy.samplers.Sampler) -> bool:
    """Whether a sampler of the host mixes in noise of its own, which begins at the seed."""
    function = getattr(sampler, "sampler_function", None)
    return function is not None and "noise_sampler" in inspect.signature(function).parameters


def with_noise(
    sampler: comfy.samplers.Sampler, step_noise: Callable[[], Tensor] | None
) -> comfy.samplers.Sampler:
    """The sampler; lcm so that it mixes in `step_noise` after a step, if there is any.

    Its own noise begins at the seed in every call, so all windows of a video would get the same.
    """
    ours = isinstance(sampler, comfy.samplers.KSAMPLER) and sampler_name(sampler) == "lcm"
    if step_noise is None or not ours:
        return sampler

    def fresh(sigma: Tensor, _next: Tensor) -> Tensor:
        return step_noise().to(sigma.device)

    options = {**sampler.extra_options, "noise_sampler": fresh}
    return comfy.samplers.KSAMPLER(sampler.sampler_function, options, sampler.inpaint_options)


def own_seed(settings: RunSettings, index: int) -> int:
    """The seed of a window for samplers with noise of their own, other in every window."""
    return (settings.seed + index) % 2**64


def window_conditioning(
    texts: Sequence[list[Any]], request: WindowRequest, inputs: RunInputs, economy: Economy
) -> list[list[Any]]:
    """CONDITIONING of the host, each with what one window is told, for the base of a run.

    All are told the same objects: that is how guidance passes are known to begin as one.
    """
    control = inputs.control
    if control is not None:
        encode = partial(economy.encode, inputs.vae)
        return [control.apply(text, request, encode) for text in texts]
    told = condition_values(request) if base_kind(inputs.model) == "image" else {}
    return [with_values(text, told) for text in texts]


def condition_values(request: WindowRequest) -> dict[str, Any]:
    """Entries of the host's CONDITIONING that differ between windows, for WAN I2V."""
    values: dict[str, Any] = {
        "concat_latent_image": request.condition,
        "concat_mask": unknown_mask(request),
    }
    if request.picture_embedding is not None:
        values["clip_vision_output"] = request.picture_embedding
    return values
