"""What leads into an input: nodes, literals, files, and what nodes say of themselves to the host.

Never weaker than the key of the host's own cache: the fingerprint of every node before counts as
it does there. Files that a literal names count by their contents, whichever folder a node takes
them from. What cannot be known is named, and the run then begins anew.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import execution
import folder_paths
from comfy_execution.caching import include_unique_id_in_input
from comfy_execution.graph_utils import is_link

from ...multitalk.model.naming import model_identity
from ...weights.file_digest import file_digest
from ..host import MODEL_SUFFIXES
from ..progress import send_text

_OURS = __name__.partition(".nodes.")[0] + ".nodes."
MAX_NAME = 1000  # characters of a literal that may be the name of a file
_LARGE_BYTES = 1 << 30  # reading such a file takes seconds: it is said


class Sources:
    """Digests of inputs of one running prompt.

    Attributes:
        unknown: Sentences on what could not be known; the same inputs may give other values.
    """

    def __init__(self, dynprompt: Any, node_id: str, check: Callable[[], object]) -> None:
        """`check` is called while files are read and may raise; `node_id` shows what is read."""
        self.unknown: list[str] = []
        self._dynprompt, self._node_id, self._check = dynprompt, node_id, check
        self._known: dict[str, str] = {}  # node id -> digest
        self._said: dict[str, list[object]] = {}  # node id -> its fingerprints

    def digest(self, value: object) -> str:
        """Hex digest of an input: its literal, or the node it comes from and all before that."""
        if not is_link(value):
            return _hex(self._literal(value))
        assert isinstance(value, list)
        node_id, output = value
        if node_id not in self._known:
            self._known[node_id] = ""  # a loop would be refused by the host
            self._known[node_id] = self._node(node_id)
        return _hex([self._known[node_id], output])

    def _node(self, node_id: str) -> str:
        node = self._dynprompt.get_node(node_id)
        name = node["class_type"]
        kind = execution.nodes.NODE_CLASS_MAPPINGS[name]
        said: list[object] = []
        if not kind.__module__.startswith(_OURS):  # ours say the stamps of files that literals name
            own = node_id if _knows_its_id(name, kind) else None
            said = [own, self._code(kind), self._fingerprint(node_id, node)]
        inputs = {key: self.digest(entry) for key, entry in node["inputs"].items()}
        return _hex([name, inputs, said])

    def _code(self, kind: type) -> str:
        """Digest of the file that a node is written in."""
        try:
            path = inspect.getsourcefile(kind)
        except TypeError:  # made by a program
            path = None
        return "" if path is None else file_digest(Path(path), self._check).hex()

    def _fingerprint(self, node_id: str, node: Mapping[str, Any]) -> list[object]:
        """What a node says that it depends on, before it ran and now."""
        if node_id not in self._said:
            self._said |= _ask(self._dynprompt, self._before(node_id))
        now = self._said[node_id]
        then = node.get("is_changed", now)
        try:
            same = _settled(now) and _settled(then) and _hex(now) == _hex(then)
        except TypeError:  # a value that JSON does not have
            same = False
        if not same:
            self.unknown.append(f"node {node_id} ({node['class_type']}) may give another value now")
            return []
        return now

    def _before(self, node_id: str) -> list[str]:
        """This node and all before it."""
        queue, found = [node_id], {node_id: None}
        while queue:
            for value in self._dynprompt.get_node(queue.pop())["inputs"].values():
                if is_link(value) and value[0] not in found:
                    found[value[0]] = None
                    queue.append(value[0])
        return list(found)

    def _literal(self, value: object) -> object:
        """A literal; the name of a file together with what is in all files of that name."""
        if isinstance(value, Mapping):
            return {str(name): self._literal(entry) for name, entry in value.items()}
        if isinstance(value, list):
            return [self._literal(entry) for entry in value]
        if not isinstance(value, str):
            return value
        contents = {self._contents(path) for path in files_named(value)}
        return {"text": value, "files": sorted(contents)}

    def _contents(self, path: Path) -> str:
        if path.stat().st_size >= _LARGE_BYTES:
            send_text(f"reads {path.name}, to know this run again", self._node_id)
        if path.name.lower().endswith(MODEL_SUFFIXES):
            try:
                return model_identity(path, self._check)
            except ValueError:  # parts are missing: it is not the one that was loaded
                pass
        return file_digest(path, self._check).hex()


def files_named(text: str) -> Iterator[Path]:
    """All files that a node may mean by a literal: of model folders, and of the host's own."""
    if not text.strip() or len(text) > MAX_NAME or not text.isprintable():
        return
    for key in sorted(folder_paths.folder_names_and_paths):
        path = folder_paths.get_full_path(key, text)
        if path is not None:
            yield Path(path)
    name, marked = folder_paths.annotated_filepath(text)
    asked = (
        folder_paths.get_input_directory(),
        folder_paths.get_output_directory(),
        folder_paths.get_temp_directory(),
    )
    for folder in asked if marked is None else (marked,):
        path = Path(folder, name)
        if path.is_file() and path.resolve().is_relative_to(Path(folder).resolve()):
            yield path


def _hex(value: object) -> str:
    """Of what JSON can say, and bytes."""
    text = json.dumps(value, sort_keys=True, default=_bytes_only)
    return hashlib.sha256(text.encode()).hexdigest()


def _bytes_only(value: object) -> str:
    if isinstance(value, bytes):
        return f"bytes {value.hex()}"
    raise TypeError(f"a {type(value).__name__} is no plain value")


def _knows_its_id(name: str, kind: Any) -> bool:
    """Whether the host takes the id of such a node for one of its inputs."""
    return bool(getattr(kind, "NOT_IDEMPOTENT", False)) or include_unique_id_in_input(name)


def _settled(value: object) -> bool:
    """Whether a fingerprint equals itself; nodes that always run give NaN, as failing ones do."""
    if isinstance(value, (list, tuple)):
        return all(map(_settled, value))
    return not (isinstance(value, float) and math.isnan(value))


class _WithoutMemory:
    """A running prompt whose nodes have not been asked yet."""

    def __init__(self, dynprompt: Any) -> None:
        self._dynprompt = dynprompt

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dynprompt, name)

    def get_node(self, node_id: str) -> dict[str, Any]:
        """As the host's, without what it noted when the prompt began."""
        node = self._dynprompt.get_node(node_id)
        return {key: value for key, value in node.items() if key != "is_changed"}


def _ask(dynprompt: Any, node_ids: Iterable[str]) -> dict[str, Any]:
    """The fingerprints of nodes, asked by the host's own hand.

    It asks in a loop of its own, and this thread is in one already: another thread does it.
    """
    cache = execution.IsChangedCache("", _WithoutMemory(dynprompt), None)

    async def ask() -> dict[str, Any]:
        return {node_id: await cache.get(node_id) for node_id in node_ids}

    with ThreadPoolExecutor(1) as asker:
        return asker.submit(lambda: asyncio.run(ask())).result()
