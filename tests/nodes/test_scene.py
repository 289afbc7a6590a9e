"""Scenes through the real host: which prompt each window gets, and what is refused and said."""

from __future__ import annotations

import pytest
import torch

from pack.tests.nodes.stops import fail_in, frames_of, host_nodes, prompt_of, run, runs
from pack.tests.nodes.test_refusals import refuse
from pack.tools.host.prompts import node

READ = []  # texts, in order


class TextEncoder:
    """What nodes use of a CLIP of the host, of the toy's text width: other texts, other numbers."""

    def tokenize(self, text):
        return text

    def encode_from_tokens_scheduled(self, text):
        READ.append(text)
        generator = torch.Generator().manual_seed(sum(text.encode()))
        return [[torch.randn(1, 7, 64, generator=generator), {}]]


class LoadTextEncoder:
    RETURN_TYPES = ("CLIP",)
    FUNCTION = "load"
    INPUT_TYPES = staticmethod(dict)

    def load(self):
        return (TextEncoder(),)


pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs")]
# 24 frames: new ones 0 to 8, 9 to 12, 13 to 16, 17 to 20, 21 to 23.
LINES = "0-0.36: she smiles\n0.36-0.6: she turns\n0.84-: she smiles"


def staged(text=LINES, *, clip=True, throughout="", **settings):
    """The graph of `stops` with a scene, whose network is watched."""
    settings = {"voices": 1, "preset__text_guidance": 2.0, "picture": (32, 32)} | settings
    prompt = prompt_of(size__width=32, size__height=32, **settings)
    prompt["scene"] = node("MultiTalkScene", scene_text=text, throughout=throughout)
    if clip:
        prompt["clip"] = node("LoadTextEncoder")
        prompt["scene"]["inputs"]["clip"] = ["clip", 0]
    prompt["text"] = node("TestText")
    prompt["counted"] = node("TestCountPasses", model=["trouble", 0])
    prompt["sampler"]["inputs"] |= {
        "scene": ["scene", 0], "positive": ["text", 0], "model": ["counted", 0],
    }  # fmt: skip
    return prompt


@pytest.fixture(autouse=True)
def text_encoder(host, monkeypatch):
    import nodes

    monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, "LoadTextEncoder", LoadTextEncoder)
    READ.clear()


@pytest.fixture(autouse=True)
def _anew(host):
    """Nothing of the graph is there already: tests look at what loads and reads texts."""
    host.kept = None


@pytest.fixture
def texts(monkeypatch):
    """The first number of each text that the network got, call by call."""
    seen = []

    def note(executor, x, timestep, context, *args, **kwargs):
        seen.append([round(float(row[0, 0]), 3) for row in context])
        return executor(x, timestep, context, *args, **kwargs)

    monkeypatch.setattr(host_nodes(), "count_rows", note)
    return seen


def first_number(text):
    return round(float(TextEncoder().encode_from_tokens_scheduled(text)[0][0][0, 0, 0]), 3)


def test_each_window_gets_the_text_of_its_line_and_every_text_is_read_once(host, texts):
    result = run(host, staged(throughout="a garden."))
    assert result.ok, result.error
    assert READ == ["a garden. she smiles", "a garden. she turns"]
    generator = torch.Generator().manual_seed(2)
    plain = round(float(torch.randn(1, 7, 64, generator=generator)[0, 0, 0]), 3)
    smiles, turns = (first_number(f"a garden. {what}") for what in ("she smiles", "she turns"))
    wanted = [number for text in (smiles, turns, turns, plain, smiles) for number in 2 * [text]]
    assert [number for call in texts for number in call if number] == wanted  # 2 steps each
    report = result.outputs["sampler"][2][0]
    assert "\n  line 1 (0 to 0.36 s), she smiles: window 1\n" in report
    assert "\n  line 2 (0.36 to 0.6 s), she turns: windows 2 to 3\n" in report
    assert "\n  line 3 (from 0.84 s on), she smiles: window 5\n  positive: window 4\n" in report
    assert "\nscene: no line for 0.6 to 0.84 s; " in report


def test_stopped_run_goes_on_with_the_same_bits_and_another_text_is_another_run(host):
    unbroken = frames_of(host, staged())
    fail_in("decode", 3, 1, RuntimeError("stop"))
    assert not run(host, staged(keep_progress=True)).ok
    assert len(list(runs().glob("*/window_*.json"))) == 3
    other = run(host, staged(LINES.replace("turns", "bows"), keep_progress=True))
    assert (
        "a new run: it differs in scene from the unfinished run" in other.outputs["sampler"][2][0]
    )
    assert not torch.equal(host_nodes().SAVED_FRAMES.pop(), unbroken)
    assert torch.equal(frames_of(host, staged(keep_progress=True)), unbroken)


