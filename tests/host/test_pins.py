import re
from pathlib import Path

import pytest
import tomllib

from pack.tools.host.pins import PINS_FILE, parse_pins, read_pins

ROOT = Path(__file__).resolve().parents[2]
HEAD = """# A comment.
# repository: https://github.com/a/b
# commit: abc
# version: 1.2
# torch: torch==2.0 torchvision==0.1
"""


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def name_of(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>~!\[; ]", requirement)[0]).lower()


def test_pins_are_read_from_comments_and_requirements():
    pins = parse_pins(HEAD + "\n# The host\nnumpy==2.4.6\n")
    assert pins.repository == "https://github.com/a/b"
    assert (pins.commit, pins.version) == ("abc", "1.2")
    assert pins.torch == ("torch==2.0", "torchvision==0.1")
    assert pins.requirements == ("numpy==2.4.6",)


def test_missing_value_is_named():
    with pytest.raises(ValueError, match="no line for commit"):
        parse_pins(HEAD.replace("# commit: abc\n", ""))


def test_open_requirement_is_refused():
    with pytest.raises(ValueError, match="'numpy>=2' is not of the form"):
        parse_pins(HEAD + "numpy>=2\n")


def test_requirement_for_older_pythons_is_read_and_other_markers_are_not():
    marked = 'misaki==0.9.4; python_version < "3.13"'
    assert parse_pins(f"{HEAD}{marked}\n").requirements == (marked,)
    with pytest.raises(ValueError, match="is not of the form"):
        parse_pins(HEAD + 'misaki==0.9.4; sys_platform == "linux"\n')


def test_repository_pins_hold_the_host_and_the_pack():
    pins = read_pins()
    assert re.fullmatch("[0-9a-f]{40}", pins.commit)
    assert [name_of(each) for each in pins.torch] == ["torch", "torchvision", "torchaudio"]
    names = [name_of(each) for each in pins.requirements]
    assert len(names) == len(set(names))
    assert {name_of(each) for each in project()["dependencies"]} <= set(names)
    assert not {name_of(each) for each in pins.torch} & set(names)
    assert PINS_FILE.read_text(encoding="utf-8").isascii()


def test_requirements_file_mirrors_the_project():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not line.startswith("#")] == project()["dependencies"]
