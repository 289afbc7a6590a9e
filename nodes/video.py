"""Frames and sound to a video file."""

from __future__ import annotations

import logging
from contextlib import suppress
from fractions import Fraction
from typing import Any
from uuid import uuid4

import comfy.model_management
import folder_paths
from comfy_api.v0_0_2 import InputImpl, Types, io
from torch import Tensor

from ..multitalk.config import FRAME_RATE
from ..multitalk.disk import refusal
from ..multitalk.frames import to_bytes
from ..multitalk.sound.audio import Sound, within_range
from ..multitalk.video.encoded_sound import as_encoded, cut_sound
from .host import PREFIX, graph_metadata
from .pictures import read_pictures
from .progress import Waiting, send_text
from .sounds import from_sound, read_sound
from .values import check_inputs, check_names, check_prefix, shown
from .video_place import VideoPlace
from .widgets import FILENAME_PREFIX, Widget, schema

logger = logging.getLogger("multitalk.nodes")
FPS_LIMITS = (1.0, 120.0)
FRAMES_AT_ONCE = 250  # x264's own distance of key frames


class MultiTalkVideoCombine(io.ComfyNode):
    """Join frames and sound."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Video Combine",
            "video",
            "Frames and sound to an mp4 (H.264 and AAC) with the graph inside: drop "
            "the file on the canvas to get the graph back.",
            search_aliases=["save video", "talking video", "mp4", "mux"],
            inputs=[
                io.Image.Input("images", tooltip="Frames of the video."),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound. Not connected: a silent video."
                ),
                Widget(
                    "fps",
                    "Frames per second. Lips fit the sound at 25 only.",
                    default=float(FRAME_RATE),
                    limits=(*FPS_LIMITS, 1.0),
                    optional=True,
                ),
                FILENAME_PREFIX,
                Widget(
                    "save_output",
                    "Off: a preview in the temp folder, gone with the next start.",
                    default=True,
                    optional=True,
                ),
            ],
            outputs=[(io.Video, "video", "For the host's video nodes.")],
            hidden=[io.Hidden.unique_id],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, filename_prefix: object = None) -> bool | str:
        """Refuse an impossible file name before anything is sampled."""
        if isinstance(filename_prefix, str):  # else it comes over a link, and is checked later
            try:
                check_prefix(filename_prefix, folder_paths.get_output_directory())
            except ValueError as error:
                return str(error)
        return True

    @classmethod
    def execute(
        cls,
        images: Tensor,
        audio: dict[str, Any] | None = None,
        fps: float = float(FRAME_RATE),
        filename_prefix: str = PREFIX,
        save_output: bool = True,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Save the file and show it."""
        check_names(unknown)
        check_inputs({"images": images, "fps": fps}, "images")
        frames, rate = read_pictures(images, "images"), _read_rate(fps)
        folder = io.FolderType.output if save_output else io.FolderType.temp
        check_prefix(filename_prefix, folder_paths.get_directory_by_type(folder.value) or "")
        sound = None if audio is None else _read_sound(audio, len(frames) / rate, cls.hidden)
        place = VideoPlace(filename_prefix, folder, (frames.shape[1], frames.shape[2]))
        with Waiting("saving the video", f"saved {len(frames)} frames") as waiting:
            _save(frames, sound, place, rate, graph_metadata(cls.hidden), waiting)
        heard: Any = None if sound is None else from_sound(sound)
        components = Types.VideoComponents(images=frames, audio=heard, frame_rate=rate)
        return io.NodeOutput(InputImpl.VideoFromComponents(components), ui=place.shown)


def _read_rate(fps: float) -> Fraction:
    """Frames per second, exact to a thousandth.

    Raises:
        ValueError: If no video has so many.
    """
    low, high = FPS_LIMITS
    if isinstance(fps, bool) or not isinstance(fps, int | float) or not low <= fps <= high:
        raise ValueError(f"fps is {shown(fps)}; use a number from {low:g} to {high:g}, such as 25.")
    return Fraction(round(fps * 1000), 1000)


def _read_sound(audio: Any, length_s: Fraction, hidden: Any) -> Sound:
    """The sound as AAC takes it, up to the end of the frames; what was done to it is told."""
    sound, notes = within_range(read_sound(audio, "audio"))
    for note in notes:
        logger.info("[MultiTalk] %s", note)
        send_text(note, hidden.unique_id)
    return as_encoded(cut_sound(sound, length_s))


def _save(
    frames: Tensor,
    sound: Sound | None,
    place: VideoPlace,
    rate: Fraction,
    metadata: dict[str, Any] | None,
    waiting: Waiting,
) -> None:
    """Write the whole file beside its place, then give it its name; nothing is left if not."""
    growing = place.next_name().with_name(f".{uuid4().hex}.part")
    try:
        with place.open(
            growing, sound=sound, metadata=metadata, frame_rate=rate, num_frames=len(frames)
        ) as file:
            for part in frames.split(FRAMES_AT_ONCE):
                comfy.model_management.throw_exception_if_processing_interrupted()
                waiting.say(f"saving frame {file.frames_written + 1} of {len(frames)}")
                file.write(to_bytes(part))
            file.finish()
        place.take(growing)
    except OSError as error:
        reason = error.__cause__  # of the sentence that the file or its place made of it
        cause, remedy, _ = refusal(reason if isinstance(reason, Exception) else error)
        raise OSError(
            f"The video could not be saved in {growing.parent}: {cause}. No file is left there. "
            f"{remedy} and run again."
        ) from error
    finally:
        with suppress(OSError):
            growing.unlink(missing_ok=True)
