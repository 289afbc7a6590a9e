"""What several cards should gain, from counts alone: `python tools/bench/scale_counts.py`.

Prints the tables of docs/scale.md. Nothing is measured: FLOPs and bytes are exact, the rates of
cards and links below are assumed, copies are not hidden behind work, and nobody waits for others.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

BLOCKS, DIM, FFN, TEXT_ROWS, AUDIO_TOKENS = 40, 5120, 13824, 769, 32
BYTES = 2  # bf16
LATENT_FRAMES = 21
SIZES = {"480 (448 x 832)": (448, 832), "720 (704 x 1280)": (704, 1280)}
RANKS = (2, 4, 8)


@dataclass(frozen=True)
class Machine:
    """Cards of one kind and the links between them; rates are assumptions."""

    name: str
    flops: float  # that a card sustains, per second
    link: float  # bytes per second that a card sends


MACHINES = (
    Machine("data center, NVLink", 400e12, 350e9),
    Machine("data center, PCIe 5", 400e12, 45e9),
    Machine("desktop, PCIe 4", 120e12, 20e9),
)


def tokens(height: int, width: int) -> int:
    """Video tokens of a window of 81 frames."""
    return LATENT_FRAMES * (height // 16) * (width // 16)


def pass_flops(height: int, width: int) -> float:
    """FLOPs of one pass with one speaker; performance.md section 1.2."""
    length = tokens(height, width)
    per_token = 2 * (8 * DIM**2 + 2 * DIM * FFN) + 4 * TEXT_ROWS * DIM + 4 * AUDIO_TOKENS * DIM
    return BLOCKS * (length * per_token + 4 * length**2 * DIM)


def sent_bytes(height: int, width: int, ranks: int) -> float:
    """Bytes that each card sends in one pass when the tokens are split (Ulysses).

    Queries, keys, values and results, of which a card keeps its own part.
    """
    share = tokens(height, width) * DIM / ranks
    return BLOCKS * 4 * share * BYTES * (ranks - 1) / ranks


def split_rows() -> Iterator[tuple[str, ...]]:
    """Size, machine, cards, GB sent, communication over compute, gain."""
    for size, (height, width) in SIZES.items():
        for machine in MACHINES:
            for ranks in RANKS:
                compute = pass_flops(height, width) / ranks / machine.flops
                sent = sent_bytes(height, width, ranks)
                talk = sent / machine.link
                gain = ranks * compute / (compute + talk)
                yield (
                    size, machine.name, str(ranks), f"{sent / 1e9:.1f}", f"{talk / compute:.2f}",
                    f"{gain:.1f}",
                )  # fmt: skip


def pass_rows() -> Iterator[tuple[str, ...]]:
    """Passes of a step, and the gain on two and on three cards."""
    for passes in (1, 2, 3):
        yield (str(passes), *(f"{passes / -(-passes // cards):.1f}" for cards in (2, 3)))


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pass_table() -> str:
    """Gain by dealing passes out."""
    return table(("passes of a step", "two cards", "three cards"), pass_rows())


def split_table() -> str:
    """Gain by splitting the tokens of a pass."""
    head = ("size", "cards and links", "cards", "GB sent by each", "talk / work", "gain")
    return table(head, split_rows())


if __name__ == "__main__":
    print(pass_table())
    print()
    print(split_table())
