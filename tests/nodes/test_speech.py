"""The speech encoder and the speech embedding in the real host."""

from __future__ import annotations

import pytest
import torch

from pack.tools.host.prompts import TOY
from pack.weights.parts import file_identity

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def path(host):
    return host.root / "assets" / "toy" / "audio_encoders" / TOY["encoder"]


@pytest.fixture(scope="module")
def encoder(path):
    from pack.nodes.speech_embedding import load_encoder

    return load_encoder(path)


def audio(seed=0):
    generator = torch.Generator().manual_seed(seed)
    waveform = torch.rand(1, 1, 16000, generator=generator) - 0.5
    return {"waveform": waveform, "sample_rate": 16000}


def embed(encoder, **inputs):
    from pack.nodes.speech_embedding import MultiTalkSpeechEmbedding

    return MultiTalkSpeechEmbedding.execute(speech_encoder=encoder, **inputs)[0]


def test_interrupt_ends_the_embedding_and_not_the_next(encoder):
    import comfy.model_management as management

    management.interrupt_current_processing()
    with pytest.raises(management.InterruptProcessingException):
        embed(encoder, audio=audio())
    assert embed(encoder, audio=audio()).num_frames == 25


def test_speech_is_known_by_encoder_sound_and_settings(encoder, path):
    assert encoder.identity.startswith(file_identity(path))
    first = embed(encoder, audio=audio()).identity
    assert embed(encoder, audio=audio()).identity == first
    others = {
        embed(encoder, audio=audio(1)).identity,
        embed(encoder, audio=audio(), video_sound=audio(1)).identity,
        embed(encoder, audio=audio(), normalise_loudness=False).identity,
    }
    assert len(others | {first}) == 4
