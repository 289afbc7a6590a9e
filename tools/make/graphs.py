"""Write the graphs of workflows/ and subgraphs/: `.venv/bin/python tools/make/graphs.py`.

The graphs are data in graph_list.py; from it come the editor's form in workflows/, under the file
names of graph_index.py, workflows/api/NAME.json (the API's form), subgraphs/NAME.json (blueprints),
and the JSON Schema of the prompts, workflows/api/prompts.schema.json. Order of inputs, defaults and
outputs come from the nodes themselves: the pinned host is started for it, or give the address of a
running one. Files that no graph makes any more are deleted. Nothing is written with --check, which
ends with 1 if a file differs. After a change run tools/make/screenshots.py too.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import types
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def render(schemas: Mapping[str, Any]) -> dict[Path, str]:
    """Make all files.

    Args:
        schemas: The host's /object_info.

    Returns:
        Texts by path.
    """
    from pack.tools.make.graph_editor import blueprint_form, editor_form
    from pack.tools.make.graph_forms import api_form, to_json, to_lines
    from pack.tools.make.graph_index import BLUEPRINT_WORDS, blueprint_path, graph_path
    from pack.tools.make.graph_list import BLUEPRINTS, GRAPHS
    from pack.tools.make.prompt_schema import prompt_schema

    files: dict[Path, str] = {}
    prompts = {graph.name: api_form(schemas, graph) for graph in GRAPHS}
    for graph in GRAPHS:
        files[graph_path(graph.name)] = to_lines(editor_form(schemas, graph))
        files[ROOT / "workflows" / "api" / f"{graph.name}.json"] = to_json(prompts[graph.name])
    schema = prompt_schema(schemas, prompts.values())
    files[ROOT / "workflows" / "api" / "prompts.schema.json"] = to_lines(schema)
    for blueprint in BLUEPRINTS:
        form = blueprint_form(schemas, blueprint)
        form["extra"]["BlueprintSearchAliases"] = list(BLUEPRINT_WORDS[blueprint.name])
        files[blueprint_path(blueprint.name)] = to_lines(form)
    return files


def stale(schemas: Mapping[str, Any]) -> list[Path]:
    """Find files that are not what `render` makes, and those that it does not make.

    Args:
        schemas: The host's /object_info.

    Returns:
        Their paths.
    """
    files = render(schemas)
    there = {
        path
        for folder in ("workflows", "workflows/api", "subgraphs")
        for path in (ROOT / folder).glob("*.json")
    }
    differing = [
        path
        for path, text in files.items()
        if not path.is_file() or path.read_text(encoding="ascii") != text
    ]
    return sorted({*differing, *(there - files.keys())})


def read_schemas(address: str) -> Mapping[str, Any]:
    """Ask a host for its schemas; without an address start one for it.

    Args:
        address: For example 127.0.0.1:8188, or an empty text.

    Returns:
        Its /object_info.
    """
    from pack.tools.host.client import HostProcess, HostSettings

    if address:
        with urllib.request.urlopen(f"http://{address}/object_info", timeout=120) as answer:
            return json.load(answer)
    with (
        tempfile.TemporaryDirectory() as folder,
        HostProcess(HostSettings(base=Path(folder))) as host,
    ):
        return read_schemas(host.address)


def main() -> int:
    """Write or compare.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(description="Write the graphs that ship with the pack.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    parser.add_argument("--host", default="", help="address of a running host with this pack")
    options = parser.parse_args()
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    sys.dont_write_bytecode = True
    schemas = read_schemas(options.host)
    differing = stale(schemas)
    for path in differing:
        print(f"differs: {path.relative_to(ROOT)}")
    if options.check:
        return 1 if differing else 0
    files = render(schemas)
    for path in set(differing) - files.keys():
        path.unlink()
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
    print(f"{len(files)} files are up to date.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
