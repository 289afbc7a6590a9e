"""At the end of every toy graph a person sees a player, and it plays."""

from __future__ import annotations

import re

import pytest

from pack.tools.make.graph_index import FILES

TOYS = sorted(name for name in FILES if name.startswith("toy_"))
SMALL = {"size.width": 64, "size.height": 48, "preset.steps": 1}
QUICK = {"MultiTalkSampler": SMALL, "MultiTalkSampleToVideo": SMALL}
# The script is of a few words: speech is what this graph waits for.
SCRIPT = {"script": "Anna: Hello, you!\nBen: Yes, Anna?"}
SHORT = {"toy_dialogue": QUICK | {"MultiTalkDialogue": SCRIPT}}
OTHER_PX = {"toy_dub": 288, "toy_continue": 144, "toy_smooth": 128}
"""Widths: of the source, of the first part with which the new one is joined, and doubled."""


@pytest.mark.parametrize("name", TOYS)
def test_toy_graph_ends_with_a_player_that_plays(shared_editor, name):
    editor = shared_editor
    editor.client.free()  # remembers no result
    editor.load(name, SHORT.get(name, QUICK))
    assert editor.players() == []
    fields = editor.fields()
    editor.run()
    editor.wait_for_player()
    assert editor.fields() == fields  # a run takes nothing from a text
    (before,) = editor.players()
    (after,) = editor.play()
    assert before["error"] is None
    assert before["width"] == OTHER_PX.get(name, 64)
    assert before["seconds"] >= 1  # the first look is as long
    assert not after["paused"]
    assert after["time"] != before["time"]


SAMPLER = "MultiTalkSampleToVideo"
SLOWER = {SAMPLER: {"size.width": 96, "size.height": 96, "preset.steps": 6, "keep_progress": True}}


def test_player_is_there_early_and_stays_after_a_stop_and_from_the_cache(shared_editor):
    editor = shared_editor
    editor.client.free()
    editor.load("toy_long_video", SLOWER)
    editor.press_run()
    editor.wait_for_player(96)  # not that of a run before
    assert editor.is_busy()
    (early,) = editor.play()
    assert early["width"] == 96
    assert not early["paused"]
    editor.client.interrupt()
    editor.wait_until_idle()
    (part,) = editor.players()
    stopped = r"stopped; \d of \d windows kept, press Run to go on"
    assert [words for words in editor.texts() if re.fullmatch(stopped, words)]
    assert part["error"] is None
    assert "multitalk_runs" in part["source"]
    for _ in ("goes on", "is all in the cache"):
        editor.run()
        (whole,) = editor.players()
        assert part["seconds"] < whole["seconds"]
        assert whole["error"] is None
        assert "video%2F" not in whole["source"]
        assert "subfolder=video" in whole["source"]
    assert [words for words in editor.texts() if words.startswith("done: ")]
    assert editor.broken_words() == []
