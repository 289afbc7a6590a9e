"""Graphs whose voices come out of one recording."""

from __future__ import annotations

from dataclasses import replace

from .graph_forms import Graph, Link, Node, Note
from .graph_parts import TWO_PEOPLE, Kit, files_note
from .graph_pieces import (
    MASKS,
    SAMPLER_PX,
    TOY_LINKS,
    TOY_SAMPLER_PX,
    TOY_SETTINGS,
    TRACKS,
    A,
    B,
    C,
    E,
    combine,
    picture,
    prompts,
    real_loaders,
    sampler,
    speakers,
    speech,
    toy_loaders,
    typed_boxes,
    voice,
)
from .graph_real import ENCODER, NOTE_Y, Plan, one_note
from .graph_toy import ENCODER as TOY_ENCODER
from .graph_toy import IMAGE, example
from .graph_words import RECORDING_CHANGE_NOTE, TOY_NOTE, TOY_RECORDING_NOTE

RECORDING_PX = 200
"""Times, and the report that a run adds."""
RECORDING_BENDS = {
    ("speech", "audio"): ((950, 434), (950, 562), (925, 594), (640, 594), (612, 620)),
    ("speech", "video_sound"): (
        (270, 200),
        (272, 340),
        (310, 368),
        (580, 368),
        (608, 420),
        (606, 640),
    ),
    ("speech", "speech_encoder"): ((600, 130), (600, 656)),
    ("sampler", "image"): ((580, 793), (640, 798), (940, 798), (964, 760), (966, 250)),
}


def recording(y: int, audio: Link, times: str) -> Node:
    """One recording, cut to tracks where the times say."""
    return Node(
        key="tracks",
        kind="MultiTalkSplitRecording",
        at=(C[0], y),
        width=C[1],
        height=RECORDING_PX,
        values={"split": "times", "split.times": times},
        links={"audio": audio},
    )


def toy_recording() -> Graph:
    """Two heads, whose voices come out of one recording."""
    return Graph(
        name="toy_recording",
        nodes=(
            example("two_speakers", A, 160, 430, 60),
            Node(
                key="recording",
                kind="MultiTalkTracks",
                at=(B[0], 690),
                width=B[1],
                title="One recording",
                values=TRACKS,
                links={
                    "speakers.speaker_1": ("example", "audio 1"),
                    "speakers.speaker_2": ("example", "audio 2"),
                },
            ),
            recording(572, ("recording", "mix"), "Anna 0-5.5, Ben 5.5-"),
            speakers((B[0], 125), IMAGE, boxes=typed_boxes()),
            *toy_loaders((C[0], 200), (A[0], 0), (B[0], 950)),
            speech((C[0], 846), ("tracks", "tracks"), TOY_ENCODER),
            sampler(TOY_SAMPLER_PX, TOY_LINKS | MASKS, TOY_SETTINGS),
            combine(),
        ),
        notes=(
            Note(
                at=(A[0], 700),
                size=(A[1] - 25, 300),
                title="Who speaks when",
                text=TOY_RECORDING_NOTE,
            ),
            Note(at=(E[0], 470), size=(E[1], 240), title="What you see", text=TOY_NOTE),
        ),
        groups={
            "Picture and voices": ("example",),
            "Recording": ("recording", "encoder"),
            "Speech": ("tracks", "speech"),
            "Who is who": ("speakers",),
            "VAE": ("vae",),
            "Model": ("model",),
            "Video": ("sampler", "video"),
        },
        bends={
            ("sampler", "speech"): ((960, 500),),
            ("sampler", "image"): ((270, 44), (950, 44)),
            ("sampler", "masks"): ((620, 118), (940, 118)),
            ("speech", "audio"): ((950, 620), (950, 760), (925, 790), (640, 790), (612, 815)),
        },
    )


def multitalk_recording(kit: Kit) -> Graph:
    """Two people whose voices come out of one recording.

    Args:
        kit: Files for few steps, so that there is no negative prompt.

    Returns:
        The graph.
    """
    plan = Plan(name="multitalk_recording", kit=kit)
    whole: Link = ("voice 1", "AUDIO")
    heard = speech((C[0], 650), ("tracks", "tracks"), ENCODER)
    return Graph(
        name=plan.name,
        nodes=(
            picture(720),
            real_loaders(plan.kit, 0),
            *prompts(TWO_PEOPLE, 170, negative=False),
            voice(1, "Recording", 0),
            Node(
                key="voices only",
                kind="AudioEqualizer3Band",
                at=(B[0], 462),
                width=B[1],
                height=260,
                title="Less music and hiss",
                values={"low_gain_dB": -24.0, "low_freq": 150, "high_gain_dB": -24.0},
                links={"audio": whole},
            ),
            recording(374, ("voices only", "AUDIO"), "Anna 0-3.2, Ben 3.2-"),
            speakers((C[0], 888), ("image", "IMAGE"), boxes=typed_boxes()),
            replace(heard, links={**heard.links, "video_sound": whole}),
            sampler(SAMPLER_PX, plan.sampler_links | MASKS, plan.sampler_values),
            combine(),
        ),
        notes=(
            one_note("What to change", RECORDING_CHANGE_NOTE, E, NOTE_Y),
            one_note("Files", files_note(plan.kit), A, 200),
        ),
        groups={
            "Recording": ("voice 1",),
            "For the lips": ("voices only",),
            "Picture": ("image",),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Speech": ("tracks", "speech"),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video", "What to change"),
        },
        bends=RECORDING_BENDS,
    )
