from __future__ import annotations

import re
from fractions import Fraction

import pytest
import torch

from pack.multitalk.sound import wav2vec2
from pack.multitalk.sound.audio import Sound, encoder_waveform, place_tracks
from pack.multitalk.sound.wav2vec2 import (
    BASE_CONFIG,
    build_encoder,
    clean_keys,
    embed_tracks,
    encode_silence,
    encode_waveform,
    normalize_waveform,
)
from pack.tests.multitalk.tolerances import TOLERANCES, close
from pack.tests.multitalk.toy_encoder import PRE_NORM, TOY, Results, noise, toy_state

CPU = torch.device("cpu")
POSITIONS = "encoder.pos_conv_embed.conv."


@pytest.fixture(scope="module")
def state():
    return toy_state()


@pytest.fixture(scope="module")
def encoder(state):
    return build_encoder(TOY, state)


def sound(samples, seed=0):
    return Sound(waveform=noise(samples, seed)[None], sample_rate=16000)


def embed(encoder, sounds, starts=None, **changes):
    tracks = place_tracks(sounds, starts or [Fraction(0)] * len(sounds))
    settings = {
        "loudness_lufs": None, "do_normalize": False, "encoder_identity": "toy",
    } | changes  # fmt: skip
    return embed_tracks(encoder, tracks, sound=tracks.mix, device=CPU, **settings)


def published_names(state):
    """Names of the released file: a prefix, the old weight norm, heads of the pretraining."""
    old = {
        f"{POSITIONS}parametrizations.weight.original0": f"{POSITIONS}weight_g",
        f"{POSITIONS}parametrizations.weight.original1": f"{POSITIONS}weight_v",
    }
    renamed = {f"wav2vec2.{old.get(name, name)}": tensor for name, tensor in state.items()}
    heads = ("quantizer.codevectors", "project_hid.weight", "project_q.bias", "lm_head.weight")
    return renamed | {name: torch.zeros(1) for name in heads}


def test_published_names_become_those_of_transformers(state):
    cleaned = clean_keys(published_names(state))
    assert cleaned.keys() == state.keys()
    assert all(cleaned[name] is tensor for name, tensor in state.items())


def test_names_of_transformers_stay(state):
    assert clean_keys(state).keys() == state.keys()


def test_published_names_load_equal_weights(state, encoder):
    loaded = build_encoder(TOY, published_names(state)).state_dict()
    assert loaded.keys() == state.keys() == encoder.state_dict().keys()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, state[name])


def test_half_precision_file_becomes_float32(state):
    model = build_encoder(TOY, {name: tensor.half() for name, tensor in state.items()})
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}


def test_encoder_only_evaluates(encoder):
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert {parameter.device.type for parameter in encoder.parameters()} == {"cpu"}


def test_mask_embedding_may_be_absent(state):
    reduced = {name: t for name, t in state.items() if name != "masked_spec_embed"}
    loaded = build_encoder(TOY, reduced).state_dict()
    assert loaded.keys() == state.keys()
    assert torch.equal(loaded["masked_spec_embed"], torch.zeros(24))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder.layer_norm.bias": None}, r"Missing: \['encoder.layer_norm.bias'\]"),
        ({"surprise": torch.zeros(2)}, r"Unexpected: \['surprise'\]"),
        (
            {"encoder.layer_norm.bias": torch.zeros(32)},
            r"Wrong shape: \['encoder.layer_norm.bias is \[32\], expected \[24\]'\]",
        ),
    ],
    ids=["missing", "unexpected", "wrong shape"],
)
def test_weights_that_do_not_fit_are_refused(state, change, message):
    changed = {name: t for name, t in (state | change).items() if t is not None}
    with pytest.raises(ValueError, match=message):
        build_encoder(TOY, changed)


