"""One pass of the network on several cards, for any sampler."""

from __future__ import annotations

from typing import Any

import comfy.model_patcher
from comfy_api.v0_0_2 import io

from .values import check_inputs, check_names
from .widgets import Widget, schema

MOST_CARDS = 40  # heads of the 14B model

CARDS = Widget(
    "cards",
    "How many cards one pass runs on, this one included: 2, 4, 5, 8 or 10. 1 changes nothing.",
    default=2,
    limits=(1, MOST_CARDS, 1),
)
WEIGHTS = Widget(
    "weights",
    "What each card holds. copies: the whole model. shards: a share of the blocks, collected block "
    "by block in each pass; less memory, more is sent; 16 and 32 bit files. auto: shards where the "
    "model is too large for the first card and can be shared out.",
    default="auto",
    choices=("auto", "copies", "shards"),
    absent="copies",
    optional=True,
)


class MultiTalkParallel(io.ComfyNode):
    """Run each pass on several cards."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Parallel",
            "loaders",
            "Each pass of the network on several cards of this machine at once: every card holds "
            "the whole model, or a share of it, and takes a part of the video. Put it last, right "
            "before the sampler; it works with every sampler node.",
            search_aliases=["multi gpu", "sequence parallel", "ulysses", "several cards"],
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="WAN 2.1 I2V or T2V with all LoRAs, with an audio part or without.",
                ),
                CARDS,
                WEIGHTS,
            ],
            outputs=[(io.Model, "model", "The same model; only how fast it runs is another.")],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def execute(
        cls,
        model: comfy.model_patcher.ModelPatcher,
        cards: int = 2,
        weights: str | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Check model and cards; processes start when something is sampled."""
        check_names(unknown)
        check_inputs({"model": model}, "model")
        count = CARDS.read({"cards": cards})
        choice = WEIGHTS.read({"weights": weights})
        if count == 1:
            return io.NodeOutput(model)
        from .parallel.attach import on_cards
        from .parallel.cards import find_cards
        from .parallel.checks import check_model
        from .parallel.recipe import recipe_of
        from .parallel.shards import wants_shards

        check_model(model, count)
        find_cards(count)
        recipe = recipe_of(cls.hidden.dynprompt, cls.hidden.unique_id, "model")
        shards = wants_shards(model, choice)
        return io.NodeOutput(on_cards(model, count, recipe, shards=shards))
