from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from pack.kokoro.config import BertConfig, KokoroConfig
from pack.kokoro.network import layers
from pack.kokoro.network.decoder import (
    SnakeBlock,
    Source,
    draw_noise,
    snake_,
    spectrum,
    waveform_of,
)
from pack.kokoro.network.layers import (
    AdaptiveBlock,
    AdaptiveNorm,
    Albert,
    Convolution,
    Doubling,
    Upsampling,
)
from pack.kokoro.network.model import Kokoro
from pack.tests.multitalk.tolerances import close
from pack.tools.make.small_kokoro import (
    SMALL,
    is_instance_norm,
    published_shapes,
    random_model,
)

MANIFEST = Path(__file__).parents[2] / "weights" / "manifests" / "kokoro_82m.json"
IDS = [0, 50, 83, 16, 54, 57, 0]


def noise(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model():
    return random_model()


@pytest.fixture(scope="module")
def style():
    return noise(256) * 0.3


def test_names_and_shapes_are_those_of_the_published_file():
    manifest = json.loads(MANIFEST.read_text())
    published = {
        f"{part}.{name.removeprefix('module.')}": tuple(shape)
        for part, shapes in manifest["submodules"].items()
        for name, shape in shapes.items()
    }
    ours = published_shapes(KokoroConfig())
    assert {n: s for n, s in ours.items() if not is_instance_norm(n)} == published
    count = sum(math.prod(shape) for shape in published.values())
    assert count == manifest["parameter_count_loaded"] == 81_763_410


def test_waveform_has_600_samples_per_frame(model, style):
    made = model.synthesize(IDS, style)
    assert made.durations.shape == (len(IDS),)
    assert made.durations.dtype == torch.int64
    assert made.waveform.shape == (600 * int(made.durations.sum()),)
    assert made.waveform.dtype == torch.float32
    assert made.waveform.isfinite().all()
    assert made.waveform.abs().max() > 1e-4


def test_ids_may_be_a_tensor(model, style):
    made = model.synthesize(torch.tensor(IDS), style)
    assert torch.equal(made.waveform, model.synthesize(IDS, style).waveform)


def test_seed_decides_the_noise_and_leaves_the_global_generator_alone(model, style):
    state = torch.random.get_rng_state()
    first, same, other = (model.synthesize(IDS, style, seed=s).waveform for s in (7, 7, 8))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_halves_of_a_style_go_to_the_decoder_and_the_predictor(model, style):
    base = model.synthesize(IDS, style)
    decoder_only, predictor_only = style.clone(), style.clone()
    decoder_only[:128] += 1
    predictor_only[128:] += 1
    changed = model.synthesize(IDS, decoder_only)
    assert torch.equal(changed.durations, base.durations)
    assert not torch.equal(changed.waveform, base.waveform)
    with torch.inference_mode():
        ids = torch.tensor([IDS])
        features = model.bert_encoder(model.bert(ids))
        encode = model.predictor.text_encoder
        plain, moved = (encode(features, s[None, 128:]) for s in (style, predictor_only))
    assert not torch.equal(plain, moved)


@pytest.mark.parametrize("speed", [0.25, 0.5, 2.0, 4.0])
def test_durations_are_divided_by_speed(model, style, speed):
    scores = {}
    hook = model.predictor.duration_proj.register_forward_hook(
        lambda _m, _i, output: scores.update(sums=torch.sigmoid(output).sum(-1)[0])
    )
    made = model.synthesize(IDS, style, speed=speed)
    hook.remove()
    expected = [max(1, round(float(s) / speed)) for s in scores["sums"]]
    assert made.durations.tolist() == expected


@pytest.mark.parametrize(
    ("frames", "speed", "expected"),
    [(2.5, 1.0, 2), (3.5, 1.0, 4), (0.2, 1.0, 1), (5.0, 2.0, 2), (3.0, 2.0, 2), (2.6, 1.0, 3)],
)
def test_durations_are_rounded_half_to_even_and_at_least_one(frames, speed, expected):
    class Scores(torch.nn.Module):
        def forward(self, x):
            whole, rest = divmod(frames, 1)
            shares = torch.tensor([1.0] * int(whole) + [rest] + [0.0] * 3)
            return torch.logit(shares).expand(*x.shape[:2], -1)

    predictor = random_model().predictor
    predictor.duration_proj = Scores()
    found = predictor.durations(torch.zeros(1, 3, SMALL.hidden + SMALL.style_width), speed)
    assert found.tolist() == [expected] * 3


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([0, 0], r"shape \[2\]"),
        ([0] * 513, r"shape \[513\].*3 to 512"),
        ([0, 178, 0], "0 to 177"),
        ([0, -1, 0], "0 to 177"),
        ([0.0, 1.5, 0.0], "whole numbers"),
        ([[0, 5, 0]], r"shape \[1, 3\]"),
    ],
)
def test_ids_that_the_model_does_not_know_are_refused(model, style, ids, message):
    with pytest.raises(ValueError, match=message):
        model.synthesize(ids, style)


