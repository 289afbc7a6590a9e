"""How far it is to the first talking video: counted in clicks, drops and choices, in both modes."""

from __future__ import annotations

import base64
import io
import json
import wave

import pytest
from PIL import Image

from pack.tools.make.graph_index import FILES

from .test_players import QUICK, SHORT

SET = """([kind, values]) => {
  for (const node of app.graph._nodes) if (node.type == kind) for (const widget of node.widgets)
    if (widget.name in values) widget.value = values[widget.name];
}"""
EXAMPLE = """() => {
  const node = app.graph._nodes.find(node => node.type == 'MultiTalkExample');
  const { ds, canvas } = app.canvas, box = canvas.getBoundingClientRect();
  return [box.x + (node.pos[0] + node.size[0] / 2 + ds.offset[0]) * ds.scale,
          box.y + (node.pos[1] - 12 + ds.offset[1]) * ds.scale];
}"""
DROP = """async ([x, y, files]) => {
  const data = new DataTransfer();
  for (const [name, type, text] of files) {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    data.items.add(new File([bytes], name, { type }));
  }
  const place = { clientX: x, clientY: y, bubbles: true, cancelable: true, dataTransfer: data };
  const target = document.elementFromPoint(x, y);
  for (const kind of ['dragenter', 'dragover']) target.dispatchEvent(new DragEvent(kind, place));
  await new Promise(done => setTimeout(done, 300));
  target.dispatchEvent(new DragEvent('drop', place));
}"""
CHOSEN = """() => Object.fromEntries(app.graph._nodes.find(node => node.type == 'MultiTalkExample')
  .widgets.map(widget => [widget.name, widget.value]))"""


class Hand:
    """Clicks and drops as a person does, and counts them."""

    def __init__(self, page):
        self.page = page
        self.actions = 0

    def click(self, place):
        place.click()
        self.actions += 1

    def drop(self, *files):
        x, y = self.page.evaluate(EXAMPLE)
        self.page.evaluate(DROP, [x, y, files])
        self.actions += 1

    def open_template(self, name):
        """From the templates page, with our pack chosen."""
        self.click(self.page.get_by_test_id(f"template-workflow-{FILES[name]}"))
        self.page.wait_for_function("() => app.graph._nodes.length > 5")
        self.page.wait_for_timeout(1500)


def choose_pack(hand):
    """The templates page with the templates of this pack."""
    hand.click(hand.page.get_by_role("button", name="Templates").first)
    hand.page.wait_for_selector("[data-testid=template-workflows-content]")
    hand.click(hand.page.get_by_text("MultiTalk", exact=True).first)
    hand.page.wait_for_timeout(500)


def make_quick(page, name):
    """The same run with fewer steps and pixels; no action of a person."""
    for change in SHORT.get(name, QUICK).items():
        page.evaluate(SET, list(change))


def own_picture():
    """A picture that nobody has yet."""
    data = io.BytesIO()
    Image.new("RGB", (96, 64), "#d04020").save(data, "PNG")
    return ("my face.png", "image/png", base64.b64encode(data.getvalue()).decode())


def own_sound(seconds):
    """A sound of a length that no other has."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(250)) * int(8000 * seconds * 2 // 250))
    return ("my voice.wav", "audio/wav", base64.b64encode(data.getvalue()).decode())


def ends_with_a_player(editor):
    editor.wait_until_idle()
    editor.wait_for_player()
    (player, *_) = editor.play(0.3)
    assert player["error"] is None
    assert player["time"] > 0  # App mode plays a short video once, to its end
    return player


def test_first_video_is_three_clicks_from_the_templates(editor):
    hand = Hand(editor.page)
    choose_pack(hand)
    hand.actions = 1  # a new ComfyUI opens with its templates
    hand.open_template("toy_one_speaker")
    make_quick(editor.page, "toy_one_speaker")
    hand.click(editor.page.get_by_role("button", name="Run", exact=True).first)
    assert ends_with_a_player(editor)["width"] == 64
    assert hand.actions == 3


@pytest.mark.parametrize("name", ["toy_one_speaker", "toy_dialogue"])
def test_an_app_is_three_clicks_from_the_templates(editor, name):
    page, hand = editor.page, Hand(editor.page)
    choose_pack(hand)
    hand.actions = 0
    hand.open_template(name)
    make_quick(page, name)
    hand.click(page.get_by_label("Enter app mode"))
    page.get_by_role("button", name="Skip").click()  # the greeting, once per person
    hand.click(page.locator("button:has([data-testid=linear-run-button-icon])"))
    assert ends_with_a_player(editor)["width"] == 64
    assert hand.actions == 3


def test_own_picture_and_sound_are_six_actions_from_the_opened_editor(editor):
    page, hand = editor.page, Hand(editor.page)
    choose_pack(hand)
    hand.open_template("toy_one_speaker")
    make_quick(page, "toy_one_speaker")
    hand.drop(own_picture())
    page.wait_for_function(f"() => ({CHOSEN})().picture == 'my face.png'")
    hand.drop(own_sound(0.6))
    page.wait_for_function(f"() => ({CHOSEN})().voice_1 == 'my voice.wav'")
    hand.click(page.get_by_role("button", name="Run", exact=True).first)
    assert ends_with_a_player(editor)["seconds"] == pytest.approx(0.6, abs=0.05)
    assert hand.actions == 6


def test_both_files_can_be_dropped_at_once_and_a_graph_still_opens(editor):
    page, hand = editor.page, Hand(editor.page)
    editor.load("toy_two_speakers")
    hand.drop(own_sound(0.6), own_picture())
    page.wait_for_function(f"() => ({CHOSEN})().voice_1 == 'my voice.wav'")
    assert page.evaluate(CHOSEN)["picture"] == "my face.png"
    hand.drop(own_sound(0.7))
    page.wait_for_function(f"() => ({CHOSEN})().voice_2.startsWith('my voice')")
    text = json.dumps({"nodes": [], "links": [], "groups": [], "version": 0.4})
    graph = ("none.json", "application/json", base64.b64encode(text.encode()).decode())
    hand.drop(graph)
    page.wait_for_function("() => app.graph._nodes.length == 0")
