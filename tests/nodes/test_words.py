"""Every node, input and output is explained: tooltips with units, help pages, two languages.

A new node or input fails here until it has all of them. English files are made anew with
`python tools/make/locales.py`, pictures with `python tools/make/node_pictures.py`; help pages and
locales/zh are written by hand.
"""

from __future__ import annotations

import re
import sys

import pytest
from graph_index import FILES
from PIL import Image

from locales import (
    CHOICE_WORDS,
    GRAPH_WORDS,
    LOCALES,
    ROOT,
    SLOT_WORDS,
    english_files,
    every_input,
    flatten,
    read_locale,
    read_nodes,
    source_files,
)

pytestmark = pytest.mark.host
PAGES = ROOT / "web" / "docs"
PICTURE_BYTES = 40_000
SCREEN_LINES = 40
CHINESE = re.compile("[\u4e00-\u9fff]")
# Not translated: names of programs, formats and presets, and measures.
SAME_IN_CHINESE = re.compile(
    r"MultiTalk|FusionX|lightx2v|VAE|CLIP|LoRA|fp8_e4m3fn|fp8_e5m2|int8|quanto_(int8|fp8|int4)"
)
# What a number counts, as its tooltip must say it. A new number needs a line here.
UNITS = {
    "loudness_lufs": "LUFS",
    "gap": "seconds",
    "first_seconds": "seconds",
    "offsets": "seconds",
    "boxes": "pixels",
    "width": "pixels",
    "height": "pixels",
    "size": "pixels",
    "steps": "[Ss]teps",
    "start_frame": "frames",
    "window": "[Ff]rames",
    "overlap": "[Ff]rames",
    "fps": "[Ff]rames per second",
    "timings": "seconds",
    **dict.fromkeys(("text_guidance", "audio_guidance", "audio_strength"), "[Ff]actor"),
    **dict.fromkeys(("colour_match", "speed", "strength", "drift_correction"), "[Ff]actor"),
    **dict.fromkeys(("shift", "step_cache"), "without unit"),
    "seed": "[Ss]ame",
    "cards": "cards",
    "start_strength": "share of noise",
    "level": "decibels",
    **dict.fromkeys(("longest_side", "feather"), "[Pp]ixels"),
}
SECTIONS = ["Inputs", "Outputs", "Three mistakes people make"]
OPTIONAL_SECTIONS = ["Other messages"]
# Words in backticks on the help pages that are neither inputs, outputs nor choices.
OTHER_CODE = {
    *("auto", "output", "temp", "voices", "start_image", "config.json", "pytorch_model"),
    *("a", "b", "de", "es", "fr", "hi", "it", "ja", "pt", "zh", "f1", "f5", "m1", "m7"),
    *("af_", "am_", "bf_", "bm_", "af_heart", "clip_vision_h", "euler", "lcm", "fixed"),
    *("diffusion_models", "model_patches", "audio_encoders"),
    *("jobs", "comfyui"),  # a command of dev.py, and what a Ray worker has
}


@pytest.fixture(scope="module")
def nodes(host):
    return {node.GET_SCHEMA().node_id: node for node in read_nodes(sys.modules[host.pack_name])}


@pytest.fixture(scope="module")
def english(nodes):
    return english_files(nodes.values())


@pytest.fixture(scope="module")
def source(nodes):
    """What a translation has a word for: the nodes and the shipped graphs."""
    return flatten(source_files(nodes.values()))


def own_name(name):
    """An id without its number: strength_2 is strength."""
    return re.sub(r"_\d$", "", name)


def section(page, title):
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return parts[parts.index(title) + 1]


def page_of(name):
    return (PAGES / f"{name}.md").read_text(encoding="ascii")


def bullets(text):
    return re.split(r"^- ", text, flags=re.MULTILINE)[1:]


def code(text):
    return re.findall(r"`([^`\n]+)`", text)


def test_every_node_input_and_output_has_words(english):
    assert [path for path, text in flatten(english).items() if not text.strip()] == []


def test_names_survive_the_editors_message_format(english):
    # Names and descriptions go through vue-i18n, where these signs mean something.
    for words in (english, read_locale("zh")):
        for path, text in flatten(words).items():
            if path[-1] != "tooltip" and GRAPH_WORDS not in path:  # shown by web/words.js
                assert not re.search("[{}@|]", text), path


def test_sentences_are_sentences(english):
    for path, text in flatten(english).items():
        if path[-1] in ("tooltip", "description"):
            assert re.fullmatch(r"[^\s].*\.", text), (path, text)


