"""What the shipped graphs have in common: model files, words for the user, the loaders.

The files are those of models.md section 1.
"""

from __future__ import annotations

from dataclasses import dataclass

from .graph_forms import Model

HUGGING_FACE = "https://huggingface.co"
WAN = f"{HUGGING_FACE}/Comfy-Org/Wan_2.1_ComfyUI_repackaged/resolve/main/split_files"

BASE = Model(
    name="wan2.1_i2v_480p_14B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_i2v_480p_14B_fp16.safetensors",
    directory="diffusion_models",
    gb=32.8,
)
BASE_720 = Model(
    name="wan2.1_i2v_720p_14B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_i2v_720p_14B_fp16.safetensors",
    directory="diffusion_models",
    gb=32.8,
)
BASE_FLF = Model(
    name="wan2.1_flf2v_720p_14B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_flf2v_720p_14B_fp16.safetensors",
    directory="diffusion_models",
    gb=32.8,
)
BASE_FLF_FP8 = Model(
    name="wan2.1_flf2v_720p_14B_fp8_e4m3fn.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_flf2v_720p_14B_fp8_e4m3fn.safetensors",
    directory="diffusion_models",
    gb=16.4,
)
BASE_FP8 = Model(
    name="Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy_fp8_scaled/resolve/main/I2V/"
    "Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors",
    directory="diffusion_models",
    gb=16.6,
)
T2V_SMALL = Model(
    name="wan2.1_t2v_1.3B_fp16.safetensors",
    url=f"{WAN}/diffusion_models/wan2.1_t2v_1.3B_fp16.safetensors",
    directory="diffusion_models",
    gb=2.8,
)
MULTITALK = Model(
    name="multitalk.safetensors",
    url=f"{HUGGING_FACE}/MeiGen-AI/MeiGen-MultiTalk/resolve/main/multitalk.safetensors",
    directory="model_patches",
    gb=9.9,
)
INFINITETALK = Model(
    name="Wan2_1-InfiniTetalk-Single_fp16.safetensors",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy/resolve/main/InfiniteTalk/"
    "Wan2_1-InfiniTetalk-Single_fp16.safetensors",
    directory="model_patches",
    gb=5.1,
)
VAE = Model(
    name="wan_2.1_vae.safetensors",
    url=f"{WAN}/vae/wan_2.1_vae.safetensors",
    directory="vae",
    gb=0.3,
)
TEXT_ENCODER = Model(
    name="umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    url=f"{WAN}/text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    directory="text_encoders",
    gb=6.7,
)
CLIP_VISION = Model(
    name="clip_vision_h.safetensors",
    url=f"{WAN}/clip_vision/clip_vision_h.safetensors",
    directory="clip_vision",
    gb=1.3,
)
SPEECH_ENCODER = Model(
    name="wav2vec2-chinese-base_fp16.safetensors",
    url=f"{HUGGING_FACE}/Kijai/wav2vec2_safetensors/resolve/main/"
    "wav2vec2-chinese-base_fp16.safetensors",
    directory="audio_encoders",
    gb=0.2,
)

SMALLER = {BASE: BASE_FP8, BASE_FLF: BASE_FLF_FP8}
"""Bases that load as well and take less memory."""
BASE_Q4 = Model(
    name="wan2.1-i2v-14b-480p-Q4_K_M.gguf",
    url=f"{HUGGING_FACE}/city96/Wan2.1-I2V-14B-480P-gguf/resolve/main/"
    "wan2.1-i2v-14b-480p-Q4_K_M.gguf",
    directory="diffusion_models",
    gb=10,
)
INFINITETALK_Q4 = Model(
    name="Wan2_1-InfiniteTalk_Single_Q4_K_M.gguf",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy_GGUF/resolve/main/InfiniteTalk/"
    "Wan2_1-InfiniteTalk_Single_Q4_K_M.gguf",
    directory="model_patches",
    gb=1.3,
)
LIGHTX2V = Model(
    name="lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors",
    url=f"{HUGGING_FACE}/Kijai/WanVideo_comfy/resolve/main/Lightx2v/"
    "lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors",
    directory="loras",
    gb=0.7,
)
_WAN22 = f"{HUGGING_FACE}/Comfy-Org/Wan_2.2_ComfyUI_Repackaged/resolve/main/split_files"


