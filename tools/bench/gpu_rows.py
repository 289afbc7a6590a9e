"""The rows of gpu.py: each measures one thing on a card and gives its figures by name.

A row makes what it needs and is run in a process of its own. Weights are random numbers on the card
itself. Times are medians of three after one to warm up, between events of the card. What a figure
is called says its unit: `... s` seconds, `TF/s`, `GB/s`, `GB`.
"""

from __future__ import annotations

import contextlib
import statistics
import time
from dataclasses import dataclass, field

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from pack.tools.bench.real_model import RELEASED, TINY, VAE, Step, build_model, make_denoiser

USEFUL_TF, ROOF_SECONDS = 1895.0, 2.40  # of a pass at 640 x 640: performance.md sections 1.2 and 4
REPEATS = 3
TERA, GIGA = 1e12, 1e9


@dataclass(kw_only=True, slots=True)
class Bench:
    """Where a row runs, and how large its work is."""

    device: torch.device
    smoke: bool  # tiny sizes, on any device
    figures: dict = field(default_factory=dict)

    @property
    def blocks(self):
        """Of the network."""
        return self.size(40, 1)

    @property
    def sizes(self):
        """Of the network."""
        return TINY if self.smoke else RELEASED

    def step(self, side=640, **more):
        """A step of a video with equal sides; tiny in a smoke test."""
        if self.smoke:
            return Step(height=32, width=32, frames=5, known=1, steps=2, text_rows=8, **more)
        return Step(height=side, width=side, steps=REPEATS + 1, **more)

    def size(self, released, tiny):
        """One of two sizes."""
        return tiny if self.smoke else released

    def wait(self):
        """Until the card has done what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def seconds(self, work):
        """Median seconds of some work."""
        work()
        self.wait()
        times = []
        for _ in range(self.size(REPEATS, 1)):
            begin = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    def note(self, name, value):
        """Add a figure; it stays if the row fails later."""
        self.figures[name] = value

    @contextlib.contextmanager
    def part(self, name):
        """What may fail without the rest of the row: its reason is its figure."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a kernel raises is what is asked
            self.note(name, f"not here: {str(error).splitlines()[0][:100]}")

    def forget_peak(self):
        """Begin to watch memory."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)

    def note_peak(self, name):
        """Memory at its peak, of weights too: allocated, and reserved by torch."""
        if self.device.type == "cuda":
            self.note(f"{name}, peak GB", torch.cuda.max_memory_allocated(self.device) / GIGA)
            self.note(f"{name}, reserved GB", torch.cuda.max_memory_reserved(self.device) / GIGA)


def fill(model, numbers=None):
    """Give all weights of a model and its audio part small random numbers, where they are.

    `numbers` are used over and over where making new ones would take long.
    """
    from pack.nodes.loading.audio_hooks import KEY

    for network in (model.model, *(p.model for p in model.get_additional_models_with_key(KEY))):
        for parameter in network.parameters():
            flat = parameter.data.view(-1)
            if numbers is None:
                flat.normal_(0, 0.02)
            for piece in flat.split(len(numbers)) if numbers is not None else ():
                piece.copy_(numbers[: len(piece)])
    return model


def random_model(bench, **more):
    """The network with the audio part, random, on the device."""
    dtype = torch.float32 if bench.device.type == "cpu" else torch.bfloat16
    return fill(build_model(bench.blocks, bench.device, bench.sizes, dtype=dtype, **more))


def time_steps(bench, model, step, name, *, passes=1):
    """Seconds of a step after the first, by pass, with memory; the step's own time is noted."""
    from pack.nodes.sampling.talk_guider import TalkGuider

    denoise, request = make_denoiser(model, step, bench.sizes["text_dim"])
    predict, times = TalkGuider.predict_noise, []

    def timed(*args, **kwargs):
        bench.wait()
        begin = time.perf_counter()
        out = predict(*args, **kwargs)
        bench.wait()
        times.append(time.perf_counter() - begin)
        return out

    bench.forget_peak()
    TalkGuider.predict_noise = timed
    try:
        denoise(request)
    finally:
        TalkGuider.predict_noise = predict
    seconds = statistics.median(times[1:]) / passes
    bench.note(f"{name}, s", seconds)
    bench.note_peak(name)
    return seconds


