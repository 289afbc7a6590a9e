"""Graphs with a scene: prompts with times, for the toy and for the released models."""

from __future__ import annotations

from .graph_forms import Graph, Link, Node, Note
from .graph_parts import Kit, files_note
from .graph_pieces import (
    PICTURE_ROOM_PX,
    REAL_LINKS,
    SAMPLER_PX,
    TOY_LINKS,
    TOY_SAMPLER_PX,
    TOY_SETTINGS,
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
    toy_loaders,
    voice,
)
from .graph_words import SCENE_CHANGE_NOTE, TOY_SCENE_NOTE
from .note_size import note_height

LINES = """\
0-2: she smiles at the camera
2-4: she looks to the side
4-: she nods"""
THROUGHOUT = "A woman in a garden, soft evening light, static camera."
REST = "A woman talks in a garden, soft evening light, static camera."
SCENE_PX = 267
"""Two texts: what Nodes 2.0 needs for their lines (web/field_heights.js)."""
SCENE_LINK: dict[str, Link] = {"scene": ("scene", "scene")}


def _scene(
    column: tuple[int, int], y: int, links: dict[str, Link], *, throughout: str = THROUGHOUT
) -> Node:
    return Node(
        key="scene",
        kind="MultiTalkScene",
        at=(column[0], y),
        width=column[1],
        height=SCENE_PX,
        room=PICTURE_ROOM_PX,
        values={"scene_text": LINES, "throughout": throughout},
        links=links,
    )


def toy_scene() -> Graph:
    """Lines with times are planned on the toy, which reads no text."""
    example = Node(
        key="example",
        kind="MultiTalkExample",
        at=(A[0], 0),
        width=A[1] - 15,
        height=475,
        values={"scene": "one_speaker"},
    )
    return Graph(
        name="toy_scene",
        nodes=(
            example,
            *toy_loaders((C[0], 262), (C[0], 587), (A[0], 575)),
            _scene(B, 370, {"audio": ("example", "audio 1")}),
            speech((B[0], 130), ("example", "audio 1"), ("encoder", "speech encoder")),
            sampler(TOY_SAMPLER_PX, {**TOY_LINKS, **SCENE_LINK}, TOY_SETTINGS),
            combine(),
        ),
        notes=(Note(at=(E[0], 470), size=(E[1], 290), title="What you see", text=TOY_SCENE_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "What happens when": ("scene",),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "Video": ("sampler", "video"),
        },
        bends={("sampler", "scene"): ((600, 210), (640, 166), (940, 166))},
    )


def multitalk_scene(kit: Kit) -> Graph:
    """One person talks, and does something else every few seconds.

    Args:
        kit: Model files for few steps, so that there is no negative prompt.

    Returns:
        The graph.
    """
    links: dict[str, Link] = {**REAL_LINKS, **SCENE_LINK, "image": ("image", "IMAGE")}
    del links["negative"]
    change, files = SCENE_CHANGE_NOTE, files_note(kit)
    across = A[0], B[0] + B[1]
    return Graph(
        name="multitalk_scene",
        nodes=(
            picture(0),
            real_loaders(kit, 110),
            *prompts(REST, 264, negative=False),
            voice(1, "Voice", 460),
            _scene(C, 484, {"clip": ("loaders", "CLIP"), "audio": ("voice 1", "AUDIO")}),
            speech((B[0], 590), ("voice 1", "AUDIO"), ("loaders", "speech encoder")),
            sampler(SAMPLER_PX, links, {"preset": "lightx2v"}),
            combine(),
        ),
        notes=(
            Note(
                at=(E[0], 470),
                size=(E[1], note_height(change, E[1])),
                title="What to change",
                text=change,
            ),
            Note(
                at=(across[0], 790),
                size=(across[1], note_height(files, across[1])),
                title="Files",
                text=files,
            ),
        ),
        groups={
            "Picture and voice": ("image", "voice 1"),
            "Models": ("loaders",),
            "Prompt": ("positive",),
            "What happens when": ("scene",),
            "Speech": ("speech",),
            "Video": ("sampler", "video"),
        },
        bends={
            ("scene", "audio"): ((278, 474), (598, 474), (614, 500)),
            ("speech", "speech_encoder"): (
                (604, 230),
                (606, 460),
                (590, 494),
                (290, 494),
                (280, 540),
            ),
            ("sampler", "speech"): ((603, 570), (614, 396), (954, 390)),
        },
    )
