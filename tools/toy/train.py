"""Trains the toy: `python dev.py train STAGE`, or all stages in order with `all`.

Every stage is seeded, goes on where it was stopped, and leaves its results in .work/toy (or
`--folder`). Nothing of this is needed to use the pack.
"""

from __future__ import annotations

import argparse
import os
import sys
import types
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
COMFYUI = Path(os.environ.get("COMFYUI_DIR", ROOT / ".host"))
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack
sys.path.insert(0, str(ROOT / "tools" / "make"))

# transformers looks for torchvision and torchaudio too; see tools/host/launch.py.
from pack.tools.host.launch import stand_ins  # noqa: E402 - needs the alias above

stand_ins()


def parse_arguments(stages: list[str]) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(prog="dev.py train", description="Train the toy.")
    parser.add_argument("stage", choices=[*stages, "all"])
    parser.add_argument("--folder", type=Path, default=ROOT / ".work" / "toy", help="work folder")
    parser.add_argument("--out", type=Path, help="for export; default: assets/toy")
    parser.add_argument("--host", type=Path, default=COMFYUI, help="ComfyUI")
    parser.add_argument("--seed", type=int, default=0, help="seed of every stage")
    parser.add_argument("--second", type=int, default=0, help="another seed for the denoiser alone")
    parser.add_argument("--threads", type=int, default=1, help="torch threads, or processes")
    parser.add_argument("--clips", type=int, default=1200, help="training clips to draw")
    parser.add_argument("--minutes", type=float, default=0.0, help="CPU time of a training stage")
    return parser.parse_args()


if __name__ == "__main__":
    from pack.tools.toy.stages import MORE, STAGES, run_stages

    sys.exit(run_stages(parse_arguments([*STAGES, *MORE])))
