"""At the end of every toy graph a person sees a player, and it plays."""

from __future__ import annotations

import pytest

from .editor import ROOT

TOYS = sorted(path.stem for path in (ROOT / "workflows").glob("toy_*.json"))
SMALL = {"size.width": 64, "size.height": 48, "preset.steps": 1}
QUICK = {"MultiTalkSampler": SMALL, "MultiTalkSampleToVideo": SMALL}
# The script is of a few words: speech is what this graph waits for.
SHORT = {"toy_dialogue": QUICK | {"MultiTalkDialogue": {"script": "Anna: Hello!\nBen: Yes?"}}}


@pytest.mark.parametrize("name", TOYS)
def test_toy_graph_ends_with_a_player_that_plays(editor, name):
    editor.load(name, SHORT.get(name, QUICK))
    assert editor.players() == []
    editor.run()
    (before,) = editor.players()
    (after,) = editor.play()
    assert before["error"] is None
    assert before["width"] == 64
    assert before["seconds"] > 1
    assert not after["paused"]
    assert after["time"] != before["time"]