def test_numbers_have_units(nodes):
    for name, node in nodes.items():
        schema = node.GET_SCHEMA()
        for _, own, item in every_input(schema.inputs):
            if item.get_io_type() in ("INT", "FLOAT") or own_name(own) in UNITS:
                unit = UNITS.get(own_name(own))
                assert unit, f"{name}: {own} is a number; say in UNITS what it counts"
                if item.get_io_type() != "MASK":
                    assert re.search(unit, item.tooltip), (name, own, unit)
        for output in schema.outputs:
            unit = UNITS.get(output.display_name)
            if unit and output.get_io_type() == "STRING":
                assert re.search(unit, output.tooltip), (name, output.display_name, unit)


def test_units_name_nothing_that_is_gone(nodes):
    there = set()
    for node in nodes.values():
        schema = node.GET_SCHEMA()
        there |= {own_name(own) for _, own, _ in every_input(schema.inputs)}
        there |= {output.display_name for output in schema.outputs}
    assert set(UNITS) <= there


def test_english_is_what_the_schemas_give(english):
    assert read_locale("en") == english, "run: python tools/make/locales.py"


def test_every_language_has_the_same_files():
    for folder in LOCALES.iterdir():
        there = {path.name for path in folder.glob("*.json")}
        assert there == {"main.json", "nodeDefs.json"}, folder
    assert {folder.name for folder in LOCALES.iterdir()} == {"en", "zh"}


def test_chinese_names_exactly_what_there_is(source):
    wanted, there = set(source), set(flatten(read_locale("zh")))
    assert wanted - there == set(), "missing in locales/zh"
    gone = {
        path for path in there - wanted if not {GRAPH_WORDS, SLOT_WORDS, CHOICE_WORDS} & set(path)
    }
    assert gone == set(), "in locales/zh, but gone"  # words of graphs go with the next locales.py


def test_chinese_is_chinese(source):
    chinese = flatten(read_locale("zh"))
    for path, text in source.items():
        assert CHINESE.search(chinese[path]) or SAME_IN_CHINESE.fullmatch(chinese[path]), path
        assert chinese[path] != text or SAME_IN_CHINESE.fullmatch(text), path


def test_chinese_says_the_same_numbers(source):
    # A number that changed in English must change in Chinese; words cannot be compared.
    chinese = flatten(read_locale("zh"))
    for path, text in source.items():
        if path[-1] in ("tooltip", "description") or GRAPH_WORDS in path:
            numbers = re.findall(r"\d+(?:\.\d+)?", text)
            theirs = re.findall(r"\d+(?:\.\d+)?", chinese[path])
            assert set(numbers) <= set(theirs), (path, text, chinese[path])


def test_lines_of_graphs_can_be_told_apart_in_both_languages():
    # web/words.js finds the English line by the Chinese one too.
    lines = read_locale("zh")["main.json"][GRAPH_WORDS]
    assert len(set(lines.values())) == len(lines)
    assert not set(lines) & set(lines.values())
    assert [line for pair in lines.items() for line in pair if "\n" in line] == []


def test_only_other_languages_leave_ascii():
    paths = [*(LOCALES / "en").iterdir(), *PAGES.glob("*.md")]
    assert [path.name for path in paths if not path.read_bytes().isascii()] == []


def test_every_page_and_picture_belongs_to_a_node(nodes):
    pages = {path.stem for path in PAGES.glob("MultiTalk*.md")}
    assert pages == set(nodes)
    assert {path.stem for path in PAGES.glob("*.webp")} == set(nodes)


def test_pages_have_their_sections(nodes):
    for name, node in nodes.items():
        page = page_of(name)
        title = f"# {node.GET_SCHEMA().display_name}\n"
        assert page.startswith(f"{title}\n![The node in the editor]({name}.webp)\n\n"), name
        introduction = page.split("\n## ")[0].split("\n\n", 2)[2]
        assert len(introduction.split()) >= 10, f"{name} does not say what the node does"
        found = re.findall(r"^## (.+)$", page, flags=re.MULTILINE)
        assert [title for title in found if title not in OPTIONAL_SECTIONS] == SECTIONS, name


def test_pages_tell_three_mistakes_and_the_way_out(nodes):
    for name in nodes:
        mistakes = bullets(section(page_of(name), SECTIONS[2]))
        assert len(mistakes) == 3, name
        for mistake in mistakes:
            assert re.match(r"\*\*[^*]+[.?]\*\* \S", mistake), (name, mistake)
            assert len(mistake.split("**")[2].split()) >= 5, f"{name}: no way out of {mistake}"


