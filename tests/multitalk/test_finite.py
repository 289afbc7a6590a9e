from __future__ import annotations

import pytest
import torch

from pack.multitalk.config import WindowSize
from pack.multitalk.finite import (
    NotFiniteError,
    StepWatch,
    check_finite,
    first_not_finite,
    is_finite,
)
from pack.multitalk.generate import Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.runs.folder import RunFolder, continue_windows
from pack.multitalk.runs.writer import Writer
from pack.multitalk.settings import DriftControl
from pack.multitalk.windows import plan_exact
from pack.tests.multitalk.stand_ins import Painter

PLAN = plan_exact(40, WindowSize(window=17, overlap=5))
BAD = [float("nan"), float("inf"), float("-inf")]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.float8_e5m2]
)
@pytest.mark.parametrize("place", [0, 7, 23])
def test_one_bad_value_is_found(dtype, bad, place):
    values = torch.linspace(-3, 3, 24)
    assert is_finite(values.to(dtype).reshape(2, 3, 4))
    values[place] = bad
    assert not is_finite(values.to(dtype).reshape(2, 3, 4))
    assert not is_finite(values.to(dtype).reshape(2, 3, 4).movedim(0, -1))


@pytest.mark.parametrize("values", [torch.zeros(0), torch.ones(3, dtype=torch.int64)])
def test_what_holds_no_such_numbers_is_fine(values):
    assert is_finite(values)


def test_sentence_counts_and_advises():
    with pytest.raises(NotFiniteError, match=r"^image: 2 of 5 values .* black\. Save it again\.$"):
        check_finite(torch.tensor([1.0, BAD[0], 2, BAD[1], 3]), "image", "Save it again.")


def test_first_bad_step_is_named():
    watch = StepWatch()
    assert watch.first_bad() is None
    for value in (1.0, 2.0, BAD[0], BAD[0]):
        watch.note(torch.tensor([0.0, value]))
    assert watch.first_bad() == 3


def test_first_bad_weight_is_named():
    weights = {"a": torch.ones(2), "b": torch.tensor([1.0, BAD[1]]), "c": torch.tensor(BAD[0])}
    assert first_not_finite(weights.items()) == "b"
    assert first_not_finite([]) is None


class Broken(Painter):
    """Gives bad values in one place from its second window on."""

    def __init__(self, place, bad):
        super().__init__(PLAN)
        self.place, self.bad = place, bad

    def _break(self, place, values):
        if place == self.place and len(self.requests) == (1 if place == "encode" else 2):
            values.view(-1)[-1] = self.bad
        return values

    def encode(self, frames):
        return self._break("encode", super().encode(frames))

    def denoise(self, request):
        return self._break("denoise", super().denoise(request))

    def decode(self, latents):
        return self._break("decode", super().decode(latents))


@pytest.mark.parametrize("family", ["multitalk", "infinitetalk"])
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize(
    ("place", "named"),
    [
        ("encode", "picture as the VAE encodes it"),
        ("denoise", "result of the network"),
        ("decode", "decoded frames of the VAE"),
    ],
)
def test_first_bad_window_stops_the_run_and_is_not_kept(tmp_path, family, place, named, bad):
    def make(models):
        def begin(after):
            return generate(
                PLAN,
                Scene(
                    source=lambda _number: torch.full((1, 16, 16, 3), 0.5),
                    tracks=[torch.zeros(40, 1, 1)],
                    silence=torch.zeros(1, 1),
                ),
                models,
                SeededNoise(1),
                family=family,
                drift=DriftControl(),
                after=after,
            )

        return begin

    sentence = rf"^Window 2 of {PLAN.num_windows} stops the run, .* kept\. {named}: \d+ of \d+ "
    with RunFolder(tmp_path, {}, PLAN.num_windows) as folder, Writer() as writer:
        windows = continue_windows(folder, make(Broken(place, bad).models), writer)
        next(windows)
        with pytest.raises(NotFiniteError, match=sentence):
            next(windows)
        writer.wait()
        assert folder.finished == [0]
        again = list(continue_windows(folder, make(Painter(PLAN).models), writer))
        assert len(again) == PLAN.num_windows
