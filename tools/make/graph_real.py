"""Graphs for the released models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from .graph_forms import Graph, Link, Note, Value
from .graph_parts import (
    FACE_DETECTOR,
    KOKORO,
    MULTITALK,
    POSITIVE,
    TEXT_MODEL,
    TWO_PEOPLE,
    Kit,
    files_note,
)
from .graph_pieces import (
    CUSTOM_PX,
    MASKS,
    REAL_LINKS,
    SAMPLER_PX,
    A,
    B,
    C,
    E,
    combine,
    dialogue,
    end_picture,
    face_detector,
    file_sampler,
    picture,
    prompt_helper,
    prompts,
    real_loaders,
    sampler,
    source_video,
    speakers,
    speech,
    tracks,
    typed_boxes,
    voice,
)
from .graph_words import (
    CHANGE_NOTE,
    DETECTED_CHANGE_NOTE,
    DIALOGUE_CHANGE_NOTE,
    HELPER_CHANGE_NOTE,
    SCRIPT_NOTE,
    SPEAKERS_NOTE,
    TYPED_SPEAKERS_NOTE,
)
from .note_size import note_height

ENCODER: Link = ("loaders", "speech encoder")
END_BENDS = {
    ("sampler", "end_image"): (
        (274, 450),
        (592, 447),
        (606, 490),
        (622, 531),
        (660, 535),
        (940, 535),
    )
}
NOTE_Y = 470
"""Below the player."""
NOTE_GAP_PX = 45
"""Between two notes, for the title of the lower one."""


def one_note(title: str, text: str, column: tuple[int, int], y: int, height: int = 0) -> Note:
    """A note as high as its text, or higher."""
    size = (column[1], max(height, note_height(text, column[1])))
    return Note(at=(column[0], y), size=size, title=title, text=text)


def below(note: Note) -> int:
    """Where the next note of a column begins."""
    return note.at[1] + note.size[1] + NOTE_GAP_PX


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What tells one graph from another."""

    name: str
    """Stem of the files."""
    kit: Kit
    """Model files; with few steps their preset and no negative prompt."""
    settings: Mapping[str, Value] = field(default_factory=dict)
    """Widgets of the sampler."""
    change: str = CHANGE_NOTE
    """The note that says what to change."""
    source: Literal["picture", "video"] = "picture"
    """What begins to talk."""
    to_file: bool = False
    """Whether the sampler writes the mp4 itself."""
    end: bool = False
    """Whether the video ends on a picture."""
    places: Literal["halves", "typed", "detector"] = "halves"
    """How two speakers are told apart."""

    @property
    def sampler_values(self) -> dict[str, Value]:
        """All widgets of the sampler that differ from its defaults."""
        preset = self.kit.preset or ("lightx2v" if self.kit.lora else "")
        return {**({"preset": preset} if preset else {}), **self.settings}

    @property
    def sampler_px(self) -> int:
        """Height of the sampler, which shows more rows with preset custom."""
        return SAMPLER_PX + CUSTOM_PX * (self.settings.get("preset") == "custom")

    @property
    def sampler_links(self) -> dict[str, Link]:
        """What the sampler is linked to, without speech and masks."""
        image: Link = ("image", "IMAGE" if self.source == "picture" else "images")
        links: dict[str, Link] = {**REAL_LINKS, "image": image}
        if self.kit.one_text:
            del links["negative"]
        if not self.kit.sees:
            del links["clip_vision"]
        if self.end:
            links["end_image"] = ("end image", "IMAGE")
        return links

    @property
    def prompt_keys(self) -> tuple[str, ...]:
        """Nodes of the group Prompt."""
        return ("positive",) if self.kit.one_text else ("positive", "negative")


def _subject_groups(plan: Plan) -> dict[str, tuple[str, ...]]:
    """What the video is made of, in its frames."""
    if plan.source == "video":
        return {"Video and new voice": ("file", "voice 1"), "Frames": ("image",)}
    if plan.end:
        return {"Picture": ("image",), "End": ("end image",), "Voice": ("voice 1",)}
    return {"Picture and voice": ("image", "voice 1")}


