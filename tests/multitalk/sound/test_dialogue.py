from __future__ import annotations

import pytest
import torch

from pack.multitalk.sound.audio import encoder_waveform
from pack.multitalk.sound.dialogue import dialogue_tracks, lay_turns


def noise(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(3))


def test_turns_lie_where_they_begin_and_nothing_else_sounds():
    waves = [torch.full((4,), 0.1), torch.full((3,), 0.2), torch.full((2,), 0.3)]
    tracks = lay_turns(waves, [0, 3, 7], [1, 0, 1], 3, end_pause=2)
    assert tracks.dtype == torch.float32
    expected = torch.tensor([
        [0, 0, 0, 0.2, 0.2, 0.2, 0, 0, 0, 0, 0],
        [0.1, 0.1, 0.1, 0.1, 0, 0, 0, 0.3, 0.3, 0, 0],
        [0] * 11,
    ])  # fmt: skip
    assert torch.equal(tracks, expected)


def test_order_of_turns_does_not_matter():
    waves = list(noise(3, 5))
    forward = lay_turns(waves, [0, 5, 12], [0, 0, 1], 2)
    assert torch.equal(lay_turns(waves[::-1], [12, 5, 0], [1, 0, 0], 2), forward)


def test_length_reaches_to_the_turn_that_ends_last():
    assert lay_turns([noise(10), noise(2)], [0, 3], [0, 1], 2).shape == (2, 10)


def test_turn_without_sound_is_allowed():
    tracks = lay_turns([noise(4), noise(0), noise(4)], [0, 4, 4], [0, 0, 0], 1)
    assert tracks.all()


@pytest.mark.parametrize("num_speakers", [1, 2, 6])
def test_mix_is_exactly_the_sum_of_the_tracks(num_speakers):
    tracks = noise(num_speakers, 30_001)
    placed = dialogue_tracks(tracks, 24_000)
    assert torch.equal(placed.mix.waveform, tracks.sum(0)[None])
    assert placed.mix.sample_rate == 24_000
    for track, given in zip(placed.tracks, tracks, strict=True):
        assert torch.equal(track.sound.waveform, given[None])
        assert (track.start_s, track.sound.sample_rate) == (0, 24_000)


def test_every_track_covers_the_whole_video():
    tracks = lay_turns([noise(24_000), noise(12_000)], [0, 24_000], [0, 1], 3)
    placed = dialogue_tracks(tracks, 24_000)
    assert placed.num_frames == 38  # 1.5 s at 25 frames per second, begun ones included
    assert {track.end_s for track in placed.tracks} == {placed.mix.duration_s}


def test_encoder_hears_silence_while_another_speaks():
    waves = [0.1 * noise(24_000), 0.1 * noise(24_000)]
    placed = dialogue_tracks(lay_turns(waves, [0, 24_000], [0, 1], 3), 24_000)
    heard = [encoder_waveform(track, 50, loudness_lufs=None) for track in placed.tracks]
    # Resampling rings for a few milliseconds around a cut.
    assert not heard[0][16_400:].abs().gt(1e-5).any()
    assert not heard[1][:15_600].abs().gt(1e-5).any()
    assert heard[0][:15_600].abs().max() > 0.1
    assert not heard[2].any()
