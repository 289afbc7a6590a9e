"""Frames and sound to a video file."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import folder_paths
from comfy_api.latest import InputImpl, Types, io
from torch import Tensor

from ..multitalk.config import FRAME_RATE
from .host import PREFIX, graph_metadata, new_video
from .values import check_inputs, check_names, check_prefix
from .widgets import FILENAME_PREFIX, Widget, schema


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
            search_aliases=["save video", "mp4", "mux"],
            inputs=[
                io.Image.Input("images", tooltip="Frames of the video."),
                io.Audio.Input(
                    "audio", optional=True, tooltip="The sound. Not connected: a silent video."
                ),
                Widget(
                    "fps",
                    "Frames per second. Lips fit the sound at 25 only.",
                    default=float(FRAME_RATE),
                    limits=(1.0, 120.0, 1.0),
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
        check_inputs({"images": images, "audio": audio, "fps": fps}, "images")
        height, width = images.shape[1:3]
        if height % 2 or width % 2:
            raise ValueError(
                f"The frames are {width} x {height}; H.264 needs even sides. "
                "Crop them by one pixel."
            )
        components = Types.VideoComponents(
            images=images, audio=audio, frame_rate=Fraction(round(fps * 1000), 1000)
        )
        video = InputImpl.VideoFromComponents(components)
        folder = io.FolderType.output if save_output else io.FolderType.temp
        check_prefix(filename_prefix, folder_paths.get_directory_by_type(folder.value) or "")
        path, shown = new_video(filename_prefix, folder, height, width)
        video.save_to(
            str(path),
            format=Types.VideoContainer.MP4,
            codec=Types.VideoCodec.H264,
            metadata=graph_metadata(cls.hidden),
        )
        return io.NodeOutput(video, ui=shown)