def one_speaker(plan: Plan) -> Graph:
    """One person talks.

    Args:
        plan: What is special.

    Returns:
        The graph.
    """
    video = plan.source == "video"
    lower = 80 if video else 0  # frames of a video need a node above the loaders
    end = (
        (file_sampler(SAMPLER_PX, plan.sampler_links, plan.sampler_values),)
        if plan.to_file
        else (sampler(plan.sampler_px, plan.sampler_links, plan.sampler_values), combine())
    )
    across = (A[0], B[0] + B[1])
    voice_at = (545, B) if plan.end else (460 + lower, A)
    files_y = 830 if plan.end else 690 + lower
    notes_at = (E[0] + 20, E[1] - 20) if plan.to_file else E
    return Graph(
        name=plan.name,
        nodes=(
            *(source_video() if video else (picture(0),)),
            real_loaders(plan.kit, 110 + lower),
            *prompts(POSITIVE, 264 + lower, negative=not plan.kit.one_text),
            voice(1, "New voice" if video else "Voice", *voice_at),
            speech((C[0], 630 + lower), ("voice 1", "AUDIO"), ENCODER),
            *((end_picture((A[0], 440), A[1]),) if plan.end else ()),
            *end,
        ),
        notes=(
            one_note("What to change", plan.change, notes_at, 0 if plan.to_file else NOTE_Y, 240),
            one_note("Files", files_note(plan.kit), across, files_y, 250),
        ),
        groups={
            **_subject_groups(plan),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Speech": ("speech",),
            "Video": tuple(node.key for node in end),
        },
        bends=END_BENDS if plan.end else {},
    )


def multitalk_prompt_helper(kit: Kit) -> Graph:
    """One person talks; a local text model looks at the picture and writes the prompt.

    Args:
        kit: Files for few steps, so that there is no negative prompt.

    Returns:
        The graph.
    """
    plan = Plan(name="multitalk_prompt_helper", kit=kit)
    return Graph(
        name=plan.name,
        nodes=(
            picture(0),
            real_loaders(plan.kit, 110),
            voice(1, "Voice", 460),
            *prompt_helper(720, 560, 264),
            speech((C[0], 644), ("voice 1", "AUDIO"), ENCODER),
            sampler(SAMPLER_PX, plan.sampler_links, plan.sampler_values),
            combine(),
        ),
        notes=(
            one_note("What to change", HELPER_CHANGE_NOTE, C, 836),
            one_note("Files", files_note(plan.kit, TEXT_MODEL), E, NOTE_Y),
        ),
        groups={
            "Picture and voice": ("image", "voice 1"),
            "Models": ("loaders",),
            "Text model": ("text model",),
            "Prompt helper": ("writer",),
            "Prompt": ("positive", "written"),
            "Speech": ("speech",),
            "Video": ("sampler", "video", "Files"),
        },
        bends={
            ("writer", "image"): ((268, 120), (268, 540)),
            ("speech", "audio"): ((276, 469), (564, 469), (596, 484), (606, 520), (607, 610)),
        },
    )


