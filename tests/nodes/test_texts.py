"""Texts that leave a node can be written to the log and to a file, whatever names they carry."""

from __future__ import annotations

import contextlib
import inspect
import logging
import re
import struct
import traceback

import pytest

from pack.tests.layers import sources
from pack.tools.host.prompts import node

pytestmark = pytest.mark.host
HALF = "\ud800"


def damaged(name):
    """A safetensors file of a few bytes whose one tensor has this name, as JSON writes it."""
    header = b'{"%s":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' % name
    return struct.pack("<Q", len(header)) + header + bytes(4)


@pytest.fixture
def texts(host):
    return host.module("nodes.texts")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("plain, with accents \u00e9 and \u4f60\u597d \U0001f600", None),
        ("two\nlines\tand a tab", None),
        (f"a{HALF}b", "a\\ud800b"),
        ("from a file name \udcff", "from a file name \\udcff"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("back\rto the start\x00", "back\\rto the start\\x00"),
        ("turned \u202egnp", "turned \\u202egnp"),
    ],
)
def test_what_cannot_be_written_is_escaped(texts, text, written):
    assert texts.writable(text) == (text if written is None else written)
    texts.writable(text).encode()


def test_every_node_of_the_pack_is_clean(host):
    import nodes

    ours = [c for n, c in nodes.NODE_CLASS_MAPPINGS.items() if n.startswith("MultiTalk")]
    assert len(ours) >= 18
    for cls in ours:
        for name in ("execute", "check_lazy_status", "fingerprint_inputs", "validate_inputs"):
            if name in vars(cls):
                method = vars(cls)[name].__func__
                plain = method.__wrapped__
                # What the host passes on depends on it.
                assert inspect.getfullargspec(method) == inspect.getfullargspec(plain)


def say(sentence, node_id, *, running):
    """Nobody looks."""


class OddError(Exception):
    """Says something else each time, whatever its arguments are."""

    def __str__(self):
        return f"odd {HALF}"


def raise_in_turn(first, second):
    try:
        raise first
    except Exception as error:
        raise second from error


@pytest.mark.parametrize(
    ("first", "second", "kind", "message"),
    [
        (KeyError("x"), ValueError(f"half {HALF}"), ValueError, "half \\ud800"),
        (ValueError(f"cause {HALF}"), RuntimeError("plain"), RuntimeError, "plain"),
        (KeyError("x"), OddError(), RuntimeError, "odd \\ud800"),
        (OddError(), ValueError("plain"), RuntimeError, "plain"),
        (FileNotFoundError(2, f"no {HALF}", f"a{HALF}"), ValueError("x"), RuntimeError, "x"),
    ],
)
def test_errors_and_their_causes_can_be_logged(host, texts, first, second, kind, message):
    from comfy_api.latest import io

    class Node(io.ComfyNode):
        @classmethod
        def execute(cls):
            raise_in_turn(first, second)

    with pytest.raises(kind) as caught:
        texts.with_writable_texts(Node, say).execute()
    assert str(caught.value) == message
    "".join(traceback.format_exception(caught.value)).encode()


def test_outputs_and_lines_of_the_log_can_be_written(host, texts, caplog):
    from comfy_api.latest import io, ui

    class Node(io.ComfyNode):
        @classmethod
        def execute(cls):
            logging.getLogger("multitalk.nodes").warning("name %s", HALF)
            return io.NodeOutput(f"report {HALF}", 3, ui=ui.PreviewText(f"shown {HALF}"))

        @classmethod
        def validate_inputs(cls):
            return f"refused {HALF}"

    clean = texts.with_writable_texts(Node, say)
    with caplog.at_level("WARNING"):
        given = clean.execute()
    assert given.args == ("report \\ud800", 3)
    assert given.ui.as_dict() == {"text": ("shown \\ud800",)}
    assert clean.validate_inputs() == "refused \\ud800"
    assert caplog.messages == ["name \\ud800"]


def test_all_loggers_of_the_pack_are_known(texts):
    code = "".join(p.read_text() for p in sources("nodes", "multitalk", "kokoro", "weights"))
    assert set(re.findall(r'getLogger\("([\w.]+)"\)', code)) == set(texts.LOGGERS)


def test_a_file_with_half_a_character_in_a_name_is_refused_in_words(host, tmp_path, monkeypatch):
    import folder_paths

    monkeypatch.setitem(
        folder_paths.folder_names_and_paths, "vae", ([str(tmp_path)], {".safetensors"})
    )
    (tmp_path / "half.safetensors").write_bytes(damaged(rb"\ud800"))
    result = host.run({"1": node("MultiTalkFileReport", file="vae/half.safetensors")})
    said = str(result.error or result.outputs["1"])
    said.encode()
    assert "half" in said


@pytest.mark.parametrize(
    ("method", "running", "said"),
    [
        ("execute", True, "wrong"),
        ("check_lazy_status", True, "wrong"),
        ("validate_inputs", False, "refused"),
        ("fingerprint_inputs", True, None),
    ],
)
def test_who_finds_an_error_says_it(host, texts, method, running, said):
    from comfy_api.latest import io
    from comfy_execution.utils import CurrentNodeContext

    def act(cls):
        if method == "validate_inputs":
            return f"refused {HALF}"
        raise ValueError(f"wrong {HALF}")

    heard = []
    node = type("Node", (io.ComfyNode,), {method: classmethod(act)})
    clean = texts.with_writable_texts(node, lambda *args, **more: heard.append((args, more)))
    with CurrentNodeContext("prompt", "7"), contextlib.suppress(ValueError):
        getattr(clean, method)()
    expected = [((f"{said} \\ud800", "7"), {"running": running})]
    assert heard == (expected if said else [])