def test_default_configuration_is_the_base_model():
    wrong = {"encoder.layers.11.feed_forward.intermediate_dense.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"is \[1\], expected \[3072, 768\]"):
        build_encoder(BASE_CONFIG, wrong)
    with pytest.raises(ValueError, match=r"Unexpected: \['encoder.layers.12.x'\]"):
        build_encoder(BASE_CONFIG, {"encoder.layers.12.x": torch.zeros(1)})


def test_base_model_is_the_released_one():
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    with torch.device("meta"):
        state = Wav2Vec2Model(Wav2Vec2Config.from_dict(BASE_CONFIG)).state_dict()
    assert len(state) == 211
    assert sum(tensor.numel() for tensor in state.values()) == 94_371_712
    assert BASE_CONFIG["do_stable_layer_norm"] is False  # post-norm; no name or shape tells


@pytest.mark.parametrize("config", [TOY, PRE_NORM], ids=["post-norm", "pre-norm"])
def test_features_are_all_layer_outputs_of_the_network(config):
    encoder, waveform = build_encoder(config, toy_state(config)), noise(8000)
    with torch.inference_mode():
        whole = encoder(waveform[None], output_hidden_states=True)
        features = encode_waveform(encoder, waveform, 24)  # 24 features at 50 Hz: no resampling
    assert features.shape == (24, 2, 24)
    assert features.dtype == torch.float32
    close(features[:, 0], whole.hidden_states[1][0])
    close(features[:, 1], whole.last_hidden_state[0])


@pytest.mark.parametrize("num_frames", [1, 2, 13, 100])
def test_there_is_one_feature_per_frame(encoder, num_frames):
    features = encode_waveform(encoder, noise(num_frames * 640), num_frames)
    assert features.shape == (num_frames, 2, 24)
    assert features.isfinite().all()


def test_encoding_leaves_no_hook_behind(encoder):
    encode_waveform(encoder, noise(6400), 10)
    assert not any(layer._forward_hooks for layer in encoder.encoder.layers)
    broken = build_encoder(TOY, toy_state())
    broken.encoder.layers[1].feed_forward = None
    with pytest.raises(TypeError, match="not callable"):
        encode_waveform(broken, noise(6400), 10)
    assert not any(layer._forward_hooks for layer in broken.encoder.layers)


def test_silence_is_the_middle_of_a_second_of_zeros(encoder):
    silence = encode_silence(encoder, CPU)
    assert silence.shape == (2, 24)
    assert torch.equal(silence, encode_waveform(encoder, torch.zeros(16000), 25)[12])


def test_normalised_waveform_has_no_mean_and_unit_variance():
    out = normalize_waveform(noise(16000) * 3 + 0.5)
    assert float(out.mean()) == pytest.approx(0, abs=1e-5)
    assert float(out.var(unbiased=False)) == pytest.approx(1, abs=1e-5)


def test_normalised_waveform_follows_the_formula():
    out = normalize_waveform(torch.tensor([1.0, 3.0]))
    close(out, torch.tensor([-1.0, 1.0]) / (1 + 1e-7) ** 0.5)
    assert not normalize_waveform(torch.zeros(5)).any()


def test_speech_has_every_speaker_and_frame(encoder):
    mix = Sound(waveform=torch.zeros(2, 9), sample_rate=44100)
    tracks = place_tracks([sound(6400), sound(9700, 1), sound(3200, 2)], [Fraction(0)] * 3)
    speech = embed_tracks(
        encoder,
        tracks,
        sound=mix,
        loudness_lufs=None,
        do_normalize=False,
        device=CPU,
        encoder_identity="toy",
    )
    assert speech.features.shape == (3, 16, 2, 24)
    assert speech.features.dtype == torch.float32
    assert (speech.num_speakers, speech.num_frames) == (3, 16)
    assert speech.sound is mix


def test_frames_past_the_end_of_a_track_are_silence(encoder):
    speech = embed(encoder, [sound(16000), sound(6401, 1)])
    assert torch.equal(speech.silence, encode_silence(encoder, CPU))
    assert (speech.features[1, 11:] == speech.silence).all()
    assert not (speech.features[1, :11] == speech.silence).all((1, 2)).any()
    assert not (speech.features[0] == speech.silence).all((1, 2)).any()


def test_silence_follows_the_end_and_not_the_length(encoder):
    speech = embed(encoder, [sound(16000), sound(6400, 1)], [Fraction(0), Fraction("0.4")])
    silent = (speech.features[1] == speech.silence).all((1, 2))
    assert silent.tolist() == [False] * 20 + [True] * 5


@pytest.mark.parametrize("do_normalize", [False, True])
@pytest.mark.parametrize("loudness", [None, -23.0])
def test_silent_speaker_has_exactly_the_features_of_silence(encoder, do_normalize, loudness):
    quiet = Sound(waveform=torch.zeros(1, 8000), sample_rate=16000)
    speech = embed(
        encoder, [sound(16000), quiet], do_normalize=do_normalize, loudness_lufs=loudness
    )
    assert torch.equal(speech.features[1], speech.silence.expand(25, -1, -1))


def test_features_are_those_of_the_encoders_waveform(encoder):
    sounds = [sound(16000), sound(12800, 1)]
    tracks = place_tracks(sounds, [Fraction(0), Fraction("0.2")])
    plain = embed(encoder, sounds, [Fraction(0), Fraction("0.2")])
    for features, track in zip(plain.features, tracks.tracks, strict=True):
        heard = encoder_waveform(track, 25, loudness_lufs=None)
        close(features, encode_waveform(encoder, heard, 25))


def test_normalisation_runs_over_the_whole_waveform(encoder):
    track = place_tracks([sound(16000)], [Fraction(0)]).tracks[0]
    heard = normalize_waveform(encoder_waveform(track, 25, loudness_lufs=None))
    speech = embed(encoder, [sound(16000)], do_normalize=True)
    close(speech.features[0], encode_waveform(encoder, heard, 25))
    assert not torch.equal(speech.features, embed(encoder, [sound(16000)]).features)


def test_level_of_the_source_does_not_matter_once_levelled(encoder):
    quiet = Sound(waveform=sound(16000).waveform / 8, sample_rate=16000)
    levelled = [embed(encoder, [s], loudness_lufs=-23.0).features for s in (sound(16000), quiet)]
    torch.testing.assert_close(*levelled, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(levelled[0], embed(encoder, [quiet]).features, rtol=1e-4, atol=1e-4)


def test_speakers_do_not_influence_each_other(encoder):
    both = embed(encoder, [sound(16000), sound(16000, 1)]).features
    for index in range(2):
        assert torch.equal(both[index], embed(encoder, [sound(16000, index)]).features[0])


def test_mask_embedding_may_be_in_the_file_though_the_configuration_masks_nothing():
    from transformers import Wav2Vec2Config, Wav2Vec2Model

    toy = dict(
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=[8] * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
    )
    state = Wav2Vec2Model(Wav2Vec2Config(**toy)).state_dict()
    assert "masked_spec_embed" in state
    build_encoder(toy | {"mask_time_prob": 0.0}, state)


@pytest.mark.parametrize("config", [TOY, PRE_NORM], ids=["post-norm", "pre-norm"])
@torch.inference_mode()
def test_a_track_of_several_pieces_has_the_features_of_the_whole(config, monkeypatch):
    encoder, waveform = build_encoder(config, toy_state(config)), noise(22 * 16000)
    features = encode_waveform(encoder, waveform, 550)
    whole = encoder.feature_extractor(waveform[None])
    monkeypatch.setattr(wav2vec2, "convolve", lambda *_, **__: whole)
    expected = encode_waveform(encoder, waveform, 550)
    limit = TOLERANCES[torch.float32] * float(expected.max() - expected.min())
    torch.testing.assert_close(features, expected, rtol=0, atol=limit)
    assert not torch.equal(features, expected)  # it did run in pieces


@torch.no_grad()
def test_no_frame_is_held_against_every_other(encoder, monkeypatch):
    waveform = noise(800 * 640)
    with Results() as results:
        encode_waveform(encoder, waveform, 800)
    # The first convolution of 20 s; attention of every frame to every frame would be 1,280,000.
    assert results.largest == 8 * (1000 * 64 + 15)
    monkeypatch.setattr(encoder.config, "_attn_implementation", "eager")
    with Results() as results:
        encode_waveform(encoder, waveform, 800)
    assert results.largest == 2 * 800 * 800


def test_an_encoder_can_be_trained_on_its_features():
    encoder = build_encoder(TOY, toy_state()).requires_grad_()
    encode_waveform(encoder, noise(6400), 10).square().sum().backward()
    untouched = {name for name, p in encoder.named_parameters() if p.grad is None}
    assert untouched == {"masked_spec_embed"}
    assert encoder.feature_extractor.conv_layers[0].conv.weight.grad.any()


def test_features_are_held_once(encoder):
    sounds = [
        sound(32000),
        sound(32000, 1),
        Sound(waveform=torch.zeros(1, 32000), sample_rate=16000),
    ]
    with Results() as results:
        features = embed(encoder, sounds).features
    storage = features.untyped_storage()
    assert storage.nbytes() == features.numel() * 4
    row = features[0].numel()
    large = {memory for s, memory in results.seen if s[-2:] == (2, 24) and s.numel() >= row}
    assert large == {storage.data_ptr()}


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_the_user_can_stop_before_every_layer(encoder, calls):
    left = [None] * calls

    def check():
        left.pop()
        if not left:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        embed(encoder, [sound(16000)], check=check)
    assert not any(layer._forward_hooks for layer in encoder.encoder.layers)


def identify(encoder, sounds=None, starts=("0", "0.2"), heard=None, **changes):
    sounds = sounds or [sound(6400), sound(6400, 1)]
    tracks = place_tracks(sounds, [Fraction(start) for start in starts])
    settings = {"loudness_lufs": -23.0, "do_normalize": False, "encoder_identity": "toy"} | changes
    return embed_tracks(
        encoder, tracks, sound=heard or sound(6400, 9), device=CPU, **settings
    ).identity


def test_identity_is_the_same_for_equal_contents(encoder):
    first = identify(encoder)
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert first == identify(encoder)
    assert first == identify(encoder, loudness_lufs=-23)
    both = torch.cat([noise(6400), noise(6400)]).reshape(2, -1)
    strided = Sound(waveform=both.T.contiguous().T[:1], sample_rate=16000)  # other memory
    assert first == identify(encoder, [strided, sound(6400, 1)])


def test_identity_knows_every_ingredient(encoder):
    a, b = sound(6400), sound(6400, 1)
    quieter = Sound(waveform=a.waveform * 0.999, sample_rate=16000)
    slower = Sound(waveform=a.waveform, sample_rate=15999)
    stereo = Sound(waveform=a.waveform.reshape(2, -1), sample_rate=16000)
    heard = sound(6400, 9)
    found = [
        identify(encoder),
        identify(encoder, [b, a]),
        identify(encoder, [quieter, b]),
        identify(encoder, [slower, b]),
        identify(encoder, [stereo, b]),
        identify(encoder, [a, b, b], starts=("0", "0.2", "0")),
        identify(encoder, starts=("0", "0.21")),
        identify(encoder, starts=("0", "1")),
        identify(encoder, loudness_lufs=None),
        identify(encoder, loudness_lufs=-20.0),
        identify(encoder, do_normalize=True),
        identify(encoder, encoder_identity="other"),
        identify(encoder, heard=sound(6400, 10)),
        identify(encoder, heard=Sound(waveform=heard.waveform, sample_rate=48000)),
        identify(encoder, heard=Sound(waveform=heard.waveform[:, :-1], sample_rate=16000)),
    ]
    assert len(set(found)) == len(found)
