"""Golden cases of the speech model; staged, since phases of the source wrap at pi (traps.md 47)."""

from __future__ import annotations

import numpy as np
import torch

from pack.kokoro.config import parse_config
from pack.kokoro.network.decoder import VOICED_HZ, draw_noise, spectrum, waveform_of
from pack.kokoro.network.files import plain_weights
from pack.kokoro.network.model import Kokoro, load_kokoro
from pack.tests.golden_index import exact
from pack.tools.make.small_kokoro import published_shapes

# Relative to the largest value, where a case names no limit of its own.
BEFORE_GENERATOR = 1e-3
TRANSFORM = 1e-4
# Module -> checkpoint that its output is compared with.
OUTPUTS = {
    "bert": "ck.bert", "bert_encoder": "ck.bert_encoder",
    "predictor.text_encoder": "ck.duration_encoder", "predictor.lstm": "ck.duration_lstm",
    "predictor.duration_proj": "ck.duration_logits", "text_encoder": "ck.text_encoder",
    "decoder.encode": "ck.decoder_encode", "decoder": "ck.decoder_out",
}  # fmt: skip


def near(actual, expected, limit, label=""):
    """Largest difference, relative to the largest expected value."""
    assert actual.shape == expected.shape, (label, actual.shape, expected.shape)
    scale = float(expected.abs().max())
    worst = float((actual.double() - expected.double()).abs().max())
    assert worst <= limit * scale, (label, worst / scale)


def complex_bins(magnitude, phase):
    """Bins as two real planes, in which a phase that wraps does not matter."""
    return torch.view_as_real(torch.polar(magnitude, phase))


class Stages:
    """Everything that one forward pass computes on its way."""

    def __init__(self, model: Kokoro, case, *, speed: float = 1.0, seed: int = 0) -> None:
        self.outputs: dict[str, torch.Tensor] = {}
        self.model, self.style = model, case["in.style"]
        names = [*OUTPUTS, "decoder.generator.conv_post"]
        hooks = [model.get_submodule(name).register_forward_hook(self.keep(name)) for name in names]
        hooks.append(model.decoder.register_forward_pre_hook(self.keep_curves))
        made = model.synthesize(case["in.ids"][0], self.style[0], speed=speed, seed=seed)
        for hook in hooks:
            hook.remove()
        self.durations, self.waveform = made.durations, made.waveform

    def keep(self, name):
        def hook(_module, _inputs, output):
            self.outputs[name] = (output[0] if isinstance(output, tuple) else output).clone()

        return hook

    def keep_curves(self, _module, inputs):
        self.pitch, self.energy = inputs[1].clone(), inputs[2].clone()

    @property
    def for_decoder(self):
        return self.style[:, : self.model.config.style_width]

    @torch.inference_mode()
    def say(self, magnitude, phase):
        """Waveform with a recorded spectrum of the source, and the last convolution's output."""
        generator, kept = self.model.decoder.generator, {}
        hook = generator.conv_post.register_forward_hook(lambda *given: kept.update(post=given[2]))
        excitation = torch.cat((magnitude, phase), dim=1)
        waveform = generator(self.outputs["decoder"], self.for_decoder, excitation)[0]
        hook.remove()
        return waveform, kept["post"]


def compare_stages(case, stages):
    """What comes before the source, and the waveform with the recorded source."""
    exact(stages.durations, case["out.durations"])
    limit = case.tolerance.get("before_generator_relative_to_max", BEFORE_GENERATOR)
    for module, name in OUTPUTS.items():
        if name in case.tensors:
            near(stages.outputs[module], case[name], limit, name)
    near(stages.pitch, case["ck.F0"], limit, "F0")
    near(stages.energy, case["ck.N"], limit, "N")
    if "F0_max_abs" in case.tolerance:
        assert float((stages.pitch - case["ck.F0"]).abs().max()) <= case.tolerance["F0_max_abs"]
    waveform, post = stages.say(case["ck.har_magnitude"], case["ck.har_phase"])
    waveform_limit = case.tolerance["audio_with_recorded_source_transform_relative_to_max"]
    near(waveform, case["out.audio"], waveform_limit, "waveform")
    if "ck.post" in case.tensors:
        near(post, case["ck.post"], waveform_limit, "post")
    assert stages.waveform.shape == case["out.audio"].shape


