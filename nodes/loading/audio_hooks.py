"""Attach the audio part to a host MODEL, through the host's own hooks.

attn1_patch sees rotated queries and keys: there every video token is placed on the speaker axis.
attn2_patch sees the tokens right after text cross attention: there the audio residual is added. A
diffusion-model wrapper takes the audio tokens of each pass from the forward's keyword arguments.
The patches are functions and hold nothing; what belongs to one call lies in transformer_options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import comfy.model_base
import comfy.patcher_extension
import torch
from comfy.ldm.flux.math import apply_rope1
from comfy.ldm.modules import attention as kernels
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...multitalk.config import (
    BASE_IN_CHANNELS,
    LATENT_CHANNELS,
    SMALL_WIDTH,
    AudioPartConfig,
    BaseKind,
    Family,
)
from ...multitalk.model.audio_attention import (
    Attention,
    AudioPart,
    SpeakerAxis,
    join_speakers,
    own_tokens,
    rotation,
    speaker_map,
    speaker_positions,
)
from ...multitalk.words import count
from .folded_audio import can_fold, folded_audio

if TYPE_CHECKING:
    from ...multitalk.parallel.exchange import TokenSplit
    from ...multitalk.parallel.slices import Stretch

T = TypeVar("T")
KEY = "multitalk"  # attachment, additional model and wrapper
CLONE_KEY = "multigpu"  # the host's additional models: copies of a MODEL on other cards
TOKENS = "multitalk_tokens"  # keyword argument of the forward
RUN = "multitalk_run"  # transformer_options: what holds for a window
CALL = "multitalk_call"  # transformer_options: what holds for one forward
OVERRIDE = "optimized_attention_override"  # the host's name in transformer_options
LOSSY_KERNELS = ("sage", "sage3", "comfy_kitchen_int8")  # of the host's: 8 bits and fewer
IMAGE_TOKENS = "multitalk_image_tokens"  # transformer_options: rows of the picture before the text

# What the audio part can be attached to: the host's class and channels of the patch embedding.
_BASES: dict[tuple[type, int], BaseKind] = {
    (comfy.model_base.WAN21, BASE_IN_CHANNELS): "image",
    (comfy.model_base.WAN21, LATENT_CHANNELS): "text",
    (comfy.model_base.WAN21_Vace, LATENT_CHANNELS): "control",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AttachedAudio:
    """What a MODEL with an audio part knows about it."""

    name: str  # file name
    family: Family
    config: AudioPartConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Routing:
    """How video tokens are divided among two or more speakers, on one device."""

    token_masks: Tensor  # [S+1, n] in the model's dtype, background last
    key_rotation: Tensor  # [S*K, D/2, 2]
    axis: SpeakerAxis


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioRun:
    """What holds for all calls of a window."""

    parts: Mapping[torch.device, AudioPart]
    routings: Mapping[torch.device, Routing]  # empty for one speaker
    strength: float
    front: int = 0  # latent frames of reference pictures before the video: they hear nothing
    marked_blocks: int = 0  # main blocks to be told from others that call the same patches
    # [n, 1] in the model's dtype: what part of the residual tokens of a latent frame keep.
    gates: Mapping[torch.device, Tensor] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class AudioCall:
    """What holds for one forward of the network; the rotation changes from block to block.

    Nothing here leads back to the options that hold it: a circle would keep the rotation on the
    card until Python next looks for circles.
    """

    part: AudioPart
    tokens: Tensor  # [B, T, S*K, E]
    routing: Routing | None
    query_rotation: Tensor | None = None  # [B, 1, L, D/2, 2]
    in_block: bool = True  # whether a main block runs; False: the patches change nothing
    front: int = 0
    split: TokenSplit | None = None  # the tokens here are some of all, the rest on other cards

    def front_tokens(self, length: int) -> int:
        """Of `length` tokens, how many come before the video."""
        return self.front * (length // (self.front + self.tokens.shape[1]))


def registered_kernels() -> dict[str, Callable[..., Tensor]]:
    """Attention kernels of the host by its names for them."""
    return getattr(kernels, "REGISTERED_ATTENTION_FUNCTIONS", {})


def exact_kernel() -> Callable[..., Tensor]:
    """The host's attention if that is exact, else torch's.

    Asking for no low precision is not enough: some kernels do not listen, or only in float32.
    """
    used = kernels.optimized_attention
    if any(registered_kernels().get(name) is used for name in LOSSY_KERNELS):
        return kernels.attention_pytorch
    return used


def exact_attention(transformer_options: dict[str, Any]) -> Attention:
    """The host's attention, [B, N, L, D], never in low precision, nor by a kernel of others."""
    ours = getattr(transformer_options.get(OVERRIDE), "exact", False)
    options = transformer_options if ours else None

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return exact_kernel()(
            q,
            k,
            v,
            heads=q.shape[1],
            skip_reshape=True,
            skip_output_reshape=True,
            low_precision_attention=False,
            transformer_options=options,
        )

    return attend


