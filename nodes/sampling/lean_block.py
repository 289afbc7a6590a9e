"""The host's transformer blocks with less memory: one copy of the tokens, early frees.

The host's block holds its input, its normalized input and every sum at once; its feed-forward
holds all hidden values twice. Here sums happen in place, what is used up is freed before the next
matrix runs, and the feed-forward takes half of the tokens at a time: 2.1 instead of 3.3 GB at
640 x 640. The layers, the attention and the patches of other nodes are the host's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import comfy.model_management
import torch
from comfy.ldm.flux.math import apply_rope1
from comfy.ldm.modules.attention import optimized_attention
from comfy.ldm.wan import model as wan
from comfy.patcher_extension import WrappersMP
from comfy_api.torch_helpers.torch_compile import TORCH_COMPILE_KWARGS
from torch import Tensor, nn

from ..loading.audio_hooks import IMAGE_TOKENS, KEY, TOKENS, of_device, place_tokens

FEED_FORWARD_PARTS = 2  # hidden values are 2.7 times as wide as tokens, and lie there twice
PARALLEL = "multitalk_parallel"  # attachment and wrappers of a MODEL that is split over cards
ONE_BEGINNING = "multitalk_one_beginning"  # transformer_options: passes differ after block 0 begins
# What tells passes apart later than that, and what gives them other latents or weights.
_LATER = {"c_crossattn", "clip_fea", "c_concat", TOKENS}
_OTHER = {"area", "mask", "hooks", "control", "gligen"}
_WRAP = WrappersMP.APPLY_MODEL, WrappersMP.DIFFUSION_MODEL
_CROSS_ATTENTIONS = (wan.WanI2VCrossAttention, wan.WanT2VCrossAttention)
_PARTS = {"norm1", "self_attn", "norm3", "cross_attn", "norm2", "ffn"}


def install_lean_blocks(
    model_options: dict[str, Any], networks: Mapping[torch.device, Sequence[nn.Module]]
) -> bool:
    """Replace the blocks of a run by lean ones; whether that was possible.

    It is not where another node replaces, changes or compiles a block: then all stay the host's.

    Args:
        model_options: Options of this run, changed in place.
        networks: Blocks of the loaded network, on each device that runs passes.
    """
    if any(changed_blocks(model_options, blocks) for blocks in networks.values()):
        return False
    replace = model_options["transformer_options"].setdefault("patches_replace", {})
    replace = replace.setdefault("dit", {})
    for index, blocks in enumerate(zip(*networks.values(), strict=True)):
        places = dict(zip(networks, blocks, strict=True))
        replace["double_block", index] = lean_block(places, first=index == 0)
    return True


def begin_as_one(
    model_options: dict[str, Any], conds: Mapping[str, Sequence[dict[str, Any]]]
) -> bool:
    """Whether all passes give the first block the same tokens; text and audio come after it.

    Not where another node wraps the network: it may change the latents of one pass.
    """
    wrappers = model_options["transformer_options"].get("wrappers", {})
    wrapped = [name for kind in _WRAP for name, found in wrappers.get(kind, {}).items() if found]
    if "model_function_wrapper" in model_options or not {*wrapped} <= {KEY, PARALLEL}:
        return False
    if any(len(rows) != 1 for rows in conds.values()):
        return False
    first, *others = (rows[0] for rows in conds.values())
    return all(_begins_as(first, row) for row in (first, *others))


def _begins_as(first: dict[str, Any], row: dict[str, Any]) -> bool:
    """Whether two conditionings give the first block the same tokens of the same latents."""
    return (
        row["model_conds"].keys() <= _LATER
        and not _OTHER & {name for name, value in row.items() if value is not None}
        and all(row.get(n) is first.get(n) for n in ("concat_latent_image", "concat_mask"))
    )


def changed_blocks(model_options: dict[str, Any], blocks: Sequence[nn.Module]) -> bool:
    """Whether another node has to do with the inside of the blocks."""
    options = model_options.get("transformer_options", {})
    replaced = options.get("patches_replace", {}).get("dit", {})
    between = options.get("patches", {}).get("double_block")
    compiled = TORCH_COMPILE_KWARGS in model_options
    return bool(replaced or between or compiled) or not all(map(_is_the_hosts, blocks))


def _is_the_hosts(block: nn.Module) -> bool:
    """Whether a block is the host's, and nobody has put another forward into it."""
    return (
        type(block) is wan.WanAttentionBlock
        and {name for name, _ in block.named_children()} == _PARTS
        and type(block.self_attn) is wan.WanSelfAttention
        and type(block.cross_attn) in _CROSS_ATTENTIONS
        and not any(_is_watched(part) for part in block.modules())
    )


def _is_watched(part: nn.Module) -> bool:
    """Whether somebody put another forward into a part, or hooks beside its own."""
    return bool("forward" in vars(part) or part._forward_hooks or part._forward_pre_hooks)


