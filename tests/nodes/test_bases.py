"""The rows of bases.md section 1, through the host with small weights."""

from __future__ import annotations

import pytest

from pack.tools.host.prompts import node, talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("clean_runs", "other_files")]
TOY = ("multitalk_toy_base.safetensors", "multitalk_toy_audio.safetensors")
INFINITE = (TOY[0], "test_infinite_audio.safetensors")
FLASH = ("SoulX-FlashTalk/test_whole.safetensors", "(in base)")
T2V = ("test_t2v.safetensors", TOY[1])
# Base and audio part, preset, what the report or the refusal says.
ROWS = [
    (TOY, "full", "40 steps of 3 passes"),
    (TOY, "lightx2v", "4 steps of 2 passes"),
    (TOY, "FlashTalk", "preset FlashTalk is for FlashTalk weights"),
    (INFINITE, "FusionX", "8 steps of 2 passes"),
    (INFINITE, "FlashTalk", "preset FlashTalk is for FlashTalk weights"),
    (FLASH, "FlashTalk", "4 steps of 1 pass, lcm"),
    (FLASH, "lightx2v", "preset lightx2v is for MultiTalk or InfiniteTalk weights"),
    (T2V, "full", "WAN model of another kind (T2V, 16 input channels)"),
    (T2V, "lightx2v", "WAN model of another kind (T2V, 16 input channels)"),
]


@pytest.mark.parametrize(("files", "preset", "says"), ROWS)
def test_row_is_as_the_page_says(host, files, preset, says):
    base, audio_part = files
    prompt = talk(seconds=0.1, size__width=32, size__height=32, window=5, overlap=1, preset=preset)
    del prompt["base"]
    prompt["model"] = node(
        "MultiTalkLoadModel", base=base, audio_part=audio_part, weight_dtype="default",
        family="auto", loras="none",
    )  # fmt: skip
    result = host.run(prompt, host.executor())
    told = result.outputs["sampler"][2][0] if result.ok else str(result.error)
    assert says in told
    assert result.ok is (" of " in says and "steps" in says)
