"""The shape of the pack: who may import whom, how long rooms may be; imports do nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
HOST_MODULES = {
    "comfy",
    "comfy_api",
    "comfy_execution",
    "folder_paths",
    "node_helpers",
    "nodes",
    "server",
}
HEAVY = {
    "transformers", "librosa", "soundfile", "pyloudnorm", "optimum", "scipy", "gguf", "misaki",
    "espeakng_loader",
}  # fmt: skip
ENGINE_ORDER = [
    "config", "frames", "audio", "levels", "video_sound", "video_file", "dialogue",
    "wave_features", "wav2vec2", "audio_attention", "speakers", "timeline", "windows", "schedule",
    "guidance", "stepcache", "color", "architecture", "block_names", "diffusers_names",
    "lora_names", "lora", "quantize", "gguf_blocks", "gguf_file", "file_contents", "weight_file",
    "layouts", "sniff", "checkpoint", "settings", "generate", "lossless", "run_files", "run_lock",
    "resume", "report",
]  # fmt: skip
SPEECH_ORDER = [
    "config", "notation", "cast", "script", "spoken", "symbols", "chunks", "abbreviations",
    "numbers", "lexicon", "written_english", "english", "espeak_child", "espeak_process", "espeak",
    "phonemes", "weights", "layers", "decoder", "model", "voices", "speech",
]  # fmt: skip
PHONEME_SYMBOLS = {"symbols.py", "test_phonemes.py", "test_english.py"}  # not ASCII
# nodes/ in layers: a file imports only from layers before its own.
NODE_LAYERS = [
    {"sockets", "host", "weight_dtypes", "quantized", "weights", "model_patch"},
    {"audio_part"},
    {"block_cache", "checks", "input_checks", "file_checks", "sampler_inputs"},
    {"base_model", "loras", "voices"},
    {"guider", "economy", "identity"},
    {"denoiser"},
    {"video_run"},
    {"run_setup"},
    {
        "audio",
        "speech",
        "speakers",
        "loaders",
        "sampler",
        "window",
        "video",
        "example",
        "tts",
        "file_report",
    },
]


def files(package):
    return sorted((ROOT / package).glob("*.py"))


def imports(path):
    """(level, module) of every import statement, functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is None:
            for alias in node.names:
                yield node.level, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node.level, node.module or ""
        elif isinstance(node, ast.Import):
            for alias in node.names:
                yield 0, alias.name


@pytest.mark.parametrize("path", files("multitalk"), ids=lambda p: p.stem)
def test_engine_imports_no_host_and_only_lower_modules(path):
    for level, module in imports(path):
        if level == 0:
            assert module.split(".")[0] not in HOST_MODULES | {"kokoro", "multitalk"}
        else:
            assert level == 1, f"{path.name} imports outside the engine"
            if path.stem != "__init__":
                own, other = ENGINE_ORDER.index(path.stem), ENGINE_ORDER.index(module)
                assert other < own, f"{path.name} imports {module}, which is above it"


def test_engine_order_names_every_module():
    assert {path.stem for path in files("multitalk")} == {*ENGINE_ORDER, "__init__"}


@pytest.mark.parametrize("path", files("kokoro"), ids=lambda p: p.stem)
def test_speech_imports_no_host_and_only_lower_modules(path):
    for level, module in imports(path):
        if level == 0:
            assert module.split(".")[0] not in HOST_MODULES | {"kokoro", "multitalk"}
        elif path.stem != "__init__":
            assert level == 1, f"{path.name} imports outside the package"
            own, other = SPEECH_ORDER.index(path.stem), SPEECH_ORDER.index(module)
            assert other < own, f"{path.name} imports {module}, which is above it"


def test_speech_order_names_every_module():
    assert {path.stem for path in files("kokoro")} == {*SPEECH_ORDER, "__init__"}


@pytest.mark.parametrize("path", files("nodes"), ids=lambda p: p.stem)
def test_nodes_import_only_lower_layers(path):
    if path.stem == "__init__":
        return
    layer = next(i for i, names in enumerate(NODE_LAYERS) if path.stem in names)
    below = set().union(*NODE_LAYERS[:layer])
    for level, module in imports(path):
        if level == 1:
            same_floor = layer == 0 and module in NODE_LAYERS[0]
            assert module in below or same_floor, f"{path.name} imports {module}"
        elif level == 2:
            assert module.split(".")[0] in ("multitalk", "kokoro")


@pytest.mark.parametrize(
    "package",
    [
        *("multitalk", "kokoro", "nodes", "tests", "tests/bench", "tests/engine", "tests/host"),
        *("tests/lab", "tests/make", "tests/nodes", "tests/speech", "tests/toy"),
        "workflows/api",
    ],
)
def test_rooms_are_small(package):
    for path in files(package):
        text = path.read_text()
        assert len(text.splitlines()) <= MAX_FILE_LINES, path
        assert text.isascii() or path.name in PHONEME_SYMBOLS, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name != "define_schema":
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= MAX_FUNCTION_LINES, f"{path.name}: {node.name} has {length} lines"


PROBE = """
import importlib, socket, sys, types
import torch
pack = types.ModuleType("pack")
pack.__path__ = [sys.argv[1]]
sys.modules["pack"] = pack
def refuse(*args, **kwargs):
    raise AssertionError("an import opened a socket")
socket.socket.__init__ = refuse
for name in sys.argv[2].split(","):
    importlib.import_module("pack.multitalk." + name)
assert not torch.cuda.is_initialized()
print(",".join({module.split(".")[0] for module in sys.modules}))
"""


def test_importing_the_engine_does_nothing():
    command = [sys.executable, "-c", PROBE, str(ROOT), ",".join(ENGINE_ORDER)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not set(run.stdout.strip().split(",")) & (HOST_MODULES | HEAVY)
