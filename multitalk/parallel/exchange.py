"""What goes between the cards in one forward: sequence parallel after Ulysses.

Each rank has a stretch of the tokens. For self attention tokens and heads change places, so that
every rank sees all tokens for its share of the heads, and back again. The speaker map needs the
keys of the first latent frame from the ranks that own them, and its smallest and largest values
over all tokens. Everything else is each rank's own.

It works on a process group that is handed in, not on torch's global one, so two of them and those
of other packs do not meet. Gloo has no exchange for tensors on a card: they go through memory.

Source: Jacobs et al. 2023, "DeepSpeed-Ulysses"; performance.md section 6.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed
from torch import Tensor

from .slices import Stretch, stretch_of, stretch_sizes

# q, k, v [B, L, N*D] with so many heads to [B, L, N*D].
HeadAttention = Callable[[Tensor, Tensor, Tensor, int], Tensor]


@dataclass
class Traffic:
    """Bytes that a rank sent to others, by what they were."""

    sent: dict[str, int] = field(default_factory=dict)

    def add(self, what: str, num_bytes: int) -> None:
        """Count bytes that leave this rank."""
        self.sent[what] = self.sent.get(what, 0) + num_bytes


class Exchange:
    """One rank's place among the others; no state but counters."""

    def __init__(self, group: Any) -> None:
        """`group` is a process group of torch.distributed."""
        self._group = group
        self.rank, self.ranks = group.rank(), group.size()
        self._staged = group.name() == "gloo"
        self.traffic = Traffic()

    def sizes(self, tokens: int) -> tuple[int, ...]:
        """How many of all tokens each rank has."""
        return stretch_sizes(tokens, self.ranks)

    def broadcast(self, tensor: Tensor, *, root: int = 0, what: str = "conditions") -> Tensor:
        """A tensor of the root on every rank; elsewhere its values are overwritten."""
        options = torch.distributed.BroadcastOptions()
        options.rootRank, options.rootTensor = root, 0
        # Gloo knows fewer dtypes than tensors have; bytes it knows.
        wire = self._to_wire(tensor)
        self._group.broadcast([wire.reshape(-1).view(torch.uint8)], options).wait()
        if self.rank == root:
            self.traffic.add(what, tensor.nbytes * (self.ranks - 1))
        return wire.view(tensor.shape).to(tensor.device)

    def scatter(self, rows: Tensor, sizes: Sequence[int], *, what: str = "tokens") -> Tensor:
        """Rank 0's rows [B, L, ...] as this rank's stretch [B, l, ...].

        Other ranks give an empty tensor of the same shape beside the length.
        """
        mine, nothing = sizes[self.rank], [0] * self.ranks
        incoming = [mine, *nothing[1:]]
        outgoing = list(sizes) if self.rank == 0 else nothing
        return self._swap(rows.transpose(0, 1), outgoing, incoming, what).transpose(0, 1)

    def gather(self, stretch: Tensor, sizes: Sequence[int], *, what: str = "tokens") -> Tensor:
        """All ranks' stretches [B, l, ...] as [B, L, ...] on rank 0, on others as [B, 0, ...]."""
        nothing = [0] * self.ranks
        outgoing = [sizes[self.rank], *nothing[1:]]
        incoming = list(sizes) if self.rank == 0 else nothing
        return self._swap(stretch.transpose(0, 1), outgoing, incoming, what).transpose(0, 1)

    def collect(self, own: Tensor, out: Tensor, *, what: str = "weights") -> None:
        """As many values of every rank, one rank after another, into `out` on all of them."""
        # Bytes travel, because gloo knows fewer dtypes; shares may lie in `out` already.
        source, target = (self._to_wire(x.view(torch.uint8)) for x in (own, out))
        self._group._allgather_base(target, source).wait()
        if target.data_ptr() != out.data_ptr():
            out.view(torch.uint8).copy_(target)
        self.traffic.add(what, own.nbytes * (self.ranks - 1))

    def attend(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        heads: int,
        sizes: Sequence[int],
        attention: HeadAttention,
    ) -> Tensor:
        """Attention of stretches [B, l, N*D] to all tokens, with `attention` for a share of heads.

        The heads have to divide by the ranks.
        """
        assert heads % self.ranks == 0, (heads, self.ranks)
        q, k, v = (self._to_heads(x, sizes) for x in (q, k, v))
        out = attention(q, k, v, heads // self.ranks)
        del q, k, v
        return self._to_tokens(out, sizes)

    def first_rows(self, rows: Tensor, count: int, sizes: Sequence[int]) -> Tensor:
        """The first `count` of all rows [B, l, ...], from the ranks that own them."""
        found, begin = [], 0
        for owner, size in enumerate(sizes):
            taken = min(size, count - begin)
            if taken <= 0:
                break
            shape = (rows.shape[0], taken, *rows.shape[2:])
            own = self.rank == owner
            part = rows[:, :taken].contiguous() if own else rows.new_empty(shape)
            found.append(self.broadcast(part, root=owner, what="reference keys"))
            begin += taken
        return torch.cat(found, dim=1)

    def bounds(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Smallest and largest over the tokens of all ranks, [..., 1] float32, of [..., l]."""
        low, high = values.amin(-1, keepdim=True), values.amax(-1, keepdim=True)
        both = torch.cat([-low, high], dim=-1)
        wire = self._to_wire(both)
        options: Any = torch.distributed.AllreduceOptions()
        options.reduceOp = torch.distributed.ReduceOp.MAX
        self._group.allreduce([wire], options).wait()
        self.traffic.add("map bounds", both.nbytes)
        both = wire.to(values.device)
        return -both[..., :1], both[..., 1:]

    def _to_heads(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """[B, l, N*D] of this rank's tokens to [B, L, N/ranks*D] of its heads."""
        mine = sizes[self.rank]
        parts = x.unflatten(-1, (self.ranks, -1)).permute(2, 1, 0, 3)  # [ranks, l, B, N/ranks*D]
        out = self._swap(parts.flatten(0, 1), [mine] * self.ranks, list(sizes), "attention")
        return out.transpose(0, 1)

    def _to_tokens(self, x: Tensor, sizes: Sequence[int]) -> Tensor:
        """[B, L, N/ranks*D] of this rank's heads to [B, l, N*D] of its tokens."""
        mine = sizes[self.rank]
        out = self._swap(x.transpose(0, 1), list(sizes), [mine] * self.ranks, "attention")
        return out.unflatten(0, (self.ranks, mine)).permute(2, 1, 0, 3).flatten(2)

    def _swap(self, rows: Tensor, outgoing: list[int], incoming: list[int], what: str) -> Tensor:
        """Rows [sum(outgoing), ...], so many for each rank, for [sum(incoming), ...] from each."""
        wire = self._to_wire(rows)
        shape = (sum(incoming), *rows.shape[1:])
        out = wire.new_empty(shape)
        self._group.alltoall_base(out, wire, incoming, outgoing).wait()
        row = rows[0].nbytes if len(rows) else 0
        self.traffic.add(what, row * (sum(outgoing) - outgoing[self.rank]))
        return out.to(rows.device)

    def _to_wire(self, tensor: Tensor) -> Tensor:
        """Where the group can send it from: whole, and in memory for gloo."""
        return (tensor.cpu() if self._staged else tensor).contiguous()


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSplit:
    """How the tokens of one forward are split, seen by one rank."""

    exchange: Exchange
    sizes: tuple[int, ...]
    frames: int  # latent frames

    @property
    def stretch(self) -> Stretch:
        """This rank's tokens."""
        return stretch_of(self.exchange.rank, self.sizes, self.frames)

    def first_keys(self, keys: Tensor, cells: int) -> Tensor:
        """Keys of the first latent frame, of stretches [B, l, N, D]."""
        return self.exchange.first_rows(keys, cells, self.sizes)

    def bounds(self, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Smallest and largest share of each speaker over all tokens."""
        return self.exchange.bounds(shares)
