"""Graphs whose frames are made smoother and larger before they become a video."""

from __future__ import annotations

from dataclasses import replace

from .graph_forms import ENTRY, Graph, Link, Node, Note, Subgraph, Use
from .graph_parts import FRAME_MODEL, POSITIVE, UPSCALE_MODEL, Kit, files_note
from .graph_pieces import (
    SAMPLER_PX,
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
    speech,
    toy_loaders,
    voice,
)
from .graph_real import ENCODER, Plan, one_note
from .graph_toy import ENCODER as TOY_ENCODER
from .graph_toy import example
from .graph_words import SMOOTH_CHANGE_NOTE

STEP_PX, LOADER_PX = 480, 400
TIMES = 2
"""Frames for each one, and pixels along each edge."""
VIDEO_Y = 260
TOY_VIDEO_Y = 190
TOY_FRAME_MODEL = "multitalk_toy_frames.safetensors"
TOY_NOTE = """\
Nothing to download: press **Run**.

*Smoother and larger* puts a frame between every two, so the head moves at \
**50 frames per second**, and makes each twice as wide and high. The sound stays in step: \
*multiplier* 2 belongs to *fps* 50.

The toy's frame model mixes both neighbors. Trained ones, RIFE or FILM, know how things move: \
the graph `multitalk_smooth` downloads one.

The mp4 is saved in `output/video`.
"""


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


def _between() -> Node:
    return Node(
        key="between",
        kind="FrameInterpolate",
        at=(STEP_PX, 0),
        width=LOADER_PX,
        values={"multiplier": TIMES},
        links={
            "interp_model": ("frame model", "INTERP_MODEL"),
            "images": (ENTRY, "images"),
        },
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
            _between(),
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


def toy_after_frames() -> Subgraph:
    """The same with the toy's frame model, and larger frames without a model."""
    return Subgraph(
        name="Smoother and larger",
        description="A frame between every two, then larger frames. The first and the last frame "
        "stay, so sound keeps in step at twice the frames per second.",
        inputs=("images",),
        nodes=(
            Node(
                key="frame model",
                kind="FrameInterpolationModelLoader",
                at=(0, 0),
                width=LOADER_PX,
                values={"model_name": TOY_FRAME_MODEL},
            ),
            _between(),
            Node(
                key="size",
                kind="ImageScaleBy",
                at=(2 * STEP_PX, 0),
                width=LOADER_PX,
                values={"upscale_method": "lanczos", "scale_by": TIMES},
                links={"image": ("between", "IMAGE")},
            ),
        ),
        exposed={"multiplier": ("between", "multiplier"), "scale_by": ("size", "scale_by")},
        outputs={"images": ("size", "IMAGE")},
    )


def _after(subgraph: Subgraph, y: int) -> tuple[Node | Use, ...]:
    """The last column: frames from the sampler to a video of more and larger ones."""
    images: dict[str, Link] = {"images": ("sampler", "images")}
    video = combine()
    return (
        Use(key="after", subgraph=subgraph, at=(E[0], 0), width=E[1], links=images),
        replace(
            video,
            at=(E[0], y),
            values={"fps": 25.0 * TIMES},
            links={**video.links, "images": ("after", "images")},
        ),
    )


def toy_smooth() -> Graph:
    """A head talks, at 50 frames per second and twice the size."""
    return Graph(
        name="toy_smooth",
        nodes=(
            example("one_speaker", A),
            *toy_loaders((C[0], 262), (C[0], 587), (A[0], 575)),
            speech((B[0], 130), ("example", "audio 1"), TOY_ENCODER),
            sampler(TOY_SAMPLER_PX, TOY_LINKS, TOY_SETTINGS),
            *_after(toy_after_frames(), TOY_VIDEO_Y),
        ),
        notes=(Note(at=(B[0], 340), size=(B[1], 240), title="What you see", text=TOY_NOTE),),
        groups={
            "Picture and voice": ("example",),
            "Speech encoder": ("encoder",),
            "Models": ("model", "vae"),
            "Speech": ("speech",),
            "Video": ("sampler", "after", "video"),
        },
        bends={("video", "images"): ((1690, 40), (1690, 130), (1660, 139), (1370, 140))},
    )


def multitalk_smooth(kit: Kit) -> Graph:
    """One person talks, at 50 frames per second and twice the size.

    Args:
        kit: Files for few steps, so that there is no negative prompt.

    Returns:
        The graph.
    """
    plan = Plan(name="multitalk_smooth", kit=kit)
    return Graph(
        name=plan.name,
        nodes=(
            picture(0),
            real_loaders(kit, 110),
            *prompts(POSITIVE, 264, negative=not kit.one_text),
            voice(1, "Voice", 460),
            speech((C[0], 580), ("voice 1", "AUDIO"), ENCODER),
            sampler(SAMPLER_PX, plan.sampler_links, plan.sampler_values),
            *_after(after_frames(), VIDEO_Y),
        ),
        notes=(
            one_note("What to change", SMOOTH_CHANGE_NOTE, C, 772),
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
