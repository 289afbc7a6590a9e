"""From a job and its settings to a prompt, beginning with the shipped ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..edit import (
    Ends,
    Prompt,
    add_node,
    consumers,
    drop_unused,
    find_nodes,
    only_node,
    read_prompt,
    relink,
    set_text,
)
from .flags import MODEL, SAMPLER, Run

INFINITETALK_MULTI = "Wan2_1-InfiniteTalk-Multi_fp16.safetensors"
ENCODER, VOICES = "MultiTalkLoadSpeechEncoder", "MultiTalkLoadKokoro"
TEXT_NODES = ("CLIPTextEncode", "CLIPLoader", "CLIPVisionLoader")
TEXT_INPUTS = ("positive", "negative", "clip_vision")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a job file says; files by their names on the host."""

    prompt: str
    source: str  # picture or video
    is_video: bool
    sounds: tuple[str, ...]  # a voice per speaker; none if a text is spoken
    placement: Literal["together", "in turn"]  # of two sounds
    boxes: str  # x, y, width, height in pixels, a line per speaker; empty: no boxes
    text: str  # what is spoken; empty: the sounds
    voices: tuple[str, ...]  # names of those that speak the text

    @property
    def num_speakers(self) -> int:
        """One or two."""
        return len(self.sounds) or len(self.voices)


def build_prompt(job: Job, run: Run, *, toy: bool) -> Prompt:
    """Make the prompt, with the toy's models instead of the real ones if asked for."""
    several = "multitalk_dialogue" if job.voices else "multitalk_two_speakers"
    prompt = read_prompt(f"{run.family}_one_speaker" if job.num_speakers == 1 else several)
    set_text(prompt, job.prompt)
    _place_source(prompt, job)
    if not job.voices:
        _place_sounds(prompt, job, run.limit)
    elif job.num_speakers == 1:
        _place_speech(prompt, job, run)
    else:
        _place_dialogue(prompt, job, run)
    for key in find_nodes(prompt, "MultiTalkSpeakers"):
        prompt[key]["inputs"]["boxes"] = job.boxes
    model = only_node(prompt, MODEL)[1]
    if run.family == "infinitetalk" and job.num_speakers == 2:
        model["audio_part"] = INFINITETALK_MULTI
    for kind, inputs in run.inputs.items():
        only_node(prompt, kind)[1].update(inputs)
    if toy:
        _use_toy(prompt, job)
    return prompt


def _place_source(prompt: Prompt, job: Job) -> None:
    """The picture, or all frames of a video."""
    key, inputs = only_node(prompt, "LoadImage")
    if not job.is_video:
        inputs["image"] = job.source
        return
    video = add_node(prompt, "source video", "LoadVideo", file=job.source)
    frames = add_node(prompt, "source frames", "GetVideoComponents", video=video)
    relink(prompt, consumers(prompt, [key, 0]), frames)
    del prompt[key]


def _place_sounds(prompt: Prompt, job: Job, limit: int) -> None:
    """Sounds from files, cut to the longest video."""
    keys = find_nodes(prompt, "LoadAudio")
    for key, name in zip(keys, job.sounds, strict=True):
        prompt[key]["inputs"]["audio"] = name
    links = [[key, 0] for key in keys]
    ends = [consumers(prompt, link) for link in links]
    placement: dict[str, object] = {"placement": job.placement}
    if job.placement == "in turn":
        placement["placement.gap"] = 0
        if limit and len(links) == 2:
            # The second begins after a silence as long as the first, so that both can be cut.
            placement = {"placement": "together"}
            links[1] = _one_after_the_other(prompt, *links)
    if limit:
        for link, targets in zip(links, ends, strict=True):
            _cut(prompt, link, limit, targets)
    for key in find_nodes(prompt, "MultiTalkTracks"):
        inputs = prompt[key]["inputs"]
        kept = {n: v for n, v in inputs.items() if not n.startswith("placement")}
        prompt[key]["inputs"] = {**placement, **kept}


def _one_after_the_other(prompt: Prompt, first: list, second: list) -> list:
    """A silence as long as the first sound, then the second one."""
    name, inputs = "silence of speaker 2", {"audio1": first, "audio2": first}
    silence = add_node(prompt, name, "AudioMerge", **inputs, merge_method="subtract")
    name, inputs = "speaker 2 after speaker 1", {"audio1": silence, "audio2": second}
    return add_node(prompt, name, "AudioConcat", **inputs, direction="after")


def _cut(prompt: Prompt, source: list, frames: int, ends: Ends) -> None:
    """Let inputs take only so much of a sound as so many frames last."""
    seconds = frames / only_node(prompt, "MultiTalkVideoCombine")[1]["fps"]
    inputs = {"audio": source, "start_index": 0, "duration": seconds}
    relink(prompt, ends, add_node(prompt, "cut", "TrimAudioDuration", **inputs))


def _place_speech(prompt: Prompt, job: Job, run: Run) -> None:
    """A text that one voice speaks, cut to the longest video."""
    key, _ = only_node(prompt, "LoadAudio")
    ends = consumers(prompt, [key, 0])
    model = only_node(read_prompt("multitalk_dialogue"), VOICES)[1]["model"]
    inputs = {
        "voice_model": add_node(prompt, "voices", VOICES, model=model),
        "text": job.text,
        "voice": job.voices[0],
        "seed": run.inputs[SAMPLER]["seed"],
    }
    speech = add_node(prompt, "spoken", "MultiTalkSpeak", **inputs)
    del prompt[key]
    if run.limit:
        _cut(prompt, speech, run.limit, ends)
    else:
        relink(prompt, ends, speech)


def _place_dialogue(prompt: Prompt, job: Job, run: Run) -> None:
    """A text that two voices speak; tracks cannot be cut to the longest video, the frames can."""
    inputs = only_node(prompt, "MultiTalkDialogue")[1]
    seed = run.inputs[SAMPLER]["seed"]
    inputs |= {"script": job.text, "voices": _cast(job.voices), "seed": seed}
    if not run.limit:
        return
    sampler, _ = only_node(prompt, SAMPLER)
    pictures, sound = [sampler, 0], [sampler, 1]
    ends = consumers(prompt, pictures), consumers(prompt, sound)
    inputs = {"image": pictures, "batch_index": 0, "length": run.limit}
    relink(prompt, ends[0], add_node(prompt, "first frames", "ImageFromBatch", **inputs))
    _cut(prompt, sound, run.limit, ends[1])


def _use_toy(prompt: Prompt, job: Job) -> None:
    """The toy's models, size and machine voice."""
    toy = read_prompt("toy_one_speaker")
    for kind in (MODEL, "VAELoader", ENCODER):
        prompt[only_node(prompt, kind)[0]]["inputs"] = only_node(toy, kind)[1]
    sampler = only_node(prompt, SAMPLER)[1]
    for field in TEXT_INPUTS:
        sampler.pop(field, None)
    drop_unused(prompt, *TEXT_NODES)
    shown = only_node(toy, SAMPLER)[1]
    sampler |= {name: value for name, value in shown.items() if name.split(".")[0] == "size"}
    espeak = only_node(read_prompt("toy_dialogue"), VOICES)[1]
    voices = _machine_voices(job.voices)
    for key in find_nodes(prompt, VOICES):
        prompt[key]["inputs"] |= espeak
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