def rotate_by_host(x: Tensor, table: Tensor) -> Tensor:
    """`rotate` of x [B, L, N, D] by a table [B or 1, L, 1, D/2, 2], in one kernel of the host."""
    cos, sin = table.unbind(-1)
    matrices = torch.stack([cos, -sin, sin, cos], dim=-1).unflatten(-1, (2, 2))
    if len(table) == 1:
        return apply_rope1(x, matrices)
    # The kernel knows one table for all rows: lay the rows of the batch one after another.
    return apply_rope1(x.flatten(0, 1)[None], matrices.flatten(0, 1)[None]).view(x.shape)


def of_device(places: Mapping[torch.device, T], device: torch.device) -> T:
    """What belongs to the device of a tensor; where there is one alone, its number may be left out.

    Of Apple's there is one, which the host knows without a number and tensors with one.
    """
    return next(iter(places.values())) if len(places) == 1 else places[device]


def route_audio(
    executor: Any,
    x: Tensor,
    timestep: Tensor,
    context: Tensor,
    clip_fea: Tensor | None = None,
    time_dim_concat: Tensor | None = None,
    transformer_options: dict[str, Any] | None = None,
    **kwargs: Any,
) -> Tensor:
    """Diffusion-model wrapper: hand the audio tokens of this call to the patches.

    Args:
        executor: Next wrapper or the forward itself.
        x: [B, 36, T, h, w]; the velocity that comes back is [B, 16, T, h, w].
        timestep: [B].
        context: Text rows.
        clip_fea: Picture embedding.
        time_dim_concat: Not used here.
        transformer_options: A copy that belongs to this call.
        kwargs: May hold the audio tokens [B, S, T, K, E] of each row of the batch.
    """
    options = transformer_options if transformer_options is not None else {}
    options[IMAGE_TOKENS] = None if clip_fea is None else clip_fea.shape[-2]
    tokens, run = kwargs.pop(TOKENS, None), options.get(RUN)
    replaced, marked = options.get("patches_replace", {}), None
    if tokens is not None and run is not None:
        routed = tokens.shape[1] > 1
        options[CALL] = AudioCall(
            part=of_device(run.parts, x.device),
            tokens=join_speakers(tokens),
            routing=of_device(run.routings, x.device) if routed and run.routings else None,
            in_block=run.marked_blocks == 0,
            front=run.front,
        )
        if run.marked_blocks:
            marked = options["patches_replace"] = _mark_blocks(replaced, run.marked_blocks)
    try:
        return executor(x, timestep, context, clip_fea, time_dim_concat, options, **kwargs)
    finally:
        # It holds the audio part and tables on the card; whoever keeps the options keeps neither.
        options.pop(CALL, None)
        if marked is not None:
            options["patches_replace"] = replaced


def _mark_blocks(replaced: Mapping[str, Any], count: int) -> dict[str, Any]:
    """What is put in the place of blocks, and around each: a note that a main block runs.

    Control blocks of VACE call the same patches under the numbers of the main blocks before them,
    and the host replaces main blocks alone: so this is where they are told apart.
    """
    blocks = dict(replaced.get("dit", {}))
    for key in (("double_block", index) for index in range(count)):
        blocks[key] = _marked(blocks.get(key))
    return {**replaced, "dit": blocks}


