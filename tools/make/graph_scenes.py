"""Graphs that direct: who stays still, and dubbing that touches only the mouth."""

from __future__ import annotations

from .graph_forms import Graph, Link, Node, Note
from .graph_parts import INFINITETALK, MULTITALK, TWO_PEOPLE, Kit, files_note
from .graph_pieces import (
    MASKS,
    PICTURE_ROOM_PX,
    PLAYER_PX,
    REAL_LINKS,
    SAMPLER_PX,
    SPEAKERS_PX,
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
    source_video,
    speech,
    toy_loaders,
    typed_boxes,
    voice,
)
from .graph_real import ENCODER, NOTE_Y, one_note
from .graph_toy import ENCODER as TOY_ENCODER
from .graph_toy import IMAGE, example
from .graph_words import (
    MOUTH_CHANGE_NOTE,
    STILL_CHANGE_NOTE,
    TOY_DUB_NOTE,
    TOY_NOTE,
    TOY_STILL_NOTE,
)

STILL: dict[str, Link] = {"still": ("still", "masks")}
QUIET = {"outside_speakers": "no audio"}
TOY_MOUTH = "94, 84, 100, 62"
"""The lower half of the head, in a picture of 288 x 192 pixels."""
MOUTH_PX = 290
"""The node Mouth Only, whose text may grow."""
MOUTH_BENDS = {
    ("mouth", "talking"): ((1320, 100), (1318, 470)),
    ("mouth", "source"): ((604, 480), (604, 720), (630, 1112), (1300, 1112), (1328, 720)),
    ("video", "audio"): (
        (598, 500),
        (598, 740),
        (624, 1128),
        (1300, 1128),
        (1326, 860),
        (1332, 80),
    ),
    ("video", "images"): ((1684, 424), (1345, 424), (1331, 380), (1333, 60)),
}
"""Frames and sound of the source run below the sampler."""


def who(key: str, title: str, at: tuple[int, int], width: int, image: Link, place: int) -> Node:
    """One head of the example picture, for those who speak or those who are still."""
    return Node(
        key=key,
        kind="MultiTalkSpeakers",
        at=at,
        width=width,
        height=SPEAKERS_PX,
        room=PICTURE_ROOM_PX,
        title=title,
        values={"boxes": typed_boxes().split("\n")[place]},
        links={"image": image},
    )


def toy_still() -> Graph:
    """Two heads, of whom one talks and the other listens."""
    return Graph(
        name="toy_still",
        nodes=(
            example("two_speakers", A),
            who("speakers", "Who speaks", (B[0], 125), B[1], IMAGE, 0),
            who("still", "Who is still", (B[0], 600), B[1], IMAGE, 1),
            *toy_loaders((C[0], 200), (C[0], 525), (A[0], 920)),
            speech((C[0], 740), ("example", "audio 1"), TOY_ENCODER),
            sampler(TOY_SAMPLER_PX, TOY_LINKS | MASKS | STILL, TOY_SETTINGS | QUIET),
            combine(),
        ),
        notes=(
            Note(at=(A[0], 540), size=(A[1] - 25, 290), title="Who is still", text=TOY_STILL_NOTE),
            Note(at=(E[0], 470), size=(E[1], 240), title="What you see", text=TOY_NOTE),
        ),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Who is who": ("speakers", "still"),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "Video": ("sampler", "video"),
        },
        bends={
            ("still", "image"): ((264, 110), (268, 570)),
            ("speech", "audio"): ((258, 130), (266, 546), (606, 550)),
            ("speech", "speech_encoder"): ((270, 960), (294, 1036), (592, 1036), (610, 1000)),
            ("sampler", "masks"): ((620, 118), (940, 118)),
            ("sampler", "still"): ((612, 632), (954, 632)),
        },
    )


def multitalk_still() -> Graph:
    """Two people, of whom one talks and the other listens, with the released models."""
    kit = Kit(audio_part=MULTITALK)
    links: dict[str, Link] = {**REAL_LINKS, "image": ("image", "IMAGE")}
    image: Link = ("image", "IMAGE")
    return Graph(
        name="multitalk_still",
        nodes=(
            voice(1, "Voice", 0),
            picture(235),
            real_loaders(kit, 0),
            *prompts(TWO_PEOPLE, 170, negative=True),
            who("speakers", "Who speaks", (B[0], 470), B[1], image, 0),
            who("still", "Who is still", (C[0], 797), C[1], image, 1),
            speech((C[0], 546), ("voice 1", "AUDIO"), ENCODER),
            sampler(SAMPLER_PX, links | MASKS | STILL, QUIET),
            combine(),
        ),
        notes=(
            one_note("What to change", STILL_CHANGE_NOTE, E, NOTE_Y),
            one_note("Files", files_note(kit), A, 630),
        ),
        groups={
            "Voice": ("voice 1",),
            "Picture": ("image",),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Who speaks": ("speakers",),
            "Speech": ("speech",),
            "Who is still": ("still",),
            "Video": ("sampler", "video", "What to change"),
        },
        bends={
            ("sampler", "image"): ((276, 334), (588, 334), (606, 400), (632, 440), (940, 440)),
            ("sampler", "masks"): ((606, 470), (634, 454), (940, 454)),
            ("speech", "audio"): ((264, 360), (290, 374), (580, 374), (598, 430)),
            ("still", "image"): ((272, 353), (584, 353), (602, 410), (606, 730)),
        },
    )


