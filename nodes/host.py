"""What the pack asks of the host: folders, files of weights, memory, previews."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import comfy.model_management
import folder_paths
import psutil
import torch
from comfy.cli_args import args
from comfy_api.v0_0_2 import io, ui
from comfy_execution.graph_utils import is_link
from torch import Tensor

from ..multitalk.disk import refusal
from ..weights.contents import GGUF_SUFFIX, PICKLE_SUFFIXES, SAFETENSORS_SUFFIXES
from ..weights.parts import files_of, is_later_part
from ..weights.reading import require_file

ASSETS = Path(__file__).resolve().parents[1] / "assets"
BASE_FOLDERS = ("diffusion_models",)
AUDIO_PART_FOLDERS = ("model_patches", "diffusion_models")
LORA_FOLDERS = ("loras",)
PREFIX = "video/MultiTalk"  # of saved videos, in the output folder
IN_BASE = "(in base)"  # a choice of audio_part: the base file holds it too
ENCODER_FOLDERS = ("audio_encoders", "wav2vec2", "transformers")
GIB = 1 << 30  # bytes
MODEL_SUFFIXES = (*SAFETENSORS_SUFFIXES, *PICKLE_SUFFIXES, GGUF_SUFFIX)


def register_folders() -> None:
    """Make known to the host: the toy's folders, GGUF files, folders of other packs."""
    for key in (
        *("diffusion_models", "model_patches", "vae", "audio_encoders"),
        "frame_interpolation",
    ):
        folder_paths.add_model_folder_path(key, str(ASSETS / "toy" / key))
    for key in ("wav2vec2", "transformers"):  # other packs keep the speech encoder there
        if key not in folder_paths.folder_names_and_paths:
            folder_paths.add_model_folder_path(key, str(Path(folder_paths.models_dir) / key))
    for name in ("kokoro", "Kokorotts"):  # ours, and that of another pack
        folder_paths.add_model_folder_path("kokoro", str(Path(folder_paths.models_dir) / name))
    for key in ("diffusion_models", "model_patches", "text_encoders"):
        # The host lists files of one folder by suffix; its own lists stay without GGUF. The same
        # list of paths, so that paths added later count for both.
        paths = folder_paths.folder_names_and_paths[key][0]
        folder_paths.folder_names_and_paths[f"{key}_gguf"] = (paths, {GGUF_SUFFIX})


def _with_gguf(folders: Sequence[str]) -> list[str]:
    keys = [key for folder in folders for key in (folder, f"{folder}_gguf")]
    return [key for key in keys if key in folder_paths.folder_names_and_paths]


def list_files(folders: Sequence[str]) -> list[str]:
    """Files of weights in several model folders, each once, in the folders' order.

    Of a model in several parts, the first stands for all.
    """
    names = [
        name
        for key in _with_gguf(folders)
        for name in folder_paths.get_filename_list(key)
        if name.lower().endswith(MODEL_SUFFIXES) and not is_later_part(name)
    ]
    return list(dict.fromkeys(names))


def list_voice_models() -> list[str]:
    """Files of speech models; those of single voices lie beside them and are left out."""
    names = list_files(["kokoro"])
    return [name for name in names if "voices" not in Path(name).parts[:-1]]


def find_file(name: str, folders: Sequence[str]) -> Path:
    """Full path of a file name from `list_files`.

    Raises:
        FileNotFoundError: If no folder has it; names the folders.
        ValueError: If something has the name, but is a pipe, a folder or a link that leads nowhere.
    """
    for key in _with_gguf(folders):
        path = folder_paths.get_full_path(key, name)
        if path is not None:
            return Path(path)
    plain = os.path.relpath(os.path.join("/", name), "/")  # noqa: PTH118  (as the host looks it up)
    for key in _with_gguf(folders):
        for folder in folder_paths.get_folder_paths(key):
            path = Path(folder) / plain
            if path.is_symlink() or path.exists():  # the host passes over what is no file
                require_file(path)
    raise FileNotFoundError(
        f"{name[:200]!r} is not in models/{' or models/'.join(folders)}. Put the file there, press "
        "R in the editor to refresh the lists, and choose it again."
    )


