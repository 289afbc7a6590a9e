"""The samplers: a whole talking video in one node, at any length.

What runs them is imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import folder_paths
from comfy_api.latest import InputImpl, io, ui

from ..multitalk.sound.audio import Sound, fit_sound
from .host import PREFIX, graph_metadata, new_video
from .sockets import from_sound
from .values import check_prefix
from .widgets import (
    ADVANCED,
    KEEP_FINISHED,
    KEEP_PROGRESS,
    SETTINGS,
    inputs_of,
    media_inputs,
    model_inputs,
)

if TYPE_CHECKING:
    from .sampling.video_run import VideoRun


def _inputs() -> list[Any]:
    """Inputs of both samplers."""
    widgets = inputs_of((*SETTINGS, *ADVANCED, KEEP_PROGRESS, KEEP_FINISHED))
    return [*model_inputs(), *media_inputs(), *widgets]


def _report_output() -> Any:
    return io.String.Output(
        display_name="report",
        tooltip="What was made: sizes, windows, passes, memory, colours. Connect Preview as Text.",
    )


class MultiTalkSampler(io.ComfyNode):
    """Make the video as frames."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkSampler",
            display_name="MultiTalk Sampler",
            category="MultiTalk/sampling",
            description="Picture and speech to a talking video of exactly the length of the "
            "sound: window by window, any length, one to six speakers. Beyond some minutes use "
            "MultiTalk Sample To Video: its memory does not grow.",
            search_aliases=["lip sync", "talking head", "infinitetalk", "image to video"],
            inputs=_inputs(),
            outputs=[
                io.Image.Output(display_name="images", tooltip="All frames, 25 per second."),
                io.Audio.Output(
                    display_name="audio", tooltip="The sound, exactly as long as the frames."
                ),
                _report_output(),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
        )

    @classmethod
    def check_lazy_status(cls, **inputs: Any) -> list[str]:
        """Check everything that needs no model, then ask for the models."""
        from .sampling.run_setup import check_run

        return check_run(inputs, cls.hidden)

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
        return io.Schema(
            node_id="MultiTalkSampleToVideo",
            display_name="MultiTalk Sample To Video",
            category="MultiTalk/sampling",
            description="As MultiTalk Sampler, but each window goes straight into an mp4 (H.264 "
            "and AAC, with the graph inside): ten minutes need no more memory than ten seconds. "
            "The file plays from the first window on, even if the run is stopped.",
            search_aliases=["long video", "lip sync", "save video", "streaming"],
            inputs=[
                *_inputs(),
                io.String.Input(
                    "filename_prefix",
                    default=PREFIX,
                    optional=True,
                    tooltip="Folder and beginning of the file name, inside the output folder.",
                ),
            ],
            outputs=[
                io.Video.Output(display_name="video", tooltip="The file, for the host's nodes."),
                _report_output(),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            is_output_node=True,
        )

    @classmethod
    def check_lazy_status(cls, filename_prefix: str = PREFIX, **inputs: Any) -> list[str]:
        """Check everything that needs no model, then ask for the models."""
        check_prefix(filename_prefix, folder_paths.get_output_directory())
        from .sampling.run_setup import check_run

        return check_run(inputs, cls.hidden)

    @classmethod
    def execute(cls, filename_prefix: str = PREFIX, **inputs: Any) -> io.NodeOutput:
        """Sample all windows into the file."""
        from .sampling.run_setup import prepare_run

        with prepare_run(inputs, cls.hidden) as run:
            output = io.FolderType.output
            if run.folder is None:
                place = new_video(filename_prefix, output, *run.size_px)
                _write_video(run, place.path, inputs["speech"].sound, cls.hidden)
            else:
                growing = run.folder / "video.mp4"
                growing.unlink(missing_ok=True)  # of the run that was stopped
                _write_video(run, growing, inputs["speech"].sound, cls.hidden)
                place = new_video(filename_prefix, output, *run.size_px)
                shutil.move(growing, place.path)
            run.done()
        video = InputImpl.VideoFromFile(str(place.path))
        return io.NodeOutput(video, run.report.text(), ui=ui.PreviewVideo([place.shown]))


def _write_video(run: VideoRun, path: Path, sound: Sound, hidden: Any) -> None:
    """Make all windows of a run into a file."""
    from ..multitalk.video.mp4 import VideoFile

    height, width = run.size_px
    with VideoFile(
        path,
        height=height,
        width=width,
        sound=sound,
        num_frames=run.plan.num_frames,
        metadata=graph_metadata(hidden),
    ) as file:
        for window in run.windows():
            if len(window.frames):
                file.write(window.frames)
        file.finish()
