"""Models: WAN base with audio part and LoRAs, the audio part on any other MODEL.

MultiTalk Load Model expands into two nodes of this file, so that the host caches what was read
from files apart from the LoRAs on top: another strength reads no base again. What reads weights is
imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import comfy.model_patcher
import folder_paths
from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import GraphBuilder

from .host import (
    AUDIO_PART_FOLDERS,
    BASE_FOLDERS,
    IN_BASE,
    LORA_FOLDERS,
    file_stamps,
    list_files,
)
from .loading.attaching import FAMILY, model_stamps, with_audio
from .loading.audio_hooks import check_model
from .loading.experts import join_experts, share_audio
from .loading.quantizations import QUANTIZATIONS
from .progress import Waiting, send_text
from .values import check_inputs, check_names, missing_lazy
from .widgets import Widget, schema

logger = logging.getLogger("multitalk.nodes")

NO_LORAS = NONE = "none"
LOW_NOISE_BASE, LOW_NOISE_LORAS = "low_noise_base", "low_noise_loras"
MAX_LORAS = 5


_MODEL_OUTPUT = (io.Model, "model", "For MultiTalk Sampler.")


def _audio_part(*extra: str) -> Widget:
    note = f" {IN_BASE}: the base file holds it too." if extra else ""
    return Widget(
        "audio_part",
        "multitalk.safetensors or an InfiniteTalk file in any layout, in "
        f"models/model_patches or models/diffusion_models.{note}",
        choices=[*list_files(AUDIO_PART_FOLDERS), *extra],
    )


def _weight_dtype(what: str) -> Widget:
    return Widget(
        "weight_dtype",
        f"default keeps the layout of {what}. fp8_e4m3fn and int8 halve the memory of 16 "
        "bit files in ComfyUI's own formats; quanto_int8, quanto_fp8 and quanto_int4 do it with "
        "optimum-quanto, for 4 bit a quarter. Quantised files stay as they are.",
        default="default",
        choices=tuple(QUANTIZATIONS),
        advanced=True,
    )


def _loras(name: str, words: str) -> Widget:
    files = folder_paths.get_filename_list("loras")
    rows = [
        row
        for number in range(1, MAX_LORAS + 1)
        for row in (
            Widget(f"lora_{number}", "LoRA file in models/loras.", choices=files),
            Widget(
                f"strength_{number}",
                "Factor of this LoRA; 0 leaves it out.",
                default=1.0,
                limits=(-10.0, 10.0, 0.05),
            ),
        )
    ]
    return Widget(
        name,
        words,
        # NO_LORAS as 0. The editor puts numbers first, and a new node took 1 of them.
        parts={**{str(n): rows[: 2 * n] for n in range(MAX_LORAS + 1)}, NO_LORAS: ()},
        optional=True,
    )


class MultiTalkLoadModel(io.ComfyNode):
    """Load base, audio part and LoRAs."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Load Model",
            "loaders",
            "WAN I2V with the audio part of MultiTalk or InfiniteTalk, or FlashTalk as one, "
            "and up to five LoRAs, from every file layout in use; of WAN 2.2 both experts. The "
            "MODEL works with the host's own nodes too.",
            search_aliases=[
                *("talking avatar", "wan", "wan 2.2", "infinitetalk", "flashtalk", "lora", "gguf"),
                *("quanto", "fp8"),
            ],
            inputs=[
                Widget(
                    "base",
                    "WAN I2V 14B in models/diffusion_models, for example "
                    "wan2.1_i2v_480p_14B_fp16.safetensors; of WAN 2.2 the high-noise expert. VACE "
                    "14B too, T2V 14B as an experiment. The first part of a model in several parts "
                    "stands for all.",
                    choices=list_files(BASE_FOLDERS),
                ),
                _audio_part(IN_BASE),
                _weight_dtype("each file"),
                FAMILY,
                _loras("loras", "How many LoRAs, for example lightx2v with preset lightx2v."),
                Widget(
                    LOW_NOISE_BASE,
                    "The low-noise expert of WAN 2.2 I2V, for example "
                    "wan2.2_i2v_low_noise_14B_fp8_scaled.safetensors; base is then the high-noise "
                    "one. Experimental: the audio part was trained on WAN 2.1.",
                    default=NONE,
                    choices=[NONE, *list_files(BASE_FOLDERS)],
                    optional=True,
                ),
                _loras(
                    LOW_NOISE_LORAS,
                    "How many LoRAs the low-noise expert has; loras then change the high-noise one "
                    "alone. LoRAs for WAN 2.2 come in pairs, a file for each.",
                ),
            ],
            outputs=[
                _MODEL_OUTPUT,
                (
                    io.String,
                    "report",
                    "What the files are, and what each LoRA changes and leaves out.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.dynprompt],
            enable_expand=True,
        )

    @classmethod
    def fingerprint_inputs(
        cls,
        base: str,
        audio_part: str,
        loras: dict[str, Any] | None = None,
        low_noise_base: str = NONE,
        low_noise_loras: dict[str, Any] | None = None,
        **_choices: Any,
    ) -> object:
        """Changes with the files."""
        names = [name for name, _ in _read_loras(loras)]
        stamps = (model_stamps(base, audio_part), file_stamps(names, LORA_FOLDERS))
        if low_noise_base == NONE:
            return stamps
        names = [name for name, _ in _read_loras(low_noise_loras, LOW_NOISE_LORAS)]
        second = file_stamps([low_noise_base], BASE_FOLDERS)
        return (*stamps, second, file_stamps(names, LORA_FOLDERS))

    @classmethod
    def execute(
        cls,
        base: str,
        audio_part: str,
        weight_dtype: str = "default",
        family: str = "auto",
        loras: dict[str, Any] | None = None,
        low_noise_base: str = NONE,
        low_noise_loras: dict[str, Any] | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Check all headers, then expand into what reads the files and what adds LoRAs."""
        from .loading.load_report import report_files

        check_names(unknown)
        check_inputs({"loras": loras, LOW_NOISE_LORAS: low_noise_loras})
        chosen, low_chosen = _read_loras(loras), _read_loras(low_noise_loras, LOW_NOISE_LORAS)
        said = report_files(
            {"base": base, "audio_part": audio_part, LOW_NOISE_BASE: low_noise_base},
            family,
            chosen,
            low_chosen,
            cls.hidden.dynprompt,
        )
        logger.info("[MultiTalk] %s", said.text)
        if said.short:
            send_text(said.short, cls.hidden.unique_id)
        graph = GraphBuilder()
        more = {"audio_part": audio_part, "weight_dtype": weight_dtype, "family": family}
        model = first = graph.node("MultiTalkReadFiles", base=base, **more).out(0)
        second: dict[str, Any] = {}
        if low_noise_base != NONE:
            both = {"base": low_noise_base, "high_noise_model": first}
            low = graph.node("MultiTalkReadFiles", **both, **more).out(0)
            if low_loras := _in_use(low_chosen):
                low = graph.node("MultiTalkAddLoras", model=low, loras=low_loras).out(0)
            second = {"low_noise_model": low}
        used = _in_use(chosen)
        if used or second:
            added = graph.node("MultiTalkAddLoras", model=first, loras=used or "[]", **second)
            model = added.out(0)
        return io.NodeOutput(model, said.text, expand=graph.finalize())


def _read_loras(choice: dict[str, Any] | None, name: str = "loras") -> list[tuple[str, float]]:
    """File names and strengths."""
    if choice is None or choice[name] == NO_LORAS:
        return []
    numbers = range(1, int(choice[name]) + 1)
    return [(choice[f"lora_{n}"], choice[f"strength_{n}"]) for n in numbers]


def _in_use(chosen: list[tuple[str, float]]) -> str:
    """Files and strengths that change something, as JSON; empty: none."""
    used = [(name, strength) for name, strength in chosen if strength != 0]
    return json.dumps(used) if used else ""


class MultiTalkAttach(io.ComfyNode):
    """Attach the audio part to a MODEL from any loader."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Attach",
            "loaders",
            "The audio part on a WAN MODEL that came from any other loader: GGUF, merged, with "
            "LoRAs, compiled; on both experts of WAN 2.2.",
            search_aliases=["talking avatar", "lip sync", "infinitetalk", "model patch"],
            inputs=[
                io.Model.Input(
                    "model",
                    lazy=True,
                    tooltip="A WAN model, 14B: I2V, VACE, or as an experiment T2V; of WAN 2.2 the "
                    "high-noise expert.",
                ),
                _audio_part(),
                FAMILY,
                _weight_dtype("the file"),
                io.Model.Input(
                    "low_noise_model",
                    lazy=True,
                    optional=True,
                    tooltip="The low-noise expert of WAN 2.2, from a loader of its own with LoRAs "
                    "of its own. Free for WAN 2.1.",
                ),
            ],
            outputs=[_MODEL_OUTPUT],
            hidden=[io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, audio_part: str, **_inputs: Any) -> object:
        """Changes with the file."""
        return file_stamps([audio_part], AUDIO_PART_FOLDERS)

    @classmethod
    def check_lazy_status(cls, audio_part: str, **inputs: Any) -> list[str]:
        """Refuse a wrong audio file before the base is read."""
        from .loading.model_files import find_audio_file

        find_audio_file(audio_part, cls.hidden.dynprompt)
        return missing_lazy(inputs, "model", "low_noise_model")

    @classmethod
    def execute(
        cls,
        model: comfy.model_patcher.ModelPatcher,
        audio_part: str,
        family: str = "auto",
        weight_dtype: str = "default",
        low_noise_model: comfy.model_patcher.ModelPatcher | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Load the audio part and attach it to a clone; base weights in its file win."""
        check_names(unknown)
        from .loading.audio_part import replace_weights
        from .loading.model_files import find_audio_file

        check_inputs({"model": model}, "model")
        file = find_audio_file(audio_part, cls.hidden.dynprompt)
        with Waiting(f"loading {audio_part}", f"loaded {audio_part}"):
            high = with_audio(model, file, family, weight_dtype)
            high = replace_weights(high, file)
            if low_noise_model is None:
                return io.NodeOutput(high)
            check_inputs({"low_noise_model": low_noise_model}, "low_noise_model")
            check_model(low_noise_model, file.config, file.name)
            low = replace_weights(share_audio(low_noise_model, high), file)
            return io.NodeOutput(join_experts(high, low))