def mouth(boxes: str) -> Node:
    """Only the mouth of the talking frames."""
    return Node(
        key="mouth",
        kind="MultiTalkMouthOnly",
        at=(E[0], 490),
        width=E[1],
        height=MOUTH_PX,
        values={"boxes": boxes},
        links={"source": ("dub", "images"), "talking": ("sampler", "images")},
    )


def dubbed() -> Node:
    """The last node, with the sound of the dub."""
    return Node(
        key="video",
        kind="MultiTalkVideoCombine",
        at=(E[0], 0),
        width=E[1],
        height=PLAYER_PX,
        links={"images": ("mouth", "images"), "audio": ("dub", "sound")},
    )


def toy_dub() -> Graph:
    """A video of 30 frames per second gets a new voice, and only its mouth is new."""
    settings = {**TOY_SETTINGS, "rule": "infinitetalk", "start_strength": 0.9}
    return Graph(
        name="toy_dub",
        nodes=(
            example("one_speaker", A),
            Node(
                key="frames",
                kind="RepeatImageBatch",
                at=(B[0], 0),
                width=B[1],
                title="24 frames",
                values={"amount": 24},
                links={"image": IMAGE},
            ),
            Node(
                key="film",
                kind="CreateVideo",
                at=(B[0], 140),
                width=B[1],
                title="24 frames per second",
                values={"fps": 24.0},
                links={"images": ("frames", "IMAGE")},
            ),
            Node(
                key="dub",
                kind="MultiTalkDubSource",
                at=(B[0], 345),
                width=B[1],
                values={"shorter_source": "loop", "longest_side": 288},
                links={"video": ("film", "VIDEO"), "voice": ("example", "audio 1")},
            ),
            *toy_loaders((C[0], 0), (C[0], 345), (A[0], 575)),
            speech((C[0], 580), ("dub", "tracks"), TOY_ENCODER),
            sampler(TOY_SAMPLER_PX, {**TOY_LINKS, "image": ("dub", "images")}, settings),
            mouth(TOY_MOUTH),
            dubbed(),
        ),
        notes=(Note(at=(A[0], 740), size=(A[1], 330), title="What you see", text=TOY_DUB_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Video to dub": ("frames", "film", "dub"),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "Video": ("sampler", "mouth", "video"),
        },
        bends={
            ("film", "images"): ((606, 88), (274, 88)),
            ("dub", "video"): ((606, 284), (274, 284)),
            ("sampler", "image"): ((618, 286), (948, 286)),
            **MOUTH_BENDS,
        },
    )


def infinitetalk_dub_mouth() -> Graph:
    """A video file gets a new voice with the released models, and only its mouth is new."""
    kit = Kit(audio_part=INFINITETALK)
    file, _ = source_video()
    links: dict[str, Link] = {**REAL_LINKS, "image": ("dub", "images")}
    across = (A[0], B[0] + B[1])
    return Graph(
        name="infinitetalk_dub_mouth",
        nodes=(
            file,
            voice(1, "New voice", 460),
            Node(
                key="dub",
                kind="MultiTalkDubSource",
                at=(B[0], 430),
                width=B[1],
                links={"video": ("file", "VIDEO"), "voice": ("voice 1", "AUDIO")},
            ),
            real_loaders(kit, 15),
            *prompts("A person talks to the camera.", 264, negative=True),
            speech((C[0], 630), ("dub", "tracks"), ENCODER),
            sampler(SAMPLER_PX, links, {"start_strength": 0.8}),
            mouth(""),
            dubbed(),
        ),
        notes=(
            one_note("What to change", MOUTH_CHANGE_NOTE, C, 810),
            one_note("Files", files_note(kit), across, 740),
        ),
        groups={
            "Video and new voice": ("file", "voice 1"),
            "Frames and sound": ("dub",),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Speech": ("speech",),
            "Video": ("sampler", "mouth", "video"),
        },
        bends={
            ("sampler", "image"): ((607, 500), (622, 531), (660, 535), (940, 535)),
            ("speech", "speech_encoder"): ((604, 160), (607, 610)),
            **MOUTH_BENDS,
        },
    )
