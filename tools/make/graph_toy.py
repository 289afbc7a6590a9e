"""Graphs that run anywhere, with the toy that comes with the pack."""

from __future__ import annotations

from .graph_films import shots
from .graph_forms import App, Graph, Link, Node, Note
from .graph_pieces import (
    MASKS,
    TOY_LINKS,
    TOY_SAMPLER_PX,
    TOY_SETTINGS,
    A,
    B,
    C,
    E,
    combine,
    dialogue,
    file_sampler,
    note_below,
    sampler,
    speakers,
    speech,
    toy_loaders,
    tracks,
    typed_boxes,
)
from .graph_words import (
    SCRIPT_NOTE,
    TOY_DETECTED_SPEAKERS_NOTE,
    TOY_DIALOGUE_NOTE,
    TOY_END_NOTE,
    TOY_LONG_NOTE,
    TOY_NOTE,
    TOY_OWN_NOTE,
    TOY_SHOTS_NOTE,
    TOY_TYPED_SPEAKERS_NOTE,
)

EXAMPLE_PX = 475
"""Choices, and below them the picture that a run adds."""
IMAGE: Link = ("example", "image")
ENCODER: Link = ("encoder", "speech encoder")
SEED: Link = ("sampler", "seed")


def example(
    scene: str, column: tuple[int, int], y: int = 0, height: int = EXAMPLE_PX, room: int = 0
) -> Node:
    """The scene, and what a run adds to it beyond its height."""
    return Node(
        key="example",
        kind="MultiTalkExample",
        at=(column[0], y),
        width=column[1] - 15,
        height=height,
        room=room,
        values={"scene": scene},
    )


def one_toy_speaker(name: str, end: tuple[Node, ...], note: Note, app: App | None = None) -> Graph:
    """One head that talks.

    Args:
        name: Stem of the files.
        end: Sampler and what is behind it.
        note: Words for the user.
        app: As what it opens, if it is an app.

    Returns:
        The graph.
    """
    return Graph(
        name=name,
        nodes=(
            example("one_speaker", A),
            *toy_loaders((C[0], 262), (C[0], 587), (A[0], 575)),
            speech((B[0], 130), ("example", "audio 1"), ENCODER),
            *end,
        ),
        notes=(note,),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "Video": tuple(node.key for node in end),
        },
        app=app,
    )


def toy_one_speaker() -> Graph:
    """The graph that runs anywhere."""
    return one_toy_speaker(
        "toy_one_speaker",
        (sampler(TOY_SAMPLER_PX, TOY_LINKS, TOY_SETTINGS), combine()),
        Note(at=(E[0], 470), size=(E[1], 240), title="What you see", text=TOY_OWN_NOTE),
        App(inputs=(("example", "picture"), ("example", "voice_1"), SEED), outputs=("video",)),
    )


