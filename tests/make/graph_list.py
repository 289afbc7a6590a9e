"""The graphs that ship with the pack, as data. `graphs.py` writes them."""

from __future__ import annotations

from .graph_forms import Graph, Link, Model, Node, Note, Use
from .graph_parts import (
    CHANGE_NOTE,
    INFINITETALK,
    MULTITALK,
    NEGATIVE,
    POSITIVE,
    SPEAKERS_NOTE,
    TOY_NOTE,
    TOY_SPEAKERS_NOTE,
    TWO_PEOPLE,
    files_note,
    loaders,
)

TOY_SETTINGS = {
    "preset": "custom",
    "preset.steps": 8,
    "preset.shift": 3,
    "preset.text_guidance": 1,
    "preset.audio_guidance": 2,
    "size": "custom",
    "size.width": 144,
    "size.height": 96,
    "window": 33,
    "overlap": 9,
}
TRACKS = {"placement": "in turn", "placement.gap": 0.2}
PLAYER_PX = 400
"""Height of the last node with its player."""


def sampler(at: tuple[int, int], height: int, links: dict[str, Link], *, toy: bool) -> Node:
    """The sampler, with room for its line of progress."""
    return Node(
        key="sampler",
        kind="MultiTalkSampler",
        at=at,
        height=height,
        values=TOY_SETTINGS if toy else {},
        links={"speech": ("speech", "speech"), **links},
    )


def combine(at: tuple[int, int]) -> Node:
    """The last node, with room for its player."""
    return Node(
        key="video",
        kind="MultiTalkVideoCombine",
        at=at,
        width=400,
        height=PLAYER_PX,
        links={"images": ("sampler", "images"), "audio": ("sampler", "audio")},
    )


def speech(at: tuple[int, int], audio: Link, encoder: Link) -> Node:
    """The speech embedding."""
    return Node(
        key="speech",
        kind="MultiTalkSpeechEmbedding",
        at=at,
        links={"audio": audio, "speech_encoder": encoder},
    )


def tracks(at: tuple[int, int], first: Link, second: Link) -> Node:
    """Two voices in turn."""
    return Node(
        key="tracks",
        kind="MultiTalkTracks",
        at=at,
        values=TRACKS,
        links={"speakers.speaker_1": first, "speakers.speaker_2": second},
    )


def toy_loaders(
    model: tuple[int, int], vae: tuple[int, int], encoder: tuple[int, int]
) -> list[Node]:
    """The toy's loaders at three places."""
    return [
        Node(
            key="model",
            kind="MultiTalkLoadModel",
            at=model,
            values={
                "base": "multitalk_toy_base.safetensors",
                "audio_part": "multitalk_toy_audio.safetensors",
            },
        ),
        Node(
            key="vae",
            kind="VAELoader",
            at=vae,
            values={"vae_name": "multitalk_toy_vae.safetensors"},
        ),
        Node(
            key="encoder",
            kind="MultiTalkLoadSpeechEncoder",
            at=encoder,
            values={"encoder": "multitalk_toy_encoder.safetensors"},
        ),
    ]


TOY_LINKS: dict[str, Link] = {
    "model": ("model", "model"),
    "vae": ("vae", "VAE"),
    "image": ("example", "image"),
}
REAL_LINKS: dict[str, Link] = {
    "model": ("loaders", "model"),
    "vae": ("loaders", "VAE"),
    "positive": ("positive", "CONDITIONING"),
    "negative": ("negative", "CONDITIONING"),
    "clip_vision": ("loaders", "CLIP_VISION"),
    "image": ("image", "IMAGE"),
}
MASKS: dict[str, Link] = {"masks": ("speakers", "masks")}