def _expert(folder: str, name: str, gb: float) -> Model:
    """A file for one of the two experts of WAN 2.2."""
    return Model(name=name, url=f"{_WAN22}/{folder}/{name}", directory=folder, gb=gb)


HIGH_NOISE, LOW_NOISE = (
    _expert("diffusion_models", f"wan2.2_i2v_{noise}_noise_14B_fp8_scaled.safetensors", 14.3)
    for noise in ("high", "low")
)
HIGH_NOISE_LORA, LOW_NOISE_LORA = (
    _expert("loras", f"wan2.2_i2v_lightx2v_4steps_lora_v1_{noise}_noise.safetensors", 1.2)
    for noise in ("high", "low")
)
FLASHTALK = tuple(
    Model(
        name=f"diffusion_pytorch_model-0000{number}-of-00004.safetensors",
        url=f"{HUGGING_FACE}/Soul-AILab/SoulX-FlashTalk-14B/resolve/main/"
        f"diffusion_pytorch_model-0000{number}-of-00004.safetensors",
        directory="diffusion_models",
        gb=9.44,
    )
    for number in range(1, 5)
)
"""Sizes are a quarter of the whole, 37.8 GB; those of the parts were not seen."""
TEXT_MODEL = Model(
    name="qwen3vl_4b_fp8_scaled.safetensors",
    url=f"{HUGGING_FACE}/Comfy-Org/Qwen3-VL/resolve/main/text_encoders/"
    "qwen3vl_4b_fp8_scaled.safetensors",
    directory="text_encoders",
    gb=5.2,
)
FACE_DETECTOR = Model(
    name="mediapipe_face_fp32.safetensors",
    url=f"{HUGGING_FACE}/Comfy-Org/mediapipe/resolve/main/detection/"
    "mediapipe_face_fp32.safetensors",
    directory="detection",
    gb=0.005,
)
FRAME_MODEL = Model(
    name="film_net_fp16.safetensors",
    url=f"{HUGGING_FACE}/Comfy-Org/frame_interpolation/resolve/main/frame_interpolation/"
    "film_net_fp16.safetensors",
    directory="frame_interpolation",
    gb=0.069,
)
UPSCALE_MODEL = Model(
    name="RealESRGAN_x4plus.safetensors",
    url=f"{HUGGING_FACE}/Comfy-Org/Real-ESRGAN_repackaged/resolve/main/"
    "RealESRGAN_x4plus.safetensors",
    directory="upscale_models",
    gb=0.067,
)

KOKORO = Model(
    name="kokoro-v1_0.pth",
    url=f"{HUGGING_FACE}/hexgrad/Kokoro-82M/resolve/main/kokoro-v1_0.pth",
    directory="kokoro",
    gb=0.3,
)
KOKORO_FILES = (
    f"- `kokoro`: [config.json]({HUGGING_FACE}/hexgrad/Kokoro-82M/resolve/main/config.json) 2 kB",
    *(
        f"- `kokoro/voices`: [{name}.pt]"
        f"({HUGGING_FACE}/hexgrad/Kokoro-82M/resolve/main/voices/{name}.pt) 0.5 MB{more}"
        for name, more in (
            ("af_heart", ""),
            ("am_michael", f", [more]({HUGGING_FACE}/hexgrad/Kokoro-82M/tree/main/voices)"),
        )
    ),
)
ESPEAK = "espeak-ng (plain machine voice, no download)"

