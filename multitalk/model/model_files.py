"""The files of a model, looked at once: headers, sizes and the network that they make together.

Every constructor refuses files that are of another kind, damaged, or do not belong together, so
whoever holds one of these objects need not check again. Nothing but headers is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...weights.contents import Shapes
from ..config import AudioPartConfig, BaseKind, Family
from .architecture import BaseSizes, base_sizes
from .experts import check_names, check_sizes
from .fit import (
    audio_part_config,
    check_audio_parameters,
    check_base,
    check_fit,
    check_parameters,
    has_audio_part,
)
from .kinds import base_variant, guess_family, kind_of
from .naming import ModelHeader, read_model_header

_KINDS: dict[str, BaseKind] = {"VACE": "control", "T2V": "text"}  # labels; all others have images


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioFile:
    """A file with an audio part, alone or beside a base, that is complete."""

    header: ModelHeader
    config: AudioPartConfig

    @classmethod
    def read(cls, path: Path) -> AudioFile:
        """Look at a file of any layout.

        Raises:
            ValueError: If it is no audio part, or not complete.
        """
        header = read_model_header(path)
        config = audio_part_config(header)
        check_audio_parameters(header, config)
        return cls(header=header, config=config)

    @property
    def name(self) -> str:
        """File name."""
        return self.header.name

    @property
    def family(self) -> Family:
        """The family that metadata or file name tell."""
        return guess_family(self.header)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFiles:
    """Base and audio part that belong together; for a whole model both are of one file."""

    base: ModelHeader
    audio: AudioFile
    sizes: BaseSizes
    network: Shapes  # every parameter of base and audio part

    @classmethod
    def read(cls, base: Path, audio_part: Path | None) -> ModelFiles:
        """Look at two files, or at one that holds both, which has no audio_part beside it.

        Raises:
            ValueError: With what a file is and what is expected.
        """
        header = audio = read_model_header(base)
        check_base(header)
        if audio_part is None and not has_audio_part(header):
            raise ValueError(
                f"{header.name} holds no audio part; audio_part is (in base). Choose for example "
                "multitalk.safetensors in audio_part."
            )
        if audio_part not in (None, base):
            audio = read_model_header(audio_part)
        config = audio_part_config(audio)
        check_fit(header, config, audio.name)
        network = check_parameters(header, audio, config)
        return cls(
            base=header,
            audio=AudioFile(header=audio, config=config),
            sizes=base_sizes(header.parameters),
            network=network,
        )

    def with_low_noise(self, path: Path) -> ModelFiles:
        """The low-noise expert at a path, with the same audio part.

        Raises:
            ValueError: If it does not belong to this high-noise expert.
        """
        if kind_of(self.audio.header) == "whole model":
            raise ValueError(
                f"{self.audio.name} holds a base and an audio part, and low_noise_base is chosen. "
                "Choose a file that holds the audio part alone, which "
                "goes onto both experts, or set low_noise_base to none."
            )
        low = read_model_header(path)
        check_names((self.base.files, self.base.name), (low.files, low.name))
        check_base(low)
        audio = self.audio
        check_fit(low, audio.config, audio.name)
        network = check_parameters(low, audio.header, audio.config)
        sizes = base_sizes(low.parameters)
        check_sizes((self.base.name, self.sizes), (low.name, sizes))
        return ModelFiles(base=low, audio=audio, sizes=sizes, network=network)

    @property
    def kind(self) -> BaseKind:
        """What windows begin from on this base."""
        return _KINDS.get(base_variant(self.base).label, "image")

    def check_family(self, choice: str) -> None:
        """Refuse FlashTalk where base and audio part were not trained together.

        `choice` is a family or auto; one of another family says that the base is no FlashTalk.

        Raises:
            ValueError: With what to choose.
        """
        base = self.base
        family = self.audio.family if choice == "auto" else choice
        if family == "flashtalk" and self.kind != "image":
            label = base_variant(base).label
            raise ValueError(
                f"{base.name} is a {label} base, and {self.audio.name} is taken for FlashTalk, "
                "which was distilled together with its own base. Choose another audio part, or its "
                "family."
            )
        if choice not in ("auto", "flashtalk") or self.audio.header is base:
            return
        if not has_audio_part(base) or guess_family(base) != "flashtalk":
            return
        if self.audio.family != "flashtalk":
            raise ValueError(
                f"{base.name} is FlashTalk by its name and holds an audio part of its own; "
                f"{self.audio.name} on top was not trained with it. Set audio_part to (in base). "
                "If the base is no FlashTalk, choose its family."
            )

    @property
    def headers(self) -> tuple[ModelHeader, ...]:
        """Of the base and of the audio part, each file once."""
        return (self.base,) if self.audio.header is self.base else (self.base, self.audio.header)
