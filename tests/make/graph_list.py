"""The graphs that ship with the pack, as data. `graphs.py` writes them."""

from __future__ import annotations

from .graph_forms import Graph, Link, Model, Node, Note, Subgraph, Use

HUGGING_FACE = "https://huggingface.co"
WAN = f"{HUGGING_FACE}/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"

BASE = Model(
    name="wan2.1_i2v_480p_14B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_i2v_480p_14B_fp16.safetensors",
    directory="diffusion_models",
)
MULTITALK = Model(
    name="multitalk.safetensors",
    url=f"{HUGGING_FACE}/MeiGen-AI/MeiGen-MultiTalk/resolve/main/multitalk.safetensors",
    directory="model_patches",
)
INFINITETALK = Model(
    name="Wan2_1-InfiniTetalk-Single_fp16.safetensors",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy/resolve/main/InfiniteTalk/"
    "Wan2_1-InfiniTetalk-Single_fp16.safetensors",
    directory="model_patches",
)
VAE = Model(
    name="wan_2.1_vae.safetensors",
    url=f"{WAN}/vae/wan_2.1_vae.safetensors",
    directory="vae",
)
TEXT_ENCODER = Model(
    name="umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    url=f"{WAN}/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    directory="text_encoders",
)
CLIP_VISION = Model(
    name="clip_vision_h.safetensors",
    url=f"{WAN}/clip_vision/clip_vision_h.safetensors",
    directory="clip_vision",
)
SPEECH_ENCODER = Model(
    name="wav2vec2-chinese-base_fp16.safetensors",
    url=f"{HUGGING_FACE}/Kijai/wav2vec2_safetensors/resolve/main/"
    "wav2vec2-chinese-base_fp16.safetensors",
    directory="audio_encoders",
)

POSITIVE = (
    "A person looks into the camera and talks, with calm gestures. Soft daylight, still camera."
)
TWO_PEOPLE = "Two people sit side by side and talk with each other. Soft daylight, still camera."
# sampling.md section 10: the list that the reference was tuned with.
NEGATIVE = (
    "bright tones, overexposed, static, blurred details, subtitles, style, works, paintings, "
    "images, static, overall gray, worst quality, low quality, JPEG artifacts, ugly, incomplete, "
    "extra fingers, poorly drawn hands, poorly drawn faces, deformed, disfigured, misshapen limbs, "
    "fused fingers, still picture, messy background, three legs, many people in the background, "
    "walking backwards"
)

TOY_NOTE = """\
Nothing to download: press **Run**.

The toy model is very small, and **its weights are random for now**. The video shows that the \
machinery works (exact length, sound, windows), not lip sync.

**Try**
- *seed*, *steps*, *audio_guidance* in MultiTalk Sampler
- *width* and *height*, multiples of 16
- your own picture and voice: Load Image and Load Audio instead of MultiTalk Example

The mp4 is saved in the folder `output/video` of ComfyUI.
"""

TOY_SPEAKERS_NOTE = """\
**Who speaks when**: *placement* of MultiTalk Tracks. In turn, together, or at times that you write.

**Who is who**: voice 1 belongs to the first box, voice 2 to the second. Run once, and MultiTalk \
Speakers shows everybody with a number. The boxes of the example come from MultiTalk Example; for \
your own picture remove that link and write one line per person: `x, y, width, height` in pixels.
"""

CHANGE_NOTE = """\
1. **Picture and voice**: choose your own files. The length of the sound is the length of the video.
2. **Prompt**: what the scene looks like.
3. **preset** of MultiTalk Sampler: *full* (40 steps) needs no LoRA. For *FusionX* (8 steps) or \
*lightx2v* (4 steps) open *MultiTalk loaders* (icon at its upper right corner), set *loras* to 1 \
and choose the LoRA of that name, strength 1.
4. **size**: 480 or 720; the shape follows the picture.

Press **Run**. The mp4 is saved in `output/video`.
"""

SPEAKERS_NOTE = """\
**Who speaks when**: *placement* of MultiTalk Tracks. In turn, together, or at times that you write.

**Who is who**: with an empty field voice 1 is the left half of the picture and voice 2 the right \
half. Or write one box per line, in the order of the voices: `x, y, width, height` in pixels of the \
picture, counted from its upper left corner, for example

    120, 80, 300, 360
    560, 80, 300, 360

Run once, and MultiTalk Speakers shows everybody with a number.
"""


def files_note(audio_part: Model) -> str:
    """Say which file goes where.

    Args:
        audio_part: MultiTalk or InfiniteTalk.

    Returns:
        Markdown.
    """
    files = (BASE, audio_part, VAE, TEXT_ENCODER, CLIP_VISION, SPEECH_ENCODER)
    lines = [f"- `models/{file.directory}`: [{file.name}]({file.url})" for file in files]
    return "\n".join(
        (
            *lines,
            "",
            "Then press **R** to refresh the lists. fp8 files of the same models work too. A GPU "
            "is needed; how much memory depends on the files.",
            "",
        )
    )


