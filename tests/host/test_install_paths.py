"""The pack loads wherever people put it: copied, cloned, linked, renamed, in odd folders.

Six copies are loaded in one child process, without a web server; one more runs in a whole host over
HTTP, with the client that the archive brings. That one has blanks and letters in its path but not
in its own name: the host serves no help pages of a folder whose name has them (aiohttp looks for
the decoded name among encoded ones), which a pack cannot change.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import tomllib

from pack.tests.archive import git, is_repository, unpack
from pack.tools.host.client import HostClient, HostProcess, HostSettings
from pack.tools.host.forks import NOTICE_ENCODINGS
from pack.tools.make.graph_index import FILES

pytestmark = [
    pytest.mark.host,
    pytest.mark.skipif(not is_repository(), reason="needs git and the repository"),
]
ROOT = Path(__file__).resolve().parents[2]
CHILD = Path(__file__).with_name("install_child.py")
NAME = "multitalk-nodes"
ODD = "K\u00fcche mit \u00dc \u89c6\u9891"
CASES = {
    "copied": NAME,
    "cloned": NAME,
    "linked": NAME,
    "other name": "my_talking_heads",
    "blanks and letters": ODD,
    "dot": "multitalk.nodes-0.1",
}
PATIENCE_SECONDS = 300


def install(case, folder, archive):
    """Put the pack into a folder's custom_nodes, as the case says."""
    target = folder / "custom_nodes" / CASES[case]
    target.parent.mkdir(parents=True)
    if case == "cloned":
        git("clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(target))
    elif case == "linked":
        target.symlink_to(archive, target_is_directory=True)
    else:
        shutil.copytree(archive, target)
    return target


def contents(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return unpack(tmp_path_factory.mktemp("archive") / "pack")


def run_child(nursery, arguments, log):
    """Run CHILD in a process of its own, which says where files are opened without encoding."""
    env = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    if nursery:
        child = nursery.run(CHILD, arguments, env, log)
        child.stdin.close()
        child.wait(PATIENCE_SECONDS)
        return
    command = [sys.executable, *NOTICE_ENCODINGS, str(CHILD), *arguments]
    subprocess.run(command, env=env, stderr=log, timeout=PATIENCE_SECONDS, check=False)


@pytest.fixture(scope="module")
def installed(archive, nursery, tmp_path_factory):
    """Folders by case, and what a host says of each."""
    top = tmp_path_factory.mktemp("install")
    folders = {case: install(case, top / f"{i} {ODD}", archive) for i, case in enumerate(CASES)}
    before = {case: contents(folder) for case, folder in folders.items()}
    answer = top / "answer.json"
    said = top / "log.txt"
    with said.open("wb") as file:
        run_child(nursery, [str(answer), *map(str, folders.values())], file)
    log = said.read_text(encoding="utf-8", errors="replace")
    assert answer.is_file(), log[-3000:]
    seen = dict(zip(CASES, json.loads(answer.read_text(encoding="ascii")), strict=True))
    changed = {case: contents(folder) != before[case] for case, folder in folders.items()}
    return folders, seen, changed, log


@pytest.fixture(scope="module")
def own_nodes():
    stored = ROOT / "tests" / "nodes" / "schemas.json"
    return sorted(json.loads(stored.read_text(encoding="utf-8")))


@pytest.mark.parametrize("case", CASES)
def test_pack_loads_and_its_example_runs(installed, own_nodes, case):
    folders, seen, changed, log = installed
    told = seen[case]
    assert told["loaded"], log[-3000:]
    assert told["nodes"] == own_nodes
    assert told["runs"], told["error"]
    assert told["encodings"] == []
    assert not changed[case], "loading or running wrote into the pack's folder"
    assert Path(told["web"]).samefile(folders[case] / "web")
    for language in ("en", "zh"):
        assert set(own_nodes) <= set(told["words"][language])


def test_log_of_all_has_no_failed_import(installed):
    assert "Cannot import" not in installed[3]
    assert "Unable to parse pyproject.toml" not in installed[3]


def test_host_reads_the_registrys_fields(installed):
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, table = settings["project"], settings["tool"]["comfy"]
    names = [entry.partition(" :: ")[2] for entry in project["classifiers"]]
    for told in installed[1].values():
        assert told["registry"] == {
            "name": project["name"],
            "version": project["version"],
            "systems": names[:1],
            "devices": names[1:],
            "host": table["requires-comfyui"],
            "publisher": table["PublisherId"],
            "title": table["DisplayName"],
        }


@pytest.fixture(scope="module")
def running(archive, start, tmp_path_factory):
    """A whole host over HTTP in a folder with blanks and letters."""
    base = tmp_path_factory.mktemp("http") / ODD
    pack = install("dot", base, archive)
    with HostProcess(HostSettings(base=base, packs=(pack,), start=start)) as process:
        yield process, pack


def get(process, *parts):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    path = "/".join(urllib.parse.quote(part) for part in parts)
    with opener.open(f"http://{process.address}/{path}", timeout=60) as answer:
        return answer.read()


def test_pages_words_and_graphs_are_served_in_an_odd_path(running, own_nodes):
    process, pack = running
    log = process.log_text()
    assert pack.name in log
    assert ODD in str(pack)
    assert "IMPORT FAILED" not in log
    for name in own_nodes:
        page = get(process, "extensions", pack.name, "docs", f"{name}.md")
        assert page == (pack / "web" / "docs" / f"{name}.md").read_bytes()
    words = json.loads(get(process, "i18n"))
    assert all(set(own_nodes) <= set(words[language]["nodeDefs"]) for language in ("en", "zh"))
    graphs = json.loads(get(process, "workflow_templates"))[pack.name]
    assert FILES["toy_one_speaker"] in graphs
    for ending in (".json", ".jpg"):
        file = f"{FILES['toy_one_speaker']}{ending}"
        assert get(process, "api", "workflow_templates", pack.name, file)
    with HostClient(process.address) as client:
        served = client.object_info()
    assert {served[name]["python_module"] for name in own_nodes} == {f"custom_nodes.{pack.name}"}


def test_archives_own_client_makes_a_video_there(running, tmp_path):
    process, pack = running
    output = tmp_path / ODD
    done = subprocess.run(
        [
            *(sys.executable, str(pack / "workflows" / "api"), "run", "toy_dialogue", "--json"),
            *("--set", "dialogue.script=Anna: Hi!\nBen: Yes?", "--set", "sampler.preset.steps=1"),
            *("--set", "sampler.size.width=48", "--set", "sampler.size.height=32"),
            *("--set", "sampler.window=17", "--set", "sampler.overlap=5"),
            *("--address", process.address, "--output", str(output)),
        ],
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ok"]
    (video,) = output.glob("*.mp4")
    assert video.stat().st_size > 1000
    assert "Traceback" not in process.log_text()
