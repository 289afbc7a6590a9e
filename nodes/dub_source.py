"""A video to be dubbed: its frames by time stamps, and the new voice as long as it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.v0_0_2 import InputImpl, io
from torch import Tensor

from ..multitalk.config import FRAME_RATE
from ..multitalk.dubbing.times import LONGER, SHORTER
from ..multitalk.sound.audio import Sound, place_tracks
from ..multitalk.sound.audio import Tracks as SpeakerTracks
from ..multitalk.words import count
from .continuation import cut_of
from .host import GIB, free_memory
from .pictures import read_pictures
from .sockets import Tracks
from .sounds import from_sound, read_sound
from .values import check_inputs, check_names, shown
from .widgets import Widget, schema

if TYPE_CHECKING:
    from ..multitalk.dubbing.source import SourceFrames
    from ..multitalk.dubbing.times import DubPlan

logger = logging.getLogger("multitalk.nodes")

_LEVEL = Widget(
    "level",
    "How loud the source's sound is under the voice, in decibels: 0 as it is, -20 a tenth.",
    default=-18.0,
    limits=(-60.0, 6.0, 1.0),
)
SHORTER_SOURCE = Widget(
    "shorter_source",
    "A source that is over before the voice. hold: its last frame stands. loop: it begins again. "
    "stop: the voice is cut there.",
    default=SHORTER[0],
    choices=SHORTER,
)
LONGER_SOURCE = Widget(
    "longer_source",
    "A source that goes on after the voice. cut: it ends with the voice. keep, silent: mouths stay "
    "shut. keep as it is: nothing is sampled there, for MultiTalk Mouth Only.",
    default=LONGER[0],
    choices=LONGER,
)
SOURCE_SOUND = Widget(
    "source_sound",
    "What is heard of the source. under the voice: its sound, quieter, with what is said there.",
    default="off",
    parts={"off": (), "under the voice": (_LEVEL,)},
)
LONGEST_SIDE = Widget(
    "longest_side",
    "Pixels that the longer side is brought down to, which saves memory. 0: as it is.",
    default=0,
    limits=(0, 8192),
    optional=True,
    advanced=True,
)


class MultiTalkDubSource(io.ComfyNode):
    """Frames of a video at 25 per second, and the new voice."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Dub Source",
            "video",
            "A video to be dubbed, of any frame rate and length: its frames at 25 per second by "
            "their time stamps, and the new voice brought to its length.",
            search_aliases=["dub video", "dubbing", "lip sync", "video to video", "frame rate"],
            inputs=[
                io.Video.Input("video", tooltip="The video, from the host's Load Video."),
                io.MultiType.Input(
                    "voice",
                    types=[io.Audio, Tracks],
                    optional=True,
                    tooltip="The new voice (AUDIO), or several on a time line (tracks). Free: the "
                    "sound of the video itself.",
                ),
                SHORTER_SOURCE,
                LONGER_SOURCE,
                SOURCE_SOUND,
                LONGEST_SIDE,
            ],
            outputs=[
                (io.Image, "images", "The frames, 25 per second, for MultiTalk Sampler."),
                (Tracks, "tracks", "The voice, for MultiTalk Speech Embedding."),
                (io.Audio, "sound", "What is heard, exactly as long as the frames."),
                (io.String, "report", "Rates, lengths, what was done. Connect Preview as Text."),
            ],
        )

    @classmethod
    def execute(
        cls,
        video: Any,
        voice: Any = None,
        shorter_source: str = SHORTER[0],
        longer_source: str = LONGER[0],
        source_sound: Mapping[str, Any] | None = None,
        longest_side: int = 0,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Read frames and sound, and bring both to one length."""
        from ..multitalk.dubbing.times import describe_rate, plan_dub
        from ..multitalk.dubbing.voices import dub_tracks

        check_names(unknown)
        chosen = {"source_sound": source_sound, "longest_side": longest_side}
        check_inputs({"video": video, **chosen}, "video")
        shorter = SHORTER_SOURCE.read({"shorter_source": shorter_source})
        longer = LONGER_SOURCE.read({"longer_source": longer_source})
        level = SOURCE_SOUND.read(chosen).get("level")
        given = None if voice is None else _read_voice(voice)
        spoken = None if given is None else given.num_frames
        frames, own = _read_source(
            video,
            limit=spoken if longer == "cut" else None,
            loops=shorter == "loop" and spoken is not None,
            longest_side=LONGEST_SIDE.read(chosen),
            heard=level is not None or given is None,
        )
        plan = plan_dub(frames.times.num_frames, spoken, shorter=shorter, longer=longer)
        if given is None:
            given, level = _own_voice(own), None
        tracks = dub_tracks(given, own, plan, frames.times, level)
        images = _lay_out(frames, plan)
        report = _describe(frames, plan, spoken, describe_rate(frames.times), level, own)
        logger.info("[MultiTalk] dub source: %s", report.replace("\n", "; "))
        return io.NodeOutput(images, tracks, from_sound(tracks.mix), report)


def _read_voice(voice: Any) -> SpeakerTracks:
    if isinstance(voice, SpeakerTracks):
        return voice
    if not isinstance(voice, Mapping):
        raise ValueError(
            f"voice is {shown(voice)}; it takes a sound or tracks. Connect for example Load Audio, "
            "MultiTalk Tracks or MultiTalk Dialogue."
        )
    return place_tracks([read_sound(voice, "voice")], [Fraction(0)])


def _own_voice(own: Sound | None) -> SpeakerTracks:
    """The source's own sound as the voice."""
    if own is None:
        raise ValueError(
            "voice is not connected, and the video has no sound of its own. Connect a voice, for "
            "example from Load Audio."
        )
    return place_tracks([own], [Fraction(0)])


def _read_source(
    video: Any, *, limit: int | None, loops: bool, longest_side: int, heard: bool
) -> tuple[SourceFrames, Sound | None]:
    """Frames and sound of a VIDEO; one of the host's files is never held whole."""
    from ..multitalk.dubbing import source

    if isinstance(video, InputImpl.VideoFromFile):
        file, cut = video.get_stream_source(), cut_of(video)
        frames = source.read_frames(
            file, cut, limit=limit, loops=loops, longest_side=longest_side, check=_check_memory
        )
        sound = source.read_sound(file, cut, frames.zero_s, frames.times.end) if heard else None
        return frames, sound
    parts = video.get_components()
    images = read_pictures(parts.images, "video")
    sound = None if parts.audio is None or not heard else read_sound(parts.audio, "video")
    rate = Fraction(parts.frame_rate)
    return source.frames_in_memory(images, rate, longest_side=longest_side), sound


def _check_memory(height: int, width: int, held: int) -> None:
    """Refuse frames that do not fit: now as bytes, then as numbers of the host."""
    needed = held * height * width * 3 * 4
    if held % FRAME_RATE == 0 and needed > free_memory():
        raise ValueError(
            f"video: {count(held, 'frame')} of {width} x {height} pixels already need "
            f"{needed / GIB:.1f} GiB of memory, more than is free. Set longest_side to "
            f"{max(width, height) // 2}, or cut the video with the host's Video Slice."
        )


def _lay_out(frames: SourceFrames, plan: DubPlan) -> Tensor:
    """All frames of the dubbed video, [F, H, W, 3] float32 in 0..1."""
    first = next(iter(frames.kept.values()))
    height, width = first.shape[:2]
    needed = plan.num_frames * height * width * 3 * 4
    if needed > free_memory():
        raise ValueError(
            f"video: {count(plan.num_frames, 'frame')} of {width} x {height} pixels need "
            f"{needed / GIB:.1f} GiB of memory, and {free_memory() / GIB:.1f} GiB are free. Set "
            f"longest_side to {max(width, height) // 2}, or cut the video with the host's Video "
            "Slice."
        )
    images = torch.empty(plan.num_frames, height, width, 3)
    for number in range(plan.num_frames):
        picture = frames.kept[plan.frame(number, frames.times)]
        images[number] = picture
        if picture.dtype == torch.uint8:
            images[number].div_(255)
    return images


def _describe(
    frames: SourceFrames,
    plan: DubPlan,
    spoken: int | None,
    rate: str,
    level: float | None,
    own: Sound | None,
) -> str:
    """What was done, for people."""

    def seconds(number: int) -> str:
        return f"{number / FRAME_RATE:.2f} s"

    lines = [
        f"source: {rate}, {float(frames.times.end):.2f} s read; "
        f"{count(plan.num_frames, 'frame')} of 25 per second, {seconds(plan.num_frames)}"
    ]
    if spoken is not None and plan.num_source < spoken:
        what = "begins again" if plan.loops else "its last frame stands"
        if plan.num_frames < spoken:
            what = f"the voice is cut there, {seconds(spoken)} long"
        lines.append(f"the source is over after {seconds(plan.num_source)}: {what}")
    elif spoken is not None and plan.num_frames > spoken:
        what = "with silence" if plan.num_spoken > spoken else "as it is, without new frames"
        lines.append(f"the voice is over after {seconds(spoken)}: the source goes on {what}")
    if level is not None:
        lines.append(
            "the source has no sound"
            if own is None
            else f"the source's sound lies under the voice, at {level:g} dB"
        )
    return "\n".join(lines)
