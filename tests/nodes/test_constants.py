"""Between steps 2 and n nothing constant is copied, nothing is complex, no cache is flushed.

A dispatch mode sees every operation of a sampling run in bfloat16, where a float32 constant that is
cast in every call would show.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

from pack.tests.nodes.small import SIZES, SMALL

pytestmark = pytest.mark.host
STEPS = 4

# The host's own time embedding makes its table of frequencies anew in every call.
HOST_TABLES = ("sinusoidal_embedding_1d", "rope_encode", "rope")


INPUT_CASTS = ("convert_tensor", "cast_to_device")


def names_of_callers(limit=30):
    """Names of the functions that are running, innermost first."""
    frame, names = sys._getframe(1), []
    while frame is not None and len(names) < limit:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


class Watch(TorchDispatchMode):
    """Notes copies that change dtype or device, by content, and complex results."""

    def __init__(self):
        super().__init__()
        self.step = 0
        self.copies = {}  # step -> Counter of (address or content, shape, place)
        self.kept = []
        self.complex = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and out.is_complex():
            self.complex.append(str(func))
        if func is torch.ops.aten._to_copy.default:
            callers = names_of_callers()
            if not any(name in HOST_TABLES for name in callers):
                self.note(args[0], callers)
        return out

    def note(self, tensor, callers):
        self.kept.append(tensor)  # so that no later tensor gets the same address
        place = next(name for name in callers if name != "__torch_dispatch__")
        identity = tensor.untyped_storage().data_ptr()
        if any(name in INPUT_CASTS for name in callers):
            # The host joins inputs into a new tensor in every call, so content tells.
            with torch.utils._python_dispatch._disable_current_modes():
                identity = tensor.double().sum().item()
        key = (identity, tuple(tensor.shape), place)
        self.copies.setdefault(self.step, Counter())[key] += 1


def small_model(folder):
    """A MODEL with audio part that computes in bfloat16 on the CPU as on a GPU."""
    import comfy.sd
    import folder_paths
    from toy import build_base

    from pack.multitalk.model.model_files import AudioFile
    from pack.nodes.loading.audio_hooks import AttachedAudio, attach_audio
    from pack.nodes.loading.audio_part import load_audio_part

    base, metadata = build_base(clip=True, **SIZES)
    path = folder / "base.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in base.items()}, path, metadata)
    model = comfy.sd.load_diffusion_model(str(path), {"dtype": torch.bfloat16})
    model.model.manual_cast_dtype = None
    file = folder_paths.get_full_path_or_raise("model_patches", SMALL["audio_part"])
    part = load_audio_part(AudioFile.read(Path(file)), torch.bfloat16)
    attached = AttachedAudio(name="toy", family="multitalk", config=part.model.config)
    return attach_audio(model, part, attached)


def sample(folder, *, settle=True, voices=2):
    """Four steps of a two-speaker window in bfloat16 under the watch."""
    import comfy.model_management
    import comfy.samplers

    from pack.multitalk.config import ApgConfig
    from pack.multitalk.generate import Motion
    from pack.multitalk.guidance import plan_guidance
    from pack.multitalk.schedule import shifted_sigmas
    from pack.nodes.sampling.talk_guider import AudioInputs, TalkGuider

    model = small_model(folder)
    generator = torch.Generator().manual_seed(0)
    text = torch.randn(1, 5, 64, generator=generator)
    clip = SimpleNamespace(penultimate_hidden_states=torch.randn(1, 257, 1280))
    values = {
        "clip_vision_output": clip,
        "concat_latent_image": torch.randn(1, 16, 3, 4, 4),
        "concat_mask": torch.ones(1, 1, 3, 4, 4),
    }
    positive, negative = [[text, values]], [[text * 2, values]]
    cells = torch.zeros(3, 4, 4)
    cells[0, :, :2], cells[1, :, 2:] = 1, 1
    motion = Motion(latents=torch.randn(1, 16, 1, 4, 4), noise=None)
    guider = TalkGuider(
        model,
        positive,
        negative,
        AudioInputs(speech=torch.randn(voices, 9, 5, 2, 64), cells=cells),
        plan_guidance(5.0, 4.0, apg=ApgConfig()),
        motion=motion,
    )
    if not settle:
        guider._settle_conds = lambda device, *, several=False: None
    watch = Watch()

    def next_step(step, *_):
        watch.step = step + 1

    noise = torch.randn(1, 16, 3, 4, 4)
    sampler = comfy.samplers.sampler_object("euler")
    with torch.no_grad(), watch:  # inference mode would hide copies from the watch
        guider.sample(
            noise, torch.zeros_like(noise), sampler, shifted_sigmas(STEPS, 3.0), callback=next_step,
            disable_pbar=True,
        )  # fmt: skip
    return watch


def constants(watch):
    """Copies of one and the same tensor in every one of the steps 2 to 4."""
    steps = [set(watch.copies.get(step, ())) for step in range(1, STEPS)]
    return set.intersection(*steps)


def test_no_constant_is_copied_between_steps(host, tmp_path, monkeypatch):
    import comfy.model_management

    flushed = []
    monkeypatch.setattr(comfy.model_management, "soft_empty_cache", lambda *a: flushed.append(a))
    watch = sample(tmp_path)
    assert watch.copies[2]  # the watch sees casts of what changes
    assert constants(watch) == set()
    assert watch.complex == []
    assert flushed == []


def test_the_watch_sees_a_constant_that_is_cast_in_every_step(host, tmp_path):
    assert constants(sample(tmp_path, settle=False))
