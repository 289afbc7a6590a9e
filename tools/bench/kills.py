"""A sampling run that is killed and queued again, against the same run without a stop."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pack.tools.host.client import Event, HostClient
from pack.tools.host.environment import ROOT, has_bf16
from pack.tools.host.process import HostProcess, HostSettings, Start, begin
from pack.tools.host.prompts import TOY, node, sampler_inputs

WINDOWS, STEPS = 6, 2
SAMPLER, VIDEO = "sampler", "video"
TEST_NODES = ROOT / "tools" / "host" / "text_for_tests.py"
ARGUMENTS = ("--cache-none", "--verbose", "INFO")  # a prompt that ended runs again when queued


def killed_prompt() -> dict[str, Any]:
    """Two toy speakers in turn, WINDOWS windows, kept on disk and left there."""
    example = {"scene": "two_speakers"}
    inputs = sampler_inputs(
        preset__steps=STEPS,
        size__width=48,
        size__height=32,
        window=9,
        overlap=5,
        keep_progress=True,
        keep_finished=True,
        filename_prefix="video/killed",
    )
    links = {
        "model": "model", "vae": "vae", "image": "example", "speech": "speech", "masks": "speakers",
    }  # fmt: skip
    trimmed = {
        f"trim_{n}": node("TrimAudioDuration", audio=["example", n], start_index=0.2, duration=0.5)
        for n in (1, 2)
    }
    return {
        "example": node("MultiTalkExample", **example),
        **trimmed,
        "tracks": node(
            "MultiTalkTracks",
            placement="in turn",
            **{"placement.gap": 0.1},
            **{f"speakers.speaker_{n}": [f"trim_{n}", 0] for n in (1, 2)},
        ),
        "speakers": node(
            "MultiTalkSpeakers", image=["example", 0], detections=["example", 3], boxes=""
        ),
        "model": node(
            "MultiTalkLoadModel", base=TOY["base"], audio_part=TOY["audio_part"], loras="none"
        ),
        "vae": node("VAELoader", vae_name=TOY["vae"]),
        "encoder": node("MultiTalkLoadSpeechEncoder", encoder=TOY["encoder"]),
        "speech": node(
            "MultiTalkSpeechEmbedding", audio=["tracks", 0], speech_encoder=["encoder", 0]
        ),
        SAMPLER: node(
            "MultiTalkSampleToVideo", **inputs, **{name: [to, 0] for name, to in links.items()}
        ),
    }


def directed_prompt(*, to_file: bool = True) -> dict[str, Any]:
    """The same two speakers, who go on with a video, with three prompts in time and one cut.

    Args:
        to_file: By MultiTalk Sample To Video; else by MultiTalk Sampler, whose frames become a
            video behind it.

    Returns:
        The prompt: WINDOWS windows, of which those of one shot have prompts of their own, too.
    """
    prompt = killed_prompt() | {
        "earlier": node("RepeatImageBatch", image=["example", 0], amount=5),
        "other": node("ImageInvert", image=["example", 0]),
        "shots": node(
            "MultiTalkShots", **{"images.image_2": ["other", 0]}, seconds="0.6", voices="1, 2; 2"
        ),
        "clip": node("TestTextEncoder"),
        "scene": node(
            "MultiTalkScene",
            clip=["clip", 0],
            scene_text="0-0.3: she smiles\n0.3-0.8: she turns\n0.8-: she nods",
        ),
    }
    inputs = prompt[SAMPLER]["inputs"]
    links = {"continue_from": "earlier", "shots": "shots", "scene": "scene"}
    inputs |= {name: [to, 0] for name, to in links.items()}
    if not to_file:
        prefix = inputs.pop("filename_prefix")
        prompt[SAMPLER]["class_type"] = "MultiTalkSampler"
        prompt[VIDEO] = node(
            "MultiTalkVideoCombine",
            images=[SAMPLER, 0],
            audio=[SAMPLER, 1],
            fps=25.0,
            filename_prefix=prefix,
            save_output=True,
        )
    return prompt


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What a finished run left, as digests."""

    windows: dict[str, Any]
    """Checksums of frames and states by window."""
    video: bytes
    made: int
    """Windows that the last prompt made."""


