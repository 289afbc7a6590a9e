"""An error is said on the page: on the nodes, and in the editor's own list of errors."""

from __future__ import annotations

import json

from .editor import QUEUE
from .test_players import QUICK

SAID = r"""() => Object.fromEntries(app.graph._nodes.map(node => [
  node.title, node.widgets?.find(widget => widget.name == '$$node-text-preview')?.value,
]).filter(([, text]) => text).map(([title, text]) => [title, text.replaceAll('\u2060', '')]))"""
PAGE = r"() => document.body.innerText.replaceAll('\u2060', '')"
ONE_BOX = {"MultiTalkSpeakers": {"boxes": "85, 103, 345, 373"}}


def test_a_wrong_box_is_said_on_the_sampler_and_where_it_was_typed_until_the_next_run(editor):
    editor.load("toy_two_speakers_boxes", ONE_BOX | QUICK)
    editor.run()
    said = editor.page.evaluate(SAID)
    assert set(said) == {"MultiTalk Sampler", "MultiTalk Speakers"}
    (sentence,) = set(said.values())
    assert "masks holds 1 mask" in sentence
    assert editor.texts().count(sentence) == 2
    assert editor.broken_words() == []
    editor.load("toy_two_speakers_boxes", QUICK)
    editor.press_run()
    assert editor.page.evaluate(SAID) == {}
    editor.client.interrupt()
    editor.wait_until_idle()


def test_a_sound_that_nobody_chose_is_said_under_its_node_and_in_the_list_of_errors(editor):
    editor.load("multitalk_one_speaker")
    (fault,) = json.loads(editor.page.evaluate(QUEUE)).values()
    assert fault["class_type"] == "LoadAudio"
    editor.page.wait_for_timeout(1000)
    said = editor.page.evaluate(SAID)
    assert list(said) == ["Voice"]
    assert said["Voice"].startswith("No sound is chosen yet. Choose one on this node, or upload")
    assert said["Voice"] in editor.texts()
    editor.page.get_by_text("View details").click()
    editor.page.get_by_role("button", name="Info for Voice - audio").click()
    editor.page.wait_for_timeout(500)
    assert "no sound is chosen yet. Choose one on this node" in editor.page.evaluate(PAGE)