@torch.inference_mode()
def compare_source(case, model, pitch, noise, names, rows=None):
    """Sines, merged source and its spectrum; `names` are those of the recorded tensors."""
    generator = model.decoder.generator
    source, limit = generator.m_source, case.tolerance.get("sines_max_abs", 0.005)
    sines = source.sines(pitch, noise)[:, :rows]
    assert float((sines - case[names["sines"]]).abs().max()) <= limit
    merged, recorded = source(pitch, noise), case[names["source"]].flatten(1)
    share = float(source.l_linear.weight.abs().sum())  # by which differences of the sines add up
    assert float((merged - recorded).abs().max()) <= limit * share
    bins = spectrum(recorded, generator.config.n_fft, generator.config.hop)
    magnitude, phase = bins.chunk(2, dim=1)
    expected = complex_bins(case[names["magnitude"]], case[names["phase"]])
    near(complex_bins(magnitude, phase), expected, TRANSFORM, "spectrum of the recorded source")
    computed = generator.excite(pitch, noise).chunk(2, dim=1)
    near(complex_bins(*computed), expected, 2 * limit * share / float(merged.abs().max()), "har")


def small_model(case):
    sizes = case.weights_config() if "needs" in case.entry else case.config
    return load_kokoro(case.weights, parse_config(sizes))


def model_weights(case):
    """Every weight is loaded, and weight norm folded as PyTorch computes it."""
    state = small_model(case).state_dict()
    plain = plain_weights(case.weights)
    assert state.keys() == plain.keys()
    for name, tensor in case.weights.items():
        if not name.endswith(("weight_g", "weight_v")) and not name.startswith("bert.pooler"):
            exact(state[name], tensor)
    for stem in (name[: -len("_g")] for name in case.weights if name.endswith("weight_g")):
        folded = torch._weight_norm(case.weights[f"{stem}_v"], case.weights[f"{stem}_g"], 0)
        near(state[stem], folded, 1e-6, stem)


def zero_noise(case):
    model = small_model(case)
    stages = Stages(model, case, speed=case.config["speed"])
    compare_stages(case, stages)
    names = {"sines": "ck.sines", "source": "ck.source",
             "magnitude": "ck.har_magnitude", "phase": "ck.har_phase"}  # fmt: skip
    compare_source(case, model, stages.pitch, torch.zeros_like(case["ck.sines"]), names)
    length = case["ck.voiced"].shape[1] // stages.pitch.shape[1]
    voiced = (stages.pitch > VOICED_HZ).repeat_interleave(length, dim=1)
    exact(voiced[..., None], case["ck.voiced"])


def variants(case):
    model = small_model(case)
    limit = case.tolerance["audio_with_recorded_source_transform_relative_to_max"]
    stages = Stages(model, case, speed=case.config["speed"])
    exact(stages.durations, case["speed.durations"])
    waveform, _ = stages.say(case["speed.har_magnitude"], case["speed.har_phase"])
    near(waveform, case["speed.audio"], limit, "speed.audio")

    seed = case.config["seed"]
    model.predictor.F0_proj.bias.fill_(case.config["seeded_F0_proj_bias"])
    stages = Stages(model, case, seed=seed)
    near(stages.pitch, case["seeded.F0"], BEFORE_GENERATOR, "seeded.F0")
    exact(stages.pitch > VOICED_HZ, case["seeded.voiced"])
    noise = draw_noise(case["seeded.source"].shape[1], seed)
    compare_stream(case, seed)
    names = {"sines": "seeded.sines_head", "source": "seeded.source",
             "magnitude": "seeded.har_magnitude", "phase": "seeded.har_phase"}  # fmt: skip
    rows = case["seeded.sines_head"].shape[1]
    compare_source(case, model, stages.pitch, noise, names, rows)
    waveform, _ = stages.say(case["seeded.har_magnitude"], case["seeded.har_phase"])
    near(waveform, case["seeded.audio"], limit, "seeded.audio")


