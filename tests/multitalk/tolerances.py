"""How near floats must be, by dtype; integers, copies and masks are compared exactly."""

from __future__ import annotations

import torch

TOLERANCES = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def close(actual, expected):
    """Same shape, same dtype, same values up to the rounding of the dtype."""
    limit = TOLERANCES[actual.dtype]
    torch.testing.assert_close(actual, expected, rtol=limit, atol=limit)