def file_stamps(names: Sequence[str], folders: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Size and time of files, so that a replaced file of the same name is loaded anew."""
    paths = [path for name in names for path in files_of(find_file(name, folders))]
    return tuple((path.stat().st_size, path.stat().st_mtime_ns) for path in paths)


def new_video(
    prefix: str, folder: io.FolderType, height: int, width: int
) -> tuple[Path, ui.PreviewVideo]:
    """The next free name of a video in a folder that exists, and what tells the editor of it.

    `prefix` is as in the host's save nodes; it may hold %height% and %width%.

    Raises:
        OSError: If the folder cannot be made or read.
    """
    root = folder_paths.get_directory_by_type(folder.value) or ""
    try:
        path, name, counter, subfolder, _ = folder_paths.get_save_image_path(
            prefix, root, width, height
        )
    except OSError as error:
        cause, remedy, _ = refusal(error)
        raise OSError(
            f"The folder of {prefix} in {root} cannot be used: {cause}. {remedy}, or write another "
            "filename_prefix."
        ) from error
    file = f"{name}_{counter:05}_.mp4"
    return Path(path) / file, ui.PreviewVideo([ui.SavedResult(file, subfolder, folder)])


def graph_metadata(hidden: Any) -> dict[str, Any] | None:
    """Graph and prompt of a running output node, unless the host was told to leave them out.

    A program may send anything as `extra_pnginfo`; what a file cannot hold is left out.
    """
    if args.disable_metadata:
        return None
    metadata = _writable(hidden.extra_pnginfo, "utf-8")
    if hidden.prompt is not None:
        metadata["prompt"] = hidden.prompt
    return metadata


def preview_picture(picture: Tensor, hidden: Any) -> ui.PreviewImage:
    """What shows a picture [1, H, W, 3] under a node; its file holds the graph."""
    extra = _writable(hidden.extra_pnginfo, "latin-1")  # names in a PNG are
    owner: Any = SimpleNamespace(hidden=SimpleNamespace(prompt=hidden.prompt, extra_pnginfo=extra))
    return ui.PreviewImage(picture, cls=owner)


def _writable(extra: object, encoding: str) -> dict[str, Any]:
    """The members of an object that can be written into a file by their names; else none."""
    kept = {}
    for name, value in extra.items() if isinstance(extra, Mapping) else ():
        with suppress(TypeError, ValueError, RecursionError):
            json.dumps(value)
            if isinstance(name, str) and name.encode(encoding):
                kept[name] = value
    return kept


def free_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of main memory that can still be used, also where a container sets the limit."""
    free = int(comfy.model_management.get_free_memory(torch.device("cpu")))
    free += psutil.swap_memory().free
    with suppress(OSError, ValueError, KeyError):  # other systems, or no limit ("max")
        limit, used = (int((group / f"memory.{n}").read_text("ascii")) for n in ("max", "current"))
        lines = (group / "memory.stat").read_text("ascii").splitlines()
        counts = dict(line.split() for line in lines)
        # Files that were read are kept there as long as nobody needs the room.
        free = min(free, max(0, limit - used + int(counts["file"])))
    return free


def check_memory(needed: int, name: str, length_s: Fraction, purpose: str) -> None:
    """Refuse a sound for which there is not enough memory: the system would end the host.

    Args:
        needed: Bytes, beside what the sound itself takes.
        name: Of the socket.
        length_s: How long the sound is.
        purpose: What needs the memory; begins with a verb in -ing.

    Raises:
        ValueError: With the length and the memory.
    """
    from ..multitalk.runs.report import clock

    free = free_memory()
    if needed > free:
        raise ValueError(
            f"{name} is {clock(float(length_s))} long; {purpose} it needs about "
            f"{needed / GIB:.1f} GiB of memory, and {free / GIB:.1f} GiB are free. Cut it into "
            "shorter parts, or use a machine with more memory."
        )


def start_memory_peak(device: torch.device) -> None:
    """Begin to measure the highest use of graphics memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def memory_peak(device: torch.device) -> int | None:
    """Highest use of graphics memory since `start_memory_peak` in bytes, where torch knows it."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def upstream(dynprompt: Any, node_id: str, socket: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Nodes that lead into a socket, nearest first, as (class, literal and linked inputs)."""
    start = dynprompt.get_node(node_id)["inputs"].get(socket)
    queue, seen = [start] if is_link(start) else [], set()
    while queue:
        source = queue.pop(0)[0]
        if source in seen:
            continue
        seen.add(source)
        node = dynprompt.get_node(source)
        yield node["class_type"], node["inputs"]
        queue.extend(value for value in node["inputs"].values() if is_link(value))
