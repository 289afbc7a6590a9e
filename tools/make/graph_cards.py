"""Graphs for several cards: a pass for each, and one pass on all of them."""

from __future__ import annotations

from .graph_forms import Graph, Node
from .graph_parts import POSITIVE, Kit, files_note
from .graph_pieces import (
    SAMPLER_PX,
    A,
    B,
    C,
    E,
    combine,
    picture,
    prompts,
    real_loaders,
    sampler,
    speech,
    voice,
)
from .graph_real import ENCODER, NOTE_Y, Plan, one_note
from .graph_words import PARALLEL_CHANGE_NOTE, TWO_GPUS_CHANGE_NOTE

PROMPT_Y, SPEECH_Y, FILES_Y = 285, 640, 690
"""Lower than in other graphs: above them is the node of the cards, and three links below that."""
PAST_CARDS = {
    ("sampler", "vae"): ((620, 160), (950, 160)),
    ("sampler", "image"): ((600, 16), (625, 140), (950, 140)),
    ("sampler", "clip_vision"): ((620, 180), (950, 180)),
}


def multitalk_two_gpus(kit: Kit) -> Graph:
    """One person talks; ComfyUI gives each card its guidance passes."""
    plan = Plan(name="multitalk_two_gpus", kit=kit, change=TWO_GPUS_CHANGE_NOTE)
    cards = Node(
        key="cards",
        kind="MultiGPU_WorkUnits",
        at=(C[0], 0),
        width=C[1],
        values={"max_gpus": 2},
        links={"model": ("loaders", "model")},
    )
    return _on_cards(plan, cards, "MODEL")


def multitalk_parallel(kit: Kit) -> Graph:
    """One person talks; two cards share every pass."""
    plan = Plan(
        name="multitalk_parallel",
        kit=kit,
        settings={"sampler": "lcm"},
        change=PARALLEL_CHANGE_NOTE,
    )
    cards = Node(
        key="cards",
        kind="MultiTalkParallel",
        at=(C[0], 0),
        width=C[1],
        links={"model": ("loaders", "model")},
    )
    return _on_cards(plan, cards, "model")


def _on_cards(plan: Plan, cards: Node, output: str) -> Graph:
    """One speaker, with a node between loaders and sampler."""
    links = {**plan.sampler_links, "model": ("cards", output)}
    return Graph(
        name=plan.name,
        nodes=(
            picture(0),
            real_loaders(plan.kit, 110),
            cards,
            *prompts(POSITIVE, PROMPT_Y, negative=not plan.kit.one_text),
            voice(1, "Voice", 460),
            speech((C[0], SPEECH_Y), ("voice 1", "AUDIO"), ENCODER),
            sampler(SAMPLER_PX, links, plan.sampler_values),
            combine(),
        ),
        notes=(
            one_note("What to change", plan.change, E, NOTE_Y, 240),
            one_note("Files", files_note(plan.kit), (A[0], B[0] + B[1]), FILES_Y, 250),
        ),
        groups={
            "Picture and voice": ("image", "voice 1"),
            "Models": ("loaders",),
            "Cards": ("cards",),
            "Prompt": plan.prompt_keys,
            "Speech": ("speech",),
            "Video": ("sampler", "video"),
        },
        bends=PAST_CARDS,
    )
