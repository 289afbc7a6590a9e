"""What is this file, in which slot does it belong, and how does it store its weights?

A new kind of file is a new row. Names: checkpoints.md, tests/weights/manifests.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...weights.header import Header
from ...weights.layouts import layout_of
from ..config import BASE_IN_CHANNELS, FAMILIES, LATENT_CHANNELS, SMALL_WIDTH, Family
from ..words import count
from .architecture import count_blocks, is_known_name
from .lora_forms import split_suffix
from .naming import AUDIO_KEY, BASE_KEY, ModelHeader, plain_names

LARGE_WIDTH = 1024  # wav2vec2-large
_MAX_NAMED = 5  # in a line of a report
_ENCODER_LAYER = re.compile(r"encoder\.layers\.(\d+)\.")

Kind = Literal[
    "WAN base model", "audio part", "whole model", "LoRA", "speech encoder", "WAN VAE",
    "CLIP vision", "text encoder", "Kokoro model", "Kokoro voice", "unknown",
]  # fmt: skip

_FLOAT_WORDS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3":
    "fp8 e4m3fn", "F8_E5M2": "fp8 e5m2", "I8": "int8", "U8": "packed",
}  # fmt: skip


# What the names of published files hold; the first that fits counts.
_FAMILY_MARKS: tuple[tuple[Family, str], ...] = (
    ("flashtalk", "flashtalk"), ("infinitetalk", "infinite"), ("multitalk", "multitalk"),
)  # fmt: skip
_FLASHTALK_HINT = "for preset FlashTalk of MultiTalk Sampler, one speaker"


@dataclass(frozen=True, kw_only=True, slots=True)
class KindRow:
    """How a kind of file is told, and where it goes."""

    kind: Kind
    keys: tuple[str, ...]  # any of these names
    also: tuple[str, ...] = ()  # and all of these
    slot: str  # where it belongs
    folder: str


KINDS: tuple[KindRow, ...] = (
    KindRow(
        kind="LoRA", keys=(),  # told by the endings of its names
        slot="loras of MultiTalk Load Model, or the host's LoRA loaders", folder="loras",
    ),
    KindRow(
        kind="whole model", keys=(BASE_KEY,), also=(AUDIO_KEY,),
        slot="base of MultiTalk Load Model, with audio_part '(in base)'",
        folder="diffusion_models",
    ),
    KindRow(
        kind="audio part", keys=(AUDIO_KEY,),
        slot="audio_part of MultiTalk Load Model or MultiTalk Attach", folder="model_patches",
    ),
    KindRow(
        kind="WAN base model", keys=(BASE_KEY,), slot="base of MultiTalk Load Model",
        folder="diffusion_models",
    ),
    KindRow(
        kind="speech encoder",
        keys=("encoder.layer_norm.bias", "wav2vec2.encoder.layer_norm.bias"),
        slot="MultiTalk Load Speech Encoder", folder="audio_encoders",
    ),
    KindRow(
        kind="Kokoro model",
        keys=(
            "bert.module.embeddings.word_embeddings.weight",
            "bert.embeddings.word_embeddings.weight",
        ),
        slot="MultiTalk Load Kokoro", folder="kokoro",
    ),
    KindRow(
        kind="Kokoro voice", keys=(),  # told by its shape
        slot="voice of MultiTalk Speak, by its name", folder="kokoro/<model>/voices",
    ),
    KindRow(
        kind="WAN VAE", keys=("decoder.head.0.gamma", "decoder.norm_out.gamma"),
        slot="the host's Load VAE", folder="vae",
    ),
    KindRow(
        kind="CLIP vision",
        keys=(
            "vision_model.embeddings.patch_embedding.weight",
            "visual.patch_embedding.weight",
        ),
        slot="the host's Load CLIP Vision", folder="clip_vision",
    ),
    KindRow(
        kind="text encoder",
        keys=(
            "encoder.final_layer_norm.weight", "shared.weight", "token_embedding.weight",
            "token_embd.weight",
        ),
        slot="the host's Load CLIP, type wan", folder="text_encoders",
    ),
)  # fmt: skip


Use = Literal["accepted", "experimental", "refused"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """A WAN model of another kind than MultiTalk was trained on."""

    label: str
    key: str | None = None  # a name only this variant has
    in_channels: int | None = None
    use: Use = "refused"  # as the base of an audio part


VARIANTS: tuple[Variant, ...] = (
    Variant(label="VACE", key="vace_patch_embedding.weight", use="accepted"),
    Variant(label="camera", key="control_adapter.conv.weight"),
    Variant(label="S2V", key="casual_audio_encoder.encoder.final_linear.weight"),
    Variant(label="Animate", key="face_adapter.fuser_blocks.0.k_norm.weight"),
    Variant(label="first-last-frame", key="img_emb.emb_pos"),
    Variant(label="HuMo", key="audio_proj.audio_proj_glob_1.layer.bias"),
    Variant(label="SCAIL", key="patch_embedding_pose.weight"),
    Variant(label="Fun Control", key="ref_conv.weight"),
    Variant(label="T2V", in_channels=LATENT_CHANNELS, use="experimental"),
    Variant(label="WAN 2.2 5B", in_channels=48),
)


def kind_of(header: Header) -> Kind:
    """What a file is."""
    names = plain_names(header.shapes)
    if names and 2 * sum(split_suffix(name) is not None for name in names) >= len(names):
        return "LoRA"
    for row in KINDS:
        if any(key in names for key in row.keys) and all(key in names for key in row.also):
            return row.kind
    shapes = list(header.shapes.values())
    if len(shapes) == 1 and len(shapes[0]) == 3 and shapes[0][1:] == (1, 256):
        return "Kokoro voice"
    return "unknown"


def base_variant(header: Header) -> str:
    """Which WAN model a base is: "I2V" for the one that MultiTalk was trained on."""
    names = plain_names(header.shapes)
    patch = header.shapes.get("patch_embedding.weight", (0, 0))
    channels = patch[1] if len(patch) > 1 else 0
    for variant in VARIANTS:
        if variant.key in names or variant.in_channels == channels:
            return variant.label
    if channels != BASE_IN_CHANNELS:
        return "unknown variant"
    return "I2V" if "img_emb.proj.0.bias" in names or not needs_clip(header) else "WAN 2.2 I2V"


def base_use(header: Header) -> Use:
    """Whether the loaders take a base, whatever its size."""
    label = base_variant(header)
    if label == "I2V":
        return "accepted"
    uses: dict[str, Use] = {variant.label: variant.use for variant in VARIANTS}
    return uses.get(label, "refused")


def base_width(header: Header) -> int:
    """Width of a base's blocks; 0 if its names do not tell."""
    return (header.shapes.get(BASE_KEY) or (0,))[-1]


