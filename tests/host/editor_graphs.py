"""The editor's graphs, read by the editor's own rules."""

import json
import urllib.request

from pack.tools.make.graph_index import graph_path

INPUT_NODE, OUTPUT_NODE = -10, -20
# The API knows no upload buttons, players or what happens to a seed afterwards.
EDITOR_ONLY = {"upload", "audioUI", "control_after_generate"}


def get(server, path):
    with urllib.request.urlopen(f"http://{server.address}{path}", timeout=60) as answer:
        return answer.read()


def editor(name):
    return json.loads(graph_path(name).read_text(encoding="ascii"))


def subgraphs(workflow):
    return {part["id"]: part for part in workflow.get("definitions", {}).get("subgraphs", [])}


def executable(nodes):
    return [node for node in nodes if node["type"] not in ("MarkdownNote", "Note")]


def all_nodes(workflow):
    """Nodes that the host runs, those inside of subgraphs too."""
    inner = subgraphs(workflow)
    for node in executable(workflow["nodes"]):
        yield from inner[node["type"]]["nodes"] if node["type"] in inner else [node]


def widget_values(node, schemas):
    """Values of the widgets by name, read as the editor does: one after the other."""
    names = [slot["name"] for slot in node["inputs"] if "widget" in slot]
    schema = schemas[node["type"]]["input"]
    ordered = []
    for name in names:
        ordered.append(name)
        spec = schema.get("required", {}).get(name) or schema.get("optional", {}).get(name) or [""]
        if len(spec) > 1 and spec[1].get("control_after_generate"):
            ordered.append("control_after_generate")
    assert len(ordered) == len(node["widgets_values"]), node["type"]
    return dict(zip(ordered, node["widgets_values"], strict=True))


def plain_links(links):
    """Links of a workflow (lists) or a subgraph (dicts): id -> origin, origin slot, target."""
    if links and isinstance(links[0], dict):
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
        links = [[link[key] for key in keys] for link in links]
    return {link[0]: tuple(link[1:5]) for link in links}


def flatten(workflow, schemas):
    """The API's form of an editor's graph, by the editor's own rules."""
    inner = subgraphs(workflow)
    places = {node["id"]: node for node in workflow["nodes"]}
    links = plain_links(workflow["links"])

    def source(link):
        node_id, slot = links[link][:2]
        part = inner.get(places[node_id]["type"])
        if part is None:
            return [str(node_id), slot]
        exits = {
            end[3]: end for end in plain_links(part["links"]).values() if end[2] == OUTPUT_NODE
        }
        return [f"{node_id}:{exits[slot][0]}", exits[slot][1]]

    def inputs(node):
        values = widget_values(node, schemas)
        linked = {slot["name"]: source(slot["link"]) for slot in node["inputs"] if slot["link"]}
        return {k: v for k, v in (values | linked).items() if k not in EDITOR_ONLY}

    prompt = {}
    for node in executable(workflow["nodes"]):
        part = inner.get(node["type"])
        if part is None:
            prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs(node)}
        else:
            prompt |= expand(node, part, source, schemas)
    return prompt


def expand(node, part, source, schemas):
    """The nodes of a subgraph; what nothing leads to from outside is left out."""
    widgets = [slot["name"] for slot in node["inputs"] if "widget" in slot]
    shown = dict(zip(widgets, node["widgets_values"], strict=True))
    outside = {slot["name"]: source(slot["link"]) for slot in node["inputs"] if slot["link"]}
    entries = [entry["name"] for entry in part["inputs"]]
    inside = plain_links(part["links"])
    prompt = {}
    for child in part["nodes"]:
        values = widget_values(child, schemas)
        for slot in child["inputs"]:
            if not slot["link"]:
                continue
            origin, origin_slot = inside[slot["link"]][:2]
            if origin != INPUT_NODE:
                values[slot["name"]] = [f"{node['id']}:{origin}", origin_slot]
            elif (name := entries[origin_slot]) in shown or name in outside:
                values[slot["name"]] = (shown | outside)[name]
        kept = {k: v for k, v in values.items() if k not in EDITOR_ONLY}
        prompt[f"{node['id']}:{child['id']}"] = {"class_type": child["type"], "inputs": kept}
    return prompt
