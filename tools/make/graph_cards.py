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

PROMPT_Y, SPEECH_Y, FILES_Y = 312, 655, 690
"""Lower than in other graphs: above them is the node of the cards, and three links below that."""
PAST_CARDS = {
    ("speech", "speech_encoder"): ((604, 250), (606, 630)),
    ("sampler", "vae"): ((620, 187), (950, 187)),
    ("sampler", "image"): ((600, 16), (625, 167), (950, 167)),
    ("sampler", "clip_vision"): ((620, 207), (950, 207)),
}

TWO_GPUS_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. *full* has **three passes** in each step, and MultiGPU CFG Split deals them out. Reckoned: \
*max_gpus* 2 is 1.5 times as fast, 3 is 3 times; *lightx2v* and *FusionX* have two passes, 2 times \
with 2. *FlashTalk* has one: **nothing is gained**, see `multitalk_parallel`.
3. Each card holds the model, and main memory holds it twice.
4. One card, or Windows shows one: nothing changes, and the log says so. Start ComfyUI with \
`--cuda-device 0,1`.

Press **Run**. The mp4 is saved in `output/video`.
"""

PARALLEL_CHANGE_NOTE = """\
1. Choose **picture** and **voice**. The sound gives the length.
2. *FlashTalk* has one pass in each step, and **all cards share it**. Reckoned: 1.7 to 2 times as \
fast with *cards* 2, 3.1 to 3.9 times with 4.
3. Presets of two or three passes on as many cards: `multitalk_two_gpus` sends less between them.
4. *weights* *auto*: where the model is too large for the card, each holds a share of it.
5. One card: leave MultiTalk Parallel out, or *cards* 1. On Windows everything goes through main \
memory, which is slow.

Press **Run**. The mp4 is saved in `output/video`.
"""


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
