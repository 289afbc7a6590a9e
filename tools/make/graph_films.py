"""Graphs for the released models that cut to other pictures, or go on with a video."""

from __future__ import annotations

from collections.abc import Sequence

from .graph_forms import Graph, Link, Node
from .graph_parts import POSITIVE, Kit, files_note
from .graph_pieces import (
    SAMPLER_PX,
    A,
    B,
    C,
    E,
    combine,
    more_picture,
    picture,
    prompts,
    real_loaders,
    sampler,
    source_video,
    speech,
    voice,
)
from .graph_real import ENCODER, NOTE_Y, Plan, one_note
from .graph_words import CONTINUE_CHANGE_NOTE, SHOTS_CHANGE_NOTE

SHOTS_PX, STORYBOARD_PX = 176, 230
"""The shots of a film, that a run adds below."""
CONTINUE_BENDS = {
    ("sampler", "continue_from"): (
        (272, 104),
        (312, 124),
        (600, 130),
        (640, 168),
        (940, 190),
    ),
    ("sampler", "model"): ((625, 232), (645, 204), (925, 132)),
    ("sampler", "vae"): ((630, 246), (650, 218), (933, 150)),
    ("sampler", "clip_vision"): ((604, 290), (616, 258), (660, 236), (940, 172)),
}


def shots(at: tuple[int, int], width: int, pictures: Sequence[Link], seconds: str) -> Node:
    """Cuts to these pictures, with room for the storyboard that a run adds."""
    return Node(
        key="shots",
        kind="MultiTalkShots",
        at=at,
        width=width,
        height=SHOTS_PX,
        room=STORYBOARD_PX,
        values={"seconds": seconds},
        links={f"images.image_{number}": link for number, link in enumerate(pictures, start=2)},
    )


def multitalk_shots(kit: Kit) -> Graph:
    """One person talks in two shots.

    Args:
        kit: Model files.

    Returns:
        The graph.
    """
    plan = Plan(name="multitalk_shots", kit=kit)
    links: dict[str, Link] = {**plan.sampler_links, "shots": ("shots", "shots")}
    return Graph(
        name=plan.name,
        nodes=(
            picture(0),
            real_loaders(kit, 110),
            *prompts(POSITIVE, 264, negative=not kit.one_text),
            more_picture((A[0], 440), A[1], "second picture", "Second picture"),
            voice(1, "Voice", 870),
            speech((B[0], 870), ("voice 1", "AUDIO"), ENCODER),
            shots((C[0], 634), C[1], [("second picture", "IMAGE")], "4"),
            sampler(SAMPLER_PX, links, plan.sampler_values),
            combine(),
        ),
        notes=(
            one_note("What to change", SHOTS_CHANGE_NOTE, B, 510),
            one_note("Files", files_note(kit), E, NOTE_Y),
        ),
        groups={
            "Picture": ("image",),
            "Second shot": ("second picture",),
            "Voice": ("voice 1",),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Shots": ("shots",),
            "Speech": ("speech",),
            "Video": ("sampler", "video", "Files"),
        },
        bends={
            ("sampler", "speech"): ((603, 860), (614, 540), (954, 536)),
            ("shots", "images.image_2"): ((276, 456), (590, 456), (609, 500), (611, 630)),
            ("speech", "speech_encoder"): (
                (604, 230),
                (606, 730),
                (590, 757),
                (290, 757),
                (280, 790),
            ),
        },
    )


def infinitetalk_continue(kit: Kit) -> Graph:
    """A video goes on, with a new voice.

    Args:
        kit: Model files.

    Returns:
        The graph.
    """
    plan = Plan(name="infinitetalk_continue", kit=kit)
    links: dict[str, Link] = {
        **plan.sampler_links,
        "image": ("image", "IMAGE"),
        "continue_from": ("file", "VIDEO"),
    }
    file, frames = source_video("Video to go on with", "frames")
    return Graph(
        name=plan.name,
        nodes=(
            file,
            frames,
            Node(
                key="image",
                kind="ImageFromBatch",
                at=(C[0], 0),
                width=C[1],
                title="First frame",
                values={"batch_index": 0, "length": 1},
                links={"image": ("frames", "images")},
            ),
            real_loaders(kit, 235),
            *prompts(POSITIVE, 344, negative=not kit.one_text),
            voice(1, "Voice", 540),
            speech((C[0], 704), ("voice 1", "AUDIO"), ENCODER),
            sampler(SAMPLER_PX, links, plan.sampler_values),
            combine(),
        ),
        notes=(
            one_note("What to change", CONTINUE_CHANGE_NOTE, E, NOTE_Y),
            one_note("Files", files_note(kit), (A[0], B[0] + B[1]), 775),
        ),
        groups={
            "Video and voice": ("file", "voice 1"),
            "Frames": ("frames", "image"),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Speech": ("speech",),
            "Video": ("sampler", "video", "What to change"),
        },
        bends=CONTINUE_BENDS,
    )
