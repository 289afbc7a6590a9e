"""From a job and its settings to a prompt, beginning with the shipped ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .edit import Prompt, add_node, consumers, drop_unused, find_nodes, read_prompt, set_text
from .job_flags import Run

FRAME_RATE = 25
INFINITETALK_MULTI = "Wan2_1-InfiniteTalk-Multi_fp16.safetensors"
ESPEAK = "espeak-ng (plain machine voice, no download)"
SAMPLERS = ("MultiTalkSampler", "MultiTalkSampleToVideo")
TEXT_NODES = ("CLIPTextEncode", "CLIPLoader", "CLIPVisionLoader")
TEXT_INPUTS = ("positive", "negative", "clip_vision")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a job file says; files by their names on the host."""

    prompt: str
    """The text."""
    source: str
    """Picture or video."""
    is_video: bool
    """The source is a video."""
    sounds: tuple[str, ...]
    """A voice per speaker; none if a text is spoken."""
    placement: Literal["together", "in turn"]
    """Of two sounds."""
    boxes: str
    """x, y, width, height in pixels, a line per speaker; empty: no boxes."""
    text: str
    """What is spoken; empty: the sounds."""
    voices: tuple[str, ...]
    """Names of the voices that speak the text."""

    @property
    def num_speakers(self) -> int:
        """One or two."""
        return len(self.sounds) or len(self.voices)


def build_prompt(job: Job, run: Run, *, toy: bool) -> Prompt:
    """Make the prompt.

    Args:
        job: The job.
        run: The settings.
        toy: The toy's models instead of the real ones.

    Returns:
        The prompt.
    """
    prompt = read_prompt(_graph(job, run))
    set_text(prompt, job.prompt)
    _place_source(prompt, job)
    if job.voices:
        _place_text(prompt, job, run)
    else:
        _place_sounds(prompt, job, run)
    for key in find_nodes(prompt, "MultiTalkSpeakers"):
        prompt[key]["inputs"]["boxes"] = job.boxes
    _set_sampler(prompt, run)
    if toy:
        _use_toy(prompt, job)
    else:
        _set_models(prompt, job, run)
    return prompt


def _graph(job: Job, run: Run) -> str:
    if job.num_speakers == 1:
        return f"{run.family}_one_speaker"
    return "multitalk_dialogue" if job.voices else "multitalk_two_speakers"


def _only(prompt: Prompt, *classes: str) -> str:
    (key,) = find_nodes(prompt, *classes)
    return key


def _place_source(prompt: Prompt, job: Job) -> None:
    """The picture, or all frames of a video."""
    key = _only(prompt, "LoadImage")
    if not job.is_video:
        prompt[key]["inputs"]["image"] = job.source
        return
    video = add_node(prompt, "source video", "LoadVideo", file=job.source)
    frames = add_node(prompt, "source frames", "GetVideoComponents", video=video)
    for node, field in list(consumers(prompt, [key, 0])):
        prompt[node]["inputs"][field] = frames
    del prompt[key]


def _place_sounds(prompt: Prompt, job: Job, run: Run) -> None:
    """Sounds from files, cut to the longest video."""
    keys = find_nodes(prompt, "LoadAudio")
    for key, name in zip(keys, job.sounds, strict=True):
        prompt[key]["inputs"]["audio"] = name
    links = [[key, 0] for key in keys]
    placement: dict[str, object] = {"placement": job.placement}
    ends = {tuple(link): list(consumers(prompt, link)) for link in links}
    if job.placement == "in turn" and len(keys) == 2:
        if run.limit:
            # The second begins after a silence as long as the first, so that both can be cut.
            silence = add_node(
                prompt,
                "silence of speaker 2",
                "AudioMerge",
                audio1=links[0],
                audio2=links[0],
                merge_method="subtract",
            )
            second = add_node(
                prompt,
                "speaker 2 after speaker 1",
                "AudioConcat",
                audio1=silence,
                audio2=links[1],
                direction="after",
            )
            ends[tuple(second)] = ends.pop(tuple(links[1]))
            placement = {"placement": "together"}
        else:
            placement["placement.gap"] = 0
    if run.limit:
        for source, targets in ends.items():
            cut = _cut(prompt, list(source), run.limit)
            for node, field in targets:
                prompt[node]["inputs"][field] = cut
    for key in find_nodes(prompt, "MultiTalkTracks"):
        inputs = prompt[key]["inputs"]
        kept = {n: v for n, v in inputs.items() if not n.startswith("placement")}
        prompt[key]["inputs"] = {**placement, **kept}


def _cut(prompt: Prompt, source: list, frames: int) -> list:
    seconds = frames / FRAME_RATE
    return add_node(
        prompt, "cut", "TrimAudioDuration", audio=source, start_index=0, duration=seconds
    )


