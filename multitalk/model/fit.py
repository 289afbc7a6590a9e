"""Do these files belong together, and into the slots they were put in? From headers alone.

Every refusal says what the file is, what the slot takes, and what to do. Names and shapes are
checked in full (`check_parameters`), so that no model is half loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...weights.contents import Shape, Shapes
from ...weights.header import Header
from ...weights.reading import read_json
from ...weights.strict import find_misfit
from ..config import AUDIO_WINDOW, BASE_IN_CHANNELS, LATENT_CHANNELS, SMALL_WIDTH, AudioPartConfig
from ..sound.wav2vec2 import BASE_CONFIG
from .architecture import audio_parameters, base_parameters, base_sizes, count_blocks, is_audio_name
from .kinds import (
    LARGE_WIDTH,
    Kind,
    base_variant,
    base_width,
    count_encoder_layers,
    kind_of,
    row_of,
)
from .naming import AUDIO_KEY, ModelHeader

BASE_HEAD_WIDTH = 128
_BASE_EXAMPLE = "wan2.1_i2v_480p_14B_fp16.safetensors"
_MAX_NAMED, _MAX_SHAPES = 10, 3  # in an error
_MAX_SPARE = 8  # tensors that a network does not have; with more of them it is another one


def _article(kind: Kind) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _require_kind(header: Header, wanted: Kind, slot: str, example: str) -> None:
    kind = kind_of(header)
    if kind == wanted or (kind == "whole model" and wanted in ("WAN base model", "audio part")):
        return
    row = row_of(kind)
    found = "an unknown kind of file" if kind == "unknown" else _article(kind)
    place = "" if row is None else f" It goes into {row.slot} (folder models/{row.folder})."
    raise ValueError(
        f"{header.name} is {found}; {slot} takes {_article(wanted)}.{place} "
        f"Choose for example {example}."
    )


def check_base(header: Header) -> None:
    """Refuse everything that is no WAN transformer which an audio part goes with.

    Raises:
        ValueError: With what the file is and what is expected.
    """
    if kind_of(header) == "audio part":
        raise ValueError(
            f"{header.name} is an audio part; base takes a WAN 2.1 I2V model. Put this file into "
            f"audio_part and choose for example {_BASE_EXAMPLE} here."
        )
    _require_kind(header, "WAN base model", "base", _BASE_EXAMPLE)
    variant = base_variant(header)
    width = base_width(header)
    if width == SMALL_WIDTH:
        raise ValueError(
            f"{header.name} is a 1.3B model ({variant.label}), whose blocks are {width} wide; the "
            "blocks of all audio parts are 5120 wide, so they fit 14B models alone. Choose for "
            f"example {_BASE_EXAMPLE}."
        )
    if not variant.taken:
        channels = (*header.shapes.get("patch_embedding.weight", ()), 0, 0)[1]
        advice = f" {variant.advice[0].upper()}{variant.advice[1:]}." if variant.advice else ""
        raise ValueError(
            f"{header.name} is a WAN model of another kind ({variant.label}, {channels} input "
            "channels); base takes WAN 2.1 I2V, an expert of WAN 2.2 I2V or a first-last-frame "
            f"model, all with {BASE_IN_CHANNELS} input channels, or VACE or T2V with "
            f"{LATENT_CHANNELS}.{advice} Choose for example {_BASE_EXAMPLE}."
        )


def has_audio_part(header: Header) -> bool:
    """Whether a file holds an audio part, alone or beside a base."""
    return kind_of(header) in ("audio part", "whole model")


def audio_part_config(header: ModelHeader) -> AudioPartConfig:
    """Sizes of an audio part from its shapes.

    They do not tell the numbers of heads and encoder layers: these are in the metadata, or else
    those of the released models.

    Raises:
        ValueError: If the file is no audio part, or its shapes contradict each other.
    """
    _require_kind(header, "audio part", "audio_part", "multitalk.safetensors")
    shapes = header.parameters
    try:
        hidden, first_width = shapes[AUDIO_KEY]
        token_width = shapes["audio_proj.norm.weight"][0]
        dim = shapes["blocks.0.norm_x.weight"][0]
        layers = _setting(header, "encoder_layers", 12)
        per_frame = first_width // AUDIO_WINDOW
        config = AudioPartConfig(
            dim=dim,
            num_heads=_setting(header, "num_heads", dim // BASE_HEAD_WIDTH),
            num_layers=count_blocks(name for name in shapes if is_audio_name(name)),
            encoder_layers=layers,
            encoder_channels=per_frame // layers,
            hidden=hidden,
            num_tokens=shapes["audio_proj.proj3.weight"][0] // token_width,
            token_width=token_width,
        )
    except (LookupError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"{header.name} is no complete audio part: its sizes cannot be read ({error}). "
            "Choose multitalk.safetensors or infinitetalk.safetensors, or download it again."
        ) from error
    bad_heads = config.num_heads < 1 or dim % config.num_heads
    if bad_heads or config.encoder_layers * config.encoder_channels != per_frame:
        raise ValueError(
            f"The sizes in {header.name} contradict each other: width {dim}, "
            f"{config.num_heads} heads, {per_frame} speech features per frame. "
            "Download the file again."
        )
    return config


def _setting(header: Header, key: str, default: int) -> int:
    value = header.config("multitalk").get(key, default)
    if type(value) is not int or value < 0:
        raise ValueError(f"{key} is {value!r} in its metadata")
    return value


def check_parameters(
    base: ModelHeader, audio: ModelHeader, config: AudioPartConfig
) -> dict[str, Shape]:
    """Compare every name and shape with what the network has; its shapes, by name.

    For a whole model both headers are the same. Base parameters in an audio file win.

    Raises:
        ValueError: With the first missing, unexpected and wrong-shaped parameters.
    """
    network = check_audio_parameters(audio, config)
    expected = check_base_parameters(base)
    if audio.files != base.files:
        extra = _select(audio, audio=False)
        wanted = {name: expected[name] for name in extra if name in expected}
        _compare(audio.name, extra, wanted, what="audio part for this base")
    return {**expected, **network}


def check_base_parameters(base: ModelHeader) -> dict[str, Shape]:
    """As `check_parameters`, for a base alone.

    Raises:
        ValueError: With the first missing, unexpected and wrong-shaped parameters.
    """
    base_shapes = _select(base, audio=False)
    try:
        sizes = base_sizes(base_shapes)
        if min(sizes.text_width, sizes.time_width) < 1:
            raise LookupError("text_embedding.0 or time_embedding.0, stored in packed bytes,")
        expected = base_parameters(sizes)
    except LookupError as error:
        raise ValueError(
            f"{base.name} is no complete WAN 2.1 model: {error} is missing or damaged. "
            "Download it again."
        ) from error
    _compare(
        base.name, base_shapes, expected, what=f"complete WAN 2.1 {base_variant(base).label} model"
    )
    return expected


def check_audio_parameters(audio: ModelHeader, config: AudioPartConfig) -> dict[str, Shape]:
    """As `check_parameters`, for an audio part alone.

    Raises:
        ValueError: With the first missing, unexpected and wrong-shaped parameters.
    """
    expected = audio_parameters(config)
    _compare(audio.name, _select(audio, audio=True), expected, what="complete audio part")
    return expected


def _select(header: ModelHeader, *, audio: bool) -> dict[str, Shape]:
    return {n: shape for n, shape in header.parameters.items() if is_audio_name(n) == audio}


def _compare(name: str, found: Shapes, expected: Shapes, *, what: str) -> None:
    """Refuse what is not a network; a few tensors more are none of its parts, and reported."""
    misfit = find_misfit(found, expected)
    lists = {
        "Missing": misfit.missing[:_MAX_NAMED],
        "Unexpected": misfit.surplus[:_MAX_NAMED],
        "Wrong shape": misfit.misshapen[:_MAX_SHAPES],
    }
    if misfit.missing or misfit.misshapen or len(misfit.surplus) > _MAX_SPARE:
        said = " ".join(f"{word}: {names}." for word, names in lists.items() if names)
        raise ValueError(f"{name} is no {what}. {said} Download the file again, or choose another.")


def check_fit(base: Header, config: AudioPartConfig, audio_name: str) -> None:
    """Refuse an audio part of another model size.

    Raises:
        ValueError: If width or number of blocks differ from the base.
    """
    dim = base_width(base)
    layers = count_blocks(name for name in base.shapes if not is_audio_name(name))
    if (dim, layers) != (config.dim, config.num_layers):
        raise ValueError(
            f"{audio_name} was made for a model of {config.num_layers} blocks of width "
            f"{config.dim}; {base.name} has {layers} of width {dim}. Choose two files that belong "
            "together, for example WAN 2.1 I2V 14B and multitalk.safetensors."
        )


def encoder_sizes(header: Header) -> tuple[int, int]:
    """Number of transformer layers of a speech encoder, and channels of each.

    Raises:
        ValueError: If it is no wav2vec2 encoder, or the large one.
    """
    _require_kind(
        header, "speech encoder", "the speech encoder", "wav2vec2-chinese-base_fp16.safetensors"
    )
    layers, width = count_encoder_layers(header)
    if width == LARGE_WIDTH:
        raise ValueError(
            f"{header.name} is wav2vec2-large ({layers} layers of {width}); MultiTalk was trained "
            "with wav2vec2-base (12 layers of 768). Choose chinese-wav2vec2-base, for example "
            "wav2vec2-chinese-base_fp16.safetensors."
        )
    return layers, width


@dataclass(frozen=True, kw_only=True, slots=True)
class EncoderSettings:
    """What a speech encoder's weights do not tell."""

    config: Mapping[str, object]  # Hugging Face configuration
    do_normalize: bool  # level each clip to zero mean and unit variance first


def encoder_settings(header: Header) -> EncoderSettings:
    """Configuration of a speech encoder from the metadata of its file.

    What is not there comes from the config.json and preprocessor_config.json beside it; else it is
    wav2vec2-base's, without normalization.

    Raises:
        ValueError: If one of these JSON files cannot be read.
    """
    beside = _read_json(header.files[0].parent, "config.json")
    in_own_folder = beside.get("model_type") == "wav2vec2"
    config: Mapping[str, object] = header.settings
    if "hidden_size" not in config:
        config = beside if in_own_folder else BASE_CONFIG
    stated: object = header.metadata.get("do_normalize")
    if stated is None and in_own_folder:
        found = _read_json(header.files[0].parent, "preprocessor_config.json")
        stated = found.get("do_normalize")
    return EncoderSettings(config=config, do_normalize=str(stated).lower() == "true")


def _read_json(folder: Path, name: str) -> dict[str, object]:
    path = folder / name
    if not path.is_symlink() and not path.exists():
        return {}
    try:
        return dict(read_json(path))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{name} in the folder {folder.name} cannot be read. Download it again."
        ) from error


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