def loaders(audio_part: Model) -> Subgraph:
    """Bundle all loaders in one node.

    Args:
        audio_part: The file it shows first.

    Returns:
        The blueprint.
    """
    return Subgraph(
        name="MultiTalk loaders",
        description="All models of a MultiTalk or InfiniteTalk graph in one node.",
        nodes=(
            Node(
                key="model",
                kind="MultiTalkLoadModel",
                at=(0, 0),
                width=400,
                values={"base": BASE.name, "audio_part": audio_part.name},
                models=(BASE, audio_part),
            ),
            Node(
                key="vae",
                kind="VAELoader",
                at=(0, 220),
                width=400,
                values={"vae_name": VAE.name},
                models=(VAE,),
            ),
            Node(
                key="clip",
                kind="CLIPLoader",
                at=(0, 340),
                width=400,
                values={"clip_name": TEXT_ENCODER.name, "type": "wan"},
                models=(TEXT_ENCODER,),
            ),
            Node(
                key="clip_vision",
                kind="CLIPVisionLoader",
                at=(0, 510),
                width=400,
                values={"clip_name": CLIP_VISION.name},
                models=(CLIP_VISION,),
            ),
            Node(
                key="encoder",
                kind="MultiTalkLoadSpeechEncoder",
                at=(0, 630),
                width=400,
                values={"encoder": SPEECH_ENCODER.name},
                models=(SPEECH_ENCODER,),
            ),
        ),
        exposed={
            "base": ("model", "base"),
            "audio_part": ("model", "audio_part"),
            "vae": ("vae", "vae_name"),
            "text_encoder": ("clip", "clip_name"),
            "clip_vision": ("clip_vision", "clip_name"),
            "speech_encoder": ("encoder", "encoder"),
        },
        outputs={
            "model": ("model", "model"),
            "VAE": ("vae", "VAE"),
            "CLIP": ("clip", "CLIP"),
            "CLIP_VISION": ("clip_vision", "CLIP_VISION"),
            "speech encoder": ("encoder", "speech encoder"),
        },
    )


TOY_SETTINGS = {
    "preset": "custom",
    "preset.steps": 8,
    "preset.shift": 3,
    "preset.text_guidance": 1,
    "preset.audio_guidance": 2,
    "size": "custom",
    "size.width": 144,
    "size.height": 96,
    "window": 33,
    "overlap": 9,
}
TRACKS = {"placement": "in turn", "placement.gap": 0.2}


def combine(at: tuple[int, int], height: int) -> Node:
    """The last node, with room for the player."""
    return Node(
        key="video",
        kind="MultiTalkVideoCombine",
        at=at,
        width=400,
        height=height,
        links={"images": ("sampler", "images"), "audio": ("sampler", "audio")},
    )


def toy(*, two: bool) -> Graph:
    """The graph that runs anywhere.

    Args:
        two: Two speakers.

    Returns:
        The graph.
    """
    scene = Node(
        key="example",
        kind="MultiTalkExample",
        at=(0, 0),
        values={"scene": "two_speakers" if two else "one_speaker"},
    )
    model = Node(
        key="model",
        kind="MultiTalkLoadModel",
        at=(0, 230),
        values={
            "base": "multitalk_toy_base.safetensors",
            "audio_part": "multitalk_toy_audio.safetensors",
        },
    )
    vae = Node(
        key="vae",
        kind="VAELoader",
        at=(0, 440),
        values={"vae_name": "multitalk_toy_vae.safetensors"},
    )
    encoder = Node(
        key="encoder",
        kind="MultiTalkLoadSpeechEncoder",
        at=(0, 554),
        values={"encoder": "multitalk_toy_encoder.safetensors"},
    )
    tracks = Node(
        key="tracks",
        kind="MultiTalkTracks",
        at=(400, 0),
        values=TRACKS,
        links={
            "speakers.speaker_1": ("example", "audio 1"),
            "speakers.speaker_2": ("example", "audio 2"),
        },
    )
    speakers = Node(
        key="speakers",
        kind="MultiTalkSpeakers",
        at=(400, 370),
        height=420,
        links={"image": ("example", "image"), "detections": ("example", "boxes")},
    )
    speech = Node(
        key="speech",
        kind="MultiTalkSpeechEmbedding",
        at=(400, 202 if two else 0),
        links={
            "audio": ("tracks", "tracks") if two else ("example", "audio 1"),
            "speech_encoder": ("encoder", "speech encoder"),
        },
    )
    masks: dict[str, Link] = {"masks": ("speakers", "masks")} if two else {}
    sampler = Node(
        key="sampler",
        kind="MultiTalkSampler",
        at=(800, 0),
        values=TOY_SETTINGS,
        links={
            "model": ("model", "model"),
            "vae": ("vae", "VAE"),
            "image": ("example", "image"),
            "speech": ("speech", "speech"),
            **masks,
        },
    )
    notes = [Note(at=(400, 210), size=(320, 424), title="What you see", text=TOY_NOTE)]
    groups = {
        "Picture and voice": ("example",),
        "Models": ("model", "vae", "encoder"),
        "Speech": ("speech",),
        "Video": ("sampler", "video"),
    }
    if two:
        notes = [
            Note(at=(1220, 400), size=(400, 280), title="What you see", text=TOY_NOTE),
            Note(at=(0, 690), size=(320, 250), title="Two speakers", text=TOY_SPEAKERS_NOTE),
        ]
        groups |= {"Speech and speakers": ("tracks", "speech", "speakers")}
        del groups["Speech"]
    return Graph(
        name="toy_two_speakers" if two else "toy_one_speaker",
        nodes=(
            scene,
            *((tracks, speakers) if two else ()),
            model,
            vae,
            encoder,
            speech,
            sampler,
            combine((1220, 0), 330),
        ),
        notes=tuple(notes),
        groups=groups,
    )