@pytest.mark.parametrize("speed", [0.0, -1.0, 0.2, 4.1, math.nan, math.inf])
def test_speed_out_of_range_is_refused(model, style, speed):
    with pytest.raises(ValueError, match=r"speed is .* 0.25 to 4.0"):
        model.synthesize(IDS, style, speed=speed)


@pytest.mark.parametrize("shape", [(1, 256), (255,), (128,)])
def test_style_of_another_shape_is_refused(model, shape):
    with pytest.raises(ValueError, match=r"style has the shape"):
        model.synthesize(IDS, torch.zeros(shape))


def test_longest_chunk_can_be_said(model, style):
    made = model.synthesize([0, *[50] * 510, 0], style, speed=4.0)
    assert made.durations.shape == (512,)
    assert made.waveform.isfinite().all()


def test_small_sizes_are_not_in_the_code():
    sizes = dataclasses.replace(SMALL, hidden=20, num_layers=1, decoder_mid_channels=10)
    made = random_model(sizes).synthesize(IDS, torch.zeros(256))
    assert made.waveform.shape == (600 * int(made.durations.sum()),)


def test_albert_is_that_of_transformers():
    from transformers import AlbertConfig, AlbertModel

    sizes = BertConfig(
        embedding=8, hidden=12, num_heads=3, intermediate=20, num_layers=3, max_positions=16
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = AlbertModel(AlbertConfig(
            vocab_size=30, embedding_size=8, hidden_size=12, num_attention_heads=3,
            intermediate_size=20, num_hidden_layers=3, max_position_embeddings=16,
        )).eval()  # fmt: skip
    state = {n: noise(*t.shape, seed=i) for i, (n, t) in enumerate(theirs.state_dict().items())}
    theirs.load_state_dict({n: t for n, t in state.items() if "_ids" not in n}, strict=False)
    ours = Albert(sizes, 30)
    ours.load_state_dict({n: t for n, t in state.items() if n in ours.state_dict()})
    ids = torch.tensor([[0, 3, 29, 7, 0]])
    with torch.inference_mode():
        close(ours(ids), theirs(ids).last_hidden_state)


def test_adaptive_norm_is_an_instance_norm():
    norm, x, style = AdaptiveNorm(6, 4), noise(1, 6, 50) * 3 + 1, noise(1, 4, seed=1)
    norm.norm.weight.data, norm.norm.bias.data = noise(6, seed=2), noise(6, seed=3)
    gain, shift = norm.fc(style)[0, :, None].chunk(2)
    plain = F.instance_norm(x, weight=norm.norm.weight, bias=norm.norm.bias, eps=1e-5)
    close(norm(x, style), (1 + gain) * plain + shift)


def test_doubling_is_the_transposed_convolution():
    layer, x = Doubling(5), noise(1, 5, 9)
    layer.weight.data, layer.bias.data = noise(5, 1, 3, seed=1), noise(5, seed=2)
    expected = F.conv_transpose1d(
        x, layer.weight, layer.bias, stride=2, padding=1, output_padding=1, groups=5
    )
    close(layer(x), expected)


def test_block_doubles_the_length_of_both_paths():
    block, x, style = AdaptiveBlock(6, 4, 3, doubling=True), noise(1, 6, 10), noise(1, 3)
    inner = block.pool(F.leaky_relu(block.norm1(x, style), 0.2))
    inner = block.conv2(F.leaky_relu(block.norm2(block.conv1(inner), style), 0.2))
    short = block.conv1x1(F.interpolate(x, scale_factor=2, mode="nearest"))
    close(block(x, style), (inner + short) / math.sqrt(2))


CONVOLUTIONS = [
    {"kernel_size": 5, "padding": 2},
    {"kernel_size": 5, "padding": 10, "dilation": 5},
    {"kernel_size": 1, "bias": False},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 12, "padding": 3, "stride": 6},
    {"kernel_size": 4, "padding": 2, "stride": 3},
]


@pytest.mark.parametrize("length", [7, 8, 9, 16, 61])
@pytest.mark.parametrize("sizes", CONVOLUTIONS)
def test_convolution_is_that_of_pytorch(monkeypatch, sizes, length):
    monkeypatch.setattr(layers, "TILE", 8)
    layer, x = Convolution(3, 4, **sizes).requires_grad_(requires_grad=False), noise(1, 3, length)
    expected = torch.nn.Conv1d.forward(layer, x)
    close(layer(x), expected)
    total = noise(*expected.shape, seed=1)
    kept = total.clone()
    assert layer(x, total) is total
    close(total, kept + expected)


