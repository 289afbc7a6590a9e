"""The blueprints: listed by a running host, equal to the graphs, and whole."""

from __future__ import annotations

import json

import pytest

from pack.tools.host.client import HostClient, files_of
from pack.tools.host.process import PACK_NAME
from pack.tools.make.graph_index import BLUEPRINT_FILES
from pack.tools.make.graph_list import BLUEPRINTS
from pack.tools.make.graph_parts import ESPEAK
from pack.tools.make.graph_pieces import TOY_SETTINGS

from .editor_graphs import all_nodes, editor, expand, get, subgraphs

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def client(server):
    with HostClient(server.address) as connected:
        yield connected


@pytest.fixture(scope="module")
def listed(server):
    """Our blueprints as the editor gets them: name -> workflow."""
    entries = json.loads(get(server, "/global_subgraphs"))
    names = {file: name for name, file in BLUEPRINT_FILES.items()}
    return {
        names[entry["name"]]: json.loads(
            json.loads(get(server, f"/global_subgraphs/{key}"))["data"]
        )
        for key, entry in entries.items()
        if entry["info"]["node_pack"].endswith(PACK_NAME)
    }


def test_all_blueprints_are_listed(listed):
    assert sorted(listed) == sorted(blueprint.name for blueprint in BLUEPRINTS)
    assert len(listed) == 3


def test_loader_blueprint_is_the_same_as_in_the_graphs(listed):
    blueprint = listed["MultiTalk loaders"]
    inside = {n["type"]: n["widgets_values"] for n in all_nodes(blueprint)}
    graph = {n["type"]: n["widgets_values"] for n in all_nodes(editor("multitalk_one_speaker"))}
    assert inside.items() <= graph.items()
    assert subgraphs(blueprint).keys() == subgraphs(editor("multitalk_one_speaker")).keys()


TOY_IN_BLUEPRINTS = {
    "MultiTalkLoadModel": {
        "base": "multitalk_toy_base.safetensors",
        "audio_part": "multitalk_toy_audio.safetensors",
    },
    "VAELoader": {"vae_name": "multitalk_toy_vae.safetensors"},
    "MultiTalkLoadSpeechEncoder": {"encoder": "multitalk_toy_encoder.safetensors"},
    "MultiTalkLoadKokoro": {"model": ESPEAK},
    "MultiTalkDialogue": {"script": "Anna: Hello!\nBen: Yes?"},
    # One step of small pictures: the toy's VAE is what a run waits for.
    "MultiTalkSampler": TOY_SETTINGS | {"preset.steps": 1, "size.width": 64, "size.height": 48},
}
NOT_IN_TOY = ("CLIPLoader", "CLIPVisionLoader", "CLIPTextEncode")


@pytest.mark.parametrize("name", ["MultiTalk one speaker", "MultiTalk dialogue"])
def test_blueprint_runs_with_the_toy(name, listed, client):
    schemas = client.object_info()
    workflow = listed[name]
    (node,) = workflow["nodes"]
    example = {"class_type": "MultiTalkExample", "inputs": {"scene": "one_speaker"}}
    trim = {"audio": ["example", 1], "start_index": 0.2, "duration": 0.6}
    short = {"class_type": "TrimAudioDuration", "inputs": trim}
    outside = {"picture": ["example", 0], "voice": ["short", 0]}
    for slot in node["inputs"]:
        slot["link"] = slot["name"] if slot["name"] in outside else None
    (part,) = subgraphs(workflow).values()
    prompt = expand(node, part, outside.__getitem__, schemas)
    prompt |= {"example": example, "short": short}
    gone = [key for key, entry in prompt.items() if entry["class_type"] in NOT_IN_TOY]
    prompt = {key: entry for key, entry in prompt.items() if key not in gone}
    for entry in prompt.values():
        values = entry["inputs"] | TOY_IN_BLUEPRINTS.get(entry["class_type"], {})
        entry["inputs"] = {
            k: v for k, v in values.items() if not (isinstance(v, list) and v[0] in gone)
        }
    assert any(f["filename"].endswith(".mp4") for f in files_of(client.run(prompt)))
