"""Every error text has one shape: what was given, what is allowed, what to do.

The texts are read from the source, with X for every value. What can be told by rule is checked
here: that there is an instruction, that the sentence ends, and that no word of the trade is in it.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("nodes", "multitalk", "kokoro", "weights")
KINDS = ("ValueError", "RuntimeError", "FileNotFoundError", "OSError", "NotFiniteError", "error")
INSTRUCTION = re.compile(
    r"(^|[.,;:?)X] |, or |; otherwise |, X)"
    r"(add|ask|change|choose|connect|correct|crop|cut|delete|disconnect|divide|did you mean"
    r"|download|draw|empty|give|install|join|leave|load|lower|make|mix|move|paint|pip install"
    r"|point|press|put|queue|remove|run|save|set|take|type|update|use|wait|write)\b",
    re.IGNORECASE,
)
# Words of the trade, and what people call it: 4n+1 is "a multiple of 4, plus 1".
JARGON = re.compile(
    r"4n\+1|\b(latents?|tokens?|dtypes?|einops|conditioning|logits?|modulo|kwargs?|endian"
    r"|NoneType|sigma|bucket|schema)\b"
)
# Parts of sentences that a caller puts between what was given and what to do, in these files.
FRAGMENTS = {
    "multitalk/model/fit.py": r"X is X in its metadata",
    "multitalk/model/lora_scale.py": r"(it was trained|its header says|the X in its header) .*",
    "weights/contents.py": r"a name of X characters",
    "weights/pickle_scan.py": r"(it|a line) does not end",
    "weights/reading.py": r"X is no number of JSON|(the JSON|a JSON key) .*|X has X bytes, more .*",
    "weights/safetensors_file.py": r"a shape is a list of lengths|metadata are texts",
    "weights/pickles.py": r"X is no PyTorch file, or holds more than tensors; .*, and X",
    "weights/gguf_file.py": r"(the|a|X bytes|X of shape) .*[^.]",
    "weights/quanto_files.py": r"X: X",
    "kokoro/dialogue.py": r"X: X",
    "kokoro/config.py": r"(X (is|has) X, not|it has|vocab|resblock_dilation_sizes) ?.*[^.]|broken",
    "kokoro/network/model.py": r"X: X",
    "kokoro/network/files.py": r"X X",
    "multitalk/spans.py": r"Line X X\. X\. The line is: X|Line X .* overlap; .* X\.",
    "multitalk/finite.py": r"(X: X of X values are|Window X of X stops) .* X",
    "multitalk/runs/files.py": r"The run folder X X \(X\)\. X",
    "multitalk/video/mp4.py": r"The video file X could not be written: X\. X\. X and run again\.",
    "multitalk/video/placing.py": r"The finished video could not be put .*\. X and run again\.",
    "nodes/video.py": r"The video could not be saved in .*\. X and run again\.",
    "nodes/parallel/attach.py": r"words",  # of workers.py
    "nodes/parallel/serve.py": r"words",  # workers.py makes a sentence of them
    "nodes/pictures.py": r"X is X; X",
    "nodes/texts.py": r"shown",
    "nodes/values.py": r"X is (X|not connected); it takes X\.|X: X",
    "multitalk/windows.py": r"overlap is X and window is X; .* X",
}
# Caught where they are raised for, never shown to people.
INTERNAL = {
    "EspeakCrashError", "NotImplementedError", "LookupError", "TypeError", "zipfile.BadZipFile",
    "EOFError", "pickle.UnpicklingError", "FileExistsError",
}  # fmt: skip


def render(node, constants):
    """The text of a literal, X for values, constants in full; None for what is no literal."""
    if isinstance(node, ast.FormattedValue):
        return constants.get(ast.unparse(node.value), "X")
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(render(part, constants) or "X" for part in node.values)
    if isinstance(node, ast.BinOp):
        parts = (node.left, node.right)
        return "".join(constants.get(ast.unparse(p), render(p, constants) or "X") for p in parts)
    return None


def constants_of(tree):
    """Texts at the top of a module, by name."""
    named = [node for node in tree.body if isinstance(node, ast.Assign)]
    texts = {ast.unparse(node.targets[0]): render(node.value, {}) for node in named}
    return {name: text for name, text in texts.items() if text}


def returned(tree, name):
    """Texts that a helper of the module returns, bare or inside an error."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name == name:
            for node in ast.walk(function):
                if isinstance(node, ast.Return) and node.value is not None:
                    value = node.value
                    yield value.args[0] if isinstance(value, ast.Call) else value


def arguments_of(tree, raised):
    """What a raise statement says: literals, or those of the helper that makes the text."""
    kind, first = ast.unparse(raised.exc.func), raised.exc.args[-1]
    if kind.split(".")[-1] not in KINDS:  # a helper that makes the error
        return list(returned(tree, kind.split(".")[-1]))
    if not isinstance(first, ast.Call):
        return [first]
    if isinstance(first.func, ast.Attribute) and ast.unparse(first.func.value) == "self":
        return list(returned(tree, first.func.attr))
    if isinstance(first.func, ast.Attribute):  # TEXT.format(...)
        return [ast.JoinedStr([ast.FormattedValue(first.func.value, -1)])]
    return list(returned(tree, ast.unparse(first.func)))


def texts_of(path):
    """(line, text) of every error that a file raises."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = constants_of(tree)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
            continue
        if ast.unparse(node.exc.func) in INTERNAL:
            continue
        arguments = arguments_of(tree, node)
        assert arguments, f"{path.name}:{node.lineno}: an error of an unknown kind; see KINDS"
        for argument in arguments:
            yield node.lineno, render(argument, constants) or ast.unparse(argument)


FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_errors_say_what_to_do_in_plain_words(path):
    fragments = FRAGMENTS.get(name_of(path))
    for line, text in texts_of(path):
        where = f"{name_of(path)}:{line}: {text}"
        assert not JARGON.search(text), f"a word of the trade in {where}"
        if fragments and re.fullmatch(fragments, text):
            continue
        assert INSTRUCTION.search(text), f"no way out in {where}"
        assert re.search(
            r"([.?]|X|install [\w\"\[\]<>=. -]+|Anna|360|together|[!] Ben.*)$", text
        ), where


def test_fragments_and_texts_are_still_there():
    for name, pattern in FRAGMENTS.items():
        texts = [text for _, text in texts_of(ROOT / name)]
        assert any(re.fullmatch(pattern, text) for text in texts), name
    assert sum(len(list(texts_of(path))) for path in FILES) > 150
