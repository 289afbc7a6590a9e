"""The shape of the pack: who may import whom, how long rooms may be; imports do nothing."""

from __future__ import annotations

import ast
import statistics
import subprocess
import sys

import pytest
from radon.complexity import cc_visit

from pack.tests.layers import (
    MODULES,
    PACKAGES,
    ROOT,
    find_circle,
    imports,
    name_of,
    room_of,
    sources,
)

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
MEDIAN_FILE_LINES = (100, 250)
MAX_COMPLEXITY = 12  # by radon, which counts conditions and comprehensions; ruff holds mccabe's
HOST_MODULES = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "folder_paths",
    "node_helpers",
    "nodes",
    "server",
}
HEAVY = {
    "transformers", "librosa", "soxr", "soundfile", "pyloudnorm", "optimum", "scipy", "gguf",
    "misaki", "espeakng_loader",
}  # fmt: skip
# A package imports only these beside itself: nodes over {multitalk, kokoro} over weights.
BELOW = {
    "weights": set(),
    "multitalk": {"weights"},
    "kokoro": {"weights"},
    "nodes": {"multitalk", "kokoro", "weights"},
}
# Floors of nodes/, lowest first; what is not named is a node class, on the top floor.
NODE_FLOORS = [
    {
        *("sockets", "host", "values", "widgets", "checked"),
        *("sounds", "pictures", "own_files", "video_place", "texts", "progress", "unchosen"),
        *("directing", "continuation"),
    },
    {"loading"},
    {"sampling", "voices"},
    {"parallel"},
]
PHONEME_SYMBOLS = {  # not ASCII
    "symbols.py", "test_phonemes.py", "test_pronunciation.py", "test_clitics.py",
}  # fmt: skip


def floor_of(module):
    """Floor of a module of nodes/, 0 is the lowest."""
    room = module.split(".")[1]
    return next((i for i, names in enumerate(NODE_FLOORS) if room in names), len(NODE_FLOORS))


@pytest.mark.parametrize("path", sources(*PACKAGES), ids=name_of)
def test_packages_import_only_what_lies_below(path):
    own = path.relative_to(ROOT).parts[0]
    for module in imports(path):
        package = module.split(".")[0]
        if own != "nodes":
            assert package not in HOST_MODULES - {"nodes"}
        if module in MODULES:
            assert package in BELOW[own] | {own}, f"{name_of(path)} imports {module}"


@pytest.mark.parametrize("path", sources("nodes"), ids=name_of)
def test_nodes_import_only_lower_floors(path):
    module = name_of(path)
    if module == "nodes":
        return
    for other in imports(path) & MODULES:
        if other.startswith("nodes."):
            same = room_of(other) == room_of(module) or floor_of(module) == 0
            below = floor_of(other) < floor_of(module)
            assert below or (same and floor_of(other) == floor_of(module)), f"{module}: {other}"


def test_no_circle_of_modules_or_rooms():
    arrows = {name_of(path): imports(path) & MODULES for path in sources(*PACKAGES)}
    assert find_circle(arrows) == []
    rooms = {}
    for module, others in arrows.items():
        if "." in module:
            inside = {room_of(other) for other in others} - {room_of(module)}
            rooms.setdefault(room_of(module), set()).update(inside)
    assert find_circle(rooms) == []


def test_circle_is_noticed():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert find_circle({"a": {"b", "c"}, "b": {"c"}}) == []


def test_tools_import_no_tests():
    for path in [*sources("tools"), ROOT / "dev.py"]:
        assert not [m for m in imports(path) if m.startswith("pack.tests")], path


def test_nodes_use_the_numbered_interface_of_the_host():
    # The host promises to keep a number; docs/hosts.md, section 4.
    for path in sources("nodes"):
        assert "comfy_api.latest" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("folder", [*PACKAGES, "tests", "tools", "workflows"])
def test_rooms_are_small(folder):
    for path in sources(folder):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= MAX_FILE_LINES, path
        assert text.isascii() or path.name in PHONEME_SYMBOLS, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name != "define_schema":
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= MAX_FUNCTION_LINES, f"{path.name}: {node.name} has {length} lines"


@pytest.mark.parametrize("folder", ["weights", "multitalk", "nodes"])
def test_functions_are_simple(folder):
    complex_ones = [
        f"{name_of(path)}.{block.fullname}: {block.complexity}"
        for path in sources(folder)
        for block in functions_of(path.read_text(encoding="utf-8"))
        if block.complexity > MAX_COMPLEXITY
    ]
    assert complex_ones == []


def functions_of(text):
    """Functions and methods, radon's view of them; a class's own number is their average."""
    blocks = cc_visit(text)
    return [block for block in blocks if not hasattr(block, "methods")]


def test_complexity_is_noticed():
    branches = "".join(f"        if x == {n} and x:\n            return {n}\n" for n in range(6))
    (found,) = functions_of(f"class A:\n    def f(x):\n{branches}")
    assert (found.fullname, found.complexity) == ("A.f", 13)


def test_files_are_neither_scraps_nor_lumps():
    lengths = [len(p.read_text(encoding="utf-8").splitlines()) for p in sources(*PACKAGES)]
    low, high = MEDIAN_FILE_LINES
    assert low <= statistics.median(lengths) <= high


PROBE = """
import importlib, socket, sys, types
import torch
pack = types.ModuleType("pack")
pack.__path__ = [sys.argv[1]]
sys.modules["pack"] = pack
def refuse(*args, **kwargs):
    raise AssertionError("an import opened a socket")
socket.socket.__init__ = refuse
for name in sys.argv[2].split(","):
    importlib.import_module("pack." + name)
assert not torch.cuda.is_initialized()
print(",".join({module.split(".")[0] for module in sys.modules}))
"""


def test_importing_the_engine_does_nothing():
    engine = sorted(module for module in MODULES if module.startswith(("weights", "multitalk")))
    command = [sys.executable, "-c", PROBE, str(ROOT), ",".join(engine)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not set(run.stdout.strip().split(",")) & (HOST_MODULES | HEAVY)
