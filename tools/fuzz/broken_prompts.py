"""What the host answers to broken prompts, and whether that is an answer fit for people.

A good answer is a success, a refusal of the host's own validation, an error of the host's own
nodes, or a sentence of ours: an error that our code raised on purpose, short enough to read.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pack.tools.host.client import HostClient, HostError, HostInterruptedError, render_refusal
from pack.tools.host.environment import ROOT
from pack.tools.host.process import PACK_NAME
from pack.tools.host.prompts import talk

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
GRAPHS = ROOT / "workflows" / "api"
EXAMPLES = ROOT / "assets" / "examples"
MAX_SENTENCE = 1200  # characters of a message that people still read
GOOD = ("success", "refused", "sentence", "host's error", "interrupted")
HOST_FAULTS = ("host's HTTP error", "host's worker ended")
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>\S+)')
_OWN = re.compile(rf"custom_nodes[/\\]{PACK_NAME}[/\\](?P<file>.+)$")
_MEMORY = re.compile(
    r"can't allocate memory|not enough memory|out of memory|Unable to allocate", re.I
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the host said."""

    kind: str
    """One of `GOOD`, one of `HOST_FAULTS`, or what was wrong with us."""
    message: str
    """The host's or our words."""
    where: str = ""
    """Our innermost place in the traceback, `nodes/x.py:12 function`, if there is one."""
    traceback: str = ""
    """The whole traceback, if there is one."""

    @property
    def is_good(self) -> bool:
        """Whether we gave no reason to complain."""
        return self.kind in GOOD or self.kind in HOST_FAULTS


