"""Speech encoder: wav2vec2 features at 25 per second, every transformer layer.

Network: wav2vec 2.0 (Baevski et al. 2020) as `transformers` builds it; released checkpoint
TencentGameMate/chinese-wav2vec2-base (12 layers of 768). One deviation, as MultiTalk trained it:
the convolution features (50 per second) are resampled to 25 per second BEFORE the transformer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from einops import rearrange
from torch import Tensor

from ...weights.blank import without_numbers
from ...weights.strict import find_misfit, tensor_shapes
from ..config import FRAME_RATE, SAMPLE_RATE_HZ
from ..frames import count_frames
from .audio import Tracks, describe_mono, encoder_waveform, within_range
from .wave_features import Check, convolve

if TYPE_CHECKING:
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Model

    from .audio import Sound

_PREFIX = "wav2vec2."
_OLD_WEIGHT_NORM = {
    "pos_conv_embed.conv.weight_g": "pos_conv_embed.conv.parametrizations.weight.original0",
    "pos_conv_embed.conv.weight_v": "pos_conv_embed.conv.parametrizations.weight.original1",
}
# Pretraining heads that checkpoints carry along and features do not need.
_IGNORED = ("quantizer.", "project_hid.", "project_q.", "lm_head.")
_OPTIONAL = ("masked_spec_embed",)
BASE_CONFIG: dict[str, object] = {
    "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
    "intermediate_size": 3072, "feat_extract_norm": "group", "do_stable_layer_norm": False,
    "conv_bias": False, "num_conv_pos_embeddings": 128, "num_conv_pos_embedding_groups": 16,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Speech:
    """Per-frame speech features of every speaker, and the sound that goes with them."""

    features: Tensor  # [S, F, M, E] float32
    silence: Tensor  # [M, E]: what the encoder says of digital silence
    sound: Sound  # heard in the video; as it came in, but within full scale
    identity: str  # hex digest of all that features and sound came from
    notes: tuple[str, ...] = ()  # what was done to the sound, for the report

    @property
    def num_frames(self) -> int:
        """Length of the video."""
        return self.features.shape[1]

    @property
    def num_speakers(self) -> int:
        """Number of tracks."""
        return self.features.shape[0]


def clean_keys(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bring the key names of any published wav2vec2 file to those of `Wav2Vec2Model`.

    Files come with or without the prefix `wav2vec2.`, old or new weight norm names, with or without
    pretraining heads.
    """
    out = {}
    for name, tensor in state.items():
        short = name.removeprefix(_PREFIX)
        if short.startswith(_IGNORED):
            continue
        for old, new in _OLD_WEIGHT_NORM.items():
            short = short.replace(old, new)
        out[short] = tensor
    return out


def build_encoder(config: Mapping[str, object], state: Mapping[str, Tensor]) -> Wav2Vec2Model:
    """Build the encoder in evaluation mode, float32, on the CPU, and load its weights strictly.

    Of the Hugging Face configuration only sizes matter; tensors may have any published names.

    Raises:
        ValueError: If names or shapes do not fit, with the first of them.
    """
    from transformers.models.wav2vec2.configuration_wav2vec2 import Wav2Vec2Config
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2Model

    model_config = Wav2Vec2Config.from_dict(dict(config))
    model_config._attn_implementation = "sdpa"  # memory linear in length
    with without_numbers():
        model = Wav2Vec2Model(model_config)
    tensors = _fit_tensors(clean_keys(state), model.state_dict())
    model.load_state_dict(tensors, strict=True, assign=True)
    model.requires_grad_(False)  # noqa: FBT003 - torch's own signature
    return cast("Wav2Vec2Model", model.eval())


