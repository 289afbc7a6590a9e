"""Every golden case, dispatched by name; `--goldens DIR` runs another folder of the same schema."""

from __future__ import annotations

import json

import pytest

from pack.tests import golden_chunks, golden_engine, golden_flash, golden_script, golden_speech
from pack.tests.golden_index import Case

ENGINE = {
    **golden_engine.HANDLERS, **golden_script.HANDLERS, **golden_speech.HANDLERS,
    **golden_chunks.HANDLERS, **golden_flash.HANDLERS,
}  # fmt: skip
HOST = {
    "denoiser_g1": "denoiser", "denoiser_g2": "denoiser", "denoiser_g3": "denoiser",
    "denoiser_g4": "denoiser", "denoiser_g5": "denoiser", "denoiser_g6": "denoiser",
    "denoiser_g7": "denoiser", "denoiser_empty_background": "denoiser",
    "denoiser_wide": "denoiser", "denoiser_weights": "weights",
    "stepcache_480": "step_cache", "stepcache_720": "step_cache",
    "loop_single": "loop", "loop_dual_bbox_apg": "loop", "loop_dual_default_text1": "loop",
    "loop_clip_apg_text1": "loop", "loop_limit": "loop", "loop_cached": "loop",
    "loop_cached_text1": "loop", "infinite_single": "loop", "infinite_dual": "loop",
    "infinite_apg_colour": "loop", "infinite_video": "loop", "infinite_clip": "loop",
}  # fmt: skip
SPLIT = {name: kind for name, kind in HOST.items() if kind in ("denoiser", "loop")}
del SPLIT["loop_cached"]  # forty steps of what loop_cached_text1 does in fewer
FLASH = golden_flash.HOST

WEIGHTS = {
    "lora_reference_merge": "reference_merge", "lora_standard_merge": "standard_merge",
    "quantised_int8": "quantised", "quantised_fp8": "quantised",
    "quantised_int8_partial": "quantised",
}  # fmt: skip


def pytest_generate_tests(metafunc):
    folder = metafunc.config.getoption("--goldens").resolve()
    entries = json.loads((folder / "index.json").read_text())["cases"]
    kinds = {
        "engine_case": [e for e in entries if e["name"] in ENGINE],
        "host_case": [e for e in entries if e["name"] in HOST],
        "split_case": [e for e in entries if e["name"] in SPLIT and e["group"] in "al"],
        "flash_case": [e for e in entries if e["name"] in FLASH],
        "weights_case": [e for e in entries if e["name"] in WEIGHTS],
        "any_case": entries,
    }
    for name, found in kinds.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, found, ids=[f"{e['group']}-{e['name']}" for e in found])


def test_engine_golden(goldens_dir, engine_case):
    ENGINE[engine_case["name"]](Case(goldens_dir, engine_case))


@pytest.mark.host
def test_host_golden(goldens_dir, host_case, host):
    from pack.tests import golden_host

    getattr(golden_host, HOST[host_case["name"]])(Case(goldens_dir, host_case))


@pytest.fixture(scope="module")
def two_ranks(host):
    from pack.tests.nodes.ranks import Ranks

    ranks = Ranks(2)
    yield ranks
    ranks.close()


@pytest.mark.host
def test_host_golden_on_two_ranks(goldens_dir, split_case, two_ranks):
    from pack.tests import golden_host

    before = two_ranks.exchange.traffic.sent.get("attention", 0)
    run = getattr(golden_host, SPLIT[split_case["name"]])
    run(Case(goldens_dir, split_case), change=two_ranks.split)
    assert two_ranks.exchange.traffic.sent["attention"] > before


@pytest.mark.host
def test_flash_golden(goldens_dir, flash_case, host):
    FLASH[flash_case["name"]](Case(goldens_dir, flash_case))


@pytest.mark.host
def test_weights_golden(goldens_dir, weights_case, host):
    from pack.tests import golden_weights

    getattr(golden_weights, WEIGHTS[weights_case["name"]])(Case(goldens_dir, weights_case))


def test_every_case_is_known(any_case):
    name = any_case["name"]
    tables = (ENGINE, HOST, FLASH, WEIGHTS)
    assert sum(name in table for table in tables) == 1, f"unknown case {name}"
