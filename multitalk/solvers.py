"""Which spacing of noise levels each of the host's samplers needs, and what is said otherwise.

Measured against 80 steps of Euler with a network that knows the exact answer:
tests/nodes/test_solvers.py holds a bound for every sampler, samplers.md has the figures.
"""

from __future__ import annotations

from itertools import pairwise

from .config import Schedule, ScheduleChoice
from .schedule import noise_levels
from .settings import RunSettings
from .words import count

# They go on from earlier steps: a step much smaller than those before throws them off course.
LOOKING_BACK = (
    "lms", "dpmpp_2m", "dpmpp_3m", "ipndm", "deis", "res_multistep", "gradient_estimation",
    "er_sde", "uni_pc", "unipc",
)  # fmt: skip
# They take steps of their own, and stop at the last level above 0 with so much noise left.
SELF_SPACED = ("dpm_fast", "dpm_adaptive")
# They mix in noise as models of another kind need it; more steps do not bring them closer.
OTHER_NOISE = ("ddpm", "res_multistep_ancestral")
OTHER_GUIDANCE = "_cfg_pp"  # end of names
# With fewer, dpm_fast is worse than Euler, and uni_pc takes no step at all: noise stays.
FEWEST_STEPS = {"dpm_fast": 4, "uni_pc": 2, "uni_pc_bh2": 2, "unipc": 2, "unipc_bh2": 2}
MOST_NOISE = 0.05  # that may be left in a picture
SHARP_FALL = 0.1  # a level of less than this share of the one before is a sharp fall


def check_solver(sampler: str, place: str) -> None:
    """Refuse a sampler that no schedule helps; `place` is the input it was chosen in.

    Raises:
        ValueError: With the sampler that fits.
    """
    if sampler.endswith(OTHER_GUIDANCE):
        raise ValueError(
            f"{place} is {sampler}; the samplers whose names end in {OTHER_GUIDANCE} guide by the "
            "negative prompt in a way of their own, which gets stronger with every step and knows "
            f"no sound. Set {place} to {sampler.removesuffix(OTHER_GUIDANCE)}."
        )


def choose_schedule(choice: ScheduleChoice, sampler: str) -> Schedule:
    """The spacing that a sampler gets; auto is as trained but for samplers that look back."""
    if choice != "auto":
        return choice
    return "even" if sampler.startswith(LOOKING_BACK) else "as trained"


def check_levels(settings: RunSettings) -> None:
    """Refuse noise levels and a sampler that do not fit each other.

    Raises:
        ValueError: With the setting to change.
    """
    sampler, steps = settings.sampler, settings.guidance.steps
    fewest = FEWEST_STEPS.get(sampler, 1)
    if steps < fewest:
        raise ValueError(
            f"steps is {steps}, and sampler {sampler} needs {fewest} or more. Raise steps, or set "
            "sampler to euler."
        )
    if sampler not in SELF_SPACED:
        return
    last = noise_levels(settings)[-2].item()
    if last > MOST_NOISE:
        cure = "schedule auto" if settings.schedule == "even" else "a smaller shift"
        if settings.sigmas is not None:
            cure = "noise levels whose last one above 0 is small"
        raise ValueError(
            f"sampler {sampler} stops at the last noise level above 0, which is {last:.2g} here, "
            f"and leaves that noise in the video. Choose {cure}, or another sampler."
        )


def describe_solver(settings: RunSettings) -> list[str]:
    """What the report says of the sampler of a run and its noise levels."""
    sampler = settings.sampler
    notes = []
    if sampler in OTHER_NOISE:
        notes.append(
            f"sampler {sampler}: its noise is that of models of another kind, and some stays in "
            "the picture, more with more steps; euler_ancestral suits WAN"
        )
    fall = _sharpest_fall(settings)
    if sampler.startswith(LOOKING_BACK) and fall < SHARP_FALL:
        cure = (
            "schedule auto or even suits it"
            if settings.sigmas is None
            else f"the connected noise levels fall to {fall:.0%} in one step; evener ones suit it"
        )
        notes.append(
            f"sampler {sampler} looks back at earlier steps, and one of these "
            f"{count(settings.guidance.steps, 'step')} is tiny, which can spoil the video: {cure}"
        )
    return notes


def _sharpest_fall(settings: RunSettings) -> float:
    """The least share that a level above 0 has of the one before; 1 if there are no two."""
    levels = noise_levels(settings).tolist()[:-1]
    return min((low / high for high, low in pairwise(levels) if high), default=1.0)
