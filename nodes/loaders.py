"""Models: WAN base with audio part and LoRAs, and the audio part on any other MODEL."""

from __future__ import annotations

import logging
from typing import Any

import comfy.model_patcher
import comfy.sd
import comfy.utils
import folder_paths
import torch
from comfy_api.latest import io

from ..multitalk.checkpoint import (
    Header,
    audio_part_config,
    read_header,
)
from ..multitalk.config import FAMILIES
from .checks import check_model_files, choose_family
from .host import AUDIO_PART_FOLDERS, BASE_FOLDERS, file_stamps, find_file, list_files
from .model_patch import AttachedAudio, attach_audio, check_model, load_audio_part

logger = logging.getLogger("multitalk.nodes")

MAX_LORAS = 5
WEIGHT_DTYPES: dict[str, dict[str, Any]] = {
    "default": {},
    "fp8_e4m3fn": {"dtype": torch.float8_e4m3fn},
    "fp8_e4m3fn_fast": {"dtype": torch.float8_e4m3fn, "fp8_optimizations": True},
    "fp8_e5m2": {"dtype": torch.float8_e5m2},
}


def _audio_part_input() -> io.Combo.Input:
    return io.Combo.Input(
        "audio_part",
        options=list_files(AUDIO_PART_FOLDERS),
        tooltip="multitalk.safetensors or an InfiniteTalk file, in models/model_patches or "
        "models/diffusion_models.",
    )


def _family_input() -> io.Combo.Input:
    return io.Combo.Input(
        "family",
        options=["auto", *FAMILIES],
        default="auto",
        optional=True,
        advanced=True,
        tooltip="Window rules the weights were trained for. auto: InfiniteTalk if the file name "
        "contains 'infinite', else MultiTalk.",
    )


def _lora_option(count: int) -> io.DynamicCombo.Option:
    inputs: list[Any] = []
    for number in range(1, count + 1):
        inputs.append(
            io.Combo.Input(
                f"lora_{number}",
                options=folder_paths.get_filename_list("loras"),
                tooltip="File in models/loras.",
            )
        )
        inputs.append(
            io.Float.Input(
                f"strength_{number}",
                default=1.0,
                min=-10.0,
                max=10.0,
                step=0.05,
                tooltip="Factor of this LoRA; 0 leaves it out.",
            )
        )
    return io.DynamicCombo.Option(str(count) if count else "none", inputs)


