"""What the Comfy registry reads: pyproject.toml, requirements.txt, CHANGELOG.md, the archive."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import tomllib

from pack.tests.archive import (
    LARGEST_BYTES,
    archive_files,
    git,
    is_repository,
    repository_files,
    unpack,
)
from pack.tools.make.graph_index import FILES

ROOT = Path(__file__).resolve().parents[1]
PLACEHOLDER = "PLACEHOLDER"
DEVICES = {
    "Environment :: GPU :: NVIDIA CUDA",
    "Environment :: GPU :: AMD ROCm",
    "Environment :: GPU :: Intel Arc",
    "Environment :: GPU :: Apple Metal",
    "Environment :: NPU :: Huawei Ascend",
}
SYSTEMS = {"Operating System :: OS Independent"}
HOST_BRINGS = ("torch", "torchvision", "torchaudio", "torchsde", "xformers")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")
FOLDERS = {
    *("assets", "docs", "kokoro", "locales", "multitalk", "nodes", "subgraphs", "web"),
    *("weights", "workflows"),
}
needs_git = pytest.mark.skipif(not is_repository(), reason="needs git and the repository")


@pytest.fixture(scope="module")
def settings():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def project(settings):
    return settings["project"]


@pytest.fixture(scope="module")
def archive():
    return archive_files()


def requirement_lines():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_name_and_version_have_the_registrys_form(project):
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,98}", project["name"])
    assert "comfyui" not in project["name"].lower()
    assert VERSION.fullmatch(project["version"])
    assert 20 <= len(project["description"]) <= 200
    assert project["description"].isascii()


def test_licence_is_a_table_and_the_file_is_there(project):
    assert project["license"] == {"text": "Apache-2.0"}
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert (ROOT / project["readme"]).is_file()


def test_classifiers_are_all_known(project):
    given = project["classifiers"]
    assert len(given) == len(set(given))
    assert set(given) <= DEVICES | SYSTEMS  # one unknown entry voids the list
    assert set(given) & DEVICES
    assert set(given) & SYSTEMS


def test_host_and_python_have_lower_bounds_only(settings, project):
    assert project["requires-python"] == ">=3.10"
    assert settings["tool"]["ruff"]["target-version"] == "py310"
    assert settings["tool"]["basedpyright"]["pythonVersion"] == "3.10"
    assert re.fullmatch(r">=\d+\.\d+\.\d+", settings["tool"]["comfy"]["requires-comfyui"])


def test_table_of_the_registry_has_what_it_needs_and_no_more(settings):
    table = settings["tool"]["comfy"]
    assert {"PublisherId", "DisplayName", "requires-comfyui"} <= table.keys()
    assert "web" not in table  # help pages are served under the folder's name: WEB_DIRECTORY
    for name in ("Icon", "Banner"):
        assert re.fullmatch(r"https://\S+\.(svg|png|jpg|gif)", table.get(name, "https://a/b.png"))


def test_addresses_agree(project):
    urls = project["urls"]
    assert set(urls) == {"Repository", "Documentation", "Bug Tracker"}
    assert re.fullmatch(r"https://github\.com/[\w-]+/[\w.-]+", urls["Repository"])
    assert urls["Documentation"] == f"{urls['Repository']}#readme"
    assert urls["Bug Tracker"] == f"{urls['Repository']}/issues"


@needs_git
def test_placeholders_are_in_one_place():
    own = {"pyproject.toml", "CONTRIBUTING.md", Path(__file__).relative_to(ROOT).as_posix()}
    texts = (".md", ".toml", ".py", ".txt", ".yml")
    for name in repository_files():
        if name.endswith(texts) and name not in own:
            assert PLACEHOLDER not in (ROOT / name).read_text(encoding="utf-8"), name


def test_requirements_mirror_the_project_and_are_lower_bounds(project):
    assert requirement_lines() == project["dependencies"]
    for line in requirement_lines():
        found = re.fullmatch(r"([A-Za-z][\w.-]*)(>=[\d.]+)?", line)
        assert found, f"{line}: only lower bounds"
        assert found[1].lower() not in HOST_BRINGS


def test_changelog_leads_to_the_version(project):
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    heads = re.findall(r"^## (.+)$", text, re.MULTILINE)
    releases = [head.split()[0] for head in heads if VERSION.match(head)]
    assert [h for h in heads if not VERSION.match(h)] in (["Unreleased"], ["Upgrade", "Unreleased"])
    numbers = [tuple(map(int, release.split("."))) for release in releases]
    assert numbers == sorted(set(numbers), reverse=True)
    assert releases[:1] in ([], [project["version"]])  # none: the first is still to come


@needs_git
def test_archive_holds_what_runs_and_nothing_of_the_workshop(archive):
    for name in (
        *("__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md"),
        *("CHANGELOG.md", "nodes/__init__.py", "multitalk/generate.py", "kokoro/espeak/child.py"),
        *("locales/en/nodeDefs.json", "locales/zh/main.json", "web/docs/MultiTalkSampler.md"),
        *(f"workflows/{FILES['toy_one_speaker']}.json", "workflows/pictures/toy_one_speaker.webp"),
        *("workflows/api/__main__.py", "workflows/api/prompts.schema.json"),
        *("workflows/api/README.md", "workflows/api/toy_one_speaker.json"),
        *("workflows/api/jobs/flags.py", "weights/header.py", "docs/README.md"),
        *("subgraphs/MultiTalk loaders.json", "assets/examples/scenes.json"),
        "assets/toy/diffusion_models/multitalk_toy_base.safetensors",
    ):
        assert name in archive, f"{name} is missing"
    workshop = re.compile(
        r"(tests|tools|\.ci|\.github|\.venv|\.host|\.work)/|dev\.py|CONTRIBUTING\.md|\.git"
    )
    assert [name for name in archive if workshop.match(name)] == []
    assert {name.split("/")[0] for name in archive if "/" in name} == FOLDERS
    assert sum((ROOT / name).stat().st_size for name in archive) < LARGEST_BYTES


@needs_git
def test_archive_holds_every_file_of_the_folders_that_run(archive):
    for name in repository_files():
        if name.split("/")[0] in FOLDERS:
            assert name in archive, name


COMFY = """
import os, sys
from comfy_cli.cmdline import app
for word, folder in zip(("validate", "pack"), sys.argv[1:]):
    os.chdir(folder)
    try:
        app(["--skip-prompt", "node", word])
    except SystemExit as ended:
        if ended.code:
            raise
