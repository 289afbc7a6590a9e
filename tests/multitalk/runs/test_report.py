from __future__ import annotations

import pytest
import torch

from pack.multitalk.config import WindowSize
from pack.multitalk.film import plan_film
from pack.multitalk.generate import VideoWindow
from pack.multitalk.runs.report import RunReport, clock
from pack.multitalk.settings import DriftControl, GuidanceSettings, RunSettings
from pack.multitalk.stepcache import StepCacheSettings


def report(
    frames=200, drifts=(), *, steps=40, num_speakers=2, num_passes=3, made=None, cuts=(), **changes
):
    size = WindowSize(window=81, overlap=25)
    guidance = GuidanceSettings(steps=steps, shift=7.0, text_guidance=5.0, audio_guidance=4.0)
    options = {"height": 480, "width": 832, "family": "multitalk", "seed": 7, "sampler": "euler"}
    settings = RunSettings(guidance=guidance, size=size, **(options | changes))
    run = RunReport(
        plan=plan_film(settings, frames, num_speakers, cuts=cuts),
        settings=settings,
        num_speakers=num_speakers,
        num_passes=num_passes,
    )
    for index, drift in enumerate(drifts):
        run.add(
            VideoWindow(
                index=index,
                start=0,
                frames=torch.empty(0),
                drift=drift,
                left_drift=drift / 10,
                made=made is None or index in made,
            )
        )
    return run


def test_report_tells_what_how_memory_notes_and_colours_in_this_order():
    cache = StepCacheSettings(threshold=0.2, coefficients=(1.0,))
    run = report(drifts=(0.5, 1.26, 3.04, 4.0), made={2, 3}, step_cache=cache)
    run.lora_keys, run.reused_steps, run.peak_bytes = 400, 12, 12 << 30
    run.notes.append("continues an earlier run: 2 of 4 windows are there")
    assert run.text().splitlines() == [
        "video: 200 frames of 832 x 480 (8.00 s), 2 speakers",
        "windows: 4 of 81 frames (overlap 25)",
        "sampling: 40 steps of 3 passes, euler, shift 7, text 5, audio 4, seed 7",
        "made now: 2 of 4 windows, 168 network passes",
        "step cache: 12 of 40 steps reused in each window",
        "sigmas: 1 0.9963 0.9923 0.9882 0.984 ... 0.3714 0.2784 0.1607 0.006958 0",
        "LoRA: 400 weights changed",
        "graphics memory at most: 12.00 GiB",
        "continues an earlier run: 2 of 4 windows are there",
        "colour distance to the picture, before -> after matching (2 is just visible):",
        "  0.5 -> 0.1, 1.3 -> 0.1, 3.0 -> 0.3, 4.0 -> 0.4",
    ]


def test_report_of_a_film_counts_shots_and_has_a_line_for_each():
    run = report(900, drifts=range(17), cuts=(100, 140))
    assert run.short_plan() == "900 frames of 832 x 480 (36.0 s) in 17 windows, 3 shots"
    lines = run.text().splitlines()
    assert lines[1] == "windows: 17 of 81 frames (overlap 25), 3 shots"
    words = "colour distance to the picture of each shot, before -> after matching (2 is just visi"
    assert lines[-5].startswith(words)
    assert lines[-4:-1] == [
        "  shot 1: 0.0 -> 0.0, 1.0 -> 0.1",
        "  shot 2: 2.0 -> 0.2",
        "  shot 3: " + ", ".join(f"{n}.0 -> {n / 10}" for n in range(3, 13)),
    ]
    assert lines[-1].startswith("    from window 11: 13.0 -> 1.3, 14.0")


def test_one_of_a_kind_is_not_called_many():
    run = report(frames=1, drifts=(0.0,), steps=1, num_speakers=1, num_passes=1)
    run.lora_keys = 1
    text = run.text()
    assert "\nsigmas: 1 0\n" in text
    assert "1 frame of 832 x 480 (0.04 s), 1 speaker\n" in text
    assert "sampling: 1 step of 1 pass, " in text
    assert "LoRA: 1 weight changed\n" in text


def test_what_was_not_measured_or_not_used_is_not_told():
    text = report(drifts=(1.0,)).text()
    assert "memory" not in text
    assert "step cache" not in text
    assert "LoRA: 0 weights changed" in text
    assert "colour" not in report().text()  # stopped before the first window


def test_without_matching_a_distance_is_told_once():
    run = report(drifts=(1.0, 2.5), drift=DriftControl(color_strength=0.0))
    assert run.text().splitlines()[-2:] == [
        "colour distance to the picture, matching is off (2 is just visible):",
        "  1.0, 2.5",
    ]


def test_many_windows_have_a_summary_and_still_a_number_each():
    drifts = [1 + (index * 7 % 23) / 10 for index in range(23)]
    lines = report(frames=1300, drifts=drifts).text().splitlines()
    heading = next(i for i, line in enumerate(lines) if line.startswith("colour distance"))
    shown = [f"{drift:.1f} -> {drift / 10:.1f}" for drift in drifts]
    order = sorted(range(23), key=lambda index: -drifts[index])
    worst = ", ".join(f"{shown[i]} in window {i + 1}" for i in order[:3])
    assert lines[heading + 1 :] == [
        f"  least: {shown[0]} in window 1",
        f"  most: {worst}",
        f"  last: {shown[-1]}",
        f"  from window 1: {', '.join(shown[:10])}",
        f"  from window 11: {', '.join(shown[10:20])}",
        f"  from window 21: {', '.join(shown[20:])}",
    ]
    assert max(len(line) for line in lines) < 160


@pytest.mark.parametrize(("count", "lines"), [(1, 1), (10, 1), (11, 5), (200, 23)])
def test_numbers_of_windows_stay_in_short_lines(count, lines):
    text = report(frames=100, drifts=[12.3] * count).text()
    numbers = text.splitlines()[5 + 1 + 1 :]
    assert len(numbers) == lines
    assert sum(line.count("->") for line in numbers) == count + (5 if count > 10 else 0)


def test_headline_is_one_line():
    assert report().headline() == (
        "video: 200 frames of 832 x 480 (8.00 s), 2 speakers; windows: 4 of 81 frames "
        "(overlap 25); sampling: 40 steps of 3 passes, euler, shift 7, text 5, audio 4, seed 7"
    )


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "1 s"),
        (0.2, "1 s"),
        (1.6, "2 s"),
        (89.4, "89 s"),
        (89.9, "90 s"),
        (90, "2 min"),
        (100, "2 min"),
        (3600, "60 min"),
        (5399, "90 min"),
        (5400, "1.5 h"),
        (36000, "10.0 h"),
        (1e6, "277.8 h"),
    ],
)
def test_clock_says_durations_as_people_do(seconds, shown):
    assert clock(seconds) == shown