class MultiTalkLoadModel(io.ComfyNode):
    """Load base, audio part and LoRAs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkLoadModel",
            display_name="MultiTalk Load Model",
            category="MultiTalk/loaders",
            description="WAN 2.1 I2V with the audio part of MultiTalk or InfiniteTalk and up to "
            "five LoRAs. The MODEL works with the host's own nodes too.",
            search_aliases=["wan", "infinitetalk", "lora"],
            inputs=[
                io.Combo.Input(
                    "base",
                    options=list_files(BASE_FOLDERS),
                    tooltip="WAN 2.1 I2V 14B in models/diffusion_models, for example "
                    "wan2.1_i2v_480p_14B_fp16.safetensors.",
                ),
                _audio_part_input(),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(WEIGHT_DTYPES),
                    default="default",
                    optional=True,
                    advanced=True,
                    tooltip="default keeps the file's. fp8 halves the memory of 16 bit files.",
                ),
                _family_input(),
                io.DynamicCombo.Input(
                    "loras",
                    options=[_lora_option(count) for count in range(MAX_LORAS + 1)],
                    optional=True,
                    tooltip="How many LoRAs, for example lightx2v with preset lightx2v.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For MultiTalk Sampler.")],
        )

    @classmethod
    def fingerprint_inputs(
        cls,
        base: str,
        audio_part: str,
        weight_dtype: str = "default",
        family: str = "auto",
        loras: dict[str, Any] | None = None,
    ) -> object:
        """Changes with the files."""
        names = [name for name, _ in _read_loras(loras or {"loras": "none"})]
        return (
            file_stamps([base], BASE_FOLDERS),
            file_stamps([audio_part], AUDIO_PART_FOLDERS),
            file_stamps(names, ("loras",)),
        )

    @classmethod
    def execute(
        cls,
        base: str,
        audio_part: str,
        weight_dtype: str = "default",
        family: str = "auto",
        loras: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        """Check both headers, then load."""
        check_model_files(base, audio_part)
        header = read_header(find_file(audio_part, AUDIO_PART_FOLDERS))
        chosen = _read_loras(loras or {"loras": "none"})
        model = comfy.sd.load_diffusion_model(
            str(find_file(base, BASE_FOLDERS)), model_options=dict(WEIGHT_DTYPES[weight_dtype])
        )
        for name, strength in chosen:
            model = apply_lora(model, name, strength)
        return io.NodeOutput(_with_audio(model, header, audio_part, family))


def _read_loras(choice: dict[str, Any]) -> list[tuple[str, float]]:
    """File names and strengths; those of strength 0 are left out."""
    count = 0 if choice["loras"] == "none" else int(choice["loras"])
    pairs = [(choice[f"lora_{n}"], choice[f"strength_{n}"]) for n in range(1, count + 1)]
    return [(name, strength) for name, strength in pairs if strength != 0]


def apply_lora(
    model: comfy.model_patcher.ModelPatcher, name: str, strength: float
) -> comfy.model_patcher.ModelPatcher:
    """Add a LoRA with the host's own algebra.

    Args:
        model: Any MODEL.
        name: File in models/loras.
        strength: Factor.

    Returns:
        A clone with the LoRA.

    Raises:
        ValueError: If no key of the file fits the model.
    """
    path = folder_paths.get_full_path_or_raise("loras", name)
    state = comfy.utils.load_torch_file(path, safe_load=True)
    patched: comfy.model_patcher.ModelPatcher
    patched, _ = comfy.sd.load_lora_for_models(model, None, state, strength, 0)
    if _count_patches(patched) == _count_patches(model):
        raise ValueError(
            f"{name} changes nothing in this model: none of its keys fits WAN 2.1. Choose a LoRA "
            "made for WAN 2.1 14B."
        )
    return patched


def _count_patches(model: comfy.model_patcher.ModelPatcher) -> int:
    return sum(len(patches) for patches in model.patches.values())


def _with_audio(
    model: comfy.model_patcher.ModelPatcher, header: Header, name: str, family: str
) -> comfy.model_patcher.ModelPatcher:
    config = audio_part_config(header)
    check_model(model, config, header.name)
    dtype = model.model.get_dtype_inference()
    part = load_audio_part(str(find_file(name, AUDIO_PART_FOLDERS)), dtype)
    chosen = choose_family(header, family)
    logger.info("[MultiTalk] audio part %s, %s rules, %s", header.name, chosen, dtype)
    return attach_audio(model, part, AttachedAudio(name=header.name, family=chosen, config=config))


class MultiTalkAttach(io.ComfyNode):
    """Attach the audio part to a MODEL from any loader."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return io.Schema(
            node_id="MultiTalkAttach",
            display_name="MultiTalk Attach",
            category="MultiTalk/loaders",
            description="The audio part on a WAN 2.1 I2V MODEL that came from any other loader: "
            "GGUF, merged, with LoRAs, compiled.",
            inputs=[
                io.Model.Input("model", lazy=True, tooltip="A WAN 2.1 I2V model."),
                _audio_part_input(),
                _family_input(),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="For MultiTalk Sampler.")],
        )

    @classmethod
    def fingerprint_inputs(cls, audio_part: str, model: Any = None, family: str = "auto") -> object:
        """Changes with the file."""
        return file_stamps([audio_part], AUDIO_PART_FOLDERS)

    @classmethod
    def check_lazy_status(cls, audio_part: str, model: Any = None, **_inputs: Any) -> list[str]:
        """Refuse a wrong audio file before the base is read."""
        audio_part_config(read_header(find_file(audio_part, AUDIO_PART_FOLDERS)))
        return ["model"] if model is None else []

    @classmethod
    def execute(
        cls, model: comfy.model_patcher.ModelPatcher, audio_part: str, family: str = "auto"
    ) -> io.NodeOutput:
        """Load the audio part and attach it to a clone."""
        header = read_header(find_file(audio_part, AUDIO_PART_FOLDERS))
        return io.NodeOutput(_with_audio(model, header, audio_part, family))