SEARCHES = {
    "talking": {"MultiTalkSampler", "MultiTalkSampleToVideo", "MultiTalkVideoCombine"},
    "avatar": {"MultiTalkSampler", "MultiTalkSampleToVideo", "MultiTalkLoadModel"},
    "lip sync": {"MultiTalkSampler", "MultiTalkSampleToVideo", "MultiTalkSpeechEmbedding"},
    "lipsync": {"MultiTalkSampler", "MultiTalkSampleToVideo", "MultiTalkSpeechEmbedding"},
    "dub": {"MultiTalkSampler", "MultiTalkSampleToVideo"},
    "dialogue": {"MultiTalkDialogue", "MultiTalkTracks", "MultiTalkSpeakers"},
    "text to speech": {"MultiTalkSpeak", "MultiTalkLoadKokoro"},
}


@pytest.mark.parametrize("search", SEARCHES)
def test_words_that_people_search_for_find_the_nodes(nodes, search):
    schemas = {name: node.GET_SCHEMA() for name, node in nodes.items()}
    texts = {name: [s.display_name, *s.search_aliases] for name, s in schemas.items()}
    # Every word begins a word of one text, as the editor's search wants it.
    found = {
        name
        for name, heard in texts.items()
        for text in heard
        if all(re.search(rf"\b{word}", text.lower()) for word in search.split())
    }
    assert found >= SEARCHES[search]


def test_pages_name_exactly_the_inputs_and_outputs(nodes):
    for name, node in nodes.items():
        schema, page = node.GET_SCHEMA(), page_of(name)
        inputs = {own for _, own, _ in every_input(schema.inputs)}
        words = {word for text in bullets(section(page, "Inputs")) for word in code(text)}
        assert {own for own in inputs if not re.search(r"_[2-9]$", own)} <= words, name
        heads = [text.split(":")[0] for text in bullets(section(page, "Inputs"))]
        assert {word for head in heads for word in code(head)} <= inputs, name
        outputs = {output.display_name for output in schema.outputs}
        heads = [text.split(":")[0] for text in bullets(section(page, "Outputs"))]
        assert {word for head in heads for word in code(head)} == outputs, name


def test_pages_name_nothing_that_is_gone(nodes, english):
    known = OTHER_CODE | FILES.keys()
    for path, text in flatten(english).items():
        known |= {text} if path[-1] == "name" or path[-2] == "options" else set()
    for path in PAGES.glob("*.md"):
        words = code(re.sub(r"```.*?```", "", path.read_text(encoding="ascii"), flags=re.DOTALL))
        unknown = {w for w in words if re.fullmatch(r"[a-z][a-z0-9_]*", w)} - known
        assert unknown == set(), path.name


def test_pictures_are_small_and_whole(nodes):
    for name in nodes:
        path = PAGES / f"{name}.webp"
        assert path.stat().st_size < PICTURE_BYTES, path
        with Image.open(path) as picture:
            picture.load()
            assert picture.width >= 200
            assert picture.height >= 60


def test_pages_call_the_nodes_by_their_names(nodes):
    names = [node.GET_SCHEMA().display_name for node in nodes.values()]
    for path in PAGES.glob("*.md"):
        text = " ".join(path.read_text(encoding="ascii").split())
        for called in re.findall(r"MultiTalk (?:[A-Z][A-Za-z]+ ?)+", text):
            assert any(called.startswith(name) for name in names), (path.name, called)


def test_troubleshooting_is_complete_and_short():
    text = (PAGES / "troubleshooting.md").read_text(encoding="ascii")
    titles = re.findall(r"^## (.+)$", text, flags=re.MULTILINE)
    assert [title[:3] for title in titles] == [f"{letter}. " for letter in "ABCDEFGHIJKLMN"]
    anchors = {re.sub(r"[^a-z -]", "", title.lower()).replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) == anchors
    rows = re.findall(r"^\| (\d+) \| (\".+\") \| \[([A-N])\]", text, flags=re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == list(range(1, 21))
    for _, pain, letter in rows:
        group = section(text, next(title for title in titles if title.startswith(letter)))
        assert pain.rstrip('."?') in group, f"{pain} has no answer in {letter}"
    for title in titles:
        group = section(text, title)
        assert len(group.splitlines()) <= SCREEN_LINES, title
        for answer in bullets(group):
            assert re.match(r'\*\*".+?"\.?\*\* \S', answer, flags=re.DOTALL), (title, answer)