def prompt(key: str, title: str, text: str, at: tuple[int, int], height: int) -> Node:
    """A text node."""
    return Node(
        key=key,
        kind="CLIPTextEncode",
        at=at,
        width=400,
        height=height,
        title=title,
        values={"text": text},
        links={"clip": ("loaders", "CLIP")},
    )


def real(name: str, audio_part: Model, *, two: bool) -> Graph:
    """A graph for the released models.

    Args:
        name: Stem of the files.
        audio_part: MultiTalk or InfiniteTalk.
        two: Two speakers.

    Returns:
        The graph.
    """
    image = Node(
        key="image",
        kind="LoadImage",
        at=(0, 0),
        height=314,
        values={"image": "example.png"},
    )
    voices = [
        Node(
            key=f"voice {number}",
            kind="LoadAudio",
            at=(0, 400 + 200 * (number - 1)),
            height=136,
            title=f"Voice {number}" if two else "Voice",
            values={"audio": f"voice_{number}.wav"},
        )
        for number in ((1, 2) if two else (1,))
    ]
    tracks = Node(
        key="tracks",
        kind="MultiTalkTracks",
        at=(830, 530),
        width=400,
        values=TRACKS,
        links={
            "speakers.speaker_1": ("voice 1", "AUDIO"),
            "speakers.speaker_2": ("voice 2", "AUDIO"),
        },
    )
    speakers = Node(
        key="speakers",
        kind="MultiTalkSpeakers",
        at=(1310, 0),
        height=480,
        links={"image": ("image", "IMAGE")},
    )
    speech = Node(
        key="speech",
        kind="MultiTalkSpeechEmbedding",
        at=(830, 720 if two else 530),
        width=400,
        links={
            "audio": ("tracks", "tracks") if two else ("voice 1", "AUDIO"),
            "speech_encoder": ("loaders", "speech encoder"),
        },
    )
    masks: dict[str, Link] = {"masks": ("speakers", "masks")} if two else {}
    left = 1710 if two else 1310
    sampler = Node(
        key="sampler",
        kind="MultiTalkSampler",
        at=(left, 0),
        links={
            "model": ("loaders", "model"),
            "vae": ("loaders", "VAE"),
            "positive": ("positive", "CONDITIONING"),
            "negative": ("negative", "CONDITIONING"),
            "clip_vision": ("loaders", "CLIP_VISION"),
            "image": ("image", "IMAGE"),
            "speech": ("speech", "speech"),
            **masks,
        },
    )
    notes = [
        Note(at=(400, 400), size=(350, 330), title="Files", text=files_note(audio_part)),
        Note(at=(left + 400, 500), size=(400, 300), title="What to change", text=CHANGE_NOTE),
    ]
    groups = {
        "Picture and voices" if two else "Picture and voice": (
            "image",
            *(voice.key for voice in voices),
        ),
        "Models": ("loaders", "Files"),
        "Prompt": ("positive", "negative"),
        "Speech": ("tracks", "speech") if two else ("speech",),
        "Video": ("sampler", "video"),
    }
    if two:
        notes.append(
            Note(at=(1310, 560), size=(320, 330), title="Two speakers", text=SPEAKERS_NOTE)
        )
        groups |= {"Who is who": ("speakers", "Two speakers")}
    return Graph(
        name=name,
        nodes=(
            image,
            *voices,
            Use(key="loaders", subgraph=loaders(audio_part), at=(400, 0), width=350),
            prompt("positive", "Positive prompt", TWO_PEOPLE if two else POSITIVE, (830, 0), 150),
            prompt("negative", "Negative prompt", NEGATIVE, (830, 210), 200),
            *((tracks, speakers) if two else ()),
            speech,
            sampler,
            combine((left + 400, 0), 400),
        ),
        notes=tuple(notes),
        groups=groups,
    )


BLUEPRINTS = (loaders(MULTITALK),)
GRAPHS = (
    toy(two=False),
    toy(two=True),
    real("multitalk_one_speaker", MULTITALK, two=False),
    real("multitalk_two_speakers", MULTITALK, two=True),
    real("infinitetalk_one_speaker", INFINITETALK, two=False),
)