def note_against_roof(bench, name, seconds):
    """Which part of the roof and of the card's promise a pass at 640 x 640 reaches."""
    bench.note(f"{name}, of the roof", ROOF_SECONDS / seconds)
    bench.note(f"{name}, TF/s", USEFUL_TF / seconds)


def roofs(bench):
    """What the card can do: products, copies, attention."""
    n, dtype = bench.size(8192, 256), torch.bfloat16
    a, b = (torch.randn(n, n, device=bench.device, dtype=dtype) for _ in range(2))
    bench.note("bf16 product, TF/s", 2 * n**3 / bench.seconds(lambda: a @ b) / TERA)
    with bench.part("fp8 product, TF/s"):
        x, y = (t.to(torch.float8_e4m3fn) for t in (a, b))
        one = torch.ones((), device=bench.device)
        multiply = torch._scaled_mm
        seconds = bench.seconds(lambda: multiply(x, y.t(), one, one, out_dtype=dtype))
        bench.note("fp8 product, TF/s", 2 * n**3 / seconds / TERA)
    with bench.part("copies, GB/s"):
        _copies(bench, bench.size(4 << 30, 1 << 20))
    _attention(bench, *bench.size((40, 33_600), (2, 64)))


def _copies(bench, size):
    source = torch.empty(size, dtype=torch.uint8, device=bench.device)
    target = torch.empty_like(source)
    seconds = bench.seconds(lambda: target.copy_(source))
    bench.note("copy, GB/s", 2 * size / seconds / GIGA)
    part = target[: size // 4]
    for kind, pinned in (("pageable", False), ("pinned", True)):
        name = f"host to card, {kind}, GB/s"
        with bench.part(name):
            held = torch.empty(len(part), dtype=torch.uint8, pin_memory=pinned)
            seconds = bench.seconds(lambda held=held: part.copy_(held, non_blocking=True))
            bench.note(name, len(part) / seconds / GIGA)


def _attention(bench, heads, tokens):
    q = torch.randn(1, heads, tokens, 128, device=bench.device, dtype=torch.bfloat16)
    attend = torch.nn.functional.scaled_dot_product_attention
    for backend in ("FLASH_ATTENTION", "CUDNN_ATTENTION", "EFFICIENT_ATTENTION"):
        name = f"attention, {backend.lower().split('_')[0]}, TF/s"
        with bench.part(name), sdpa_kernel(getattr(SDPBackend, backend)):
            seconds = bench.seconds(lambda: attend(q, q, q))
            bench.note(name, 4 * heads * tokens**2 * 128 / seconds / TERA)


def one_speaker(bench):
    """A pass at 640 x 640; launches and copies as torch dispatches them; then all three passes."""
    from pack.tools.bench.fake_card import Counter

    model = random_model(bench)
    seconds = time_steps(bench, model, bench.step(text=1.0, audio=1.0), "one pass")
    note_against_roof(bench, "one pass", seconds)
    step = bench.step(text=1.0, audio=1.0)
    step.steps = 2
    denoise, request = make_denoiser(model, step, bench.sizes["text_dim"])
    with Counter() as counter:
        denoise(request)
    bench.note("one pass, launches", counter.counts.launches // step.steps)
    bench.note("one pass, copies to the card", counter.counts.to_card / step.steps)
    bench.note("one pass, waits", counter.counts.waits / step.steps)
    for name, together in (("three passes singly", False), ("three passes together", True)):
        with bench.part(f"{name}, s"):
            time_steps(bench, model, bench.step(together=together), name)


def two_speakers(bench):
    """A pass with two speakers: the speaker map as an attention, and with its scores in memory."""
    from pack.nodes.loading import audio_hooks

    model = random_model(bench)
    one = bench.step(text=1.0, audio=1.0, speakers=2)
    seconds = time_steps(bench, model, one, "map as attention")
    note_against_roof(bench, "map as attention", seconds)

    def with_scores(q, k, masks, *, attention=None):
        cells = masks.shape[1]
        scores = torch.einsum("blhd,bnhd->bhln", q, k[:, :cells]) / q.shape[-1] ** 0.5
        shares = torch.einsum("bhln,sn->bhsl", scores.softmax(-1), masks.to(q.dtype))
        return (shares / masks.to(q.dtype).sum(1)[:, None]).mean(1)

    kept, audio_hooks.speaker_map = audio_hooks.speaker_map, with_scores
    try:
        with bench.part("map with its scores, s"):
            time_steps(bench, model, one, "map with its scores")
    finally:
        audio_hooks.speaker_map = kept


def window(bench):
    """A window of 81 frames, 4 steps of two passes, with the VAE."""
    model = random_model(bench)
    step = bench.step(text=1.0, audio=2.0, together=True)
    step.steps = bench.size(4, 1)
    denoise, request = make_denoiser(model, step, bench.sizes["text_dim"])
    vae = make_vae(bench)
    dtype = next(vae.parameters()).dtype

    def frames(count):
        shape = (1, 3, count, step.height, step.width)
        return torch.zeros(shape, device=bench.device, dtype=dtype)

    def run():
        vae.encode(frames(step.frames))
        latents = denoise(request)
        return vae.decode(latents.to(bench.device, dtype))

    bench.forget_peak()
    run()
    bench.wait()
    begin = time.perf_counter()
    run()
    bench.wait()
    bench.note("window, s", time.perf_counter() - begin)
    bench.note_peak("window")


def large(bench):
    """A pass at 960 x 960 with one speaker and with two."""
    model = random_model(bench)
    for speakers in (1, 2):
        name = f"960 x 960, speakers {speakers}"
        with bench.part(f"{name}, s"):
            step = bench.step(960, text=1.0, audio=1.0, speakers=speakers)
            time_steps(bench, model, step, name)


def make_vae(bench, dtype=None):
    """The host's VAE with random weights."""
    from comfy.ldm.wan.vae import WanVAE

    small = {**VAE, "dim": 8} if bench.smoke else VAE
    plain = torch.float32 if bench.device.type == "cpu" else torch.bfloat16
    vae = WanVAE(**small).to(bench.device, dtype or plain)
    vae.requires_grad_(requires_grad=False)
    for weight in vae.parameters():
        weight.normal_(0, 0.02)
    return vae


def vae(bench):
    """The VAE at 640 x 640 x 81 in float32, with TF32, and in bfloat16."""
    step = bench.step()
    step.frames = bench.size(step.frames, 1)
    allowed = torch.backends.cudnn.allow_tf32
    kinds = [("float32", torch.float32, False), ("TF32", torch.float32, True)]
    for name, dtype, tf32 in [("bfloat16", torch.bfloat16, False), *kinds]:
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = tf32
        with bench.part(f"decode, {name}, s"):
            model = make_vae(bench, dtype)
            shape = step.height, step.width
            latents = torch.randn(1, 16, step.latent_frames, shape[0] // 8, shape[1] // 8)
            latents = latents.to(bench.device, dtype)
            frames = torch.rand(1, 3, step.frames, *shape).to(bench.device, dtype)
            bench.forget_peak()
            bench.note(f"decode, {name}, s", bench.seconds(lambda m=model, z=latents: m.decode(z)))
            bench.note(f"encode, {name}, s", bench.seconds(lambda m=model, f=frames: m.encode(f)))
            bench.note_peak(f"VAE, {name}")
            del model, latents, frames
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