def _marked(inner: Any) -> Any:
    """A main block as it is, or what another node has put in its place, with the note."""

    def run(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        call: AudioCall = args["transformer_options"][CALL]
        call.in_block = True
        out = extra["original_block"](args) if inner is None else inner(args, extra)
        call.in_block = False
        return out

    return run


# Compiled, the two patches would keep numbers and branches of the call they were compiled in: nodes
# that compile a MODEL drop the guards on transformer_options. So they run as they are written.
@torch.compiler.disable
def place_tokens(args: dict[str, Any]) -> Tensor:
    """attn1_patch: find where each video token lies on the speaker axis; x is not changed."""
    options = args["transformer_options"]
    call: AudioCall | None = options.get(CALL)
    if call is not None and call.in_block and call.routing is not None:
        first = call.front_tokens(args["q"].shape[1])
        q, k, attention = args["q"][:, first:], args["k"][:, first:], exact_attention(options)
        masks, split = call.routing.token_masks, call.split
        if split is not None:
            k = split.first_keys(k, masks.shape[1])
        shares = speaker_map(q, k, masks, attention=attention)
        bounds = None if split is None else split.bounds
        positions = speaker_positions(shares, call.routing.axis, bounds)
        call.query_rotation = rotation(positions, q.shape[-1])[:, None]
    return args["x"]


@torch.compiler.disable
def add_audio(args: dict[str, Any]) -> Tensor:
    """attn2_patch: add the audio residual of this block."""
    options, x = args["transformer_options"], args["x"]
    call: AudioCall | None = options.get(CALL)
    if call is None or not call.in_block:
        return x
    first = call.front_tokens(x.shape[1])
    heard = x[:, first:]
    block: Any = call.part.blocks[options["block_index"]]
    stretch = None if call.split is None else call.split.stretch
    tokens = call.tokens if stretch is None else call.tokens[:, stretch.frames]
    if call.routing is None and can_fold(block, heard, tokens):
        residual = folded_audio(block, heard, tokens, stretch)
    else:
        residual = block(
            heard,
            tokens,
            query_rotation=call.query_rotation,
            key_rotation=None if call.routing is None else call.routing.key_rotation,
            attention=exact_attention(options),
            turn=rotate_by_host,
            stretch=stretch,
        )
    run: AudioRun = options[RUN]
    if (gate := run.gates.get(x.device)) is not None:
        residual = _gated(residual, gate, stretch)
    heard = torch.add(heard, residual, alpha=run.strength)
    return torch.cat([x[:, :first], heard], dim=1) if first else heard


def _gated(residual: Tensor, gate: Tensor, stretch: Stretch | None) -> Tensor:
    """A residual [B, L, dim], which is changed, by a gate [n, 1] of the tokens of a frame."""
    if stretch is None:
        return residual.unflatten(1, (-1, len(gate))).mul_(gate).flatten(1, 2)
    frames = stretch.frames.stop - stretch.frames.start
    return residual.mul_(own_tokens(gate.repeat(frames, 1)[None], stretch))


def check_model(model: ModelPatcher, config: AudioPartConfig, name: str) -> None:
    """Refuse a MODEL that the audio part cannot be attached to.

    Raises:
        ValueError: If it is no WAN 2.1 model of the audio part's size, or has one already.
    """
    if KEY in model.attachments:
        raise ValueError(
            f"The model already carries the audio part {model.attachments[KEY].name}; only one is "
            "possible. Remove one of the two nodes that attach it."
        )
    network = model.model
    inner: Any = getattr(network, "diffusion_model", None)
    if (type(network), getattr(inner, "in_dim", None)) not in _BASES:
        raise ValueError(
            f"The model is of another kind ({_kind(network)}); the audio part needs WAN 2.1 I2V, "
            "VACE or T2V, 14B. Load for example wan2.1_i2v_480p_14B_fp16.safetensors."
        )
    if inner.dim == SMALL_WIDTH:
        raise ValueError(
            f"The model is a 1.3B one, whose blocks are {SMALL_WIDTH} wide; those of {name} are "
            f"{config.dim} wide, and there are no audio parts for 1.3B. Load a 14B model."
        )
    if (inner.dim, inner.num_layers) != (config.dim, config.num_layers):
        raise ValueError(
            f"{name} was made for a model of {config.num_layers} blocks of width {config.dim}; "
            f"the model has {inner.num_layers} of width {inner.dim}. Choose files that belong "
            "together."
        )


def base_kind(model: ModelPatcher) -> BaseKind:
    """What windows begin from on a MODEL that `check_model` accepts."""
    network = model.model
    return _BASES.get((type(network), network.diffusion_model.in_dim), "image")


def _kind(network: Any) -> str:
    """What kind of model this is, as far as people can know it."""
    channels = getattr(getattr(network, "diffusion_model", None), "in_dim", None)
    own = type(network).__name__
    return own if channels is None else f"{own}, {count(channels, 'input channel')}"


def attach_audio(model: ModelPatcher, part: ModelPatcher, attached: AttachedAudio) -> ModelPatcher:
    """A clone of a MODEL with the audio part; without our guider it samples as before."""
    clone = model.clone()
    clone.attachments[KEY] = attached
    clone.set_additional_models(KEY, [part])
    clone.set_model_patch(place_tokens, "attn1_patch")
    clone.set_model_patch(add_audio, "attn2_patch")
    clone.add_wrapper_with_key(comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, KEY, route_audio)
    on_match = comfy.patcher_extension.CallbacksMP.ON_MATCH_MULTIGPU_CLONES
    clone.add_callback_with_key(on_match, KEY, _match_part)
    clone.match_multigpu_clones()  # reads the part for other cards now, not in every run
    return clone


def _match_part(model: ModelPatcher, copy: ModelPatcher) -> None:
    """Bring the audio part of a clone on another card up to date with that of its MODEL.

    The host does so with the network: LoRAs may come after the clones.
    """
    part = model.get_additional_models_with_key(KEY)[0]
    other = copy.get_additional_models_with_key(KEY)[0]
    new = part.clone(model_override=other.get_clone_model_override())
    new.load_device = other.load_device
    new.is_multigpu_base_clone = other.is_multigpu_base_clone
    copy.set_additional_models(KEY, [new])


def attached_audio(model: ModelPatcher) -> AttachedAudio:
    """What `attach_audio` left on a MODEL.

    Raises:
        ValueError: If nothing is attached.
    """
    attached = model.attachments.get(KEY)
    if attached is None:
        raise ValueError(
            "The model has no audio part; it would not hear anything. Load it with MultiTalk Load "
            "Model, or put MultiTalk Attach after your loader."
        )
    return attached
