"""What MultiTalk Load Model expands into: nodes that read files, add LoRAs and join two experts.

So the host caches what was read from files apart from the LoRAs on top: another strength reads no
base again. What reads weights is imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

from typing import Any

import comfy.model_patcher
from comfy_api.v0_0_2 import io

from .host import IN_BASE, LORA_FOLDERS, file_stamps
from .loading.attaching import FAMILY, model_stamps, with_audio
from .loading.experts import join_experts, share_audio
from .loading.quantizations import QUANTIZATIONS
from .progress import Waiting
from .values import check_choice, check_inputs, check_names
from .widgets import schema


class MultiTalkReadFiles(io.ComfyNode):
    """Inside MultiTalk Load Model: read base and audio part."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Read Files",
            "loaders",
            "Part of MultiTalk Load Model; use that node.",
            inputs=[
                io.String.Input("base", tooltip="File of the base model."),
                io.String.Input("audio_part", tooltip=f"File of the audio part, or {IN_BASE}."),
                io.String.Input("weight_dtype", tooltip="As in MultiTalk Load Model."),
                io.String.Input("family", tooltip="As in MultiTalk Load Model."),
                io.Model.Input(
                    "high_noise_model",
                    optional=True,
                    tooltip="The base is the low-noise expert beside this one, and shares its "
                    "audio part.",
                ),
            ],
            outputs=[(io.Model, "model", "Base with audio part.")],
            hidden=[io.Hidden.dynprompt],
            is_dev_only=True,
        )

    @classmethod
    def fingerprint_inputs(cls, base: str, audio_part: str, **_choices: str) -> object:
        """Changes with the files."""
        return model_stamps(base, audio_part)

    @classmethod
    def execute(
        cls,
        base: str,
        audio_part: str,
        weight_dtype: str,
        family: str,
        high_noise_model: comfy.model_patcher.ModelPatcher | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Check both headers, then load."""
        check_names(unknown)
        from .loading.base_model import load_base
        from .loading.model_files import find_model_files

        check_choice("weight_dtype", weight_dtype, QUANTIZATIONS)
        FAMILY.read({"family": family})
        found = find_model_files(base, audio_part, cls.hidden.dynprompt)
        found.check_family(family)
        with Waiting(f"loading {base}", "loaded") as waiting:
            model = load_base(found, weight_dtype)
            if high_noise_model is not None:
                check_inputs({"high_noise_model": high_noise_model}, "high_noise_model")
                return io.NodeOutput(share_audio(model, high_noise_model))
            waiting.say(f"loading {found.audio.name}")
            return io.NodeOutput(with_audio(model, found.audio, family, weight_dtype))


class MultiTalkAddLoras(io.ComfyNode):
    """Inside MultiTalk Load Model: add LoRAs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Add LoRAs",
            "loaders",
            "Part of MultiTalk Load Model; use that node.",
            node_id="MultiTalkAddLoras",
            inputs=[
                io.Model.Input("model", tooltip="Base with audio part."),
                io.String.Input("loras", tooltip="JSON: file names and strengths."),
                io.Model.Input(
                    "low_noise_model",
                    optional=True,
                    tooltip="The low-noise expert with LoRAs of its own; the MODEL carries it.",
                ),
            ],
            outputs=[(io.Model, "model", "With LoRAs.")],
            hidden=[io.Hidden.dynprompt],
            is_dev_only=True,
        )

    @classmethod
    def fingerprint_inputs(cls, loras: str, **_models: Any) -> object:
        """Changes with the files."""
        from .loading.loras import read_chosen

        return file_stamps([name for name, _ in read_chosen(loras)], LORA_FOLDERS)

    @classmethod
    def execute(
        cls,
        model: comfy.model_patcher.ModelPatcher,
        loras: str,
        low_noise_model: comfy.model_patcher.ModelPatcher | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Add one after the other, then the second expert."""
        check_names(unknown)
        from .loading.loras import apply_lora, read_chosen

        check_inputs({"model": model}, "model")
        if chosen := read_chosen(loras):
            with Waiting("adding LoRAs", "LoRAs added") as waiting:
                for name, strength in chosen:
                    waiting.say(f"adding {name}")
                    model = apply_lora(model, name, strength, cls.hidden.dynprompt)
        if low_noise_model is not None:
            check_inputs({"low_noise_model": low_noise_model}, "low_noise_model")
            model = join_experts(model, low_noise_model)
        return io.NodeOutput(model)
