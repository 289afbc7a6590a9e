"""Job files of the reference: read, check, and make a prompt of them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal

from ..edit import read_json, upload_name
from ..failures import UsageError
from ..run import Task
from ..settings import apply_settings
from ..texts import brief
from .flags import refuse, resolve
from .graph import Job, build_prompt

FIELDS = (
    "prompt", "cond_image", "cond_video", "audio_type", "cond_audio", "bbox", "tts_audio",
)  # fmt: skip
PERSONS = ("person1", "person2")
VOICES = ("human1_voice", "human2_voice")
PLACEMENTS: Mapping[str, Literal["together", "in turn"]] = {"para": "together", "add": "in turn"}
VIDEO_SUFFIXES = (
    ".mp4", ".avi", ".mov", ".mkv", ".flv", ".wmv", ".webm", ".mpeg", ".mpg",
)  # fmt: skip


PATH_LETTERS = 4096
MOST_PIXELS = 100_000  # on a side


def make_job(options: argparse.Namespace) -> Task:
    """Make the task of `job`; UsageError if the file or an option is refused."""
    path = _path(options)
    value = read_job(path)
    run = resolve(options, follows_video="cond_video" in value)
    files = Files(path.resolve().parent, parse_maps(options.map), options.allow)
    job = convert(value, files, options.audio_mode)
    prompt = build_prompt(job, run, toy=options.toy)
    save_as = (options.save_file or "").removesuffix(".mp4")
    for node in prompt.values():
        if save_as and "filename_prefix" in node["inputs"]:
            node["inputs"]["filename_prefix"] = f"video/{Path(save_as).name}"
    real = [f for f in ("ckpt_dir", "lora_dir", "quant", "size") if getattr(options, f)]
    note = f"--toy: the toy's own models and size, so not {', '.join(real)}."
    return Task(
        prompt=apply_settings(prompt, options.set),
        uploads=files.uploads,
        save_as=save_as,
        host_arguments=run.host_arguments,
        notes=(note,) if options.toy and real else (),
    )


def _path(options: argparse.Namespace) -> Path:
    if options.file is not None and options.input_json is not None:
        raise refuse("input_json", options.input_json, f"the job file is {options.file} already")
    path = options.file or options.input_json
    if path is None:
        raise UsageError("The job file is missing.", field="FILE", hint="dev.py job FILE")
    return path


def read_job(path: Path) -> dict:
    """Read the fields of a job file; UsageError if it is none."""
    try:
        value = read_json(path, "FILE", finite=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).", field="FILE") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} is no job: an object with prompt and so on.", field="FILE")
    for name in value:
        if name not in FIELDS:
            hint = f"Fields: {', '.join(FIELDS)}."
            raise UsageError(f"{path}: {name} is not known.", field=name, hint=hint)
    return value


def parse_maps(texts: Sequence[str]) -> dict[str, str]:
    """Read each `--map OLD=NEW`: new beginnings of paths by old ones."""
    pairs = {}
    for text in texts:
        old, equals, new = text.partition("=")
        if not (old and equals):
            raise UsageError(f"--map {text} is not understood.", field="--map", hint="OLD=NEW")
        pairs[old.rstrip("/")] = new.rstrip("/")
    return pairs


class Files:
    """Finds the files of a job and names them on the host.

    They are sent there, so a job may name only files of its own folder and of folders that the
    user named, wherever `..` and links lead.
    """

    def __init__(self, folder: Path, maps: Mapping[str, str], allowed: Sequence[Path] = ()) -> None:
        """Take the folder of the job file, what `parse_maps` gave, and other folders it may use."""
        self.uploads: dict[str, Path] = {}
        self._folder = folder
        self._maps = maps
        self._allowed = [
            path.resolve() for path in (*allowed, *(Path(new or "/") for new in maps.values()))
        ]

    def add(self, text: object, field: str) -> str:
        """Find the file of a field and give its name on the host; UsageError if it has none."""
        if not isinstance(text, str) or not text or len(text) > PATH_LETTERS:
            given = brief(json.dumps(text), 100)
            raise UsageError(f"{field} is {given}; it takes a path.", field=field)
        found = [path for path in self._places(text) if _is_file(path)]
        if not found:
            raise UsageError(
                f"{field}: {text} is neither there nor beside the job file.",
                field=field,
                hint="Say where with --map OLD=NEW, for example --map examples/multi/1=pictures.",
            )
        path = next(filter(self._may_use, found), None)
        if path is None:
            target = found[0].resolve()
            raise UsageError(
                f"{field}: {text} leads to {target}, which is no file of the job file's folder.",
                field=field,
                hint=f"If it may be sent to the host, add --allow {target.parent}.",
            )
        name = upload_name(path, field)
        self.uploads[name] = path
        return name

    def _may_use(self, path: Path) -> bool:
        target = path.resolve()
        if any(target.is_relative_to(folder) for folder in self._allowed):
            return True
        if not target.is_relative_to(self._folder):
            return False
        hidden = (part.startswith(".") for part in target.relative_to(self._folder).parts)
        return not any(hidden)  # keys and settings, where a job lies in the user's own folder

    def _places(self, text: str) -> list[Path]:
        """Where a path of the job may lead: the reference's paths begin at its own folder."""
        for old, new in self._maps.items():
            if text == old or text.startswith(f"{old}/"):
                return [Path(new + text[len(old) :])]
        path = PurePosixPath(text)
        if path.is_absolute():
            return [Path(text)]
        places = [self._folder / text]
        for start in range(1, len(path.parts)):
            *folders, name = path.parts[start:]
            places += [self._folder.joinpath(*folders, name)]
            if folders:
                places += [self._folder / "_".join(folders) / name]
        return [*places, Path(text)]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that this system cannot have, a folder it may not see
        return False


