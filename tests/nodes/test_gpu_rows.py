"""Rows of tools/bench/gpu.py run at tiny sizes on the processor, where figures mean nothing."""

from __future__ import annotations

import json
import subprocess

import pytest
import torch

from pack.tools.bench import gpu, gpu_rows, gpu_variants

pytestmark = pytest.mark.host

# Only a card has them.
NOT_HERE = {"host to card, pinned, GB/s", "attention, cudnn, TF/s", "attention, efficient, TF/s"}
FIGURES = {
    "roofs": 8, "one_speaker": 8, "two_speakers": 4, "window": 1, "large": 2, "vae": 6,
    "compiled": 6, "fp8": 6, "swap": 8, "reference": 6,
}  # fmt: skip


def row_of(name):
    return getattr(gpu_rows, name, None) or getattr(gpu_variants, name)


@pytest.mark.parametrize("name", gpu.BUDGETS)
def test_each_row_gives_figures_on_a_processor(host, name):
    bench = gpu_rows.Bench(device=torch.device("cpu"), smoke=True)
    with torch.inference_mode():
        row_of(name)(bench)
    failed = {figure for figure, value in bench.figures.items() if isinstance(value, str)}

    assert len(bench.figures) >= FIGURES[name]
    assert failed <= NOT_HERE


def test_a_row_that_hangs_or_breaks_loses_no_figure_of_its_own_or_of_others(
    monkeypatch, tmp_path, capsys
):
    def run(command, *, timeout=0.0, **_settings):
        name, path = command[command.index("--only") + 1], command[command.index("--figures") + 1]
        gpu.Written(path, {})["first, s"] = 1.5
        if name == "roofs":
            raise subprocess.TimeoutExpired(command, timeout)
        error = "Traceback\nRuntimeError: out of memory" if name == "large" else ""
        return subprocess.CompletedProcess(command, int(name == "large"), "", error)

    monkeypatch.setattr(gpu.subprocess, "run", run)
    written = tmp_path / "figures.json"
    assert gpu.main(["roofs", "large", "vae", "--smoke", "--json", str(written)]) == 1
    rows = json.loads(written.read_text())["rows"]
    assert [row["figures"] for row in rows] == 3 * [{"first, s": 1.5}]
    failures = ["stopped after its 40 s", "RuntimeError: out of memory", ""]
    assert [row["failure"] for row in rows] == failures
    said = capsys.readouterr().out
    assert "| large | failed: RuntimeError: out of memory |" in said
    assert "| vae | first, s | 1.5 |" in said
    gpu.main(["vae", "--smoke", "--seconds", "5"])
    assert "| vae | failed: no time was left | 0.0 s |" in capsys.readouterr().out


def test_all_rows_fit_into_ten_minutes():
    assert sum(gpu.BUDGETS.values()) <= gpu.TOTAL_SECONDS < 600
