"""Chinese pages and words: complete, in step with the English ones, one word for one thing.

A page in English that changes makes its Chinese page fail here where a bullet, a row, a heading,
a word in backticks, a link, a picture or a number differs; a line of a note that has no Chinese
makes tests/nodes/test_words.py fail.
"""

from __future__ import annotations

import json
import re

import pytest

from pack.tests.layers import ROOT

ZH = ROOT / "locales" / "zh"
NODES = json.loads((ZH / "nodeDefs.json").read_text(encoding="utf-8"))
HELP = {path: path.with_suffix("") / "zh.md" for path in (ROOT / "web" / "docs").glob("*.md")}
GUIDES = {
    ROOT / "docs" / path.name: path
    for path in (ROOT / "docs" / "zh").glob("*.md")
    if (ROOT / "docs" / path.name).is_file()
}
PAGES = HELP | GUIDES
FRONT = ROOT / "README_zh.md"
GLOSSARY = (ZH / "GLOSSARY.md").read_text(encoding="utf-8")
CODE, NUMBER = "`([^`]+)`", r"\d+(?:\.\d+)?"
HAN = "\u4e00-\u9fff"
# "of", "or", "and" ... after MultiTalk: the model, not a node.
PARTICLES = "\u7684\u6216\u548c\u9700\u59cb\u8bad\u4ece\u6743\u6bcf\u56fa\u8fd8"
COMMA, COLON, OPEN, CLOSE = "\u3001", "\uff1a", "\uff08", "\uff09"


def read(path):
    return path.read_text(encoding="utf-8")


def pieces(text):
    """Headings, bullets, numbered lines and rows, each with what follows it."""
    return re.split(r"^(?=#+ |- |\d+\. |\| )", text, flags=re.MULTILINE)


def facts(piece):
    """What is the same in every language, and the numbers."""
    piece = re.sub("```.*?```", "", piece, flags=re.DOTALL)
    places = re.findall(r"\]\(([^)]+)\)", piece)
    words = re.sub(r"\]\([^)]+\)", "]", " ".join(piece.split()))
    code = set(re.findall(CODE, words))
    numbers = set(re.findall(NUMBER, re.sub(CODE, "", words)))
    mark = re.split(r"(?<= )", piece, maxsplit=1)[0]
    mark = mark if re.fullmatch(r"#+ |- |\d+\. |\| ", mark) else ""
    files = [p if "://" in p else p.split("/")[-1] for p in places if "#" not in p]
    return (mark, code, files), numbers


def differences(english, chinese):
    """What a Chinese text lacks or has too much, by the English piece."""
    ours, theirs = pieces(english), pieces(chinese)
    found: list[object] = [
        (piece, one, other)
        for piece, translated in zip(ours, theirs, strict=False)
        for (one, numbers), (other, known) in [(facts(piece), facts(translated))]
        if one != other or not numbers <= known
    ]
    return found if len(ours) == len(theirs) else [*found, (len(ours), len(theirs))]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_chinese_page_says_what_the_english_one_says(page):
    assert differences(read(page), read(PAGES[page])) == []


def test_pages_are_those_that_the_editor_asks_for():
    assert set((ROOT / "web" / "docs").glob("*/*")) == set(HELP.values())


def table_rows(text):
    """Facts of the rows of files, with folder, size and place, and of presets."""
    rows = re.findall(r"^\| (?:`|full|FusionX|lightx2v|FlashTalk).*", text, flags=re.MULTILINE)
    return [facts(row) for row in rows]


def test_front_page_names_the_files_and_presets_of_the_english_one():
    rows = table_rows(read(ROOT / "README.md"))
    assert len(rows) >= 4  # presets; the files stand in docs/models.md
    assert table_rows(read(FRONT)) == rows
    assert f"]({FRONT.name})" in read(ROOT / "README.md").splitlines()[0]


def test_front_page_says_nothing_that_the_english_one_does_not():
    english = read(ROOT / "README.md")
    (_, code, _), numbers = facts(read(FRONT))
    assert [word for word in code if word not in english] == []
    assert numbers <= set(re.findall(NUMBER, english))


def test_links_of_chinese_pages_lead_somewhere():
    for path in [*PAGES.values(), FRONT]:
        place = path.parents[1] if path in HELP.values() else path.parent  # the editor's base
        for link in re.findall(r"\]\(([^)#]+)", re.sub(CODE, "", read(path))):
            assert "://" in link or (place / link).is_file(), (path, link)


def test_a_change_of_the_english_page_is_noticed():
    english = read(ROOT / "web" / "docs" / "MultiTalkTracks.md")
    chinese = read(PAGES[ROOT / "web" / "docs" / "MultiTalkTracks.md"])
    for old, new in (
        ("`gap` (seconds)", "`pause` (seconds)"),
        ("-60 dB", "-50 dB"),
        ("- `mix`:", "- `extra`: new.\n- `mix`:"),
        ("## Outputs", "## What\n\nNew.\n\n## Outputs"),
        ("MultiTalkTracks.webp", "other.webp"),
    ):
        assert old in english
        assert differences(english.replace(old, new), chinese) != []


def test_pages_call_nodes_by_their_chinese_names():
    names = tuple(node["display_name"] for node in NODES.values())
    for path in [*PAGES.values(), FRONT]:
        text = read(path).replace("\n", "")
        for called in re.findall(rf"MultiTalk (?![{PARTICLES}])[{HAN}].{{8}}", text):
            assert called.startswith(names), (path, called)
    for name, node in NODES.items():
        page = PAGES[ROOT / "web" / "docs" / f"{name}.md"]
        assert read(page).startswith(f"# {node['display_name']}\n"), page


def chinese_labels():
    """Names that an input, an output or a choice of this key may have, measures left out."""
    known = {}
    for node in NODES.values():
        for key, words in node["inputs"].items():
            own = re.sub(r"^(preset|size|placement)_", "", key)
            known.setdefault(own, set()).add(words["name"].split(OPEN)[0])
            for choice, name in words.get("options", {}).items():
                known.setdefault(choice, set()).add(name.split(OPEN)[0])
    outputs = {words["name"] for node in NODES.values() for words in node["outputs"].values()}
    return {key: names | outputs for key, names in known.items()}


def test_pages_call_inputs_and_outputs_by_their_chinese_names():
    known, seen = chinese_labels(), 0
    for path in [*PAGES.values(), FRONT]:
        pattern = rf"`(\w+)`{OPEN}([^{CLOSE}{COMMA}{COLON}\uff0c\uff1b]+)"
        for key, label in re.findall(pattern, read(path)):
            if key in known and re.search(f"[{HAN}]", label):
                assert label in known[key], (path, key, label)
                seen += 1
    assert seen > 100


def test_one_word_for_one_thing():
    rows = re.findall(r"^\| .+ \| .+ \| (.+) \|$", GLOSSARY, flags=re.MULTILINE)[1:]
    others = [word for row in rows for word in row.split(COMMA)]
    assert len(others) > 25
    for path in [*PAGES.values(), FRONT, *ZH.glob("*.json")]:
        text = read(path)
        assert [word for word in others if word in text] == [], path
