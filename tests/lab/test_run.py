"""The graph of a clip asks for what the settings say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pack.multitalk.config import SAMPLES_PER_FRAME
from pack.tools.lab.cast import make_clip
from pack.tools.lab.run import boxes_text, delayed, sampler_node, toy_settings, tracks_node


def test_settings_are_those_stored_with_the_toy():
    settings = toy_settings(steps=4)
    assert (settings.window, settings.overlap, settings.steps) == (33, 9, 4)
    assert replace(settings, steps=8) == toy_settings()


def test_sampler_gets_the_size_of_the_clip():
    inputs = sampler_node((96, 144), toy_settings(apg=True, audio_guidance=4.0))["inputs"]
    assert (inputs["size.width"], inputs["size.height"]) == (96, 144)
    assert (inputs["apg"], inputs["preset.audio_guidance"]) == (True, 4.0)


def test_boxes_are_in_the_order_of_the_speakers_or_the_wrong_one():
    clip = make_clip("turns", 0)
    right = boxes_text(clip, "boxes").splitlines()
    assert right[0] == ", ".join(map(str, clip.scene.boxes[0]))
    assert boxes_text(clip, "swapped").splitlines() == right[::-1]
    assert boxes_text(clip, "halves") == ""


def test_tracks_begin_where_their_lines_do():
    clip = make_clip("turns", 0)
    inputs = tracks_node(["a", "b"], list(clip.lines))["inputs"]
    assert inputs["placement.offsets"] == "0, 0.68"
    assert inputs["speakers.speaker_2"] == ["b", 0]


def test_a_late_line_is_cut_where_the_clip_ends():
    line = make_clip("turns", 0).lines[1]
    late = delayed(line, 5, 33)
    assert late.start == line.start + 5
    assert late.start + len(late.waveform) // SAMPLES_PER_FRAME == 33
    np.testing.assert_array_equal(late.waveform, line.waveform[: len(late.waveform)])