def compare_stream(case, seed):
    """The recorded draws. They come from contiguous tensors; the source itself does not (sines)."""
    generator = torch.Generator().manual_seed(seed)
    phases = case["seeded.start_phases"]
    exact(torch.rand(phases.shape, generator=generator), phases)
    length = case["seeded.source"].shape[1]
    drawn = torch.randn(1, length, phases.shape[1], generator=generator)
    exact(drawn[:, : case["seeded.first_noise"].shape[1]], case["seeded.first_noise"])


def stft(case):
    """The library's transform; the real-valued one is none (traps.md 48) and not asked for."""
    for name in (n for n, sub in case.config.items() if isinstance(sub, dict)):
        n_fft, hop = case.config[name]["n_fft"], case.config[name]["hop"]
        bins = spectrum(case[f"{name}.wave"], n_fft, hop).chunk(2, dim=1)
        recorded = case[f"{name}.complex_magnitude"], case[f"{name}.complex_phase"]
        case.check(complex_bins(*bins), complex_bins(*recorded), name)
        case.check(waveform_of(*recorded, hop)[:, None], f"{name}.complex_back")
        given = case[f"{name}.any_magnitude"], case[f"{name}.any_phase"]
        case.check(waveform_of(*given, hop)[:, None], f"{name}.any_complex_back")


def full_size(case):
    formula = case.entry["formula"]
    state = formula_weights(formula, parse_config(case.config))
    after(state)
    for name, values in formula["first_values"].items():
        near(state[name].flatten()[: len(values)], torch.tensor(values), 1e-7, name)
    model = load_kokoro(state, parse_config(case.config))
    compare_stages(case, Stages(model, case))


def formula_weights(formula, config):
    """Weights made of integers; shapes are those of the network with weight norm in two halves."""
    shapes = published_shapes(config)
    names = formula["tensor_names_in_order"]
    assert sorted(shapes) == names
    assert len(names) == formula["tensor_count"]
    return {n: formula_tensor(n, shapes[n], p, formula["seed"]) for p, n in enumerate(names)}


def formula_tensor(name, shape, position, seed):
    count = int(np.prod(shape))
    h = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    h += np.uint32((position * 40503 + seed * 69069) % 2**32)
    for _ in range(2):
        h ^= h >> np.uint32(16)
        h *= np.uint32(0x45D9F3B)
    h ^= h >> np.uint32(16)
    u = h / 2.0**31 - 1
    is_norm = name.endswith("weight") and "norm" in name.lower()
    if name.endswith("weight_g"):
        values = 0.8 + 0.2 * u
    elif "alpha" in name or name.endswith("gamma") or is_norm:
        values = 1 + 0.2 * u
    elif len(shape) == 1:
        values = 0.1 * u
    else:
        values = 1.5 * u / np.sqrt(np.prod(shape[1:]))
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def after(state):
    """What the formula does to the tensors afterwards."""
    state["predictor.F0_proj.weight"] *= 15
    state["predictor.F0_proj.bias"].fill_(260)
    state["predictor.duration_proj.linear_layer.weight"] *= 8
    state["predictor.duration_proj.linear_layer.bias"] -= 3.4


HANDLERS = {
    "speech_model_weights": model_weights,
    "speech_model_zero_noise": zero_noise,
    "speech_model_variants": variants,
    "speech_stft": stft,
    "speech_model_full_size": full_size,
}
