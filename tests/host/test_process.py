import socket
import sys
from pathlib import Path

import pytest
import torch

from pack.tools.host.environment import ROOT, has_bf16
from pack.tools.host.process import (
    PACK_NAME,
    HostError,
    HostProcess,
    HostSettings,
    find_import_failure,
    link_name,
)


def make_host(tmp_path: Path, **options) -> HostProcess:
    return HostProcess(HostSettings(base=tmp_path / "base", checkout=tmp_path, **options))


def test_pack_has_the_same_name_in_every_clone():
    assert link_name(ROOT) == PACK_NAME
    assert link_name(Path("some") / "helpers") == "helpers"


def test_command_isolates_the_host_and_names_the_packs(tmp_path: Path):
    host = make_host(tmp_path, packs=(ROOT, tmp_path / "extra"), arguments=("--cache-none",))
    port = host.address.rpartition(":")[2]
    line = " ".join(host.command())
    assert f"--base-directory {tmp_path / 'base'} " in line
    assert f"--whitelist-custom-nodes {PACK_NAME} extra --dont-print-server --cache-none" in line
    assert f"--cpu --use-pytorch-cross-attention --listen 127.0.0.1 --port {port} " in line


def test_gpu_host_chooses_its_own_attention(tmp_path: Path):
    command = make_host(tmp_path, packs=(), cpu=False).command()
    assert "--cpu" not in command
    assert "--use-pytorch-cross-attention" not in command
    assert "--whitelist-custom-nodes" not in command


def test_vae_runs_in_bfloat16_only_where_asked_for(tmp_path: Path):
    assert "--bf16-vae" not in make_host(tmp_path).command()
    assert "--bf16-vae --listen" in " ".join(make_host(tmp_path, bf16_vae=True).command())


def test_bfloat16_is_known_from_the_interpreters_own_torch():
    assert has_bf16(Path(sys.executable)) is torch.cpu._is_avx512_bf16_supported()


def test_environment_has_no_proxy_and_writes_no_bytecode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("https_proxy", "http://localhost:1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "somewhere")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    env = make_host(tmp_path, env={"EXTRA": "1"}).environment()
    assert not {"https_proxy", "PYTHONPYCACHEPREFIX"} & env.keys()
    assert env["PYTHONDONTWRITEBYTECODE"] == "1"
    assert (env["OMP_NUM_THREADS"], env["EXTRA"], env["HF_HUB_OFFLINE"]) == ("3", "1", "1")


def test_early_end_of_the_host_is_told_with_its_last_words(tmp_path: Path):
    (tmp_path / "main.py").write_text("raise SystemExit('no such thing')\n", encoding="ascii")
    with pytest.raises(HostError, match="ended while it started: no such thing"):
        make_host(tmp_path, packs=()).start()


def test_port_in_use_is_refused_before_anything_starts(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        host = HostProcess(HostSettings(base=tmp_path / "base", checkout=tmp_path, port=port))
        with pytest.raises(HostError, match=f"Port {port} is in use"):
            host.start()


OTHER_VERSION = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"system": {"comfyui_version": "0.0.1"}}')

port = int(sys.argv[sys.argv.index("--port") + 1])
http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


@pytest.mark.parametrize("accepted", ["", "1"])
def test_other_version_is_taken_only_where_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: str
):
    (tmp_path / "main.py").write_text(OTHER_VERSION, encoding="ascii")
    monkeypatch.setenv("COMFYUI_ANY_VERSION", accepted)
    host = make_host(tmp_path, packs=())
    if accepted:
        with host:
            assert host.is_running()
    else:
        with pytest.raises(HostError, match=r"is ComfyUI 0\.0\.1; pinned is"):
            host.start()
    assert not host.is_running()


def test_folder_in_the_place_of_the_link_is_left_alone(tmp_path: Path):
    extra = tmp_path / "extra"
    extra.mkdir()
    (tmp_path / "base" / "custom_nodes" / "extra").mkdir(parents=True)
    with pytest.raises(HostError, match="is in the way"):
        make_host(tmp_path, packs=(extra,)).start()


def test_failed_import_of_a_pack_is_found():
    log = "[WARNING] Cannot import /a/custom_nodes/extra module for custom nodes: No 'x'\n"
    assert find_import_failure(log) == "extra: No 'x'"
    assert find_import_failure("   0.1 seconds: /a/custom_nodes/extra") == ""
