"""The files in assets/toy say what they are."""

from __future__ import annotations

import json

import pytest

from pack.multitalk.model.naming import read_model_header as read_header
from pack.tests.conftest import ROOT
from pack.tools.toy.export import FILES

TOY = ROOT / "assets" / "toy"
METRICS = {
    *("one_face_r", "two_face_own_r", "own_minus_other", "silent_ratio", "amplitude"),
    *("vae_psnr_db", "vae_mouth_r", "drift_de_60s", "r_last_10s"),
}


@pytest.fixture(scope="module")
def headers():
    return {name: read_header(TOY / file) for name, file in FILES.items()}


def test_the_toy_is_small_enough_for_everyone():
    assert sum((TOY / file).stat().st_size for file in FILES.values()) <= 20e6


@pytest.mark.parametrize("name", FILES)
def test_every_tensor_is_bfloat16(headers, name):
    assert set(headers[name].dtypes.values()) == {"BF16"}


def test_the_base_knows_its_settings_and_origin(headers):
    facts = headers["base"].config("multitalk")
    assert (facts["window"], facts["overlap"]) == (33, 9)
    assert (facts["width"], facts["height"]) == (144, 96)
    assert facts["clip"] == "none"
    assert facts["trained"]
    assert facts["licence"] == "Apache-2.0"
    assert set(facts["metrics"]) >= METRICS
    assert len(facts["training_commit"]) >= 12


def test_all_parts_come_from_one_training(headers):
    base, audio = (headers[name].config("multitalk") for name in ("base", "audio"))
    vae = headers["vae"].metadata
    assert base["training_commit"] == audio["training_commit"]
    assert json.loads(vae["training_commit"]) == base["training_commit"]
    assert json.loads(headers["encoder"].metadata["metrics"])


@pytest.mark.host
def test_the_hosts_own_loader_takes_the_base(host):
    (model,) = host.node("UNETLoader")().load_unet(
        "multitalk_toy_base.safetensors", weight_dtype="default"
    )
    assert (model.model.diffusion_model.dim, model.model.diffusion_model.num_layers) == (128, 4)
