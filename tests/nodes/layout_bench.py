"""One random model in every file layout, and the first velocity that the sampler gets from it."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import layouts
import torch
from layout_writers import Written
from torch import Tensor

from pack.tests.nodes.layout_lora import merge, write_loras
from pack.tests.nodes.stops import host_nodes
from pack.tools.host.inprocess import Host, Result
from pack.tools.host.prompts import node, talk

IN_BASE = "(in base)"
FOLDERS = ("diffusion_models", "model_patches", "audio_encoders", "loras")
SIDE_PX = 32
RUNS = count(1)

State = dict[str, Tensor]


def is_audio(name: str) -> bool:
    return name.startswith("audio_proj.") or "audio_cross_attn" in name or ".norm_x." in name


def difference(found: Tensor, expected: Tensor) -> float:
    """Root mean square of the difference, in that of the expected values."""
    return float((found - expected).square().mean().sqrt() / expected.square().mean().sqrt())


@dataclass(frozen=True, kw_only=True, repr=False)  # tests that fail would print all tensors
class Bench:
    """Files, what is in them, and the host that reads them."""

    host: Host
    folder: Path
    base: dict[str, Written]  # by row of the tables
    audio: dict[str, Written]
    whole: dict[str, Written]
    weights: State  # of base and audio part, as they were before they were written
    lora: State  # what the LoRA adds, by parameter
    executor: Any  # its cache keeps speech and picture; other files are always read
    plain: Any  # another, whose cache keeps the model of the float32 files too
    plain_model: Any  # that MODEL
    known: dict[tuple[object, ...], Tensor]  # velocities that were asked for before
    thread: Executor

    def velocity(self, base: str, audio: str, **loader: Any) -> Tensor:
        """First velocity of a run with files that the run before did not have."""
        velocity, result = self.run(load(base, audio, **loader))
        assert read_files(result), result.executed
        return velocity

    def run(self, prompt: dict[str, Any]) -> tuple[Tensor, Result]:
        """First velocity of a run, and what else it did."""
        return self._run(prompt, self.executor)

    def _run(self, prompt: dict[str, Any], executor: Any) -> tuple[Tensor, Result]:
        velocities = host_nodes().VELOCITIES
        velocities.clear()
        # In the main thread asyncio asks for the repr of every task, with all tensors inside.
        result = self.thread.submit(self.host.run, prompt, executor).result()
        assert result.ok, result.error
        return velocities[0], result

    def expected(self, *rows: Written, lora: bool = False) -> Tensor:
        """First velocity of the plain float32 model with the numbers of files, later ones win."""
        weights = dict(self.weights)
        for row in rows:
            weights |= row.twin
        key = (lora, *(id(tensor) for tensor in weights.values()))  # equal tensors are one
        if key not in self.known:
            self.known[key] = self.reference(merge(weights, self.lora) if lora else weights)
        return self.known[key]

    def reference(self, weights: State) -> Tensor:
        """First velocity of the plain float32 model with these weights."""
        for audio, module in enumerate(modules(self.plain_model)):
            inside = {n: t for n, t in weights.items() if is_audio(n) == bool(audio)}
            module.load_state_dict(inside, assign=True)
        prompt = load(self.base["float32"].file, self.audio["float32"].file)
        velocity, result = self._run(prompt, self.plain)
        assert "model" not in result.executed
        return velocity


def read_files(result: Result) -> bool:
    """Whether a run read base and audio part: the first node that the loader expands into."""
    return any(name.startswith("model.") and name.endswith(".1") for name in result.executed)


def modules(model: Any) -> tuple[torch.nn.Module, torch.nn.Module]:
    """Network and audio part of a MODEL."""
    part = model.get_additional_models_with_key("multitalk")[0]
    return model.model.diffusion_model, part.model


@torch.inference_mode()
def loaded_weights(model: Any) -> State:
    """Numbers of a MODEL with audio part, float32."""
    from comfy.quant_ops import QuantizedTensor

    named = {n: p for module in modules(model) for n, p in module.named_parameters()}
    return {
        n: (p.dequantize() if isinstance(p, QuantizedTensor) else p).float().clone()
        for n, p in named.items()
    }


def load(base: str, audio: str, **changes: Any) -> dict[str, Any]:
    """A whole graph from files to the first window."""
    inputs = {"weight_dtype": "default", "family": "auto", "loras": "none", **changes}
    return sample(node("MultiTalkLoadModel", base=base, audio_part=audio, **inputs))


def sample(model: dict[str, Any], **others: dict[str, Any]) -> dict[str, Any]:
    """One step of one window with the MODEL of a node, and the nodes before it."""
    prompt = talk(
        seconds=0.36,
        picture=(SIDE_PX, SIDE_PX),
        size__width=SIDE_PX,
        size__height=SIDE_PX,
        preset__steps=1,
        preset__audio_guidance=1.0,
        colour_match=0.0,
    )
    del prompt["base"], prompt["video"]
    prompt["encoder"]["inputs"]["encoder"] = layouts.ENCODER_FILE
    prompt |= {
        **others,
        "model": model,
        "kept": node("TestKeepVelocity", model=["model", 0], run=next(RUNS)),
        "text": node("TestText"),
        "clip": node("TestClipVision"),
        "end": node("TestShowSpeech", speech=["sampler", 0]),
    }
    linked = {"model": ["kept", 0], "positive": ["text", 0], "clip_vision": ["clip", 0]}
    prompt["sampler"]["inputs"] |= linked
    return prompt


@contextmanager
def open_bench(host: Host, folder: Path) -> Iterator[Bench]:
    """Write all files into the host's search paths."""
    import folder_paths

    written = layouts.write_layouts(folder)
    share_tensors([row for table in written.values() for row in table.values()])
    weights = written["base"]["float32"].twin | written["audio"]["float32"].twin
    lora = write_loras(folder / "loras", weights)
    for key in FOLDERS:
        folder_paths.add_model_folder_path(key, str(folder / key))
    folder_paths.filename_list_cache.clear()
    plain = host.executor()
    first = host.run(load(written["base"]["float32"].file, written["audio"]["float32"].file), plain)
    assert first.ok, first.error
    gc.freeze()  # the host collects garbage after every few models: only theirs, please
    with ThreadPoolExecutor(1) as thread:
        yield Bench(
            host=host,
            folder=folder,
            **written,
            weights=weights,
            lora=lora,
            executor=host.executor(),
            plain=plain,
            plain_model=first.outputs["model"][0][0],
            known={},
            thread=thread,
        )
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # as before: what stays needs no second look


def share_tensors(rows: Iterable[Written]) -> None:
    """Let equal tensors be one."""
    pool: dict[str, list[Tensor]] = {}
    for row in rows:
        for name, tensor in row.twin.items():
            same = next((t for t in pool.setdefault(name, []) if torch.equal(t, tensor)), None)
            if same is None:
                pool[name].append(tensor)
            else:
                row.twin[name] = same
