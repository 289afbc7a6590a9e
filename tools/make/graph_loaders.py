"""The blueprints: loaders in one node, one speaker, a conversation from text."""

from __future__ import annotations

from .graph_forms import ENTRY, Link, Model, Node, Subgraph, Value
from .graph_parts import (
    CLIP_VISION,
    KOKORO,
    MULTITALK,
    NEGATIVE,
    POSITIVE,
    SCRIPT,
    SPEECH_ENCODER,
    TEXT_ENCODER,
    TWO_PEOPLE,
    VAE,
    Kit,
)

LOADER_PX = 400
IN_BASE = "(in base)"
TEXTS_AT, SAMPLER_AT, VIDEO_AT = 500, 1000, 1420


def _loader(key: str, kind: str, y: int, file: tuple[str, Model], **choices: str) -> Node:
    widget, model = file
    return Node(
        key=key,
        kind=kind,
        at=(0, y),
        width=LOADER_PX,
        values={widget: model.name, **choices},
        models=(model,),
    )


def _loader_nodes(kit: Kit) -> tuple[Node, ...]:
    """All loaders, one below the other."""
    audio_part = IN_BASE if kit.audio_part is None else kit.audio_part.name
    values: dict[str, Value] = {"base": kit.base.name, "audio_part": audio_part}
    if kit.preset == "FlashTalk":
        values["family"] = "flashtalk"  # the names of its files do not tell
    if kit.lora is not None:
        values |= {"loras": "1", "loras.lora_1": kit.lora.name, "loras.strength_1": 1}
    if kit.low_noise is not None:
        expert, lora = kit.low_noise
        values |= {"low_noise_base": expert.name, "low_noise_loras": "1"}
        values |= {"low_noise_loras.lora_1": lora.name, "low_noise_loras.strength_1": 1}
    clip = _loader("clip_vision", "CLIPVisionLoader", 750, ("clip_name", CLIP_VISION))
    model = Node(
        key="model",
        kind="MultiTalkLoadModel",
        at=(0, 0),
        width=LOADER_PX,
        values=values,
        models=kit.files,
    )
    return (
        model,
        _loader("vae", "VAELoader", 460, ("vae_name", VAE)),
        _loader("clip", "CLIPLoader", 580, ("clip_name", TEXT_ENCODER), type="wan"),
        *((clip,) if kit.sees else ()),
        _loader("encoder", "MultiTalkLoadSpeechEncoder", 870, ("encoder", SPEECH_ENCODER)),
    )


EXPOSED_FILES: dict[str, Link] = {
    "base": ("model", "base"),
    "audio_part": ("model", "audio_part"),
    "vae": ("vae", "vae_name"),
    "text_encoder": ("clip", "clip_name"),
    "clip_vision": ("clip_vision", "clip_name"),
    "speech_encoder": ("encoder", "encoder"),
}


EXPOSED_SETTINGS: dict[str, Link] = {name: ("sampler", name) for name in ("preset", "size", "seed")}


def loaders(kit: Kit) -> Subgraph:
    """Bundle all loaders in one node.

    Args:
        kit: The files it shows first.

    Returns:
        The blueprint.
    """
    exposed = dict(EXPOSED_FILES)
    outputs: dict[str, Link] = {
        "model": ("model", "model"),
        "VAE": ("vae", "VAE"),
        "CLIP": ("clip", "CLIP"),
        "CLIP_VISION": ("clip_vision", "CLIP_VISION"),
        "speech encoder": ("encoder", "speech encoder"),
    }
    if not kit.sees:
        del exposed["clip_vision"], outputs["CLIP_VISION"]
    if kit.lora:
        exposed["lora"] = ("model", "loras.lora_1")
    if kit.low_noise:
        exposed["low_noise_base"] = ("model", "low_noise_base")
        exposed["low_noise_lora"] = ("model", "low_noise_loras.lora_1")
    return Subgraph(
        name="MultiTalk loaders",
        description="All models of a MultiTalk or InfiniteTalk graph in one node.",
        nodes=_loader_nodes(kit),
        exposed=exposed,
        outputs=outputs,
    )


