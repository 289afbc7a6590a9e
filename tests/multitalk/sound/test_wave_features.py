from __future__ import annotations

import pytest
import torch

from pack.multitalk.sound.wav2vec2 import build_encoder
from pack.multitalk.sound.wave_features import channel_statistics, convolve, receptive_field
from pack.tests.multitalk.tolerances import TOLERANCES, close
from pack.tests.multitalk.toy_encoder import PRE_NORM, TOY, Results, noise, toy_state

PIECE = 10  # features, for tests of several pieces
BORDERS = [
    *(400, 719, 720, 3599, 3600, 3601),  # up to 11 features
    *(6799, 6800, 6801, 7119, 7120, 10000),  # two pieces and a bit
]


@pytest.fixture(scope="module", params=[TOY, PRE_NORM], ids=["group norm", "layer norm"])
def encoder(request):
    return build_encoder(request.param, toy_state(request.param))


def test_a_feature_hears_25_ms_every_20_ms():
    assert receptive_field((10, 3, 3, 3, 3, 2, 2), (5, 2, 2, 2, 2, 2, 2)) == (320, 400)
    assert receptive_field((3,), (2,)) == (2, 3)


@pytest.mark.parametrize("samples", BORDERS)
@pytest.mark.parametrize("piece", [1, PIECE])
@torch.inference_mode()
def test_pieces_give_what_the_whole_track_gives(encoder, samples, piece):
    waveform = noise(samples)
    whole = encoder.feature_extractor(waveform[None])
    features = convolve(encoder, waveform, piece=piece)
    assert features.shape == whole.shape == (1, 8, (samples - 400) // 320 + 1)
    limit = TOLERANCES[torch.float32] * float(whole.max() - whole.min())
    torch.testing.assert_close(features, whole, rtol=0, atol=limit)


@pytest.mark.parametrize("waveform", [noise(9000) + 3, torch.zeros(9000), noise(9000) * 1e-4])
@torch.inference_mode()
def test_pieces_fit_for_loud_quiet_and_silent_sound(encoder, waveform):
    whole = encoder.feature_extractor(waveform[None])
    limit = TOLERANCES[torch.float32] * float(whole.max() - whole.min())
    features = convolve(encoder, waveform, piece=PIECE)
    torch.testing.assert_close(features, whole, rtol=0, atol=max(limit, 1e-9))


@torch.inference_mode()
def test_what_one_piece_holds_is_computed_at_once(encoder):
    waveform = noise(400 + 9 * 320 + 319)
    whole = encoder.feature_extractor(waveform[None])
    assert torch.equal(convolve(encoder, waveform, piece=PIECE), whole)


@pytest.mark.parametrize("piece", [1, 7, 333, 10_000])
@torch.inference_mode()
def test_statistics_are_those_of_every_step(piece):
    torch.manual_seed(3)
    conv = torch.nn.Conv1d(1, 4, 10, stride=5)
    waveform = torch.cat([noise(3000) * 5 + 2, noise(7003)])  # changes along the track
    steps = conv(waveform[None, None].double().float())[0].double()
    mean, variance = channel_statistics(conv, waveform, piece=piece)
    close(mean, steps.mean(-1).float())
    close(variance, steps.var(-1, correction=0).float())


def test_statistics_of_a_small_sound_on_a_large_offset_are_kept():
    conv = torch.nn.Conv1d(1, 1, 1, bias=False)
    torch.nn.init.ones_(conv.weight)
    waveform = 100 + torch.tensor([-0.5, 0.5]).repeat(5000)
    mean, variance = channel_statistics(conv, waveform, piece=1000)
    assert (float(mean), float(variance)) == (100.0, 0.25)


@torch.inference_mode()
def test_the_user_can_stop_before_every_piece(encoder):
    passes = 2 if encoder.config.feat_extract_norm == "group" else 1
    calls = []
    convolve(encoder, noise(10_000), piece=PIECE, check=lambda: calls.append(1))  # 31 features
    steps = -(-((10_000 - 10) // 5 + 1) // (PIECE * 64))
    assert len(calls) == 1 + 4 + (steps if passes == 2 else 0)

    def stop():
        calls.pop()
        if not calls:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convolve(encoder, noise(10_000), piece=PIECE, check=stop)


@torch.inference_mode()
def test_no_tensor_grows_with_the_track_but_the_features(encoder):
    largest = []
    for samples in (20_000, 200_000):
        waveform = noise(samples)
        with Results() as results:
            features = convolve(encoder, waveform, piece=PIECE)
        largest.append(results.largest)
        assert features.numel() <= results.largest
    assert largest == [8 * (PIECE * 64 + 15)] * 2  # the first layer's output for a piece
