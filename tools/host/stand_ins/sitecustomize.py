"""Stand-ins of launch.py in every process that Python starts with this folder in PYTHONPATH.

For processes that the pack itself starts: they import the host without launch.py.
"""

import sys
from pathlib import Path

_here = str(Path(__file__).parents[1])
sys.path.append(_here)
import launch  # noqa: E402 - found by the line above

sys.path.remove(_here)
launch.stand_ins()
