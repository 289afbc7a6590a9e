"""Graphs that run anywhere, with the toy that comes with the pack."""

from __future__ import annotations

from .graph_forms import Graph, Node, Note
from .graph_parts import SCRIPT_NOTE, TOY_NOTE
from .graph_pieces import (
    MASKS,
    TOY_LINKS,
    TOY_SETTINGS,
    combine,
    dialogue,
    file_sampler,
    sampler,
    speakers,
    speech,
    toy_loaders,
    tracks,
    typed_boxes,
)
from .graph_words import TOY_DETECTED_SPEAKERS_NOTE, TOY_LONG_NOTE, TOY_TYPED_SPEAKERS_NOTE

IMAGE = ("example", "image")


def _example(scene: str) -> Node:
    return Node(key="example", kind="MultiTalkExample", at=(0, 0), values={"scene": scene})


def toy_one_speaker() -> Graph:
    """The graph that runs anywhere."""
    return Graph(
        name="toy_one_speaker",
        nodes=(
            _example("one_speaker"),
            *toy_loaders((0, 344), (0, 230), (0, 554)),
            speech((400, 450), ("example", "audio 1"), ("encoder", "speech encoder")),
            sampler((800, 0), 800, TOY_LINKS, TOY_SETTINGS),
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


def toy_long_video() -> Graph:
    """A video that grows window by window, and survives a stop."""
    return Graph(
        name="toy_long_video",
        nodes=(
            _example("one_speaker"),
            *toy_loaders((0, 344), (0, 230), (0, 554)),
            speech((400, 450), ("example", "audio 1"), ("encoder", "speech encoder")),
            file_sampler((800, 0), 1090, TOY_LINKS, TOY_SETTINGS),
        ),
        notes=(Note(at=(1260, 0), size=(400, 230), title="What you see", text=TOY_LONG_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Models": ("model", "vae", "encoder"),
            "Speech": ("speech",),
            "Video": ("sampler",),
        },
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
            _example("two_speakers"),
            tracks((400, 150), ("example", "audio 1"), ("example", "audio 2")),
            speakers(
                (400, 530),
                IMAGE,
                boxes=boxes,
                detections=None if typed else ("example", "boxes"),
            ),
            *toy_loaders((800, 600), (800, 810), (400, 326)),
            speech((800, 160), ("tracks", "tracks"), ("encoder", "speech encoder")),
            sampler((1200, 0), 800, TOY_LINKS | MASKS, TOY_SETTINGS),
            combine((1600, 0)),
        ),
        notes=(
            Note(at=(0, 240), size=(320, 270), title="Two speakers", text=note),
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


def toy_dialogue() -> Graph:
    """Text becomes a talking video, with nothing downloaded."""
    return Graph(
        name="toy_dialogue",
        nodes=(
            _example("two_speakers"),
            *dialogue((0, 240), (400, 0), None),
            speakers((400, 680), IMAGE, detections=("example", "boxes")),
            *toy_loaders((800, 440), (800, 750), (800, 0)),
            speech((800, 160), ("dialogue", "tracks"), ("encoder", "speech encoder")),
            sampler((1200, 0), 800, TOY_LINKS | MASKS, TOY_SETTINGS),
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
