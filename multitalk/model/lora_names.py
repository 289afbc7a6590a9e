"""Which layer of the model does a name in a LoRA file mean?

Names are decoded by looking them up among all spellings of the model's own layers, never by turning
underscores into dots: `k_img` has an underscore of its own. Styles: checkpoints.md section 6.

The host's own key map was tried in place of these tables: of the thirteen spellings that files of
WAN have it knows two (`diffusion_model.` and `lora_unet_`), and it needs the loaded model, where
reports are made from headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .diffusers_names import diffusers_name, official_name

# Words before the name of a layer, of trainers and of programs that wrap the model. None of them is
# a part of a pipeline that has blocks of the same names, as a control net would.
_WORDS = frozenset({
    "model", "diffusion_model", "diffusion", "base_model", "transformer", "pipe", "pipeline", "dit",
    "unet", "net", "network", "module", "_orig_mod", "wan", "wan_model", "lora",
})  # fmt: skip
_UNDERSCORE_PREFIXES = (("lora_unet__", "Fun"), ("lora_", "kohya"), ("lycoris_", "LyCORIS"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """The layers of a model and how files may spell them."""

    targets: Mapping[str, str]  # module path -> parameter; a bare parameter is its own path
    underscored: Mapping[str, str]  # every spelling with underscores -> module path


def index_layers(parameters: Iterable[str]) -> Layers:
    """The layers of a model by its parameters, under official and diffusers names."""
    targets = {n.removesuffix(".weight"): n for n in parameters if not n.endswith(".bias")}
    diffusers = {name: path for path in targets if (name := diffusers_name(path))}
    spelled = {**diffusers, **{path: path for path in targets}}
    return Layers(
        targets=targets,
        underscored={name.replace(".", "_"): path for name, path in spelled.items()},
    )


def find_layer(stem: str, layers: Layers) -> tuple[str | None, tuple[str, ...]]:
    """The layer that a key of a file, without its suffix, means.

    Returns:
        Module path or None, and the styles that the spelling shows, if any.
    """
    for prefix, style in _UNDERSCORE_PREFIXES:
        if stem.startswith(prefix):
            # Some files mix: lora_unet_blocks_12.self_attn.k
            spelled = _without_words(stem.removeprefix(prefix).replace(".", "_"), layers)
            path = layers.underscored.get(spelled)
            official = path is None or spelled == path.replace(".", "_")
            return path, (style,) if official else (style, "diffusers")
    name = plain_stem(stem)
    if name in layers.targets:
        return name, ()
    path = official_name(name)
    return (path, ("diffusers",)) if path in layers.targets else (None, ())


def plain_stem(stem: str) -> str:
    """A name with dots, without the words before that of the layer."""
    first, dot, rest = stem.partition(".")
    while dot and first in _WORDS:
        stem = rest
        first, dot, rest = stem.partition(".")
    return stem


def _without_words(spelled: str, layers: Layers) -> str:
    """A name with underscores, without the words before that of the layer."""
    rest = spelled
    while rest not in layers.underscored:
        word = next((w for w in _WORDS if rest.startswith(f"{w}_")), None)
        if word is None:
            return spelled
        rest = rest.removeprefix(f"{word}_")
    return rest
