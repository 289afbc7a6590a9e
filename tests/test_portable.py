"""Every Python from 3.10, every system: modules, file names, encodings, letters."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pack.tests.archive import is_repository, repository_files, sources

ROOT = Path(__file__).resolve().parents[1]
MAX_PATH = 120  # characters below the root; Windows allows 260 in all
FORBIDDEN = set('<>:"\\|?*') | {chr(code) for code in range(32)}
DEVICES = {"con", "prn", "aux", "nul", *(f"{k}{n}" for k in ("com", "lpt") for n in range(1, 10))}
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Texts that people write and speech needs: these files hold letters beyond ASCII as data.
LETTERS = {
    *("multitalk/sound/timeline.py", "nodes/texts.py", "nodes/progress.py", "kokoro/writing.py"),
    *(
        "kokoro/english/sizes.py",
        "kokoro/english/prefixes.py",
        "kokoro/english/reading.py",
        "kokoro/english/cleaning.py",
    ),
    *(
        "kokoro/english/abbreviations.py",
        "kokoro/script/names.py",
        "kokoro/chunks.py",
        "kokoro/config.py",
    ),
    *(
        "kokoro/english/lexicon.py",
        "kokoro/script/notation.py",
        "kokoro/english/numbers.py",
        "kokoro/phonemes.py",
    ),
    *("kokoro/symbols.py", "kokoro/english/written.py"),
}

NEW_MODULES = {
    "tomllib",
    "annotationlib",
    "compression",
    "concurrent.interpreters",
    "pathlib.types",
}
GONE_MODULES = {  # of 3.12 and 3.13
    *("aifc", "asynchat", "asyncore", "audioop", "cgi", "cgitb", "chunk", "crypt", "distutils"),
    *("imghdr", "imp", "lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes"),
    *("smtpd", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
}


def odd_modules(text):
    """Imports of what Python 3.10 lacks or 3.13 has no longer; the type checker passes over it."""
    for node in ast.walk(ast.parse(text)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        for name in names:
            parts = name.split(".")
            if {".".join(parts[: n + 1]) for n in range(len(parts))} & (NEW_MODULES | GONE_MODULES):
                yield name


def read(path):
    return path.read_text(encoding="utf-8")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def test_modules_are_in_every_python_from_3_10_to_3_13():
    assert [f"{name_of(p)}: {m}" for p in sources() for m in odd_modules(read(p))] == []
    odd = "import tomllib, imp\nfrom distutils.util import strtobool\nimport datetime, enum"
    assert list(odd_modules(odd)) == ["tomllib", "imp", "distutils.util"]


SAMPLES = {
    "try:\n    pass\nexcept* ValueError:\n    pass": "invalid-syntax",
    "type Size = int": "invalid-syntax",
    "def first[T](x: list[T]) -> T: ...": "invalid-syntax",
    "raise ExceptionGroup('a', [])": "F821",
    "a = '\\d'": "W605",
    "import os\nos.system('a')": "S605",
    "import subprocess\nsubprocess.run('b', shell=True)": "S602",
    "import subprocess\nsubprocess.getoutput('b')": "S605",
    "from pathlib import Path\nPath().read_text()": "PLW1514",
    "from pathlib import Path\nPath().write_text('')": "PLW1514",
    "from pathlib import Path\nPath().open()": "PLW1514",
    "from pathlib import Path\nPath().open('w')": "PLW1514",
    "open('a')": "PLW1514",
    "open('a', mode='w')": "PLW1514",
    "import io\nio.TextIOWrapper(x)": "PLW1514",
}


def test_ruff_refuses_what_some_machine_would_not_take(tmp_path):
    """Names newer than 3.10 are refused by basedpyright, told so by its pythonVersion."""
    for number, text in enumerate(SAMPLES):
        (tmp_path / f"{number}.py").write_text(text, encoding="ascii")
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "--output-format", "json"]
    found = set()
    for chosen in ([], ["--preview", "--select", "PLW1514"]):  # as dev.py does
        command = [sys.executable, "-m", "ruff", "check", *config, *chosen, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, check=False, encoding="utf-8")
        for fault in json.loads(done.stdout):
            found.add((int(Path(fault["filename"]).stem), fault["code"] or "invalid-syntax"))
    assert set(enumerate(SAMPLES.values())) <= found


def unnamed_encodings(text):
    """Calls of programs whose text is in the encoding of the machine; no rule of ruff knows it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            asks = "True" in (given.get("text"), given.get("universal_newlines"))
            if asks and "encoding" not in given:
                yield ast.unparse(node)


