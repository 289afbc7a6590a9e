"""A graph whose frames are made smoother and larger before they become a video."""

from __future__ import annotations

from dataclasses import replace

from .graph_forms import ENTRY, Graph, Node, Subgraph, Use
from .graph_parts import FRAME_MODEL, POSITIVE, UPSCALE_MODEL, Kit, files_note
from .graph_pieces import (
    SAMPLER_PX,
    A,
    C,
    E,
    combine,
    picture,
    prompts,
    real_loaders,
    sampler,
    speech,
    voice,
)
from .graph_real import ENCODER, Plan, one_note
from .graph_words import SMOOTH_CHANGE_NOTE

STEP_PX, LOADER_PX = 480, 400
TIMES = 2
"""Frames for each one, and pixels along each edge."""
VIDEO_Y = 260


def _loaders() -> tuple[Node, ...]:
    return (
        Node(
            key="frame model",
            kind="FrameInterpolationModelLoader",
            at=(0, 0),
            width=LOADER_PX,
            values={"model_name": FRAME_MODEL.name},
            models=(FRAME_MODEL,),
        ),
        Node(
            key="upscale model",
            kind="UpscaleModelLoader",
            at=(0, 140),
            width=LOADER_PX,
            values={"model_name": UPSCALE_MODEL.name},
            models=(UPSCALE_MODEL,),
        ),
    )


def after_frames() -> Subgraph:
    """More frames between those there are, and larger ones."""
    return Subgraph(
        name="Smoother and larger",
        description="Frames in between by a frame interpolation model, then larger frames by an "
        "upscale model. The first and the last frame stay, so sound keeps in step at twice the "
        "frames per second.",
        inputs=("images",),
        nodes=(
            *_loaders(),
            Node(
                key="between",
                kind="FrameInterpolate",
                at=(STEP_PX, 0),
                width=LOADER_PX,
                values={"multiplier": TIMES},
                links={
                    "interp_model": ("frame model", "INTERP_MODEL"),
                    "images": (ENTRY, "images"),
                },
            ),
            Node(
                key="enlarge",
                kind="ImageUpscaleWithModel",
                at=(2 * STEP_PX, 0),
                width=LOADER_PX,
                links={
                    "upscale_model": ("upscale model", "UPSCALE_MODEL"),
                    "image": ("between", "IMAGE"),
                },
            ),
            Node(
                key="size",
                kind="ImageScaleBy",
                at=(3 * STEP_PX, 0),
                width=LOADER_PX,
                title="Four times is made two times",
                values={"upscale_method": "area", "scale_by": TIMES / 4},
                links={"image": ("enlarge", "IMAGE")},
            ),
        ),
        exposed={
            "frame model": ("frame model", "model_name"),
            "multiplier": ("between", "multiplier"),
            "upscale model": ("upscale model", "model_name"),
            "scale_by": ("size", "scale_by"),
        },
        outputs={"images": ("size", "IMAGE")},
    )


def multitalk_smooth(kit: Kit) -> Graph:
    """One person talks, at 50 frames per second and twice the size.

    Args:
        kit: Files for few steps, so that there is no negative prompt.

    Returns:
        The graph.
    """
    plan = Plan(name="multitalk_smooth", kit=kit)
    video = combine()
    return Graph(
        name=plan.name,
        nodes=(
            picture(0),
            real_loaders(kit, 110),
            *prompts(POSITIVE, 225, negative=not kit.one_text),
            voice(1, "Voice", 460),
            speech((C[0], 580), ("voice 1", "AUDIO"), ENCODER),
            sampler(SAMPLER_PX, plan.sampler_links, plan.sampler_values),
            Use(
                key="after",
                subgraph=after_frames(),
                at=(E[0], 0),
                width=E[1],
                links={"images": ("sampler", "images")},
            ),
            replace(
                video,
                at=(E[0], VIDEO_Y),
                values={"fps": 25.0 * TIMES},
                links={**video.links, "images": ("after", "images")},
            ),
        ),
        notes=(
            one_note("What to change", SMOOTH_CHANGE_NOTE, E, VIDEO_Y + 470, 200),
            one_note(
                "Files", files_note(kit, FRAME_MODEL, UPSCALE_MODEL), (A[0], C[0] - 60), 700, 250
            ),
        ),
        groups={
            "Picture and voice": ("image", "voice 1"),
            "Models": ("loaders",),
            "Prompt": plan.prompt_keys,
            "Speech": ("speech",),
            "Video": ("sampler", "after", "video"),
        },
        bends={("video", "images"): ((1686, 60), (1686, 180), (1660, 206), (1370, 206))},
    )
