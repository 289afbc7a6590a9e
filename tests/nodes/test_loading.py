"""What is read again and what is not, reports, and LoRAs beside stored weights."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from pack.tests.limits import no_waiting
from pack.tools.host.prompts import TOY, node, talk

pytestmark = pytest.mark.host
LORA = {"loras": "1", "loras.lora_1": "test_strength.safetensors", "loras.strength_1": 0.5}


def loader(**changes):
    inputs = {"base": TOY["base"], "audio_part": TOY["audio_part"], "loras": "none"}
    return node("MultiTalkLoadModel", **(inputs | changes))


def load(host, executor=None, **changes):
    """Run the loader alone; MODEL, report and the nodes that ran."""
    prompt = {"model": loader(**changes)}
    prompt["end"] = node("TestShowSpeech", speech=["model", 0])
    result = host.run(prompt, executor)
    assert result.ok, result.error
    model, report = (values[0] for values in result.outputs["model"])
    return model, report, result.executed


@pytest.fixture(scope="module", autouse=True)
def loras(host):
    import folder_paths

    folder = host.base / "strength_loras"
    folder.mkdir()
    folder_paths.add_model_folder_path("loras", str(folder))
    generator = torch.Generator().manual_seed(5)
    state = {}
    for layer, rows, columns in (
        ("blocks.0.self_attn.q", 128, 128),
        ("blocks.1.ffn.0", 384, 128),
        ("blocks.1.audio_cross_attn.proj", 128, 128),
    ):
        name = f"diffusion_model.{layer}"
        state[f"{name}.lora_down.weight"] = torch.randn(4, columns, generator=generator)
        state[f"{name}.lora_up.weight"] = torch.randn(rows, 4, generator=generator)
        state[f"{name}.alpha"] = torch.tensor(2.0)
    state["diffusion_model.blocks.77.ffn.0.diff_b"] = torch.zeros(384)
    save_file(state, folder / "test_strength.safetensors")
    # A parameter that belongs to a block itself: the host has no layer to patch there.
    block = {"diffusion_model.blocks.0.modulation.diff": torch.ones(1, 6, 128)}
    save_file(block, folder / "test_block.safetensors")
    folder_paths.filename_list_cache.clear()


def test_another_strength_reads_no_base_again(host, monkeypatch):
    import comfy.utils

    opened = []
    read = comfy.utils.load_torch_file

    def spy(path, *args, **kwargs):
        opened.append(str(path))
        return read(path, *args, **kwargs)

    monkeypatch.setattr(comfy.utils, "load_torch_file", spy)
    executor = host.executor()
    first, _, _ = load(host, executor, **LORA)
    assert any(TOY["base"] in path for path in opened)
    opened.clear()
    second, _, executed = load(host, executor, **(LORA | {"loras.strength_1": -1.0}))
    assert "model" in executed
    assert [path for path in opened if TOY["base"] in path or TOY["audio_part"] in path] == []
    assert second.model is first.model
    key = "diffusion_model.blocks.0.self_attn.q.weight"
    assert [patch[0] for patch in first.patches[key]] == [0.5]
    assert [patch[0] for patch in second.patches[key]] == [-1.0]


def test_the_report_names_files_layers_and_what_is_left_out(host):
    _, report, _ = load(host, **LORA)
    assert f"{TOY['base']}: WAN base model" in report
    assert f"{TOY['audio_part']}: audio part" in report
    assert "test_strength.safetensors: ComfyUI style, rank 4, strength 0.5; 3 layers" in report
    assert "blocks.77.ffn.0" in report
    assert "no such layer" in report


def test_a_lora_reaches_the_audio_part_too(host):
    model, _, _ = load(host, **LORA)
    part = model.get_additional_models_with_key("multitalk")[0]
    assert list(part.patches) == ["blocks.1.audio_cross_attn.proj.weight"]


def lora_line(host, prompt):
    result = host.run(prompt)
    assert result.ok, result.error
    return next(
        line for line in result.outputs["sampler"][2][0].splitlines() if line.startswith("LoRA")
    )


def test_the_run_report_counts_weights_that_any_lora_node_changes(host):
    plain = talk(seconds=0.3)
    assert lora_line(host, plain) == "LoRA: 0 weights changed"
    plain["model"] = loader(**LORA)
    # Two weights of the base and one of the audio part.
    assert lora_line(host, plain) == "LoRA: 3 weights changed"
    plain["model"] = loader(**(LORA | {"loras.strength_1": 0.0}))
    assert lora_line(host, plain) == "LoRA: 0 weights changed"
    plain["model"] = loader(**(LORA | {"loras.lora_1": "test_block.safetensors"}))
    assert lora_line(host, plain) == "LoRA: 1 weight changed"
    plain["model"] = loader()
    plain["lora"] = node(
        "LoraLoaderModelOnly",
        model=["model", 0],
        lora_name="test_strength.safetensors",
        strength_model=0.5,
    )
    plain["sampler"]["inputs"]["model"] = ["lora", 0]
    assert lora_line(host, plain) == "LoRA: 2 weights changed"  # the host knows no audio part


def test_strength_zero_is_left_out_and_said(host):
    model, report, _ = load(host, **(LORA | {"loras.strength_1": 0.0}))
    assert model.patches == {}
    assert "test_strength.safetensors: strength 0, left out" in report


def test_a_damaged_lora_is_refused_before_the_base_is_read(host, monkeypatch):
    import comfy.utils
    import folder_paths

    path = host.base / "strength_loras" / "test_cut_lora.safetensors"
    whole = (host.base / "strength_loras" / "test_strength.safetensors").read_bytes()
    path.write_bytes(whole[:-9])
    folder_paths.filename_list_cache.clear()
    opened = []
    monkeypatch.setattr(comfy.utils, "load_torch_file", lambda *a, **k: opened.append(a))
    prompt = {"model": loader(**(LORA | {"loras.lora_1": path.name}))}
    prompt["end"] = node("TestShowSpeech", speech=["model", 0])
    result = host.run(prompt)
    assert f"{path.name} is truncated" in result.error["exception_message"]
    assert opened == []


@pytest.mark.parametrize("weight_dtype", ["quanto_int8", "quanto_int4"])
def test_streamed_and_whole_models_are_equal_with_a_lora_on_stored_weights(host, weight_dtype):
    """The host loads in whole, or keeps weights outside and brings them for each call."""
    with torch.inference_mode():
        model, _, _ = load(host, weight_dtype=weight_dtype, **LORA)
        network = model.model.diffusion_model
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(1, 36, 3, 8, 8, generator=generator)
        context = torch.randn(1, 7, 64, generator=generator)
        outputs = []
        for memory in (0, 1000):  # 0: everything
            model.patch_model(device_to=torch.device("cpu"), lowvram_model_memory=memory)
            assert model.model.model_lowvram == bool(memory)
            outputs.append(network(x, torch.tensor([500.0]), context))
            weight = network.blocks[0].self_attn.q.weight
            assert type(weight.data).__name__ == "QuantizedTensor"
            model.unpatch_model(device_to=torch.device("cpu"))
        plain, _, _ = load(host, weight_dtype=weight_dtype)
        plain.patch_model(device_to=torch.device("cpu"))
        without = plain.model.diffusion_model(x, torch.tensor([500.0]), context)
        plain.unpatch_model(device_to=torch.device("cpu"))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-5)
    assert (outputs[0] - without).abs().max() > 0.1


def test_a_lora_taken_away_leaves_no_trace_on_stored_weights(host):
    with torch.inference_mode():
        executor = host.executor()
        plain, _, _ = load(host, executor, weight_dtype="quanto_int8")
        patched, _, _ = load(host, executor, weight_dtype="quanto_int8", **LORA)
        assert patched.model is plain.model
        device = torch.device("cpu")
        layer = plain.model.diffusion_model.blocks[0].self_attn.q
        x = torch.ones(1, 128)
        plain.patch_model(device_to=device)
        before = layer(x)
        plain.unpatch_model(device_to=device)
        patched.patch_model(device_to=device)
        between = layer(x)
        patched.unpatch_model(device_to=device)
        plain.patch_model(device_to=device)
        after = layer(x)
    assert torch.equal(after, before)
    assert not torch.equal(between, before)


def test_the_host_can_make_the_model_anew(host):
    """For compiling, hooks and several GPUs the host asks `cached_patcher_init`."""
    model, _, _ = load(host, weight_dtype="quanto_int8")
    part = model.get_additional_models_with_key("multitalk")[0]
    with torch.inference_mode():
        for patcher in (model, part):
            make, arguments = patcher.cached_patcher_init
            again = make(*arguments, disable_dynamic=True)
            old, new = patcher.model.state_dict(), again.model.state_dict()
            assert list(new) == list(old)
            for name, tensor in new.items():
                same = getattr(tensor, "_qdata", tensor), getattr(old[name], "_qdata", old[name])
                assert torch.equal(*same), name


def test_file_report_reads_every_folder(host):
    for file, words in (
        (f"diffusion_models/{TOY['base']}", "MultiTalk Load Model reads this file."),
        (f"diffusion_models/{TOY['base']}", "WAN base model"),
        (f"model_patches/{TOY['audio_part']}", "infinitetalk"),
        (f"vae/{TOY['vae']}", "the host's Load VAE"),
        (f"audio_encoders/{TOY['encoder']}", "speech encoder"),
        ("loras/test_strength.safetensors", "LoRA"),
    ):
        prompt = {"report": node("MultiTalkFileReport", file=file)}
        result = host.run(prompt)
        assert result.ok, result.error
        assert words in result.outputs["report"][0][0]
        shown = [d["output"] for e, d in result.events if e == "executed"]
        assert words in shown[0]["text"][0]


def test_file_report_reads_kokoros_files_as_their_loader_does(host):
    import folder_paths

    folder = host.base / "report_kokoro"
    (folder / "voices").mkdir(parents=True)
    folder_paths.add_model_folder_path("kokoro", str(folder))
    torch.save(torch.zeros(510, 1, 256), folder / "voices" / "good.pt")
    torch.save(torch.zeros(500, 1, 256), folder / "voices" / "short.pt")
    torch.save({"bert": {"embeddings.word_embeddings.weight": torch.zeros(3, 3)}}, folder / "k.pth")
    folder_paths.filename_list_cache.clear()
    says = {
        "voices/good.pt": "MultiTalk Load Kokoro reads this file.",
        "voices/short.pt": "does not read this file: short.pt holds numbers of the kind float32",
        "k.pth": "does not read this file: k.pth: This file is only a part of a Kokoro model",
    }
    for name, words in says.items():
        report = host.node("MultiTalkFileReport").execute(file=f"kokoro/{name}")
        assert words in report.args[0], name


@pytest.mark.parametrize("file", ["diffusion_models/../../secret.safetensors", "etc/passwd"])
def test_file_report_stays_in_the_model_folders(host, file):
    report = host.node("MultiTalkFileReport")
    with pytest.raises((ValueError, FileNotFoundError)):
        report.execute(file=file)


@pytest.mark.skipif(os.name == "nt", reason="pipes have no path in a folder there")
def test_file_report_waits_for_no_pipe_and_follows_no_broken_link(host):
    folder = host.base / "strength_loras"
    os.mkfifo(folder / "pipe.safetensors")
    (folder / "link.pth").symlink_to(folder / "nowhere")
    try:
        for name, word in (("pipe.safetensors", "is a pipe"), ("link.pth", "leads nowhere")):
            with no_waiting(), pytest.raises(ValueError, match=word):
                host.node("MultiTalkFileReport").execute(file=f"loras/{name}")
    finally:
        (folder / "pipe.safetensors").unlink()
        (folder / "link.pth").unlink()


def test_a_format_that_the_host_does_not_have_is_refused_by_name(host, monkeypatch):
    from pack.nodes.loading import modules
    from pack.weights.host_format import HostQuantized

    tensors = {"weight": torch.zeros(32, 32), "weight_scale": torch.ones(32, 1)}
    stored = {"a.weight": HostQuantized(settings={"format": "mxfp8"}, tensors=tensors)}
    monkeypatch.delitem(modules.QUANT_ALGOS, "mxfp8", raising=False)
    with pytest.raises(ValueError, match=r"^x holds matrices in the format mxfp8, .*Update Comfy"):
        modules.store(stored, quantization=None, dtype=torch.float32, name="x")


def test_the_published_encoder_folder_loads_as_its_safetensors_file(host):
    import folder_paths

    source = host.root / "assets" / "toy" / "audio_encoders" / TOY["encoder"]
    folder = host.base / "encoders" / "chinese-wav2vec2-tiny"
    folder.mkdir(parents=True)
    folder_paths.add_model_folder_path("transformers", str(host.base / "encoders"))
    state = {f"wav2vec2.{name}": tensor for name, tensor in load_file(source).items()}
    state["quantizer.codevectors"] = torch.zeros(1, 4, 4)
    torch.save(state, folder / "pytorch_model.bin")
    with source.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    (folder / "config.json").write_text(header["__metadata__"]["config"])
    shutil.copy(source, folder / "copy.safetensors")
    folder_paths.filename_list_cache.clear()
    for normalize in (False, True):
        (folder / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalize}))
        prompt = talk()
        name = "chinese-wav2vec2-tiny/pytorch_model.bin"
        prompt["encoder"]["inputs"]["encoder"] = name
        prompt["folder"] = node("MultiTalkLoadSpeechEncoder", encoder=name)
        prompt["file"] = node("MultiTalkLoadSpeechEncoder", encoder=TOY["encoder"])
        for key in ("folder", "file"):
            prompt[f"end_{key}"] = node("TestShowSpeech", speech=[key, 0])
        keep = {n: prompt[n] for n in ("folder", "file", "end_folder", "end_file")}
        result = host.run(keep)
        assert result.ok, result.error
        made, wanted = (result.outputs[key][0][0] for key in ("folder", "file"))
        assert made.do_normalize == normalize
        for name, tensor in wanted.patcher.model.state_dict().items():
            assert torch.equal(made.patcher.model.state_dict()[name], tensor)
