"""Who has which tokens: even stretches of any number of tokens, and the frames they touch.

Stretches differ by at most one token, so nothing is padded and nothing has to be masked: what the
reference leaves wrong for counts that do not divide is right here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..words import count


def stretch_sizes(tokens: int, ranks: int) -> tuple[int, ...]:
    """How many tokens each rank has; the first have one more where the number does not divide.

    Raises:
        ValueError: If there are fewer tokens than ranks.
    """
    if tokens < ranks:
        raise ValueError(
            f"The picture is too small for {count(ranks, 'card')}. Make it larger, or use fewer "
            "cards."
        )
    each, more = divmod(tokens, ranks)
    return tuple(each + (rank < more) for rank in range(ranks))


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """Tokens `first` to `end` of all, frame-major, `per_frame` tokens in each latent frame."""

    first: int
    end: int
    per_frame: int

    @property
    def frames(self) -> slice:
        """Latent frames that it touches."""
        return slice(self.first // self.per_frame, (self.end - 1) // self.per_frame + 1)

    @property
    def lead(self) -> int:
        """Tokens of its first frame that come before it."""
        return self.first % self.per_frame


def stretch_of(rank: int, sizes: tuple[int, ...], frames: int) -> Stretch:
    """The stretch of a rank among `sizes`, of a video of so many latent frames."""
    first = sum(sizes[:rank])
    return Stretch(first=first, end=first + sizes[rank], per_frame=sum(sizes) // frames)