def two_speakers(plan: Plan) -> Graph:
    """Two people talk in turn.

    Args:
        plan: What is special.

    Returns:
        The graph.
    """
    if plan.places == "detector":
        return _detected_speakers(plan)
    typed = plan.places == "typed"
    words = TYPED_SPEAKERS_NOTE if typed else SPEAKERS_NOTE
    change = one_note("What to change", CHANGE_NOTE, E, NOTE_Y)
    return Graph(
        name=plan.name,
        nodes=(
            picture(460),
            real_loaders(plan.kit, 0),
            *prompts(TWO_PEOPLE, 170, negative=plan.kit.lora is None),
            voice(1, "Voice 1", 0),
            voice(2, "Voice 2", 200),
            tracks(430, ("voice 1", "AUDIO"), ("voice 2", "AUDIO")),
            speakers((C[0], 797), ("image", "IMAGE"), boxes=typed_boxes() if typed else ""),
            speech((C[0], 522), ("tracks", "tracks"), ENCODER),
            sampler(SAMPLER_PX, plan.sampler_links | MASKS, plan.sampler_values),
            combine(),
        ),
        notes=(
            change,
            one_note("Two speakers", words, E, below(change)),
            one_note("Files", files_note(plan.kit), (A[0], B[0] + B[1]), 860),
        ),
        groups={
            "Voices": ("voice 1", "voice 2"),
            "Picture": ("image",),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Who speaks when": ("tracks",),
            "Speech": ("speech",),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video", "Two speakers"),
        },
        bends={
            ("sampler", "image"): ((270, 500), (274, 640), (608, 664), (956, 678), (962, 250)),
            ("speakers", "image"): ((266, 500), (270, 652), (604, 680)),
        },
    )


def _detected_speakers(plan: Plan) -> Graph:
    """Two people, found by the host's face detector."""
    return Graph(
        name=plan.name,
        nodes=(
            picture(604),
            real_loaders(plan.kit, 0),
            *prompts(TWO_PEOPLE, 170, negative=plan.kit.lora is None),
            voice(1, "Voice 1", 0),
            voice(2, "Voice 2", 200),
            tracks(430, ("voice 1", "AUDIO"), ("voice 2", "AUDIO")),
            *face_detector(440, 750),
            speakers((C[0], 645), ("image", "IMAGE"), detections=("detector", "bboxes")),
            speech((C[0], 378), ("tracks", "tracks"), ENCODER),
            sampler(SAMPLER_PX, plan.sampler_links | MASKS, plan.sampler_values),
            combine(),
        ),
        notes=(
            one_note("What to change", DETECTED_CHANGE_NOTE, (A[0], B[0] + B[1]), 985),
            one_note("Files", files_note(plan.kit, FACE_DETECTOR), E, NOTE_Y),
        ),
        groups={
            "Voices": ("voice 1", "voice 2"),
            "Picture": ("image",),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Who speaks when": ("tracks",),
            "Speech": ("speech",),
            "Face model": ("detector model",),
            "Face detector": ("detector",),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video", "Files"),
        },
        bends={
            ("sampler", "image"): ((604, 638), (630, 542), (952, 540), (962, 250)),
            ("speakers", "image"): ((600, 650),),
        },
    )


def multitalk_dialogue() -> Graph:
    """Text becomes a talking video with the released models and Kokoro."""
    plan = Plan(name="multitalk_dialogue", kit=Kit(audio_part=MULTITALK))
    return Graph(
        name=plan.name,
        nodes=(
            picture(306),
            real_loaders(plan.kit, 0),
            *prompts(TWO_PEOPLE, 170, negative=True),
            *dialogue(732, 430, KOKORO),
            speakers((C[0], 797), ("image", "IMAGE")),
            speech((C[0], 536), ("dialogue", "tracks"), ENCODER),
            sampler(SAMPLER_PX, plan.sampler_links | MASKS, {}),
            combine(),
        ),
        notes=(
            one_note("Script", SCRIPT_NOTE, A, 0, 220),
            one_note("What to change", DIALOGUE_CHANGE_NOTE, A, 870),
            one_note("Files", files_note(plan.kit, KOKORO), E, NOTE_Y),
        ),
        groups={
            "Picture": ("image",),
            "Voice model": ("voices",),
            "Script": ("dialogue",),
            "Models": ("loaders",),
            "Prompt": ("positive", "negative"),
            "Speech": ("speech",),
            "Who is who": ("speakers",),
            "Video": ("sampler", "video", "Files"),
        },
        bends={
            ("sampler", "image"): (
                (276, 331),
                (590, 331),
                (606, 400),
                (622, 437),
                (660, 442),
                (940, 442),
            ),
            ("speakers", "image"): ((272, 340), (584, 340), (602, 400), (606, 740)),
        },
    )
