"""What each choice gives and costs with the toy: `python tools/bench/toy_choices.py`.

Held-out clips of the laboratory go through the real nodes with one setting changed at a time (the
list is in tools/lab/choices.py). Writes a Markdown page beside this file; `--only steps` measures
one group, `--clips N` sets the number of clips.
"""

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
    from pack.tools.lab.choices import main

    main(sys.argv[1:])
