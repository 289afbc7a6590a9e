"""The samplers: a whole talking video in one node, at any length."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..multitalk.audio import fit_sound
from .run_setup import check_run, prepare_run
from .sampler_inputs import advanced_inputs, keep_inputs, media_inputs, model_inputs, setting_inputs
from .sockets import from_sound
from .video_run import sample_video


def _inputs() -> list[Any]:
    """Inputs of both samplers."""
    return [
        *model_inputs(),
        *media_inputs(),
        *setting_inputs(),
        *advanced_inputs(),
        *keep_inputs(),
    ]


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
        return check_run(inputs, cls.hidden)

    @classmethod
    def execute(cls, **inputs: Any) -> io.NodeOutput:
        """Sample all windows."""
        with prepare_run(inputs, cls.hidden) as run:
            frames = sample_video(run)
            run.done()
        sound = fit_sound(inputs["speech"].sound, len(frames))
        return io.NodeOutput(frames, from_sound(sound), run.report.text())
