"""What makes a run another one, and what does not."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pack.tests.nodes.desk import NODES, Desk, arrives, lazy, rewrite
from pack.tests.nodes.stops import fail_in, prompt_of, report_of, run
from pack.tools.host.prompts import node

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def ingredients(host):
    """What the nodes of a toy graph give, made once."""
    result = host.run(prompt_of(real_vae=True, seconds=0.3), host.executor("classic"))
    assert result.ok, result.error
    out = {name: values[0][0] for name, values in result.outputs.items() if values[0]}
    setup = lazy(host, "run_setup")
    inputs = {"model": out["model"], "vae": out["vae"], "positive": [[torch.ones(1, 2, 3), {}]]}
    widgets = {k: v for k, v in prompt_of()["sampler"]["inputs"].items() if "." not in k}
    widgets |= {"preset": {"preset": "full"}, "size": {"size": "480"}, "image": out["image"]}
    settings = setup.resolve_settings(widgets, "infinitetalk")
    cast = setup.Cast(out["speech"], None, picture=None, video=(64, 64))
    return {"settings": settings, "image": out["image"], "cast": cast, "inputs": inputs}


@pytest.fixture
def desk(host, ingredients, tmp_path, monkeypatch):
    return Desk(host, ingredients, tmp_path, monkeypatch)


def vae_file(desk):
    path = desk.file("vae", "mine.safetensors", bytes(5 << 20))
    os.utime(path, (1e9, 1e9))
    desk.prompt["vae"]["inputs"]["vae_name"] = path.name
    return path


def middle_of_a_file(desk):
    path = vae_file(desk)
    yield
    rewrite(path, 5 << 19)


def middle_of_a_replaced_file(desk):
    path = vae_file(desk)
    yield
    rewrite(path, 5 << 19, anew=True)


def file_behind_one_of_the_same_name(desk):
    desk.file("checkpoints", "mine.safetensors", b"another")
    path = vae_file(desk)
    yield
    rewrite(path, 9)


def name_over_a_link(desk):
    path = vae_file(desk)
    desk.prompt["name"] = node("TestChoice", text=path.name)
    desk.prompt["vae"]["inputs"]["vae_name"] = ["name", 0]
    yield
    rewrite(path, 9)


def name_in_a_list(desk):
    path = desk.file("loras", "x.safetensors", b"12345")
    desk.link("positive", "FromText", file={"__value__": [path.name, "other"]})
    yield
    rewrite(path, 1)


def picture_behind_the_prompt(desk):
    from PIL import Image

    path = desk.input / "behind.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)
    desk.prompt["picture"] = node("LoadImage", image=path.name)
    desk.link("positive", "FromText", image=["picture", 0])
    yield
    Image.fromarray(np.ones((8, 8, 3), np.uint8)).save(path)


def text_file_behind_the_model(desk):
    path = desk.input / "style.txt"
    path.write_text("one")
    desk.link("model", "FromText", file="style.txt [input]")
    yield
    path.write_text("two")


def fingerprint_of_a_node(desk):
    desk.link("negative", "Fingerprint")
    yield
    desk.nodes.Fingerprint.SAYS = "b"


def fingerprint_far_behind(desk):
    desk.prompt["far"] = node("Fingerprint")
    desk.link("model", "FromText", image=["far", 0])
    yield
    desk.nodes.Fingerprint.SAYS = b"b"


def code_of_a_node(desk):
    desk.link("positive", "FromText")
    yield
    desk.code.write_text(NODES + "# changed\n")


def id_of_a_node_that_knows_it(desk):
    desk.link("positive", "WithId")
    yield
    desk.prompt["renamed"] = desk.prompt.pop("added")
    desk.prompt["sampler"]["inputs"]["positive"] = ["renamed", 0]


def text_that_arrives(desk):
    yield
    changed = [[torch.full((1, 2, 3), 2.0), {}]]
    desk.values["inputs"] = {**desk.values["inputs"], "positive": changed}


def pooled_text(desk):
    yield
    changed = [[torch.ones(1, 2, 3), {"pooled_output": torch.ones(1)}]]
    desk.values["inputs"] = {**desk.values["inputs"], "positive": changed}


def one_weight(desk):
    yield
    model = desk.values["inputs"]["model"].model
    name, weight = next(iter(model.named_parameters()))
    other = weight.clone()
    other.view(-1)[-1] += 1
    parent, _, last = name.rpartition(".")
    desk.patch.setitem(model.get_submodule(parent)._parameters, last, torch.nn.Parameter(other))


def one_weight_of_the_audio_part(desk):
    yield
    ((part,),) = desk.values["inputs"]["model"].additional_models.values()
    linear = part.model.audio_proj.proj1
    other = torch.nn.Parameter(linear.weight + 1e-3, requires_grad=False)
    desk.patch.setitem(linear._parameters, "weight", other)


def lora(desk):
    yield
    clone = desk.values["inputs"]["model"].clone()
    key = next(name for name, _ in clone.model.named_parameters() if name.endswith("ffn.0.weight"))
    clone.add_patches({key: ("diff", (torch.ones(1),))}, 0.5)
    desk.values["inputs"] = {**desk.values["inputs"], "model": clone}


def strength_of_a_lora(desk):
    clone = desk.values["inputs"]["model"].clone()
    key = next(name for name, _ in clone.model.named_parameters() if name.endswith("ffn.0.weight"))
    other = clone.clone()
    clone.add_patches({key: ("diff", (torch.ones(1),))}, 0.5)
    other.add_patches({key: ("diff", (torch.ones(1),))}, 0.6)
    desk.values["inputs"] = {**desk.values["inputs"], "model": clone}
    yield
    desk.values["inputs"] = {**desk.values["inputs"], "model": other}


def schedule_that_a_node_replaced(desk):
    """By a number from a file that no input names."""
    from comfy_extras.nodes_model_advanced import ModelSamplingSD3

    model = desk.values["inputs"]["model"]
    one, other = (ModelSamplingSD3().patch(model, shift)[0] for shift in (3.0, 4.0))
    desk.values["inputs"] = {**desk.values["inputs"], "model": one}
    yield
    desk.values["inputs"] = {**desk.values["inputs"], "model": other}


def features_of_the_speech(desk):
    yield
    desk.cast(features=desk.values["cast"].speech.features + 1e-6)


def masks(desk):
    yield
    desk.values["cast"] = cast = copy.copy(desk.values["cast"])
    cast.masks = torch.zeros(2, 8, 8)


def picture(desk):
    yield
    desk.values["image"] = desk.values["image"] + 1e-6


def number_of_threads(desk):
    yield
    desk.patch.setattr(torch, "get_num_threads", lambda: 17)


def processor(desk):
    yield
    desk.patch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX1024")


def vae_format(desk):
    yield
    vae = copy.copy(desk.values["inputs"]["vae"])
    vae.vae_dtype = torch.bfloat16
    desk.values["inputs"] = {**desk.values["inputs"], "vae": vae}


def host_option(name, value="on"):
    def change(desk):
        import comfy.cli_args

        yield
        desk.patch.setattr(comfy.cli_args.args, name, value)

    change.__name__ = f"host_option_{name}"
    return change


def attention(desk):
    import comfy.ldm.modules.attention as module

    yield
    desk.patch.setattr(module, "optimized_attention", module.attention_split)


def torch_switch(desk):
    yield
    desk.patch.setattr(torch.backends.mkldnn, "enabled", not torch.backends.mkldnn.enabled)


def variable(desk):
    yield
    desk.patch.setenv("MKL_CBWR", "COMPATIBLE")


CHANGES = (
    middle_of_a_file, middle_of_a_replaced_file, file_behind_one_of_the_same_name,
    name_over_a_link, name_in_a_list, picture_behind_the_prompt, text_file_behind_the_model,
    fingerprint_of_a_node, fingerprint_far_behind, code_of_a_node, id_of_a_node_that_knows_it,
    text_that_arrives, pooled_text, one_weight, one_weight_of_the_audio_part, lora,
    strength_of_a_lora, schedule_that_a_node_replaced, features_of_the_speech, masks, picture,
    arrives("end_image", torch.zeros(1, 8, 8, 3)), arrives("still", torch.ones(1, 8, 8)),
    arrives("outside_speakers", "no audio"), number_of_threads, processor, vae_format,
    host_option("bf16_vae"),
    host_option("use_split_cross_attention"), host_option("deterministic"),
    host_option("fast", {"fp16_accumulation"}), host_option("lowvram"), attention, torch_switch,
    variable,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_may_change_a_bit_makes_another_run(desk, change):
    steps = change(desk)
    next(steps)
    before = desk.identity()
    assert before.parts == desk.identity().parts
    assert next(steps, None) is None
    after = desk.identity()
    assert (before.notes, after.notes) == ([], [])
    assert after.parts != before.parts


def times_of_a_file(desk):
    path = vae_file(desk)
    yield
    os.utime(path, (5, 5))


def place_of_a_file(desk):
    path = vae_file(desk)
    yield
    desk.file("vae_approx", path.name, path.read_bytes())


def node_that_leads_nowhere(desk):
    desk.prompt["lonely"] = node("TestSound", seed=1)
    yield
    desk.prompt["lonely"]["inputs"]["seed"] = 2


def title_of_a_node(desk):
    yield
    desk.prompt["model"]["_meta"] = {"title": "another"}


def order_of_nodes_and_inputs(desk):
    yield
    for entry in desk.prompt.values():
        entry["inputs"] = dict(reversed(entry["inputs"].items()))
    desk.prompt = dict(reversed(desk.prompt.items()))


def id_of_a_node(desk):
    yield
    desk.prompt["77"] = desk.prompt.pop("vae")
    text = json.dumps(desk.prompt).replace('["vae", 0]', '["77", 0]')
    desk.prompt = json.loads(text)


def loaded_model(desk):
    import comfy.model_management

    clone = desk.values["inputs"]["model"].clone()
    key = next(name for name, _ in clone.model.named_parameters() if name.endswith("ffn.0.weight"))
    clone.add_patches({key: ("diff", (torch.ones(1),))}, 0.5)
    desk.values["inputs"] = {**desk.values["inputs"], "model": clone}
    comfy.model_management.unload_all_models()
    yield
    comfy.model_management.load_models_gpu([clone])
    assert clone.backup or clone.is_dynamic()


def copy_of_the_text(desk):
    desk.values["inputs"] = {**desk.values["inputs"], "positive": [[torch.ones(1, 2, 3), {}]]}
    yield
    changed = [[torch.ones(3, 2, 1).permute(2, 1, 0), {"uuid": object()}]]
    desk.values["inputs"] = {**desk.values["inputs"], "positive": changed}


NO_CHANGES = (
    times_of_a_file, place_of_a_file, node_that_leads_nowhere, title_of_a_node,
    order_of_nodes_and_inputs, id_of_a_node, loaded_model, copy_of_the_text,
    host_option("port", 1), host_option("preview_method", "auto"),
    host_option("cache_none"), host_option("output_directory", "/tmp"),
)  # fmt: skip


@pytest.mark.parametrize("change", NO_CHANGES, ids=lambda change: change.__name__)
def test_what_changes_no_bit_goes_on(desk, change):
    steps = change(desk)
    next(steps)
    before = desk.identity()
    assert next(steps, None) is None
    assert desk.identity() == before


@pytest.mark.parametrize("says", [float("nan"), ["a", float("nan")], {1, 2}, object()])
def test_what_cannot_be_known_begins_anew_and_says_why(desk, says):
    desk.nodes.Fingerprint.SAYS = says
    desk.link("positive", "Fingerprint")
    first, second = desk.identity(), desk.identity()
    assert first.parts != second.parts
    assert first.notes == [
        "begins anew, and cannot be continued later: node added (Fingerprint) may give another "
        "value now"
    ]


def test_node_that_changed_while_the_prompt_ran_begins_anew(desk):
    desk.link("positive", "Fingerprint")
    desk.prompt["added"]["is_changed"] = ["as the prompt began"]
    assert "node added (Fingerprint)" in desk.identity().notes[0]


def test_files_outside_the_hosts_folders_are_not_read(host, tmp_path):
    files_named = lazy(host, "sources").files_named
    (tmp_path / "x.txt").write_text("secret")
    import folder_paths

    away = os.path.relpath(tmp_path / "x.txt", folder_paths.get_input_directory())
    for name in (str(tmp_path / "x.txt"), away, f"{away} [input]", "", " ", "a\0b", "x" * 5000):
        assert list(files_named(name)) == []


@pytest.mark.usefixtures("clean_runs")
def test_run_behind_a_changed_picture_begins_anew(host):
    import folder_paths
    from PIL import Image

    path = Path(folder_paths.get_input_directory()) / "leads_to_the_text.png"
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(path)

    def prompt():
        made = prompt_of(keep_progress=True, seconds=0.6, voices=1)
        made["picture"] = node("LoadImage", image=path.name)
        made["text"] = node("TestTextOfPicture", image=["picture", 0])
        made["sampler"]["inputs"]["positive"] = ["text", 0]
        return made

    fail_in("decode", 1, 1, RuntimeError("stop"))
    assert not run(host, prompt()).ok
    Image.fromarray(np.full((8, 8, 3), 255, np.uint8)).save(path)
    text = report_of(host, prompt())
    assert "a new run: it differs in prompt from the unfinished run" in text
    assert "(1 of 3 windows), which stays" in text
