"""Windows on disk, stops and lack of memory: MultiTalk Sampler in the real host."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from pack.tests.limits import full_disk
from pack.tests.nodes import stops
from pack.tests.nodes.small import SMALL
from pack.tests.nodes.stops import (
    fail_in,
    frames_of,
    host_nodes,
    interrupt,
    oom,
    report_of,
    run,
    runs,
    windows_begun,
)
from pack.tools.host.prompts import node

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
SECONDS, WINDOWS = 0.8, 4  # 20 frames: windows at 0, 4, 8 and 12
# One speaker and a real VAE: 15 frames in three windows.
REAL = {"real_vae": True, "voices": 1, "seconds": 0.6, "size__width": 32, "size__height": 32}


def prompt_of(**settings):
    return stops.prompt_of(**({"seconds": SECONDS} | settings))


@pytest.fixture(scope="module")
def unbroken(host):
    """Frames when nothing fails."""
    return frames_of(host, prompt_of())


@pytest.fixture(scope="module")
def real_unbroken(host):
    """The same with a real VAE and one speaker, whose passes run together."""
    frames = frames_of(host, prompt_of(**REAL))
    assert {2} == {call for call in host_nodes().CALLS if isinstance(call, int)}
    return frames


def test_keeping_progress_changes_no_bit(host, unbroken):
    assert torch.equal(frames_of(host, prompt_of(keep_progress=True)), unbroken)
    assert not list(runs().glob("*"))


def test_frames_are_multiples_of_a_255th(unbroken):
    assert torch.equal(unbroken, (unbroken * 255).round() / 255)


@pytest.mark.parametrize("stop", ["error", "interrupt"])
@pytest.mark.parametrize(
    ("place", "passing", "kept"),
    [("network", 9, 2), ("decode", 2, 2), ("encode", 1, 1), ("decode", 3, 3)],
)
def test_stopped_run_goes_on_after_its_last_window(host, unbroken, stop, place, passing, kept):
    prompt = prompt_of(keep_progress=True)
    fail_in(place, passing, 1, interrupt() if stop == "interrupt" else RuntimeError("stop"))
    assert not run(host, prompt).ok
    kept_now = len(list(runs().glob("*/window_*.json")))
    assert kept_now == kept
    assert torch.equal(frames_of(host, prompt), unbroken)
    assert windows_begun() == WINDOWS - kept


def test_continued_run_previews_the_windows_that_are_there_too(host):
    prompt = prompt_of(keep_progress=True)
    fail_in("decode", 3, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    result = run(host, prompt)
    events = [data for event, data in result.events if event == "progress" and data["preview"]]
    assert [data["value"] for data in events] == [2 * number for number in range(1, WINDOWS + 1)]


def test_frames_without_keep_progress_are_lost_but_nothing_else(host, unbroken):
    fail_in("decode", 3, 1, RuntimeError("stop"))
    assert not run(host, prompt_of()).ok
    assert torch.equal(frames_of(host, prompt_of()), unbroken)
    assert windows_begun() == WINDOWS


def test_report_says_what_was_continued_and_what_was_made(host):
    prompt = prompt_of(keep_progress=True)
    fail_in("decode", 3, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    text = report_of(host, prompt)
    assert text.startswith(
        "video: 20 frames of 64 x 64 (0.80 s), 2 speakers\nwindows: 4 of 9 frames"
    )
    assert "sampling: 2 steps of 2 passes, euler" in text
    assert "made now: 1 of 4 windows, 4 network passes" in text
    assert "continues an earlier run: 3 of 4 windows are there" in text
    assert text.splitlines()[-1].count("->") == WINDOWS


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 8}, "seed"),
        ({"preset__steps": 3}, "settings"),
        ({"colour_match": 0.5}, "settings"),
        ({"picture": (80, 64)}, "picture"),
    ],
)
def test_changed_prompt_begins_anew_and_says_what_changed(host, change, named):
    first = prompt_of(keep_progress=True)
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, first).ok
    text = report_of(host, prompt_of(keep_progress=True, **change))
    assert f"a new run: it differs in {named} from the unfinished run " in text
    assert "made now: 4 of 4" in text
    assert "continues an earlier run: 2 of 4" in report_of(host, first)


def changed_graph(prompt, change):
    """Another voice, another model file, another text, another order of guidance."""
    if change == "voices":
        prompt["sound_1"]["inputs"]["seed"] = 99
    elif change == "model":
        prompt["model"]["inputs"]["family"] = "multitalk"
    elif change == "prompt":
        prompt["text"] = node("TestText")
        prompt["sampler"]["inputs"]["positive"] = ["text", 0]
    else:
        prompt["masks"] = node("TestMasks", boxes="0,0,20,64;40,0,20,64", width=64, height=64)
        prompt["sampler"]["inputs"]["masks"] = ["masks", 0]
    return prompt


@pytest.mark.parametrize("change", ["voices", "model", "prompt", "speakers"])
def test_changed_input_begins_anew(host, change):
    first = prompt_of(keep_progress=True)
    fail_in("decode", 1, 1, RuntimeError("stop"))
    assert not run(host, first).ok
    text = report_of(
        host, changed_graph(prompt_of(keep_progress=True, rule="infinitetalk"), change)
    )
    assert "a new run: it differs in" in text
    assert change in text
    assert "continues an earlier run: 1 of 4" in report_of(host, first)


def test_names_and_places_of_nodes_do_not_matter(host, unbroken):
    first = prompt_of(keep_progress=True)
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, first).ok
    text = json.dumps(first)
    for old, new in (("sound_1", "77"), ("encoder", "5"), ("trouble", "12"), ("model", "m")):
        text = text.replace(f'"{old}":', f'"{new}":').replace(f'["{old}",', f'["{new}",')
    renamed = json.loads(text)
    for entry in renamed.values():  # inputs of these names are not node names
        for old, new in (("encoder", "5"), ("model", "m")):
            if new in entry["inputs"]:
                entry["inputs"][old] = entry["inputs"].pop(new)
    assert torch.equal(frames_of(host, renamed), unbroken)
    assert windows_begun() == WINDOWS - 2


def test_keep_finished_leaves_the_windows_and_the_next_run_uses_them(host, unbroken):
    prompt = prompt_of(keep_progress=True, keep_finished=True)
    assert torch.equal(frames_of(host, prompt), unbroken)
    assert len(list(runs().glob("*/window_*.json"))) == WINDOWS
    prompt["sampler"]["inputs"]["keep_finished"] = False
    assert torch.equal(frames_of(host, prompt), unbroken)
    assert windows_begun() == 0


@pytest.mark.parametrize("place", ["decode", "encode", "network"])
def test_lack_of_memory_repeats_the_window_with_a_tiled_vae(host, real_unbroken, place):
    prompt = prompt_of(**REAL)
    fail_in(place, 2, 1, oom())
    frames = frames_of(host, prompt)
    calls = host_nodes().CALLS
    first = next(index for index, call in enumerate(calls) if str(call).endswith("_tiled"))
    assert not {"decode", "encode"} & set(calls[first:])
    assert 1 not in calls  # passes still run together
    torch.testing.assert_close(
        frames, real_unbroken, rtol=0, atol=0.02
    )  # tiles as large as the frame
    assert torch.equal(frames_of(host, prompt), real_unbroken)


def test_lack_of_memory_in_the_network_ends_in_single_passes(host, real_unbroken):
    prompt = prompt_of(**REAL)
    fail_in("network", 2, 2, oom())
    frames = frames_of(host, prompt)
    assert set(host_nodes().CALLS[-10:]) == {1, "decode_tiled", "encode_tiled"}
    torch.testing.assert_close(frames, real_unbroken, rtol=0, atol=0.02)
    fail_in("network", 2, 2, oom())
    text = report_of(host, prompt)
    assert "memory ran out in window 2 of 3; from there on the VAE works in tiles" in text
    assert "memory ran out in window 2 of 3 again; from there on the guidance passes run" in text


def test_lasting_lack_of_memory_is_a_sentence_and_keeps_the_windows(host, real_unbroken):
    prompt = prompt_of(keep_progress=True, **REAL)
    fail_in("network", 4, 99, oom())
    result = run(host, prompt)
    assert not result.ok
    message = result.error["exception_message"]
    assert "Memory ran out in window 3 of 3, even with a VAE in tiles" in message
    assert "GiB are free now (Allocation on device 0" in message
    assert len(list(runs().glob("*/window_*.json"))) == 2
    host_nodes().TROUBLE.clear()
    assert torch.equal(frames_of(host, prompt), real_unbroken)
    assert windows_begun() == 1


def test_full_disk_is_a_sentence_and_keeps_the_windows(host, unbroken):
    prompt = prompt_of(keep_progress=True)
    fail_in("decode", 3, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    with full_disk(2_000):
        result = run(host, prompt)
    assert "cannot take window 4; 3 of 4 windows are safe" in result.error["exception_message"]
    assert torch.equal(frames_of(host, prompt), unbroken)
    assert windows_begun() == WINDOWS - 3


def test_output_folder_that_takes_nothing_is_a_sentence(host, tmp_path):
    (tmp_path / "output").write_text("a file")
    import folder_paths

    before = folder_paths.get_output_directory()
    folder_paths.set_output_directory(str(tmp_path / "output"))
    try:
        result = run(host, prompt_of(keep_progress=True))
    finally:
        folder_paths.set_output_directory(before)
    assert "cannot be opened (Not a directory)" in result.error["exception_message"]
    assert "keep_progress off" in result.error["exception_message"]


def test_vanished_input_file_loses_no_window(host, tmp_path):
    import folder_paths
    from PIL import Image

    picture = Path(folder_paths.get_input_directory()) / "vanishing.png"
    Image.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)).save(picture)
    prompt = prompt_of(keep_progress=True)
    prompt["image"] = node("LoadImage", image=picture.name)
    expected = frames_of(host, prompt)
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    contents = picture.read_bytes()
    picture.unlink()
    refused = run(host, prompt)
    assert "Invalid image file: vanishing.png" in json.dumps(refused.error["nodes"])
    assert len(list(runs().glob("*/window_*.json"))) == 2
    picture.write_bytes(contents)
    os.utime(picture, (0, 0))  # times do not count
    assert torch.equal(frames_of(host, prompt), expected)
    assert windows_begun() == WINDOWS - 2


def test_times_of_model_files_do_not_count_and_their_contents_do(host, tmp_path):
    import folder_paths

    model = Path(folder_paths.get_full_path_or_raise("model_patches", SMALL["audio_part"]))
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(model.read_bytes())
    folder_paths.add_model_folder_path("model_patches", str(tmp_path))
    prompt = prompt_of(keep_progress=True)
    prompt["model"]["inputs"]["audio_part"] = copy.name
    expected = frames_of(host, prompt)
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    os.utime(copy, (1, 1))
    assert torch.equal(frames_of(host, prompt), expected)
    assert windows_begun() == WINDOWS - 2
    fail_in("decode", 2, 1, RuntimeError("stop"))
    assert not run(host, prompt).ok
    data = bytearray(copy.read_bytes())
    data[-1] ^= 1
    copy.write_bytes(data)
    assert "a new run: it differs in model" in report_of(host, prompt)


@pytest.mark.parametrize("reference", ["source frame", "running mean"])
def test_colour_reference_changes_the_colours_and_is_reported(host, unbroken, reference):
    prompt = prompt_of(colour_reference=reference, rule="infinitetalk", source_frames=30)
    plain = prompt_of(colour_reference="picture", rule="infinitetalk", source_frames=30)
    assert not torch.equal(frames_of(host, prompt), frames_of(host, plain))


def test_drift_correction_holds_the_first_window_through_stops_and_is_reported(host, unbroken):
    held = frames_of(host, prompt_of(drift_correction=1.0))
    first = 5  # frames of a window
    assert torch.equal(held[:first], unbroken[:first])
    assert not torch.equal(held, unbroken)
    prompt = prompt_of(drift_correction=1.0, keep_progress=True)
    fail_in("decode", 2, 1, interrupt())
    assert not run(host, prompt).ok
    result = run(host, prompt)
    assert result.ok, result.error
    assert torch.equal(host_nodes().SAVED_FRAMES.pop(), held)
    assert "before -> after matching and drift_correction" in result.outputs["sampler"][2][0]


def test_unknown_colour_reference_is_refused_by_the_host(host):
    result = host.run(prompt_of(colour_reference="sky"), host.executor())
    assert not result.ok
    assert "sky" in json.dumps(result.error["nodes"])
