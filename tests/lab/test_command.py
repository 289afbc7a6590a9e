"""Command lines of the laboratory and of the measurement of choices."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pack.multitalk.config import WindowSize
from pack.multitalk.windows import plan_exact
from pack.tools.lab.choices import LONG, SHORT, dialogues
from pack.tools.lab.command import parse_arguments
from pack.tools.lab.run import toy_settings


def test_every_setting_is_an_option():
    options, settings = parse_arguments(
        ["--clips", "6", "--steps", "4", "--apg", "--masks", "swapped", "--audio-guidance", "3"]
    )
    assert (options.clips, options.long, options.json, options.dub) == (6, False, False, False)
    assert settings == toy_settings(steps=4, apg=True, masks="swapped", audio_guidance=3.0)


def test_too_few_clips_are_refused(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(["--clips", "2"])
    assert "--clips is 2; at least 3 are needed" in capsys.readouterr().err


def test_choices_change_settings_that_exist():
    variants = [*SHORT.values(), *(variants for variants, _ in LONG.values())]
    for changes in (changes for each in variants for changes in each.values()):
        assert replace(toy_settings(), **changes)


@pytest.mark.parametrize("count", [1, 3, 20])
def test_dialogues_fill_exactly_so_many_windows(count):
    settings = toy_settings()
    size = WindowSize(window=settings.window, overlap=settings.overlap)
    for clip in dialogues(count, settings):
        assert plan_exact(clip.num_frames, size).num_windows == count
        assert plan_exact(clip.num_frames + 1, size).num_windows == count + 1