"""


@needs_git
def test_registrys_own_program_validates_the_tree_and_packs_the_same_files(archive, tmp_path):
    """It packs into the folder it stands in: one of links, so that the tree stays as it is."""
    pytest.importorskip("comfy_cli", reason="comfy-cli is not installed")
    folder = tmp_path / "tree"
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in (".git", "node.zip"):
            (folder / path.name).symlink_to(path)
    own = {"GIT_DIR": git("rev-parse", "--absolute-git-dir").strip(), "GIT_WORK_TREE": str(folder)}
    quiet = {"HOME": str(tmp_path), "DO_NOT_TRACK": "1", "RUFF_CACHE_DIR": str(tmp_path / "ruff")}
    done = subprocess.run(
        [sys.executable, "-c", COMFY, str(ROOT), str(folder)],
        env=os.environ | own | quiet,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All validation checks passed" in done.stdout + done.stderr, done.stdout
    assert (folder / "node.zip").stat().st_size < LARGEST_BYTES
    with zipfile.ZipFile(folder / "node.zip") as packed:
        assert packed.testzip() is None
        committed = set(git("ls-files").splitlines())
        assert set(packed.namelist()) == set(archive) & committed


@needs_git
def test_what_the_readme_shows_is_in_the_archive(archive):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)
    assert pictures
    assert set(pictures) <= set(archive)


@needs_git
def test_client_of_the_archive_stands_alone(tmp_path):
    folder = unpack(tmp_path / "pack")
    command = [sys.executable, str(folder / "workflows" / "api"), "run", "toy_one_speaker"]
    done = subprocess.run(
        [*command, "--dry-run", "--address", "127.0.0.1:1"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert '"MultiTalkSampler"' in done.stdout
