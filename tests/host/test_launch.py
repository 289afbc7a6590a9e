import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pack.tools.host import launch

CUDA_LIBRARY = b"\x7fELF ... libtorch_cuda.so ..."
NAMES = ("torchvision._meta_registrations", "torchaudio._extension")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make empty folders in the place of the installed packages."""
    for name in ("torch/lib", "torchvision", "torchaudio/lib"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(launch, "package_folder", lambda name: tmp_path / name)
    for name in NAMES:  # put back at the end
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    return tmp_path


def test_nothing_is_done_where_the_wheels_match(packages: Path):
    (packages / "torchvision" / "_C.so").write_bytes(b"\x7fELF ... libtorch_cpu.so ...")
    assert launch.stand_ins() == ()


def test_nothing_is_done_beside_a_cuda_torch(packages: Path):
    (packages / "torchvision" / "_C.so").write_bytes(CUDA_LIBRARY)
    (packages / "torch" / "lib" / "libtorch_cuda.so").touch()
    assert launch.stand_ins() == ()


def test_only_the_package_that_does_not_fit_gets_a_stand_in(packages: Path):
    (packages / "torchaudio" / "lib" / "_torchaudio.abi3.so").write_bytes(CUDA_LIBRARY)
    (packages / "torchvision" / "empty.so").touch()
    assert launch.stand_ins() == (NAMES[1],)
    assert launch.stand_ins() == ()


def test_stand_in_says_why_a_compiled_operator_fails(packages: Path):
    (packages / "torchaudio" / "lib" / "_torchaudio.abi3.so").write_bytes(CUDA_LIBRARY)
    launch.stand_ins()
    extension = importlib.import_module(NAMES[1])
    assert extension._IS_TORCHAUDIO_EXT_AVAILABLE is False
    with pytest.raises(RuntimeError, match="no compiled operators"):
        extension.fail_if_no_align(len)("abc")


def test_launcher_runs_main_as_comfyui_expects(tmp_path: Path):
    (tmp_path / "main.py").write_text(
        "import os, sys\n"
        "print(__name__, sys.argv[1:], sys.path[0] == os.getcwd(), 'torch' in sys.modules)\n"
        "print(any(path.endswith('host') for path in sys.path))\n",
        encoding="ascii",
    )
    command = [sys.executable, launch.__file__, str(tmp_path), "--cpu"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["__main__ ['--cpu'] True False", "False"]


def test_launcher_ends_with_its_parent(tmp_path: Path):
    (tmp_path / "main.py").write_text(
        "import time\n"
        "try:\n"
        "    print('runs', flush=True)\n"
        "    time.sleep(60)\n"
        "except KeyboardInterrupt:\n"
        "    print('stopped')\n",
        encoding="ascii",
    )
    command = [sys.executable, launch.__file__, launch.FOLLOW_PARENT, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as child:
        assert child.stdout.readline() == "runs\n"
        output, _ = child.communicate(timeout=30)  # closes its standard input
    assert output == "stopped\n"
    assert child.returncode == 0


def test_launcher_names_a_folder_without_comfyui(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, launch.__file__, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "must be a folder with ComfyUI" in done.stderr
