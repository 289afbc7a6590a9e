r"""A dialogue script -> turns: who says what, when, and in which voice.

How people write one; everything but the words is optional:

    Anna: Hello!                         a name and a colon at the beginning of a line: a turn
    and this is still Anna.              a line without a name goes on
    Ben [voice=am_adam, speed=1.2]: Hi.  options for this turn: voice, speed, language
    Anna (laughing): Hi!                 what is seen meanwhile: for the scene, never spoken
    Anna: Well [1.5s] yes.               silence: [1.5s], [500ms], [pause] (half a second)
    Ben: [-0.5s] Wait!                   begins half a second before the others have ended
    Anna: [together] No!                 begins at the same time as the turn before it
    (s1) Hello. [S2] Hi.                 the marks of the reference, anywhere in a line
    \Note: this is spoken.               a backslash makes words of a name, mark or bracket

Scripts of other programs ([Anna] Hello, JSON, subtitles) become such lines first: see foreign.py
and json_turns.py. Without any mark or name, all is one turn of one speaker. What counts as a name:
see names.py. Other brackets are words. A turn without words is refused. Marks and brackets may be
written in capitals.

Source: audio.md section 6; the golden case tts_turns for the reference's own rules.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from fractions import Fraction

from . import notation
from .foreign import plain_lines
from .json_turns import JsonTurn, is_json, read_json_turns
from .names import HEAD, MARK_NAME, SpeakerNames, check_remark, is_label_colon
from .notation import Options, Place
from .turns import Script, Turn

REFERENCE_MARK = re.compile(r"\(s(?P<number>\d{1,9})\)")
REFERENCE_SPEAKERS = 2  # marks of others are read, and nobody speaks them
_BLANKS = re.compile(r"\s*")


def parse_script(text: str, names: Sequence[str] = ()) -> Script:
    """Read a dialogue script, as the head of this file shows; every turn has text.

    Control characters are dropped. If the speakers are known, only `names` are names, and (s1) is
    the first of them.

    Raises:
        ValueError: If something cannot be understood; says where, and shows the line.
    """
    text = notation.drop_unseen(text)
    reader = _Reader(names)
    if is_json(text):
        for number, turn in enumerate(read_json_turns(text), start=1):
            reader.read_turn(number, turn)
    else:
        for number, line in plain_lines(text.split("\n"), names):
            reader.read_line(number, line)
    return reader.finish()


def parse_reference_script(text: str) -> Script:
    """Read "(s1) ... (s2) ..." by the reference's rules.

    Only lower-case marks count, text before them is dropped, and there are two speakers; nobody
    speaks the turns of other marks.

    Raises:
        ValueError: If there is no mark, or a turn that is spoken has no text.
    """
    marks = list(REFERENCE_MARK.finditer(text))
    if not marks:
        raise ValueError(
            "The script has no mark; reference mode needs one before every turn. Write (s1) before "
            "the words of speaker 1 and (s2) before those of speaker 2."
        )
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    turns = []
    counted, line, line_end = 0, 1, -1  # what has been counted, and the last line end there
    for mark, end in zip(marks, ends, strict=True):
        words = text[mark.end() : end].lstrip()
        words = words if end == len(text) else words.rstrip()
        speaker = int(mark["number"]) - 1
        line += text.count("\n", counted, mark.start())
        line_end = max(line_end, text.rfind("\n", counted, mark.start()))
        counted = mark.start()
        column = counted - line_end
        if not words.strip() and 0 <= speaker < REFERENCE_SPEAKERS:
            raise ValueError(
                f"{notation.describe(line, column)}: {mark[0]} has no text. Write words after it."
            )
        name = f"s{speaker + 1}"
        turns.append(Turn(speaker=speaker, name=name, text=words, line=line, column=column))
    return Script(speakers=("s1", "s2"), turns=tuple(turns))


class _Reader:
    """A script that is being read, line by line."""

    def __init__(self, names: Sequence[str]) -> None:
        self.speakers = SpeakerNames(names)
        self.turns: list[Turn] = []
        self.is_named = False  # whether a name or mark has been seen
        self.speaker = 0  # of the open turn
        self.options: Options | None = None
        self.remark = ""  # of the open turn
        self.begin: Place | None = None  # of the open part of the turn
        self.first: Place | None = None  # of everything
        self.num_parts = 0  # of the open turn that have ended
        self.words: list[str] = []  # of the open part
        self.has_words = False  # whether one of them is more than a blank
        self.pause_s = Fraction(0)  # before the next part
        self.together = False
        self.exact = False  # one of the two is written
        self.cue: Place | None = None  # the last pause or [together]

    def read_turn(self, number: int, turn: JsonTurn) -> None:
        """Read a turn whose speaker is known; places are those in its text."""
        text = notation.drop_unseen(turn.text)
        place = Place(line=number, column=1, text=text.partition("\n")[0])
        speaker = self.speakers.by_any_name(notation.drop_unseen(turn.speaker), place)
        self._begin_turn(speaker, place)
        self.remark = notation.drop_unseen(turn.remark)
        if turn.options:
            self._set_options(notation.drop_unseen(turn.options), place)
        for line in text.split("\n"):
            self.read_line(number, line, may_be_named=False)

    def read_line(self, number: int, line: str, *, may_be_named: bool = True) -> None:
        """Read one line; a name can only stand before its first word."""
        position, at_start = 0, may_be_named
        while position < len(line):
            if at_start:
                begin = _skip_blanks(line, position)
                position = self._read_head(Place(line=number, column=begin + 1, text=line))
                at_start = position == begin
            found = notation.SPECIAL.search(line, position)
            stop = found.start() if found else len(line)
            words = line[position:stop]
            self._add_words(words, Place(line=number, column=position + 1, text=line))
            at_start = at_start and not words.strip()
            position = stop
            if found:
                place = Place(line=number, column=stop + 1, text=line)
                at_start = self._read_special(found, place) and at_start
                position = found.end() + (found["escape"] is not None)
        self.words.append("\n")

    def finish(self) -> Script:
        """End the last turn."""
        self._end_turn()
        if not self.turns:
            raise ValueError(
                "The script has no words. Write for example, in two lines: Anna: Hello! Ben: Hi!"
            )
        if self.cue and (self.pause_s < 0 or self.together):
            raise self.cue.error("No turn follows that could overlap. Remove the bracket.")
        return Script(
            speakers=tuple(self.speakers.names),
            turns=tuple(self.turns),
            end_pause_s=float(self.pause_s),
            end_exact=self.exact,
        )

    def _read_head(self, place: Place) -> int:
        """Read a label, or one that a backslash makes words; returns the position after it."""
        start, line = place.column - 1, place.text
        is_escaped = line.startswith("\\", start)
        found = HEAD.match(line, start + is_escaped)
        if found is None or not is_label_colon(line, found):
            if not is_escaped and found is None:
                check_remark(line, start, place)
            return start
        if is_escaped:
            self._add_words(found[0], place)
            return found.end()
        remark = found["remark"]
        if remark and re.fullmatch(notation.MARK, remark):
            return start
        speaker = self.speakers.by_name(found["name"], place)
        if speaker is None:
            return start
        self._begin_turn(speaker, place)
        self.remark = notation.join_remarks(remark, found["late"])
        for bracket in re.finditer(r"\[([^\[\]]*)\]", found["brackets"]):
            here = _move(place, found.start("brackets") + bracket.start())
            if not self._read_cue(bracket[1], here):
                self._set_options(bracket[1], here)
        return found.end()

    def _read_special(self, found: re.Match[str], place: Place) -> bool:
        """Read a mark or bracket; returns whether a name may still follow in this line."""
        if found["unclosed"]:
            shown = found["unclosed"].split()[0]
            raise place.error(f"{shown} has no closing bracket. Write ] after it.")
        if found["number"]:
            self._begin_turn(self.speakers.by_number(int(found["number"]), place), place)
            return False
        if found["escape"]:
            self._add_words(place.text[found.end()], place)
            return False
        inside = found["inside"]
        mark = MARK_NAME.fullmatch(inside.strip().lower())
        if mark:  # [S1]
            self._begin_turn(self.speakers.by_number(int(mark[1]), place), place)
            return False
        if self._read_cue(inside, place):
            return True
        key = inside.partition("=")[0].strip().lower() if "=" in inside else ""
        # After a name, any [x=y] is meant as an option; [word](/phonemes/) is for the voice.
        is_option = key in notation.OPTION_NAMES or bool(
            key and self.is_named and not self._is_under_way()
            and not place.text.startswith("(/", found.end())
        )  # fmt: skip
        if is_option:
            self._set_options(inside, place)
        else:
            self._add_words(found[0], place)
        return False

    def _read_cue(self, inside: str, place: Place) -> bool:
        """Read a pause or [together]; returns whether it was one."""
        together = inside.strip().lower() == "together"
        pause_s = None if together else notation.parse_pause(inside, place)
        if not together and pause_s is None:
            return False
        self._end_part()
        self.cue, self.exact = place, True
        self.together = self.together or together
        if not pause_s:
            return True
        self.pause_s += pause_s
        most = notation.MAX_PAUSE_S
        if abs(self.pause_s) > most:
            raise place.error(f"The pauses here add up to more than {most} s. Remove one.")
        return True

    def _is_under_way(self) -> bool:
        return self.num_parts > 0 or self.has_words

    def _set_options(self, inside: str, place: Place) -> None:
        options = notation.parse_options(inside, place)
        if self._is_under_way() or self.options is not None:
            raise place.error(
                "Options stand once in a turn, right after the name. Move or join them."
            )
        self.options = options
        self.first = self.first or place

    def _begin_turn(self, speaker: int, place: Place) -> None:
        if not self.is_named and self.first:
            raise self.first.error(
                "This comes before the first speaker. Write a name and a colon before it."
            )
        self._end_turn()
        self.is_named, self.speaker, self.options, self.num_parts = True, speaker, None, 0
        self.remark = ""
        self.begin = self.first = place

    def _add_words(self, words: str, place: Place) -> None:
        if not words:
            return
        if words.strip() and not self.has_words:
            begin = _move(place, _skip_blanks(words, 0) + place.column - 1)
            self.first = self.first or begin
            if self.num_parts or not self.is_named:  # else the turn begins at its name
                self.begin = begin
        self.words.append(words)
        self.has_words = self.has_words or not words.isspace()

    def _end_turn(self) -> None:
        self._end_part()
        if self.is_named and self.begin and self.num_parts == 0:
            name = self.speakers.names[self.speaker]
            raise self.begin.error(
                f"{name} has nothing to say here. Write words after the name, or remove it."
            )

    def _end_part(self) -> None:
        """Make a turn of the words since the last pause."""
        text = "".join(self.words).strip()
        self.words, self.has_words = [], False
        if not text or self.begin is None:
            return
        if self.num_parts and not any(character.isalnum() for character in text):
            # "Well [1s]." - nobody can speak a full stop alone.
            last = self.turns[-1]
            self.turns[-1] = dataclasses.replace(last, text=last.text + text)
            return
        if not self.speakers.names:
            self.speakers.names.append("s1")
        self._check_overlap()
        own = self.options or Options()
        turn = Turn(
            speaker=self.speaker, name=self.speakers.names[self.speaker], text=text,
            pause_s=float(self.pause_s), together=self.together, exact=self.exact,
            line=self.begin.line, column=self.begin.column,
            voice=own.voice, speed=own.speed, language=own.language, remark=self.remark,
        )  # fmt: skip
        self.turns.append(turn)
        self.num_parts += 1
        self.pause_s, self.together, self.exact = Fraction(0), False, False

    def _check_overlap(self) -> None:
        if self.cue is None or not (self.pause_s < 0 or self.together):
            return
        if not self.turns:
            raise self.cue.error("There is nothing before it to overlap. Remove the bracket.")
        if self.together and self.pause_s < 0:
            raise self.cue.error(
                "[together] begins with the turn before it, not earlier. Remove one of the two."
            )
        if self.turns[-1].speaker == self.speaker:
            raise self.cue.error(
                f"{self.speakers.names[self.speaker]} cannot speak over their own words. Overlaps "
                "stand between two speakers; write a pause without a minus."
            )


def _move(place: Place, position: int) -> Place:
    """Another position, from 0, in the same line."""
    return Place(line=place.line, column=position + 1, text=place.text)


def _skip_blanks(text: str, position: int) -> int:
    """The first position from `position` on that holds no white space."""
    found = _BLANKS.match(text, position)
    return found.end() if found else position
