"""espeak-ng in a process of its own: one request on standard input, the answer on standard output.

Run as a script by process.py, with the paths of the library and of its data; it imports nothing of
the pack. The request is JSON: {"do": "voices"}, {"do": "ipa", "voice", "texts"} or
{"do": "speak", "voice", "text", "rate", "pitch"}. The answer is a line of JSON, "status",
"sample_rate", "result" and "num_bytes", and that many bytes of 16-bit samples.

Source: espeak-ng's public interface, speak_lib.h of version 1.52.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

SYNCHRONOUS, DONT_EXIT, OK = 2, 0x8000, 0  # hands out samples, opens no sound device
UTF8 = 1
# IPA, with a tie inside phonemes of several letters; the tie is the character in bits 8 to 23.
IPA_WITH_TIE = 0x02 | 0x80 | ord("^") << 8
RATE, PITCH = 1, 3  # parameter numbers
LIST_END, WORD = 0, 1  # kinds of events
SEED = 1  # of the noise in voices; espeak-ng takes whole numbers above 0


class Voice(ctypes.Structure):
    """A language or dialect."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),  # a priority byte and a name each, then a zero byte
        ("identifier", ctypes.c_char_p),
    )  # and what is not read here


class Event(ctypes.Structure):
    """Something that happens at a sample."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters from the start of the text, from 1
        ("length", ctypes.c_int),
        ("audio_position_ms", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_void_p),  # a union of a number, a pointer and eight characters
    )


CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)


def load(path: str, data: str) -> tuple[ctypes.CDLL, int]:
    """The library, started, and its sample rate in Hz; 0 or less where its data do not fit."""
    library = ctypes.CDLL(path)
    number, text, pointer = ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p
    library.espeak_Initialize.argtypes = (number, number, text, number)
    library.espeak_ListVoices.argtypes = (pointer,)
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(Voice))
    library.espeak_SetVoiceByName.argtypes = (text,)
    library.espeak_TextToPhonemes.argtypes = (ctypes.POINTER(pointer), number, number)
    library.espeak_TextToPhonemes.restype = text
    library.espeak_Synth.argtypes = (
        *(text, ctypes.c_size_t, ctypes.c_uint, number, ctypes.c_uint, ctypes.c_uint),
        *(pointer, pointer),
    )  # fmt: skip
    library.espeak_ng_SetRandSeed.argtypes = (ctypes.c_long,)
    sample_rate = library.espeak_Initialize(SYNCHRONOUS, 0, os.fsencode(data), DONT_EXIT)
    library.espeak_ng_SetRandSeed(SEED)  # it begins with the clock, and breathy voices are noisy
    return library, sample_rate


def voices(library: ctypes.CDLL) -> list[tuple[str, str, list[tuple[int, str]]]]:
    """Name, identifier and languages (priority, code) of every voice."""
    found, index = [], 0
    listed = library.espeak_ListVoices(None)
    while listed[index]:
        voice = listed[index].contents
        languages, address = [], voice.languages
        while priority := ctypes.string_at(address, 1)[0]:
            code = ctypes.string_at(address + 1)
            languages.append((priority, code.decode()))
            address += 2 + len(code)
        found.append((voice.name.decode().strip(), voice.identifier.decode(), languages))
        index += 1
    return found


def phonemes(library: ctypes.CDLL, text: str) -> str:
    """IPA of a text in the chosen voice, clauses joined by blanks, `^` as tie."""
    buffer = ctypes.create_string_buffer(encode(text))
    at = ctypes.c_void_p(ctypes.addressof(buffer))
    clauses = []
    while at.value:  # null once the text is used up
        clause = library.espeak_TextToPhonemes(ctypes.byref(at), UTF8, IPA_WITH_TIE)
        clauses.append((clause or b"").decode("utf-8", "ignore").strip())
    return " ".join(clause for clause in clauses if clause)


def speak(library: ctypes.CDLL, text: str) -> tuple[int, list[tuple[int, int]], bytes]:
    """Status, (character, sample) where each word begins, and 16-bit samples of a text."""
    words: list[tuple[int, int]] = []
    sound = bytearray()

    def take(samples: int, count: int, events: ctypes.Array[Event]) -> int:
        if samples and count:
            sound.extend(ctypes.string_at(samples, 2 * count))
        index = 0
        while events[index].kind != LIST_END:
            if events[index].kind == WORD:
                words.append((events[index].text_position - 1, events[index].sample))
            index += 1
        return 0

    callback = CALLBACK(take)
    library.espeak_SetSynthCallback(callback)
    data = encode(text)
    status = library.espeak_Synth(data, len(data) + 1, 0, 1, 0, UTF8, None, None)
    return status or library.espeak_Synchronize(), words, bytes(sound)


def encode(text: str) -> bytes:
    """UTF-8 of a text; its length in characters stays, because events count them."""
    # A zero would end the text, and two brackets would start espeak-ng's own phoneme notation.
    return text.replace("\0", " ").replace("[[", "[ ").encode("utf-8", "replace")


def main() -> None:
    """Read the request, answer it."""
    request = json.loads(sys.stdin.buffer.read())
    library, sample_rate = load(sys.argv[1], sys.argv[2])
    status = OK if sample_rate > 0 else -1
    result, samples = None, b""
    if status == OK and "voice" in request:
        status = library.espeak_SetVoiceByName(request["voice"].encode())
    if status == OK:
        if request["do"] == "voices":
            result = voices(library)
        elif request["do"] == "ipa":
            result = [phonemes(library, text) for text in request["texts"]]
        else:
            library.espeak_SetParameter(RATE, request["rate"], 0)
            library.espeak_SetParameter(PITCH, request["pitch"], 0)
            status, result, samples = speak(library, request["text"])
    head = {"status": status, "sample_rate": sample_rate, "result": result}
    head["num_bytes"] = len(samples)
    sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + samples)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
