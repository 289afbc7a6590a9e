"""How LoRA files name things: prefixes, layers, suffixes of every known style.

Names are decoded by looking them up among all spellings of the model's own layers, never by turning
underscores into dots: `k_img` has an underscore of its own. Styles: checkpoints.md section 6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from .diffusers_names import diffusers_name, official_name

FormName = Literal["LoRA", "LoHa", "LoKr", "GLoRA", "OFT", "diff", "set_weight"]

UP, DOWN, MID = ".lora_up.weight", ".lora_down.weight", ".lora_mid.weight"
RESHAPE, ALPHA, DORA = ".reshape_weight", ".alpha", ".dora_scale"
DIFF, DIFF_BIAS, SET, OFT = ".diff", ".diff_b", ".set_weight", ".oft_blocks"


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """A way to write a change of one weight, in the suffixes that the host reads."""

    name: FormName
    complete: tuple[tuple[str, ...], ...]  # sets of suffixes that suffice, the fullest first
    optional: tuple[str, ...] = ()

    @property
    def shared(self) -> tuple[str, ...]:
        """Suffixes that adapters of every kind may have besides; the host reads none with diff."""
        return () if self.name in ("diff", "set_weight") else (ALPHA, DORA)

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All its suffixes, each once."""
        return tuple(dict.fromkeys([s for parts in self.complete for s in parts]))


_W1 = ((".lokr_w1",), (".lokr_w1_a", ".lokr_w1_b"))
_W2 = ((".lokr_w2",), (".lokr_w2_a", ".lokr_w2_b", ".lokr_t2"), (".lokr_w2_a", ".lokr_w2_b"))
_HADA = (".hada_w1_a", ".hada_w1_b", ".hada_w2_a", ".hada_w2_b")
FORMS = (
    Form(name="LoRA", complete=((UP, DOWN),), optional=(MID, RESHAPE)),
    Form(name="LoHa", complete=((*_HADA, ".hada_t1", ".hada_t2"), _HADA)),
    Form(name="LoKr", complete=tuple((*w1, *w2) for w1 in _W1 for w2 in _W2)),
    Form(name="GLoRA", complete=((".a1.weight", ".a2.weight", ".b1.weight", ".b2.weight"),)),
    Form(name="OFT", complete=((OFT,),), optional=(".rescale",)),
    Form(name="diff", complete=((DIFF,),)),
    Form(name="set_weight", complete=((SET,),)),
)
_PEFT = {
    ".lora_B.weight": UP, ".lora_A.weight": DOWN,
    ".lora_B.default.weight": UP, ".lora_A.default.weight": DOWN,
    ".lora_B": UP, ".lora_A": DOWN,
    ".lora_B.bias": DIFF_BIAS, ".lora_B.default.bias": DIFF_BIAS,
}  # fmt: skip
_ALIASES = {
    ".lora_up": UP, ".lora_down": DOWN,
    ".lora.up.weight": UP, ".lora.down.weight": DOWN,
    "_lora.up.weight": UP, "_lora.down.weight": DOWN,
    ".lora_linear_layer.up.weight": UP, ".lora_linear_layer.down.weight": DOWN,
    ".w_norm": DIFF, ".b_norm": DIFF_BIAS,
}  # fmt: skip
# Suffix in a file -> suffix for the host.
SUFFIXES: Mapping[str, str] = {
    **{suffix: suffix for form in FORMS for suffix in (*form.suffixes, *form.optional)},
    **{suffix: suffix for suffix in (ALPHA, DORA, DIFF_BIAS)},
    **_PEFT,
    **_ALIASES,
}
_ALL_SUFFIXES = tuple(SUFFIXES)
_LYCORIS = {s for form in FORMS if form.shared and form.name != "LoRA" for s in form.suffixes}

_PREFIXES = (
    "model.diffusion_model.", "base_model.model.", "diffusion_model.", "diffusion.model.",
    "transformer.", "pipe.dit.",
)  # fmt: skip
_UNDERSCORE_PREFIXES = (("lora_unet__", "Fun"), ("lora_unet_", "kohya"), ("lycoris_", "LyCORIS"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Layers:
    """The layers of a model and how files may spell them."""

    targets: Mapping[str, str]  # module path -> parameter; a bare parameter is its own path
    underscored: Mapping[str, str]  # every spelling with underscores -> module path


def index_layers(parameters: Iterable[str]) -> Layers:
    """List the layers of a model.

    Args:
        parameters: Names without prefix.

    Returns:
        Its layers, under official and diffusers names.
    """
    targets = {
        name.removesuffix(".weight"): name for name in parameters if not name.endswith(".bias")
    }
    diffusers = {name: path for path in targets if (name := diffusers_name(path))}
    spelled = {**diffusers, **{path: path for path in targets}}
    return Layers(
        targets=targets,
        underscored={name.replace(".", "_"): path for name, path in spelled.items()},
    )


def find_layer(stem: str, layers: Layers) -> tuple[str | None, tuple[str, ...]]:
    """Find the layer that a key of a file means.

    Args:
        stem: The key without its suffix.
        layers: Layers of the model.

    Returns:
        Module path or None, and the styles that the spelling shows, if any.
    """
    for prefix, style in _UNDERSCORE_PREFIXES:
        if stem.startswith(prefix):
            # Some files mix: lora_unet_blocks_12.self_attn.k
            spelled = stem.removeprefix(prefix).replace(".", "_")
            path = layers.underscored.get(spelled)
            official = path is None or spelled == path.replace(".", "_")
            return path, (style,) if official else (style, "diffusers")
    name = _without_prefixes(stem)
    if name in layers.targets:
        return name, ()
    path = official_name(name)
    return (path, ("diffusers",)) if path in layers.targets else (None, ())


def _without_prefixes(stem: str) -> str:
    while prefix := next((p for p in _PREFIXES if stem.startswith(p)), ""):
        stem = stem.removeprefix(prefix)
    return stem


def split_suffix(key: str) -> tuple[str, str] | None:
    """Stem and suffix of a key, the suffix as in the file; None if no known suffix ends it."""
    if not key.endswith(_ALL_SUFFIXES):
        return None
    suffix = next(s for s in _ALL_SUFFIXES if key.endswith(s))
    return key.removesuffix(suffix), suffix


def suffix_style(suffix: str) -> str | None:
    """The style that a suffix shows; None if several styles use it."""
    if suffix in _PEFT:
        return "PEFT"
    if suffix in _LYCORIS:
        return "LyCORIS"
    return "ComfyUI" if SUFFIXES[suffix] in (UP, DOWN) else None
