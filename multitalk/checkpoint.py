"""What is this file? Answers from the header of a safetensors file alone.

Layouts: checkpoints.md. Everything here reads names, shapes and metadata, never tensor data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .config import AUDIO_WINDOW, AudioPartConfig, Family

_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.")
_LENGTH_BYTES = 8
_MAX_HEADER = 100_000_000
BASE_IN_CHANNELS = 36  # 16 noisy + 4 mask + 16 condition latents
BASE_HEAD_WIDTH = 128
AUDIO_KEY = "audio_proj.proj1.weight"
BASE_KEY = "head.modulation"
LARGE_WIDTH = 1024  # wav2vec2-large

Kind = Literal[
    "WAN base model", "audio part", "speech encoder", "WAN VAE", "CLIP vision", "text encoder",
    "LoRA", "unknown",
]  # fmt: skip

_SIGNATURES: tuple[tuple[str, Kind], ...] = (
    (AUDIO_KEY, "audio part"),
    ("audio_proj.proj1.weight._data", "audio part"),
    (BASE_KEY, "WAN base model"),
    ("encoder.layer_norm.bias", "speech encoder"),
    ("decoder.head.0.gamma", "WAN VAE"),
    ("vision_model.embeddings.patch_embedding.weight", "CLIP vision"),
    ("encoder.final_layer_norm.weight", "text encoder"),
    ("shared.weight", "text encoder"),
    ("token_embedding.weight", "text encoder"),
)
_LORA_SUFFIXES = (
    ".lora_down.weight",
    ".lora_A.weight",
    ".lora_A.default.weight",
    ".lora_up.weight",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """Names, shapes and metadata of a file; known prefixes are taken off the names."""

    name: str  # file name, for messages
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    metadata: Mapping[str, str]

    @property
    def settings(self) -> dict[str, object]:
        """The JSON under the metadata key `config`; empty if there is none that can be read."""
        try:
            value = json.loads(self.metadata.get("config", "{}"))
        except ValueError:
            return {}  # another program's words under the same key
        return value if isinstance(value, dict) else {}

    def config(self, section: str) -> dict[str, object]:
        """A section of the settings; empty if there is none."""
        value = self.settings.get(section)
        return dict(value) if isinstance(value, dict) else {}

    @property
    def kind(self) -> Kind:
        """What the file looks like."""
        if any(name.endswith(_LORA_SUFFIXES) for name in self.shapes):
            return "LoRA"
        names = {name.removeprefix("wav2vec2.") for name in self.shapes}
        for key, kind in _SIGNATURES:
            if key in names:
                return kind
        return "unknown"


def read_header(path: Path) -> Header:
    """Read the header of a safetensors file.

    Args:
        path: The file.

    Returns:
        Its names, shapes, dtypes and metadata.

    Raises:
        ValueError: If it is no safetensors file, or is truncated.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if size < _LENGTH_BYTES or length > min(_MAX_HEADER, size - _LENGTH_BYTES):
            raise ValueError(_unreadable(path.name))
        try:
            entries: dict[str, Any] = json.loads(file.read(length))
            metadata = entries.pop("__metadata__", {})
            end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise ValueError(_unreadable(path.name)) from error
    wanted = _LENGTH_BYTES + length + end
    if wanted != size:
        raise ValueError(
            f"{path.name} is {'truncated' if size < wanted else 'damaged'}: it has {size} bytes, "
            f"its header asks for {wanted}. Download it again."
        )
    prefix = next(
        (p for p in _PREFIXES if any(n in (p + BASE_KEY, p + AUDIO_KEY) for n in entries)), ""
    )
    entries = {name.removeprefix(prefix): entry for name, entry in entries.items()}
    return Header(
        name=path.name,
        shapes={name: tuple(entry["shape"]) for name, entry in entries.items()},
        dtypes={name: entry["dtype"] for name, entry in entries.items()},
        metadata=metadata,
    )


def _unreadable(name: str) -> str:
    return (
        f"{name} is no safetensors file, or its beginning is damaged. "
        "Choose a .safetensors file, or download it again."
    )


def _require_kind(header: Header, wanted: Kind, slot: str, example: str) -> None:
    if header.kind != wanted:
        found = "an unknown kind of file" if header.kind == "unknown" else _article(header.kind)
        raise ValueError(
            f"{header.name} is {found}; {slot} takes {_article(wanted)}. "
            f"Choose for example {example}."
        )


def _article(kind: Kind) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def check_base(header: Header) -> None:
    """Refuse everything that is no WAN 2.1 image-to-video transformer.

    Args:
        header: Header of the file in the base slot.

    Raises:
        ValueError: With what the file is and what is expected.
    """
    example = "wan2.1_i2v_480p_14B_fp16.safetensors"
    if header.kind == "audio part" and BASE_KEY not in header.shapes:
        raise ValueError(
            f"{header.name} is an audio part; base takes a WAN 2.1 I2V model. Put this file into "
            f"audio_part and choose for example {example} here."
        )
    if BASE_KEY not in header.shapes:
        _require_kind(header, "WAN base model", "base", example)
    channels = header.shapes["patch_embedding.weight"][1]
    has_picture = "img_emb.proj.0.bias" in header.shapes
    special = [
        label
        for key, label in (
            ("vace_patch_embedding.weight", "VACE"),
            ("control_adapter.conv.weight", "camera"),
            ("casual_audio_encoder.encoder.final_linear.weight", "S2V"),
            ("face_adapter.fuser_blocks.0.k_norm.weight", "Animate"),
            ("img_emb.emb_pos", "first-last-frame"),
        )
        if key in header.shapes
    ]
    if channels == BASE_IN_CHANNELS and not special and (has_picture or not needs_clip(header)):
        return
    found = special[0] if special else "WAN 2.2 I2V" if channels == BASE_IN_CHANNELS else "T2V"
    raise ValueError(
        f"{header.name} is a WAN model of another kind ({found}, {channels} input channels); base "
        f"takes WAN 2.1 I2V ({BASE_IN_CHANNELS} input channels, with image embedding). "
        f"Choose for example {example}."
    )