@pytest.mark.parametrize(("kernel", "stride"), [(20, 10), (12, 6), (4, 4), (7, 3), (4, 2)])
@pytest.mark.parametrize("length", [1, 2, 9])
def test_upsampling_is_the_transposed_convolution(kernel, stride, length):
    layer = Upsampling(3, 4, kernel, stride, (kernel - stride) // 2)
    layer.requires_grad_(requires_grad=False)
    x = noise(1, 3, length)
    assert layer(x).shape == (1, 4, length * stride)
    close(layer(x), torch.nn.ConvTranspose1d.forward(layer, x))


def test_snake_block_is_what_the_specification_says():
    block, x, style = SnakeBlock(4, 3, (1, 3), 5), noise(1, 4, 40), noise(1, 5, seed=1)
    for index, alpha in enumerate([*block.alpha1, *block.alpha2]):
        alpha.data = noise(1, 4, 1, seed=index).abs() + 0.5
    block.requires_grad_(requires_grad=False)
    kept, expected = x.clone(), x
    for i in range(2):
        t = block.adain1[i](expected, style)
        t = block.convs1[i](t + torch.sin(block.alpha1[i] * t) ** 2 / block.alpha1[i])
        t = block.adain2[i](t, style)
        t = block.convs2[i](t + torch.sin(block.alpha2[i] * t) ** 2 / block.alpha2[i])
        expected = expected + t
    close(block(x, style), expected)
    assert torch.equal(x, kept)


def test_snake_works_in_place():
    x, alpha = noise(1, 4, 30), torch.full((1, 4, 1), 2.0)
    expected = x + torch.sin(2 * x) ** 2 / 2
    assert snake_(x, alpha) is x
    close(x, expected)


def literal_sines(pitch, draws, length):
    """The source as kokoro.md section 2 has it, sample by sample."""
    f = pitch.repeat_interleave(length, dim=1)[..., None]
    rad = f * torch.arange(1, 10) / 24000 % 1
    rad[:, 0, 1:] += torch.rand(8, generator=torch.Generator().manual_seed(5))
    rad = F.interpolate(rad.mT, scale_factor=1 / length, mode="linear")
    phase = rad.cumsum(2) * 2 * math.pi
    sines = F.interpolate(phase * length, scale_factor=length, mode="linear").mT.sin() * 0.1
    voiced = (f > 10).float()
    return sines * voiced + (voiced * 0.003 + (1 - voiced) * 0.1 / 3) * draws


def test_source_is_the_literal_one_whatever_the_start_phases():
    pitch = torch.tensor([[0.0, 90.0, 100.0, 10.0, 10.5, 220.0, -3.0, 300.0]])
    draws = noise(1, 8 * 300, 9)
    found = Source(300).sines(pitch, draws)
    torch.testing.assert_close(found, literal_sines(pitch, draws, 300), rtol=0, atol=1e-5)


def test_noise_is_that_of_a_tensor_shaped_as_the_sines_of_the_reference():
    generator = torch.Generator().manual_seed(3)
    torch.rand(1, 9, generator=generator)
    sines = torch.zeros(1, 9, 600).transpose(1, 2)
    assert torch.equal(draw_noise(600, 3), torch.randn_like(sines, generator=generator))
    assert abs(float(draw_noise(60_000, 3).std()) - 1) < 0.01


@pytest.mark.parametrize(("n_fft", "hop"), [(20, 5), (32, 8)])
def test_spectrum_and_back_is_the_waveform(n_fft, hop):
    waveform = noise(1, hop * 60)
    magnitude, phase = spectrum(waveform, n_fft, hop).chunk(2, dim=1)
    assert magnitude.shape == (1, n_fft // 2 + 1, 61)
    assert (magnitude >= 0).all()
    close(waveform_of(magnitude, phase, hop), waveform)


def test_model_draws_no_random_numbers_when_it_is_built_without_data():
    state = torch.random.get_rng_state()
    with torch.device("meta"):
        Kokoro(SMALL)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("name", "value", "stage"),
    [
        ("bert.embeddings.word_embeddings.weight", math.nan, "the text part"),
        ("predictor.duration_proj.linear_layer.bias", math.nan, "for durations"),
        ("predictor.F0_proj.bias", math.nan, "for pitch"),
        ("predictor.N_proj.bias", math.inf, "for energy"),
        ("text_encoder.embedding.weight", math.nan, "the text encoder"),
        ("decoder.asr_res.0.bias", math.nan, "the decoder"),
        ("decoder.generator.resblocks.0.alpha1.0", 0.0, "the generator"),
    ],
)
def test_a_stage_without_numbers_stops_and_is_named(style, name, value, stage):
    broken = random_model()
    broken.get_parameter(name).fill_(value)
    with pytest.raises(ValueError, match=f"speech model stopped: .*{stage}.* no numbers"):
        broken.synthesize(IDS, style)
