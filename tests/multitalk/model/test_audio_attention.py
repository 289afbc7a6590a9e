from __future__ import annotations

import math

import pytest
import torch

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.audio_attention import (
    AudioBlock,
    AudioCrossAttention,
    AudioProjection,
    SpeakerAxis,
    build_audio_part,
    group_by_latent_frame,
    join_speakers,
    plain_attention,
    rotate,
    rotation,
    speaker_axis,
    speaker_map,
    speaker_positions,
)
from pack.multitalk.windows import audio_windows
from pack.tests.multitalk.tolerances import close

TOY = AudioPartConfig(
    dim=24, num_heads=2, num_layers=2, encoder_layers=2, encoder_channels=6, hidden=10,
    num_tokens=3, token_width=8,
)  # fmt: skip
RELEASED = AudioPartConfig(dim=5120, num_heads=40, num_layers=40)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def fill(module, seed=1):
    """Known random weights, so that nothing depends on the global generator."""
    random = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        parameter.data.normal_(std=0.3, generator=random)
    return module.requires_grad_(requires_grad=False)


def numbered(frames):
    """Features [F, 1, 1] that are the frame numbers."""
    return torch.arange(float(frames))[:, None, None]


def softmax_attention(q, k, v):
    return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, -1) @ v


def test_plain_attention_is_the_formula():
    q, k, v = randn(2, 3, 5, 4), randn(2, 3, 7, 4, seed=1), randn(2, 3, 7, 4, seed=2)
    close(plain_attention(q, k, v), softmax_attention(q, k, v))


def test_window_holds_two_neighbours_on_each_side():
    windows = audio_windows([numbered(20), numbered(20) + 100], 7, 5)
    assert windows.shape == (2, 5, 5, 1, 1)
    assert windows[0, :, :, 0, 0].tolist() == [[f + o for o in range(-2, 3)] for f in range(7, 12)]
    assert torch.equal(windows[1], windows[0] + 100)


def test_window_past_both_ends_repeats_the_borders():
    windows = audio_windows([numbered(3), numbered(1)], 0, 5)
    assert windows[0, 0, :, 0, 0].tolist() == [0, 0, 0, 1, 2]
    assert windows[0, 4, :, 0, 0].tolist() == [2, 2, 2, 2, 2]
    assert not windows[1].any()


@pytest.mark.parametrize("frames", [1, 5, 9, 81])
def test_latent_frame_reads_eight_consecutive_audio_frames(frames):
    first, latter = group_by_latent_frame(audio_windows([numbered(200)], 50, frames) - 50)
    assert first.shape == (1, 1, 5, 1, 1)
    assert first.flatten().tolist() == [-2, -1, 0, 1, 2]
    later = (frames - 1) // 4
    assert latter.shape == (1, later, 8, 1, 1)
    expected = [list(range(4 * j - 5, 4 * j + 3)) for j in range(1, later + 1)]
    assert latter[0, :, :, 0, 0].tolist() == expected


