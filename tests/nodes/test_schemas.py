"""Node ids, sockets, widgets and defaults are a promise: `schemas.json` holds what has landed.

A change that only adds at the end is made with `python -m pytest tests/nodes/test_schemas.py
--write-schemas`; anything else breaks saved graphs.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.host
STORED = Path(__file__).with_name("schemas.json")
FILES = (
    "base",
    "low_noise_base",
    "audio_part",
    "encoder",
    "lora",
    "file",
    "model",
    "picture",
    "voice_",
)  # lists that depend on the machine


def extension(host):
    package = sys.modules[host.pack_name]
    return asyncio.run(package.comfy_entrypoint())


@pytest.fixture(scope="module")
def schemas(host):
    nodes = asyncio.run(extension(host).get_node_list())
    return {node.GET_SCHEMA().node_id: describe(node) for node in nodes}


def describe(node):
    schema = node.GET_SCHEMA()
    return {
        "category": schema.category,
        "inputs": [socket(item) for item in schema.inputs],
        "outputs": [[item.get_io_type(), item.display_name] for item in schema.outputs],
    }


def socket(item):
    entry = {"id": item.id, "type": item.get_io_type(), "optional": bool(item.optional)}
    for name in ("default", "min", "max", "step", "lazy"):
        if getattr(item, name, None) is not None:
            entry[name] = getattr(item, name)
    options = getattr(item, "options", None)
    if options and hasattr(options[0], "inputs"):
        entry["options"] = {o.key: [socket(i) for i in o.inputs] for o in options}
    elif options and not item.id.startswith(FILES):
        entry["options"] = list(options)
    if hasattr(item, "template"):
        entry["template"] = item.template.as_dict()
    return entry


def every_input(items):
    for item in items:
        yield item
        for option in getattr(item, "options", None) or []:
            yield from every_input(getattr(option, "inputs", []))


def test_saved_graphs_keep_their_meaning(schemas, request):
    plain = json.loads(json.dumps(schemas, default=str))
    if request.config.getoption("--write-schemas"):
        STORED.write_text(json.dumps(plain, indent=1) + "\n")
    stored = json.loads(STORED.read_text())
    for name, old in stored.items():
        new = plain[name]
        assert new["category"] == old["category"]
        assert new["inputs"][: len(old["inputs"])] == old["inputs"], name
        assert new["outputs"][: len(old["outputs"])] == old["outputs"], name
        assert all(item["optional"] for item in new["inputs"][len(old["inputs"]) :]), name
    assert set(plain) == set(stored), "a new node: run with --write-schemas"


def test_every_socket_is_explained(host):
    for node in asyncio.run(extension(host).get_node_list()):
        schema = node.GET_SCHEMA()
        assert schema.description, schema.node_id
        assert schema.node_id.startswith("MultiTalk")
        assert schema.category.startswith("MultiTalk/")
        for item in [*every_input(schema.inputs), *schema.outputs]:
            assert item.tooltip, (schema.node_id, item.id)


def test_every_node_has_a_help_page(host, schemas):
    for name in schemas:
        page = host.root / "web" / "docs" / f"{name}.md"
        assert page.is_file(), page
        assert len(page.read_text().splitlines()) > 10


def test_the_pack_defines_no_old_style_mappings(host):
    package = sys.modules[host.pack_name]
    assert not hasattr(package, "NODE_CLASS_MAPPINGS")


def all_specs(part):
    """(name, type, options) of every input in an answer of /object_info, those of choices too."""
    for section in ("required", "optional"):
        for name, (kind, *more) in part.get(section, {}).items():
            options = more[0] if more else {}
            yield name, kind, options
            for choice in options.get("options", ()):
                if isinstance(choice, dict):
                    yield from all_specs(choice.get("inputs", {}))
            yield from all_specs(options.get("template", {}).get("input", {}))


WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", "COMFY_DYNAMICCOMBO_V3")


def test_what_is_only_connected_has_no_default(host):
    # Programs that turn an editor's graph into a prompt fill in every default of /object_info.
    nodes = asyncio.run(extension(host).get_node_list())
    found = [spec for node in nodes for spec in all_specs(node.GET_NODE_INFO_V1()["input"])]
    sockets = [s for s in found if s[1] not in WIDGETS or s[2].get("forceInput")]
    assert [name for name, _, options in sockets if "default" in options] == []
    assert {"detections", "masks", "mask"} <= {name for name, *_ in sockets}  # else it sees none
    assert {"preset.steps", "steps"} & {name for name, *_ in found}