class Studio:
    """A host that is killed and started again; the run folder is looked at in between."""

    def __init__(self, base: Path, start: Start = begin) -> None:
        """Prepare; nothing runs yet.

        Args:
            base: Base folder of the host.
            start: Begins the host's process.
        """
        self.base, self._start, self._host = base, start, None
        self._bf16 = has_bf16(Path(sys.executable))
        self.prompt = killed_prompt()
        """What is queued; another one may take its place."""

    def host(self) -> HostProcess:
        """The running host, started if there is none."""
        if self._host is None or not self._host.is_running():
            self._host = HostProcess(
                HostSettings(
                    base=self.base,
                    packs=(ROOT, TEST_NODES),
                    arguments=ARGUMENTS,
                    bf16_vae=self._bf16,
                    start=self._start,
                )
            )
            self._host.start()
        return self._host

    def stop(self) -> None:
        """End the host in the usual way."""
        if self._host is not None:
            self._host.stop()

    def folders(self) -> list[Path]:
        """Run folders that are there."""
        return sorted((self.base / "output" / "multitalk_runs").glob("*"))

    def kept_windows(self) -> int:
        """Windows that a stopped run left whole."""
        return sum(len(list(folder.glob("window_*.json"))) for folder in self.folders())

    def finish(self) -> Finished:
        """Queue the prompt, wait for its end, read and remove what it left."""
        with HostClient(self.host().address) as client:
            entry = client.run(self.prompt)
            shower = VIDEO if VIDEO in self.prompt else SAMPLER
            (shown,) = entry["outputs"][shower]["images"]
            video = client.view(shown)
        log = self.host().log_text()
        (folder,) = self.folders()
        records = {p.name: json.loads(p.read_text()) for p in sorted(folder.glob("window_*.json"))}
        shutil.rmtree(folder)
        made = int(log.rpartition("made now: ")[2].split(" ", 1)[0])
        return Finished(windows=records, video=video, made=made)

    def kill_after(self, steps: int, seconds: float) -> bool:
        """Queue the prompt and kill the host in the middle of it.

        Args:
            steps: Denoising steps of the run that are waited for.
            seconds: What is waited for after that.

        Returns:
            Whether the prompt was still running then.
        """
        host, seen = self.host(), 0
        with HostClient(host.address) as client:
            prompt_id = client.queue(self.prompt)

            def count(event: Event) -> None:
                nonlocal seen
                seen += event.kind == "progress" and event.data.get("node") == SAMPLER
                if seen >= steps:
                    raise StopIteration

            with suppress(StopIteration):
                client.wait(prompt_id, count)
            time.sleep(seconds)
            running = client.history(prompt_id) is None
        assert host._process is not None
        os.kill(host._process.pid, signal.SIGKILL)
        host._process.wait()
        host.stop()
        return running


def one_kill(studio: Studio, expected: Finished, random_numbers: random.Random) -> dict[str, Any]:
    """Kill a run at a random moment, queue it again, compare with the run without a stop.

    Args:
        studio: The host.
        expected: The unbroken run.
        random_numbers: Gives the moment.

    Returns:
        Moment, windows kept, windows made after, and whether all bits are equal.
    """
    num_windows = expected.made
    steps = random_numbers.randrange(1, num_windows * STEPS + 1)
    seconds = random_numbers.uniform(0.0, 0.4)  # one or two windows
    running = studio.kill_after(steps, seconds)
    kept = studio.kept_windows()
    again = studio.finish()
    return {
        "steps": steps,
        "seconds": round(seconds, 2),
        "running": running,
        "kept": kept,
        "made": again.made,
        "equal": again.windows == expected.windows,
        "same file": again.video == expected.video,
        "twice": kept + again.made - num_windows,
    }
