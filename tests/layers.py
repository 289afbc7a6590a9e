"""Who imports whom in the pack, read from the code; `python tests/layers.py` prints the map."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("weights", "multitalk", "kokoro", "nodes")


def sources(*folders: str) -> list[Path]:
    """Python files below folders of the repository."""
    return [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]


def name_of(path: Path) -> str:
    """Dotted name below the root; a package by its folder."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path) for path in sources(*PACKAGES)}


@cache
def imports(path: Path) -> set[str]:
    """What a file imports, functions included: our modules by their names, others by theirs."""
    package = list(path.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*start, *([node.module] if node.module else [])])
            named = {f"{module}.{alias.name}" for alias in node.names} & MODULES
            found |= named if node.level and named else {module}
    return found


def room_of(module: str) -> str:
    """The folder a module lies in; a module beside folders is a room of its own."""
    parts = module.split(".")
    return ".".join(parts[:2]) if len(parts) > 1 else parts[0]


def find_circle(arrows: dict[str, set[str]]) -> list[str]:
    """A circle in a graph, as the names along it; empty if there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for other in sorted(arrows.get(name, ())):
            if found := walk(other, [*path, name]):
                return found
        done.add(name)
        return []

    return next((circle for name in sorted(arrows) if (circle := walk(name, []))), [])


def describe() -> Iterator[str]:
    """The map: every room with what its files are for, and the rooms it imports."""
    arrows: dict[str, set[str]] = {}
    for path in sources(*PACKAGES):
        room = room_of(name_of(path))
        others = {room_of(other) for other in imports(path) & MODULES} - {room, room.split(".")[0]}
        arrows.setdefault(room, set()).update(others)
    for path in sources(*PACKAGES):
        module = name_of(path)
        doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        depth = module.count(".")
        yield f"{'  ' * depth}{module.split('.')[-1]}: {doc.partition(chr(10))[0]}"
        if path.name == "__init__.py" or (depth == 1 and room_of(module) == module):
            below = ", ".join(sorted(arrows.get(module, ())))
            if below:
                yield f"{'  ' * depth}    -> {below}"


if __name__ == "__main__":
    print("\n".join(describe()))
