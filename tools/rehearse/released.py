"""Names, shapes and kinds of numbers of the released files that four shipped graphs load.

Base and audio part are those of multitalk.model.architecture at the released sizes; the others come
from the manifests in tests/weights. Zeros are enough but where something is divided by a length, or
read by another program: `contents`. Source: checkpoints.md sections 1 to 9.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from pack.multitalk.config import AudioPartConfig
from pack.multitalk.model.architecture import (
    BaseSizes,
    audio_parameters,
    base_parameters,
    is_block_linear,
)

from .sparse_files import Tensors, write_gguf, write_safetensors

MANIFESTS = Path(__file__).resolve().parents[2] / "tests" / "weights" / "manifests"
BASE = BaseSizes(
    dim=5120, num_layers=40, ffn=13_824, text_width=4096, time_width=256, in_channels=36,
    out_channels=16, image_width=1280,
)  # fmt: skip
AUDIO = AudioPartConfig(
    dim=5120, num_heads=40, num_layers=40, encoder_layers=12, encoder_channels=768, hidden=512,
    num_tokens=32, token_width=768,
)  # fmt: skip
TEXT_LAYERS, PICTURE_LAYERS = 24, 32
TEXT_NAMES = {  # official -> ComfyUI's, in a block
    "norm1.": "layer.0.layer_norm.", "norm2.": "layer.1.layer_norm.",
    "attn.": "layer.0.SelfAttention.",
    "pos_embedding.embedding.": "layer.0.SelfAttention.relative_attention_bias.",
    "ffn.gate.0.": "layer.1.DenseReluDense.wi_0.", "ffn.fc1.": "layer.1.DenseReluDense.wi_1.",
    "ffn.fc2.": "layer.1.DenseReluDense.wo.",
}  # fmt: skip
TOKENIZER = "spiece_model"  # a text encoder brings its own
NORM = "wav2vec2.encoder.pos_conv_embed.conv.weight_v"  # divided by its length


def manifest(name: str) -> dict:
    """A manifest as it lies there."""
    return json.loads((MANIFESTS / f"{name}.json").read_text(encoding="utf-8"))


def expand(name: str, block: str, count: int) -> dict[str, tuple[int, ...]]:
    """All shapes of a manifest by name, its template of a block repeated."""
    found = manifest(name)
    shapes = {key: tuple(shape) for key, shape in found["keys"].items()}
    for number in range(count):
        for key, shape in found.get("block_template", {}).items():
            shapes[block.format(number) + key] = tuple(shape)
    return shapes


def _all(kind: str, shapes: dict[str, tuple[int, ...]]) -> Tensors:
    return {name: (kind, shape) for name, shape in shapes.items()}


def _scaled(
    matrix: Callable[[str], bool], rest: str, shapes: dict[str, tuple[int, ...]]
) -> Tensors:
    """fp8 matrices with a scale each, in the older convention."""
    found: dict[str, tuple[str, tuple[int, ...]]] = {"scaled_fp8": ("F8_E4M3", (2,))}
    for name, shape in shapes.items():
        found[name] = ("F8_E4M3" if matrix(name) else rest, shape)
        if matrix(name):
            found[name.removesuffix("weight") + "scale_weight"] = ("F32", (1,))
    return found


def base_half() -> Tensors:
    """wan2.1_i2v_480p_14B_fp16.safetensors."""
    return _all("F16", base_parameters(BASE))


def base_scaled() -> Tensors:
    """Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors."""
    shapes = base_parameters(BASE)
    kept = ("patch_embedding", "modulation", "norm")
    return _scaled(
        lambda n: len(shapes[n]) > 1 and not any(part in n for part in kept), "F32", shapes
    )


def audio_single() -> Tensors:
    """multitalk.safetensors."""
    shapes = audio_parameters(AUDIO)
    return {name: ("BF16" if ".norm_x." in name else "F32", s) for name, s in shapes.items()}


def blocks_of_q4(shapes: dict[str, tuple[int, ...]]) -> Tensors:
    """Q4_K_M: matrices of blocks in 4 bit, values and the last of feed-forward in 6."""
    wider = re.compile(r"\.(v|v_img|kv_linear|ffn\.2)\.weight$|ffn\.2\.weight$")

    def kind(name: str, shape: tuple[int, ...]) -> str:
        if len(shape) == 1 or "modulation" in name:
            return "F32"
        if not is_block_linear(name):
            return "F16"
        return "Q6_K" if wider.search(name) else "Q4_K"

    return {name: (kind(name, shape), shape) for name, shape in shapes.items()}


def text_encoder() -> Tensors:
    """umt5_xxl_fp8_e4m3fn_scaled.safetensors."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in expand(
        "umt5_xxl_encoder_official", "encoder.block.{}.", TEXT_LAYERS
    ).items():
        for old, new in TEXT_NAMES.items():
            if name.startswith("encoder.block.") and f".{old}" in name:
                name = name.replace(f".{old}", f".{new}", 1)
                break
        name = name.replace("token_embedding.", "shared.")
        shapes["encoder.final_layer_norm.weight" if name == "norm.weight" else name] = shape

    def matrix(name: str) -> bool:
        return re.search(r"(SelfAttention\.[qkvo]|DenseReluDense\.w\w+)\.weight$", name) is not None

    return {**_scaled(matrix, "F16", shapes), TOKENIZER: ("U8", (len(tokenizer()),))}


