"""One step at the size of the released models, counted on a card that is not there.

    python tools/bench/real_size.py [--height 640] [--width 640] [--speakers 1] [--blocks 40]
        [--text 5] [--audio 4] [--together] [--peak] [--movers] [--json] [--colors] [--vae]

The host's own network and sampler with the pack's audio part and guider, at width 5120, 81 frames,
in bfloat16; see fake_card.py. Each guidance pass runs by itself, or with `--together` in one batch
with those of its kind, as on a card with room; `--speakers 1 2` counts both. Four blocks are enough
for the peak and for bytes per block; all 40 take a minute or two. `--peak` tells who holds memory,
`--movers` who reads and writes it, and how often, in a pass.
`--colors` counts the color match of a window too, of frames on the host, and with
`--blocks 0` nothing else; `--vae` the VAE instead: it decodes a window, and encodes one, nine
and 25 frames and all of them.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
import types
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack

FRAMES, LATENT_FRAMES = 81, 21


def start():
    """Import the host and give it the card; returns the folders of the host and of the pack."""
    from pack.tools.bench import fake_card
    from pack.tools.host.inprocess import find_checkout
    from pack.tools.host.launch import stand_ins

    stand_ins()
    host = find_checkout(ROOT)
    sys.path.insert(0, str(host))
    import comfy.cli_args

    comfy.cli_args.args.cpu = comfy.cli_args.args.use_pytorch_cross_attention = True
    fake_card.use_card()
    return host, ROOT


def count_step(options, roots=()):
    """Counts of the second step of a window: of the whole step, and of each pass in it."""
    from pack.nodes.sampling.talk_guider import TalkGuider
    from pack.tools.bench.fake_card import CARD, Counter, fake_tensors
    from pack.tools.bench.real_model import Step, build_model, make_denoiser

    counter, passes, steps = Counter(roots), [], []
    with torch.no_grad(), fake_tensors():
        model = build_model(options.blocks, CARD)
        step = Step(
            height=options.height, width=options.width, speakers=options.speakers,
            text=options.text, audio=options.audio, together=options.together,
        )  # fmt: skip
        denoise, request = make_denoiser(model, step)
        network, predict = model.model.diffusion_model, TalkGuider.predict_noise
        forward = network.forward

        def counted_pass(*args, **kwargs):
            outer, before = counter.counts, counter.before
            passes.append(counter.begin())
            out = forward(*args, **kwargs)
            outer.add(passes[-1])
            counter.counts, counter.before = outer, before
            return out

        def counted_step(*args, **kwargs):
            passes.clear()
            steps.append(counter.begin())
            out = predict(*args, **kwargs)
            counter.begin()
            return out

        network.forward, TalkGuider.predict_noise = counted_pass, counted_step
        try:
            with counter:
                denoise(request)
        finally:
            TalkGuider.predict_noise = predict
    return steps[1], passes


def count_match(options):
    """Counts of the color match of a window."""
    from pack.multitalk.color import match_statistics
    from pack.tools.bench.fake_card import CARD, Counter, add_guard, fake_tensors

    add_guard()
    with torch.no_grad(), fake_tensors(), Counter() as counter:
        frames = torch.empty(FRAMES, options.height, options.width, 3)
        match_statistics(frames, torch.empty(2, 3, device=CARD), strength=1.0)
    return counter.counts


def count_vae(options):
    """Counts of the host's VAE in bfloat16: decode a window, then encode 1, 9, 25 and 81 frames."""
    from comfy.ldm.wan.vae import WanVAE

    from pack.tools.bench.fake_card import CARD, Counter, fake_tensors
    from pack.tools.bench.real_model import VAE

    found, height, width = [], options.height, options.width
    with torch.no_grad(), fake_tensors(), Counter() as counter:
        with CARD:
            vae = WanVAE(**VAE)
        for part in vae.modules():
            for name, weight in list(part._parameters.items()):
                if weight is not None:
                    part._parameters[name] = torch.nn.Parameter(
                        weight.detach().to(torch.bfloat16), requires_grad=False
                    )

        def count(work, *shape):
            given = torch.empty(1, *shape, device=CARD, dtype=torch.bfloat16)
            found.append(counter.begin())
            work(given)

        count(vae.decode, 16, LATENT_FRAMES, height // 8, width // 8)
        for frames in (1, 9, 25, FRAMES):
            count(vae.encode, 3, frames, height, width)
    return found


def main():
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, default in (("height", 640), ("width", 640), ("blocks", 40)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--speakers", type=int, default=[1], nargs="+")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--text", type=float, default=5.0)
    parser.add_argument("--audio", type=float, default=4.0)
    parser.add_argument("--peak", action="store_true")
    parser.add_argument("--movers", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--colors", action="store_true")
    parser.add_argument("--vae", action="store_true")
    options = parser.parse_args()
    if options.vae:
        start()
        show(options, *count_vae(options))
        return
    if options.blocks:
        roots = start()
        for speakers in options.speakers:
            options.speakers = speakers
            step, passes = count_step(options, roots if options.peak or options.movers else ())
            show(options, step, *passes)
    if options.colors:
        show(options, count_match(options))


def show(options, *found):
    """Print counts: of everything, then of passes or parts."""
    for counts in found:
        if options.json:
            numbers = {name: n for name, n in vars(counts).items() if isinstance(n, int)}
            print(json.dumps(numbers))
        else:
            tell("all" if counts is found[0] else "pass", counts)
        more = [*details(options, counts, whole=counts is found[0])]
        if more:
            print("\n".join(more))


def details(options, counts, *, whole):
    """Lines that were asked for: who moves most, who held memory at the peak, what was copied."""
    if options.movers and not whole:
        yield from movers(counts)
    if options.peak:
        for size, place in counts.at_peak[: 0 if whole else 12]:
            yield f"    {size / 1e6:9.1f} MB {place}"
        yield from (f"    copied {what}" for what in counts.copied)


def movers(counts):
    """Who reads and writes most, line by line."""
    most = sorted(counts.movers.items(), key=lambda item: item[1], reverse=True)
    for (name, place), (size, times) in most:
        yield f"    {size / 1e9:9.3f} GB {times:5} x {name} {place}"


def tell(what, counts):
    """One line of counts."""
    print(
        f"{what}: {counts.flops / 1e12:.1f} TF, peak {counts.peak / 1e9:.3f} GB, "
        f"{counts.bytes / 1e9:.1f} GB moved, {counts.launches} launches, {counts.casts} casts, "
        f"{counts.to_card} copies to the card, {counts.from_card} from it, {counts.waits} waits"
    )


if __name__ == "__main__":
    main()
