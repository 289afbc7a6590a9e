"""Graphs for the released models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .graph_forms import Graph, Link, Node, Note, Value
from .graph_parts import (
    CHANGE_NOTE,
    DIALOGUE_SPEAKERS_NOTE,
    FACE_DETECTOR,
    KOKORO,
    KOKORO_NOTE,
    MULTITALK,
    POSITIVE,
    SCRIPT_NOTE,
    SPEAKERS_NOTE,
    TWO_PEOPLE,
    Kit,
    files_note,
)
from .graph_pieces import (
    MASKS,
    REAL_LINKS,
    combine,
    dialogue,
    face_detector,
    file_sampler,
    real_start,
    sampler,
    source_video,
    speakers,
    speech,
    tracks,
    typed_boxes,
    voice,
)
from .graph_words import DETECTED_SPEAKERS_NOTE, FAST_CHANGE_NOTE, TYPED_SPEAKERS_NOTE

NOTE_PX, NOTES_Y = 390, 730
SAMPLER_PX = 640


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What tells one graph from another."""

    name: str
    """Stem of the files."""
    kit: Kit
    """Model files; with a LoRA the preset lightx2v and no negative prompt."""
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Widgets of the sampler."""
    change: str = CHANGE_NOTE
    """The note that says what to change."""
    source: Literal["picture", "video"] = "picture"
    """What begins to talk."""
    to_file: bool = False
    """Whether the sampler writes the mp4 itself."""
    places: Literal["halves", "typed", "detector"] = "halves"
    """How two speakers are told apart."""

    @property
    def sampler_values(self) -> dict[str, Value]:
        """All widgets of the sampler that differ from its defaults."""
        preset: dict[str, Value] = {} if self.kit.lora is None else {"preset": "lightx2v"}
        return {**preset, **self.settings}

    @property
    def sampler_links(self) -> dict[str, Link]:
        """What the sampler is linked to, without speech and masks."""
        image: Link = ("image", "IMAGE" if self.source == "picture" else "images")
        links: dict[str, Link] = {**REAL_LINKS, "image": image}
        if self.kit.lora is not None:
            del links["negative"]
        return links

    @property
    def prompt_keys(self) -> tuple[str, ...]:
        """Nodes of the group Prompt."""
        return ("positive", "negative") if self.kit.lora is None else ("positive",)


def one_speaker(plan: Plan) -> Graph:
    """One person talks.

    Args:
        plan: What is special.

    Returns:
        The graph.
    """
    video = plan.source == "video"
    links, values = plan.sampler_links, plan.sampler_values
    end: tuple[Node, ...]
    if plan.to_file:
        end, note_y = (file_sampler((1310, 0), 960, links, values),), 0
        columns = (1790, 1790)
    else:
        end = (sampler((1310, 0), SAMPLER_PX, links, values), combine((1710, 0)))
        note_y, columns = NOTES_Y, (1310, 1720)
    below = note_y if columns[0] != columns[1] else 340
    return Graph(
        name=plan.name,
        nodes=(
            *real_start(plan.kit, POSITIVE, source_video() if video else None),
            voice(1, "New voice" if video else "Voice", (0, 520 if video else 414)),
            speech(
                (830, 780 if plan.kit.lora is None else 560),
                ("voice 1", "AUDIO"),
                ("loaders", "speech encoder"),
            ),
            *end,
        ),
        notes=(
            Note(
                at=(columns[0], note_y),
                size=(NOTE_PX, 240),
                title="What to change",
                text=plan.change,
            ),
            Note(
                at=(columns[1], below),
                size=(NOTE_PX, 240),
                title="Files",
                text=files_note(plan.kit),
            ),
        ),
        groups={
            "Video and new voice" if video else "Picture and voice": (
                ("file", "image", "voice 1") if video else ("image", "voice 1")
            ),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Speech": ("speech",),
            "Video": tuple(node.key for node in end),
        },
    )


def two_speakers(plan: Plan) -> Graph:
    """Two people talk in turn.

    Args:
        plan: What is special.

    Returns:
        The graph.
    """
    detected = plan.places == "detector"
    note = {
        "halves": SPEAKERS_NOTE,
        "typed": TYPED_SPEAKERS_NOTE,
        "detector": DETECTED_SPEAKERS_NOTE,
    }[plan.places]
    speech_y = 970 if detected else 840
    detector = face_detector((830, 560), (830, 680)) if detected else ()
    return Graph(
        name=plan.name,
        nodes=(
            *real_start(plan.kit, TWO_PEOPLE),
            voice(1, "Voice 1", (0, 414)),
            voice(2, "Voice 2", (0, 610)),
            tracks((400, speech_y), ("voice 1", "AUDIO"), ("voice 2", "AUDIO")),
            *detector,
            speakers(
                (1310, speech_y + 60),
                ("image", "IMAGE"),
                boxes=typed_boxes() if plan.places == "typed" else "",
                detections=("detector", "bboxes") if detected else None,
            ),
            speech((830, speech_y), ("tracks", "tracks"), ("loaders", "speech encoder")),
            sampler((1710, 0), SAMPLER_PX, plan.sampler_links | MASKS, plan.sampler_values),
            combine((2110, 0)),
        ),
        notes=(
            Note(at=(1710, NOTES_Y), size=(NOTE_PX, 240), title="Two speakers", text=note),
            Note(
                at=(2120, NOTES_Y),
                size=(NOTE_PX, 240),
                title="What to change",
                text=CHANGE_NOTE if plan.kit.lora is None else FAST_CHANGE_NOTE,
            ),
            Note(
                at=(400, 500),
                size=(350, 250),
                title="Files",
                text=files_note(plan.kit, *((FACE_DETECTOR,) if detected else ())),
            ),
        ),
        groups={
            "Picture and voices": ("image", "voice 1", "voice 2"),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Speech": ("tracks", "speech"),
            **({"Face detector": ("detector model", "detector")} if detected else {}),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video"),
        },
    )


def multitalk_dialogue() -> Graph:
    """Text becomes a talking video with the released models and Kokoro."""
    plan = Plan(name="multitalk_dialogue", kit=Kit(audio_part=MULTITALK))
    return Graph(
        name=plan.name,
        nodes=(
            *real_start(plan.kit, TWO_PEOPLE),
            *dialogue((0, 414), (400, 840), KOKORO),
            speakers((1310, 900), ("image", "IMAGE")),
            speech((830, 840), ("dialogue", "tracks"), ("loaders", "speech encoder")),
            sampler((1710, 0), SAMPLER_PX, plan.sampler_links | MASKS, {}),
            combine((2110, 0)),
        ),
        notes=(
            Note(
                at=(1710, NOTES_Y),
                size=(NOTE_PX, 240),
                title="Who is who",
                text=DIALOGUE_SPEAKERS_NOTE,
            ),
            Note(at=(2120, NOTES_Y), size=(NOTE_PX, 240), title="What to change", text=CHANGE_NOTE),
            Note(at=(400, 500), size=(350, 220), title="Files", text=files_note(plan.kit)),
            Note(at=(0, 560), size=(330, 220), title="Voices", text=KOKORO_NOTE),
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
