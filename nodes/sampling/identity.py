"""Everything a video depends on, as digests by a name that users understand.

Never weaker than the key of the host's own cache (decisions.md 33): models and texts count by the
nodes and files they come from, and by what arrived; pictures, masks and voices by their contents;
and all the host computes with. Times of our files and names of folders do not count, so a run
folder can go on on another machine of the same kind. What cannot be known makes a run a new one.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import comfy.model_management
from torch import Tensor

from ...multitalk.cast import Cast
from ...multitalk.settings import RunSettings, digest_settings
from ..directing import OUTSIDE
from .contents import model_digest, value_digest
from .film import film_identity
from .scene import scene_digest
from .sources import Sources
from .surroundings import describe_surroundings

_SOCKETS = {
    "model": "model",
    "vae": "vae",
    "clip_vision": "clip vision",
    "positive": "prompt",
    "negative": "negative prompt",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunIdentity:
    """What tells a run from others."""

    parts: dict[str, str]  # a digest or text per ingredient
    notes: list[str]  # why nothing can be continued; empty: all is known


def run_identity(
    settings: RunSettings, image: Tensor, cast: Cast, inputs: Mapping[str, Any], hidden: Any
) -> RunIdentity:
    """What a sampling node's run depends on.

    `image` [F, H, W, 3] is a picture or a source video, `inputs` hold what came over the sockets,
    `hidden` the host's running prompt and the id of the node in it.
    """
    check = comfy.model_management.throw_exception_if_processing_interrupted
    linked = hidden.dynprompt.get_node(hidden.unique_id)["inputs"]
    sources = Sources(hidden.dynprompt, hidden.unique_id, check)
    models = {
        name: _joined(sources.digest(linked.get(socket)), _arrived(inputs.get(socket), check))
        for socket, name in _SOCKETS.items()
    }
    heard = [cast.speech.features, cast.speech.silence]
    parts = {
        "seed": str(settings.seed),
        "settings": digest_settings(settings),
        "picture": value_digest(image),
        "voices": _joined(cast.speech.identity, value_digest(heard)),
        "speakers": "none" if cast.masks is None else value_digest(cast.masks),
        **describe_surroundings(*(inputs.get(name) for name in ("model", "vae", "clip_vision"))),
        **models,
    }
    if (end := inputs.get("end_image")) is not None:
        parts["end picture"] = value_digest(end)
    if (scene := inputs.get("scene")) is not None:
        parts["scene"] = _joined(sources.digest(linked.get("scene")), scene_digest(scene))
    parts |= film_identity(inputs)
    if (still := inputs.get("still")) is not None:
        parts["still places"] = value_digest(still)
    if (outside := OUTSIDE.read(inputs)) != OUTSIDE.default:  # runs of before it can go on
        parts[OUTSIDE.name] = str(outside)
    if (sampler := inputs.get("custom_sampler")) is not None:
        made_by = sources.digest(linked.get("custom_sampler"))
        parts["sampler"] = _joined(made_by, value_digest(getattr(sampler, "extra_options", None)))
    if sources.unknown:
        parts["what cannot be known"] = secrets.token_hex(16)
    return RunIdentity(
        parts=parts,
        notes=[f"begins anew, and cannot be continued later: {why}" for why in sources.unknown],
    )


def _joined(*digests: str) -> str:
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _arrived(value: Any, check: Callable[[], object]) -> str:
    """Of what came over a socket; what is no model of the host counts as a value."""
    patcher = getattr(value, "patcher", value)
    return model_digest(patcher, check) if hasattr(patcher, "backup") else value_digest(value)
