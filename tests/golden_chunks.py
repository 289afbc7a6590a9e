"""Golden case of cutting phonemes and text into chunks, and of the row of a voice for a chunk."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from pack.kokoro.chunks import chunk_tokens
from pack.kokoro.phonemes import speech_chunks
from pack.kokoro.symbols import Token
from pack.kokoro.voices import mix_voices, voice_style


@dataclass
class Letters:
    """Reads every text as the phonemes that it is spelled with."""

    name: str = "letters"
    english: bool = False

    def tokens(self, text):
        return [Token(text=text, phonemes=text, blank=False)]


def chunking(case):
    counts = []
    for sub in case.config["english"]:
        tokens = [Token(text=t, phonemes=p, blank=blank) for t, p, blank in sub["tokens"]]
        chunks = chunk_tokens(tokens)
        assert [[chunk.text, chunk.phonemes] for chunk in chunks] == sub["chunks"]
        counts += [len(chunk.phonemes) for chunk in chunks]
    assert counts == case["chunk_phoneme_counts"].tolist()
    for sub in case.config["other_languages"]:
        chunks = speech_chunks(sub["text"], Letters(), cut_long=False)
        assert [[chunk.text, chunk.phonemes] for chunk in chunks] == sub["chunks"]
    rows = torch.arange(510.0)[:, None, None].expand(510, 1, 256)
    for sub in case.config["voice_rows"]:
        assert float(voice_style(rows, sub["phonemes"])[0]) == sub["row"]
    # The case's two packs are not stored; ones and twos have its mean.
    expected = case["mixed_voice"]
    with tempfile.TemporaryDirectory() as folder:
        for name, value in (("af_ones", 1.0), ("af_twos", 2.0)):
            torch.save(torch.full((510, 1, 256), value), Path(folder) / f"{name}.pt")
        mixed = mix_voices("af_ones,af_twos", Path(folder))
    assert torch.equal(mixed[0, 0, : len(expected)], expected)


HANDLERS = {"speech_chunking": chunking}
__all__ = ["HANDLERS"]
