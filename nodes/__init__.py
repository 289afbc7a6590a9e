"""The extension: which nodes there are, and where their files lie."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io


class MultiTalkExtension(ComfyExtension):
    """What the host asks for when it loads the pack."""

    async def on_load(self) -> None:
        """Make the toy's files known to the host's loaders."""
        from .host import register_folders

        register_folders()

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes, in the order of a graph."""
        from .audio import MultiTalkLoudness, MultiTalkTracks
        from .example import MultiTalkExample
        from .file_report import MultiTalkFileReport
        from .guider import MultiTalkGuider
        from .loaders import (
            MultiTalkAddLoras,
            MultiTalkAttach,
            MultiTalkLoadModel,
            MultiTalkReadFiles,
        )
        from .sampler import MultiTalkSampler, MultiTalkSampleToVideo
        from .speakers import MultiTalkSpeakers
        from .speech_embedding import MultiTalkLoadSpeechEncoder, MultiTalkSpeechEmbedding
        from .text_to_speech import MultiTalkDialogue, MultiTalkLoadKokoro, MultiTalkSpeak
        from .video import MultiTalkVideoCombine

        return [
            MultiTalkExample,
            MultiTalkLoudness,
            MultiTalkTracks,
            MultiTalkLoadKokoro,
            MultiTalkSpeak,
            MultiTalkDialogue,
            MultiTalkLoadSpeechEncoder,
            MultiTalkSpeechEmbedding,
            MultiTalkSpeakers,
            MultiTalkLoadModel,
            MultiTalkAttach,
            MultiTalkFileReport,
            MultiTalkReadFiles,
            MultiTalkAddLoras,
            MultiTalkGuider,
            MultiTalkSampler,
            MultiTalkSampleToVideo,
            MultiTalkVideoCombine,
        ]


async def comfy_entrypoint() -> MultiTalkExtension:
    """Called by the host."""
    return MultiTalkExtension()
