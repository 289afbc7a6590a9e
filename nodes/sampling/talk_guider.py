"""Text and audio guidance as a host guider; works in the host's own sampler nodes too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import comfy.conds
import comfy.model_patcher
import comfy.samplers
import torch
from torch import Tensor

from ...multitalk.config import VAE_SPACE, VAE_TIME
from ...multitalk.generate import Motion
from ...multitalk.guidance import (
    NEGATIVE_PROMPT,
    NO_AUDIO,
    Guidance,
    GuidancePlan,
    Pass,
    plan_guidance,
)
from ...multitalk.model.audio_attention import AudioPart, rotation, speaker_axis
from ...multitalk.speakers import token_masks
from ...multitalk.stepcache import StepCache
from ..loading.audio_hooks import (
    CLONE_KEY,
    KEY,
    RUN,
    TOKENS,
    AudioRun,
    Routing,
    attached_audio,
    base_kind,
)
from .attention_choice import AttentionChoice
from .block_cache import RunCache, install_cache, replacements
from .end_image import PinnedEnd
from .guidance_hooks import (
    CALC,
    OWN_PASSES,
    Step,
    hooks_of,
    needs_negative,
    passes_of,
    possible_passes,
)
from .lean_block import ONE_BEGINNING, PARALLEL, begin_as_one, install_lean_blocks
from .pass_cards import CLONES, pass_groups, share_conditions


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioInputs:
    """Speech and speakers of one window."""

    speech: Tensor  # [S, F, 5, M, E]
    cells: Tensor | None  # [S+1, h, w] speaker masks on the latent grid; None for one speaker
    strength: float = 1.0  # factor on the audio residual
    front: int = 0  # latent frames of reference pictures before those that hear
    gate: Tensor | None = None  # [rows, columns] part of the residual that tokens keep; None: all


class TalkGuider(comfy.samplers.CFGGuider):
    """Runs the passes that guidance needs, combines them as velocities, pins motion latents."""

    def __init__(
        self,
        model: comfy.model_patcher.ModelPatcher,
        positive: list[Any],
        negative: list[Any],
        audio: AudioInputs,
        guidance: GuidancePlan,
        *,
        motion: Motion | None = None,
        end: Tensor | None = None,
        cache: RunCache | None = None,
        single_passes: bool = False,
        attention: AttentionChoice | None = None,
    ) -> None:
        super().__init__(model)
        attached_audio(model)
        self._single_passes, self._attention = single_passes, attention
        self._audio, self._plan, self._motion, self._cache = audio, guidance, motion, cache
        self._guidance = Guidance(guidance)
        self._steps: StepCache | None = None
        self._pinned: Tensor | None = None
        self._end = None if end is None else PinnedEnd(end)
        self._settled = False
        self._uncached: dict[str, Any] = {}
        # Noise that the window began with, where another guider ran its first steps.
        self.window_noise: Tensor | None = None
        self.lean = True  # whether blocks that need less memory could be used, once sampled
        self.set_cfg(guidance.text)  # what the host's CFG Override changes for some steps
        names = possible_passes(guidance, model)
        self._negative = negative
        self.inner_set_conds(
            {name: negative if name in NEGATIVE_PROMPT else positive for name in names}
        )

    def set_conds(self, positive: Any, negative: Any) -> None:
        """Not possible: the passes are fixed when the guider is made."""
        raise NotImplementedError("MultiTalk guiders take their conditioning when they are made.")

    def sample(
        self,
        noise: Tensor,
        latent_image: Tensor,
        sampler: comfy.samplers.Sampler,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """Sample a window, after a look at whether all is of one size.

        Raises:
            ValueError: If the latent is of another size than the start image.
        """
        for cond in (cond for conds in self.original_conds.values() for cond in conds):
            if "concat_latent_image" in cond and not latent_image.is_nested:
                _check_size(latent_image, cond["concat_latent_image"])
            if "vace_frames" in cond and not latent_image.is_nested:
                _check_size(latent_image, cond["vace_frames"][0], _CONTROL_WORDS)
        if needs_negative(sampler) and "negative" not in self.original_conds:
            self.inner_set_conds({"negative": self._negative})
        return super().sample(noise, latent_image, sampler, *args, **kwargs)

    def inner_sample(
        self, noise: Tensor, latent_image: Tensor, device: torch.device, *args: Any, **kwargs: Any
    ) -> Tensor:
        """Begin a window when all models are loaded, sample it, and put clean motion in place."""
        self._guidance, self._settled = self.new_guidance(), False
        dtype = self.inner_model.get_dtype_inference()
        parts = self._parts()
        routings = {place: self._routing(part, place, dtype) for place, part in parts.items()}
        self.model_options["transformer_options"][RUN] = AudioRun(
            parts=parts,
            routings={place: routing for place, routing in routings.items() if routing is not None},
            strength=self._audio.strength,
            front=self._audio.front,
            gates=self._gates(parts, dtype),
            marked_blocks=self._marked_blocks(),
        )
        self._add_tokens(parts[device], device, dtype)
        one = begin_as_one(self.model_options, self.conds)
        self.model_options["transformer_options"][ONE_BEGINNING] = one
        # On several cards the blocks are lean ones already.
        split = PARALLEL in self.model_patcher.attachments
        self.lean = split or install_lean_blocks(self.model_options, self._blocks())
        self._choose_attention(noise, torch.empty(0, device=device, dtype=dtype))
        self._install_cache(args[1])
        raw = None if self._motion is None else self._motion.latents.to(device, torch.float32)
        self._pinned = None if raw is None else self.inner_model.process_latent_in(raw)
        if self._end is not None:
            self._end.begin(self.inner_model, self._begun_with(noise), device)
        samples = super().inner_sample(noise, latent_image, device, *args, **kwargs)
        if raw is not None:
            samples[:, :, self._pinned_frames] = raw
        return samples if self._end is None else self._end.finish(samples)

    def _install_cache(self, sigmas: Tensor) -> None:
        """Let steps be left out that change little, if the run has a cache."""
        if self._cache is None:
            return
        self._steps = StepCache(self._cache.plan_for(self.inner_model, sigmas))
        self._uncached = {"patches_replace": replacements(self.model_options)}
        install_cache(self.model_options, self.inner_model, self._steps, tuple(self.conds))

    def _choose_attention(self, noise: Tensor, like: Tensor) -> None:
        """Let the first window of a run find the attention kernel, for tokens of this many cells.

        `like` [0] has the device and dtype of the computation.
        """
        if self._attention is None:
            return
        network = self.inner_model.diffusion_model
        tokens = noise[0, 0].numel() // math.prod(network.patch_size)
        shape = (tokens, network.dim // network.num_heads)
        self._attention.install(self.model_options, shape, like)

    def _begun_with(self, noise: Tensor) -> Tensor:
        """Noise [1, 16, T, h, w] that the window began with; `noise` if that was here."""
        return noise if self.window_noise is None else self.window_noise

    def new_guidance(self) -> Guidance:
        """What guidance remembers when a window begins: nothing yet."""
        return Guidance(self._plan)

    @property
    def _pinned_frames(self) -> slice:
        """Where motion latents lie: in front, but behind reference pictures."""
        front = self._audio.front
        return slice(front, front + (0 if self._pinned is None else self._pinned.shape[2]))

    def predict_noise(
        self,
        x: Tensor,
        timestep: Tensor,
        model_options: dict[str, Any] | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """Guided prediction of the clean latent, [B, 16, T, h, w] float32."""
        options = model_options if model_options is not None else {}
        self._settle_conds(x.device, several=CLONES in options)
        sigma = timestep.view(-1, *[1] * (x.ndim - 1))
        x = self._with_motion(x, sigma)
        if self._end is not None:
            x = self._end.noised(x, sigma)
        plan = self._plan
        if self.cfg != plan.text:
            plan = plan_guidance(self.cfg, plan.audio, apg=plan.apg)
        passes = passes_of(plan, options)
        conds: dict[Pass, Any] = {name: self.conds[name] for name in passes}
        # Passes that other nodes add are no steps of the cache.
        inner = {**options.get("transformer_options", {}), **self._uncached}
        hooked = {**options, "transformer_options": inner}
        step = Step(model=self.inner_model, x=x, sigma=timestep, options=hooked, conds=conds)
        clean = self._denoise(step, options)
        if hooks_of(options):
            out = step.combine(clean, plan, self._guidance)
        else:
            velocities: dict[Pass, Tensor] = {n: (x - c) / sigma for n, c in clean.items()}
            out = x - self._guidance.combine(velocities, plan) * sigma
        if self._pinned is not None:
            out[:, :, self._pinned_frames] = self._pinned
        if self._end is not None:
            out = self._end.clean(out)
        if self._steps is not None:
            self._steps.step += 1
        return out

    def _denoise(self, step: Step, options: dict[str, Any]) -> dict[Pass, Tensor]:
        """Clean latents of each pass: as many at once as the host finds room for, or singly."""
        out: dict[Pass, Tensor] = {}
        wanted: list[Pass] = list(step.conds)
        if CALC in hooks_of(options):
            pair = zip(OWN_PASSES, step.predict(), strict=True)
            out = {name: clean for name, clean in pair if name in step.conds}
            wanted = [name for name in wanted if name not in out]
        for group in pass_groups(wanted, options, singly=self._single_passes):
            out |= self._predict(step, group, options)
        return out

    def _predict(
        self, step: Step, names: list[Pass], options: dict[str, Any]
    ) -> dict[Pass, Tensor]:
        """Clean latents of some passes; a place in the list tells the patches which pass it is."""
        conds = [step.conds[name] if name in names else None for name in self.conds]
        model, sigma = self.inner_model, step.sigma
        made = comfy.samplers.calc_cond_batch(model, conds, step.x, sigma, options)
        found = dict(zip(self.conds, made, strict=True))
        return {name: found[name] for name in names}

    def _parts(self) -> dict[torch.device, AudioPart]:
        """The audio part on every device that the host will use."""
        return {
            patcher.load_device: patcher.get_additional_models_with_key(KEY)[0].model
            for patcher in self._patchers()
        }

    def _patchers(self) -> list[comfy.model_patcher.ModelPatcher]:
        """The MODEL, and the host's clones of it on other cards."""
        return [
            self.model_patcher,
            *self.model_patcher.get_additional_models_with_key(CLONE_KEY),
        ]

    def _blocks(self) -> dict[torch.device, Any]:
        """The blocks of the network on every device that the host will use."""
        return {p.load_device: p.model.diffusion_model.blocks for p in self._patchers()}

    def _marked_blocks(self) -> int:
        """Main blocks that are to be told from the control blocks of VACE."""
        control = base_kind(self.model_patcher) == "control"
        return len(self.inner_model.diffusion_model.blocks) if control else 0

    def _routing(self, part: AudioPart, device: torch.device, dtype: torch.dtype) -> Routing | None:
        num_speakers = len(self._audio.speech)
        if num_speakers < 2 or self._audio.cells is None:
            return None
        axis = speaker_axis(num_speakers, part.config)
        positions = torch.tensor(axis.key_positions, device=device)
        positions = positions.repeat_interleave(part.config.num_tokens)
        return Routing(
            token_masks=token_masks(self._audio.cells).to(device, dtype),
            key_rotation=rotation(positions, part.config.dim // part.config.num_heads),
            axis=axis,
        )

    def _gates(
        self, parts: dict[torch.device, AudioPart], dtype: torch.dtype
    ) -> dict[torch.device, Tensor]:
        """The gate of tokens on every device; empty without one."""
        gate = self._audio.gate
        return {} if gate is None else {p: gate.reshape(-1, 1).to(p, dtype) for p in parts}

    def _add_tokens(self, part: AudioPart, device: torch.device, dtype: torch.dtype) -> None:
        """Project speech once per window, and give each pass its tokens."""
        speech = self._audio.speech.to(device, dtype)
        made: dict[bool, Tensor] = {}
        for name, conds in self.conds.items():
            heard = name not in NO_AUDIO
            if heard not in made:
                windows = speech if heard else torch.zeros_like(speech[:1])
                made[heard] = part.audio_proj(windows)[None]  # [1, S, T, K, E]
            tokens = {TOKENS: comfy.conds.CONDRegular(made[heard])}
            self.conds[name] = [
                {**cond, "model_conds": {**cond["model_conds"], **tokens}} for cond in conds
            ]

    def _settle_conds(self, device: torch.device, *, several: bool) -> None:
        """Bring constants to devices and dtype of the network once, not in every call."""
        if self._settled:
            return
        self._settled = True
        dtype = self.inner_model.get_dtype_inference()
        for conds in self.conds.values():
            for cond in conds:
                for name, value in cond["model_conds"].items():
                    # c_concat is joined with the float32 latent before that is cast.
                    if type(value) is comfy.conds.CONDRegular and name != "c_concat":
                        settled = comfy.conds.CONDRegular(value.cond.to(device, dtype))
                        cond["model_conds"][name] = settled
                if several:
                    share_conditions(cond)

    def _with_motion(self, x: Tensor, sigma: Tensor) -> Tensor:
        """Put motion latents over the beginning of the latent, at the current noise level."""
        if self._pinned is None or self._motion is None:
            return x
        begin = self._pinned
        if self._motion.noise is not None:
            noise = self._motion.noise().to(begin)
            begin = (1 - sigma) * begin + sigma * noise
        where, begin = self._pinned_frames, begin.expand(len(x), -1, -1, -1, -1)
        return torch.cat([x[:, :, : where.start], begin, x[:, :, where.stop :]], dim=2)


_IMAGE_WORDS = "start image", "WAN Image To Video"
_CONTROL_WORDS = "VACE control", "WanVaceToVideo"


def _check_size(latent: Tensor, condition: Tensor, words: tuple[str, str] = _IMAGE_WORDS) -> None:
    """Refuse a latent of another size than the condition [1, C, T, h, w] that a node made."""
    if latent.ndim == condition.ndim and latent.shape[2:] == condition.shape[2:]:
        return

    def size(of: Tensor) -> str:
        frames = (of.shape[2] - 1) * VAE_TIME + 1 if of.ndim == 5 else 1
        return f"{of.shape[-1] * VAE_SPACE} x {of.shape[-2] * VAE_SPACE} and {frames} frames"

    raise ValueError(
        f"latent_image is for {size(latent)}, the {words[0]} in positive for {size(condition)}; "
        f"both must be the same. Connect the third output of the {words[1]} that made positive."
    )


def with_text(conditioning: Sequence[Any], text: Sequence[Any]) -> list[Any]:
    """Copy host CONDITIONING with the text of another; pictures and masks stay."""
    return [[text[0][0], dict(entry)] for _, entry in conditioning]


def with_values(conditioning: Sequence[Any], values: dict[str, Any]) -> list[Any]:
    """Copy host CONDITIONING with further entries; nothing is changed in place."""
    return [[text, {**entry, **values}] for text, entry in conditioning]