def needs_clip(header: Header) -> bool:
    """Whether a base wants CLIP vision: all but those whose metadata says `"clip": "none"`."""
    return header.config("multitalk").get("clip") != "none"


def audio_part_config(header: Header) -> AudioPartConfig:
    """Sizes of an audio part.

    Args:
        header: Header of the file in the audio slot.

    Returns:
        Sizes from shapes; the number of heads and encoder layers, which shapes do not tell, from
        the metadata or else those of the released models.

    Raises:
        ValueError: If the file is no audio part, or its shapes contradict each other.
    """
    if AUDIO_KEY not in header.shapes:
        _require_kind(header, "audio part", "audio_part", "multitalk.safetensors")
        raise ValueError(
            f"{header.name} holds a quantised audio part, which this version does not load. "
            "Choose multitalk.safetensors or infinitetalk.safetensors in fp32, fp16 or bf16."
        )
    settings = header.config("multitalk")
    shapes = header.shapes
    hidden, first_width = shapes[AUDIO_KEY]
    token_width = shapes["audio_proj.norm.weight"][0]
    dim = shapes["blocks.0.norm_x.weight"][0]
    layers = int(str(settings.get("encoder_layers", 12)))
    per_frame = first_width // AUDIO_WINDOW
    config = AudioPartConfig(
        dim=dim,
        num_heads=int(str(settings.get("num_heads", dim // BASE_HEAD_WIDTH))),
        num_layers=1 + max(int(n.split(".")[1]) for n in shapes if n.startswith("blocks.")),
        encoder_layers=layers,
        encoder_channels=per_frame // layers,
        hidden=hidden,
        num_tokens=shapes["audio_proj.proj3.weight"][0] // token_width,
        token_width=token_width,
    )
    if config.num_heads < 1 or config.encoder_layers * config.encoder_channels != per_frame:
        raise ValueError(
            f"The sizes in {header.name} contradict each other: width {dim}, "
            f"{config.num_heads} heads, {per_frame} speech features per frame. "
            "Download the file again."
        )
    return config


def check_fit(base: Header, config: AudioPartConfig, audio_name: str) -> None:
    """Refuse an audio part of another model size.

    Raises:
        ValueError: If width or number of blocks differ from the base.
    """
    dim = base.shapes[BASE_KEY][-1]
    layers = 1 + max(int(n.split(".")[1]) for n in base.shapes if n.startswith("blocks."))
    if (dim, layers) != (config.dim, config.num_layers):
        raise ValueError(
            f"{audio_name} was made for a model of {config.num_layers} blocks of width "
            f"{config.dim}; {base.name} has {layers} of width {dim}. Choose two files that belong "
            "together, for example WAN 2.1 I2V 14B and multitalk.safetensors."
        )


def guess_family(header: Header) -> Family:
    """MultiTalk or InfiniteTalk: metadata, else the file name; keys and shapes are the same."""
    stated = header.config("multitalk").get("family")
    if stated in ("multitalk", "infinitetalk"):
        return stated
    return "infinitetalk" if "infinite" in header.name.lower() else "multitalk"


def encoder_sizes(header: Header) -> tuple[int, int]:
    """Layers and width of a speech encoder.

    Args:
        header: Header of the file in the encoder slot.

    Returns:
        Number of transformer layers, channels of each.

    Raises:
        ValueError: If it is no wav2vec2 encoder, or the large one.
    """
    _require_kind(
        header, "speech encoder", "the speech encoder", "wav2vec2-chinese-base_fp16.safetensors"
    )
    names = {name.removeprefix("wav2vec2."): shape for name, shape in header.shapes.items()}
    width = names["encoder.layer_norm.bias"][0]
    layers = 1 + max(int(n.split(".")[2]) for n in names if n.startswith("encoder.layers."))
    if width == LARGE_WIDTH:
        raise ValueError(
            f"{header.name} is wav2vec2-large ({layers} layers of {width}); MultiTalk was trained "
            "with wav2vec2-base (12 layers of 768). Choose chinese-wav2vec2-base, for example "
            "wav2vec2-chinese-base_fp16.safetensors."
        )
    return layers, width


def check_encoder_fit(layers: int, width: int, config: AudioPartConfig, audio_name: str) -> None:
    """Refuse speech features that the audio part cannot read.

    Raises:
        ValueError: If layers or width differ from the audio part's first projection.
    """
    if (layers, width) == (config.encoder_layers, config.encoder_channels):
        return
    large = " This is wav2vec2-large." if width == LARGE_WIDTH else ""
    raise ValueError(
        f"The speech encoder gives {layers} layers of {width} values; {audio_name} reads "
        f"{config.encoder_layers} layers of {config.encoder_channels}.{large} Load the encoder "
        "that belongs to the audio part: chinese-wav2vec2-base for the released models."
    )
