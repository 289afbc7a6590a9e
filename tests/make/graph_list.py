"""The graphs that ship with the pack, as data. `graphs.py` writes them."""

from __future__ import annotations

from .graph_forms import Graph, Model, Node, Note
from .graph_parts import (
    CHANGE_NOTE,
    DIALOGUE_SPEAKERS_NOTE,
    INFINITETALK,
    KOKORO,
    KOKORO_NOTE,
    MULTITALK,
    POSITIVE,
    SCRIPT_NOTE,
    SPEAKERS_NOTE,
    TOY_NOTE,
    TOY_SPEAKERS_NOTE,
    TWO_PEOPLE,
    files_note,
    loaders,
)
from .graph_pieces import (
    MASKS,
    REAL_LINKS,
    TOY_LINKS,
    combine,
    dialogue,
    real_start,
    sampler,
    speech,
    toy_loaders,
    tracks,
    voice,
)


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


def toy_dialogue() -> Graph:
    """Text becomes a talking video, with nothing downloaded."""
    return Graph(
        name="toy_dialogue",
        nodes=(
            Node(
                key="example",
                kind="MultiTalkExample",
                at=(0, 0),
                values={"scene": "two_speakers"},
            ),
            *dialogue((0, 240), (400, 0), None),
            Node(
                key="speakers",
                kind="MultiTalkSpeakers",
                at=(400, 680),
                height=370,
                links={"image": ("example", "image"), "detections": ("example", "boxes")},
            ),
            *toy_loaders((800, 440), (800, 750), (800, 0)),
            speech((800, 160), ("dialogue", "tracks"), ("encoder", "speech encoder")),
            sampler((1200, 0), 700, TOY_LINKS | MASKS, toy=True),
            combine((1600, 0)),
        ),
        notes=(
            Note(at=(0, 400), size=(320, 330), title="Script", text=SCRIPT_NOTE),
            Note(at=(1600, 480), size=(400, 220), title="What you see", text=TOY_NOTE),
        ),
        groups={
            "Picture": ("example",),
            "Voice model": ("voices",),
            "Script": ("dialogue",),
            "Speech": ("encoder", "speech"),
            "Who is who": ("speakers",),
            "Models": ("model", "vae"),
            "Video": ("sampler", "video", "What you see"),
        },
    )


def multitalk_dialogue() -> Graph:
    """Text becomes a talking video with the released models and Kokoro."""
    return Graph(
        name="multitalk_dialogue",
        nodes=(
            *real_start(MULTITALK, TWO_PEOPLE),
            *dialogue((0, 414), (400, 840), KOKORO),
            Node(
                key="speakers",
                kind="MultiTalkSpeakers",
                at=(1310, 600),
                height=370,
                links={"image": ("image", "IMAGE")},
            ),
            speech((830, 840), ("dialogue", "tracks"), ("loaders", "speech encoder")),
            sampler((1710, 0), 550, REAL_LINKS | MASKS, toy=False),
            combine((2110, 0)),
        ),
        notes=(
            Note(at=(1710, 640), size=(390, 270), title="Who is who", text=DIALOGUE_SPEAKERS_NOTE),
            Note(at=(2120, 640), size=(390, 270), title="What to change", text=CHANGE_NOTE),
            Note(at=(400, 500), size=(350, 220), title="Files", text=files_note(MULTITALK)),
            Note(at=(0, 560), size=(330, 250), title="Voices", text=KOKORO_NOTE),
            Note(at=(0, 840), size=(330, 330), title="Script", text=SCRIPT_NOTE),
        ),
        groups={
            "Picture": ("image",),
            "Voice model": ("voices",),
            "Script": ("dialogue",),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Speech": ("speech",),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video"),
        },
    )


BLUEPRINTS = (loaders(MULTITALK),)
GRAPHS = (
    toy_one_speaker(),
    toy_two_speakers(),
    toy_dialogue(),
    one_speaker("multitalk_one_speaker", MULTITALK),
    two_speakers("multitalk_two_speakers", MULTITALK),
    multitalk_dialogue(),
    one_speaker("infinitetalk_one_speaker", INFINITETALK),
)
