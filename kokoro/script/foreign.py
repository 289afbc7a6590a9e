"""Scripts as other programs write them, as the lines that our reader knows.

    [Anna] Hello       <Anna> Hello       <v Anna>Hello      {Anna} Hello    (Anna) Hello
    Anna - Hello       Anna | Hello       Anna > Hello       Anna<tab>Hello
    ANNA               **Anna**           ## Anna            alone, with the words in the next lines
    a bracket after any of these names is what is seen meanwhile: Anna (laughing): Hello
    subtitles: numbers, times (00:01,000 --> 00:02,000) and WEBVTT are left out
    JSON: see json_turns.py

A tag in square or pointed brackets at the beginning of a line is a speaker where it looks like a
name, unless the script has names with colons and the tag is none of these. The other ways count if
two lines have them and every one names somebody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .names import HEAD, is_label_colon, looks_like_name, may_be_name, name_key
from .notation import REMARK

_TIMES = re.compile(
    r"\s*(?:\d{1,3}:)?\d{1,2}:\d\d(?:[.,]\d{1,3})?\s*-->\s*(?:\d{1,3}:)?\d{1,2}:\d\d(?:[.,]\d{1,3})?.*"
)
_STAMP = re.compile(r"\s*[\[(](?:\d{1,3}:)?\d{1,2}:\d\d(?:[.,]\d{1,3})?[\])]\s?")
_NUMBER = re.compile(r"\s*(?:\d{1,3}[.)]|(?:\d{1,3}:)?\d{1,2}:\d\d(?:[.,]\d{1,3})?)\s+")
_MARKS = re.compile(
    r"<(?P<end>/?)(?P<mark>[sS] ?\d{1,2})>|<\|(?:speaker|spk)[:_ ]?(?P<number>\d{1,3})\|>"
)
_MARK_COLON = re.compile(r"([\[(]\s?[sS]\s?\d{1,2}\s?[\])])\s?:")
_BULLET = re.compile(r"\A\s*[-*\u2022]\s+(?=\[)")
_WIDE_TAG = re.compile(r"\A\s*\u3010([^\u3010\u3011]{1,40})\u3011")
_REMARK = re.compile(
    r"\s*\[(?P<name>[^\[\](){},:]{1,40})(?:,\s*(?P<remark>[^\[\](){}:]{1,200})|"
    rf"\s(?P<bracket>{REMARK}))\]\s?:?(?P<rest>.*)"
)
_NAMED_TAG = re.compile(
    r"\s*<[a-z]{1,12}\s(?:name|id|who|speaker)=[\"']?(?P<name>[^<>\"':]{1,40})[\"']?>(?P<rest>[^<>]*).*"
)
_NAME = r"(?P<name>[^\s\[\](){}<>|*#:\t][^\[\](){}<>|*#:\t]{0,39}?)"
_VOICE = re.compile(r"\s*<v(?:\.[\w.-]{1,40})?\s+(?P<name>[^<>:]{1,40})>(?P<rest>.*)")
_CLOSED_TAGS = re.compile(r"</?(?:v|c|i|b|u|lang|ruby|rt)(?:[ .][^<>]{0,60})?>")
_TAG = re.compile(
    rf"\s*(?P<stars>\*{{0,3}})(?:\[{_NAME}\]|<(?P<pointed>[^\s<>/:][^<>:]{{0,39}})>)(?!\()"
    rf"(?P=stars)\s*(?:(?P<remark>{REMARK})\s?(?=:))?:?\s*(?P<rest>.*)"
)
# [Anna] Hello. [Ben] Hi.
_INNER_TAG = re.compile(r"(?<=\S)\s(?=\[[A-Z][\w .'-]{0,29}\]:?\s)")
_OTHER = re.compile(
    rf"\s*(?:[({{]{_NAME}[)}}]\s*:?\s*|"
    r"(?P<before>[^\s\[\](){}<>|*#:-][^\[\](){}<>|*#:\t]{0,39}?)"
    rf"(?:\s(?P<remark>{REMARK}))?"
    r"(?:\s+(?:[-\u2013\u2014]|[-=]>)\s+|[ ]{0,9}\t\s*"
    r"|\s*[|>]\s*))(?P<rest>\S.*)"
)
_ALONE = re.compile(
    r"\s*(?P<mark>\*{2,3}|#{1,6}\s)?(?P<name>[^\s\[\](){}<>|*#:][^\[\](){}<>|*#:]{0,39}?)"
    rf"(?:\s(?P<remark>{REMARK}))?(?:\s*\*{{2,3}})?\s*"
)
# What stands in brackets and is heard or done, not somebody.
_CUES = frozenset([
    "applause", "beat", "chuckles", "clears throat", "coughs", "cries", "crying", "end", "exhales",
    "gasps", "giggles", "groans", "inaudible", "inhales", "intro", "laugh", "laughing", "laughs",
    "laughter", "loud", "music", "narration", "noise", "outro", "pause", "quiet", "shouting",
    "shouts", "sigh", "sighing", "sighs", "silence", "singing", "sings", "smiling", "sniffs",
    "softly", "sound", "start", "together", "whisper", "whispering", "whispers", "yawns",
])  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Labels:
    """What names somebody in a script."""

    known: frozenset[str]  # keys of listed names, and of those with a colon
    is_closed: bool  # nobody else speaks
    small: bool  # whether tags in small letters are labels too
    others: bool  # whether tags in other brackets, and names before dashes, are labels
    alone: bool  # whether names on lines of their own are

    def allow(self, name: str) -> bool:
        """Whether a name, which may be empty, can be that of a speaker."""
        return bool(name) and (not self.known or name_key(name) in self.known)


def plain_lines(lines: Sequence[str], names: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Lines with `Name:` before what somebody says, and their numbers from 1.

    `names` are the only ones, if there are any. A line with several tags becomes several.
    """
    lines = _without_times(lines)
    lines = [_plain_marks(line) if line else "" for line in lines]
    labels = _find_labels(lines, names)
    for number, line in enumerate(lines, start=1):
        if not line:
            yield number, line
            continue
        next_is_text = number < len(lines) and bool(lines[number].strip())
        pieces = _INNER_TAG.split(line) if _names_somebody(_tag_name(line)) else [line]
        for piece in pieces:
            yield number, _plain(piece, labels, next_is_text=next_is_text)


