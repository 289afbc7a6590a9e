"""The graph that makes frames smoother and larger, with small random models of the host's kinds."""

from __future__ import annotations

import asyncio
import json
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from pack.tools.host.prompts import node, talk

pytestmark = pytest.mark.host
ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("frame_interpolation", "upscale_models")
AFTER = ("FrameInterpolationModelLoader", "FrameInterpolate", "UpscaleModelLoader",
         "ImageUpscaleWithModel", "ImageScaleBy", "MultiTalkVideoCombine")  # fmt: skip


@pytest.fixture
def small_models(host, tmp_path):
    """Files that the host takes for RIFE and ESRGAN, with few channels."""
    import folder_paths
    import nodes

    extras = Path(nodes.__file__).parent / "comfy_extras"
    for name in ("nodes_frame_interpolation", "nodes_upscale_model"):
        loaded = nodes.load_custom_node(str(extras / f"{name}.py"), module_parent="comfy_extras")
        assert asyncio.run(loaded)
    from comfy_extras.frame_interpolation_models.ifnet import IFNet
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(0)
    parts = (IFNet(head_ch=2, channels=(4,) * 5), ESRGAN(num_filters=4, num_blocks=1))
    for folder, model in zip(FOLDERS, parts, strict=True):
        for parameter in model.parameters():  # the host's layers leave theirs as memory was
            torch.nn.init.normal_(parameter, std=0.05)
        save_file(model.state_dict(), tmp_path / f"test_{folder}.safetensors")
        folder_paths.add_model_folder_path(folder, str(tmp_path))
    folder_paths.filename_list_cache.clear()
    yield {folder: f"test_{folder}.safetensors" for folder in FOLDERS}
    for folder in FOLDERS:
        folder_paths.folder_names_and_paths[folder][0].remove(str(tmp_path))
    folder_paths.filename_list_cache.clear()


def smoothed(small_models):
    """A toy graph with the shipped graph's way from frames to video."""
    path = ROOT / "workflows" / "api" / "multitalk_smooth.json"
    shipped = json.loads(path.read_text(encoding="ascii"))
    (sampler,) = [key for key, n in shipped.items() if n["class_type"] == "MultiTalkSampler"]
    prompt = talk(seconds=0.3, size__width=64, size__height=64, preset__steps=1)
    for key, one in shipped.items():
        if one["class_type"] in AFTER:
            prompt[key] = node(one["class_type"], **one["inputs"])
            for name, value in one["inputs"].items():
                if isinstance(value, list) and value[0] == sampler:
                    prompt[key]["inputs"][name] = ["sampler", value[1]]
    for one in prompt.values():
        if one["class_type"] == "FrameInterpolationModelLoader":
            one["inputs"]["model_name"] = small_models[FOLDERS[0]]
        if one["class_type"] == "UpscaleModelLoader":
            one["inputs"]["model_name"] = small_models[FOLDERS[1]]
    return prompt


def test_frames_are_smoother_and_larger_and_the_sound_keeps_in_step(host, small_models):
    import av

    prompt = smoothed(small_models)
    result = host.run(prompt, host.executor())
    assert result.ok, result.error
    (frames,) = result.outputs["sampler"][0]
    (key,) = [key for key, n in prompt.items() if n["inputs"].get("fps") == 50.0]
    with av.open(result.outputs[key][0][0].get_stream_source()) as video:
        (picture,), (sound,) = video.streams.video, video.streams.audio
        assert (picture.width, picture.height) == (128, 128)
        assert picture.average_rate == 50
        assert picture.frames == 2 * len(frames) - 1
        shown = [frame.pts * frame.time_base for frame in video.decode(picture)]
        assert shown[::2] == [Fraction(number, 25) for number in range(len(frames))]
        assert abs(sound.duration * sound.time_base - Fraction(len(frames), 25)) < Fraction(1, 15)
