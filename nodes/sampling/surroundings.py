"""What a host computes with: versions, processor, devices, formats of numbers, switches.

The same graph gives other last bits on another processor, with another number of threads or another
attention. Nobody keeps a list of what matters in every version of torch, so what may matter counts.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import comfy.cli_args
import comfy.ldm.modules.attention
import comfyui_version
import torch

from ..loading.experts import low_noise_of

PACK = Path(__file__).resolve().parents[2]
_PACK_FOLDERS = ("nodes", "multitalk", "kokoro", "weights")
_PACKAGES = (
    "torch", "comfy-kitchen", "comfy-aimdo", "triton", "xformers", "sageattention", "flash-attn",
)  # fmt: skip
# Switches of the host that change no number: where it listens, looks and writes, what it shows and
# keeps, which device of the machine (the device itself counts). All others count.
_HARMLESS = (
    "listen", "port", "tls_keyfile", "tls_certfile", "enable_cors_header", "max_upload_size",
    "base_directory", "extra_model_paths_config", "output_directory", "temp_directory",
    "input_directory", "user_directory", "models_directory", "auto_launch",
    "disable_auto_launch", "cuda_device", "default_device", "cuda_malloc",
    "disable_cuda_malloc", "preview_method", "preview_size", "cache_ram", "cache_classic",
    "cache_lru", "cache_none", "enable_manager", "disable_manager_ui",
    "enable_manager_legacy_ui", "default_hashing_function", "dont_print_server",
    "quick_test_for_ci", "windows_standalone_build", "disable_metadata",
    "disable_all_custom_nodes", "whitelist_custom_nodes", "disable_api_nodes", "multi_user",
    "verbose", "log_stdout", "enable_compress_response_body", "database_url", "enable_assets",
    "enable_asset_hashing", "feature_flag", "list_feature_flags", "front_end_version",
    "front_end_root", "comfy_api_base", "debug_hang", "mmap_torch_files", "disable_mmap",
)  # fmt: skip
_VARIABLES = (
    "ATEN_CPU_CAPABILITY", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "CUBLAS_WORKSPACE_CONFIG", "NVIDIA_TF32_OVERRIDE", "TORCH_BLAS_PREFER_CUBLASLT",
    "TORCH_BLAS_PREFER_HIPBLASLT", "PYTORCH_TUNABLEOP_ENABLED",
)  # fmt: skip


def describe_surroundings(model: Any, vae: Any, clip_vision: Any) -> dict[str, str]:
    """A text per ingredient of a result that no graph names, for these models on this host."""
    patcher, held = getattr(vae, "patcher", None), low_noise_of(model)
    devices = {getattr(place, "load_device", None) for place in (model, patcher)}
    return {
        "versions": _versions(),
        "processor": _processor(),
        "threads": str(torch.get_num_threads()),
        "device": ", ".join(sorted(map(_device, devices))),
        "number formats": "; ".join(
            f"{name} {value}"
            for name, value in (
                *_formats("network", model),
                *([] if held is None else _formats("low-noise network", held.model)),
                ("VAE", getattr(vae, "vae_dtype", None)),
                ("CLIP vision", getattr(clip_vision, "dtype", None)),
            )
        ),
        "attention": comfy.ldm.modules.attention.optimized_attention.__name__,
        "host options": " ".join(_host_options()),
        "torch switches": _torch_switches(),
    }


def _formats(name: str, model: Any) -> list[tuple[str, object]]:
    """What a network computes in."""
    network = model.model
    return [(name, network.manual_cast_dtype), ("inference", network.get_dtype_inference())]


def pack_version() -> str:
    """Version of this pack, from its pyproject.toml."""
    text = (PACK / "pyproject.toml").read_text("utf-8")
    return next(line.split('"')[1] for line in text.splitlines() if line.startswith("version"))


def _versions() -> str:
    """Of packages; of pack and host the code too, which people update between versions."""
    host = Path(comfy.cli_args.__file__).parent
    texts = [
        f"pack {pack_version()} {_code(*(PACK / name for name in _PACK_FOLDERS))}",
        f"ComfyUI {comfyui_version.__version__} {_code(host)}",
    ]
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            texts.append(f"{name} {metadata.version(name)}")
    return ", ".join(texts)


def _code(*folders: Path) -> str:
    """Digest of all Python files in folders, by their names in them."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder).as_posix()}\n".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """Its name where the system tells it, and what torch makes of it."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):  # only Linux has the file
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        name = next(names, name)
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _device(device: torch.device | None) -> str:
    """A kind of device, not its number."""
    if device is None or device.type != "cuda":
        return "none" if device is None else device.type
    found = torch.cuda.get_device_properties(device)
    return f"{found.name} {found.major}.{found.minor} with {found.multi_processor_count} units"


def _host_options() -> Iterator[str]:
    """Switches of the host that are not as they are without being set."""
    for name, value in sorted(vars(comfy.cli_args.args).items()):
        if name not in _HARMLESS and value != comfy.cli_args.parser.get_default(name):
            shown = sorted(map(str, value)) if isinstance(value, (set, frozenset)) else value
            yield f"--{name.replace('_', '-')}={shown}"


def _torch_switches() -> str:
    """Digest of how torch was built and what it may use."""
    cuda, cudnn = torch.backends.cuda, torch.backends.cudnn
    asked: tuple[Callable[[], object], ...] = (
        torch.__config__.show,
        lambda: (torch.version.cuda, torch.version.hip, torch.version.git_version),
        lambda: {name: os.environ.get(name) for name in _VARIABLES},
        torch.are_deterministic_algorithms_enabled,
        torch.get_float32_matmul_precision,
        lambda: (cuda.matmul.allow_tf32, cuda.matmul.allow_fp16_reduced_precision_reduction),
        lambda: cuda.matmul.allow_bf16_reduced_precision_reduction,
        lambda: (cuda.flash_sdp_enabled(), cuda.mem_efficient_sdp_enabled()),
        lambda: (cuda.math_sdp_enabled(), cuda.cudnn_sdp_enabled()),
        lambda: cuda.fp16_bf16_reduction_math_sdp_allowed(),
        lambda: (cudnn.enabled, cudnn.version(), cudnn.benchmark, cudnn.deterministic),
        lambda: cudnn.allow_tf32,
        lambda: torch.backends.mkldnn.enabled,
    )
    digest = hashlib.sha256()
    for ask in asked:
        try:
            digest.update(repr(ask()).encode())
        except (AttributeError, RuntimeError) as error:  # other versions, or switches that mix
            digest.update(type(error).__name__.encode())
    return digest.hexdigest()[:16]