def convert(value: Mapping, files: Files, audio_mode: str | None) -> Job:
    """Check the fields of a job and find its files; UsageError names one that is wrong.

    `audio_mode` is localfile, tts, or None: by what the job has.
    """
    prompt = value.get("prompt")
    if not isinstance(prompt, str):
        raise UsageError(
            "prompt is missing or no text.",
            field="prompt",
            hint='Write a text that describes the video: "prompt": "...".',
        )
    sources = value.keys() & {"cond_video", "cond_image"}
    if len(sources) != 1:
        raise UsageError("A job has either cond_image or cond_video.", field="cond_image")
    (field,) = sources
    source = files.add(value[field], field)
    text, voices, sounds = _heard(value, files, audio_mode)
    persons = PERSONS[: len(voices or sounds)]
    return Job(
        prompt=prompt,
        source=source,
        is_video=PurePosixPath(source).suffix.lower() in VIDEO_SUFFIXES,
        sounds=sounds,
        placement=_placement(value, needed=len(sounds) == 2),
        # The reference ignores the boxes of one speaker.
        boxes=_boxes(value["bbox"], persons) if value.get("bbox") and len(persons) > 1 else "",
        text=text,
        voices=voices,
    )


def _heard(
    value: Mapping, files: Files, audio_mode: str | None
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """A text and names of voices, or else sounds."""
    sounds = value.get("cond_audio") or {}
    spoken = value.get("tts_audio") or {}
    if (audio_mode or ("tts" if spoken and not sounds else "localfile")) == "tts":
        return *_spoken(spoken), ()
    if not isinstance(sounds, dict) or set(sounds) not in (set(PERSONS), {PERSONS[0]}):
        raise UsageError(
            "cond_audio needs person1, and person2 for two speakers.",
            field="cond_audio",
            hint="A job that speaks a text has tts_audio and runs with --audio_mode tts.",
        )
    # By name: the order in the file says nothing.
    names = (files.add(sounds[name], f"cond_audio.{name}") for name in PERSONS[: len(sounds)])
    return "", (), tuple(names)


def _spoken(spoken: object) -> tuple[str, tuple[str, ...]]:
    """Text and names of voices."""
    if not isinstance(spoken, dict) or not isinstance(spoken.get("text"), str):
        raise UsageError(
            "tts_audio needs a text.", field="tts_audio", hint='Write "text": "(s1) ... (s2) ...".'
        )
    if not spoken.get(VOICES[0]):
        raise UsageError(f"tts_audio needs {VOICES[0]}.", field="tts_audio")
    given = {name: spoken[name] for name in VOICES if spoken.get(name)}
    for name, voice in given.items():
        if not isinstance(voice, str) or "\n" in voice:
            text = f"tts_audio.{name} is {brief(json.dumps(voice), 100)}; it takes a voice's name."
            raise UsageError(text, field="tts_audio")
    return spoken["text"], tuple(PurePosixPath(voice).stem for voice in given.values())


def _placement(value: Mapping, *, needed: bool) -> Literal["together", "in turn"]:
    audio_type = value.get("audio_type", None if needed else "para")
    if not isinstance(audio_type, str) or audio_type not in PLACEMENTS:
        given = brief(json.dumps(audio_type), 100)
        raise UsageError(
            f"audio_type is {given}; it takes para (together) or add (in turn).",
            field="audio_type",
        )
    return PLACEMENTS[audio_type]


def _boxes(boxes: object, persons: Sequence[str]) -> str:
    """Boxes as MultiTalk Speakers takes them. The job's are row 1, column 1, row 2, column 2."""
    if not isinstance(boxes, dict) or set(boxes) != set(persons):
        raise UsageError(f"bbox needs one box for each of {', '.join(persons)}.", field="bbox")
    return "\n".join(_box(boxes[person], f"bbox.{person}") for person in persons)


def _box(box: object, name: str) -> str:
    numbers, given = box if isinstance(box, list) else [], brief(json.dumps(box), 100)
    if [type(n) in (int, float) for n in numbers] != [True] * 4:
        raise UsageError(f"{name} is {given}; it takes 4 numbers.", field="bbox")
    top, left, bottom, right = map(int, numbers)
    if not (0 <= top < bottom <= MOST_PIXELS and 0 <= left < right <= MOST_PIXELS):
        raise UsageError(
            f"{name} is {given}; it takes top, left, bottom, right in pixels: rows first.",
            field="bbox",
        )
    return f"{left}, {top}, {right - left}, {bottom - top}"