def test_without_a_text_encoder_the_scene_is_planned_and_not_read(host, texts):
    result = run(host, staged(clip=False))
    assert result.ok, result.error
    report = result.outputs["sampler"][2][0]
    assert "\n  line 1 (0 to 0.36 s), she smiles: window 1\n" in report
    assert "\nscene: MultiTalk Scene has no clip, so its lines are planned and not read" in report
    assert set(texts[0]) == {0.0}  # no text
    picture, said = result.outputs["scene"][1][0], result.outputs["scene"][2][0]
    assert picture.shape == (1, 168, 960, 3)
    assert said.startswith("3 lines with 2 texts, clip is not connected, so none is read\nline 1 (")


def test_voices_stand_above_the_scene_and_times_beyond_them_are_said(host):
    prompt = prompt_of(voices=2)
    prompt = {name: prompt[name] for name in ("sound_1", "sound_2", "tracks")}
    text = "0-0.4: she smiles at him\n2-: nobody is seen"
    prompt["scene"] = node("MultiTalkScene", scene_text=text, audio=["tracks", 0])
    prompt["tracks"]["inputs"]["scene_text"] = text
    prompt["keep"] = node("TestKeepFrames", images=["scene", 1])
    prompt["too"] = node("TestKeepFrames", images=["tracks", 2])
    result = host.run(prompt)
    assert result.ok, result.error
    said = result.outputs["scene"][2][0].split("\n")
    end = "the end of the sound at 0.96 s"
    assert said[-2:] == [
        f"scene: line 2 (from 2 s on) comes after {end}; not used",
        "scene: no line for 0.4 to 0.96 s; a window with no other time uses positive",
    ]
    one, other = (host_nodes().SAVED_FRAMES.pop() for _ in range(2))
    assert one.shape == (1, 408, 960, 3)
    assert torch.equal(one, other)


def test_picture_of_a_scene_shows_the_cuts_of_its_shots(host):
    picture = node("TestPicture", width=32, height=32, frames=1)
    shots = node("MultiTalkShots", **{"images.image_2": ["picture", 0]}, seconds="0.6")
    scene = node("MultiTalkScene", scene_text="0-: she smiles", shots=["shots", 0])
    keep = node("TestKeepFrames", images=["scene", 1])
    result = host.run({"picture": picture, "shots": shots, "scene": scene, "keep": keep})
    assert result.ok, result.error
    assert host_nodes().SAVED_FRAMES.pop().shape == (1, 168 + 52, 960, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0-4: a\n3-5: b", "scene_text: Line 1 (0 to 4 s) and line 2 (3 to 5 s) overlap"),
        ("now: a", "scene_text: Line 1 does not begin with two times"),
    ],
)
def test_lines_are_refused_before_any_text_is_read(host, text, words):
    assert words in refuse(host, staged(text))
    assert READ == []


def test_what_is_no_scene_is_refused_by_name(host):
    prompt = staged()
    prompt["scene"] = node("TestBadValue", kind="positive", value="0")
    del prompt["clip"]
    assert refuse(host, prompt).startswith(
        "scene is a list; it takes a scene; connect MultiTalk Sc"
    )


def test_control_of_vace_goes_along_with_every_text(host):
    import importlib

    lazily = importlib.import_module(f"{host.pack_name}.nodes.sampling.scene")
    engine = f"{host.pack_name}.multitalk"
    spans = importlib.import_module(f"{engine}.spans").read_spans("0-1: a\n1-2: b")
    script = importlib.import_module(f"{host.pack_name}.nodes.sockets").SceneScript
    plan = importlib.import_module(f"{engine}.windows").plan_one(0, 16)
    control = {"vace_frames": [1], "vace_mask": [2], "vace_strength": [3]}
    positive = [[torch.zeros(1, 1, 4), {**control, "pooled_output": 5}]]
    text = [[torch.ones(1, 1, 4), {"pooled_output": 6}]]
    scene = script(spans=spans, conditionings=(text, None))
    prompts, _ = lazily.window_prompts(scene, plan, positive, [])
    assert prompts == [[[text[0][0], {"pooled_output": 6, **control}]]]
    assert text[0][1] == {"pooled_output": 6}