def toy_one_speaker() -> Graph:
    """The graph that runs anywhere."""
    return Graph(
        name="toy_one_speaker",
        nodes=(
            Node(
                key="example",
                kind="MultiTalkExample",
                at=(0, 0),
                values={"scene": "one_speaker"},
            ),
            *toy_loaders((0, 344), (0, 230), (0, 554)),
            speech((400, 450), ("example", "audio 1"), ("encoder", "speech encoder")),
            sampler((800, 0), 700, TOY_LINKS, toy=True),
            combine((1200, 0)),
        ),
        notes=(Note(at=(1200, 480), size=(400, 220), title="What you see", text=TOY_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Models": ("model", "vae", "encoder"),
            "Speech": ("speech",),
            "Video": ("sampler", "video", "What you see"),
        },
    )


def toy_two_speakers() -> Graph:
    """The same with two speakers, who talk in turn."""
    return Graph(
        name="toy_two_speakers",
        nodes=(
            Node(
                key="example",
                kind="MultiTalkExample",
                at=(0, 0),
                values={"scene": "two_speakers"},
            ),
            tracks((400, 150), ("example", "audio 1"), ("example", "audio 2")),
            Node(
                key="speakers",
                kind="MultiTalkSpeakers",
                at=(400, 530),
                height=370,
                links={"image": ("example", "image"), "detections": ("example", "boxes")},
            ),
            *toy_loaders((800, 600), (800, 810), (400, 326)),
            speech((800, 160), ("tracks", "tracks"), ("encoder", "speech encoder")),
            sampler((1200, 0), 700, TOY_LINKS | MASKS, toy=True),
            combine((1600, 0)),
        ),
        notes=(
            Note(at=(0, 240), size=(320, 230), title="Two speakers", text=TOY_SPEAKERS_NOTE),
            Note(at=(1600, 480), size=(400, 220), title="What you see", text=TOY_NOTE),
        ),
        groups={
            "Picture and voices": ("example",),
            "Speech": ("tracks", "encoder", "speech"),
            "Who is who": ("speakers",),
            "Models": ("model", "vae"),
            "Video": ("sampler", "video", "What you see"),
        },
    )


def real_start(audio_part: Model, text: str) -> tuple[Node | Use, ...]:
    """Picture, loaders and prompts, as in all graphs for released models."""
    clip: Link = ("loaders", "CLIP")
    return (
        Node(key="image", kind="LoadImage", at=(0, 0), height=314, values={"image": "example.png"}),
        Use(key="loaders", subgraph=loaders(audio_part), at=(400, 140), width=350),
        Node(
            key="positive",
            kind="CLIPTextEncode",
            at=(830, 310),
            width=400,
            height=120,
            title="Positive prompt",
            values={"text": text},
            links={"clip": clip},
        ),
        Node(
            key="negative",
            kind="CLIPTextEncode",
            at=(830, 490),
            width=400,
            height=170,
            title="Negative prompt",
            values={"text": NEGATIVE},
            links={"clip": clip},
        ),
    )


def voice(number: int, title: str, at: tuple[int, int]) -> Node:
    """A sound file."""
    return Node(
        key=f"voice {number}",
        kind="LoadAudio",
        at=at,
        height=136,
        title=title,
        values={"audio": f"voice_{number}.wav"},
    )


def one_speaker(name: str, audio_part: Model) -> Graph:
    """A graph for released models.

    Args:
        name: Stem of the files.
        audio_part: MultiTalk or InfiniteTalk.

    Returns:
        The graph.
    """
    return Graph(
        name=name,
        nodes=(
            *real_start(audio_part, POSITIVE),
            voice(1, "Voice", (0, 414)),
            speech((830, 780), ("voice 1", "AUDIO"), ("loaders", "speech encoder")),
            sampler((1310, 0), 550, REAL_LINKS, toy=False),
            combine((1710, 0)),
        ),
        notes=(
            Note(at=(1310, 640), size=(390, 250), title="What to change", text=CHANGE_NOTE),
            Note(at=(1720, 640), size=(390, 250), title="Files", text=files_note(audio_part)),
        ),
        groups={
            "Picture and voice": ("image", "voice 1"),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Speech": ("speech",),
            "Video": ("sampler", "video"),
        },
    )


def two_speakers(name: str, audio_part: Model) -> Graph:
    """The same with two speakers, who talk in turn.

    Args:
        name: Stem of the files.
        audio_part: MultiTalk or InfiniteTalk.

    Returns:
        The graph.
    """
    return Graph(
        name=name,
        nodes=(
            *real_start(audio_part, TWO_PEOPLE),
            voice(1, "Voice 1", (0, 414)),
            voice(2, "Voice 2", (0, 610)),
            tracks((400, 840), ("voice 1", "AUDIO"), ("voice 2", "AUDIO")),
            Node(
                key="speakers",
                kind="MultiTalkSpeakers",
                at=(1310, 600),
                height=370,
                links={"image": ("image", "IMAGE")},
            ),
            speech((830, 840), ("tracks", "tracks"), ("loaders", "speech encoder")),
            sampler((1710, 0), 550, REAL_LINKS | MASKS, toy=False),
            combine((2110, 0)),
        ),
        notes=(
            Note(at=(1710, 640), size=(390, 270), title="Two speakers", text=SPEAKERS_NOTE),
            Note(at=(2120, 640), size=(390, 270), title="What to change", text=CHANGE_NOTE),
            Note(at=(400, 500), size=(350, 220), title="Files", text=files_note(audio_part)),
        ),
        groups={
            "Picture and voices": ("image", "voice 1", "voice 2"),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Speech": ("tracks", "speech"),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video"),
        },
    )


BLUEPRINTS = (loaders(MULTITALK),)
GRAPHS = (
    toy_one_speaker(),
    toy_two_speakers(),
    one_speaker("multitalk_one_speaker", MULTITALK),
    two_speakers("multitalk_two_speakers", MULTITALK),
    one_speaker("infinitetalk_one_speaker", INFINITETALK),
)
