"""One forward on several ranks gives what one gives: ranks are threads here, weights are shared."""

from __future__ import annotations

import threading

import pytest
import torch

from pack.tests.nodes.ranks import SIZES, Ranks, velocity

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def talking(host):
    """A small host model with four heads and its audio part."""
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


# Latent grids of 72, 15 and 105 tokens: the last two divide by neither number of ranks.
@pytest.mark.parametrize(
    ("speakers", "grid"),
    [(1, (3, 8, 12)), (1, (5, 6, 14)), (2, (3, 2, 10)), (2, (5, 6, 14)), (3, (3, 8, 12))],
)
def test_ranks_together_give_what_one_gives(talking, ranks, speakers, grid):
    how = {"speakers": speakers, "grid": grid}
    near(velocity(talking, ranks=ranks, **how), velocity(talking, **how))


def test_all_ranks_take_the_kernel_that_the_first_chose(talking, ranks, monkeypatch):
    from comfy.ldm.modules import attention

    from pack.nodes.sampling.attention_choice import chosen_attention

    used, how = set(), {"speakers": 1, "grid": (3, 8, 12)}

    def kernel(*args, **options):
        used.add(threading.get_ident())
        return attention.attention_pytorch(*args, **options)

    monkeypatch.setitem(attention.REGISTERED_ATTENTION_FUNCTIONS, "flash", kernel)
    chosen = chosen_attention("flash")
    near(velocity(talking, ranks=ranks, attention=chosen, **how), velocity(talking, **how))
    assert len(used) == ranks.exchange.ranks
    with pytest.raises(RuntimeError, match="chose the attention kernel sage, which is not there"):
        chosen_attention("sage")


@pytest.mark.parametrize("speakers", [1, 2])
def test_what_is_sent_is_what_the_page_reckons_with(talking, ranks, speakers):
    grid = (3, 8, 12)
    sent = ranks.exchange.traffic.sent
    sent.clear()
    velocity(talking, ranks=ranks, speakers=speakers, grid=grid)
    tokens, many = 3 * 24, ranks.exchange.ranks
    dim, blocks, size = SIZES["dim"], SIZES["num_layers"], 4
    assert sent["attention"] == blocks * 4 * tokens * dim * (many - 1) // many**2 * size
    assert sent["tokens"] == tokens * dim * (many - 1) // many * size
    keys = min(24, tokens // many)  # of the first latent frame, those of the first rank
    expected = blocks * keys * dim * (many - 1) * size if speakers > 1 else 0
    assert sent.get("reference keys", 0) == expected
    assert sent.get("map bounds", 0) == (blocks * 2 * speakers * size if speakers > 1 else 0)
