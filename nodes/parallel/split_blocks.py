"""All blocks of the host's network on some of the tokens, on the first card and on every other.

The first block's place is where tokens are handed out: there the whole stack runs, and the places
of the others pass on what it gave. So the host's own code embeds before and unpatches after, and
what stands around the blocks (the step cache) sees whole tokens and asks nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from ...multitalk.parallel.exchange import TokenSplit
from ...multitalk.parallel.shards import whole_weights
from ..loading.audio_hooks import CALL, IMAGE_TOKENS, OVERRIDE, AudioCall
from ..sampling.lean_block import lean_block

Kernel = Callable[..., Tensor]


class SharedAttention:
    """In the place of the host's attention: self attention over the tokens of all ranks.

    The first call in a block is its self attention; the rest (text, picture) is each rank's own.
    """

    def __init__(self, split: TokenSplit, inner: Any) -> None:
        """`inner` is what another node had put there, or None."""
        self._split, self._inner = split, inner
        self.at_self = False
        self.exact = getattr(inner, "exact", False)  # see `exact_attention`

    def __call__(
        self, usual: Kernel, q: Tensor, k: Tensor, v: Tensor, heads: int, *more: Any, **options: Any
    ) -> Tensor:
        """[B, l, N*D] of this rank's tokens."""
        if not self.at_self:
            return self._attend(usual, q, k, v, heads, *more, **options)
        self.at_self = False

        def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
            return self._attend(usual, q, k, v, heads, *more, **options)

        split = self._split
        return split.exchange.attend(q, k, v, heads, split.sizes, attend)

    def _attend(self, usual: Kernel, *args: Any, **options: Any) -> Tensor:
        if self._inner is None:
            return usual(*args, **options)
        return self._inner(usual, *args, **options)


def run_stretch(
    blocks: Iterable[Any],
    tokens: Tensor,
    args: dict[str, Any],
    split: TokenSplit,
    options: dict[str, Any],
) -> Tensor:
    """This rank's tokens [B, l, dim] through all blocks.

    Args:
        blocks: The host's of a WAN transformer, or ours in shards.
        tokens: Embedded; they are changed.
        args: txt [B, text, dim], vec [B, 1, 6, dim], pe [1, l, 1, D/2, 2, 2].
        split: Which tokens these are.
        options: The host's transformer_options, with our AudioCall if sound is heard; they belong
            to this call.
    """
    shared = SharedAttention(split, options.get(OVERRIDE))
    call: AudioCall | None = options.get(CALL)
    own = {**options, OVERRIDE: shared}
    if call is not None:
        call.split = split
    for index, block in enumerate(blocks):
        own["block_index"] = index
        shared.at_self = True

        def whole(given: dict[str, Any], block: Any = block) -> dict[str, Any]:
            out = block(
                given["img"],
                e=given["vec"],
                freqs=given["pe"],
                context=given["txt"],
                context_img_len=options.get(IMAGE_TOKENS),
                transformer_options=given["transformer_options"],
            )
            return {"img": out}

        given = {**args, "img": tokens, "transformer_options": own}
        del tokens
        lean = lean_block({given["img"].device: block}, first=index == 0)
        with whole_weights(block):
            tokens = lean(given, {"original_block": whole})["img"]
    return tokens
