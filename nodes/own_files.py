"""Pictures and sounds of one's own, chosen on a node out of the host's input folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import folder_paths
from comfy_api.v0_0_2 import io

from ..multitalk.sound.audio import Sound
from .sounds import read_sound

OF_SCENE = "of the scene"
"""The choice that takes what comes with the pack."""


def chooser(name: str, kind: Literal["image", "audio"], words: str) -> io.Combo.Input:
    """A list of files with a button to upload one.

    Args:
        name: Of the widget.
        kind: What the files are.
        words: What it is for.

    Returns:
        The input; it may be left out.
    """
    kinds: list[Literal["image", "audio", "video"]] = ["image"] if kind == "image" else ["audio"]
    if kind == "audio":
        kinds.append("video")
    folder = Path(folder_paths.get_input_directory())
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return io.Combo.Input(
        name,
        options=[OF_SCENE, *sorted(folder_paths.filter_files_content_types(there, kinds))],
        default=OF_SCENE,
        optional=True,
        upload=io.UploadType.image if kind == "image" else io.UploadType.audio,
        tooltip=words,
    )


def find_own_file(file: str | None, name: str) -> Path | None:
    """Where a chosen file is.

    Args:
        file: As the widget has it.
        name: Of the widget, for errors.

    Returns:
        Its path; None for `OF_SCENE`.

    Raises:
        FileNotFoundError: If it is not there; says what to do.
        ValueError: If it is no path inside the host's folders.
    """
    if file is None or file == OF_SCENE:  # None: linked, not known before it runs
        return None
    given = repr(str(file)[:200])
    try:
        path = Path(folder_paths.get_annotated_filepath(str(file)))
        there = path.is_file()
    except ValueError as error:  # the host's, without the field
        raise ValueError(
            f"{name}: {given} leads out of ComfyUI's folder input. Choose a file of the list, or "
            f"{OF_SCENE!r}."
        ) from error
    if not there:
        raise FileNotFoundError(
            f"{name}: there is no file {given} in ComfyUI's folder input. Upload it with the "
            f"button of this field, or choose {OF_SCENE!r}."
        )
    return path


def own_file_stamps(files: Iterable[str | None]) -> tuple[object, ...]:
    """What changes when a chosen file changes: names, sizes, times."""
    stamps: list[object] = []
    for file in files:
        path = find_own_file(file, "file")
        stamp = None if path is None else path.stat()
        stamps.append((file, stamp and (stamp.st_size, stamp.st_mtime_ns)))
    return tuple(stamps)


def read_own_sound(file: str, name: str) -> Sound:
    """Read a chosen sound as the host's Load Audio does.

    Args:
        file: As the widget has it.
        name: Of the widget, for errors.

    Returns:
        The sound.
    """
    from comfy_extras.nodes_audio import load

    waveform, sample_rate = load(str(find_own_file(file, name)))
    return read_sound({"waveform": waveform[None], "sample_rate": sample_rate}, name)
