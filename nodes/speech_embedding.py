"""Speech encoder and speech embedding."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.model_patcher
import torch
from comfy_api.v0_0_2 import io

from ..multitalk.config import LOUDNESS_LUFS
from ..multitalk.sound.audio import Sound
from ..multitalk.sound.audio import Tracks as SpeakerTracks
from ..multitalk.sound.wav2vec2 import build_encoder, embed_tracks, embedding_bytes
from ..multitalk.video.encoded_sound import check_encodable
from ..multitalk.words import count
from .host import ENCODER_FOLDERS, check_memory, file_stamps, find_file, list_files
from .progress import Waiting
from .sockets import LoadedEncoder, Speech, SpeechEncoder, Tracks
from .sounds import read_sound, read_tracks
from .values import check_inputs, check_names
from .widgets import Widget, schema

logger = logging.getLogger("multitalk.nodes")


class MultiTalkLoadSpeechEncoder(io.ComfyNode):
    """Load wav2vec2."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Load Speech Encoder",
            "loaders",
            "Loads the wav2vec2 encoder that MultiTalk and InfiniteTalk were trained "
            "with: chinese-wav2vec2-base, as one safetensors file or as the published folder.",
            search_aliases=["lip sync", "wav2vec2", "audio encoder"],
            inputs=[
                Widget(
                    "encoder",
                    "File in models/audio_encoders, models/wav2vec2 or "
                    "models/transformers, for example wav2vec2-chinese-base_fp16.safetensors, or "
                    "pytorch_model.bin of the published folder, with its two JSON files beside.",
                    choices=list_files(ENCODER_FOLDERS),
                )
            ],
            outputs=[(SpeechEncoder, "speech encoder", "For MultiTalk Speech Embedding.")],
        )

    @classmethod
    def fingerprint_inputs(cls, encoder: str) -> object:
        """Changes with the file."""
        return file_stamps([encoder], ENCODER_FOLDERS)

    @classmethod
    def execute(cls, encoder: str, **unknown: Any) -> io.NodeOutput:
        """Load the file after a look at its header."""
        check_names(unknown)
        with Waiting(f"loading {encoder}", f"loaded {encoder}"):
            return io.NodeOutput(load_encoder(find_file(encoder, ENCODER_FOLDERS)))


def load_encoder(path: Path) -> LoadedEncoder:
    """Load a wav2vec2 file of any layout, float32, under the host's memory management.

    Sizes are from its metadata `config`, else the config.json beside it, else wav2vec2-base's.

    Raises:
        ValueError: If the file is no wav2vec2-base encoder.
    """
    from ..multitalk.model.fit import encoder_settings, encoder_sizes
    from ..multitalk.model.naming import model_identity, read_model_header
    from ..weights.header import open_tensors
    from .loading.modules import map_safetensors

    header = read_model_header(path)
    layers, width = encoder_sizes(header)
    settings = encoder_settings(header)
    tensors = open_tensors(header, map_safetensors)
    state = {name: t for name, t in tensors.items() if isinstance(t, torch.Tensor)}
    patcher = comfy.model_patcher.CoreModelPatcher(
        HostedEncoder(build_encoder(settings.config, state)),
        load_device=comfy.model_management.text_encoder_device(),
        offload_device=comfy.model_management.text_encoder_offload_device(),
    )
    return LoadedEncoder(
        patcher=patcher,
        num_layers=layers,
        width=width,
        do_normalize=settings.do_normalize,
        name=path.name,
        identity=f"{model_identity(path)} {settings.config} {settings.do_normalize}",
    )


