"""Sizes and symbols of the Kokoro speech model.

Source: kokoro.md sections 1 and 6, the config.json of hexgrad/Kokoro-82M (v1.0), whose values are
the defaults here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from ..weights.reading import read_json

SAMPLE_RATE_HZ = 24_000
MAX_PHONEMES = 510  # characters that are said at once
BOUNDARY_ID = 0  # stands at both ends of a chunk

# Symbol -> id of v1.0.
VOCABULARY: Mapping[str, int] = {
    ";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "\u2014": 9, "\u2026": 10, "\"": 11, "(": 12,
    ")": 13, "\u201c": 14, "\u201d": 15, " ": 16, "\u0303": 17, "\u02a3": 18, "\u02a5": 19,
    "\u02a6": 20, "\u02a8": 21, "\u1d5d": 22, "\uab67": 23, "A": 24, "I": 25, "O": 31, "Q": 33,
    "S": 35, "T": 36, "W": 39, "Y": 41, "\u1d4a": 42, "a": 43, "b": 44, "c": 45, "d": 46,
    "e": 47, "f": 48, "h": 50, "i": 51, "j": 52, "k": 53, "l": 54, "m": 55, "n": 56, "o": 57,
    "p": 58, "q": 59, "r": 60, "s": 61, "t": 62, "u": 63, "v": 64, "w": 65, "x": 66, "y": 67,
    "z": 68, "\u0251": 69, "\u0250": 70, "\u0252": 71, "\u00e6": 72, "\u03b2": 75, "\u0254": 76,
    "\u0255": 77, "\u00e7": 78, "\u0256": 80, "\u00f0": 81, "\u02a4": 82, "\u0259": 83,
    "\u025a": 85, "\u025b": 86, "\u025c": 87, "\u025f": 90, "\u0261": 92, "\u0265": 99,
    "\u0268": 101, "\u026a": 102, "\u029d": 103, "\u026f": 110, "\u0270": 111, "\u014b": 112,
    "\u0273": 113, "\u0272": 114, "\u0274": 115, "\u00f8": 116, "\u0278": 118, "\u03b8": 119,
    "\u0153": 120, "\u0279": 123, "\u027e": 125, "\u027b": 126, "\u0281": 128, "\u027d": 129,
    "\u0282": 130, "\u0283": 131, "\u0288": 132, "\u02a7": 133, "\u028a": 135, "\u028b": 136,
    "\u028c": 138, "\u0263": 139, "\u0264": 140, "\u03c7": 142, "\u028e": 143, "\u0292": 147,
    "\u0294": 148, "\u02c8": 156, "\u02cc": 157, "\u02d0": 158, "\u02b0": 162, "\u02b2": 164,
    "\u2193": 169, "\u2192": 171, "\u2197": 172, "\u2198": 173, "\u1d7b": 177,
}  # fmt: skip


T = TypeVar("T")


def _stored(name: str, default: T) -> T:
    """A field with its name in config.json and its published value."""
    return field(default=default, metadata={"name": name})


@dataclass(frozen=True, kw_only=True, slots=True)
class BertConfig:
    """Sizes of the text part, an ALBERT."""

    embedding: int = 128
    hidden: int = _stored("hidden_size", 768)
    num_heads: int = _stored("num_attention_heads", 12)
    intermediate: int = _stored("intermediate_size", 2048)
    num_layers: int = _stored("num_hidden_layers", 12)  # times that the one shared layer runs
    max_positions: int = _stored("max_position_embeddings", 512)  # ids of a chunk, with boundaries


@dataclass(frozen=True, kw_only=True, slots=True)
class GeneratorConfig:
    """Sizes of the part that makes the waveform, an iSTFTNet."""

    upsample_rates: tuple[int, ...] = _stored("upsample_rates", (10, 6))
    upsample_kernels: tuple[int, ...] = _stored("upsample_kernel_sizes", (20, 12))
    initial_channels: int = _stored("upsample_initial_channel", 512)
    block_kernels: tuple[int, ...] = _stored("resblock_kernel_sizes", (3, 7, 11))
    block_dilations: tuple[tuple[int, ...], ...] = _stored(
        "resblock_dilation_sizes", ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    )
    n_fft: int = _stored("gen_istft_n_fft", 20)
    hop: int = _stored("gen_istft_hop_size", 5)  # samples

    @property
    def samples_per_value(self) -> int:
        """Samples that one value of the pitch curve covers."""
        return self.hop * math.prod(self.upsample_rates)


@dataclass(frozen=True, kw_only=True, slots=True)
class KokoroConfig:
    """Sizes of the whole network and its symbols; the defaults are those of Kokoro-82M v1.0."""

    num_symbols: int = _stored("n_token", 178)
    hidden: int = _stored("hidden_dim", 512)
    style_width: int = _stored("style_dim", 128)  # of each half of a style: decoder, predictor
    num_layers: int = _stored("n_layer", 3)  # of the text encoder and of the duration encoder
    max_duration: int = _stored("max_dur", 50)  # frames per symbol, at speed 1
    text_kernel: int = _stored("text_encoder_kernel_size", 5)
    decoder_mid_channels: int = _stored("decoder_mid_channels", 1024)
    decoder_text_residual_channels: int = _stored("decoder_text_residual_channels", 64)
    bert: BertConfig = field(default_factory=BertConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    vocabulary: Mapping[str, int] = field(default_factory=lambda: VOCABULARY)

    @property
    def samples_per_frame(self) -> int:
        """Samples of one frame of a duration: 600, 25 ms."""
        return 2 * self.generator.samples_per_value


def read_config(path: Path) -> KokoroConfig:
    """Read a config.json.

    Raises:
        ValueError: If it is no JSON, no configuration of Kokoro, or contradicts itself.
    """
    try:
        return parse_config(read_json(path))
    except ValueError as error:
        raise ValueError(
            f"{path.name} cannot be used as the configuration of Kokoro: {error}. "
            "Take the config.json that was published beside the weights."
        ) from error


def parse_config(value: object) -> KokoroConfig:
    """Take sizes and symbols from what config.json holds; what it leaves out is as published.

    Raises:
        ValueError: If it is no configuration of Kokoro or contradicts itself.
    """
    if not isinstance(value, dict) or not {"istftnet", "plbert"} <= value.keys():
        raise ValueError("it has no sections istftnet and plbert")
    sizes = _sizes(KokoroConfig, value, "config.json")
    embedding = _size(value.get("plbert_embedding_size", 128), "plbert_embedding_size")
    config = KokoroConfig(
        **sizes,
        bert=BertConfig(embedding=embedding, **_sizes(BertConfig, value["plbert"], "plbert")),
        generator=GeneratorConfig(**_sizes(GeneratorConfig, value["istftnet"], "istftnet")),
        vocabulary=_vocabulary(value.get("vocab"), sizes["num_symbols"]),
    )
    broken = next((rule for rule, holds in _rules(config).items() if not holds), None)
    if broken is not None:
        raise ValueError(broken)
    return config


def _sizes(kind: type, section: object, title: str) -> dict[str, Any]:
    """Values of the fields of a configuration that have a name in the file."""
    if not isinstance(section, dict):
        raise ValueError(f"{title} is {section!r}, not a section")
    out = {}
    for entry in fields(kind):
        if name := entry.metadata.get("name"):
            out[entry.name] = _like(entry.default, section.get(name, entry.default), name)
    return out


def _like(default: object, value: object, name: str) -> object:
    """A value of the same form as a default: a size, sizes, or rows of sizes."""
    if not isinstance(default, tuple):
        return _size(value, name)
    rows = isinstance(default[0], tuple)
    if not isinstance(value, list | tuple if rows else Sequence) or not (value or rows):
        kind = "a list of lists" if rows else "a list of whole numbers"
        raise ValueError(f"{name} is {value!r}, not {kind}")
    return tuple(_like(default[0], inner, name) for inner in value)


def _size(value: object, name: str) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} has {value!r}, not a whole number above 0")
    return value


def _vocabulary(value: object, num_symbols: int) -> Mapping[str, int]:
    if value is None:
        return {symbol: number for symbol, number in VOCABULARY.items() if number < num_symbols}
    if not isinstance(value, Mapping) or not value:
        raise ValueError("vocab is no table of symbols")
    for symbol, number in value.items():
        if len(symbol) != 1 or type(number) is not int or not 0 <= number < num_symbols:
            raise ValueError(
                f"vocab has {symbol!r}: {number!r}; a symbol is one character and its id is "
                f"0 to {num_symbols - 1}"
            )
    return dict(value)


def _rules(config: KokoroConfig) -> dict[str, bool]:
    """What sizes must fulfil so that a network can have them, and whether they do."""
    bert, generator = config.bert, config.generator
    rates, kernels = generator.upsample_rates, generator.upsample_kernels
    steps = zip(rates, kernels, strict=False)
    odd = (config.text_kernel, *generator.block_kernels)
    return {
        "hidden_dim must be even": config.hidden % 2 == 0,
        "plbert.hidden_size must be a multiple of num_attention_heads":
            bert.hidden % bert.num_heads == 0,
        "upsample_rates and upsample_kernel_sizes must be equally long":
            len(rates) == len(kernels),
        "a kernel of upsample_kernel_sizes must exceed its rate by an even number":
            all(kernel >= rate and (kernel - rate) % 2 == 0 for rate, kernel in steps),
        "upsample_initial_channel must be divisible by 2 per level":
            generator.initial_channels % 2 ** len(rates) == 0,
        "resblock_kernel_sizes and resblock_dilation_sizes must be equally long":
            len(generator.block_kernels) == len(generator.block_dilations),
        "kernels of convolutions that keep the length must be odd":
            all(kernel % 2 for kernel in odd),
        "gen_istft_hop_size must be smaller than gen_istft_n_fft, which must be even":
            generator.hop < generator.n_fft and generator.n_fft % 2 == 0,
    }  # fmt: skip


def phoneme_ids(phonemes: str, vocabulary: Mapping[str, int]) -> list[int]:
    """Ids of phoneme characters, with the boundary at both ends.

    Characters that the vocabulary (symbol -> id) lacks are left out, as the reference does.

    Raises:
        ValueError: If there are more than 510 characters.
    """
    if len(phonemes) > MAX_PHONEMES:
        raise ValueError(
            f"{len(phonemes)} phonemes were given at once; the model takes {MAX_PHONEMES}. "
            "Cut the text at the end of a sentence."
        )
    known = [vocabulary[symbol] for symbol in phonemes if symbol in vocabulary]
    return [BOUNDARY_ID, *known, BOUNDARY_ID]
