"""Files as large as the released ones without their disk, and the watch over a host's memory."""

from __future__ import annotations

import json
import sys

import pytest
from safetensors import safe_open

from pack.multitalk.config import PRESETS
from pack.multitalk.model.file_check import kind_of
from pack.multitalk.model.lora import match_lora
from pack.multitalk.model.model_files import ModelFiles
from pack.multitalk.model.naming import read_model_header
from pack.tools.rehearse import rehearse
from pack.tools.rehearse.memory import Memory, Watch, parse_status
from pack.tools.rehearse.released import FILES, LORA, write_released
from pack.tools.rehearse.sparse_files import is_sparse
from pack.workflows.api.edit import read_prompt

PUBLISHED_BYTES = {  # checkpoints.md sections 2 and 6
    "model_patches/multitalk.safetensors": 9_947_889_040,
    f"loras/{LORA}": 738_005_744,
    "clip_vision/clip_vision_h.safetensors": 1_264_219_396,
    "audio_encoders/wav2vec2-chinese-base_fp16.safetensors": 190_115_368,
    "text_encoders/umt5_xxl_fp8_e4m3fn_scaled.safetensors": 6_735_906_897,
    "vae/wan_2.1_vae.safetensors": 253_815_318,
    "diffusion_models/Wan2_1-I2V-14B-480p_fp8_e4m3fn_scaled_KJ.safetensors": 16_643_349_018,
}
EXACT = 2


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return folder, write_released(folder)


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its files have no holes")
