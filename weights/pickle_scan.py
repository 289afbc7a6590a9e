"""What a pickle would build, found from its opcodes alone, before anything builds it.

torch.load with weights_only runs no program, but it builds what it is told to: a tuple of a tuple
of a tuple, each twice, is a few bytes that take 2^40 steps to look up as a key, and a byte array is
as large as the pickle says. Tensors need neither, so both are refused here. The opcodes are walked
here and not by pickletools.genops, which makes ten calls for each.

Source: pickletools of Python's library, for the opcodes and how long their arguments are.
"""

from __future__ import annotations

import mmap
import pickle
import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field

_MAX_BYTES = 100_000_000  # of one pickle; that of a model with 1,300 tensors has 200 kB
_MAX_TUPLE = 10_000  # values in a tuple and the tuples inside it
_ALLOCATORS = (b"builtins\nbytearray", b"__builtin__\nbytearray")

_OPCODES = {
    ord(opcode.code): (opcode.name, 0 if opcode.arg is None else opcode.arg.n)
    for opcode in pickletools.opcodes
}
# Bytes that tell how long an argument is, by what pickletools says instead of a length.
_LENGTH_BYTES = {
    pickletools.TAKEN_FROM_ARGUMENT1: 1,
    pickletools.TAKEN_FROM_ARGUMENT4: 4,
    pickletools.TAKEN_FROM_ARGUMENT4U: 4,
    pickletools.TAKEN_FROM_ARGUMENT8U: 8,
}
_LINES = {"GLOBAL": 2, "INST": 2}  # of an argument that ends with a line; 1 for the others

# What lies above the mark becomes one value, or goes into what is below it.
_MADE_OF_MARKED = {"LIST", "DICT", "FROZENSET", "OBJ", "INST"}
_TO_MARK = {*_MADE_OF_MARKED, "TUPLE", "APPENDS", "SETITEMS", "ADDITEMS", "POP_MARK"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_REMEMBERING = {"BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"}
_RECALLING = {"BINGET", "LONG_BINGET", "GET"}
_DECIMAL = {"PUT", "GET"}
# Values taken off and put on by the other opcodes that do not just put one on.
_TAKEN = {
    "POP": 1, "APPEND": 1, "SETITEM": 2, "BUILD": 1, "REDUCE": 1, "NEWOBJ": 1, "NEWOBJ_EX": 2,
    "BINPERSID": 0, "STACK_GLOBAL": 1, "PROTO": 0, "FRAME": 0, "STOP": 0, "READONLY_BUFFER": 0,
}  # fmt: skip

Data = bytes | mmap.mmap


@dataclass(slots=True)
class _Machine:
    """The stack of an unpickler: of each value, how many values its tuples hold, or 0."""

    stack: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, int] = field(default_factory=dict)

    def run(self, name: str, argument: bytes) -> None:
        if name in _REMEMBERING:
            place = argument[0] if name == "BINPUT" else self._place(name, argument)
            self.memo[place] = self.stack[-1]
        elif name in _RECALLING:
            place = argument[0] if name == "BINGET" else self._place(name, argument)
            self.stack.append(self.memo[place])
        elif name in _TO_MARK:
            self._empty_mark(name)
        elif name == "MARK":
            self.marks.append(len(self.stack))
        elif name in _TUPLES:
            self._push_tuple(self._take(_TUPLES[name]))
        elif name == "DUP":
            self.stack.append(self.stack[-1])
        elif name in _TAKEN:
            self._take(_TAKEN[name])
        else:
            self.stack.append(0)

    def _place(self, name: str, argument: bytes) -> int:
        if name == "MEMOIZE":
            return len(self.memo)
        return int(argument) if name in _DECIMAL else int.from_bytes(argument, "little")

    def _empty_mark(self, name: str) -> None:
        above = self._take(len(self.stack) - self.marks.pop())
        if name == "TUPLE":
            self._push_tuple(above)
        elif name in _MADE_OF_MARKED:
            self.stack.append(0)

    def _take(self, count: int) -> list[int]:
        kept = len(self.stack) - count
        if kept < 0 or count < 0:
            raise pickle.UnpicklingError("nothing to take off the stack")
        taken, self.stack[kept:] = self.stack[kept:], []
        return taken

    def _push_tuple(self, inside: list[int]) -> None:
        size = 1 + len(inside) + sum(inside)
        if size > _MAX_TUPLE:
            raise pickle.UnpicklingError(f"a tuple of more than {_MAX_TUPLE} values")
        self.stack.append(size)


def check_pickle(data: Data, start: int = 0) -> int:
    """Walk one pickle; where it ends.

    Raises:
        pickle.UnpicklingError: If it is none, or would build what no file of tensors holds.
    """
    machine, end = _Machine(), start
    try:
        for name, argument, end in _walk(data, start):  # noqa: B007  (the last one counts)
            if name in _LINES and argument.startswith(_ALLOCATORS):
                raise pickle.UnpicklingError("a byte array is no tensor")
            machine.run(name, argument)
    except (LookupError, ValueError) as error:
        raise pickle.UnpicklingError(f"no pickle: {error}") from error
    return end


def _walk(data: Data, place: int) -> Iterator[tuple[str, bytes, int]]:
    """Name, argument and end of each opcode up to the last."""
    limit = min(len(data), place + _MAX_BYTES)
    name = ""
    while name != "STOP":
        if place >= limit:
            raise ValueError("it does not end")
        name, length = _OPCODES[data[place]]
        start = place + 1
        if length >= 0:
            place = start + length
        elif length == pickletools.UP_TO_NEWLINE:
            place = start
            for _ in range(_LINES.get(name, 1)):
                place = _after_line(data, place)
        else:
            told = start + _LENGTH_BYTES[length]
            place = told + int.from_bytes(data[start:told], "little")
        yield name, data[start:place], place


def _after_line(data: Data, place: int) -> int:
    found = data.find(b"\n", place)
    if found < 0:
        raise ValueError("a line does not end")
    return found + 1
