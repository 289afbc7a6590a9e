from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pack.multitalk.config import FAMILIES, WindowSize
from pack.multitalk.film import FilmPlan, plan_film
from pack.multitalk.generate import Models, Scene, generate
from pack.multitalk.noise import SeededNoise
from pack.multitalk.settings import DriftControl, GuidanceSettings, RunSettings
from pack.multitalk.spans import choose_spans, describe_spans, read_spans
from pack.multitalk.windows import end_with_video, plan_exact

TOY = WindowSize(window=9, overlap=5)


def read(text):
    return [(s.line, str(s.start_s), s.end_s and str(s.end_s), s.text) for s in read_spans(text)]


@pytest.mark.parametrize(
    ("line", "start", "end", "text"),
    [
        ("0-4: she smiles", "0", "4", "she smiles"),
        ("4-9.5: a: b, 3-4", "4", "19/2", "a: b, 3-4"),
        ("  9.5- : waves ", "19/2", None, "waves"),
        ("0 - 4 s: x", "0", "4", "x"),
        ("0s-4sec: x", "0", "4", "x"),
        ("[0-4]: x", "0", "4", "x"),
        ("\u2022 0 to 4 seconds: x", "0", "4", "x"),
        (".5-1.: x", "1/2", "1", "x"),
        ("1,04-2,5:x", "26/25", "5/2", "x"),
        ("0:00-1:04.5: x", "0", "129/2", "x"),
        ("1:00:00-: x", "3600", None, "x"),
        ("0\u20134\uff1a\u4f60\u597d", "0", "4", "\u4f60\u597d"),
    ],
)
def test_ways_to_write_a_line(line, start, end, text):
    assert read(line) == [(1, start, end, text)]


def test_lines_may_stand_in_any_order_and_an_open_one_ends_where_the_next_begins():
    text = "# the end\n6-: c\n\n0-: a\n4-5: b\n"
    assert read(text) == [(4, "0", "4", "a"), (5, "4", "5", "b"), (2, "6", None, "c")]
    assert read(" \n# nothing\n") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0-4: a\nshe smiles", r"Line 2 does not begin with two times.*The line is: she smiles"),
        ("4: a", "Line 1 does not begin with two times"),
        ("-4: a", "Line 1 does not begin with two times"),
        ("0-4 a", "Line 1 does not begin with two times"),
        ("0-nan: a", "Line 1 does not begin with two times"),
        ("1e3-2e3: a", "Line 1 does not begin with two times"),
        ("0-4:", "Line 1 has no text"),
        ("0-4:  \n", "Line 1 has no text"),
        ("0-4:30 people", "Line 1 has digits behind its colon"),
        ("0:00-1:74: a", "Line 1 has a time whose minutes or seconds"),
        ("\n5-2: a", "Line 2 ends before it begins, 5 to 2. Write 2-5"),
        ("3-3.0: a", "Line 1 lasts no time, 3 to 3.0"),
        ("0-5: a\n4-9: b", r"Line 1 \(0 to 5 s\) and line 2 \(4 to 9 s\) overlap.*end at 4 s"),
        ("4-9: b\n0-5: a", r"Line 1 \(4 to 9 s\) and line 2 \(0 to 5 s\) .*Let line 2 end at 4 s"),
        ("4-: a\n4-: b", "Line 1 .from 4 s on. and line 2 .* Write them as one line"),
        ("0-9: a\n2-3: b\n4-5: c", "Line 1 .* and line 2 .* Let line 1 end at 2 s"),
    ],
)
def test_refused_lines_are_named(text, words):
    with pytest.raises(ValueError, match=words):
        read_spans(text)


def test_a_frame_belongs_to_the_line_in_whose_time_it_is_shown():
    spans = read_spans("0.01-0.08: a\n0.08-0.1: b\n0.101-: c")
    assert [span.frames(6) for span in spans] == [range(1, 2), range(2, 3), range(3, 6)]


def test_the_earlier_line_of_equals_wins_and_the_others_get_what_is_theirs():
    plan = FilmPlan(shots=(plan_exact(21, TOY),))  # new frames 0 to 8, 9 to 12, 13 to 16, 17 to 20
    spans = read_spans("0-0.44: a\n0.44-0.6: b\n0.8-: c")  # to frames 11, 15, and from 20 on
    assert choose_spans(spans, plan) == [0, 0, 1, 2]
    assert choose_spans(read_spans("0.36-0.52: a"), plan) == [None, 0, None, None]
    assert choose_spans((), plan) == [None] * 4


times = st.integers(0, 60).map(lambda n: Fraction(n, 20))  # also between frames


