"""The extension: which nodes there are, and where their files lie."""

from __future__ import annotations

from comfy_api.v0_0_2 import ComfyExtension, io


class MultiTalkExtension(ComfyExtension):
    """What the host asks for when it loads the pack."""

    async def on_load(self) -> None:
        """Make the toy's files known to the host's loaders, and speak to its users."""
        from .host import register_folders
        from .origins import say_error
        from .texts import clean_logs
        from .unchosen import listen

        register_folders()
        clean_logs()
        listen(say_error)

    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        """All nodes, in the order of a graph."""
        from . import (
            audio,
            dub_source,
            example,
            file_report,
            guider,
            load_steps,
            loaders,
            mouth_only,
            origins,
            recording,
            sampler,
            scene,
            several_cards,
            shots,
            speakers,
            speech_embedding,
            text_to_speech,
            texts,
            video,
        )

        listed = [
            example.MultiTalkExample,
            audio.MultiTalkLoudness,
            audio.MultiTalkTracks,
            recording.MultiTalkSplitRecording,
            text_to_speech.MultiTalkLoadKokoro,
            text_to_speech.MultiTalkSpeak,
            text_to_speech.MultiTalkDialogue,
            speech_embedding.MultiTalkLoadSpeechEncoder,
            speech_embedding.MultiTalkSpeechEmbedding,
            speakers.MultiTalkSpeakers,
            loaders.MultiTalkLoadModel,
            loaders.MultiTalkAttach,
            several_cards.MultiTalkParallel,
            file_report.MultiTalkFileReport,
            load_steps.MultiTalkReadFiles,
            load_steps.MultiTalkAddLoras,
            scene.MultiTalkScene,
            guider.MultiTalkGuider,
            shots.MultiTalkShots,
            sampler.MultiTalkSampler,
            sampler.MultiTalkSampleToVideo,
            dub_source.MultiTalkDubSource,
            mouth_only.MultiTalkMouthOnly,
            video.MultiTalkVideoCombine,
        ]
        return [texts.with_writable_texts(node, origins.say_error) for node in listed]


async def comfy_entrypoint() -> MultiTalkExtension:
    """Called by the host."""
    return MultiTalkExtension()
