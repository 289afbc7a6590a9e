"""The workflow for the CI service, as far as it can be checked without the service."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib
import yaml

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / ".github" / "workflows" / "tests.yml"
MAY_FAIL = {"windows", "newest-host"}
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load(FILE.read_text(encoding="ascii"))


def steps(workflow):
    for name, job in workflow["jobs"].items():
        yield from ((name, step) for step in job["steps"])


def script(workflow, job, title):
    (found,) = [s["run"] for s in workflow["jobs"][job]["steps"] if s.get("name") == title]
    return found


def test_workflow_only_reads_and_knows_no_secrets(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    text = FILE.read_text(encoding="ascii")
    assert "secrets" not in text
    assert "pull_request_target" not in text
    assert "was never run there" in " ".join(text.replace("#", "").split())  # true until it was


def test_jobs_run_what_developers_run(workflow):
    jobs = workflow["jobs"]
    assert set(jobs) == {"pinned", "editor", "oldest-python", *MAY_FAIL}
    assert {name for name, job in jobs.items() if job.get("continue-on-error")} == MAY_FAIL
    assert all(job["timeout-minutes"] <= 90 for job in jobs.values())
    assert jobs["pinned"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert script(workflow, "pinned", "Lint and tests") == "python dev.py test"
    assert script(workflow, "newest-host", "Lint and tests") == "python dev.py test"
    assert jobs["newest-host"]["env"]["COMFYUI_ANY_VERSION"] == "1"
    for path in re.findall(r"tests/\S+", script(workflow, "windows", "Lint and tests")):
        assert (ROOT / path).exists(), path


def test_actions_are_pinned_by_commit(workflow):
    used = [step["uses"] for _, step in steps(workflow) if "uses" in step]
    assert len(used) == 2 * len(workflow["jobs"])
    lines = re.findall(r"uses: (.+)", FILE.read_text(encoding="ascii"))
    for line in lines:
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
    for _, step in steps(workflow):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        if "actions/setup-python" in step.get("uses", ""):
            assert isinstance(step["with"]["python-version"], str)  # 3.10 without quotes is 3.1


def test_browser_that_is_installed_there_is_that_of_the_project(workflow):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (wanted,) = project["optional-dependencies"]["browser"]
    lines = script(workflow, "editor", "Install Chromium").splitlines()
    assert f"python -m pip install {wanted}" in lines
    assert "python -m playwright install --with-deps chromium" in lines
    assert script(workflow, "editor", "Browser tests") == "python dev.py editor"


@needs_bash
def test_scripts_are_bash(workflow):
    for job, step in steps(workflow):
        if "run" in step:
            done = subprocess.run(
                ["bash", "-n", "-c", step["run"]], capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, (job, done.stderr)


def run_script(text, tmp_path):
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    python.chmod(0o755)
    env = os.environ | {
        "RUNNER_TEMP": str(tmp_path),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPYCACHEPREFIX": str(tmp_path / "cache"),
    }
    return subprocess.run(
        ["bash", "-e", "-c", text], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )


@needs_bash
def test_tools_of_the_newest_host_are_those_of_the_project(workflow, tmp_path):
    done = run_script(script(workflow, "newest-host", "List the tools and extras"), tmp_path)
    assert done.returncode == 0, done.stderr
    listed = (tmp_path / "tools.txt").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert listed == [*extras["dev"], *extras["gguf"], *extras["english"]]


@needs_bash
def test_newest_release_is_chosen_among_tags(workflow, tmp_path):
    text = script(workflow, "newest-host", "Fetch the newest release")
    (choice,) = [line for line in text.splitlines() if line.startswith("tag=")]
    (tmp_path / "tags.txt").write_text(
        "a\trefs/tags/v1.10.0-rc1\nb\trefs/tags/v1.9.2\nc\trefs/tags/v1.9.1\n", encoding="ascii"
    )
    done = run_script(f'{choice}\necho "$tag"', tmp_path)
    assert done.stdout == "v1.9.2\n"


@needs_bash
def test_pack_compiles_and_the_client_runs_as_there(workflow, tmp_path):
    lines = [script(workflow, "oldest-python", title) for title in ("Compile", "Run the client")]
    done = run_script("\n".join(lines), tmp_path)
    assert done.returncode == 0, done.stderr
    assert "MultiTalkSampler" in done.stdout