def _place_text(prompt: Prompt, job: Job, run: Run) -> None:
    """A text that is spoken, cut to the longest video."""
    if len(job.voices) == 1:
        key = _only(prompt, "LoadAudio")
        (end,) = consumers(prompt, [key, 0])
        kokoro = add_node(prompt, "voices", "MultiTalkLoadKokoro", model=_kokoro_file())
        speech = add_node(
            prompt,
            "spoken",
            "MultiTalkSpeak",
            voice_model=kokoro,
            text=job.text,
            voice=job.voices[0],
            seed=run.seed,
        )
        del prompt[key]
        prompt[end[0]]["inputs"][end[1]] = _cut(prompt, speech, run.limit) if run.limit else speech
        return
    inputs = prompt[_only(prompt, "MultiTalkDialogue")]["inputs"]
    inputs |= {"script": job.text, "voices": _cast(job.voices), "seed": run.seed}
    if run.limit:  # tracks cannot be cut; the frames can
        sampler = _only(prompt, *SAMPLERS)
        ends = list(consumers(prompt, [sampler, 0])), list(consumers(prompt, [sampler, 1]))
        frames = add_node(
            prompt,
            "first frames",
            "ImageFromBatch",
            image=[sampler, 0],
            batch_index=0,
            length=run.limit,
        )
        sound = _cut(prompt, [sampler, 1], run.limit)
        for link, targets in zip((frames, sound), ends, strict=True):
            for node, field in targets:
                prompt[node]["inputs"][field] = link


def _kokoro_file() -> str:
    """The voice model of the shipped dialogue."""
    prompt = read_prompt("multitalk_dialogue")
    return prompt[_only(prompt, "MultiTalkLoadKokoro")]["inputs"]["model"]


def _set_sampler(prompt: Prompt, run: Run) -> None:
    prompt[_only(prompt, *SAMPLERS)]["inputs"] |= {
        "preset": "custom",
        "preset.steps": run.steps,
        "preset.shift": run.shift,
        "preset.text_guidance": run.text_guidance,
        "preset.audio_guidance": run.audio_guidance,
        "seed": run.seed,
        "size": run.size,
        "colour_match": run.colour_match,
        "window": run.window,
        "overlap": run.overlap,
        "rule": run.family,
        "step_cache": run.step_cache,
        "apg": run.apg,
    }


def _set_models(prompt: Prompt, job: Job, run: Run) -> None:
    """File names; what is not asked for stays as in the graph."""
    model = prompt[_only(prompt, "MultiTalkLoadModel")]["inputs"]
    if run.base:
        model["base"] = run.base
    if run.audio_part:
        model["audio_part"] = run.audio_part
    elif run.family == "infinitetalk" and job.num_speakers == 2:
        model["audio_part"] = INFINITETALK_MULTI
    model["family"] = run.family
    if run.loras:
        model["loras"] = str(len(run.loras))
        for number, (name, strength) in enumerate(run.loras, start=1):
            model[f"loras.lora_{number}"] = name
            model[f"loras.strength_{number}"] = strength
    if run.encoder:
        prompt[_only(prompt, "MultiTalkLoadSpeechEncoder")]["inputs"]["encoder"] = run.encoder
    if run.text_on_cpu:
        prompt[_only(prompt, "CLIPLoader")]["inputs"]["device"] = "cpu"


def _use_toy(prompt: Prompt, job: Job) -> None:
    """The toy's models, size and machine voice."""
    toy = read_prompt("toy_one_speaker")
    for kind in ("MultiTalkLoadModel", "VAELoader", "MultiTalkLoadSpeechEncoder"):
        prompt[_only(prompt, kind)]["inputs"] = toy[_only(toy, kind)]["inputs"]
    sampler = prompt[_only(prompt, *SAMPLERS)]["inputs"]
    for field in TEXT_INPUTS:
        sampler.pop(field, None)
    drop_unused(prompt, *TEXT_NODES)
    shown = toy[_only(toy, *SAMPLERS)]["inputs"]
    sampler |= {name: value for name, value in shown.items() if name.split(".")[0] == "size"}
    for key in find_nodes(prompt, "MultiTalkLoadKokoro"):
        prompt[key]["inputs"]["model"] = ESPEAK
    voices = _machine_voices(job.voices)
    for key in find_nodes(prompt, "MultiTalkSpeak"):
        prompt[key]["inputs"]["voice"] = voices[0]
    for key in find_nodes(prompt, "MultiTalkDialogue"):
        prompt[key]["inputs"]["voices"] = _cast(voices)


def _machine_voices(voices: tuple[str, ...]) -> list[str]:
    """A machine voice for each of Kokoro's: f1, m1, a second one of a kind f2, m2."""
    found: list[str] = []
    for voice in voices:
        kind = "m" if voice[1:2] == "m" else "f"
        found.append(f"{kind}{1 + sum(name[0] == kind for name in found)}")
    return found


def _cast(voices: Sequence[str]) -> str:
    """Voices as MultiTalk Dialogue takes them: (s1) is the first."""
    return "\n".join(f"s{number} = {voice}" for number, voice in enumerate(voices, start=1))
