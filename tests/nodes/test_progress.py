"""What stands under a node while it works: where it is, what a stop left, how long it took."""

from __future__ import annotations

import re
import time
from contextlib import suppress

import pytest

from pack.tests.nodes.stops import WINDOWS, fail_in, interrupt, prompt_of
from pack.tools.host.prompts import node

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]

PLAN = "24 frames of 64 x 64 (1.0 s) in 5 windows; a step takes about 1 MiB of memory beside the "
LEFT = r", about [1-9][\d.]* (s|min) left"


def texts_of(result):
    """What the sampler says; others speak too when the machine is slow."""
    return [d["text"] for e, d in result.events if e == "text" and d["node"] == "sampler"]


def test_words_say_at_all_times_where_a_run_is(host):
    result = host.run(prompt_of(keep_progress=False))
    plan, *texts, last = texts_of(result)
    assert plan == f"{PLAN}model"
    wanted = []
    for number in range(1, WINDOWS + 1):
        wanted += [
            *([f"preparing window {number} of 5"] if number > 1 else []),
            *(f"window {number} of 5, step {step} of 2" for step in (1, 2)),
            f"decoding window {number} of 5",
        ]
    known = list(dict.fromkeys(texts))  # a window is prepared in two parts
    assert [re.sub(LEFT, "", text) for text in known] == wanted
    done = [not re.search(LEFT, text) for text in known]
    assert done == [False] * (len(wanted) - 2) + [True, True]  # nothing is left after the last step
    assert re.fullmatch(r"done: 1\.0 s of video in [1-9][\d minhs]*", last)


@pytest.mark.parametrize("to_video", [False, True])
def test_stop_says_what_is_kept_and_the_next_run_says_that_it_goes_on(host, to_video):
    prompt = prompt_of(keep_progress=True, to_video=to_video)
    fail_in("decode", 3, 1, interrupt())
    stopped = host.rerun(prompt)
    assert texts_of(stopped)[-1] == "stopped; 3 of 5 windows kept, press Run to go on"
    plan, *_, last = texts_of(host.rerun(prompt))
    assert plan == f"{PLAN}model;\ncontinues an earlier run: 3 of 5 windows are there"
    assert re.fullmatch(r"done: .* in [1-9][\d minhs]*; 3 of 5 windows were there already", last)


@pytest.mark.parametrize(
    ("to_video", "after", "words"),
    [
        (False, 2, "stopped; keep_progress is off, so the 2 finished windows of 5 cannot be used"),
        (False, 1, "stopped; keep_progress is off, so the 1 finished window of 5 cannot be used"),
        (True, 2, "stopped; 2 of 5 windows are in the video, Run begins a new one"),
        (True, 0, "stopped before the first window was done; press Run to begin again"),
    ],
)
def test_stop_of_a_run_that_keeps_nothing_says_so(host, to_video, after, words):
    fail_in("decode", after, 1, interrupt())
    result = host.run(prompt_of(keep_progress=False, to_video=to_video), host.executor())
    assert texts_of(result)[-1].startswith(words)


def editor(host):
    """The recorder as a program that shows nodes; another one listens too."""
    flags = {"feature_flags": {"supports_preview_metadata": True}}
    return {host.recorder.client_id: flags, "program": {"feature_flags": {}}}


def shown(result):
    """Videos that the editor was told of, and how many windows had been decoded until then."""
    begun = 0  # the editor's own words have joints inside
    for event, data in result.events:
        begun += event == "text" and data["text"].startswith("decoding")
        if event == "executed" and data["output"]:
            (video,) = data["output"]["images"]
            assert data["output"]["animated"] == [True]
            yield begun, f"{video['subfolder']}/{video['filename']}", data


