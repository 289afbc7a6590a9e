"""Rows of gpu.py: other ways to hold and compute the network, and prices of the reference's."""

from __future__ import annotations

import torch

from pack.tools.bench.gpu_rows import GIGA, fill, note_against_roof, random_model, time_steps
from pack.tools.bench.real_model import build_model

BLOCK_LAYERS = 40  # of the released model: prices are for all of them


def fp8(bench):
    """A pass with block matrices in fp8: numbers made for each call, and multiplied in 8 bit."""
    from pack.nodes.loading.modules import assign, choose_operations, store
    from pack.nodes.loading.quantizations import QUANTIZATIONS

    dtype = torch.float32 if bench.device.type == "cpu" else torch.bfloat16
    for choice in ("fp8_e4m3fn", "fp8_e4m3fn_fast"):
        with bench.part(f"{choice}, s"):
            plain = random_model(bench).model.diffusion_model.state_dict()
            state = store(plain, quantization=QUANTIZATIONS[choice], dtype=dtype, name=choice)
            layers = choose_operations("host", dtype, dtype, bench.device)
            made = build_model(
                bench.blocks, bench.device, bench.sizes, dtype=dtype, operations=layers
            )
            fill(made)  # of it the audio part: the network has no numbers yet
            assign(made.model.diffusion_model, state, dtype, paged=False, name=choice)
            step = bench.step(text=1.0, audio=1.0)
            note_against_roof(bench, choice, time_steps(bench, made, step, choice))
            del plain, state, made


def compiled(bench):
    """A pass whose blocks are compiled, with one speaker and with two; the first step compiles."""
    from comfy_api.torch_helpers import set_torch_compile_wrapper
    from comfy_extras.nodes_torch_compile import skip_torch_compile_dict

    model = random_model(bench)
    set_torch_compile_wrapper(
        model=model,
        backend="eager" if bench.smoke else "inductor",
        options={"guard_filter_fn": skip_torch_compile_dict},
        keys=[f"diffusion_model.blocks.{number}" for number in range(bench.blocks)],
    )
    if bench.smoke:  # the way there alone: tracing takes long
        torch.compiler.set_stance("force_eager")
    for speakers in (1, 2):
        name = f"compiled, speakers {speakers}"
        with bench.part(f"{name}, s"):
            step = bench.step(text=1.0, audio=1.0, speakers=speakers)
            note_against_roof(bench, name, time_steps(bench, model, step, name))
    torch.compiler.set_stance("default")


def swap(bench):
    """A pass with weights in the host's memory: all, half; without its streams; passes together."""
    import comfy.model_management as management

    cpu = torch.device("cpu")
    dtype = torch.float32 if bench.device.type == "cpu" else torch.bfloat16
    model = build_model(bench.blocks, bench.device, bench.sizes, dtype=dtype, offload=cpu)
    fill(model, torch.randn(1 << 26).to(dtype) * 0.02)
    one, all_three = bench.step(text=1.0, audio=1.0), bench.step(together=True)
    size = model.model_size()
    kept = management.EXTRA_RESERVED_VRAM, management.NUM_STREAMS
    for name, share, streams, step in (
        ("all swapped", 0.0, kept[1], one),
        ("half swapped", 0.5, kept[1], one),
        ("all swapped, three passes together", 0.0, kept[1], all_three),
        ("all swapped, no streams", 0.0, 0, one),
    ):
        management.unload_all_models()
        management.NUM_STREAMS = streams
        if bench.device.type == "cuda":
            free = management.get_free_memory(bench.device)
            management.EXTRA_RESERVED_VRAM = max(0, free - share * size - 8 * GIGA)
        with bench.part(f"{name}, s"):
            time_steps(bench, model, step, name)
            bench.note(f"{name}, resident GB", model.loaded_size() / GIGA)
    management.EXTRA_RESERVED_VRAM, management.NUM_STREAMS = kept


def reference(bench):
    """What ways of the reference cost a pass, each priced alone: performance.md section 1.4."""
    heads, tokens, cells = bench.size((40, 33_600, 1600), (2, 64, 16))
    width = heads * 128
    device, dtype = bench.device, torch.bfloat16
    q = torch.randn(1, tokens, heads, 128, device=device, dtype=dtype)
    x = torch.randn(1, tokens, width, device=device, dtype=dtype)
    scale = torch.randn(1, 1, width, device=device, dtype=torch.float32)
    table = torch.polar(torch.ones(tokens, 64), torch.rand(tokens, 64)).to(torch.complex128)

    def scores():
        found = torch.einsum("blhd,bnhd->bhln", q.float(), q[:, :cells].float())
        return (found * 128**-0.5).softmax(-1).mean((1, 3))

    def rotate():
        pairs = torch.view_as_complex(q.double().reshape(1, tokens, heads, 64, 2))
        return torch.view_as_real(pairs * table.to(device)[None, :, None]).flatten(3).to(dtype)

    def rotate_real():
        return q * table.real.to(device, dtype).repeat(1, 2)[None, :, None]

    def copies():
        return (x.float() * (1 + scale) + scale).to(dtype)

    def in_place():
        return torch.addcmul(scale.to(dtype), x, 1 + scale.to(dtype))

    def flush():
        if device.type == "cuda":
            torch.cuda.synchronize(device)
            torch.cuda.empty_cache()
        return x + 1

    ways = (
        ("map with its scores", scores, 1),
        ("complex table from the host", rotate, 2),
        ("the same real and in 16 bit", rotate_real, 2),
        ("float32 copies", copies, 6),
        ("the same in 16 bit", in_place, 6),
        ("a flush per layer", flush, 1),
    )
    for name, way, times in ways:
        with bench.part(f"{name}, s per pass"):
            bench.forget_peak()
            bench.note(f"{name}, s per pass", bench.seconds(way) * times * BLOCK_LAYERS)
            bench.note_peak(name)