def _plain_marks(line: str) -> str:
    line = _without_number(_MARKS.sub(_mark, _BULLET.sub("", line)))
    return _MARK_COLON.sub(r"\1", _WIDE_TAG.sub(r"[\1]", line, count=1))


def _mark(found: re.Match[str]) -> str:
    if found["number"]:
        return f"[S{found['number']}]"
    return "" if found["end"] else f"[{found['mark']}]"


def _without_number(line: str) -> str:
    """A line without the time in brackets that it begins with, or a number before a name."""
    stamp = _STAMP.match(line)
    if stamp:
        return line[stamp.end() :]
    number = _NUMBER.match(line)
    rest = line[number.end() :] if number else ""
    return rest if _colon_name(rest) else line


def _without_times(lines: Sequence[str]) -> list[str]:
    """Subtitles without numbers and times; other texts as they are."""
    if not any("-->" in line for line in lines):
        return list(lines)
    timed = [_TIMES.fullmatch(line) is not None for line in lines]
    return [
        ""
        if is_time
        or (before_time and line.strip().isdecimal())
        or line.strip().startswith("WEBVTT")
        else _CLOSED_TAGS.sub("", line) if "<v" not in line else line
        for line, is_time, before_time in zip(lines, timed, [*timed[1:], False], strict=True)
    ]  # fmt: skip


