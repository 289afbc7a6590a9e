"""Clips to videos, through the real nodes in the pinned host."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pack.multitalk.config import FRAME_RATE, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME
from pack.multitalk.model.naming import read_model_header
from pack.tools.host.prompts import TOY, node, sampler_inputs
from pack.tools.lab.cast import Clip, Line
from pack.tools.lab.dubbing import FEATHER_PX, Dub, Dubbed

if TYPE_CHECKING:
    from pack.tools.host.inprocess import Host

ROOT = Path(__file__).resolve().parents[2]
Masks = Literal["boxes", "halves", "swapped", "none"]
Listeners = Literal["track", "mask", "still", "mask and still"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """How a video is made; the defaults of `toy_settings` are the toy's own."""

    steps: int
    shift: float
    text_guidance: float
    audio_guidance: float
    window: int
    overlap: int
    apg: bool = False
    step_cache: float = 0.0
    colour_match: float = 1.0
    drift_correction: float = 0.0
    rule: str = "auto"
    audio_strength: float = 1.0
    weight_dtype: str = "default"
    seed: int = 42
    masks: Masks = "boxes"
    """For two people: boxes around the heads, halves of the picture, boxes in the wrong order, or
    no masks at all. One person never has a mask."""
    swap_sounds: bool = False
    """Give each of two people the other's sound."""
    listeners: Listeners = "track"
    """How a silent listener is told: by a track of silence, by a mask of the talker alone, by a box
    of those who are still, or by both."""
    outside: str = "as trained"
    """What sound does outside those who talk: outside_speakers of the sampler."""
    delay: int = 0
    """Frames by which all sounds come late."""


def toy_settings(**changes: Any) -> Settings:
    """The settings that are stored with the toy.

    Args:
        changes: Fields of Settings that shall be different.
    """
    header = read_model_header(ROOT / "assets" / "toy" / "diffusion_models" / TOY["base"])
    stored = header.settings["multitalk"]
    names = ("steps", "shift", "text_guidance", "audio_guidance", "window", "overlap")
    return Settings(**{name: stored[name] for name in names} | changes)


def has_bf16() -> bool:
    """Whether this CPU computes in bfloat16, which makes the VAE four times faster."""
    import torch

    return torch.cpu._is_avx512_bf16_supported()


def start_lab() -> Lab:
    """Start a host in this process, quiet and with the fastest VAE that the CPU has."""
    from pack.tools.host.inprocess import start_host
    from pack.tools.host.launch import stand_ins

    stand_ins()
    lab = Lab(start_host(ROOT, bf16_vae=has_bf16()))
    import comfy.utils

    comfy.utils.set_progress_bar_enabled(False)
    return lab


class Lab:
    """The toy in a host in this process; models stay loaded from clip to clip."""

    def __init__(self, host: Host) -> None:
        """Take a host that has been started."""
        self.host = host
        self.model: Any = None
        """The MODEL of the last video."""
        self._executor = host.executor()
        self._vae: Any = None

    def video(self, clip: Clip, settings: Settings) -> np.ndarray:
        """Let the nodes make the video of a clip.

        Args:
            clip: Gives the picture, the sounds and the places of the heads.
            settings: How.

        Returns:
            [F, H, W, 3] uint8.
        """
        result = self.host.run(self._prompt(clip, settings), self._executor)
        assert result.ok, result.error
        self.model = result.outputs["model"][0][0]
        return to_bytes(_keeper().SAVED_FRAMES.pop())

    def dub(self, dub: Dub, settings: Settings, strength: float) -> Dubbed:
        """Let the nodes dub a film: only the regions of the mouths become new.

        Args:
            dub: The film, the new voices and the regions.
            settings: How.
            strength: start_strength of the sampler.
        """
        name = write_film(self.host.base / "input", dub)
        prompt = self._prompt(dub.clip, settings)
        prompt["film"] = node("LoadImage", image=name)
        prompt["sampler"]["inputs"] |= {"image": ["film", 0], "start_strength": strength}
        prompt["mouths"] = node(
            "MultiTalkMouthOnly",
            source=["film", 0],
            talking=["sampler", 0],
            boxes="\n".join(", ".join(map(str, box)) for box in dub.boxes),
            feather=FEATHER_PX,
        )
        prompt["keep_mouths"] = node("TestKeepFrames", images=["mouths", 0])
        result = self.host.run(prompt, self._executor)
        assert result.ok, result.error
        kept = _keeper().SAVED_FRAMES
        laid, talking = kept.pop(), kept.pop()
        if result.executed.index("keep") > result.executed.index("keep_mouths"):
            laid, talking = talking, laid
        film = self.host.node("LoadImage")().load_image(name)[0]
        return Dubbed(
            dub=dub, talking=to_bytes(talking), source=film.cpu().numpy(), laid=laid.cpu().numpy()
        )

    def rebuild(self, frames: np.ndarray) -> np.ndarray:
        """Encode and decode frames with the host's VAE nodes.

        Args:
            frames: [F, H, W, 3] uint8.

        Returns:
            [F, H, W, 3] uint8.
        """
        import torch

        with torch.inference_mode():
            if self._vae is None:
                (self._vae,) = self.host.node("VAELoader")().load_vae(TOY["vae"])
            pixels = torch.from_numpy(frames).float() / 255
            (latent,) = self.host.node("VAEEncode")().encode(self._vae, pixels)
            return to_bytes(self.host.node("VAEDecode")().decode(self._vae, latent)[0])

    def _prompt(self, clip: Clip, settings: Settings) -> dict[str, Any]:
        """The graph of one video."""
        folder = self.host.base / "input"
        people = len(clip.lines)
        order = range(people)[:: -1 if settings.swap_sounds else 1]
        told = clip.kind == "listener" and settings.listeners != "track"
        if told:  # by a place, not by a track
            order = [i for i in order if clip.lines[i].waveform.any()]
        lines = [delayed(clip.lines[i], settings.delay, clip.num_frames) for i in order]
        prompt = {
            "picture": node("LoadImage", image=write_picture(folder, clip)),
            "tracks": tracks_node([f"sound_{i}" for i in range(len(lines))], lines),
            "encoder": node("MultiTalkLoadSpeechEncoder", encoder=TOY["encoder"]),
            "speech": node(
                "MultiTalkSpeechEmbedding",
                audio=["tracks", 0],
                speech_encoder=["encoder", 0],
                normalise_loudness=True,
            ),
            "model": node(
                "MultiTalkLoadModel",
                base=TOY["base"],
                audio_part=TOY["audio_part"],
                weight_dtype=settings.weight_dtype,
                family="auto",
                loras="none",
            ),
            "vae": node("VAELoader", vae_name=TOY["vae"]),
            "sampler": sampler_node(clip.scene.size, settings),
            "keep": node("TestKeepFrames", images=["sampler", 0]),
        }
        for i, line in enumerate(lines):
            prompt[f"sound_{i}"] = node("LoadAudio", audio=write_sound(folder, i, line))
        prompt["sampler"]["inputs"]["outside_speakers"] = settings.outside
        if told:
            places = {"masks": order, "still": [i for i in range(people) if i not in order]}
            for socket, those in places.items():
                if socket.rstrip("s") in settings.listeners:
                    boxes = "\n".join(", ".join(map(str, clip.scene.boxes[i])) for i in those)
                    prompt[socket] = node("MultiTalkSpeakers", image=["picture", 0], boxes=boxes)
                    prompt["sampler"]["inputs"][socket] = [socket, 0]
        elif people == 2 and settings.masks != "none":
            prompt["speakers"] = node(
                "MultiTalkSpeakers", image=["picture", 0], boxes=boxes_text(clip, settings.masks)
            )
            prompt["sampler"]["inputs"]["masks"] = ["speakers", 0]
        return prompt


