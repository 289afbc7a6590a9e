"""Values that no careful person types: what tools/fuzz/mutations.py puts into prompts."""

from __future__ import annotations

from typing import Any

# Inputs that take any text; all other texts are choices, which the host compares with a list.
FREE_TEXT = frozenset([
    "script", "voices", "boxes", "placement.offsets", "filename_prefix", "language", "text",
    "voice",
])  # fmt: skip
MOSTLY_FREE = 0.8  # share of the changed texts that are free ones, if there is one

NUMBERS: tuple[int | float, ...] = (
    0, 1, 2, -1, 3, 5, 7, 8, 9, 16, 17, 24, 33, 81, 0.0, -0.0, 0.1, 0.5, 1.5, 2.0, -1.5, 100, 1000,
)  # fmt: skip
HUGE: tuple[int | float, ...] = (
    1e308, -1e308, 10**30, -(10**30), 2**31, 2**31 - 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64,
    -(2**63),
    1e-308, 5e-324, 10**400,
)  # fmt: skip
NOT_FINITE = (float("nan"), float("inf"), float("-inf"))
UNICODE = (
    "\0", "a\0b", "\ud800", "\udfff\ud800", "\u05e9\u05dc\u05d5\u05dd: \u202eabc\u202c",
    "\u0645\u0631\u062d\u0628\u0627", "\u4f60\u597d\uff1a\u4e16\u754c",
    "\U0001f600\u200d\U0001f525",
    "e\u0301\u0323\u0489", "\ufeff\u2028\u2029\x85", "\x1b[31m\x07\x08",
    "\uff11, \u0662, \u00b2, \u2460",
    "\u00df\u0130\u0131\ufb01", "\r\n\r", "\ufffe\uffff", "%s %d {0} {x} %(a)s $HOME `id`",
)  # fmt: skip
PATHS = (
    "../../x", "../../../../../../tmp/multitalk_fuzz_escape/x", "/tmp/multitalk_fuzz_escape/x",
    "C:\\multitalk_fuzz_escape\\x", "..\\..\\x", "\\\\server\\share\\x", "~/x", "video/../../x",
    "x/", "/", ".", "..", "./", "a/b/c/d/e/f", "CON", "x" * 300, "x/" * 2000 + "x",
    "file:///etc/passwd",
    "/dev/null", "/proc/self/mem", "x\n../y", "a:b", "%date:yyyy%", "%year%/%width%",
)  # fmt: skip
# Pieces of the small languages in our text fields: scripts, casts, boxes, offsets, mixes of voices.
PIECES = (
    "Anna", "Ben", ":", "=", ",", ";", "\n", " ", "(s1)", "(s9)", "(s0)", "[1.5s]", "[-3s]", "[",
    "]", "[together]", "[pause]", "[voice=", "speed=9]", "speed=0.5", "\\", "(/", "/)", "0", "2.5",
    "-1", "1e9", "1e400", "1/3", "1/0", "nan", "inf", "120, 80, 300, 360", "0 0 0 0", "f1", "m7",
    "af_heart:0.7", "zz", "Hello.", "*", "**", "?!", "1_000", "99999999999999999999", "-", "--help",
    "\t", "#", "'", '"',
)  # fmt: skip
WRONG: tuple[Any, ...] = (
    "7", "", "abc", 7, -7, 2.5, True, False, [], {}, [1], ["a", "b", "c"], {"a": 1}, [[]], [None],
    {"__value__": []}, {"__value__": None}, {"__value__": "x"}, {"__value__": 3}, [0, 0], ["1",
    "0"],
    [{}, 0], "true", "None", "0x10", "1e3", " 5 ", "5,0",
)  # fmt: skip
