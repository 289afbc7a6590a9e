"""What the shipped graphs have in common: model files, words for the user, the loaders."""

from __future__ import annotations

from dataclasses import dataclass

from .graph_forms import Model

HUGGING_FACE = "https://huggingface.co"
WAN = f"{HUGGING_FACE}/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"

BASE = Model(
    name="wan2.1_i2v_480p_14B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_i2v_480p_14B_fp16.safetensors",
    directory="diffusion_models",
)
BASE_720 = Model(
    name="wan2.1_i2v_720p_14B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_i2v_720p_14B_fp16.safetensors",
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

BASE_Q4 = Model(
    name="wan2.1-i2v-14b-480p-Q4_K_M.gguf",
    url=f"{HUGGING_FACE}/city96/Wan2.1-I2V-14B-480P-gguf/resolve/main/"
    "wan2.1-i2v-14b-480p-Q4_K_M.gguf",
    directory="diffusion_models",
)
INFINITETALK_Q4 = Model(
    name="Wan2_1-InfiniteTalk_Single_Q4_K_M.gguf",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy_GGUF/resolve/main/InfiniteTalk/"
    "Wan2_1-InfiniteTalk_Single_Q4_K_M.gguf",
    directory="model_patches",
)
LIGHTX2V = Model(
    name="lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy/resolve/main/Lightx2v/"
    "lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors",
    directory="loras",
)
FACE_DETECTOR = Model(
    name="mediapipe_face_fp32.safetensors",
    url=f"{HUGGING_FACE}/Comfy-Org/mediapipe/resolve/main/detection/"
    "mediapipe_face_fp32.safetensors",
    directory="detection",
)

KOKORO = Model(
    name="kokoro-v1_0.pth",
    url=f"{HUGGING_FACE}/hexgrad/Kokoro-82M/resolve/main/kokoro-v1_0.pth",
    directory="kokoro",
)
ESPEAK = "espeak-ng (plain machine voice, no download)"

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

The toy is a very small model of the real architecture, trained on drawn heads. The lips follow \
the voice, each face its own. It knows only its cartoon world: a photograph comes out as a blur.

**Try**
- *seed*, *steps*, *audio_guidance* in MultiTalk Sampler
- *width* and *height*, multiples of 16
- your own voice: Load Audio instead of a sound of MultiTalk Example

The mp4 is saved in the folder `output/video` of ComfyUI.
"""

SCRIPT = """\
Anna: Hello! Can you hear me?
Ben: Loud and clear. [0.4s] And who wrote these words?
Anna: You did. Change them and press Run!
"""

SCRIPT_NOTE = """\
**Script**: a line per turn, `Name: text`. `[0.5s]` is a pause, `[-0.3s]` at the beginning of a \
turn lets it begin before the other one has ended, `[together]` at the same time. \
`Anna [voice=f4, speed=1.2]: text` changes one turn.

**voices**: one line for every speaker, for example `Anna = f4`. The first speaker is the first \
box. The time line shows who speaks when.
"""

KOKORO_NOTE = """\
**Voices**: from hexgrad/Kokoro-82M put `kokoro-v1_0.pth` and `config.json` into `models/kokoro`, \
and the voices (`af_heart.pt`, `am_adam.pt` ...) into `models/kokoro/voices`. English needs \
`pip install misaki --no-deps` and `pip install espeakng-loader` in ComfyUI's Python; other \
languages the second one.
"""

CHANGE_NOTE = """\
1. **Picture and voice**: choose your own files. The length of the sound is the length of the video.
2. **Prompt**: what the scene looks like.
3. **preset** of MultiTalk Sampler: *full* (40 steps) needs no LoRA. For *FusionX* (8 steps) or \
*lightx2v* (4 steps) open *MultiTalk loaders* (icon at its upper right corner, or *Enter \
subgraph*), set *loras* to 1 and choose the LoRA of that name, strength 1.
4. **size**: 480 or 720; the shape follows the picture.

Press **Run**. The mp4 is saved in `output/video`.
"""

SPEAKERS_NOTE = """\
**Who speaks when**: *placement* of MultiTalk Tracks. In turn, together, or at times that you write.

**Who is who**: with an empty field voice 1 is the left half of the picture and voice 2 the right \
half. Or write one box per line, in the order of the voices: `x, y, width, height` in pixels of \
the picture, counted from its upper left corner, for example

    120, 80, 300, 360
    560, 80, 300, 360

Run once, and MultiTalk Speakers shows everybody with a number.
"""

DIALOGUE_SPEAKERS_NOTE = SPEAKERS_NOTE.partition("\n\n")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """Files that belong together."""

    audio_part: Model
    """MultiTalk or InfiniteTalk."""
    base: Model = BASE
    """WAN 2.1 I2V."""
    lora: Model | None = None
    """Added at strength 1."""

    @property
    def files(self) -> tuple[Model, ...]:
        """What MultiTalk Load Model reads."""
        files = (self.base, self.audio_part)
        return files if self.lora is None else (*files, self.lora)


def files_note(kit: Kit, *more: Model) -> str:
    """Say which file goes where.

    Args:
        kit: Files of MultiTalk Load Model.
        *more: Files of other nodes.

    Returns:
        Markdown.
    """
    files = (*kit.files, VAE, TEXT_ENCODER, CLIP_VISION, SPEECH_ENCODER, *more)
    lines = [f"- `models/{file.directory}`: [{file.name}]({file.url})" for file in files]
    return "\n".join(
        (
            *lines,
            "",
            "Then press **R** to refresh the lists. These models need a GPU.",
            "",
        )
    )