def to_bytes(frames: Any) -> np.ndarray:
    """Host IMAGE [F, H, W, 3] in 0..1 to uint8."""
    return (frames.clamp(0, 1) * 255).round().byte().cpu().numpy()


def delayed(line: Line, frames: int, num_frames: int) -> Line:
    """The line later, cut where the clip ends."""
    start = line.start + frames
    return Line(waveform=line.waveform[: (num_frames - start) * SAMPLES_PER_FRAME], start=start)


def write_picture(folder: Path, clip: Clip) -> str:
    """Put a clip's picture into the host's input folder; returns its name."""
    from PIL import Image

    name = f"{clip.name}.png"
    Image.fromarray(clip.picture).save(folder / name)
    return name


def write_film(folder: Path, dub: Dub) -> str:
    """Put a film to be dubbed into the host's input folder, lossless; returns its name."""
    from PIL import Image

    name = f"{dub.clip.name}_film.png"
    first, *rest = (Image.fromarray(frame) for frame in dub.source)
    first.save(folder / name, save_all=True, append_images=rest, duration=1000 // FRAME_RATE)
    return name


def write_sound(folder: Path, person: int, line: Line) -> str:
    """Put a sound into the host's input folder; returns its name."""
    import soundfile

    name = f"sound_{person}.flac"
    soundfile.write(folder / name, line.waveform, SAMPLE_RATE_HZ, subtype="PCM_16")
    return name


def tracks_node(sounds: list[str], lines: list[Line]) -> dict[str, Any]:
    """MultiTalkTracks with the sounds where their lines begin."""
    return node(
        "MultiTalkTracks",
        placement="offsets",
        **{"placement.offsets": ", ".join(f"{line.start / FRAME_RATE:g}" for line in lines)},
        **{f"speakers.speaker_{n}": [name, 0] for n, name in enumerate(sounds, start=1)},
    )


def sampler_node(size: tuple[int, int], settings: Settings) -> dict[str, Any]:
    """MultiTalkSampler with all settings."""
    width, height = size
    inputs = sampler_inputs(
        preset__steps=settings.steps,
        preset__shift=settings.shift,
        preset__text_guidance=settings.text_guidance,
        preset__audio_guidance=settings.audio_guidance,
        size__width=width,
        size__height=height,
        seed=settings.seed,
        audio_strength=settings.audio_strength,
        colour_match=settings.colour_match,
        drift_correction=settings.drift_correction,
        window=settings.window,
        overlap=settings.overlap,
        rule=settings.rule,
        step_cache=settings.step_cache,
        apg=settings.apg,
    )
    links = {"image": "picture", "speech": "speech", "model": "model", "vae": "vae"}
    return node("MultiTalkSampler", **inputs, **{name: [to, 0] for name, to in links.items()})


def boxes_text(clip: Clip, masks: Masks) -> str:
    """Text for MultiTalkSpeakers: a box per line, or nothing for the two halves."""
    if masks == "halves":
        return ""
    boxes = clip.scene.boxes[:: -1 if masks == "swapped" else 1]
    return "\n".join(", ".join(map(str, box)) for box in boxes)


def _keeper() -> Any:
    """The module of the test nodes, as the host loaded it."""
    return next(module for name, module in sys.modules.items() if name.endswith("nodes_for_tests"))