@settings(derandomize=True, database=None, deadline=None, max_examples=16)
@given(
    frames=st.integers(1, 60),
    cuts=st.lists(times, min_size=2, max_size=8, unique=True).map(sorted),
    kept=st.lists(st.booleans(), min_size=8, max_size=8),
    size=st.sampled_from([(9, 5), (9, 1), (13, 5)]),
    family=st.sampled_from(FAMILIES),
    has_end=st.booleans(),
)
def test_every_frame_is_painted_with_the_line_that_covers_most_of_its_window(
    frames, cuts, kept, size, family, has_end
):
    pairs = [pair for pair, keep in zip(pairwise(cuts), kept) if keep]  # noqa: B905 - shorter
    spans = read_spans("\n".join(f"{float(a)}-{float(b)}: {a}" for a, b in pairs))
    lead = size[1] if family == "flashtalk" else 0
    plan = plan_exact(frames, WindowSize(window=size[0], overlap=size[1]), lead=lead)
    plan = end_with_video(plan) if has_end and frames > 1 else plan
    chosen = choose_spans(spans, FilmPlan(shots=(plan,)))
    colors = [0.9 if index is None else index / 10 for index in chosen]
    models = Models(
        encode=lambda video: torch.zeros(1, 16, (len(video) + 3) // 4, 2, 2),
        decode=lambda latents: latents[0, 0, 0, 0, 0].expand(4 * latents.shape[2] - 3, 16, 16, 3),
        embed_picture=lambda picture: None,
        denoise=lambda request: torch.full_like(request.noise, colors[request.index]),
    )
    scene = Scene(
        source=lambda number: torch.zeros(1, 16, 16, 3),
        tracks=[torch.zeros(frames, 1, 1)],
        silence=torch.zeros(1, 1),
    )
    windows = generate(
        plan, scene, models, SeededNoise(1), family=family, drift=DriftControl(color_strength=0)
    )
    position = 0
    for window in windows:
        assert window.start == position
        position += len(window.frames)
        shares = [
            sum(a <= Fraction(frame, 25) < b for frame in range(window.start, position))
            for a, b in pairs
        ]
        most = max(shares, default=0)
        wanted = shares.index(most) / 10 if most else 0.9
        assert torch.equal(window.frames, torch.full_like(window.frames, wanted))
    assert position == frames


@settings(derandomize=True, database=None, deadline=None, max_examples=40)
@given(
    lengths=st.lists(st.integers(10, 40), min_size=1, max_size=3),
    cuts=st.lists(times, min_size=2, max_size=8, unique=True).map(sorted),
    size=st.sampled_from([(9, 5), (9, 1), (13, 5)]),
    family=st.sampled_from(FAMILIES),
    continues=st.booleans(),
)
def test_lines_of_a_film_count_by_the_time_of_the_whole_video(
    lengths, cuts, size, family, continues
):
    pairs = list(pairwise(cuts))
    spans = read_spans("\n".join(f"{float(a)}-{float(b)}: {a}" for a, b in pairs))
    guidance = GuidanceSettings(steps=1, shift=1.0, text_guidance=1.0, audio_guidance=1.0)
    chosen = RunSettings(
        height=16, width=16, guidance=guidance, family=family, seed=0, sampler="euler",
        size=WindowSize(window=size[0], overlap=size[1]),
    )  # fmt: skip
    begins = [sum(lengths[:number]) for number in range(1, len(lengths))]
    plan = plan_film(chosen, sum(lengths), 1, cuts=begins, continues=continues)
    position, wanted = 0, []
    for index in range(plan.num_windows):
        kept = plan.kept(index)
        frames = range(position, position + kept.stop - kept.start)
        position = frames.stop
        shares = [sum(a <= Fraction(frame, 25) < b for frame in frames) for a, b in pairs]
        wanted.append(shares.index(max(shares)) if max(shares) else None)
    assert position == sum(lengths)
    assert choose_spans(spans, plan) == wanted


def test_what_is_said_names_lines_windows_gaps_and_what_lies_beyond_the_sound():
    spans = read_spans("1-2: she smiles\n3-4.5: she turns\n5-: she waves\n# \n12-: nobody")
    said = describe_spans(spans, [0, None, 1, None, 1], num_frames=100)
    assert said == [
        "scene, 4 lines:",
        "  line 1 (1 to 2 s), she smiles: window 1",
        "  line 2 (3 to 4.5 s), she turns: windows 3, 5",
        "  line 3 (5 to 12 s), she waves: no window",
        "  line 5 (from 12 s on), nobody: no window",
        "  positive: windows 2, 4",
        "scene: line 2 (3 to 4.5 s) goes on after the end of the sound at 4 s",
        "scene: line 3 (5 to 12 s) comes after the end of the sound at 4 s; not used",
        "scene: line 5 (from 12 s on) comes after the end of the sound at 4 s; not used",
        "scene: no line for 0 to 1 s, 2 to 3 s; a window with no other time uses positive",
    ]
    assert describe_spans((), [None], 9) == [
        "scene: it has no line, so positive counts in all windows"
    ]