class HostedEncoder(torch.nn.Module):
    """Holds the encoder: the host's patcher sets `device`, which transformers' models forbid."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder


class MultiTalkSpeechEmbedding(io.ComfyNode):
    """Turn voices into what the network hears."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Speech Embedding",
            "audio",
            "Listens to one voice, or to several from MultiTalk Tracks. The length of "
            "the sound decides the length of the video: 25 frames per second, exactly.",
            search_aliases=["lip sync", "lipsync", "wav2vec2", "audio embeds"],
            inputs=[
                io.MultiType.Input(
                    "audio",
                    types=[io.Audio, Tracks],
                    tooltip="One speaker's voice (AUDIO), or several on a time line (tracks).",
                ),
                SpeechEncoder.Input(
                    "speech_encoder", lazy=True, tooltip="From MultiTalk Load Speech Encoder."
                ),
                Widget(
                    "normalise_loudness",
                    "Level each voice to -23 LUFS for the encoder, as in training. "
                    "The sound of the video is never changed by this.",
                    default=True,
                    optional=True,
                ),
                io.Audio.Input(
                    "video_sound",
                    optional=True,
                    tooltip="What the audience hears instead, for example with music. "
                    "Free: the voices as they came in.",
                ),
            ],
            outputs=[(Speech, "speech", "For MultiTalk Sampler or Guider.")],
        )

    @classmethod
    def check_lazy_status(cls, audio: Any, **inputs: Any) -> list[str]:
        """Refuse unusable sound before the encoder is loaded."""
        video_sound = inputs.pop("video_sound", None)
        check_inputs(inputs)
        tracks = read_tracks(audio)
        _read_heard(tracks, video_sound)
        _check_length(tracks, inputs.get("speech_encoder"))
        return ["speech_encoder"] if inputs.get("speech_encoder") is None else []

    @classmethod
    def execute(
        cls,
        audio: Any,
        speech_encoder: LoadedEncoder,
        normalise_loudness: bool = True,
        video_sound: dict[str, Any] | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Encode every speaker over the whole video."""
        check_names(unknown)
        check_inputs({"speech_encoder": speech_encoder}, "speech_encoder")
        tracks = read_tracks(audio)
        sound = _read_heard(tracks, video_sound)
        patcher, heard = speech_encoder.patcher, _describe(tracks)
        with Waiting(f"listening to {heard}", f"listened to {heard}"):
            comfy.model_management.load_models_gpu([patcher])
            speech = embed_tracks(
                patcher.model.encoder,
                tracks,
                sound=sound,
                loudness_lufs=LOUDNESS_LUFS if normalise_loudness else None,
                do_normalize=speech_encoder.do_normalize,
                encoder_identity=speech_encoder.identity,
                device=patcher.load_device,
                check=comfy.model_management.throw_exception_if_processing_interrupted,
            )
        logger.info(
            "[MultiTalk] speech: %s, %s",
            count(speech.num_speakers, "speaker"),
            count(speech.num_frames, "frame"),
        )
        for note in speech.notes:
            logger.info("[MultiTalk] %s", note)
        return io.NodeOutput(speech)


def _describe(tracks: SpeakerTracks) -> str:
    """What there is to hear, for somebody who waits."""
    from ..multitalk.runs.report import duration

    length = duration(float(max(track.end_s for track in tracks.tracks)))
    return f"{count(len(tracks.tracks), 'speaker')}, {length} of sound"


def _check_length(tracks: SpeakerTracks, encoder: LoadedEncoder | None) -> None:
    """Refuse what the memory is too small for; before the encoder is there, for the sound alone."""
    layers, width = (0, 0) if encoder is None else (encoder.num_layers, encoder.width)
    length_s = max(track.end_s for track in tracks.tracks)
    check_memory(embedding_bytes(tracks, layers, width), "audio", length_s, "listening to")


def _read_heard(tracks: SpeakerTracks, video_sound: Any) -> Sound:
    """What the audience hears: a sound that the file of the video can have."""
    if video_sound is None:
        check_encodable(tracks.mix, "audio")
        return tracks.mix
    sound = read_sound(video_sound, "video_sound")
    check_encodable(sound, "video_sound")
    return sound