def _text(key: str, title: str, y: int, text: str) -> Node:
    return Node(
        key=key,
        kind="CLIPTextEncode",
        at=(TEXTS_AT, y),
        width=400,
        height=170,
        title=title,
        values={"text": text},
        links={"clip": ("clip", "CLIP")},
    )


def _making(sound: Link, speech_y: int, masks: dict[str, Link]) -> tuple[Node, ...]:
    """From texts, picture and sound to the mp4."""
    return (
        Node(
            key="speech",
            kind="MultiTalkSpeechEmbedding",
            at=(TEXTS_AT, speech_y),
            width=400,
            links={"audio": sound, "speech_encoder": ("encoder", "speech encoder")},
        ),
        Node(
            key="sampler",
            kind="MultiTalkSampler",
            at=(SAMPLER_AT, 0),
            height=640,
            links={
                "model": ("model", "model"),
                "vae": ("vae", "VAE"),
                "positive": ("positive", "CONDITIONING"),
                "negative": ("negative", "CONDITIONING"),
                "clip_vision": ("clip_vision", "CLIP_VISION"),
                "image": (ENTRY, "picture"),
                "speech": ("speech", "speech"),
                **masks,
            },
        ),
        Node(
            key="video",
            kind="MultiTalkVideoCombine",
            at=(VIDEO_AT, 0),
            width=400,
            height=400,
            links={"images": ("sampler", "images"), "audio": ("sampler", "audio")},
        ),
    )


def one_speaker_blueprint() -> Subgraph:
    """Picture and voice in, video out."""
    return Subgraph(
        name="MultiTalk one speaker",
        description="A picture and a voice become a talking video, saved in output/video. LoRAs "
        "are inside: Enter subgraph.",
        inputs=("picture", "voice"),
        nodes=(
            *_loader_nodes(Kit(audio_part=MULTITALK)),
            _text("positive", "Positive prompt", 0, POSITIVE),
            _text("negative", "Negative prompt", 230, NEGATIVE),
            *_making((ENTRY, "voice"), 880, {}),
        ),
        exposed={"prompt": ("positive", "text"), **EXPOSED_SETTINGS, **EXPOSED_FILES},
        outputs={"video": ("video", "video"), "report": ("sampler", "report")},
    )


def dialogue_blueprint() -> Subgraph:
    """Picture and script in, video out."""
    return Subgraph(
        name="MultiTalk dialogue",
        description="A picture of two people and a script become a talking video, saved in "
        "output/video. The first speaker of the script is the left half of the picture, the second "
        "the right half; connect masks of MultiTalk Speakers for other places. LoRAs are inside: "
        "Enter subgraph.",
        inputs=("picture", "masks"),
        nodes=(
            *_loader_nodes(Kit(audio_part=MULTITALK)),
            _text("positive", "Positive prompt", 0, TWO_PEOPLE),
            _text("negative", "Negative prompt", 230, NEGATIVE),
            Node(
                key="voices",
                kind="MultiTalkLoadKokoro",
                at=(0, 1000),
                width=LOADER_PX,
                values={"model": KOKORO.name},
                models=(KOKORO,),
            ),
            Node(
                key="dialogue",
                kind="MultiTalkDialogue",
                at=(TEXTS_AT, 460),
                width=400,
                height=560,
                values={"script": SCRIPT},
                links={"voice_model": ("voices", "voice model")},
            ),
            *_making(("dialogue", "tracks"), 1090, {"masks": (ENTRY, "masks")}),
        ),
        exposed={
            "script": ("dialogue", "script"),
            "prompt": ("positive", "text"),
            **EXPOSED_SETTINGS,
            **EXPOSED_FILES,
            "voice_model": ("voices", "model"),
        },
        outputs={"video": ("video", "video"), "report": ("sampler", "report")},
    )
