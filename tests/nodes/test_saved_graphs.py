"""Graphs saved by earlier versions open in this one: tests/saved/VERSION, never made anew.

The editor gives saved values to the widgets of today one after the other, in the order of the
schema. So each must land on the input it was saved for; the API form of the same graph says which.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.host
ROOT = Path(__file__).resolve().parents[2]
SAVED = ROOT / "tests" / "saved"
EXAMPLES = ROOT / "assets" / "examples"
GRAPHS = sorted(path.relative_to(SAVED).as_posix() for path in SAVED.glob("*/*.json"))
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
NOTES = ("MarkdownNote", "Note")
INPUT_NODE, OUTPUT_NODE = -10, -20  # the borders of a subgraph
# What the editor adds behind an input, and the API does not know.
EXTRAS = {
    "control_after_generate": ("control_after_generate",),
    "image_upload": ("upload",),
    "audio_upload": ("audioUI", "upload"),
}


def editor_form(name):
    return json.loads((SAVED / name).read_text(encoding="ascii"))


def api_form(name):
    path = SAVED / name
    return json.loads((path.parent / "api" / path.name).read_text(encoding="ascii"))


def schema(host, kind):
    """Inputs of a class today, as the host tells the editor."""
    return json.loads(json.dumps(host.node(kind).INPUT_TYPES(), default=str))


def place(inputs, values):
    """Values by input: each widget of today takes the next one."""
    placed, rest = {}, list(values)

    def take(name, extras=()):
        for widget in (name, *extras):
            if rest:
                placed[widget] = rest.pop(0)

    def walk(parts, prefix=""):
        for part in ("required", "optional"):
            for name, spec in parts.get(part, {}).items():
                kind, options = spec[0], spec[1] if len(spec) > 1 else {}
                if kind == "COMFY_DYNAMICCOMBO_V3":
                    take(prefix + name)
                    choices = {choice["key"]: choice["inputs"] for choice in options["options"]}
                    chosen = str(placed.get(prefix + name, next(iter(choices))))
                    assert chosen in choices, f"{name}: {chosen} is gone"
                    walk(choices[chosen], f"{prefix}{name}.")
                elif isinstance(kind, list) or (kind in WIDGETS and not options.get("forceInput")):
                    take(
                        prefix + name, [e for k, es in EXTRAS.items() if options.get(k) for e in es]
                    )

    walk(inputs)
    assert rest == [], f"values without a widget: {rest}"
    return {name: value for name, value in placed.items() if name not in sum(EXTRAS.values(), ())}


def subgraphs(workflow):
    return {part["id"]: part for part in workflow.get("definitions", {}).get("subgraphs", [])}


def ends(part):
    """Origin, its slot, target and its slot, by link."""
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    rows = [[link[k] for k in keys] if isinstance(link, dict) else link for link in part["links"]]
    return {row[0]: row[1:5] for row in rows}


def running_nodes(workflow):
    """Nodes that the host runs, those of subgraphs too."""
    inner = subgraphs(workflow)
    for node in workflow["nodes"]:
        if node["type"] in inner:
            yield from inner[node["type"]]["nodes"]
        elif node["type"] not in NOTES:
            yield node


def to_api(host, workflow):
    """What the editor of today would send."""
    inner, links = subgraphs(workflow), ends(workflow)
    kinds = {node["id"]: node["type"] for node in workflow["nodes"]}

    def source(link):
        node, slot = links[link][:2]
        if kinds[node] not in inner:
            return [str(node), slot]
        exits = {e[3]: e for e in ends(inner[kinds[node]]).values() if e[2] == OUTPUT_NODE}
        return [f"{node}:{exits[slot][0]}", exits[slot][1]]

    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in inner:
            part = inner[node["type"]]
            for child in part["nodes"]:
                values = place(schema(host, child["type"]), child["widgets_values"])
                for slot in child["inputs"]:
                    if slot["link"]:
                        origin, number = ends(part)[slot["link"]][:2]
                        assert origin == INPUT_NODE
                        values[slot["name"]] = node["widgets_values"][number]
                prompt[f"{node['id']}:{child['id']}"] = (child["type"], values)
        elif node["type"] not in NOTES:
            values = place(schema(host, node["type"]), node["widgets_values"])
            values |= {
                slot["name"]: source(slot["link"]) for slot in node["inputs"] if slot["link"]
            }
            prompt[str(node["id"])] = (node["type"], values)
    return prompt


@pytest.fixture
def named_files(host, tmp_path, request):
    """Files with the names that a graph has in it: models are empty, they are not read here."""
    import folder_paths

    models = [
        model
        for node in running_nodes(editor_form(request.getfixturevalue("name")))
        for model in node["properties"].get("models", [])
    ]
    for model in models:
        path = tmp_path / model["directory"] / model["name"]
        path.parent.mkdir(exist_ok=True)
        path.touch()
        folder_paths.add_model_folder_path(model["directory"], str(path.parent))
    inputs = Path(folder_paths.get_input_directory())
    copies = {"example.png": "one_speaker.png"}
    copies |= {f"voice_{number}.wav": f"voice_{number}.flac" for number in (1, 2)}
    for target, original in copies.items():
        shutil.copy(EXAMPLES / original, inputs / target)
    yield
    for model in models:
        paths = folder_paths.folder_names_and_paths[model["directory"]][0]
        paths[:] = [path for path in paths if not path.startswith(str(tmp_path))]
    folder_paths.filename_list_cache.clear()
    for target in copies:
        (inputs / target).unlink()


def test_three_graphs_of_every_version_are_kept():
    assert len(GRAPHS) >= 3
    assert {f"0.1.0/{n}_one_speaker.json" for n in ("toy", "infinitetalk")} < set(GRAPHS)


@pytest.mark.parametrize("name", GRAPHS)
def test_saved_nodes_and_sockets_are_still_there(host, name):
    for node in running_nodes(editor_form(name)):
        today = host.node(node["type"])
        outputs = list(getattr(today, "RETURN_NAMES", None) or today.RETURN_TYPES)
        types = [str(getattr(t, "io_type", t)) for t in today.RETURN_TYPES]
        saved = node["outputs"]
        assert [slot["name"] for slot in saved] == outputs[: len(saved)], node["type"]
        assert [slot["type"] for slot in saved] == types[: len(saved)], node["type"]


@pytest.mark.parametrize("name", GRAPHS)
def test_saved_values_land_where_they_were_saved_for(host, name):
    opened = to_api(host, editor_form(name))
    saved = {key: (node["class_type"], node["inputs"]) for key, node in api_form(name).items()}
    assert opened == saved


@pytest.mark.parametrize("name", GRAPHS)
def test_saved_prompt_is_still_valid(host, named_files, name):
    import execution

    valid, error, outputs, faults = asyncio.run(
        execution.validate_prompt("saved", api_form(name), None)
    )
    assert valid, (error, faults)
    assert faults == {}
    assert outputs


def test_saved_toy_makes_a_video(host):
    prompt = api_form("0.1.0/toy_one_speaker.json")
    (sampler,) = [node for node in prompt.values() if node["class_type"] == "MultiTalkSampler"]
    (speech,) = [n for n in prompt.values() if n["class_type"] == "MultiTalkSpeechEmbedding"]
    # Smaller and shorter, for a quick test.
    sampler["inputs"] |= {"size.width": 32, "size.height": 32, "preset.steps": 1}
    trim = {"audio": speech["inputs"]["audio"], "start_index": 0.2, "duration": 1.0}
    prompt["trim"] = {"class_type": "TrimAudioDuration", "inputs": trim}
    speech["inputs"]["audio"] = ["trim", 0]
    result = host.run(prompt)
    assert result.ok, result.error
    assert set(result.executed) >= set(prompt)


def test_moved_widget_would_be_noticed(host):
    """An input that comes between others shifts all values behind it."""
    name = "0.1.0/toy_one_speaker.json"
    (node,) = [n for n in editor_form(name)["nodes"] if n["type"] == "MultiTalkVideoCombine"]
    inputs = schema(host, node["type"])
    right = place(inputs, node["widgets_values"])
    assert right == {"fps": 25, "filename_prefix": "video/MultiTalk", "save_output": True}
    shifted = inputs | {"required": {"new": ["INT", {}], **inputs["required"]}}
    assert place(shifted, node["widgets_values"])["new"] == right["fps"]
    with pytest.raises(AssertionError, match="values without a widget"):
        place(inputs, [*node["widgets_values"], 1])


def test_editor_and_prompts_agree_on_what_nodes_did_before_an_input(host):
    """What the editor gives to graphs of before an input is what prompts without it mean."""
    from pack.nodes.widgets import SAMPLING, SCHEDULE

    script = (ROOT / "web" / "saved_graphs.js").read_text(encoding="ascii")
    rows = re.findall(r"^  (\w+): \{ (.*) \},$", script, re.MULTILINE)
    told = {node: dict(re.findall(r'(\w+): "([^"]*)"', values)) for node, values in rows}
    before = {row.name: row.absent for row in (*SAMPLING, SCHEDULE) if row.absent is not None}
    assert told == dict.fromkeys(("MultiTalkSampler", "MultiTalkSampleToVideo"), before)
