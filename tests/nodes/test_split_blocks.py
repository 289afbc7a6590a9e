"""One forward on several ranks gives what one gives: ranks are threads here, weights are shared."""

from __future__ import annotations

import pytest
import torch

from pack.tests.nodes.ranks import Ranks, velocity

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def talking(host):
    """A small host model with four heads and its audio part."""
    from pack.tests.nodes.ranks import SIZES
    from pack.tools.host.models import build_model, random_weights

    torch.manual_seed(0)
    return build_model(SIZES, {name: 5 * w for name, w in random_weights(SIZES).items()})


@pytest.fixture(scope="module", params=[2, 4])
def ranks(host, request):
    """Two and four ranks."""
    made = Ranks(request.param)
    yield made
    made.close()


def near(out, expected):
    assert float((out - expected).abs().max()) <= 1e-6 * float(expected.abs().max())


# Latent grids: tokens per frame times frames; those of 3 x 5 and 5 x 3 x 7 divide by nothing.
@pytest.mark.parametrize("speakers", [1, 2, 3])
@pytest.mark.parametrize("grid", [(3, 8, 12), (3, 2, 10), (5, 6, 14)])
def test_ranks_together_give_what_one_gives(talking, ranks, speakers, grid):
    how = {"speakers": speakers, "grid": grid}
    near(velocity(talking, ranks=ranks, **how), velocity(talking, **how))
