"""The command line of the reference: what each option becomes, or why it is refused.

FLAGS holds all of it (sampling.md section 9) but for what hangs on several options at once: the
family, the files of the model, and how ComfyUI must have been started.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..check import read_schema
from ..edit import only_node, read_prompt
from ..failures import UsageError

SAMPLER, MODEL = "MultiTalkSampler", "MultiTalkLoadModel"
TASKS = ("multitalk-14B", "infinitetalk-14B")
SIZES = ("multitalk-480", "multitalk-720", "infinitetalk-480", "infinitetalk-720")
MODES = ("clip", "streaming")
OVERLAPS = {"multitalk": 25, "infinitetalk": 9}
LORA_SCALE = 1.2
FIRST_SHARD = "diffusion_pytorch_model-00001-of-00007.safetensors"
IN_BASE = "(in base)"
SEVERAL = "one process cannot share out a model; ComfyUI's own several-GPU nodes can"
NOT_WRITTEN = "speech features are not written to files; ComfyUI keeps them while it runs"
LISTED, OF_APG = "it takes {only}", "the sampler's APG has {only}"
LEAVE_OUT = "Leave it out."


def yes_or_no(text: str) -> bool:
    """Read a truth value as the reference does; ValueError if it is none."""
    word = text.lower()
    if word in ("true", "yes", "t", "y", "1"):
        return True
    if word in ("false", "no", "f", "n", "0"):
        return False
    raise ValueError(text)


def name_of(path: str) -> str:
    """Last part of a path of any system."""
    return PurePosixPath(path.replace("\\", "/")).name


def in_folder(path: str, file: str) -> str:
    """The host's name of a file in a folder of this name; a file's name stays."""
    name = name_of(path)
    return name if name.endswith((".safetensors", ".gguf")) else f"{name}/{file}"


def seed_from(number: int) -> int:
    """A seed from 0; negative: a random one."""
    return number if number >= 0 else random.randint(0, 99_999_999)


class Flag(NamedTuple):
    """An option. Its value is None if it is not given."""

    name: str
    type: Callable[[str], object] | list | None  # in a list: one or more values; None: a switch
    help: str  # what it becomes
    sets: str = ""  # node and input of the prompt that get the value
    # Or defaults by family or size; None: the input's own, with --toy that of the toy's graph.
    default: object = None
    becomes: Callable[[Any], object] = lambda value: value  # the input's value of the option's
    only: tuple[object, ...] | None = None  # values that are possible
    why: str = "it takes {either}"  # said of others, of {only} or {either} of them
    hint: str = ""  # what to do then


FLAGS = (
    Flag("task", str, "multitalk-14B or infinitetalk-14B", only=TASKS, why=LISTED),
    Flag(
        "size",
        str,
        "multitalk-480, -720, infinitetalk-480 or -720: size of the sampler",
        f"{SAMPLER}.size",
        "480",
        becomes=lambda text: text[-3:],
        only=SIZES,
        why=LISTED,
    ),
    Flag(
        "frame_num",
        int,
        "window of the sampler; length of the video with mode clip",
        f"{SAMPLER}.window",
        81,
    ),
    Flag(
        "ckpt_dir",
        str,
        "base: the folder of this name in models/diffusion_models, or a file",
        f"{MODEL}.base",
        becomes=partial(in_folder, file=FIRST_SHARD),
    ),
    Flag("quant_dir", str, "folder of the quantised model, or with InfiniteTalk its file"),
    Flag(
        "infinitetalk_dir",
        str,
        "audio part: the file of this name in models/model_patches",
        f"{MODEL}.audio_part",
        becomes=partial(in_folder, file="infinitetalk.safetensors"),
    ),
    Flag(
        "wav2vec_dir",
        str,
        "speech encoder: the folder of this name in models/audio_encoders",
        "MultiTalkLoadSpeechEncoder.encoder",
        becomes=partial(in_folder, file="model.safetensors"),
    ),
    Flag("lora_dir", [str], "LoRAs: files of these names in models/loras; with quant the base"),
    Flag("lora_scale", [float], "strengths, one for each LoRA"),
    Flag("offload_model", yes_or_no, "false: needs a ComfyUI started with --highvram"),
    Flag("ulysses_size", int, "only 1", only=(1,), why=f"only 1 is possible: {SEVERAL}"),
    Flag("ring_size", int, "only 1", only=(1,), why=f"only 1 is possible: {SEVERAL}"),
    Flag("t5_fsdp", None, "refused", only=(), why=SEVERAL, hint=LEAVE_OUT),
    Flag(
        "t5_cpu",
        None,
        "the text encoder runs on the CPU",
        "CLIPLoader.device",
        becomes=lambda _: "cpu",
    ),
    Flag("dit_fsdp", None, "refused", only=(), why=SEVERAL, hint=LEAVE_OUT),
    Flag("save_file", str, "name of the video"),
    Flag("audio_save_dir", str, "refused", only=(), why=NOT_WRITTEN, hint=LEAVE_OUT),
    Flag("base_seed", int, "seed; negative: a random one", f"{SAMPLER}.seed", becomes=seed_from),
    Flag("input_json", Path, "the job file"),
    Flag("motion_frame", int, "overlap of the sampler", f"{SAMPLER}.overlap", OVERLAPS),
    Flag("mode", str, "clip: one window; streaming: as long as the sound", only=MODES),
    Flag("sample_steps", int, "steps", f"{SAMPLER}.preset.steps"),
    Flag("sample_shift", float, "shift", f"{SAMPLER}.preset.shift", {"720": 11.0}),
    Flag("sample_text_guide_scale", float, "text guidance", f"{SAMPLER}.preset.text_guidance"),
    Flag("sample_audio_guide_scale", float, "audio guidance", f"{SAMPLER}.preset.audio_guidance"),
    Flag(
        "num_persistent_param_in_dit",
        int,
        "only 0: needs a ComfyUI started with --novram",
        only=(0,),
        why="ComfyUI counts bytes, not parameters",
        hint="Leave it out, or start ComfyUI with --reserve-vram GIB.",
    ),
    Flag("audio_mode", str, "localfile or tts", only=("localfile", "tts")),
    Flag("use_teacache", None, "step cache on"),
    Flag("teacache_thresh", float, "step cache, with use_teacache", f"{SAMPLER}.step_cache", 0.2),
    Flag("use_apg", None, "APG on", f"{SAMPLER}.apg"),
    Flag("apg_momentum", float, "only -0.75", only=(-0.75,), why=OF_APG),
    Flag("apg_norm_threshold", float, "only 55", only=(55,), why=OF_APG),
    Flag("color_correction_strength", float, "colour match", f"{SAMPLER}.colour_match"),
    Flag("quant", str, "int8 or fp8: the quantised model of quant_dir", only=("int8", "fp8")),
    Flag("max_frame_num", int, "longest video in frames, with mode streaming"),
)


def add_job_flags(parser: argparse.ArgumentParser) -> None:
    """Add the job file, our own options and those of the reference."""
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the job file")
    words = "the toy's models and numbers instead of the real ones"
    parser.add_argument("--toy", action="store_true", help=words)
    words = "beginning of the job's paths, and what stands for it here"
    parser.add_argument("--map", action="append", default=[], metavar="OLD=NEW", help=words)
    words = "folder whose files the job may use too; repeat for several"
    parser.add_argument(
        "--allow", action="append", default=[], type=Path, help=words, metavar="DIR"
    )
    group = parser.add_argument_group("options of the reference")
    for flag in FLAGS:
        reading: dict[str, Any] = {"type": flag.type}
        if flag.type is None:
            reading = {"action": "store_true", "default": None}
        elif isinstance(flag.type, list):
            reading = {"type": flag.type[0], "nargs": "+"}
        group.add_argument(f"--{flag.name}", help=flag.help, **reading)


def refuse(flag: str, given: object, allowed: str, hint: str = "") -> UsageError:
    """Make the error for an option that is refused: what is allowed instead, or why it is not."""
    text = "" if given is True else f" is {given}"
    return UsageError(f"--{flag}{text}: {allowed}.", field=f"--{flag}", hint=hint)


class Run(NamedTuple):
    """What the options ask for."""

    family: str  # multitalk or infinitetalk: which weights and window rule
    limit: int  # longest video in frames; 0: as long as the sound
    inputs: dict[str, dict]  # of the prompt, by class; others stay as in the graph
    host_arguments: tuple[str, ...]  # what ComfyUI must have been started with


def resolve(options: argparse.Namespace, *, follows_video: bool) -> Run:
    """Work out what the options ask for; UsageError names one that is refused.

    A job with cond_video (`follows_video`) is InfiniteTalk's.
    """
    for flag in FLAGS:
        given = getattr(options, flag.name)
        if flag.only is not None and given not in (None, *flag.only):
            only = list(map(str, flag.only))
            why = flag.why.format(only=", ".join(only), either=" or ".join(only))
            raise refuse(flag.name, given, why, flag.hint)
    family = _family(options, follows_video=follows_video)
    definitions = read_schema()["$defs"]
    inputs = _inputs(options, family, definitions)
    sampler, model = inputs[SAMPLER], inputs[MODEL]
    sampler |= {"preset": "custom", "rule": family}
    if not options.use_teacache:
        sampler["step_cache"] = 0.0
    _check_frames("frame_num", sampler["window"])
    _check_frames("motion_frame", sampler["overlap"])
    if sampler["overlap"] >= sampler["window"]:
        below = f"it must be below frame_num, {sampler['window']}"
        raise refuse("motion_frame", sampler["overlap"], below)
    model["family"] = family
    if options.quant:
        model |= {"base": _quantized(options, family), "audio_part": IN_BASE}
    elif options.quant_dir is not None:
        raise refuse("quant_dir", options.quant_dir, "it needs --quant int8 or --quant fp8")
    else:
        choices = definitions[MODEL]["properties"]["loras"]["enum"]
        model |= _loras(options, max(int(n) for n in choices if n.isdecimal()))
    limit = _limit(options, sampler["window"])
    return Run(family, limit, inputs, host_arguments=_host_arguments(options))


def _family(options: argparse.Namespace, *, follows_video: bool) -> str:
    """From task, size, infinitetalk_dir and the job; they may not contradict each other."""
    part = "infinitetalk" if options.infinitetalk_dir is not None else ""
    asked = {"cond_video": "infinitetalk" if follows_video else "", "infinitetalk_dir": part}
    for name in ("task", "size"):
        asked[name] = (getattr(options, name) or "").partition("-")[0]
    asked = {name: family for name, family in asked.items() if family}
    if len(set(asked.values())) > 1:
        listed = ", ".join(f"{name} means {family}" for name, family in asked.items())
        last = next(reversed(asked))
        raise UsageError(f"Two families are asked for: {listed}.", field=f"--{last}")
    return next(iter(asked.values()), "multitalk")


def _inputs(options: argparse.Namespace, family: str, definitions: Mapping) -> dict[str, dict]:
    """Inputs that the table names: as given, or as usual; by class."""
    toy = only_node(read_prompt("toy_one_speaker"), SAMPLER)[1] if options.toy else {}
    # Of the toy's graph count the numbers of the preset and of the windows.
    usual = {n: v for n, v in toy.items() if n.startswith("preset.") or n in ("window", "overlap")}
    inputs: dict[str, dict] = {SAMPLER: {}, MODEL: {}}
    for flag in FLAGS:
        if not flag.sets:
            continue
        kind, name = flag.sets.split(".", 1)
        shipped = definitions[kind]["properties"][name].get("default")
        default = flag.default
        if isinstance(default, Mapping):
            default = default.get(family, default.get(inputs[SAMPLER]["size"]))
        default = usual.get(name, shipped if default is None else default)
        given = getattr(options, flag.name)
        value = default if given is None else given
        if value is not None:
            inputs.setdefault(kind, {})[name] = flag.becomes(value)
    return inputs


def _check_frames(flag: str, value: int) -> None:
    if value < 1 or value % 4 != 1:
        below = max(1, (value - 1) // 4 * 4 + 1)
        raise refuse(
            flag, value, "it must be a multiple of 4, plus 1", f"Use {below} or {below + 4}."
        )


def _limit(options: argparse.Namespace, window: int) -> int:
    if options.mode in (None, "clip"):
        return window
    if options.max_frame_num is None:
        return 0
    if options.max_frame_num < 1:
        raise refuse("max_frame_num", options.max_frame_num, "it takes a number from 1")
    return options.max_frame_num


def _quantized(options: argparse.Namespace, family: str) -> str:
    """File of a base that has the audio part inside."""
    if options.lora_dir is not None:
        given = " ".join(options.lora_dir)
        if family == "infinitetalk":
            allowed = "a quantised InfiniteTalk file holds its LoRA already"
            raise refuse("lora_dir", given, allowed, "Name it in quant_dir.")
        if len(options.lora_dir) > 1 or options.lora_scale is not None:
            allowed = "with quant it is one whole model whose LoRA has its strength already"
            raise refuse("lora_dir", given, allowed, "Leave out lora_scale.")
        return in_folder(options.lora_dir[0], "")
    if options.quant_dir is None:
        raise refuse("quant", options.quant, "it needs --quant_dir, where the model is")
    name = name_of(options.quant_dir)
    if name.endswith(".safetensors"):
        return name
    if family == "infinitetalk":
        raise refuse("quant_dir", options.quant_dir, "InfiniteTalk needs the file itself")
    return f"dit_model_{options.quant}.safetensors"


def _loras(options: argparse.Namespace, most: int) -> dict[str, object]:
    """Inputs for LoRA files and their strengths; none: as in the graph."""
    names = [name_of(path) for path in options.lora_dir or ()]
    scales = options.lora_scale or [LORA_SCALE] * len(names)
    if len(names) != len(scales):
        allowed = f"one value for each of the {len(names)} files of lora_dir is needed"
        raise refuse("lora_scale", " ".join(map(str, scales)), allowed)
    if len(names) > most:
        raise refuse("lora_dir", " ".join(names), f"up to {most} files are possible")
    inputs: dict[str, object] = {"loras": str(len(names))} if names else {}
    for number, (name, scale) in enumerate(zip(names, scales, strict=True), start=1):
        inputs |= {f"loras.lora_{number}": name, f"loras.strength_{number}": scale}
    return inputs


def _host_arguments(options: argparse.Namespace) -> tuple[str, ...]:
    if options.num_persistent_param_in_dit is None:
        return ("--highvram",) if options.offload_model is False else ()
    if options.offload_model is False:
        raise refuse("offload_model", given=False, allowed="num_persistent_param_in_dit 0 offloads")
    return ("--novram",)
