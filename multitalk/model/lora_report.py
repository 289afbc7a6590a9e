"""What a LoRA file changes in a model, in words: a report, or a refusal."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from .lora import LoraMatch

_SIZES = {1536: " (1.3B)", 3072: " (5B)", 5120: " (14B)"}  # width -> size of the released models
# Words in the names of UNet, Flux, SD3, Hunyuan and LTX layers; WAN says blocks.N alone.
_OTHER_FAMILIES = (
    "input_blocks", "output_blocks", "middle_block", "down_blocks", "up_blocks", "double_blocks",
    "single_blocks", "single_transformer_blocks", "transformer_blocks", "joint_blocks", "lora_te",
)  # fmt: skip
_BLOCK = re.compile(r"(.*?blocks[._])(\d+)((?:[._].*)?)")
_MAX_REASONS = 9  # per kind, so that a report has about twenty lines
_MAX_NAMES = 8  # per line


def require_match(match: LoraMatch, name: str) -> None:
    """Refuse a LoRA that would change nothing, or was made for another size of model.

    A file of another size may still change a layer or two whose size is the same in all models.

    Raises:
        ValueError: With what the file seems to be made for.
    """
    other_size = match.width not in (None, match.model_width)
    if match.num_changed and not other_size:
        return
    ignored = match.ignored
    total = match.num_changed + len(ignored)
    changes = f"only {match.num_changed} of its {total} layers" if match.num_changed else "nothing"
    first = f" Not used are for example {', '.join(list(ignored)[:3])}." if ignored else ""
    raise ValueError(
        f"{name} changes {changes} in this model: {_hint(match, ignored)}.{first} "
        "Choose a LoRA made for WAN 2.1 I2V or T2V of the same size."
    )


def _hint(match: LoraMatch, ignored: Mapping[str, str]) -> str:
    """What a file that is refused seems to be made for."""
    width, model_width = match.width, match.model_width
    if not ignored:
        return "it holds no tensors"
    if width not in (None, model_width):
        return (
            f"it was made for a WAN of width {width}{_SIZES.get(width or 0, '')}, "
            f"this model has width {model_width}{_SIZES.get(model_width or 0, '')}"
        )
    if any(word in name for word in _OTHER_FAMILIES for name in ignored):
        return "its layers are those of another model family"
    return Counter(ignored.values()).most_common(1)[0][0]


def describe_match(match: LoraMatch, name: str, strength: float) -> str:
    """About twenty lines at most for people: what a LoRA changes at a strength."""
    rank = "" if match.rank is None else f", rank {match.rank}"
    layers = "1 layer" if match.num_changed == 1 else f"{match.num_changed} layers"
    lines = [f"{name}: {match.style} style{rank}, strength {round(strength, 3)}; {layers} changed."]
    if said := _scale_words(match):
        lines.append(said)
    for word, reasons in (("partly", match.partly), ("ignored", match.ignored)):
        lines += _describe_reasons(word, reasons)
    return "\n".join(lines)


def _scale_words(match: LoraMatch) -> str:
    """What the header says of the scale, and whether it counts."""
    if match.scale is None:
        return ""
    said = f"its header says: {match.scale.words()}"
    factors = {f for layer in match.changed.values() for f in layer.factors.values()}
    if not factors:
        return f"{said}; not used, its tensors have their own scale"
    low, high = min(factors), max(factors)
    return f"{said}; scaled by {low:.4g}" + ("" if low == high else f" to {high:.4g}")


def _describe_reasons(word: str, reasons: Mapping[str, str]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        groups.setdefault(reason, []).append(name)
    lines = []
    for reason, names in list(groups.items())[:_MAX_REASONS]:
        folded = fold_blocks(names)
        more = len(folded) - _MAX_NAMES
        tail = f" and {more} more" if more > 0 else ""
        lines.append(f"{word}: {', '.join(folded[:_MAX_NAMES])}{tail} ({reason})")
    if len(groups) > _MAX_REASONS:
        lines.append(f"{word}: {len(groups) - _MAX_REASONS} more reasons")
    return lines


def fold_blocks(names: Iterable[str]) -> list[str]:
    """Fold names that differ in their block number alone into one: `blocks.0-3,7.ffn.0`.

    They have dots or underscores and keep the order of their first appearance.
    """
    numbers: dict[tuple[str, str], set[int]] = {}
    for name in names:
        if found := _BLOCK.fullmatch(name):
            numbers.setdefault((found[1], found[3]), set()).add(int(found[2]))
        else:
            numbers.setdefault((name, ""), set())
    return [head + _runs(sorted(found)) + tail for (head, tail), found in numbers.items()]


def _runs(numbers: Sequence[int]) -> str:
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
