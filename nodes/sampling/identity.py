"""Everything a video depends on, as digests by a name that users understand.

Pictures, masks and voices count by their contents, models by the nodes and files that they come
from, as in the host's own cache. File times and folders do not count, so that a run folder can go
on on another machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import comfyui_version
import folder_paths
import torch
from torch import Tensor

from ...multitalk.cast import Cast
from ...multitalk.model.naming import model_identity
from ...multitalk.settings import RunSettings, digest_settings
from ..host import MODEL_SUFFIXES, is_link

_MODEL_SOCKETS = {
    "model": "model",
    "vae": "vae",
    "clip_vision": "clip vision",
    "positive": "prompt",
    "negative": "negative prompt",
}


def run_identity(settings: RunSettings, image: Tensor, cast: Cast, hidden: Any) -> dict[str, str]:
    """A digest or text per ingredient; `image` [F, H, W, 3] is a picture or a source video.

    `hidden` holds the host's running prompt, and the id of the sampling node in it.
    """
    dynprompt = hidden.dynprompt
    inputs = dynprompt.get_node(hidden.unique_id)["inputs"]
    known: dict[str, str] = {}
    return {
        "seed": str(settings.seed),
        "settings": digest_settings(settings),
        "picture": _tensor_digest(image),
        "voices": cast.speech.identity,
        "speakers": "none" if cast.masks is None else _tensor_digest(cast.masks),
        "versions": f"{pack_version()}, ComfyUI {comfyui_version.__version__}, "
        f"torch {torch.__version__}",
        **{
            name: _source(inputs.get(socket), dynprompt, known)
            for socket, name in _MODEL_SOCKETS.items()
        },
    }


def pack_version() -> str:
    """Version of this pack, from its pyproject.toml."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("version"))


def _digest(data: Any) -> str:
    return hashlib.sha256(data).hexdigest()


def _tensor_digest(values: Tensor) -> str:
    """Of shape and numbers; a video frame by frame, so that nothing is copied whole."""
    digest = hashlib.sha256(repr((values.dtype, tuple(values.shape))).encode())
    for part in values:
        digest.update(part.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _source(value: Any, dynprompt: Any, known: dict[str, str]) -> str:
    """Digest of an input: its literal, or the node that it comes from and all before that.

    `known` holds the digests of nodes that were met already, by id, and is filled here.
    """
    if not is_link(value):
        return _digest(json.dumps(_literal(value), sort_keys=True, default=str).encode())
    node_id, output = value[0], value[1]
    if node_id not in known:
        known[node_id] = ""  # a loop would be refused by the host
        node = dynprompt.get_node(node_id)
        inputs = {name: _source(entry, dynprompt, known) for name, entry in node["inputs"].items()}
        text = json.dumps([node["class_type"], inputs], sort_keys=True)
        known[node_id] = _digest(text.encode())
    return _digest(f"{known[node_id]} {output}".encode())


def _literal(value: object) -> object:
    """A literal; the name of a model file together with what is in the file."""
    if isinstance(value, str) and value.lower().endswith(MODEL_SUFFIXES):
        for key in folder_paths.folder_names_and_paths:
            path = folder_paths.get_full_path(key, value)
            if path is not None:
                return {"file": value, "contents": model_identity(Path(path))}
    if isinstance(value, Mapping):
        return {str(name): _literal(entry) for name, entry in value.items()}
    return value