def row_of(kind: Kind) -> KindRow | None:
    """Where a kind of file goes; None for unknown ones."""
    return next((row for row in KINDS if row.kind == kind), None)


def needs_clip(header: Header) -> bool:
    """Whether a base wants CLIP vision: all but those whose metadata says `"clip": "none"`."""
    return header.config("multitalk").get("clip") != "none"


def encoder_variant(header: Header) -> str:
    """wav2vec2-base, wav2vec2-large, or the sizes of another encoder."""
    layers, width = count_encoder_layers(header)
    known = {(12, 768): "wav2vec2-base", (24, LARGE_WIDTH): "wav2vec2-large"}
    return known.get((layers, width), f"wav2vec2, {count(layers, 'layer')} of {width}")


def count_encoder_layers(header: Header) -> tuple[int, int]:
    """Transformer layers of a wav2vec2 encoder, and their width; 0 if its names do not tell."""
    names = {name.removeprefix("wav2vec2."): shape for name, shape in header.shapes.items()}
    width = (names.get("encoder.layer_norm.bias") or (0,))[0]
    return 1 + max((int(m[1]) for m in map(_ENCODER_LAYER.match, names) if m), default=-1), width


def layout_words(header: Header) -> str:
    """How the matrices are stored, for people."""
    counts = Counter(header.dtypes.values())
    kinds = ", ".join(_FLOAT_WORDS.get(kind, kind) for kind, _ in counts.most_common(4))
    words: dict[str, str] = {
        "GGUF": f"GGUF ({', '.join(kind for kind, _ in counts.most_common(4))})",
        "quanto": f"optimum-quanto ({kinds})",
        "host": f"quantised in ComfyUI's format ({kinds})",
        "scaled fp8": f"fp8 with scales ({kinds})",
        "scaled": f"8 bit with a scale per row or block ({kinds})",
        "fp8": f"fp8 without scales ({kinds})",
        "float": kinds or "no tensors",
    }
    return words[layout_of(header)]