def _fit_tensors(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Exactly the tensors that the model has, float32: a mask that features never use is made."""
    tensors = {name: tensor.float() for name, tensor in state.items()}
    for name in _OPTIONAL:
        if name not in expected:
            tensors.pop(name, None)
        elif name not in tensors:
            tensors[name] = torch.zeros(expected[name].shape)
    if misfit := find_misfit(tensor_shapes(tensors), tensor_shapes(expected)):
        raise ValueError(
            "This file is no wav2vec2 encoder of the sizes it states. "
            f"Missing: {misfit.missing[:5]}. Unexpected: {misfit.surplus[:5]}. "
            f"Wrong shape: {misfit.misshapen[:3]}. "
            "Use chinese-wav2vec2-base as a safetensors file."
        )
    return tensors


def normalize_waveform(waveform: Tensor) -> Tensor:
    """Zero mean and unit variance over the clip, as the feature extractor's do_normalize."""
    variance = waveform.var(unbiased=False)
    return (waveform - waveform.mean()) / torch.sqrt(variance + 1e-7)


def encode_waveform(
    model: Wav2Vec2Model, waveform: Tensor, num_frames: int, *, check: Check | None = None
) -> Tensor:
    """Features of every transformer layer at 25 per second, [num_frames, M, E] float32 on the CPU.

    The waveform is as `convolve` takes it; `check` is called before each piece of work, and what it
    raises is passed on. The input of the first layer is not among the features.

    Source: audio.md section 3. Layer outputs are collected with hooks, because the encoder module
        of transformers 5 no longer returns them.
    """
    out = _empty_features(model, num_frames)
    _encode_into(out, model, waveform, check)
    return out


def _empty_features(model: Wav2Vec2Model, *counts: int) -> Tensor:
    """[*counts, M, E] float32 on the CPU, to be filled: nothing so large is held twice."""
    layers, width = len(model.encoder.layers), model.config.hidden_size
    return torch.empty(*counts, layers, width, dtype=torch.float32, device="cpu")


def _encode_into(out: Tensor, model: Wav2Vec2Model, waveform: Tensor, check: Check | None) -> None:
    """Fill `out` [F, M, E] with what `encode_waveform` returns."""
    hidden = _project(model, waveform, len(out), check)

    def keep(index: int, output: Tensor | tuple[Tensor, ...]) -> None:
        if check is not None:
            check()
        out[:, index].copy_((output[0] if isinstance(output, tuple) else output)[0])

    def hook(layer: torch.nn.Module, _inputs: object, output: Tensor | tuple[Tensor, ...]) -> None:
        keep(places[layer], output)

    places = {layer: index for index, layer in enumerate(model.encoder.layers)}
    handles = [layer.register_forward_hook(hook) for layer in places]
    try:
        final = model.encoder(hidden)[0]
    finally:
        for handle in handles:
            handle.remove()
    keep(-1, final)  # the same, except that the pre-norm kind has a norm after it


def _project(
    model: Wav2Vec2Model, waveform: Tensor, num_frames: int, check: Check | None
) -> Tensor:
    """Input of the transformer, [1, num_frames, E]."""
    features = convolve(model, waveform, check=check)  # [1, C, m] at 50 per second
    resampled = torch.nn.functional.interpolate(
        features, size=num_frames, mode="linear", align_corners=True
    )
    projected = model.feature_projection(rearrange(resampled, "b c f -> b f c"))
    return projected[0] if isinstance(projected, tuple) else projected


def encode_silence(model: Wav2Vec2Model, device: torch.device) -> Tensor:
    """What the encoder says of digital silence: the middle of one second of zeros, [M, E]."""
    zeros = torch.zeros(SAMPLE_RATE_HZ, device=device)
    return encode_waveform(model, zeros, FRAME_RATE)[FRAME_RATE // 2].clone()


def embedding_bytes(tracks: Tracks, layers: int, width: int) -> int:
    """About how much memory `embed_tracks` needs beside its input, all on the CPU.

    The copies of the longest voice that are resampled and leveled, features of all voices, and one
    layer of the transformer at a time.
    """
    sounds = [track.sound for track in tracks.tracks]
    copies = max(4 * s.waveform.shape[-1] + 28 * SAMPLE_RATE_HZ * int(s.duration_s) for s in sounds)
    features = 4 * tracks.num_frames * layers * width * len(sounds)
    return copies + features + 40 * tracks.num_frames * width


@torch.inference_mode()
def embed_tracks(
    model: Wav2Vec2Model,
    tracks: Tracks,
    *,
    sound: Sound,
    loudness_lufs: float | None,
    do_normalize: bool,
    encoder_identity: str,
    device: torch.device,
    check: Check | None = None,
) -> Speech:
    """Speech features of exactly `tracks.num_frames` frames, by an encoder on `device`.

    Frames past a track's end, and all frames of a speaker who is silent, are those of encoded
    digital silence. Each speaker is brought to `loudness_lufs` before; None leaves them. A
    checkpoint may ask for `do_normalize`: zero mean, unit variance. `encoder_identity` tells
    encoders apart in the identity of the speech; `check` is as in `encode_waveform`.
    """
    num_frames = tracks.num_frames
    sound, notes = within_range(sound)
    for speaker, track in enumerate(tracks.tracks, start=1):
        notes += describe_mono(track.sound, speaker)
    silence = encode_silence(model, device)
    features = _empty_features(model, len(tracks.tracks), num_frames)
    for track, row in zip(tracks.tracks, features, strict=True):
        waveform = encoder_waveform(track, num_frames, loudness_lufs=loudness_lufs)
        if not waveform.any():
            row[:] = silence
            continue
        samples = waveform.to(device)
        if do_normalize:
            samples = normalize_waveform(samples)
        _encode_into(row, model, samples, check)
        row[count_frames(track.end_s) :] = silence
    level = None if loudness_lufs is None else float(loudness_lufs)
    return Speech(
        features=features,
        silence=silence,
        sound=sound,
        identity=_identify(tracks, sound, (encoder_identity, bool(do_normalize), level, *notes)),
        notes=tuple(notes),
    )


def _identify(tracks: Tracks, sound: Sound, settings: tuple[object, ...]) -> str:
    """Hex digest of everything that features and sound depend on: contents, no names, no times."""
    places = [(str(track.start_s), str(track.end_s)) for track in tracks.tracks]
    digest = hashlib.sha256(repr((*settings, tracks.num_frames, places)).encode())
    for heard in (*(track.sound for track in tracks.tracks), sound):
        digest.update(repr((heard.sample_rate, tuple(heard.waveform.shape))).encode())
        digest.update(heard.waveform.cpu().contiguous().flatten().numpy().data)
    return digest.hexdigest()
