"""Every page, section and list of names that the code cites lies in the repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pack.tests.layers import ROOT, sources

DOCS = ROOT / "docs"
CODE = [*sources("weights", "multitalk", "kokoro", "nodes", "workflows", "tools", "tests")]
# Where pages lie that are no fact sheets.
PLACES = ("docs", ".", "locales/zh", "tests/goldens", "tools/bench", "web/docs", "workflows/api")
PLACES += ("web/docs/troubleshooting",)  # a page in Chinese
WRITTEN = {"numbers.md"}  # by tools/lab, into a folder of the user's
MANIFESTS = ROOT / "tests" / "weights" / "manifests"
NUMBERS = r"\d+(?:\.\d+)*(?:(?:, | and | to )\d+(?:\.\d+)*)*"
CITED = re.compile(rf"([A-Za-z_0-9]+\.md)(?:,? sections? | )({NUMBERS})?")
PAGE = re.compile(r"\b[A-Za-z_0-9]+\.md\b")
TEST = re.compile(r"`(tests/[\w/.]+)`")
MANIFEST = re.compile(r"\b(?:wan21|multitalk_audio|umt5|clip_vit|quanto_dit|kokoro_82m)\w*\.json\b")


def find_page(name):
    return next((ROOT / place / name for place in PLACES if (ROOT / place / name).is_file()), None)


def sections_of(page):
    """Numbers of a page's headings; where headings have none, those of its entries."""
    text = page.read_text(encoding="utf-8")
    heads = re.findall(r"^#+ (\d+(?:\.\d+)*)\.? ", text, re.MULTILINE)
    return heads or re.findall(r"^(\d+)\. ", text, re.MULTILINE)


def cited_sections(words):
    """Single numbers of "4 to 6", "2, 3 and 9", "3.4"."""
    for part in re.split(r", | and ", words):
        first, *last = part.split(" to ")
        whole = range(int(first), int(last[0]) + 1) if last else ()
        yield from (str(number) for number in whole) if last else (first,)


def faults(text):
    """What a file cites and the repository lacks."""
    text = re.sub(r"\s*\n\s*#?\s*", " ", text)
    for name in set(PAGE.findall(text)) - WRITTEN:
        if find_page(name) is None:
            yield name
    for name, words in CITED.findall(text):
        page = find_page(name)
        if page and words:
            here = sections_of(page)
            yield from (f"{name} {one}" for one in cited_sections(words) if one not in here)
    for name in TEST.findall(text):
        if not (ROOT / name).exists():
            yield name
    for name in MANIFEST.findall(text):
        if not (MANIFESTS / name).is_file():
            yield name


def test_what_code_cites_is_here():
    texts = {path: path.read_text(encoding="utf-8") for path in CODE if path != Path(__file__)}
    assert [f"{path}: {fault}" for path, text in texts.items() for fault in faults(text)] == []
    cited = {name for text in texts.values() for name in PAGE.findall(text)}
    assert {path.name for path in DOCS.glob("*.md")} <= cited  # no page that nobody needs


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_pages_cite_pages_that_are_here(page):
    text = page.read_text(encoding="ascii")
    assert list(faults(text)) == []
    assert len(sections_of(page)) == len(set(sections_of(page)))
    contents = (DOCS / "README.md").read_text(encoding="ascii")
    assert page.name == "README.md" or f"`{page.name}`" in contents


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Source: nowhere.md section 1.", "nowhere.md"),
        ("Source: sampling.md section 99.", "sampling.md 99"),
        ("Source: sampling.md sections\n    4 and 13.", "sampling.md 13"),
        ("Source: sampling.md 5 to 13", "sampling.md 13"),
        ("decisions.md 2, 3 and 900.", "decisions.md 900"),
        ("# toy.md section\n# 3.9", "toy.md 3.9"),
        ("Tried in `tests/nodes/test_nothing.py`.", "tests/nodes/test_nothing.py"),
        ("Names: wan21_i2v_15b_base.json", "wan21_i2v_15b_base.json"),
    ],
)
def test_missing_source_is_noticed(text, fault):
    assert fault in list(faults(text))


def test_sources_that_are_here_are_no_fault():
    text = "denoiser.md sections 4 to 6; toy.md section 3.4, traps.md 47, decisions.md 2, 3 and 9"
    assert list(faults(text)) == []
    assert len(CODE) > 200
