"""Files that only tests have: other sizes, other kinds, damaged ones."""

from __future__ import annotations

import importlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.tests.nodes.small import write_small
from pack.tests.nodes.stops import frames_of, host_nodes, prompt_of, runs


@pytest.fixture(scope="session")
def host(host):
    """The host of all tests, with the models of `small` beside the shipped toy."""
    write_small(host)
    # All code of pack and host is read for every run; while tests run nobody changes it.
    surroundings = importlib.import_module(f"{host.pack_name}.nodes.sampling.surroundings")
    surroundings._code = cache(surroundings._code)
    return host


@pytest.fixture(scope="session")
def other_files(host):
    """Put files named test_* into the host's search paths."""
    import folder_paths
    from toy import build_audio, build_base

    folder = host.base / "files"
    for key in ("diffusion_models", "model_patches", "audio_encoders"):
        (folder / key).mkdir(parents=True)
        folder_paths.add_model_folder_path(key, str(folder / key))
    models, patches = folder / "diffusion_models", folder / "model_patches"

    def save(path, built, dtype=None):
        state, metadata = built
        state = {n: t.to(dtype or t.dtype).contiguous() for n, t in state.items()}
        save_file(state, path, metadata)

    save(models / "test_t2v.safetensors", build_base(in_dim=16))
    save(models / "test_vace.safetensors", build_base(in_dim=16, vace=2))
    small = {
        "head.modulation": torch.zeros(1, 2, 1536),
        "patch_embedding.weight": torch.zeros(1536, 16, 1, 2, 2),
    }
    save(models / "test_small.safetensors", (small, {}))  # what tells a 1.3B model
    save(models / "test_clip_base.safetensors", build_base(clip=True))
    other = build_audio(layers=2, encoder_layers=2)
    save(patches / "test_other_audio.safetensors", other)
    save(patches / "test_random_audio.safetensors", build_audio())
    state, metadata = build_audio()
    settings = json.loads(metadata["config"])
    del settings["multitalk"]["family"]  # then the file name tells
    save(patches / "test_infinite_audio.safetensors", (state, {"config": json.dumps(settings)}))
    (patches / "Flash-Talk").mkdir()
    save(patches / "Flash-Talk" / "test_dit.safetensors", (state, {"config": json.dumps(settings)}))
    (models / "SoulX-FlashTalk").mkdir()
    base, facts = build_base()
    facts = json.loads(facts["config"])
    facts["multitalk"] |= settings["multitalk"]
    whole = ({**base, **state}, {"config": json.dumps(facts)})
    save(models / "SoulX-FlashTalk" / "test_whole.safetensors", whole)
    save(patches / "test_short_audio.safetensors", build_audio(layers=2))
    toy = host.root / "assets" / "toy"
    audio = toy / "model_patches" / "multitalk_toy_audio.safetensors"
    encoder = toy / "audio_encoders" / "multitalk_toy_encoder.safetensors"
    vae = toy / "vae" / "multitalk_toy_vae.safetensors"
    for source, target in (
        (audio, models / "test_audio_as_base.safetensors"),
        (encoder, models / "test_encoder_as_base.safetensors"),
        (vae, patches / "test_vae_as_audio.safetensors"),
        (vae, folder / "audio_encoders" / "test_vae_as_encoder.safetensors"),
    ):
        target.write_bytes(source.read_bytes())
    whole = (folder / "diffusion_models" / "test_clip_base.safetensors").read_bytes()
    (models / "test_cut.safetensors").write_bytes(whole[: len(whole) // 2])
    (models / "test_text.safetensors").write_text("<html>Not found</html>")
    large = {"encoder.layer_norm.bias": torch.zeros(1024), "encoder.layers.23.x": torch.zeros(1)}
    save_file(large, folder / "audio_encoders" / "test_large.safetensors")
    folder_paths.filename_list_cache.clear()
    return folder


@pytest.fixture(scope="session")
def expert_files(other_files):
    """Two small experts that are told by their names, one of another size, and a LoRA."""
    import folder_paths
    from toy import build_base

    folder = other_files / "diffusion_models"

    def save(name, **sizes):
        state, metadata = build_base(dtype=torch.float32, **sizes)
        config = json.loads(metadata["config"])
        del config["multitalk"]  # where the toy says that it needs no CLIP vision
        save_file(state, folder / name, {"config": json.dumps(config)})

    save("test_high_noise.safetensors", seed=1)
    save("test_low_noise.safetensors", seed=2)
    save("test_other_low_noise.safetensors", seed=2, ffn=256)
    loras = other_files / "loras"
    loras.mkdir(exist_ok=True)
    folder_paths.add_model_folder_path("loras", str(loras))
    random = torch.Generator().manual_seed(3)
    lora = {
        f"diffusion_model.blocks.{i}.self_attn.q.lora_{part}.weight": torch.randn(
            *shape, generator=random
        )
        for i in range(4)
        for part, shape in (("A", (4, 128)), ("B", (128, 4)))
    }
    save_file(lora, loras / "test_pair_low_noise.safetensors")
    folder_paths.filename_list_cache.clear()
    return other_files


@pytest.fixture(scope="session")
def bench(host):
    """A random model in every file layout, in the host's search paths."""
    from pack.tests.nodes.layout_bench import open_bench

    with (
        tempfile.TemporaryDirectory(prefix="multitalk-layouts-") as folder,
        open_bench(host, Path(folder)) as opened,
    ):
        yield opened


@pytest.fixture
def clean_runs(host):
    """No trouble and no run folder stays for the next test."""
    yield
    host_nodes().TROUBLE.clear()
    shutil.rmtree(runs(), ignore_errors=True)


@pytest.fixture(scope="session")
def unbroken(host):
    """Frames of the graph of `stops` when nothing fails."""
    return frames_of(host, prompt_of())
