"""MultiTalk Parallel before any process is started: what is refused, chosen and told."""

from __future__ import annotations

import json

import pytest
import torch

from pack.tests.nodes.cards_bench import files, load, on_cards, room

__all__ = ["files"]
pytestmark = pytest.mark.host


def test_a_run_in_shards_is_told_by_the_weights_of_its_blocks(host, files):
    from pack.nodes.sampling.contents import model_digest
    from pack.nodes.sampling.lean_block import PARALLEL

    shared = load(host, 2, weights="shards")
    cards = shared.attachments[PARALLEL]
    before = model_digest(shared, lambda: None)
    block = cards.whole.model.diffusion_model.blocks[1]
    assert cards.share_bytes == sum(p.nbytes for p in block.parameters()) * 2
    kept = block.modulation.data
    with torch.inference_mode():
        block.modulation.data = kept + 1
    assert model_digest(shared, lambda: None) != before
    block.modulation.data = kept


def test_where_cards_cannot_exchange_tensors_it_says_so(host, monkeypatch):
    import comfy.model_management

    cards, there = room(host, "cards"), []
    monkeypatch.setattr(comfy.model_management, "get_torch_device", lambda: there[-1])
    there.append(torch.device("mps"))
    with pytest.raises(ValueError, match=r"^ComfyUI runs on mps; .*NVIDIA.*Leave the node out\.$"):
        cards.find_cards(2)
    there.append(torch.device("cuda", 1))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"^cards is 4; ComfyUI sees 2 cards\. Use fewer"):
        cards.find_cards(4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert cards.find_cards(2) == cards.OtherCards(names=("3",), staged=False)
    monkeypatch.setattr(cards.sys, "platform", "win32")
    assert cards.find_cards(2).staged


def test_shards_of_quantized_weights_are_refused(host, files):
    shards, model = room(host, "shards"), load(host, 1, "cards_base.gguf")
    assert not shards.wants_shards(model, "auto")
    with pytest.raises(ValueError, match=r"quantized .*Set weights to copies, or take files in 16"):
        shards.wants_shards(model, "shards")
    plain = load(host, 1)
    assert not shards.wants_shards(plain, "auto")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "_fits", lambda _model: False)
        assert shards.wants_shards(plain, "auto")
        assert not shards.wants_shards(plain, "copies")
        assert not shards.wants_shards(model, "auto")
        plain = plain.clone()
        plain.add_weight_wrapper("diffusion_model.blocks.0.ffn.0.weight", lambda weight: weight)
        assert not shards.wants_shards(plain, "auto")


def test_a_change_of_weights_after_the_node_is_refused(host, files):
    model = load(host, 2)
    checks, cards = room(host, "checks"), model.attachments["multitalk_parallel"]
    clone = model.clone()
    clone.add_object_patch("model_sampling", model.get_model_object("model_sampling"))
    checks.check_changes(clone, cards.changes)
    name = next(iter(dict(model.model.named_parameters())))
    clone.add_patches({name: (torch.zeros(1),)})
    with pytest.raises(ValueError, match="Put MultiTalk Parallel last"):
        checks.check_changes(clone, cards.changes)


def test_models_that_cannot_be_split_are_refused(host, files, other_files):
    check = room(host, "checks").check_model
    model = load(host, 1)
    check(model, 2)
    with pytest.raises(ValueError, match=r"4 attention heads\. Use 1, 2 or 4\.$"):
        check(model, 3)
    with pytest.raises(ValueError, match="split over several cards already"):
        check(load(host, 2), 2)
    patched = model.clone()
    patched.set_model_patch(lambda args: args["x"], "attn1_patch")
    with pytest.raises(ValueError, match="would see a part of the video only"):
        check(patched, 2)
    compiled = model.clone()
    compiled.set_model_patch_replace(
        lambda args, extra: extra["original_block"](args), "dit", "double_block", 0
    )
    with pytest.raises(ValueError, match="would see a part of the video only"):
        check(compiled, 2)
    with pytest.raises(ValueError, match="not VACE"):
        check(host.node("TestCountedModel").execute("test_vace.safetensors").args[0], 2)


def test_what_travels_is_plain_and_names_the_modules_of_others_alone(host, files):
    from comfy_execution.graph import DynamicPrompt

    recipe = room(host, "recipe")
    prompt = on_cards()
    made = recipe.recipe_of(DynamicPrompt(prompt), "cards", "model")
    assert set(made["prompt"]) == {"model", "base"}  # not speech, picture and VAE
    assert made["output"] == ["model", 0]
    tests = str(host.root / "tools" / "host" / "nodes_for_tests.py")
    assert made["modules"] == [["custom_nodes", tests]]  # loaded twice, the pack would be two packs
    assert recipe.host_facts()["pack"] == str(host.root)
    assert json.loads(json.dumps(recipe.host_facts())) == recipe.host_facts()
    prompt["cards"]["inputs"]["model"] = 1
    with pytest.raises(ValueError, match="Connect it to the loader"):
        recipe.recipe_of(DynamicPrompt(prompt), "cards", "model")
