"""Every Python from 3.10, every system: syntax, names of the library, file names, encodings."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from pack.tests.archive import is_repository, repository_files, sources

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 10)
MAX_PATH = 120  # characters below the root; Windows allows 260 in all
FORBIDDEN = set('<>:"\\|?*') | {chr(code) for code in range(32)}
DEVICES = {"con", "prn", "aux", "nul", *(f"{k}{n}" for k in ("com", "lpt") for n in range(1, 10))}
MODES = set("rwxa+tb")
OTHER_OPENS = {"av", "os", "opener", "_opener", "Image", "wave", "encoder"}  # no text files
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
# Texts that people write and speech needs: these files hold letters beyond ASCII as data.
LETTERS = {
    "multitalk/sound/timeline.py",
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
NEW_NAMES = {
    "asyncio": {"Barrier", "QueueShutDown", "Runner", "TaskGroup", "timeout", "timeout_at"},
    "contextlib": {"chdir"},
    "copy": {"replace"},
    "datetime": {"UTC"},
    "enum": {"EnumCheck", "ReprEnum", "StrEnum", "member", "nonmember", "verify"},
    "hashlib": {"file_digest"},
    "inspect": {"BufferFlags", "getasyncgenstate", "markcoroutinefunction"},
    "itertools": {"batched"},
    "locale": {"getencoding"},
    "logging": {"getHandlerByName", "getHandlerNames", "getLevelNamesMapping"},
    "math": {"cbrt", "exp2", "fma", "sumprod"},
    "operator": {"call", "is_none", "is_not_none"},
    "os": {"listdrives", "process_cpu_count", "unshare"},
    "queue": {"ShutDown"},
    "random": {"binomialvariate"},
    "sys": {"activate_stack_trampoline", "exception", "monitoring"},
    "typing": {
        *("LiteralString", "Never", "NoDefault", "NotRequired", "ReadOnly", "Required", "Self"),
        *("TypeAliasType", "TypeIs", "TypeVarTuple", "Unpack", "assert_never", "assert_type"),
        *("clear_overloads", "dataclass_transform", "get_overloads", "override", "reveal_type"),
    },
    "uuid": {"uuid6", "uuid7", "uuid8"},
    "warnings": {"deprecated"},
}
NEW_BUILTINS = {"BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError"}
NEW_METHODS = {"add_note", "from_uri", "full_match", "is_junction"}
NEW_KEYWORDS = {"delete_on_close", "onexc", "walk_up", "case_sensitive", "recurse_symlinks"}


def too_new(text):
    """What Python 3.10 lacks, or 3.13 has no longer."""
    tree = ast.parse(text, feature_version=OLDEST)
    # Names that stand for modules: `import datetime as d` gives d.
    modules = {"__builtins__": ""}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname or alias.name: alias.name for alias in node.names}
            yield from (a.name for a in node.names if is_odd_module(a.name))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            module = node.module or ""
            if is_odd_module(module):
                yield module
            new = NEW_NAMES.get(module, set())
            yield from (f"{module}.{a.name}" for a in node.names if a.name in new)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in NEW_BUILTINS:
            yield node.id
        elif isinstance(node, ast.keyword) and node.arg in NEW_KEYWORDS:
            yield f"{node.arg}="
        elif isinstance(node, ast.Attribute):
            module = modules.get(ast.unparse(node.value), "")
            if node.attr in NEW_METHODS or node.attr in NEW_NAMES.get(module, ()):
                yield ast.unparse(node)


def is_odd_module(name):
    parts = name.split(".")
    return any(".".join(parts[: n + 1]) in NEW_MODULES | GONE_MODULES for n in range(len(parts)))


def read(path):
    return path.read_text(encoding="utf-8")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", sources(), ids=name_of)
def test_every_python_from_3_10_to_3_13_can_read_it(path):
    assert list(too_new(read(path))) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a wrong escape is a warning that all users would see
        compile(read(path), name_of(path), "exec", dont_inherit=True)


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    pass\nexcept* ValueError:\n    pass",
        "type Size = int",
        "def first[T](x: list[T]) -> T: ...",
        "import tomllib",
        "import imp",
        "from typing import Self",
        "from datetime import UTC",
        "import datetime as d\nd.UTC",
        "import enum\nclass A(enum.StrEnum): ...",
        "raise ExceptionGroup('a', [])",
        "error.add_note('b')",
        "from itertools import batched",
        "shutil.rmtree(p, onexc=f)",
        "from distutils.util import strtobool",
    ],
)
def test_newer_python_is_noticed(text):
    try:
        found = list(too_new(text))
    except SyntaxError:
        return
    assert found


def test_what_3_10_has_is_no_fault():
    text = "import enum, datetime\nmatch x:\n    case int() | str(): ...\nzip(a, b, strict=True)\n"
    assert list(too_new(text)) == []


def unnamed_encodings(text):
    """Calls that read or write text in the encoding of the machine."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or any(k.arg == "encoding" for k in node.keywords):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        places = {"read_text": 1, "write_text": 2, "TextIOWrapper": 2}
        short = len(node.args) < places.get(name, 0)
        if short or (name == "open" and opens_text(node)) or asks_for_text(node):
            yield node


def asks_for_text(call):
    """True for subprocess.run(..., text=True)."""
    words = ("text", "universal_newlines")
    return any(k.arg in words and ast.unparse(k.value) == "True" for k in call.keywords)


def opens_text(call):
    """True for open(path), path.open() and both with a mode of text."""
    method = isinstance(call.func, ast.Attribute)
    if method:
        owner = ast.unparse(call.func.value).split("(")[0].split(".")[-1]
        if owner in OTHER_OPENS:
            return False
    given = [k.value for k in call.keywords if k.arg == "mode"]
    mode = (given or call.args[0 if method else 1 :] or [ast.Constant("r")])[0]
    if not isinstance(mode, ast.Constant) or not isinstance(mode.value, str):
        return True
    return not set(mode.value) <= MODES or "b" not in mode.value


@pytest.mark.parametrize("path", [*sources(), ROOT / "dev.py"], ids=name_of)
def test_text_files_are_opened_with_a_named_encoding(path):
    assert [ast.unparse(node) for node in unnamed_encodings(read(path))] == []


@pytest.mark.parametrize(
    ("text", "faulty"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text)", True),
        ("path.write_text(text, encoding='ascii')", False),
        ("open(path)", True),
        ("open(path, 'rb')", False),
        ("open(path, mode='w')", True),
        ("path.open()", True),
        ("path.open('w')", True),
        ("path.open('xb', buffering=0)", False),
        ("av.open(str(path))", False),
        ("subprocess.run(x, text=True)", True),
        ("subprocess.run(x, text=True, encoding='utf-8')", False),
    ],
)
def test_unnamed_encoding_is_noticed(text, faulty):
    assert bool(list(unnamed_encodings(text))) is faulty


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


def shell_calls(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            shell = [
                k for k in node.keywords if k.arg == "shell" and ast.unparse(k.value) != "False"
            ]
            if shell or name in ("os.system", "os.popen", "subprocess.getoutput"):
                yield ast.unparse(node)


def test_nothing_needs_a_shell():
    assert list(shell_calls("os.system('a')\nsubprocess.run('b', shell=True)\nrun(['c'])")) == [
        "os.system('a')",
        "subprocess.run('b', shell=True)",
    ]
    for path in [*sources(), ROOT / "dev.py"]:
        assert list(shell_calls(read(path))) == [], name_of(path)


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
