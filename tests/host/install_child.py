"""Load copies of the pack one after the other, in a process of its own: test_install_paths.py.

python -X warn_default_encoding install_child.py ANSWER.json PACK ...

It may be a fork of a process with the libraries: forks.py.

A copy that is loaded later takes the place of the nodes of the earlier ones, so each is looked at
before the next one comes.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import types
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def look(pack, base, recorder):
    """Load one copy as the host does and run its example."""
    import folder_paths
    import nodes
    from app.custom_node_manager import CustomNodeManager
    from comfy_config import config_parser

    from pack.tools.host.inprocess import Host

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", EncodingWarning)
        loaded = asyncio.run(nodes.load_custom_node(str(pack), module_parent="custom_nodes"))
        host = Host(pack, base, "", recorder, 0.0, [])
        result = host.run(
            {
                "1": {"class_type": "MultiTalkExample", "inputs": {"scene": "one_speaker"}},
                "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
            }
        )
    folder_paths.folder_names_and_paths["custom_nodes"] = ([str(pack.parent)], set())
    module = f"custom_nodes.{pack.name}"
    known = nodes.NODE_CLASS_MAPPINGS.items()
    config = config_parser.extract_node_configuration(str(pack))
    words = CustomNodeManager().build_translations()
    return {
        "loaded": loaded,
        "nodes": sorted(n for n, c in known if getattr(c, "RELATIVE_PYTHON_MODULE", "") == module),
        "web": nodes.EXTENSION_WEB_DIRS.get(pack.name, ""),
        "words": {language: sorted(words[language]["nodeDefs"]) for language in words},
        "runs": result.ok,
        "error": str(result.error),
        "encodings": [str(w.filename) for w in seen if str(pack.resolve()) in str(w.filename)],
        "registry": {
            "name": config.project.name,
            "version": config.project.version,
            "systems": config.project.supported_os,
            "devices": config.project.supported_accelerators,
            "host": config.project.supported_comfyui_version,
            "publisher": config.tool_comfy.publisher_id,
            "title": config.tool_comfy.display_name,
        },
    }


def main(answer, *packs):
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", EncodingWarning)
        io.text_encoding(None)
    assert seen
    pack = types.ModuleType("pack")
    pack.__path__ = [str(ROOT)]
    sys.modules["pack"] = pack
    from pack.tools.host.inprocess import find_checkout, import_host
    from pack.tools.host.launch import stand_ins

    stand_ins()
    base, recorder = import_host(find_checkout(ROOT))
    seen = [look(Path(folder), base, recorder) for folder in packs]
    Path(answer).write_text(json.dumps(seen), encoding="ascii")


if __name__ == "__main__":
    main(*sys.argv[1:])
