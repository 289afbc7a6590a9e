"""Numbers of MultiTalk, InfiniteTalk, FlashTalk and Wan 2.1 that the engine refers to.

Sources: the model card and configuration of MeiGen-AI/MeiGen-MultiTalk and InfiniteTalk, Wan 2.1
I2V 14B; flashtalk.md for FlashTalk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SAMPLE_RATE_HZ = 16_000  # what the speech encoder hears
FRAME_RATE = 25  # video frames and audio features per second
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FRAME_RATE  # 640
LOUDNESS_LUFS = -23.0
MIN_LOUDNESS_S = 0.4  # one block of BS.1770; shorter sounds cannot be measured

VAE_SPACE = 8  # pixels per latent cell
VAE_TIME = 4  # frames per latent frame, after the first
LATENT_CHANNELS = 16
BASE_IN_CHANNELS = 36  # of WAN I2V: 16 noisy + 4 mask + 16 condition latents
# Timesteps of 1 from which on the high-noise expert of WAN 2.2 is at work, by input channels.
EXPERT_BOUNDARIES = {BASE_IN_CHANNELS: 0.9, 16: 0.875}  # I2V, T2V
SMALL_WIDTH = 1536  # of the 1.3B models, for which there is no audio part
TOKEN_PX = 16  # pixels per token: latent cell x patch of 2
AUDIO_RADIUS = 2  # neighbouring audio frames on each side of a frame
AUDIO_WINDOW = 2 * AUDIO_RADIUS + 1
MAX_SPEAKERS = 6  # class_range 24 / class_interval 4

Family = Literal["multitalk", "infinitetalk", "flashtalk"]
FAMILIES: tuple[Family, ...] = ("multitalk", "infinitetalk", "flashtalk")
FAMILY_NAMES: dict[Family, str] = {
    "multitalk": "MultiTalk", "infinitetalk": "InfiniteTalk", "flashtalk": "FlashTalk",
}  # fmt: skip

# What a base begins a window from: an image beside the noise (I2V), known frames in a control video
# and a reference picture (VACE), or nothing but text (T2V).
BaseKind = Literal["image", "control", "text"]

Schedule = Literal["as trained", "even"]
ScheduleChoice = Literal["auto", "as trained", "even"]  # auto: as the sampler needs it
SCHEDULES: tuple[ScheduleChoice, ...] = ("auto", "as trained", "even")

ColorReference = Literal["picture", "source frame", "running mean"]
COLOR_REFERENCES: tuple[ColorReference, ...] = ("picture", "source frame", "running mean")
ImageTokens = Literal["window", "picture"]
IMAGE_TOKENS: tuple[ImageTokens, ...] = ("window", "picture")


@dataclass(frozen=True, kw_only=True, slots=True)
class WindowSize:
    """How many frames are sampled at once and how many of them repeat the previous window."""

    window: int  # frames, 4n+1
    overlap: int  # frames, 4n+1


WINDOW_SIZES: dict[Family, WindowSize] = {
    "multitalk": WindowSize(window=81, overlap=25),
    "infinitetalk": WindowSize(window=81, overlap=9),
    "flashtalk": WindowSize(window=33, overlap=5),
}
# The sampler of the host that does what the weights were trained for.
TRAINED_SAMPLERS: dict[Family, str] = {
    "multitalk": "euler", "infinitetalk": "euler", "flashtalk": "lcm",
}  # fmt: skip
# Timesteps before the shift that weights were distilled for, by their number; other numbers, and
# families without a table, are spaced evenly.
STEP_TABLES: dict[Family, dict[int, tuple[float, ...]]] = {
    "flashtalk": {4: (1000, 750, 500, 250), 2: (1000, 500)}
}


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioPartConfig:
    """Sizes of the audio part of the network."""

    dim: int  # width of the transformer
    num_heads: int
    num_layers: int
    encoder_layers: int = 12  # M, layers of the speech encoder that are read
    encoder_channels: int = 768
    hidden: int = 512
    num_tokens: int = 32  # K, per speaker and latent frame
    token_width: int = 768  # E
    class_range: int = 24  # length of the speaker axis in L-RoPE
    class_interval: int = 4  # length of one speaker's range on it


@dataclass(frozen=True, kw_only=True, slots=True)
class ApgConfig:
    """Adaptive projected guidance (Sadat et al. 2024, "Eliminating oversaturation")."""

    momentum: float = -0.75
    norm_threshold: float = 55.0  # L2 norm over the whole latent; 0 = no limit
    eta: float = 0.0  # share of the parallel part that is kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """Settings that belong together; `shift` None means: by picture size."""

    steps: int
    shift: float | None
    text_guidance: float
    audio_guidance: float
    step_cache: bool  # whether step caching makes sense with so many steps
    families: tuple[Family, ...] = ("multitalk", "infinitetalk")  # whose weights it is for


PRESETS: dict[str, Preset] = {
    "full": Preset(steps=40, shift=None, text_guidance=5.0, audio_guidance=4.0, step_cache=True),
    "FusionX": Preset(steps=8, shift=2.0, text_guidance=1.0, audio_guidance=2.0, step_cache=False),
    "lightx2v": Preset(steps=4, shift=2.0, text_guidance=1.0, audio_guidance=2.0, step_cache=False),
    "FlashTalk": Preset(
        steps=4,
        shift=5.0,
        text_guidance=1.0,
        audio_guidance=1.0,
        step_cache=False,
        families=("flashtalk",),
    ),
}

SMALL_PICTURE_PX = 600_000  # up to here the 480 class, else 720

SizeClass = Literal["480", "720"]


def size_class(height: int, width: int) -> SizeClass:
    """The trained size class that a picture size in pixels belongs to."""
    return "480" if height * width <= SMALL_PICTURE_PX else "720"


def default_shift(height: int, width: int) -> float:
    """Timestep shift of the full preset for a picture size."""
    return 7.0 if size_class(height, width) == "480" else 11.0
