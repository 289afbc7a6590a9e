"""The client without the rest of the repository: `python workflows/api run GRAPH`.

It needs Python 3.10 and a running ComfyUI, nothing else.
"""

from __future__ import annotations

import importlib
import sys
import types
from pathlib import Path

if __name__ == "__main__":
    # A folder that is run is no package; under this name it is one.
    package = types.ModuleType("multitalk_api")
    package.__path__ = [str(Path(__file__).resolve().parent)]
    sys.modules["multitalk_api"] = package
    sys.dont_write_bytecode = True
    sys.exit(importlib.import_module("multitalk_api.command").main(sys.argv[1:]))
