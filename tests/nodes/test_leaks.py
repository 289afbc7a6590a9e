"""What many mixed prompts leave in one host: nothing more than the first of them."""

from __future__ import annotations

import gc
import logging
import tempfile
import threading
from pathlib import Path

import pytest
import torch

from pack.tests.nodes.stops import fail_in, host_nodes, interrupt, prompt_of
from pack.tools.host.prompts import TOY, node, talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]


def loaded(**settings):
    """With both files by one loader of ours."""
    prompt = talk(seconds=0.4, **settings)
    del prompt["base"]
    files = {name: TOY[name] for name in ("base", "audio_part")}
    prompt["model"] = node(
        "MultiTalkLoadModel", **files, weight_dtype="default", family="auto", loras="none"
    )
    return prompt


def failing(error):
    prompt = prompt_of(keep_progress=True, seconds=0.4, voices=1)
    fail_in("decode", 1, 1, error)
    return prompt


def to_file():
    return prompt_of(to_video=True, seconds=0.4, keep_progress=True, voices=1)


def refused():
    return talk(seconds=0.4, sound="nan")


MODELS = (
    lambda: talk(seconds=0.4),
    lambda: loaded(voices=2),
    lambda: talk(seconds=0.4, step_cache=0.3, preset__steps=4, apg=True),
)
MIXED = (
    lambda: talk(seconds=0.4),
    refused,
    lambda: failing(RuntimeError("stop")),
    lambda: failing(interrupt()),
    to_file,
)


@pytest.fixture
def without_collector():
    """Circles of references stay, so that whatever is held by one is seen."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    gc.collect()


def living(kind):
    return [thing for thing in gc.get_objects() if type(thing).__name__ == kind]


def audio_parts():
    return len(living("AudioPart"))


@pytest.mark.usefixtures("without_collector")
def test_model_that_is_dropped_is_gone_at_once(host, caplog):
    import comfy.model_management

    comfy.model_management.unload_all_models()
    before, executor = audio_parts(), host.executor()
    with caplog.at_level(logging.INFO):
        for make in MODELS:
            assert host.run(make(), executor).ok
            host.recorder.events.clear()
            comfy.model_management.cleanup_models_gc()
            assert audio_parts() <= before + 1
    assert "memory leak" not in caplog.text


@pytest.mark.usefixtures("without_collector")
def test_no_step_leaves_what_it_held(host, monkeypatch):
    import comfy.ldm.wan.model

    found, forward = [], comfy.ldm.wan.model.WanModel.forward_orig

    def watched(self, *args, transformer_options=None, **kwargs):
        found.append(len(living("AudioCall")))
        # Who keeps the options of a call, as a profiler or a preview may, keeps no more than them.
        kept.append(dict(transformer_options))
        out = forward(self, *args, transformer_options=transformer_options, **kwargs)
        kept.clear()
        return out

    kept = []
    monkeypatch.setattr(comfy.ldm.wan.model.WanModel, "forward_orig", watched)
    assert host.run(talk(seconds=0.4, voices=2)).ok
    assert found == [1] * len(found)
    assert len(found) > 1
    assert living("AudioCall") == []


def has_storage(tensor):
    """Whether a tensor holds bytes; other tests of the process may have left sparse ones."""
    return not tensor.is_meta and tensor.layout == torch.strided


def left_behind():
    """Threads, handles, files of the temporary folder, tensors and their bytes."""
    gc.collect()
    # `isinstance` would ask the class of every proxy there is.
    tensors = [thing for thing in gc.get_objects() if issubclass(type(thing), torch.Tensor)]
    handles = Path("/proc/self/fd")
    return {
        "threads": threading.active_count(),
        "handles": len(list(handles.iterdir())) if handles.is_dir() else 0,
        "files": sorted(path.name for path in Path(tempfile.gettempdir()).iterdir()),
        "tensors": len(tensors),
        "bytes": sum(
            tensor.untyped_storage().nbytes() for tensor in tensors if has_storage(tensor)
        ),
    }


def test_mixed_prompts_leave_nothing(host, caplog, monkeypatch, tmp_path):
    import comfy.model_management

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    executor, left = host.executor(), []
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            for make in MIXED:
                host.run(make(), executor)
                host_nodes().TROUBLE.clear()
                host_nodes().CALLS.clear()
                comfy.model_management.cleanup_models_gc()
            host.recorder.events.clear()
            left.append(left_behind())
    assert left[1] == left[0]
    assert "memory leak" not in caplog.text
