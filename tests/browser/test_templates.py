"""The templates page with our pack chosen, and the words by which graphs and nodes are found."""

from __future__ import annotations

import pytest

from pack.tools.make.graph_index import BLUEPRINT_FILES, FILES, NAMES, template_picture

OPEN = "async () => { await app.extensionManager.command.execute('Comfy.BrowseTemplates') }"
CARDS = """() => [...document.querySelectorAll('[data-testid^=template-workflow-]')].map(card => {
  const picture = card.querySelector('img');
  const title = card.querySelector('h3');
  return { file: card.dataset.testid.slice('template-workflow-'.length), title: title.title,
    source: decodeURI(picture?.src ?? ''), natural: picture?.naturalWidth ?? 0,
    box: picture ? [picture.clientWidth, picture.clientHeight] : [] };
})"""
LISTS = """async () => {
  const { api } = await import('/scripts/api.js');
  return await api.getWorkflowTemplates();
}"""
FIND_NODES = """async (word) => {
  const pinia = document.querySelector('#vue-app').__vue_app__.config.globalProperties.$pinia;
  const found = pinia._s.get('nodeDef').nodeSearchService.searchNode(word, [], { limit: 64 });
  return found.map(node => node.display_name);
}"""


@pytest.fixture
def templates(editor):
    """The page with the templates of this pack."""
    page = editor.page
    page.evaluate(OPEN)
    page.wait_for_selector("[data-testid=template-workflows-content]")
    page.get_by_text("MultiTalk", exact=True).first.click()  # not the name of the folder
    page.wait_for_function(f"() => ({CARDS})().length == {len(FILES)}")
    return page


def files(page):
    return {card["file"] for card in page.evaluate(CARDS)}


def search(page, words):
    page.get_by_placeholder("Search").last.fill(words)
    page.wait_for_timeout(1500)  # the page waits while somebody types


def giving(answer):
    """What stands in for the host's answer; with a second parameter it would get the request."""
    return lambda route: route.fulfill(json=answer)


def test_every_graph_has_a_title_and_a_square_picture(templates):
    page, seen = templates, {}
    for card in page.locator("[data-testid^=template-workflow-]").all():
        card.scroll_into_view_if_needed()  # a picture is there while it is in view
        picture = card.locator("img")
        picture.wait_for()
        page.wait_for_function("img => img.naturalWidth > 0", arg=picture.element_handle())
        testid = card.get_attribute("data-testid")
        (known,) = [c for c in page.evaluate(CARDS) if testid == f"template-workflow-{c['file']}"]
        seen[known["file"]] = known
    assert set(seen) == set(FILES.values())
    for card in seen.values():
        assert card["title"] == card["file"]
        assert card["source"]
        width, height = card["box"]
        assert width == height > 150


def test_graphs_stand_in_the_order_of_their_numbers(templates):
    assert [card["file"] for card in templates.evaluate(CARDS)] == list(FILES.values())


def test_lists_of_other_packs_and_of_other_forms_stay_as_they_are(editor):
    page = editor.page
    (own,) = [key for key, names in page.evaluate(LISTS).items() if set(names) == set(NAMES)]
    others = {"other": ["2 b", "10 c", "1 a"]}
    for given, seen in (
        (["10 c", "9 b", "1 a"], ["1 a", "9 b", "10 c"]),
        (["2 b", 1], ["2 b", 1]),
        ({"2 b": "1 a"}, {"2 b": "1 a"}),
    ):
        answer = others | {own: given}
        page.route("**/workflow_templates", giving(answer))
        assert page.evaluate(LISTS) == others | {own: seen}
        page.unroute("**/workflow_templates")


def test_pictures_move(templates):
    page = templates
    card = page.get_by_test_id(f"template-workflow-{FILES['toy_one_speaker']}")
    card.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    shots = set()
    for _ in range(6):
        shots.add(card.locator("img").screenshot())
        page.wait_for_timeout(230)
    assert len(shots) > 2
    assert template_picture("toy_one_speaker").read_bytes()[8:12] == b"WEBP"


def test_words_find_graphs(templates):
    page = templates
    for words in ("talking", "lip sync", "lipsync", "avatar"):
        search(page, words)
        assert files(page) >= {file for file in FILES.values() if "no speech" not in file}, words
    search(page, "dub")
    assert FILES["infinitetalk_dub_video"] in files(page)
    search(page, "dialogue")
    assert files(page) >= {f for name, f in FILES.items() if "two_speakers" in name}
    page.get_by_text("All Templates", exact=True).first.click()
    for words in ("talking", "lip sync", "avatar", "dub", "dialogue"):  # among those of all packs
        search(page, words)
        assert files(page) & set(FILES.values()), words


def test_words_find_nodes_and_blueprints(editor):
    main = {"MultiTalk Sampler", "MultiTalk Sample To Video"}
    for words in ("talking", "talking head", "lip sync", "lipsync", "avatar", "dub"):
        found = editor.page.evaluate(FIND_NODES, words)
        assert main <= set(found), words
    for words in ("talking", "lip sync", "avatar"):
        found = editor.page.evaluate(FIND_NODES, words)
        assert BLUEPRINT_FILES["MultiTalk one speaker"] in found, words
    assert "MultiTalk Dialogue" in editor.page.evaluate(FIND_NODES, "dialogue")
    for words in ("dialogue", "lip sync", "avatar"):
        found = editor.page.evaluate(FIND_NODES, words)
        assert BLUEPRINT_FILES["MultiTalk dialogue"] in found, words
