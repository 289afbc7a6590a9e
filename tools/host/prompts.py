"""API prompts that tests start from."""

from __future__ import annotations

from typing import Any

TOY = {
    "base": "multitalk_toy_base.safetensors",
    "audio_part": "multitalk_toy_audio.safetensors",
    "vae": "multitalk_toy_vae.safetensors",
    "encoder": "multitalk_toy_encoder.safetensors",
}


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def sampler_inputs(**changes: Any) -> dict[str, Any]:
    """Inputs of MultiTalkSampler at toy size: 16 x 16 pixels, 2 steps, windows of 9."""
    inputs = {
        "preset": "custom",
        "preset.steps": 2,
        "preset.shift": 3.0,
        "preset.text_guidance": 1.0,
        "preset.audio_guidance": 2.0,
        "seed": 7,
        "size": "custom",
        "size.width": 64,
        "size.height": 64,
        "audio_strength": 1.0,
        "colour_match": 1.0,
        "window": 9,
        "overlap": 5,
        "rule": "auto",
        "sampler": "euler",
        "step_cache": 0.0,
        "apg": False,
        "length": "exact",
        "last_window": "full",
    }
    return inputs | {name.replace("__", "."): value for name, value in changes.items()}


def talk(
    *,
    seconds: float = 0.6,
    rate: int = 16000,
    voices: int = 1,
    placement: str = "together",
    boxes: str | None = None,
    flat_vae: bool = True,
    sound: str = "noise",
    audio_part: str | None = None,
    files: dict[str, str] = TOY,
    picture: tuple[int, int] = (64, 64),
    source_frames: int = 1,
    **settings: Any,
) -> dict[str, Any]:
    """A whole graph with sounds made on the spot; node names say what they are."""
    prompt = {
        "image": node("TestPicture", width=picture[0], height=picture[1], frames=source_frames),
        "base": node("TestCountedModel", name=files["base"]),
        "model": node(
            "MultiTalkAttach",
            model=["base", 0],
            audio_part=audio_part or files["audio_part"],
            family="auto",
        ),
        "vae": node("TestFlatVae") if flat_vae else node("VAELoader", vae_name=files["vae"]),
        "encoder": node("MultiTalkLoadSpeechEncoder", encoder=files["encoder"]),
        "speech": node(
            "MultiTalkSpeechEmbedding",
            audio=["sound_1", 0],
            speech_encoder=["encoder", 0],
            normalise_loudness=True,
        ),
        "sampler": node(
            "MultiTalkSampler",
            model=["model", 0],
            vae=["vae", 0],
            image=["image", 0],
            speech=["speech", 0],
            **sampler_inputs(**settings),
        ),
        "video": node(
            "MultiTalkVideoCombine",
            images=["sampler", 0],
            audio=["sampler", 1],
            fps=25.0,
            filename_prefix="video/test",
            save_output=False,
        ),
    }
    add_voices(prompt, voices, placement, samples=round(seconds * rate), rate=rate, kind=sound)
    if boxes is not None:
        prompt["masks"] = node("TestMasks", boxes=boxes, width=picture[0], height=picture[1])
        prompt["sampler"]["inputs"]["masks"] = ["masks", 0]
    return prompt


def add_voices(prompt: dict[str, Any], voices: int, placement: str, **sound: Any) -> None:
    """Sounds, and tracks if there are several."""
    for number in range(1, voices + 1):
        prompt[f"sound_{number}"] = node("TestSound", seed=number, channels=1, **sound)
    if voices > 1:
        prompt["tracks"] = node(
            "MultiTalkTracks",
            **{f"speakers.speaker_{n}": [f"sound_{n}", 0] for n in range(1, voices + 1)},
            **placing(placement),
        )
        prompt["speech"]["inputs"]["audio"] = ["tracks", 0]


def placing(placement: str) -> dict[str, Any]:
    extra = {"in turn": {"placement.gap": 0.0}, "offsets": {"placement.offsets": "0, 0.2"}}
    return {"placement": placement, **extra.get(placement, {})}