def _find_labels(lines: Sequence[str], names: Sequence[str]) -> _Labels:
    written = [line.strip() for line in lines if line.strip()]
    with_colon = frozenset(filter(None, map(_colon_name, written)))
    tags, others, alone = (
        sum(name(line) != "" for line in written) for name in (_tag_name, _other_name, _alone_name)
    )
    is_closed = bool(with_colon)
    return _Labels(
        known=frozenset(map(name_key, names)) or with_colon,
        is_closed=is_closed,
        small=not is_closed and tags > 1 and 2 * tags >= len(written),
        others=not is_closed and others > 1 and 2 * others >= len(written),
        alone=not is_closed and alone > 1,
    )


def _colon_name(line: str) -> str:
    """The key of the name before a colon; empty if there is none."""
    found = HEAD.match(line)
    named = found and is_label_colon(line, found) and _names_somebody(found["name"])
    return name_key(found["name"]) if found and named else ""


def _names_somebody(name: str) -> bool:
    return _may_name(name) and looks_like_name(name)


def _may_name(name: str) -> bool:
    if not name or not may_be_name(name) or name_key(name) in _CUES:
        return False
    return len(name.split()) == 1 or looks_like_name(name.split()[0])  # no Chapter One


def _tag_name(line: str) -> str:
    found = _TAG.fullmatch(line)
    name = (found["name"] or found["pointed"]).strip() if found else ""
    return name if _may_name(name) else ""


def _other_name(line: str) -> str:
    found = _OTHER.fullmatch(line)
    name = (found["name"] or found["before"]).strip() if found else ""
    return name if _names_somebody(name) else ""


def _alone_name(line: str) -> str:
    found = _ALONE.fullmatch(line)
    name = found["name"].strip() if found else ""
    numbered = re.fullmatch(r"(?:Speaker|Person|Voice|Host|Guest) [A-Z\d]{1,2}", name) is not None
    loud = bool(found and found["mark"]) or (name.isupper() and len(name) > 1) or numbered
    return name if loud and _names_somebody(name) else ""


def _plain(line: str, labels: _Labels, *, next_is_text: bool) -> str:
    ways = (_from_voice, _from_remark, _from_tag, _from_other)
    found = next((plain for way in ways if (plain := way(line, labels))), None)
    if found is None and labels.alone and next_is_text:
        name, alone = _alone_name(line), _ALONE.fullmatch(line)
        return f"{_remarked(name, alone)}:" if labels.allow(name) else line
    return found or line


def _from_voice(line: str, labels: _Labels) -> str | None:
    found = _VOICE.fullmatch(line) or _NAMED_TAG.fullmatch(line)
    return f"{found['name'].strip()}: {_CLOSED_TAGS.sub('', found['rest'])}" if found else None


def _remarked(name: str, found: re.Match[str] | None) -> str:
    """A name with what stands in brackets behind it."""
    remark = found["remark"] if found else None
    return f"{name} {remark}" if remark else name


def _from_remark(line: str, labels: _Labels) -> str | None:
    """[Anna, softly] is Anna (softly):, and so is [Anna (softly)]."""
    found = _REMARK.fullmatch(line)
    if found is None or labels.is_closed or not _names_somebody(found["name"].strip()):
        return None
    remark = found["bracket"] or f"({found['remark']})"
    return f"{found['name']} {remark}: {found['rest']}"


def _from_tag(line: str, labels: _Labels) -> str | None:
    found, name = _TAG.fullmatch(line), _tag_name(line)
    if found is None or not name:
        return None
    free = not labels.is_closed and (labels.small or _names_somebody(name))
    if not free and name_key(name) not in labels.known:
        return None
    return f"{_remarked(name, found)}: {found['rest'].removesuffix(f'</{name}>')}"


def _from_other(line: str, labels: _Labels) -> str | None:
    found, name = _OTHER.fullmatch(line), _other_name(line)
    if found is None or not labels.others or not labels.allow(name):
        return None
    return f"{_remarked(name, found)}: {found['rest']}"