@pytest.mark.parametrize("keep", [False, True])
def test_player_appears_after_the_first_window_and_grows(host, monkeypatch, keep):
    prompt = prompt_of(to_video=True, keep_progress=keep, seconds=1.2)
    monkeypatch.setattr(host.recorder, "sockets_metadata", {})
    (only,) = shown(host.rerun(prompt))  # an API client gets what it always got
    monkeypatch.setattr(host.recorder, "sockets_metadata", editor(host))
    result = host.rerun(prompt)
    *early, (_, last, data) = shown(result)
    # 9, 17 and 29 of 30 frames: always half as many again; while the next window is made.
    assert all(b in (n, n + 1) for (b, *_), n in zip(early, (1, 3, 6), strict=True))
    assert data.keys() == only[2].keys() == early[0][2].keys()
    assert {(d["node"], d["display_node"], d["prompt_id"]) for *_, d in early} == {
        ("sampler", "sampler", result.prompt_id)
    }
    assert all(name.startswith("multitalk_runs/") == keep for _, name, _ in early)
    assert last.startswith("video/long_")
    assert not [d for e, d in result.events if e == "progress" and d["preview"]]


def test_stopped_player_shows_all_that_there_is(host, monkeypatch):
    monkeypatch.setattr(host.recorder, "sockets_metadata", editor(host))
    prompt = prompt_of(to_video=True, keep_progress=True)
    fail_in("decode", 2, 1, interrupt())
    names = [(begun, name) for begun, name, _ in shown(host.rerun(prompt))]
    assert [begun in (1, 2) for begun, _ in names] == [True, False]
    assert names[1][0] == 3  # the second while the third was decoded
    again = list(shown(host.rerun(prompt)))
    # What was kept is shown at once, not window by window.
    first, second, *_ = (begun for begun, *_ in again)
    assert first == 0
    assert second in (2, 3)  # written while the one behind it is made


def test_words_hold_together_for_an_editor_and_are_plain_for_others(host, monkeypatch):
    progress = host.module("nodes.progress")
    sent = []
    monkeypatch.setattr(host.recorder, "sockets_metadata", editor(host))
    monkeypatch.setattr(host.recorder, "send_progress_text", lambda *message: sent.append(message))
    text = "decoding window 2\nof_a_very_long_file_name.safetensors"
    progress.send_text(text, "7")
    (mine, node, first), (plain, _, second) = sent
    assert (plain, node, {first, second}) == (text, "7", {*editor(host)})
    assert mine.replace("\u2060", "") == text
    assert "\u2060".join("decoding") in mine
    assert "_v" in mine  # a long name may end a line after a sign
    assert " " in mine
    assert "\n" in mine


def test_only_work_that_takes_long_has_words(host, monkeypatch):
    progress = host.module("nodes.progress")
    sent = []
    monkeypatch.setattr(progress, "send_text", lambda text, node: sent.append((text, node)))
    monkeypatch.setattr(
        progress, "get_executing_context", lambda: type("Running", (), {"node_id": "7"})
    )
    with progress.Waiting("loading a", "loaded a") as waiting:
        waiting.say("loading b")
    assert sent == []
    monkeypatch.setattr(progress, "WAITING_S", 0.01)
    with progress.Waiting("loading a", "loaded a") as waiting:
        time.sleep(0.2)
        waiting.say("loading b")
    assert [text for text, _ in sent] == ["loading a", "loading b", "loaded a in 1 s"]
    sent.clear()
    with suppress(OSError), progress.Waiting("loading a", "loaded a"):
        time.sleep(0.2)
        raise OSError
    assert sent == [("loading a", "7")]


def test_pictures_of_nodes_stay_when_nothing_is_made_again(host):
    prompt = {
        "example": node("MultiTalkExample", scene="two_speakers"),
        "speakers": node("MultiTalkSpeakers", image=["example", 0], detections=["example", 3]),
        "keep": node("TestKeepFrames", images=["speakers", 1]),
    }
    executor = host.executor()
    for ran in ({"example", "speakers"}, set()):
        result = host.run(prompt, executor)
        pictures = {d["node"] for e, d in result.events if e == "executed" and d["output"]}
        assert pictures == {"example", "speakers"}
        assert set(result.executed) - {"keep"} == ran
