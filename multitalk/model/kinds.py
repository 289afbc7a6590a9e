"""What is this file, in which slot does it belong, and how does it store its weights?

A new kind of file is a new row. Names: checkpoints.md, tests/weights/manifests.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ...weights.header import Header
from ...weights.layouts import layout_of
from ..config import BASE_IN_CHANNELS, FAMILIES, LATENT_CHANNELS, SMALL_WIDTH, Family
from ..words import count
from .architecture import PATCH, count_blocks, is_known_name
from .experts import describe_expert, expert_of_files
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
_OTHERWISE = "it has inputs of its own that these nodes do not fill"
_SMALLER = "narrower than the audio parts, which fit WAN 14B"
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
    """A WAN model, told by all that its row names; what is None may be anything."""

    label: str
    key: str | None = None  # a name only this variant has
    in_channels: int | None = None
    out_channels: int | None = None
    width: int | None = None
    image: bool | None = None  # with an image embedding, or without
    use: Use = "refused"  # as the base of an audio part
    advice: str = _OTHERWISE  # for people who have such a file

    @property
    def taken(self) -> bool:
        """Whether the loaders take such a base."""
        return self.use != "refused"


# The first row that fits counts. Shapes: the host's detection, and the published configurations.
VARIANTS: tuple[Variant, ...] = (
    Variant(label="VACE", key="vace_patch_embedding.weight", use="accepted",
            advice="continued by its control; the picture is its reference"),
    Variant(label="WAN 2.2 Fun Camera", key="control_adapter.conv.weight", image=False),
    Variant(label="Fun Camera", key="control_adapter.conv.weight"),
    Variant(label="WAN 2.2 S2V", key="casual_audio_encoder.encoder.final_linear.weight",
            advice="It hears by an audio encoder of its own: use ComfyUI's own nodes for S2V"),
    Variant(label="WAN 2.2 Animate", key="face_adapter.fuser_blocks.0.k_norm.weight"),
    Variant(label="HuMo", key="audio_proj.audio_proj_glob_1.layer.bias",
            advice="It hears by an audio part of its own: use ComfyUI's own nodes for HuMo"),
    Variant(label="SCAIL 2", key="patch_embedding_mask.weight"),
    Variant(label="SCAIL", key="patch_embedding_pose.weight"),
    Variant(label="WanDancer", key="patch_embedding_global.weight"),
    Variant(label="SkyReels DF", key="fps_embedding.weight"),
    Variant(label="ReCamMaster", key="blocks.0.cam_encoder.weight"),
    Variant(label="WAN 2.2 5B", out_channels=48, advice=_SMALLER),
    Variant(label="WAN 2.2 5B", width=3072, advice=_SMALLER),
    Variant(label="WAN 2.2 Fun Control", in_channels=52),
    Variant(label="WAN 2.2 Fun Control", in_channels=48, image=False),
    Variant(label="Fun Control", in_channels=48),
    Variant(label="Fun Control", key="ref_conv.weight"),
    Variant(label="first-last-frame", key="img_emb.emb_pos", in_channels=BASE_IN_CHANNELS,
            use="experimental",
            advice="made for a first and a last frame; experimental with speech"),
    Variant(label="T2V", in_channels=LATENT_CHANNELS, use="experimental",
            advice="experimental: its first window comes from the prompt alone"),
    Variant(label="I2V", in_channels=BASE_IN_CHANNELS, image=True, use="accepted", advice=""),
    Variant(label="WAN 2.2 I2V", in_channels=BASE_IN_CHANNELS, image=False,
            use="experimental",
            advice="experimental: the audio parts were trained on WAN 2.1. It is one of two "
            "experts; MultiTalk Load Model takes both, as base and low_noise_base"),
)  # fmt: skip
_UNKNOWN = Variant(label="unknown variant")
_PAIRS = ("WAN 2.2 I2V", "WAN 2.2 Fun Control", "WAN 2.2 Fun Camera")  # always two experts
# Models that are shaped like others and told by words in their names; the last is what to know.
_NAMED: tuple[tuple[str, str, str], ...] = (
    (r"phantom", "Phantom", "its pictures of a subject are not used here"),
    (r"(?<![a-z])ati(?![a-z])", "ATI", "its drawn tracks are not used here"),
    (r"fun.*inp(?![a-z])", "Fun InP", "shaped like I2V and used like it"),
    (r"magref", "MAGREF", "its several reference pictures are not used here"),
    (r"skyreels", "SkyReels", "trained at 24 frames per second; the audio part makes 25"),
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


def base_variant(header: Header) -> Variant:
    """Which WAN model a base is: labelled "I2V" for the one that MultiTalk was trained on."""
    names, shapes = plain_names(header.shapes), header.shapes
    image = needs_clip(header)
    found = {
        "in_channels": (*shapes.get("patch_embedding.weight", ()), 0, 0)[1],
        "out_channels": (*shapes.get("head.head.bias", ()), 0)[0] // math.prod(PATCH),
        "width": base_width(header),
        "image": image or header.config("multitalk").get("clip") == "none",  # as the toy says
    }
    for variant in VARIANTS:
        wanted = {name: getattr(variant, name) for name in found}
        if variant.key not in {None, *names}:
            continue
        if all(value in (None, found[name]) for name, value in wanted.items()):
            return variant
    return _UNKNOWN


def needs_clip(header: Header) -> bool:
    """Whether a base wants CLIP vision: it has an image embedding."""
    return "img_emb.proj.0.bias" in plain_names(header.shapes)


def base_width(header: Header) -> int:
    """Width of a base's blocks; 0 if its names do not tell."""
    return (header.shapes.get(BASE_KEY) or (0,))[-1]


def row_of(kind: Kind) -> KindRow | None:
    """Where a kind of file goes; None for unknown ones."""
    return next((row for row in KINDS if row.kind == kind), None)


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
    width = base_width(header)
    if width == SMALL_WIDTH:
        notes = ["a 1.3B model, for which there is no audio part"]
    else:
        notes = ["" if variant.taken else "MultiTalk needs WAN I2V 14B", variant.advice]
    notes += [f"by its name {label}: {note}" for label, note in _names_of(header)]
    if is_expert(header):
        notes.append(describe_expert(header.files, header.name))
    what = f"{wan_name(variant)}, {count(count_blocks(names), 'block')} of width {width}"
    return "; ".join([what, *filter(None, notes)])


def is_expert(header: Header) -> bool:
    """Whether a base is one of two experts: by its shapes, or, if shaped as 2.1, by its name."""
    label = base_variant(header).label
    if label in _PAIRS:
        return True
    folders = [file.parent.name for file in header.files[:1]]
    marked = re.search(r"2[._]2|noise", " ".join([header.name, *folders]).lower())
    told = expert_of_files(header.files, header.name) is not None
    return label in ("VACE", "T2V") and told and marked is not None


def wan_name(variant: Variant) -> str:
    """What a variant is called among people."""
    return variant.label if variant.label.startswith("WAN") else f"WAN {variant.label}"


def _names_of(header: Header) -> list[tuple[str, str]]:
    """Models that only the file name tells, with what is to know of them."""
    name = header.name.lower()
    return [(label, note) for mark, label, note in _NAMED if re.search(mark, name)]


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