@cache
def tokenizer() -> bytes:
    """A tokenizer of letters as the text encoder's file holds one."""
    import sentencepiece

    model = io.BytesIO()
    words = "a person looks into the camera and talks with calm gestures, soft daylight. Two sit"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([words] * 4), model_writer=model, vocab_size=40, model_type="char",
        hard_vocab_limit=False, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


def picture_encoder() -> Tensors:
    """clip_vision_h.safetensors."""
    width, inner = 1280, 5120
    shapes = dict(_layer("vision_model.pre_layrnorm", width))
    shapes |= {
        "vision_model.embeddings.position_ids": (1, 257),
        "vision_model.embeddings.class_embedding": (width,),
        "vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, width),
        "visual_projection.weight": (1024, width),
    }
    for number in range(PICTURE_LAYERS):
        block = f"vision_model.encoder.layers.{number}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes.update(_layer(f"{block}.self_attn.{part}", width, width))
        shapes.update(_layer(f"{block}.layer_norm1", width))
        shapes.update(_layer(f"{block}.mlp.fc1", inner, width))
        shapes.update(_layer(f"{block}.mlp.fc2", width, inner))
        shapes.update(_layer(f"{block}.layer_norm2", width))
    shapes.update(_layer("vision_model.post_layernorm", width))
    return {n: ("I64" if n.endswith("position_ids") else "F16", s) for n, s in shapes.items()}


def _layer(name: str, *shape: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def speech_encoder() -> Tensors:
    """wav2vec2-chinese-base_fp16.safetensors."""
    shapes = expand("wav2vec2_base", "encoder.layers.{}.", 12)
    heads = {  # of its training, read by nobody
        "quantizer.codevectors": (1, 640, 128),
        **dict(_layer("quantizer.weight_proj", 640, 512)),
        **dict(_layer("project_hid", 256, 768)),
        **dict(_layer("project_q", 256, 256)),
    }
    return _all("F16", {**{f"wav2vec2.{name}": s for name, s in shapes.items()}, **heads})


def not_zero(tensors: Tensors) -> dict[str, bytes]:
    """Bytes of what must not be zero."""
    contents = {TOKENIZER: tokenizer()} if TOKENIZER in tensors else {}
    if NORM in tensors:
        _, (out, width, taps) = tensors[NORM]
        contents[NORM] = b"\x00\x3c" * (out * width * taps)  # 1 in float16
    return contents


LORA = "lightx2v_I2V_14B_480p_cfg_step_distill_rank64_bf16.safetensors"
FILES: dict[str, Callable[[], Tensors]] = {
    "diffusion_models/wan2.1_i2v_480p_14B_fp16.safetensors": base_half,
    "diffusion_models/Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors": base_scaled,
    "diffusion_models/wan2.1-i2v-14b-480p-Q4_K_M.gguf": lambda: blocks_of_q4(base_parameters(BASE)),
    "model_patches/multitalk.safetensors": audio_single,
    "model_patches/Wan2_1-InfiniteTalk_Single_Q4_K_M.gguf": lambda: blocks_of_q4(
        audio_parameters(AUDIO)
    ),
    f"loras/{LORA}": lambda: _all(
        "BF16", expand("lora_lightx2v_i2v_rank64", "diffusion_model.blocks.{}.", 40)
    ),
    "vae/wan_2.1_vae.safetensors": lambda: _all("F16", expand("wan21_vae_official", "", 0)),
    "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors": text_encoder,
    "clip_vision/clip_vision_h.safetensors": picture_encoder,
    "audio_encoders/wav2vec2-chinese-base_fp16.safetensors": speech_encoder,
}
"""By folder and name in `models`."""


def write_released(models: Path, names: list[str] | None = None) -> dict[str, int]:
    """Write all files, or some; their lengths in bytes by name."""
    for name in names or FILES:
        path, tensors = models / name, FILES[name]()
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".gguf"):
            write_gguf(path, tensors)
        else:
            write_safetensors(path, tensors, not_zero(tensors))
    return {name: (models / name).stat().st_size for name in names or FILES}
