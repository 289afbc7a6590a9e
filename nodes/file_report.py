"""What a file of weights is, as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import folder_paths
from comfy_api.v0_0_2 import io, ui

from .host import file_stamps, find_file, list_files
from .values import check_names
from .widgets import Widget, schema

REPORT_FOLDERS = (
    "diffusion_models", "model_patches", "loras", "audio_encoders", "wav2vec2", "vae",
    "clip_vision", "text_encoders", "checkpoints", "kokoro",
)  # fmt: skip


class MultiTalkFileReport(io.ComfyNode):
    """Tell what a file of weights is."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """What the node takes and gives."""
        files = [
            f"{key}/{name}"
            for key in REPORT_FOLDERS
            if key in folder_paths.folder_names_and_paths
            for name in list_files([key])
        ]
        return schema(
            "MultiTalk File Report",
            "loaders",
            "Reads the beginning of a model file and says what it is, how its weights "
            "are stored, into which slot and folder it belongs, and whether its loader reads it.",
            search_aliases=["inspect", "safetensors", "gguf", "what is this file"],
            inputs=[
                Widget("file", "Any file of weights in the folders under models/.", choices=files)
            ],
            outputs=[(io.String, "report", "A few lines of text.")],
            is_output_node=True,
        )

    @classmethod
    def fingerprint_inputs(cls, file: str) -> object:
        """Changes with the file."""
        key, name = _place(file)
        return file_stamps([name], [key])

    @classmethod
    def execute(cls, file: str, **unknown: Any) -> io.NodeOutput:
        """Read the header and describe it."""
        check_names(unknown)
        from ..multitalk.model.file_check import loader_words
        from ..multitalk.model.kinds import describe, kind_of
        from ..multitalk.model.naming import read_model_header

        key, name = _place(file)
        path = find_file(name, [key])
        header = read_model_header(path)
        said = (describe(header), loader_words(header) or _kokoro_words(path, kind_of(header)))
        report = "\n".join(text for text in said if text)
        return io.NodeOutput(report, ui=ui.PreviewText(report))


def _place(file: str) -> tuple[str, str]:
    """Folder and name of a choice."""
    key, _, name = file.partition("/")
    if key not in REPORT_FOLDERS:
        # ascii: the host cannot log half a character, and its worker would end.
        raise ValueError(f"{file[:80]!a} is in no folder of models. Choose a file of the list.")
    return key, name


def _kokoro_words(path: Path, kind: str) -> str:
    """Whether the speech nodes read a file of theirs, by reading it as they do."""
    from ..kokoro.network.files import find_files
    from ..kokoro.network.model import load_files
    from ..kokoro.voices import read_voice

    try:
        if kind == "Kokoro model":
            load_files(find_files(path))
        elif kind == "Kokoro voice":
            read_voice(path)
        else:
            return ""
    except ValueError as error:
        return f"MultiTalk Load Kokoro does not read this file: {error}"
    return "MultiTalk Load Kokoro reads this file."
