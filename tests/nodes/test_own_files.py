"""MultiTalk Example with a picture and sounds of one's own, chosen out of the input folder."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.host
EXAMPLES = Path(__file__).resolve().parents[2] / "assets" / "examples"


@pytest.fixture
def inputs(host):
    import folder_paths

    folder = Path(folder_paths.get_input_directory())
    copies = {"mine.png": "two_speakers.png", "mine.flac": "voice_2.flac"}
    for target, original in copies.items():
        shutil.copy(EXAMPLES / original, folder / target)
    yield folder
    for target in copies:
        (folder / target).unlink(missing_ok=True)


def make(host, **values):
    return host.node("MultiTalkExample").execute(**{"scene": "one_speaker", **values}).args


def test_lists_show_the_files_of_the_input_folder_by_kind(host, inputs):
    schema = host.node("MultiTalkExample").INPUT_TYPES()["optional"]
    pictures, sounds = (schema[name][1]["options"] for name in ("picture", "voice_1"))
    assert (pictures[0], sounds[0]) == ("of the scene", "of the scene")
    assert {"mine.png", "mine.flac"} & set(pictures) == {"mine.png"}
    assert {"mine.png", "mine.flac"} & set(sounds) == {"mine.flac"}
    assert schema["picture"][1]["image_upload"]
    assert schema["voice_1"][1]["audio_upload"]


def test_own_picture_takes_the_place_of_the_drawn_one(host, inputs):
    image, voice, _, boxes = make(host, scene="two_speakers", picture="mine.png")
    drawn, drawn_voice, _, heads = make(host, scene="two_speakers")
    torch.testing.assert_close(image, drawn, rtol=0, atol=0)  # it is a copy of that picture
    torch.testing.assert_close(voice["waveform"], drawn_voice["waveform"], rtol=0, atol=0)
    assert [tuple(box.values()) for box in boxes] == [(0, 0, 480, 640), (480, 0, 480, 640)]
    assert boxes != heads


def test_own_sounds_take_the_places_of_the_spoken_ones(host, inputs):
    _, spoken, other, _ = make(host, scene="two_speakers")
    _, first, silence, _ = make(host, voice_1="mine.flac")
    torch.testing.assert_close(first["waveform"], other["waveform"], rtol=0, atol=1e-6)
    assert silence["waveform"].shape == first["waveform"].shape
    assert not silence["waveform"].any()
    _, first, second, _ = make(host, voice_2="mine.flac")
    torch.testing.assert_close(first["waveform"], spoken["waveform"], rtol=0, atol=0)
    torch.testing.assert_close(second["waveform"], other["waveform"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("file", ["../../mine.png", "/etc/hostname", "a/../../../b.png"])
def test_no_file_outside_of_the_hosts_folders_is_read(host, file):
    with pytest.raises(ValueError, match=r"picture: .* leads out of ComfyUI's folder input"):
        make(host, picture=file)
    with pytest.raises(ValueError, match=r"voice_1: .* leads out of ComfyUI's folder input"):
        make(host, voice_1=file)
    words = host.node("MultiTalkExample").validate_inputs(picture=file)
    assert words.startswith("picture: ")


def test_missing_file_is_refused_before_anything_runs(host):
    import execution

    prompt = {
        "1": {
            "class_type": "MultiTalkExample",
            "inputs": {"scene": "one_speaker", "picture": "gone.png"},
        },
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    valid, _, _, faults = asyncio.run(execution.validate_prompt("own", prompt, None))
    assert not valid
    (fault,) = faults["1"]["errors"]
    assert "picture: there is no file 'gone.png'" in fault["details"]
    assert "choose 'of the scene'" in fault["details"]


def test_changed_file_is_read_again(host, inputs):
    node = host.node("MultiTalkExample")
    before = node.fingerprint_inputs(picture="mine.png")
    shutil.copy(EXAMPLES / "one_speaker.png", inputs / "mine.png")
    assert node.fingerprint_inputs(picture="mine.png") != before
    assert node.fingerprint_inputs(voice_1=None)[1] == (None, None)  # linked: not known yet