def test_text_of_programs_has_a_named_encoding():
    for path in [*sources(), ROOT / "dev.py"]:
        assert list(unnamed_encodings(read(path))) == [], name_of(path)
    assert list(unnamed_encodings("run(x, text=True)\nrun(x, text=True, encoding='a')")) == [
        "run(x, text=True)"
    ]


def log_calls(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value).split(".")[-1]
            if node.func.attr in LOG_METHODS and owner in ("logger", "logging", "log", "_logger"):
                yield node


def foreign_texts(node):
    """Texts beyond ASCII, escapes included."""
    for part in ast.walk(node):
        if (
            isinstance(part, ast.Constant)
            and isinstance(part.value, str)
            and not part.value.isascii()
        ):
            yield ascii(part.value)


def test_log_messages_are_ascii():
    calls = 0
    for path in sources():
        for call in log_calls(ast.parse(read(path))):
            calls += 1
            assert list(foreign_texts(call)) == [], name_of(path)
    assert calls >= 10  # else the search is wrong
    (call,) = log_calls(ast.parse(r"logger.info('1 \u00d7 2', x)"))
    assert list(foreign_texts(call)) == [r"'1 \xd7 2'"]


def test_texts_beyond_ascii_are_only_where_speech_needs_them():
    found = {name_of(p) for p in sources() if list(foreign_texts(ast.parse(read(p))))}
    assert found == LETTERS


def refused_by_windows(name):
    """Why Windows, or a disk that ignores case, would refuse a path; empty if it would not."""
    faults = []
    if len(name) > MAX_PATH:
        faults.append(f"{len(name)} characters")
    for part in name.split("/"):
        if set(part) & FORBIDDEN or part.endswith((" ", ".")):
            faults.append(f"{part!r} has a forbidden character or end")
        if part.split(".")[0].rstrip().lower() in DEVICES:
            faults.append(f"{part!r} is a device")
    return faults


def twins(names):
    """Paths, folders included, that differ in case only."""
    parts = {
        "/".join(name.split("/")[: n + 1]) for name in names for n in range(name.count("/") + 1)
    }
    seen = {}
    for part in sorted(parts):
        seen.setdefault(part.lower(), []).append(part)
    return [group for group in seen.values() if len(group) > 1]


@pytest.mark.skipif(not is_repository(), reason="needs git and the repository")
def test_windows_takes_every_file_name():
    names = repository_files()
    assert len(names) > 300
    for name in names:
        assert refused_by_windows(name) == []
        assert name.isascii(), name
    assert twins(names) == []


@pytest.mark.parametrize(
    "name", ["a/con", "aux.py", "a:b", "LPT1.txt", "a /b", "b.", "x" * 121, 'a"b', "a\tb", "nul .c"]
)
def test_name_that_windows_refuses_is_noticed(name):
    assert refused_by_windows(name)


def test_names_that_differ_in_case_are_noticed():
    assert twins(["Docs/a", "docs/b", "c"]) == [["Docs", "docs"]]
    assert twins(["a/b", "a/B.txt"]) == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "{}", "--json"], 2),
        (["job", "{}"], 2),
        (["run", "toy_one_speaker", "--write", "{}"], 0),
    ],
)
def test_client_prints_any_path_on_a_console_of_few_letters(tmp_path, words, code):
    """Windows writes cp1252 into pipes; a path or a word of the user may have other letters."""
    name = "K\u00fcche \u89c6\u9891.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "workflows" / "api"), *(word.format(name) for word in words)],
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )
    said = (done.stdout + done.stderr).decode("cp1252")
    assert done.returncode == code, said
    assert "Traceback" not in said
    assert "\\u89c6" in said
