"""The toy goes on with a video: a second voice, and both parts as one video."""

from __future__ import annotations

from .graph_forms import ENTRY, Graph, Link, Node, Note, Subgraph, Use
from .graph_pieces import (
    PLAYER_PX,
    TOY_LINKS,
    TOY_SAMPLER_PX,
    TOY_SETTINGS,
    A,
    B,
    C,
    E,
    sampler,
    speech,
    toy_loaders,
)
from .graph_toy import ENCODER, IMAGE, example

FIRST_S, SECOND_S = 1.6, 2.0
"""Seconds of the voice that either part says."""
NOTE = """\
Nothing to download: press **Run**.

*Video to go on with* makes a video of the first seconds of the voice. The sampler **goes on with \
it**: the new part begins from its last frames and says what comes next. Both are then joined, and \
nothing jumps where they meet.

**Try**
- a video of your own at *continue_from*: Load Video, of any frame rate
- other times in *New voice*

The mp4 is saved in `output/video`.
"""
_STEP_PX = 360
_BENDS = {
    ("sampler", "image"): ((290, 16), (930, 26)),
    ("sampler", "vae"): ((608, 150), (632, 132), (930, 110)),
    ("first", "picture"): ((262, 300), (268, 726), (604, 740)),
    ("first", "voice"): ((254, 320), (258, 740), (610, 752)),
    ("first", "model"): ((603, 180), (603, 500)),
    ("speech", "speech_encoder"): ((618, 700), (616, 330)),
    ("frames", "images.image0"): ((960, 1030), (1312, 1030), (1320, 40)),
    ("sound", "audio1"): ((946, 1050), (1326, 1050), (1334, 180)),
    ("video", "images"): ((1690, 30), (1690, 92), (1660, 99), (1370, 99), (1338, 124), (1338, 300)),
    ("video", "audio"): ((1688, 180), (1688, 252), (1660, 262), (1360, 264)),
}
_ENTRIES: dict[str, Link] = {
    "model": ("model", "model"),
    "vae": ("vae", "VAE"),
    "picture": IMAGE,
    "voice": ("example", "audio 1"),
    "speech encoder": ENCODER,
}


def _cut(key: str, at: tuple[int, int], audio: Link, start: float, seconds: float) -> Node:
    """A piece of the voice."""
    return Node(
        key=key,
        kind="TrimAudioDuration",
        at=at,
        width=B[1],
        values={"start_index": start, "duration": seconds},
        links={"audio": audio},
    )


def _first_part() -> Subgraph:
    """The video that is gone on with: the first seconds of the voice."""
    return Subgraph(
        name="Video to go on with",
        description="The first seconds of the voice as a video of its own, so that there is "
        "one to go on with. Any frames at 25 per second can take its place.",
        inputs=tuple(_ENTRIES),
        nodes=(
            _cut("first voice", (0, 0), (ENTRY, "voice"), 0.0, FIRST_S),
            Node(
                key="first speech",
                kind="MultiTalkSpeechEmbedding",
                at=(_STEP_PX, 0),
                width=C[1],
                links={
                    "audio": ("first voice", "AUDIO"),
                    "speech_encoder": (ENTRY, "speech encoder"),
                },
            ),
            Node(
                key="first sampler",
                kind="MultiTalkSampler",
                at=(2 * _STEP_PX, 0),
                width=C[1],
                values=TOY_SETTINGS,
                links={
                    "model": (ENTRY, "model"),
                    "vae": (ENTRY, "vae"),
                    "image": (ENTRY, "picture"),
                    "speech": ("first speech", "speech"),
                },
            ),
        ),
        exposed={"seconds": ("first voice", "duration")},
        outputs={"images": ("first sampler", "images"), "audio": ("first sampler", "audio")},
    )


def _joined() -> tuple[Node, ...]:
    """Frames and sound of both parts, and the video of them."""
    return (
        Node(
            key="frames",
            kind="BatchImagesNode",
            at=(E[0], 0),
            width=E[1],
            height=88,  # its sockets grow
            title="Frames of both",
            links={"images.image0": ("first", "images"), "images.image1": ("sampler", "images")},
        ),
        Node(
            key="sound",
            kind="AudioConcat",
            at=(E[0], 150),
            width=E[1],
            title="Sound of both",
            links={"audio1": ("first", "audio"), "audio2": ("sampler", "audio")},
        ),
        Node(
            key="video",
            kind="MultiTalkVideoCombine",
            at=(E[0], 320),
            width=E[1],
            height=PLAYER_PX,
            links={"images": ("frames", "IMAGE"), "audio": ("sound", "AUDIO")},
        ),
    )


def toy_continue() -> Graph:
    """A head has said the first part of a text and goes on with the second."""
    links: dict[str, Link] = {**TOY_LINKS, "continue_from": ("first", "images")}
    return Graph(
        name="toy_continue",
        nodes=(
            example("one_speaker", A),
            *toy_loaders((B[0], 110), (B[0], 440), (B[0], 875)),
            _cut("rest", (B[0], 604), ("example", "audio 1"), FIRST_S, SECOND_S),
            speech((C[0], 230), ("rest", "AUDIO"), ENCODER),
            Use(
                key="first",
                subgraph=_first_part(),
                at=(C[0], 540),
                width=C[1],
                links=_ENTRIES,
            ),
            sampler(TOY_SAMPLER_PX, links, TOY_SETTINGS),
            *_joined(),
        ),
        notes=(Note(at=(A[0], 560), size=(A[1] - 25, 400), title="What you see", text=NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Models": ("model", "vae"),
            "New voice": ("rest",),
            "Speech": ("speech",),
            "Video before": ("first",),
            "New part": ("sampler",),
            "Both parts": ("frames", "sound", "video"),
        },
        bends=_BENDS,
    )