@pytest.mark.parametrize("frames", [1, 9])
def test_projection_gives_tokens_per_speaker_and_latent_frame(frames):
    projection = fill(AudioProjection(TOY, torch.nn))
    tokens = projection(randn(3, frames, 5, 2, 6))
    assert tokens.shape == (3, (frames + 3) // 4, 3, 8)
    assert tokens.dtype == torch.float32


def test_projection_ends_with_a_norm():
    projection = fill(AudioProjection(TOY, torch.nn))
    projection.norm.reset_parameters()
    tokens = projection(randn(1, 9, 5, 2, 6))
    close(tokens.mean(-1), torch.zeros(1, 3, 3))
    torch.testing.assert_close(
        tokens.var(-1, unbiased=False), torch.ones(1, 3, 3), atol=1e-3, rtol=0
    )


def test_projection_follows_its_layers():
    projection, windows = fill(AudioProjection(TOY, torch.nn)), randn(2, 5, 5, 2, 6)
    first, latter = group_by_latent_frame(windows)
    rows = [
        torch.relu(projection.proj1(first.reshape(2, 60))),
        torch.relu(projection.proj1_vf(latter.reshape(2, 96))),
    ]
    hidden = torch.relu(projection.proj2(torch.stack(rows, 1)))
    expected = projection.norm(projection.proj3(hidden).reshape(2, 2, 3, 8))
    close(projection(windows), expected)


def test_projection_of_two_speakers_is_that_of_each():
    projection, windows = fill(AudioProjection(TOY, torch.nn)), randn(2, 9, 5, 2, 6)
    close(projection(windows), torch.cat([projection(windows[:1]), projection(windows[1:])]))


def attend(module, x, tokens, query=None, key=None):
    return module(x, tokens, query_rotation=query, key_rotation=key, attention=plain_attention)


def naive_cross_attention(module, x, tokens, query=None, key=None):
    """Frame by frame, head by head."""
    out = torch.empty_like(x)
    for b in range(len(x)):
        per_frame = x.shape[1] // tokens.shape[1]
        for t in range(tokens.shape[1]):
            rows = slice(t * per_frame, (t + 1) * per_frame)
            q = module.q_linear(x[b, rows])
            kv = module.kv_linear(tokens[b, t])
            heads = []
            for n in range(2):
                part = slice(12 * n, 12 * (n + 1))
                q_head, k_head, v_head = q[:, part], kv[:, :24][:, part], kv[:, 24:][:, part]
                if query is not None:
                    q_head, k_head = rotate(q_head, query[b, 0, rows]), rotate(k_head, key)
                heads.append(softmax_attention(q_head, k_head, v_head))
            out[b, rows] = module.proj(torch.cat(heads, -1))
    return out


@pytest.mark.parametrize("speakers", [1, 2, 6])
def test_cross_attention_equals_the_naive_loop(speakers):
    module = fill(AudioCrossAttention(TOY, torch.nn))
    x, tokens = randn(2, 3 * 4, 24), randn(2, 3, speakers * 3, 8, seed=1)
    query = key = None
    if speakers > 1:
        query = rotation(randn(2, 12, seed=2) * 10, 12)[:, None]
        key = rotation(randn(speakers * 3, seed=3) * 10, 12)
    out = attend(module, x, tokens, query, key)
    assert out.shape == x.shape
    close(out, naive_cross_attention(module, x, tokens, query, key))


def test_video_hears_only_its_own_latent_frame():
    module = fill(AudioCrossAttention(TOY, torch.nn))
    x, tokens = randn(1, 12, 24), randn(1, 3, 3, 8, seed=1)
    changed = tokens.clone()
    changed[:, 1] += 1
    moved = (attend(module, x, tokens) != attend(module, x, changed)).any(-1)[0]
    assert moved.tolist() == [False] * 4 + [True] * 4 + [False] * 4


def test_cross_attention_of_two_rows_is_that_of_each():
    module = fill(AudioCrossAttention(TOY, torch.nn))
    x, tokens = randn(2, 8, 24), randn(2, 2, 6, 8, seed=1)
    query, key = rotation(randn(2, 8, seed=2), 12)[:, None], rotation(randn(6, seed=3), 12)
    single = [
        attend(module, x[i : i + 1], tokens[i : i + 1], query[i : i + 1], key) for i in (0, 1)
    ]
    close(attend(module, x, tokens, query, key), torch.cat(single))


def test_one_speaker_is_not_rotated():
    module = fill(AudioCrossAttention(TOY, torch.nn))
    x, tokens = randn(1, 8, 24), randn(1, 2, 3, 8, seed=1)
    key = rotation(randn(3, seed=3) * 10, 12)
    assert torch.equal(attend(module, x, tokens, None, key), attend(module, x, tokens))


def test_same_rotation_everywhere_is_no_rotation():
    module = fill(AudioCrossAttention(TOY, torch.nn))
    x, tokens = randn(1, 8, 24), randn(1, 2, 3, 8, seed=1)
    query = rotation(torch.full((1, 8), 2.0), 12)[:, None]
    key = rotation(torch.full((3,), 2.0), 12)
    close(attend(module, x, tokens, query, key), attend(module, x, tokens))


def test_block_norms_the_video_before_it_attends():
    block = fill(AudioBlock(TOY, torch.nn))
    x, tokens = randn(1, 8, 24), randn(1, 2, 3, 8, seed=1)
    none = {"query_rotation": None, "key_rotation": None, "attention": plain_attention}
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
    normed = (x - mean) / (variance + 1e-6).sqrt() * block.norm_x.weight + block.norm_x.bias
    close(block(x, tokens, **none), attend(block.audio_cross_attn, normed, tokens))


def test_released_part_has_the_published_names_and_sizes():
    part = build_audio_part(RELEASED, device="meta", dtype=torch.bfloat16)
    state = part.state_dict()
    assert len(state) == 330
    assert sum(tensor.numel() for tensor in state.values()) == 2_487_168_000
    assert {tensor.dtype for tensor in state.values()} == {torch.bfloat16}
    shapes = {
        "audio_proj.proj1.weight": (512, 46080),
        "audio_proj.proj1_vf.weight": (512, 73728),
        "audio_proj.proj2.bias": (512,),
        "audio_proj.proj3.weight": (24576, 512),
        "audio_proj.norm.weight": (768,),
        "blocks.39.audio_cross_attn.q_linear.weight": (5120, 5120),
        "blocks.39.audio_cross_attn.kv_linear.weight": (10240, 768),
        "blocks.39.audio_cross_attn.proj.bias": (5120,),
        "blocks.39.norm_x.bias": (5120,),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def test_part_only_evaluates_and_loads_strictly():
    part, other = fill(build_audio_part(TOY)), build_audio_part(TOY)
    assert not part.training
    assert not any(parameter.requires_grad for parameter in other.parameters())
    other.load_state_dict(part.state_dict(), strict=True)
    windows = randn(1, 9, 5, 2, 6)
    assert torch.equal(part.audio_proj(windows), other.audio_proj(windows))


def naive_map(q, k, masks):
    """The whole attention matrix, as in the paper."""
    cells = masks.shape[1]
    scores = torch.einsum("blnd,bknd->bnlk", q.double(), k[:, :cells].double())
    weights = torch.softmax(scores / q.shape[-1] ** 0.5, -1)
    shares = torch.einsum("bnlk,sk->bsnl", weights, masks.double())
    return (shares.mean(2) / masks.double().sum(1).clamp_min(1)[:, None]).float()


def masks_of(speakers, cells=10):
    """Speakers side by side, the rest is background: [S+1, n]."""
    masks = torch.zeros(speakers + 1, cells)
    owner = torch.arange(cells) * (speakers + 1) // cells
    masks[owner, torch.arange(cells)] = 1
    return masks


@pytest.mark.parametrize("speakers", [1, 2, 6])
def test_speaker_map_equals_the_naive_softmax(speakers):
    q, k, masks = randn(2, 30, 2, 12), randn(2, 30, 2, 12, seed=1), masks_of(speakers)
    shares = speaker_map(q, k, masks)
    assert shares.shape == (2, speakers + 1, 30)
    close(shares, naive_map(q, k, masks))


def test_speaker_map_is_float32_in_any_dtype():
    q, k = randn(1, 30, 2, 12).bfloat16(), randn(1, 30, 2, 12, seed=1).bfloat16()
    shares = speaker_map(q, k, masks_of(2).bfloat16())
    assert shares.dtype == torch.float32
    torch.testing.assert_close(shares, naive_map(q, k, masks_of(2)), rtol=2e-2, atol=2e-3)


def test_shares_of_disjoint_masks_sum_to_one():
    masks = masks_of(2)
    shares = speaker_map(randn(1, 30, 2, 12), randn(1, 30, 2, 12, seed=1), masks)
    close((shares * masks.sum(1)[:, None]).sum(1), torch.ones(1, 30))


def test_empty_mask_has_share_zero():
    masks = torch.tensor([[1.0, 1, 0, 0], [0, 0, 1, 1], [0, 0, 0, 0]])
    shares = speaker_map(randn(1, 8, 2, 12), randn(1, 8, 2, 12, seed=1), masks)
    assert not shares[:, 2].any()
    assert (shares[:, :2] > 0).all()


def test_map_of_two_rows_is_that_of_each():
    q, k = randn(2, 30, 2, 12), randn(2, 30, 2, 12, seed=1)
    single = [speaker_map(q[i : i + 1], k[i : i + 1], masks_of(2)) for i in (0, 1)]
    close(speaker_map(q, k, masks_of(2)), torch.cat(single))


@pytest.mark.parametrize(
    ("speakers", "starts", "keys"),
    [
        (1, (0,), (2,)),
        (2, (0, 20), (2, 22)),
        (3, (0, 4, 8), (2, 6, 10)),
        (4, (0, 4, 8, 12), (2, 6, 10, 14)),
        (5, (0, 4, 8, 12, 16), (2, 6, 10, 14, 18)),
        (6, (0, 4, 8, 12, 16, 20), (2, 6, 10, 14, 18, 22)),
    ],
)
def test_speaker_axis(speakers, starts, keys):
    axis = speaker_axis(speakers, RELEASED)
    assert axis == SpeakerAxis(starts=starts, interval=4.0, background=12.0)
    assert axis.key_positions == keys


def test_token_lies_in_the_range_of_its_speaker_by_its_share():
    shares = torch.tensor([[[0.0, 0.25, 0.5, 1.0], [0.2, 0.6, 0.1, 0.1], [0.1, 0.1, 0.6, 0.1]]])
    positions = speaker_positions(shares, speaker_axis(2, RELEASED))
    assert positions.dtype == torch.float32
    close(positions, torch.tensor([[20 + 0.1 / 0.5 * 4, 24.0, 12.0, 4.0]]))


@pytest.mark.parametrize("speakers", [2, 3, 6])
def test_first_speaker_wins_ties(speakers):
    shares = torch.full((1, speakers + 1, 5), 0.5)
    positions = speaker_positions(shares, speaker_axis(speakers, RELEASED))
    assert torch.equal(positions, torch.zeros(1, 5))  # speaker 1, at the start of the range


def test_empty_background_never_wins():
    shares = torch.rand(1, 3, 50, generator=torch.Generator().manual_seed(0))
    shares[:, 2] = 0
    positions = speaker_positions(shares, speaker_axis(2, RELEASED))
    assert not (positions == 12).any()
    assert ((positions <= 4) | (positions >= 20)).all()
    assert positions.isfinite().all()


def test_positions_of_two_rows_are_those_of_each():
    shares = torch.rand(2, 4, 9, generator=torch.Generator().manual_seed(0))
    axis = speaker_axis(3, RELEASED)
    single = [speaker_positions(shares[i : i + 1], axis) for i in (0, 1)]
    assert torch.equal(speaker_positions(shares, axis), torch.cat(single))


def test_rotation_turns_pair_p_by_position_times_its_frequency():
    table = rotation(torch.tensor([[0.0, 1.5, 22.0]]), 8)
    assert table.shape == (1, 3, 4, 2)
    angles = torch.tensor([0.0, 1.5, 22.0])[:, None] * 10_000 ** (-torch.arange(0, 8, 2) / 8)
    close(table[0, ..., 0], angles.cos())
    close(table[0, ..., 1], angles.sin())


def test_rotation_by_a_quarter_turn():
    turned = rotate(torch.tensor([1.0, 0.0, 3.0, 0.0]), rotation(torch.tensor(math.pi / 2), 4))
    slow = math.pi / 2 * 0.01
    close(turned, torch.tensor([0.0, 1.0, 3 * math.cos(slow), 3 * math.sin(slow)]))


def test_rotation_keeps_the_norm_and_position_zero_the_vector():
    x = randn(2, 3, 5, 12)
    close(rotate(x, rotation(randn(5) * 24, 12)).norm(dim=-1), x.norm(dim=-1))
    assert torch.equal(rotate(x, rotation(torch.zeros(5), 12)), x)


def test_product_depends_on_the_distance_alone():
    q, k = randn(12), randn(12, seed=1)
    products = [
        rotate(q, rotation(torch.tensor(a), 12)) @ rotate(k, rotation(torch.tensor(b), 12))
        for a, b in ((2.0, 5.0), (20.0, 23.0))
    ]
    close(products[0], products[1])


def test_rotated_vectors_keep_their_dtype():
    x = randn(5, 12).bfloat16()
    turned = rotate(x, rotation(torch.arange(5.0), 12))
    assert turned.dtype == torch.bfloat16
    close(turned, rotate(x.float(), rotation(torch.arange(5.0), 12)).bfloat16())


def test_speakers_are_joined_in_order_within_each_latent_frame():
    tokens = torch.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5, 1)  # B S T K E
    joined = join_speakers(tokens)
    assert joined.shape == (2, 4, 15, 1)
    for speaker in range(3):
        assert torch.equal(joined[:, :, 5 * speaker : 5 * speaker + 5], tokens[:, speaker])
