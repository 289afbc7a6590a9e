"""How all texts of the pack sound, read from the source: counts, reprs, doubled words, hedges.

Errors have a test of their own, test_error_texts; reports, notes, progress, log lines and what the
client prints are read here as well.
"""

from __future__ import annotations

import ast
import re

import pytest

from pack.tests.layers import sources
from pack.tests.test_error_texts import name_of

FILES = sources("nodes", "multitalk", "kokoro", "weights", "workflows/api")
# A noun of many after a value, such as " masks"; after a name these are verbs.
NOUN = re.compile(r" (?:(?:more|other|such|of) )?(?!(?:is|was|has|as|this|its)\b)([a-z]+s)\b")
VERBS = frozenset([
    "does", "carries", "names", "exists", "occurs", "ends", "begins", "answers", "means", "leads",
    "runs", "takes", "vanishes", "says", "stops", "gives", "needs", "reads", "comes", "knows",
    "stands", "goes", "works", "contains", "holds", "looks", "changes", "belongs", "lies",
])  # fmt: skip
# Numbers that are never 1 where they are said: constants, bytes, sizes of networks.
ALWAYS_MANY = re.compile(r"[A-Z_.]+|.*MAX_\w+|max\(FOLDED\)|.*(bytes|size|layers|heads|width)")
MANY = frozenset([
    # what a file or a memory holds
    "num_values", "num_tensors", "num_axes", "num_groups", "room", "wanted", "len(mapped)",
    "count", "sum(storages.values())", "data.numel()", "values.numel()", "self.length",
    # refused or told only where there are several
    "len(names)", "len(wanted)", "len(self.names)", "len(tensors)", "len(files)", "most", "limit",
    "len(groups) - _MAX_REASONS", "gone", "total", "match.num_changed", "len(lost)", "len(text)",
    "len(name)", "len(phonemes)", "len(codes)", "header.get('windows')", "preset.steps",
    "len(MISAKI_NEEDS[letter])", "min(lengths)", "len(missing)",
    # amounts with a unit
    "low", "high", "highest", "float(rate)", "float(rate) / FRAME_RATE", "up[0]", "columns",
    "num_frames", "frames", "height",
    "size.passes", "1000 * t", "told(plan.frames)", "' x '.join(map(str, value.shape))",
    # what only programmers see
    "found.multi_processor_count", "encoder.frame_size", "num_speakers", "self.num_samples",
    "self.num_frames", "after", "len(packets)", "len(frames)", "cls.__name__", "num_windows",
    # names of presets and families
    "preset.get('preset')", "meant", "FAMILY_NAMES[weights]",
])  # fmt: skip
PARTS = (ast.Expr, ast.JoinedStr)  # docstrings, and pieces of a text
DOUBLED = re.compile(r"\b([A-Za-z]+) \1\b|\b(?:a|an|the) (?:a|an|the)\b|Error: .*Error:")
HEDGES = re.compile(
    r"\b(perhaps|maybe|probably|possibly|somehow|please|sorry|oops|unfortunately)\b"
)


def texts(path):
    """(line, node, text) of every text of several words in a file, with {} for values."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values]
            yield node.lineno, node, "".join(parts)
        elif isinstance(node, ast.Constant) and not isinstance(parents[node], PARTS):
            yield node.lineno, node, str(node.value)


def counted(node):
    """(number, noun) for each value of an f-string that a noun of many follows."""
    for value, after in zip(node.values, node.values[1:], strict=False):
        if isinstance(value, ast.FormattedValue) and isinstance(after, ast.Constant):
            noun = NOUN.match(str(after.value))
            if noun and noun[1] not in VERBS:
                yield ast.unparse(value.value), noun[1]


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_text_sounds_as_people_speak(path):
    for line, node, text in texts(path):
        where = f"{name_of(path)}:{line}: {text}"
        assert not DOUBLED.search(text), f"a word twice in {where}"
        assert " " not in text or not HEDGES.search(text), f"a hedge in {where}"
        for number, noun in counted(node) if isinstance(node, ast.JoinedStr) else ():
            assert number in MANY or ALWAYS_MANY.fullmatch(number), (
                f"'1 {noun}' is possible, use count(): {where}"
            )


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_error_names_a_class_of_python(path):
    """An exception's, or torch's name of a kind of number; but for what other packs hand over."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    for part in (part for error in raised for part in ast.walk(error)):
        if isinstance(part, ast.FormattedValue):
            said = ast.unparse(part.value)
            assert not re.search(r"type\(error\)|(tensor|weight|voice)\.dtype$", said), (
                f"{name_of(path)}:{part.lineno}: {said}"
            )


def test_the_rules_find_what_they_are_for():
    def numbers(text):
        return [found for _, node, _ in [(0, ast.parse(text).body[0].value, 0)]
                for found in counted(node)]  # fmt: skip

    assert numbers("f'{voices} voices but {len(masks)} masks'") == [
        ("voices", "voices"), ("len(masks)", "masks"),
    ]  # fmt: skip
    assert not numbers("f'{name} holds {number} voice'")
    assert DOUBLED.search("WAN WAN 2.2")
    assert DOUBLED.search("there is the a")
    assert not DOUBLED.search("that thatch")
    assert HEDGES.search("perhaps it works")


@pytest.mark.parametrize(
    ("number", "many", "text"),
    [
        (1, None, "1 mask"), (2, None, "2 masks"), (0, None, "0 masks"),
        (1, "boxes", "1 mask"), (2, "boxes", "2 boxes"), (1_234_567, None, "1,234,567 masks"),
    ],
)  # fmt: skip
def test_counts_go_through_one_helper(number, many, text):
    from pack.multitalk.words import count

    assert count(number, "mask", many) == text
