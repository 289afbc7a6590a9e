"""A film is shots, a shot is windows: cuts to other pictures while the sound runs through.

Every shot is a video of its own with a first window that knows nothing of the shots before. What
runs through is the sound, which is heard across cuts, and the stream of random numbers.

Source: decisions.md 43.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from .config import Family, WindowSize
from .generate import (
    Attempt,
    FinishedWindow,
    Models,
    Scene,
    WindowState,
    generate,
)
from .noise import NoiseSource
from .settings import DriftControl, RunSettings, plan_video
from .shots import check_cuts
from .windows import WindowPlan


@dataclass(frozen=True, kw_only=True, slots=True)
class FilmPlan:
    """Windows of all shots of a video, numbered through."""

    shots: tuple[WindowPlan, ...]  # in order; each begins where the one before ends

    @property
    def size(self) -> WindowSize:
        """Window and overlap, the same in all shots."""
        return self.shots[0].size

    @property
    def num_frames(self) -> int:
        """Frames of the whole video."""
        return sum(shot.num_frames for shot in self.shots)

    @property
    def num_windows(self) -> int:
        """How many windows run."""
        return sum(shot.num_windows for shot in self.shots)

    @property
    def cuts(self) -> tuple[int, ...]:
        """First frame of every shot but the first."""
        return tuple(shot.begin for shot in self.shots[1:])

    @property
    def starts(self) -> tuple[int, ...]:
        """First frame of each window, counted in the whole video."""
        return tuple(shot.begin + start for shot in self.shots for start in shot.starts)

    def place(self, index: int) -> tuple[int, int]:
        """Number of the shot that window `index` belongs to, and of the window in it."""
        for number, shot in enumerate(self.shots):
            if index < shot.num_windows:
                return number, index
            index -= shot.num_windows
        raise LookupError(f"window {index + 1} beyond the {self.num_windows} of the video")

    def window_frames(self, index: int) -> int:
        """Frames that window `index` samples."""
        number, within = self.place(index)
        return self.shots[number].window_frames(within)

    def kept(self, index: int) -> slice:
        """Which frames of window `index` go into the video."""
        number, within = self.place(index)
        return self.shots[number].kept(within)


def plan_film(
    settings: RunSettings,
    num_frames: int,
    num_speakers: int,
    *,
    cuts: Sequence[int] = (),
    has_end: bool = False,
    continues: bool = False,
) -> FilmPlan:
    """Windows of a run with a new shot at each of the frames `cuts`; else as `plan_video`.

    The first shot continues another video, if any does, and the last comes to an end image.

    Raises:
        ValueError: As `check_cuts` and `plan_video` do, and for cuts in reference mode.
    """
    check_cuts(cuts, num_frames)
    if cuts and settings.reference_length:
        raise ValueError(
            "length is reference, and shots is connected; the published programs have no cuts. Set "
            "length to exact, or leave shots free."
        )
    shots = []
    for begin, end in zip((0, *cuts), (*cuts, num_frames), strict=True):
        plan = plan_video(
            settings,
            end - begin,
            num_speakers,
            has_end=has_end and end == num_frames,
            continues=continues and begin == 0,
        )
        shots.append(replace(plan, begin=begin, earlier=sum(s.num_windows for s in shots)))
    in_all = sum(shot.num_windows for shot in shots)
    return FilmPlan(shots=tuple(replace(shot, in_all=in_all) for shot in shots))


def generate_film(
    plan: FilmPlan,
    scenes: Sequence[Scene],
    models: Models,
    noise: NoiseSource,
    *,
    family: Family,
    drift: DriftControl,
    after: WindowState | None = None,
    attempt: Attempt = lambda make: make(),
) -> Iterator[FinishedWindow]:
    """Make a video of several shots window by window: as `generate`, with a scene for each shot.

    Raises:
        NotFiniteError: If a window holds NaN or infinite values: at the first one, with the stage.
    """
    done = -1 if after is None else after.index
    for shot, scene in zip(plan.shots, scenes, strict=True):
        if done >= shot.earlier + shot.num_windows - 1:
            continue
        begun = after is not None and done >= shot.earlier
        if after is not None and done == shot.earlier - 1:
            noise.restore(after.noise)  # where the shot before left it
        yield from generate(
            shot, scene, models, noise, family=family, drift=drift, attempt=attempt,
            after=after if begun else None,
        )  # fmt: skip
