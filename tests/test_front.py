"""What people see first: README, docs/migrate.md, the list of graphs, pictures, words to search by.

Facts about other programs cannot be tested here; that our own names are right, can.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from graph_index import FILES, INDEX, NAMES, template_picture
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FORMS = ROOT / ".github" / "ISSUE_TEMPLATE"
MOST_BYTES = 105_000
SIDES = ((320, 320), (384, 384))  # of a card, and of a video of the toy
SHOWN = 31
"""Letters of a title that the templates page shows at its usual width."""


def tokens(text):
    """A text as the templates page cuts it: at blanks, then also at hyphens and underscores."""
    words = text.lower().split()
    return {part for word in words for part in (word, *re.split(r"[-_]", word)) if part}


def found(search):
    """Names of graphs that the page finds: every word begins a word of the file name."""
    return {
        name
        for name, file in FILES.items()
        if all(any(t.startswith(word) for t in tokens(file)) for word in search.lower().split())
    }


def test_list_of_graphs_is_what_lies_there():
    assert {path.stem for path in (ROOT / "workflows").glob("*.json")} == set(NAMES)
    twins = {path.stem for path in (ROOT / "workflows" / "api").glob("*.json")}
    assert twins - {"prompts.schema"} == set(FILES)
    assert len(NAMES) == len(INDEX)


PLAIN = {"wan_image_to_video", "wan_first_last_frame"}  # nobody talks there


@pytest.mark.parametrize("search", ["talking", "talk", "lip sync", "lip-sync", "avatar"])
def test_what_all_graphs_do_finds_all_of_them(search):
    assert found(search) == set(FILES) - PLAIN


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("dub", {"infinitetalk_dub_video", "infinitetalk_dub_mouth", "toy_dub"}),
        ("gguf", {"infinitetalk_low_memory"}),
        ("no download", {entry.name for entry in INDEX if entry.name.startswith("toy_")}),
        ("kokoro", {"multitalk_dialogue"}),
        ("tts", {"multitalk_dialogue", "toy_dialogue"}),
        ("text to speech", {"multitalk_dialogue"}),
        ("portrait", {"multitalk_one_speaker", "infinitetalk_one_speaker"}),
        ("face detector", {"multitalk_two_speakers_detector"}),
        ("InfiniteTalk", {entry.name for entry in INDEX if entry.name.startswith("infinitetalk")}),
    ],
)
def test_what_one_graph_does_finds_it_and_no_other(search, names):
    assert found(search) == names


def test_dialogue_finds_every_graph_with_two_speakers():
    assert found("dialogue") == {
        name for name in FILES if re.search("two_speakers|dialogue|recording", name)
    }


def test_titles_fit_under_their_pictures_and_sort_as_people_read():
    assert list(FILES.values()) == sorted(FILES.values(), key=str.casefold)
    for file in FILES.values():
        title = file.split(" - ")[0]
        assert len(title) <= SHOWN, title
        assert re.fullmatch(r"\d\d [A-Z][\w ,]+", title), title
        assert "_" not in file
        assert "lip-sync," not in file  # the page takes the comma as a part of the word


@pytest.mark.parametrize("name", FILES)
def test_picture_of_a_template_is_square_small_and_moves(name):
    path = template_picture(name)
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as picture:
        assert picture.size in SIDES
        assert picture.n_frames >= 30
        picture.seek(picture.n_frames // 3)
        shades = np.unique(np.asarray(picture.convert("L").resize((16, 16))))
        assert len(shades) > 40  # no empty frame


ASKED = {
    "1_fault.yml": {"what", "report", "graph", "host", "card", "pack", "demo"},
    "2_result.yml": {"what", "report", "graph", "host", "card"},
    "3_wish.yml": {"what"},
}
KINDS = {"markdown", "textarea", "input", "dropdown", "checkboxes"}


@pytest.mark.parametrize("name", ASKED)
def test_issue_form_asks_for_what_helps(name):
    form = yaml.safe_load((FORMS / name).read_text(encoding="ascii"))
    assert form.keys() <= {"name", "description", "labels", "body"}
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in form["body"]} <= KINDS
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)
    assert {f["id"] for f in fields if f["validations"]["required"]} == ASKED[name]


def test_there_is_no_other_way_past_the_forms():
    assert {path.name for path in FORMS.iterdir()} == {*ASKED, "config.yml"}
    config = yaml.safe_load((FORMS / "config.yml").read_text(encoding="ascii"))
    assert config == {"blank_issues_enabled": False}


OURS = json.loads((ROOT / "tests" / "nodes" / "schemas.json").read_text(encoding="ascii"))
HOSTS = {"--use-sage-attention", "--use-flash-attention", "diffusion_models", "images", "audio"}


def inputs_of(sockets):
    """Names of inputs, and of what a choice has in it."""
    for socket in sockets:
        yield socket["id"]
        options = socket.get("options", {})
        yield from options
        for choice in options if isinstance(options, dict) else ():
            yield from inputs_of(options[choice])


def test_readme_begins_with_moving_heads_and_two_ways_to_start():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head, _, _ = text.partition("\n## ")
    lines = [line for line in head.split("\n") if line]
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", lines[1])
    assert len(pictures) == 2
    for picture in pictures:
        with Image.open(ROOT / picture) as shown:
            assert shown.n_frames > 20, picture
    assert "**You have ComfyUI**" in head
    assert "`python dev.py demo`" in head
    for title in re.findall(r"[ (]\*(\d\d [^*]+)\*", text):
        assert any(file.startswith(f"{title} - ") for file in FILES.values()), title


def test_table_beside_the_others_is_whole():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("## Beside the others")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len(rows) > 15
    assert {row.count("|") for row in rows} == {6}
    assert sum("**" in row for row in rows) >= 8  # what the others do better is said


def test_page_for_people_who_move_names_what_is_there():
    text = (ROOT / "docs" / "migrate.md").read_text(encoding="ascii")
    words = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="ascii"))
    titles = {node["display_name"] for node in words.values()}
    assert {t for t in re.findall(r"\*\*(MultiTalk [^*]+)\*\*", text)} <= titles
    known = {name for node in OURS.values() for name in inputs_of(node["inputs"])} | HOSTS
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]
    ours = {word for row in rows for word in re.findall(r"`([^`]+)`", row[-1])}
    assert ours - known == set()
    assert len(ours) > 20


@pytest.mark.parametrize(
    ("file", "kind", "size"),
    [("icon.png", "PNG", (400, 400)), ("banner.jpg", "JPEG", (1680, 720))],
)
def test_registrys_pictures_have_its_sizes(file, kind, size):
    path = ROOT / "assets" / "front" / file
    settings = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'/main/assets/front/{file}"' in settings
    assert path.stat().st_size < 200_000
    with Image.open(path) as picture:
        assert (picture.format, picture.size) == (kind, size)
