"""The samplers: a whole talking video in one node, at any length.

What runs them is imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy_api.v0_0_2 import InputImpl, io

from ..multitalk.sound.audio import Sound, fit_sound
from .directing import directing_inputs
from .host import PREFIX, graph_metadata
from .sounds import from_sound
from .values import check_prefix
from .video_place import GrowingPlayer, VideoPlace
from .widgets import (
    FILENAME_PREFIX,
    SAMPLING,
    end_inputs,
    media_inputs,
    model_inputs,
    noise_inputs,
    schema,
)

if TYPE_CHECKING:
    from torch import Tensor

    from .sampling.video_run import VideoRun


_REPORT = (
    io.String,
    "report",
    "What was made: sizes, windows, passes, memory, colours. Connect Preview as Text.",
)


class MultiTalkSampler(io.ComfyNode):
    """Make the video as frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Sampler",
            "sampling",
            "Picture and speech to a talking video of exactly the length of the "
            "sound: window by window, any length, one to six speakers. Beyond some minutes use "
            "MultiTalk Sample To Video: its memory does not grow.",
            search_aliases=[
                *("talking head", "talking avatar", "lip sync", "lipsync", "dub video"),
                *("infinitetalk", "image to video"),
            ],
            inputs=[
                *model_inputs(),
                *media_inputs(),
                *SAMPLING,
                *noise_inputs(),
                *end_inputs(),
                *directing_inputs(),
            ],
            outputs=[
                (io.Image, "images", "All frames, 25 per second."),
                (io.Audio, "audio", "The sound, exactly as long as the frames."),
                _REPORT,
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Check everything that needs no model, then ask for the models."""
        from .sampling.run_setup import check_run

        return check_run(inputs, cls.hidden, holds_frames=True)

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        """Sample all windows."""
        from .sampling.run_setup import prepare_run
        from .sampling.video_run import sample_video

        with prepare_run(inputs, cls.hidden) as run:
            frames = sample_video(run)
            run.done()
        sound = fit_sound(inputs["speech"].sound, len(frames))
        return io.NodeOutput(frames, from_sound(sound), run.report.text())


class MultiTalkSampleToVideo(io.ComfyNode):
    """Make the video as a file that grows window by window."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Sample To Video",
            "sampling",
            "As MultiTalk Sampler, but each window goes straight into an mp4 (H.264 "
            "and AAC, with the graph inside): ten minutes need no more memory than ten seconds. "
            "The file plays from the first window on, even if the run is stopped.",
            search_aliases=[
                *("talking head", "avatar video", "lip sync", "lipsync", "dub video"),
                *("long video", "save video", "streaming"),
            ],
            inputs=[
                *model_inputs(),
                *media_inputs(),
                *SAMPLING,
                FILENAME_PREFIX,
                *noise_inputs(),
                *end_inputs(),
                *directing_inputs(),
            ],
            outputs=[(io.Video, "video", "The file, for the host's nodes."), _REPORT],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            is_output_node=True,
        )

    @classmethod
    def check_lazy_status(cls, filename_prefix: str = PREFIX, **inputs: Any) -> list[str]:
        """Check everything that needs no model, then ask for the models."""
        check_prefix(filename_prefix, folder_paths.get_output_directory())
        from .sampling.run_setup import check_run

        return check_run(inputs, cls.hidden, holds_frames=False)

    @classmethod
    def execute(cls, filename_prefix: str = PREFIX, **inputs: Any) -> io.NodeOutput:
        """Sample all windows into the file."""
        from .sampling.run_setup import prepare_run

        sound, hidden = inputs["speech"].sound, cls.hidden
        with prepare_run(inputs, hidden, to_file=True) as run:
            place = VideoPlace(filename_prefix, io.FolderType.output, run.size_px)
            if run.folder is None:
                path = _write_video(run, place, None, sound, hidden)
            else:
                growing = run.folder / "video.mp4"
                growing.unlink(missing_ok=True)  # of the run that was stopped
                path = place.take(_write_video(run, place, growing, sound, hidden))
            run.done()
        video = InputImpl.VideoFromFile(str(path))
        return io.NodeOutput(video, run.report.text(), ui=place.shown)


def _write_video(
    run: VideoRun, place: VideoPlace, path: Path | None, sound: Sound, hidden: Any
) -> Path:
    """Make all windows into a file, at a path or under its final name, and tell where it is."""
    num_frames, metadata = run.plan.num_frames, graph_metadata(hidden)
    with place.open(path, sound=sound, num_frames=num_frames, metadata=metadata) as file:
        player = GrowingPlayer(file.path, later=run.num_there)

        def grow(frames: Tensor) -> None:
            file.write(frames)
            player.show(file.frames_written)

        try:
            for window in run.windows():
                if len(window.frames):
                    run.writer.add(partial(grow, window.frames))
            file.finish()
        except BaseException:  # stopped: what there is, is seen
            player.show(file.frames_written, last=True)
            raise
    return file.path