def _base_words(header: Header) -> str:
    variant, names = base_variant(header), plain_names(header.shapes)
    width, use = base_width(header), base_use(header)
    note = {
        "accepted": "",
        "experimental": "; experimental: its first window comes from the prompt alone",
        "refused": "; MultiTalk needs WAN 2.1 I2V, VACE or T2V",
    }[use]
    if width == SMALL_WIDTH:
        note = "; a 1.3B model, for which there is no audio part"
    name = variant if variant.startswith("WAN") else f"WAN {variant}"
    return f"{name}, {count(count_blocks(names), 'block')} of width {width}{note}"


def _audio_words(header: Header) -> str:
    shape = header.shapes.get("blocks.0.norm_x.weight") or (0,)
    family, source = _told_family(header)
    hint = f"; {_FLASHTALK_HINT}" if family == "flashtalk" else ""
    return (
        f"{count(count_blocks(plain_names(header.shapes)), 'block')} of width {shape[0]}; "
        f"MultiTalk, InfiniteTalk and FlashTalk files look alike, by its {source or 'name'} this "
        f"is {family}{hint}"
    )


def guess_family(header: Header) -> Family:
    """By metadata, else the file name, else the folder's; keys and shapes are the same."""
    return _told_family(header)[0]


def contradicts(header: Header, choice: str) -> str:
    """A sentence if a family was chosen and the file tells of another; else empty."""
    family, source = _told_family(header)
    if choice in ("auto", family) or not source:
        return ""
    return f"family {choice} was chosen and counts; by its {source} {header.name} is {family}"


def _told_family(header: Header) -> tuple[Family, str]:
    """The family of a file and what tells it; empty where nothing does."""
    stated = header.config("multitalk").get("family")
    for family in FAMILIES:
        if family == stated:
            return family, "metadata"
    folders = "".join(file.parent.name for file in header.files[:1])
    for source, text in (("name", header.name), ("folder", folders)):
        letters = re.sub(r"[^a-z]", "", text.lower())
        for family, mark in _FAMILY_MARKS:
            # Folders were not looked at before there was FlashTalk: old graphs keep their rule.
            if mark in letters and (source == "name" or family == "flashtalk"):
                return family, source
    return "multitalk", ""


_DETAILS: dict[str, Callable[[Header], str]] = {
    "WAN base model": _base_words,
    "whole model": lambda header: f"{_base_words(header)}; audio part of {_audio_words(header)}",
    "audio part": _audio_words,
    "speech encoder": encoder_variant,
}


def _some(names: Sequence[str]) -> str:
    more = len(names) - _MAX_NAMED
    return ", ".join(names[:_MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def spare_tensors(header: ModelHeader) -> list[str]:
    """Tensors of a base or an audio part that no network has; they are left out."""
    if kind_of(header) not in ("WAN base model", "audio part", "whole model"):
        return []
    try:
        return [name for name in header.parameters if not is_known_name(name)]
    except ValueError:  # a file that is not read at all
        return []


def describe(header: ModelHeader) -> str:
    """A few lines for people: what a file is, its layout and size, and where it belongs."""
    kind = kind_of(header)
    lines = [f"{header.name}: {kind if kind != 'unknown' else 'an unknown kind of file'}"]
    if kind in _DETAILS:
        lines.append(_DETAILS[kind](header))
    files = f" in {count(len(header.files), 'file')}" if len(header.files) > 1 else ""
    lines.append(
        f"{count(len(header.shapes), 'tensor')}, {header.num_bytes / 1e9:.2f} GB{files}, "
        f"{header.format}: {layout_words(header)}"
    )
    if header.other_parts:
        lines.append(
            f"also {count(len(header.other_parts), 'tensor')} of other models, which are not used"
        )
    if header.host_notes:
        lines.append(f"settings of ComfyUI that are not used: {_some(header.host_notes)}")
    if spare := spare_tensors(header):
        lines.append(f"not used, since the network has no such part: {_some(spare)}")
    if row := row_of(kind):
        lines.append(f"goes into: {row.slot}; folder models/{row.folder}")
        if row.slot.startswith("the host's") and layout_of(header) == "quanto":
            lines.append(
                "which does not read optimum-quanto files: choose an fp8 or 16 bit file there"
            )
    else:
        lines.append(f"its first tensors: {', '.join([*header.shapes][:5] or ['none'])}")
    return "\n".join(lines)
