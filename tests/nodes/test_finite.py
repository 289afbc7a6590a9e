"""NaN and infinite values in files, pictures and texts, in the real host."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pack.tests.nodes.small import SMALL
from pack.tests.nodes.stops import host_nodes, prompt_of, run, runs
from pack.tools.host.prompts import node

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
KEYS = {
    "base": "diffusion_models",
    "audio_part": "model_patches",
    "vae": "vae",
    "encoder": "audio_encoders",
}


@pytest.fixture
def damaged(monkeypatch, tmp_path):
    """Makes a copy of a toy file with one bad value in a weight."""
    import folder_paths

    def make(kind, weight, bad):
        key = KEYS[kind]
        path = Path(folder_paths.get_full_path_or_raise(key, SMALL[kind]))
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        state = load_file(path)
        name = next(name for name in state if name.endswith(weight))
        state[name].view(-1)[-1] = bad
        paths, suffixes = folder_paths.folder_names_and_paths[key]
        monkeypatch.setitem(
            folder_paths.folder_names_and_paths, key, ([*paths, str(tmp_path)], suffixes)
        )
        save_file(state, tmp_path / f"bad_{kind}.safetensors", metadata)
        folder_paths.filename_list_cache.clear()
        return f"bad_{kind}.safetensors", name

    yield make
    folder_paths.filename_list_cache.clear()


def short(**settings):
    return prompt_of(keep_progress=True, seconds=0.6, voices=1, **settings)


def refusal(host, prompt):
    result = run(host, prompt, anew=True)
    assert not result.ok
    assert not list(runs().glob("*/window_*"))
    return result.error["exception_message"]


@pytest.mark.parametrize(
    ("kind", "weight", "bad", "said"),
    [
        ("base", "head.head.weight", "nan", r"weight \S*head.head.weight of the base is"),
        ("base", "blocks.1.ffn.0.bias", "inf", r"step 1 of 2 of the network: \d+ of"),
        ("audio_part", "proj1.weight", "nan", "weight audio_proj.proj1.weight of the audio"),
        ("vae", "decoder.head.2.bias", "inf", "^vae: its weight .*decoder.head.2.bias holds"),
        ("vae", "encoder.conv1.weight", "nan", "^vae: its weight .*encoder.conv1.weight holds"),
        ("encoder", "layer_norm.weight", "nan", "^speech: .* values are no finite numbers"),
    ],
)
def test_damaged_file_stops_the_run_and_is_named(host, damaged, kind, weight, bad, said):
    name, _ = damaged(kind, weight, float(bad))
    prompt = short(real_vae=kind == "vae")
    place, widget = {
        "base": ("base", "name"),
        "audio_part": ("model", "audio_part"),
        "vae": ("vae", "vae_name"),
        "encoder": ("encoder", "encoder"),
    }[kind]
    prompt[place]["inputs"][widget] = name
    if kind == "base":  # the counted loader of the tests lists files when it is made
        prompt["base"] = node("UNETLoader", unet_name=name, weight_dtype="default")
    text = refusal(host, prompt)
    assert re.search(said, text, re.DOTALL), text
    assert ("Window 1 of 3 stops the run" in text) == (kind in ("base", "audio_part"))


@pytest.mark.parametrize("bad", ["nan", "-inf"])
@pytest.mark.parametrize("what", ["image", "masks", "positive"])
def test_bad_values_over_a_socket_are_refused(host, what, bad):
    prompt = short()
    host_nodes().EXECUTED.clear()
    prompt["bad"] = node("TestBadValue", kind=what, value=bad)
    prompt["sampler"]["inputs"][what] = ["bad", 0]
    text = refusal(host, prompt)
    assert text.startswith(what)
    assert "finite" in text
    # Pictures and masks before any model is read, texts before the first window.
    assert what == "positive" or host_nodes().EXECUTED == []