def lean_block(places: Mapping[torch.device, Any], *, first: bool) -> Any:
    """One replacement, as the host calls it; the block is that of the device of the tokens.

    With `first` what it is given is not its own.
    """

    def run(args: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
        x, vec, options = args["img"], args["vec"], args["transformer_options"]
        block = of_device(places, x.device)
        usual = vec.ndim == 4 and vec.shape[1] == 1 and vec.dtype == x.dtype
        if not usual or IMAGE_TOKENS not in options or torch.is_grad_enabled():
            return extra["original_block"](args)
        del x  # a patch may put another in its place, and then nothing may hold this one
        once = first and _are_alike(args["img"], options)
        return {"img": _run_block(block, _own_tokens(args["img"], first), args, options, once)}

    return run


def _are_alike(x: Tensor, options: dict[str, Any]) -> bool:
    """Whether the rows of the first block are passes that begin as one, and nobody else looks."""
    watching = options.get("patches", {}).get("attn1_patch", ())
    return (
        bool(options.get(ONE_BEGINNING))
        and 1 < len(x) == len(options.get("cond_or_uncond", ()))
        and all(patch is place_tokens for patch in watching)
    )


def _own_tokens(x: Tensor, first: bool) -> Tensor:
    """Tokens that may be changed; what the first block is given is the host's, and the cache's."""
    return x.clone(memory_format=torch.contiguous_format) if first else x.contiguous()


def _run_block(
    block: Any, x: Tensor, args: dict[str, Any], options: dict[str, Any], once: bool
) -> Tensor:
    """The block on tokens [B, L, dim], which are changed; `once`: all rows attend as the first."""
    patches = options.get("patches", {})
    own = comfy.model_management.cast_to(block.modulation, dtype=x.dtype, device=x.device)
    shift, scale, gate, late_shift, late_scale, late_gate = (own[:, None] + args["vec"]).unbind(2)
    rows = 1 if once else len(x)
    y = _attend_self(block, x[:rows], (shift[:rows], scale[:rows]), args["pe"], options)
    x.addcmul_(y, gate)
    del y
    x.add_(_attend_context(block, x, args["txt"], options))
    for patch in patches.get("attn2_patch", ()):
        x = patch({"x": x, "transformer_options": options})
    for part in _parts(block.ffn, x):
        hidden = block.norm2(part)
        hidden = torch.addcmul(late_shift, hidden, 1 + late_scale, out=hidden)
        part.addcmul_(block.ffn(hidden), late_gate)
    return x


def _attend_self(
    block: Any, x: Tensor, modulation: tuple[Tensor, Tensor], table: Tensor, options: dict[str, Any]
) -> Tensor:
    attention, (shift, scale) = block.self_attn, modulation
    heads = (attention.num_heads, attention.head_dim)
    hidden = block.norm1(x)
    hidden = torch.addcmul(shift, hidden, 1 + scale, out=hidden)

    def turned(layer: nn.Module, norm: nn.Module) -> Tensor:
        return apply_rope1(norm(layer(hidden)).unflatten(-1, heads), table)

    q, k = turned(attention.q, attention.norm_q), turned(attention.k, attention.norm_k)
    v = attention.v(hidden)
    hidden = None
    out = optimized_attention(
        q.flatten(2), k.flatten(2), v, heads=attention.num_heads, transformer_options=options
    )
    del v
    for patch in options.get("patches", {}).get("attn1_patch", ()):
        out = patch({"x": out, "q": q, "k": k, "transformer_options": options})
    del q, k
    return attention.o(out)


def _attend_context(block: Any, x: Tensor, context: Tensor, options: dict[str, Any]) -> Tensor:
    """Cross attention to text, and to the rows of the picture before it."""
    attention = block.cross_attn
    q = attention.norm_q(attention.q(block.norm3(x)))
    picture, more = None, {"heads": attention.num_heads, "transformer_options": options}
    if isinstance(attention, wan.WanI2VCrossAttention):
        size = options[IMAGE_TOKENS]  # None: the host takes all rows for both
        rows, context = context[:, :size], context[:, size:]
        k, v = attention.norm_k_img(attention.k_img(rows)), attention.v_img(rows)
        picture = optimized_attention(q, k, v, low_precision_attention=False, **more)
    k, v = attention.norm_k(attention.k(context)), attention.v(context)
    out = optimized_attention(q, k, v, **more)
    del q
    return attention.o(out if picture is None else out.add_(picture))


def _parts(ffn: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """Tokens that go through the feed-forward together.

    All of them where weights come from elsewhere for every call: they would come twice.
    """
    layers = [layer for layer in ffn.children() if hasattr(layer, "weight")]
    resident = all(
        layer.weight is not None and layer.weight.device == x.device and not hasattr(layer, "_v")
        for layer in layers
    )
    yield from x.chunk(FEED_FORWARD_PARTS if resident else 1, dim=1)