@dataclass(kw_only=True, slots=True)
class Asker:
    """Sends prompts to a host and judges the answers."""

    client: HostClient
    log: Path
    """The host's log."""
    run_seconds: float = 4.0
    """A prompt that still runs then is interrupted."""
    stop_seconds: float = 60.0
    """An interrupted prompt that still runs then hangs."""
    _read: int = field(default=0, init=False)

    def ask(self, prompt: Mapping[str, Any]) -> Answer:
        """Send a prompt and wait for its end.

        Args:
            prompt: In API form, possibly broken.

        Returns:
            The answer, judged.
        """
        self._read = self.log.stat().st_size
        code, body = self._send(prompt)
        if code not in (200, 400):
            return self._judge_server_error(code)
        answer = json.loads(body)
        if PACK_NAME in _raised(answer):  # the host calls our schemas and checks while it validates
            words = render_refusal(answer, {})
            return Answer(kind="raised while validating", message=words, traceback=_raised(answer))
        if code == 400:
            return Answer(kind="refused", message=render_refusal(answer, {}))
        return self._wait(answer["prompt_id"])  # perhaps only a part of it was accepted

    def _send(self, prompt: Mapping[str, Any]) -> tuple[int, bytes]:
        body = json.dumps({"prompt": prompt, "client_id": self.client.client_id}).encode()
        request = urllib.request.Request(
            f"http://{self.client.address}/prompt", body, {"Content-Type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=60) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _judge_server_error(self, code: int) -> Answer:
        own = own_tracebacks(self.new_log())
        if own:
            return Answer(kind="HTTP error by us", message=_last(own), traceback=own[-1])
        last = self.new_log().strip().splitlines()[-1:]
        return Answer(kind="host's HTTP error", message=f"{code}: {' '.join(last)}")

    def _wait(self, prompt_id: str) -> Answer:
        started = time.monotonic()
        stopped: float | None = None
        while True:
            try:
                self.client.wait(prompt_id, timeout=1.0)
            except TimeoutError:
                now = time.monotonic()
                if "Exception in thread" in self.new_log():
                    return self._judge_dead_worker()
                if stopped is None and now - started > self.run_seconds:
                    stopped = now
                    self.client.interrupt(prompt_id)
                elif stopped is not None and now - stopped > self.stop_seconds:
                    return Answer(kind="hangs", message="It did not stop when interrupted.")
            except HostInterruptedError:
                return Answer(kind="interrupted", message="It ran until it was interrupted.")
            except HostError as error:
                return judge_error(error)
            else:
                return self._judge_log()

    def _judge_dead_worker(self) -> Answer:
        """The host's thread that runs prompts ended: no prompt will run any more."""
        own = own_tracebacks(self.new_log())
        if own:
            return Answer(kind="worker ended by us", message=_last(own), traceback=own[-1])
        last = self.new_log().strip().splitlines()[-1]
        return Answer(kind="host's worker ended", message=last)

    def _judge_log(self) -> Answer:
        """A success; but not with a traceback of ours in the log."""
        own = own_tracebacks(self.new_log())
        if own:
            return Answer(kind="traceback in the log", message=_last(own), traceback=own[-1])
        return Answer(kind="success", message="")

    def new_log(self) -> str:
        """Read what the host has logged since the prompt was sent.

        Returns:
            Text without colors.
        """
        with self.log.open("rb") as file:
            file.seek(self._read)
            text = file.read().decode("utf-8", errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)


def own_tracebacks(log: str) -> list[str]:
    """Find tracebacks with our code in them.

    Args:
        log: The host's log.

    Returns:
        Each from its first line to the line of the exception.
    """
    blocks = re.findall(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*\S.*", log)
    return [block for block in blocks if any(_own_file(f["file"]) for f in _FRAME.finditer(block))]


def _raised(answer: Mapping[str, Any]) -> str:
    """Tracebacks of what was raised while the host validated a prompt."""
    nodes = (answer.get("node_errors") or {}).values()
    errors = [error for node in nodes for error in node["errors"]]
    return "".join(line for error in errors for line in error["extra_info"].get("traceback", []))


def _last(tracebacks: list[str]) -> str:
    return tracebacks[-1].strip().splitlines()[-1]


def _own_file(path: str) -> str | None:
    found = _OWN.search(path)
    return found["file"] if found else None


def judge_error(error: HostError) -> Answer:
    """Judge a failed run.

    Args:
        error: As the client raised it, with the host's details.

    Returns:
        `sentence` if our code raised it on purpose in readable words; `host's error` if none of our
        code is in the traceback, or only code that handed a call on to the host's own class.
    """
    details = error.details
    if not details:
        return Answer(kind="host ended", message=str(error))
    lines = "".join(details["traceback"])
    frames = list(_FRAME.finditer(lines))
    own = [frame for frame in frames if _own_file(frame["file"])]
    name, text = details["exception_type"], str(details["exception_message"]).strip()
    message = f"{details['node_type']}: {name}: {text}"
    if not own and details["node_type"].startswith("MultiTalk") and ".execute() " in text:
        return Answer(kind="no sentence", message=message, traceback=lines)  # not our parameters
    if not own:
        return Answer(kind="host's error", message=message, traceback=lines)
    last = own[-1]
    where = f"{_own_file(last['file'])}:{last['line']} {last['function']}"
    if frames[-1] is not last and "super()" in _line(last):
        return Answer(kind="host's error", message=message, where=where, traceback=lines)
    kind = _kind_of(raised=frames[-1] is last and _line(last).startswith("raise "), text=text)
    return Answer(kind=kind, message=message, where=where, traceback=lines)


def _kind_of(*, raised: bool, text: str) -> str:
    if _MEMORY.search(text):
        return "out of memory"
    if not raised:
        return "no sentence"
    if len(text) > MAX_SENTENCE:
        return "too long"
    return "sentence"


def _line(frame: re.Match[str]) -> str:
    """A frame's line of our code; a statement of several lines is known by its first."""
    path = ROOT / str(_own_file(frame["file"]))
    return path.read_text(encoding="utf-8").splitlines()[int(frame["line"]) - 1].strip()


def _read_graph(name: str) -> dict[str, Any]:
    return json.loads((GRAPHS / f"{name}.json").read_text(encoding="ascii"))


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {
        "class_type": class_type,
        "inputs": {k.replace("__", "."): v for k, v in inputs.items()},
    }


def _shorten(prompt: dict[str, Any]) -> dict[str, Any]:
    """A toy graph that is sampled in an instant: few pixels, one step, a short sound."""
    samplers = [node for node in prompt.values() if node["class_type"] == "MultiTalkSampler"]
    for sampler in samplers:
        sampler["inputs"] |= {
            "preset.steps": 1, "size.width": 64, "size.height": 48, "window": 13, "overlap": 5,
        }  # fmt: skip
    for node in prompt.values():
        if node["class_type"] == "MultiTalkDialogue":
            node["inputs"]["script"] = "Anna: Oh.\nBen: No."
    for number in (1, 2):
        cut = f"cut{number}"
        for node in prompt.values():
            inputs = node["inputs"]
            inputs |= {name: [cut, 0] for name, value in inputs.items() if value == ["1", number]}
        prompt[cut] = _node("TrimAudioDuration", audio=["1", number], start_index=0.3, duration=0.3)
    linked = [
        value[0]
        for node in prompt.values()
        for value in node["inputs"].values()
        if type(value) is list
    ]
    return {k: n for k, n in prompt.items() if not k.startswith("cut") or k in linked}


def bases(*, test_nodes: bool = False) -> dict[str, dict[str, Any]]:
    """Working prompts to start from.

    Args:
        test_nodes: The host has the nodes of tools/host/nodes_for_tests.py too.

    Returns:
        The shipped graphs by name, the toys at a size that is sampled in an instant, and small ones
        of the nodes and choices that no shipped graph holds.
    """
    graphs = {path.stem: _read_graph(path.stem) for path in sorted(GRAPHS.glob("*_*.json"))}
    for name in graphs:
        if name.startswith("toy_"):
            graphs[name] = _shorten(graphs[name])
    offsets = json.loads(json.dumps(graphs["toy_two_speakers"]))
    offsets["2"]["inputs"] = {
        "speakers.speaker_1": ["cut1", 0], "speakers.speaker_2": ["cut2", 0],
        "placement": "offsets", "placement.offsets": "0, 0.2",
    }  # fmt: skip
    offsets["3"]["inputs"] = {"boxes": "90, 60, 300, 500\n560, 60, 300, 500", "image": ["1", 0]}
    graphs |= {"offsets": offsets, "speak": _speak(), "guider": _guider(graphs)}
    if test_nodes:
        graphs["guider"] |= _conditioning()
        graphs["guider"]["22"]["inputs"] |= {"positive": ["31", 0], "negative": ["31", 1]}
        graphs["guider"]["27"]["inputs"]["latent_image"] = ["31", 2]
        graphs["inner"] = _inner()
        graphs["made"] = talk(seconds=0.3, voices=2, flat_vae=False, window=13)
    return graphs


def _speak() -> dict[str, Any]:
    return {
        "1": _node("MultiTalkLoadKokoro", model="espeak-ng (plain machine voice, no download)"),
        "2": _node(
            "MultiTalkSpeak", voice_model=["1", 0], text="Oh. [no](/no/)", voice="f1",
            language="auto",
            speed=1.0, seed=42, normalise_loudness=True, text_is="text",
        ),
        "3": _node("MultiTalkLoudness", audio=["2", 0], loudness_lufs=-23.0),
        "4": _node("PreviewAudio", audio=["3", 0]),
        "5": _node("PreviewAny", source=["2", 1]),
        "6": _node(
            "MultiTalkLoadModel", base="multitalk_toy_base.safetensors",
            audio_part="multitalk_toy_audio.safetensors", loras="1", weight_dtype="fp8_e4m3fn",
            loras__lora_1="none.safetensors", loras__strength_1=1.0,
        ),
        "7": _node("PreviewAny", source=["6", 1]),
        "8": _node("MultiTalkFileReport", file="diffusion_models/multitalk_toy_base.safetensors"),
    }  # fmt: skip


def _guider(graphs: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    """The audio part on the host's MODEL; refused, because nothing makes `positive`."""
    prompt = json.loads(json.dumps(graphs["toy_one_speaker"]))
    kept = {k: n for k, n in prompt.items() if n["class_type"] not in _VIDEO}
    (speech,) = [k for k, n in prompt.items() if n["class_type"] == "MultiTalkSpeechEmbedding"]
    return kept | {
        "20": _node("UNETLoader", unet_name="multitalk_toy_base.safetensors",
        weight_dtype="default"),
        "21": _node(
            "MultiTalkAttach", model=["20", 0], audio_part="multitalk_toy_audio.safetensors",
            family="auto", weight_dtype="default",
        ),
        "22": _node(
            "MultiTalkGuider", model=["21", 0], speech=[speech, 0], text_guidance=1.0,
            audio_guidance=2.0, start_frame=0, audio_strength=1.0, apg=False,
        ),
        "23": _node("RandomNoise", noise_seed=1),
        "24": _node("KSamplerSelect", sampler_name="euler"),
        "25": _node("BasicScheduler", model=["21", 0], scheduler="simple", steps=1, denoise=1.0),
        "26": _node("EmptyHunyuanLatentVideo", width=64, height=48, length=9, batch_size=1),
        "27": _node(
            "SamplerCustomAdvanced", noise=["23", 0], guider=["22", 0], sampler=["24", 0],
            sigmas=["25", 0], latent_image=["26", 0],
        ),
        "28": _node("SaveLatent", samples=["27", 0], filename_prefix="latents/x"),
    }  # fmt: skip


def _conditioning() -> dict[str, Any]:
    return {
        "30": _node("TestText"),
        "31": _node(
            "WanImageToVideo", positive=["30", 0], negative=["30", 0], vae=["32", 0],
            start_image=["1", 0], width=64, height=48, length=9, batch_size=1,
        ),
        "32": _node("VAELoader", vae_name="multitalk_toy_vae.safetensors"),
    }  # fmt: skip


def _inner() -> dict[str, Any]:
    """The two nodes that MultiTalk Load Model turns into."""
    files = {
        "base": "multitalk_toy_base.safetensors",
        "audio_part": "multitalk_toy_audio.safetensors",
    }
    return {
        "1": _node("MultiTalkReadFiles", **files, weight_dtype="default", family="auto"),
        "2": _node("MultiTalkAddLoras", model=["1", 0], loras="[]"),
        "3": _node("PreviewAny", source=["2", 0]),
    }


_VIDEO = ("MultiTalkLoadModel", "MultiTalkSampler", "MultiTalkVideoCombine")


def place_files(base: Path) -> None:
    """Put what the graphs name into a host's folder: models without contents, pictures and sounds.

    Args:
        base: The host's base folder.
    """
    from pack.tools.make.graph_forms import Use
    from pack.tools.make.graph_list import GRAPHS as FORMS

    outer = [node for graph in FORMS for node in graph.nodes]
    inner = [n for node in outer if isinstance(node, Use) for n in node.subgraph.nodes]
    for node in [*outer, *inner]:
        for model in [] if isinstance(node, Use) else node.models:
            path = base / "models" / model.directory / model.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    lora = base / "models" / "loras" / "none.safetensors"
    lora.parent.mkdir(parents=True, exist_ok=True)
    lora.touch()
    shutil.copy(EXAMPLES / "one_speaker.png", base / "input" / "example.png")
    for number in (1, 2):
        shutil.copy(EXAMPLES / f"voice_{number}.flac", base / "input" / f"voice_{number}.wav")