def toy_end_image() -> Graph:
    """A video that ends on a picture: its own, mirrored."""
    links: dict[str, Link] = {**TOY_LINKS, "end_image": ("flip", "IMAGE")}
    return Graph(
        name="toy_end_image",
        nodes=(
            example("one_speaker", A),
            *toy_loaders((C[0], 262), (C[0], 587), (A[0], 575)),
            speech((B[0], 130), ("example", "audio 1"), ENCODER),
            Node(
                key="flip",
                kind="ImageFlip",
                at=(B[0], 370),
                width=B[1],
                title="Last frame",
                values={"flip_method": "y-axis: horizontally"},
                links={"image": IMAGE},
            ),
            sampler(TOY_SAMPLER_PX, links, TOY_SETTINGS),
            combine(),
        ),
        notes=(Note(at=(E[0], 470), size=(E[1], 290), title="What you see", text=TOY_END_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "End": ("flip",),
            "Video": ("sampler", "video"),
        },
        bends={("sampler", "end_image"): ((610, 168), (950, 170))},
    )


def toy_shots() -> Graph:
    """A cut to another picture, here the same one mirrored; it survives a stop, too."""
    links: dict[str, Link] = {**TOY_LINKS, "shots": ("shots", "shots")}
    return Graph(
        name="toy_shots",
        nodes=(
            example("one_speaker", A),
            *toy_loaders((C[0], 262), (C[0], 587), (A[0], 575)),
            speech((B[0], 130), ("example", "audio 1"), ENCODER),
            Node(
                key="flip",
                kind="ImageFlip",
                at=(B[0], 756),
                width=B[1],
                title="Second picture",
                values={"flip_method": "y-axis: horizontally"},
                links={"image": IMAGE},
            ),
            shots((C[0], 756), C[1], [("flip", "IMAGE")], "2"),
            file_sampler(TOY_SAMPLER_PX, links, TOY_SETTINGS),
        ),
        notes=(note_below(TOY_SHOTS_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "Shots": ("flip", "shots"),
            "Video": ("sampler",),
        },
        bends={
            ("flip", "image"): ((268, 120), (270, 720)),
            ("sampler", "shots"): ((960, 700), (962, 330)),
        },
    )


def toy_long_video() -> Graph:
    """A video that grows window by window, and survives a stop."""
    return one_toy_speaker(
        "toy_long_video",
        (file_sampler(TOY_SAMPLER_PX, TOY_LINKS, TOY_SETTINGS | {"drift_correction": 1.0}),),
        note_below(TOY_LONG_NOTE),
    )


def toy_two_speakers(name: str, *, typed: bool) -> Graph:
    """Two heads, who talk in turn.

    Args:
        name: Stem of the files.
        typed: Whether the boxes are written by hand; else they come through the socket of a
            detector.

    Returns:
        The graph.
    """
    boxes = typed_boxes() if typed else ""
    note = TOY_TYPED_SPEAKERS_NOTE if typed else TOY_DETECTED_SPEAKERS_NOTE
    return Graph(
        name=name,
        nodes=(
            example("two_speakers", A),
            tracks(690, ("example", "audio 1"), ("example", "audio 2")),
            speakers(
                (B[0], 125),
                IMAGE,
                boxes=boxes,
                detections=None if typed else ("example", "boxes"),
            ),
            *toy_loaders((C[0], 200), (C[0], 525), (B[0], 930)),
            speech((C[0], 740), ("tracks", "tracks"), ENCODER),
            sampler(TOY_SAMPLER_PX, TOY_LINKS | MASKS, TOY_SETTINGS),
            combine(),
        ),
        notes=(
            Note(at=(A[0], 540), size=(A[1] - 25, 280), title="Two speakers", text=note),
            Note(at=(E[0], 470), size=(E[1], 240), title="What you see", text=TOY_NOTE),
        ),
        groups={
            "Picture and voices": ("example",),
            "Speech": ("tracks", "encoder", "speech"),
            "Who is who": ("speakers",),
            "Models": ("model", "vae"),
            "Video": ("sampler", "video"),
        },
        bends={
            ("sampler", "masks"): ((620, 118), (940, 118)),
            ("tracks", "speakers.speaker_1"): ((262, 150), (268, 640)),
            ("tracks", "speakers.speaker_2"): ((254, 160), (260, 660)),
        },
    )


def toy_dialogue() -> Graph:
    """Text becomes a talking video, with nothing downloaded."""
    return Graph(
        name="toy_dialogue",
        nodes=(
            example("two_speakers", A, 160, 430, 60),
            *dialogue(757, 275, None),
            speakers((C[0], 126), IMAGE, width=C[1] - 10, detections=("example", "boxes")),
            *toy_loaders((C[0], 860), (A[0], 0), (B[0], 1040)),
            speech((C[0], 637), ("dialogue", "tracks"), ENCODER),
            sampler(TOY_SAMPLER_PX, TOY_LINKS | MASKS, TOY_SETTINGS),
            combine(),
        ),
        notes=(
            Note(at=(A[0], 893), size=(A[1], 195), title="Script", text=SCRIPT_NOTE),
            Note(at=(E[0], 470), size=(E[1], 240), title="What you see", text=TOY_DIALOGUE_NOTE),
        ),
        groups={
            "Picture": ("example",),
            "Voice model": ("voices",),
            "Script": ("dialogue",),
            "Speech encoder": ("encoder",),
            "Speech": ("speech",),
            "Who is who": ("speakers",),
            "VAE": ("vae",),
            "Model": ("model",),
            "Video": ("sampler", "video"),
        },
        bends={
            ("sampler", "image"): ((610, 40), (930, 40)),
            ("speakers", "image"): ((276, 158), (600, 142)),
            ("speakers", "detections"): ((266, 190), (300, 176), (600, 162)),
        },
        app=App(
            inputs=(("dialogue", "script"), ("dialogue", "voices"), ("example", "picture"), SEED),
            outputs=("video",),
        ),
    )