POSITIVE = (
    "A person looks into the camera and talks, with calm gestures. Soft daylight, still camera."
)
BETWEEN = "A person turns slowly to the other side and smiles. Soft daylight, still camera."
TWO_PEOPLE = "Two people sit side by side and talk with each other. Soft daylight, still camera."
# sampling.md section 10: the list that the reference was tuned with.
NEGATIVE = (
    "bright tones, overexposed, static, blurred details, subtitles, style, works, paintings, "
    "images, static, overall gray, worst quality, low quality, JPEG artifacts, ugly, incomplete, "
    "extra fingers, poorly drawn hands, poorly drawn faces, deformed, disfigured, misshapen limbs, "
    "fused fingers, still picture, messy background, three legs, many people in the background, "
    "walking backwards"
)

# What Wan's captions are like: one paragraph, subject first, then scene, light, camera.
ASK_FOR_PROMPT = """\
Look at the picture. Write the prompt for a video that begins with it and in which the person talks.

One paragraph in plain English, 60 to 100 words, present tense, in this order: the person, with \
hair, clothes and expression; what the person does while talking, with small gestures of head and \
hands; the place; the light; the camera.

Only what can be seen. No sounds, no spoken words, no headings, no lists, no quotation marks. Add \
nothing that the picture does not show. The face stays in the picture, and the camera stays still.

Answer with the prompt alone. The wish for this video:
The person looks into the camera and talks, friendly and calm.
"""
SCRIPT = """\
Anna: Hello! Can you hear me?
Ben: Loud and clear. [0.4s] And who wrote these words?
Anna: You did. Now press Run!
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """Files that belong together."""

    audio_part: Model | None
    """MultiTalk or InfiniteTalk; None: inside the base."""
    base: Model = BASE
    """WAN 2.1 I2V, or the first part of FlashTalk."""
    parts: tuple[Model, ...] = ()
    """Further parts of the base."""
    lora: Model | None = None
    """Added at strength 1."""
    low_noise: tuple[Model, Model] | None = None
    """Low-noise expert of WAN 2.2 and its LoRA; the base is then the high-noise one."""
    preset: str = ""
    """Of the sampler; empty: lightx2v with a LoRA, else the sampler's own."""

    @property
    def one_text(self) -> bool:
        """Whether there are few steps without text guidance, where a negative prompt is idle."""
        return self.lora is not None or self.preset == "FlashTalk"

    @property
    def sees(self) -> bool:
        """Whether the base takes CLIP vision."""
        return self.low_noise is None

    @property
    def files(self) -> tuple[Model, ...]:
        """What MultiTalk Load Model reads."""
        files = (self.base, *self.parts, self.audio_part, self.lora, *(self.low_noise or ()))
        return tuple(file for file in files if file is not None)


def files_note(kit: Kit, *more: Model) -> str:
    """Say which file goes where, and how large it is.

    Args:
        kit: Files of MultiTalk Load Model.
        *more: Files of other nodes.

    Returns:
        Markdown.
    """
    clip = (CLIP_VISION,) if kit.sees else ()
    files = (*kit.files, VAE, TEXT_ENCODER, *clip, SPEECH_ENCODER, *more)
    lines = [*map(_file_line, files), *(KOKORO_FILES if KOKORO in files else ())]
    if kit.base in SMALLER:
        smaller = SMALLER[kit.base]
        lines.append(f"\nHalf of that: [{smaller.name}]({smaller.url}), {smaller.gb:g} GB.")
    total = sum(file.gb for file in files)
    return "\n".join(
        (
            f"**{total:.0f} GB** in the folder `models`; a GPU is needed. Then press **R**.",
            "",
            *lines,
            "",
        )
    )


def _file_line(file: Model) -> str:
    size = f"{file.gb:g} GB" if file.gb >= 0.1 else f"{1000 * file.gb:g} MB"
    return f"- `{file.directory}`: [{file.name}]({file.url}) {size}"
