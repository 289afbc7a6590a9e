"""Models: WAN base with audio part and LoRAs, the audio part on any other MODEL.

MultiTalk Load Model expands into two nodes of this file, so that the host caches what was read
from files apart from the LoRAs on top: another strength reads no base again. What reads weights is
imported where it is used, so that the host starts fast.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import comfy.model_patcher
import folder_paths
from comfy_api.v0_0_2 import io
from comfy_execution.graph_utils import GraphBuilder

from ..multitalk.config import FAMILIES
from .host import (
    AUDIO_PART_FOLDERS,
    BASE_FOLDERS,
    IN_BASE,
    LORA_FOLDERS,
    file_stamps,
    list_files,
)
from .loading.audio_hooks import AttachedAudio, attach_audio, check_model
from .loading.quantizations import QUANTIZATIONS
from .progress import Waiting, send_text
from .values import check_choice, check_inputs, check_names
from .widgets import Widget, schema

if TYPE_CHECKING:
    from ..multitalk.model.model_files import AudioFile

logger = logging.getLogger("multitalk.nodes")

NO_LORAS = "none"
MAX_LORAS = 5


_MODEL_OUTPUT = (io.Model, "model", "For MultiTalk Sampler.")
FAMILY = Widget(
    "family",
    "Window rules the weights were trained for. auto: FlashTalk if the name of the file or "
    "its folder contains 'flashtalk', InfiniteTalk if the file name contains 'infinite', else "
    "MultiTalk.",
    default="auto",
    choices=("auto", *FAMILIES),
    advanced=True,
)


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


def _loras() -> Widget:
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
        "loras",
        "How many LoRAs, for example lightx2v with preset lightx2v.",
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
            "WAN 2.1 I2V with the audio part of MultiTalk or InfiniteTalk, or FlashTalk as one, "
            "and up to five LoRAs, from every file layout in use. The MODEL works with the host's "
            "own nodes too.",
            search_aliases=[
                *("talking avatar", "wan", "infinitetalk", "flashtalk", "lora", "gguf"),
                *("quanto", "fp8"),
            ],
            inputs=[
                Widget(
                    "base",
                    "WAN 2.1 I2V 14B in models/diffusion_models, for example "
                    "wan2.1_i2v_480p_14B_fp16.safetensors. The first part of a model in several "
                    "parts stands for all.",
                    choices=list_files(BASE_FOLDERS),
                ),
                _audio_part(IN_BASE),
                _weight_dtype("each file"),
                FAMILY,
                _loras(),
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
        cls, base: str, audio_part: str, loras: dict[str, Any] | None = None, **_choices: Any
    ) -> object:
        """Changes with the files."""
        names = [name for name, _ in _read_loras(loras)]
        return (_model_stamps(base, audio_part), file_stamps(names, LORA_FOLDERS))

    @classmethod
    def execute(
        cls,
        base: str,
        audio_part: str,
        weight_dtype: str = "default",
        family: str = "auto",
        loras: dict[str, Any] | None = None,
        **unknown: Any,
    ) -> io.NodeOutput:
        """Check all headers, then expand into what reads the files and what adds LoRAs."""
        from ..multitalk.model.kinds import contradicts, describe
        from .loading.loras import report_loras
        from .loading.model_files import find_model_files

        check_names(unknown)
        check_inputs({"loras": loras})
        found = find_model_files(base, audio_part, cls.hidden.dynprompt)
        found.check_family(family)
        chosen = _read_loras(loras)
        headers = [found.base] if audio_part == IN_BASE else [found.base, found.audio.header]
        changes = report_loras(chosen, found.network, cls.hidden.dynprompt)
        said = [*map(describe, headers), contradicts(found.audio.header, family), changes]
        report = "\n\n".join(text for text in said if text)
        logger.info("[MultiTalk] %s", report)
        if changes:
            send_text(changes, cls.hidden.unique_id)
        graph = GraphBuilder()
        files = {"base": base, "audio_part": audio_part}
        model = graph.node(
            "MultiTalkReadFiles", **files, weight_dtype=weight_dtype, family=family
        ).out(0)
        used = [(name, strength) for name, strength in chosen if strength != 0]
        if used:
            model = graph.node("MultiTalkAddLoras", model=model, loras=json.dumps(used)).out(0)
        return io.NodeOutput(model, report, expand=graph.finalize())


def _read_loras(choice: dict[str, Any] | None) -> list[tuple[str, float]]:
    """File names and strengths."""
    if choice is None or choice["loras"] == NO_LORAS:
        return []
    numbers = range(1, int(choice["loras"]) + 1)
    return [(choice[f"lora_{n}"], choice[f"strength_{n}"]) for n in numbers]


def _model_stamps(base: str, audio_part: str) -> object:
    audio = [] if audio_part == IN_BASE else [audio_part]
    return (file_stamps([base], BASE_FOLDERS), file_stamps(audio, AUDIO_PART_FOLDERS))


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
            ],
            outputs=[(io.Model, "model", "Base with audio part.")],
            hidden=[io.Hidden.dynprompt],
            is_dev_only=True,
        )

    @classmethod
    def fingerprint_inputs(cls, base: str, audio_part: str, **_choices: str) -> object:
        """Changes with the files."""
        return _model_stamps(base, audio_part)

    @classmethod
    def execute(
        cls, base: str, audio_part: str, weight_dtype: str, family: str, **unknown: Any
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
            waiting.say(f"loading {found.audio.name}")
            return io.NodeOutput(_with_audio(model, found.audio, family, weight_dtype))


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
            ],
            outputs=[(io.Model, "model", "With LoRAs.")],
            hidden=[io.Hidden.dynprompt],
            is_dev_only=True,
        )

    @classmethod
    def fingerprint_inputs(cls, loras: str, model: Any = None) -> object:
        """Changes with the files."""
        from .loading.loras import read_chosen

        return file_stamps([name for name, _ in read_chosen(loras)], LORA_FOLDERS)

    @classmethod
    def execute(
        cls, model: comfy.model_patcher.ModelPatcher, loras: str, **unknown: Any
    ) -> io.NodeOutput:
        """Add one after the other."""
        check_names(unknown)
        from .loading.loras import apply_lora, read_chosen

        check_inputs({"model": model}, "model")
        with Waiting("adding LoRAs", "LoRAs added") as waiting:
            for name, strength in read_chosen(loras):
                waiting.say(f"adding {name}")
                model = apply_lora(model, name, strength, cls.hidden.dynprompt)
        return io.NodeOutput(model)


def _with_audio(
    model: comfy.model_patcher.ModelPatcher, file: AudioFile, family: str, weight_dtype: str
) -> comfy.model_patcher.ModelPatcher:
    from ..multitalk.model.kinds import contradicts
    from .loading.audio_part import load_audio_part
    from .loading.model_files import choose_family

    check_model(model, file.config, file.name)
    dtype = model.model.get_dtype_inference()
    part = load_audio_part(file, dtype, weight_dtype)
    chosen = choose_family(file, family)
    if note := contradicts(file.header, family):
        logger.warning("[MultiTalk] %s", note)
    logger.info("[MultiTalk] audio part %s, %s rules, %s", file.name, chosen, dtype)
    attached = AttachedAudio(name=file.name, family=chosen, config=file.config)
    return attach_audio(model, part, attached)


class MultiTalkAttach(io.ComfyNode):
    """Attach the audio part to a MODEL from any loader."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        return schema(
            "MultiTalk Attach",
            "loaders",
            "The audio part on a WAN 2.1 I2V MODEL that came from any other loader: "
            "GGUF, merged, with LoRAs, compiled.",
            search_aliases=["talking avatar", "lip sync", "infinitetalk", "model patch"],
            inputs=[
                io.Model.Input("model", lazy=True, tooltip="A WAN 2.1 I2V model."),
                _audio_part(),
                FAMILY,
                _weight_dtype("the file"),
            ],
            outputs=[_MODEL_OUTPUT],
            hidden=[io.Hidden.dynprompt],
        )

    @classmethod
    def fingerprint_inputs(cls, audio_part: str, **_inputs: Any) -> object:
        """Changes with the file."""
        return file_stamps([audio_part], AUDIO_PART_FOLDERS)

    @classmethod
    def check_lazy_status(cls, audio_part: str, model: Any = None, **_inputs: Any) -> list[str]:
        """Refuse a wrong audio file before the base is read."""
        from .loading.model_files import find_audio_file

        find_audio_file(audio_part, cls.hidden.dynprompt)
        return ["model"] if model is None else []

    @classmethod
    def execute(
        cls,
        model: comfy.model_patcher.ModelPatcher,
        audio_part: str,
        family: str = "auto",
        weight_dtype: str = "default",
        **unknown: Any,
    ) -> io.NodeOutput:
        """Load the audio part and attach it to a clone; base weights in its file win."""
        check_names(unknown)
        from .loading.audio_part import replace_weights
        from .loading.model_files import find_audio_file

        check_inputs({"model": model}, "model")
        file = find_audio_file(audio_part, cls.hidden.dynprompt)
        with Waiting(f"loading {audio_part}", f"loaded {audio_part}"):
            model = _with_audio(model, file, family, weight_dtype)
            return io.NodeOutput(replace_weights(model, file))
