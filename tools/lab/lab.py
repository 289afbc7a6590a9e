"""Starts the laboratory outside of pytest: `python dev.py lab`, see tools/lab/command.py."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parents[2]
pack = types.ModuleType("pack")
pack.__path__ = [str(ROOT)]
sys.modules["pack"] = pack
sys.path.insert(0, str(ROOT / "tools" / "make"))

if __name__ == "__main__":
    from pack.tools.lab.command import main

    main(sys.argv[1:])
