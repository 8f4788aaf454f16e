"""GPT-2: the model that every track trains. Learned positions, pre-norm, tanh GELU, biases, tied head.

Axes of tensors: B batch, T position, S slot of a cache, V vocabulary, W width, H heads, D width of a head.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor, nn

from toktrial.training.config import ModelConfig, flops_per_token

INITIAL_STD = 0.02  # GPT-2's
NORM_EPSILON = 1e-5  # GPT-2's
QUERIES_AT_ONCE = 128  # of written-out attention; 32, 64 and all at once are no faster


@dataclass(frozen=True)
class ParameterCounts:
    """How many parameters a model has; the tied head counts once."""

    total: int
    embeddings: int
    """Of tokens and positions together."""

    @property
    def without_embeddings(self) -> int:
        return self.total - self.embeddings


class KeyValueCache:
    """Keys and values of the positions already seen, so that each is computed once; rows may differ in length.

    Slot p of a row holds position p of that row. Slots at and beyond a row's length are never looked at, and are overwritten
    when the row grows. So rows of several lengths can be filled at once, padded on the right.
    """

    def __init__(self, config: ModelConfig, batch_size: int, slots: int, like: Tensor) -> None:
        """Makes an empty cache of `slots` positions a row, with the device and dtype of `like`."""
        shape = (config.n_layer, 2, batch_size, config.n_head, slots, config.width // config.n_head)
        self._stored = like.new_zeros(shape)
        self.lengths = [0] * batch_size
        """Positions that each row holds."""

    def begin(self, count: int) -> Tensor:
        """Returns the positions (B, count) int64 of every row's next `count` ids, whose keys and values come next."""
        slots, device = self._stored.shape[4], self._stored.device
        end = max(self.lengths) + count
        assert end <= slots, f"{end} positions do not fit into a cache of {slots}"
        lengths_B1 = torch.tensor(self.lengths, device=device)[:, None]  # noqa: N806
        self._rows_B1 = torch.arange(len(self.lengths), device=device)[:, None]
        self._positions_BT = lengths_B1 + torch.arange(count, device=device)
        self.visible_B1TS = torch.arange(end, device=device) <= self._positions_BT[:, None, :, None]
        """Which slots each new position may look at: its own and those before it."""
        return self._positions_BT

    def extend(self, layer: int, key_BHTD: Tensor, value_BHTD: Tensor) -> tuple[Tensor, Tensor]:  # noqa: N803
        """Stores a layer's new keys and values at the positions of `begin`; returns those of all slots so far."""
        for part, new_BHTD in enumerate((key_BHTD, value_BHTD)):  # noqa: N806
            self._stored[layer, part][self._rows_B1, :, self._positions_BT] = new_BHTD.transpose(1, 2)
        end = self.visible_B1TS.shape[3]
        return self._stored[layer, 0, :, :, :end], self._stored[layer, 1, :, :, :end]

    def select(self, rows: Sequence[int]) -> "KeyValueCache":
        """Returns a cache of these rows, copied; a row may be named more than once."""
        selected = copy.copy(self)
        selected._stored = self._stored[:, :, list(rows)]
        selected.lengths = [self.lengths[row] for row in rows]
        return selected

    def replace(self, rows: Sequence[int], other: "KeyValueCache") -> None:
        """Replaces these rows by all rows of another cache."""
        slots = other._stored.shape[4]
        self._stored[:, :, list(rows), :, :slots] = other._stored
        for row, length in zip(rows, other.lengths, strict=True):
            self.lengths[row] = length


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    future: Tensor

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)
        # -inf where a query (row) may not look; kept, because computing it again in each kernel costs more than reading it.
        future_TT = torch.full((config.context, config.context), -math.inf).triu(1)  # noqa: N806
        self.register_buffer("future", future_TT, persistent=False)

    def forward(self, x_BTW: Tensor, cache: KeyValueCache | None) -> Tensor:  # noqa: N803
        B, T, W = x_BTW.shape  # noqa: N806
        heads = self.c_attn(x_BTW).view(B, T, 3, self.n_head, W // self.n_head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each B H T D
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
            attended = F.scaled_dot_product_attention(query, key, value, attn_mask=cache.visible_B1TS)
        elif _is_written_out(query):
            attended = _written_out_attention(query, key, value, self.future)
        else:
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        merged: Tensor = self.c_proj(attended.transpose(1, 2).reshape(B, T, W))
        return merged


def _is_written_out(x: Tensor) -> bool:
    """Whether torch.compile compiles this for a CPU, where plain operations give it faster kernels than torch's fused ones."""
    return x.device.type == "cpu" and torch.compiler.is_compiling()


def _written_out_attention(query: Tensor, key: Tensor, value: Tensor, future_TT: Tensor) -> Tensor:  # noqa: N803
    """Causal attention of (B, H, T, D) in plain products and softmax.

    Torch's fused kernel takes three times as long backward as forward, and this takes less than half as long in all. It goes
    through the queries in pieces, so that most of what causality forbids is never computed.
    """
    B, H, T, D = query.shape  # noqa: N806
    query, key, value = ((query / math.sqrt(D)).reshape(-1, T, D), key.reshape(-1, T, D), value.reshape(-1, T, D))
    future_TT = future_TT.to(query.dtype)  # noqa: N806
    attended = []
    # Softmax computes in float32 and rounds its result; under autocast it would keep float32 for the backward pass.
    with torch.autocast(query.device.type, enabled=False):
        for first in range(0, T, QUERIES_AT_ONCE):
            end = min(first + QUERIES_AT_ONCE, T)
            scores = torch.baddbmm(future_TT[first:end, :end], query[:, first:end], key[:, :end].transpose(1, 2))
            attended.append(torch.softmax(scores, dim=2) @ value[:, :end])
    return torch.cat(attended, dim=1).view(B, H, T, D)


class FeedForward(nn.Module):
    """Two layers, the inner one four times as wide, with GELU in between."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)

    def forward(self, x_BTW: Tensor) -> Tensor:  # noqa: N803
        inner = self.c_fc(x_BTW)
        inner = _written_out_gelu(inner) if _is_written_out(inner) else F.gelu(inner, approximate="tanh")
        projected: Tensor = self.c_proj(inner)
        return projected


def _written_out_gelu(x: Tensor) -> Tensor:
    """The tanh GELU as x sigmoid(2 u), because (1 + tanh u) / 2 = sigmoid(2 u); sigmoid takes less than half of tanh's time."""
    wide = x.float()
    return (wide * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3))).to(x.dtype)


class Block(nn.Module):
    """One transformer block: attention and a feed-forward layer, each behind a layer norm."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        self.attn = Attention(config, layer)
        self.ln_2 = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        self.mlp = FeedForward(config)

    def forward(self, x_BTW: Tensor, cache: KeyValueCache | None) -> Tensor:  # noqa: N803
        x_BTW = x_BTW + self.attn(self.ln_1(x_BTW), cache)  # noqa: N806
        summed: Tensor = x_BTW + self.mlp(self.ln_2(x_BTW))
        return summed


class GPT(nn.Module):
    """The decoder. Embedding and head have `vocab_size` rows; those from `entries` on have no entry and are masked.

    Modules have the same names as GPT-2's in `transformers`.
    """

    missing: Tensor

    def __init__(self, config: ModelConfig, vocab_size: int, entries: int) -> None:
        super().__init__()
        self.config, self.vocab_size, self.entries = config, vocab_size, entries
        self.wte = nn.Embedding(vocab_size, config.width)
        self.wpe = nn.Embedding(config.context, config.width)
        self.h = nn.ModuleList(Block(config, layer) for layer in range(config.n_layer))
        self.ln_f = nn.LayerNorm(config.width, eps=NORM_EPSILON)
        missing = torch.zeros(vocab_size)
        missing[entries:] = -math.inf
        self.register_buffer("missing", missing, persistent=False)

    def initialise(self, seed: int) -> None:
        """Sets GPT-2's initial weights, a pure function of the seed (drawn on the CPU, whatever the device).

        Normal with deviation 0.02, in the projections into the residual stream 0.02 / sqrt(2 * layers); biases 0.
        """
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.ndim == 1:
                nn.init.ones_(parameter)
            else:
                scale = 1 / math.sqrt(2 * self.config.n_layer) if name.endswith("c_proj.weight") else 1.0
                drawn = torch.empty(parameter.shape).normal_(0.0, INITIAL_STD * scale, generator=generator)
                with torch.no_grad():
                    parameter.copy_(drawn)

    def forward(self, ids_BT: Tensor) -> Tensor:  # noqa: N803
        """Returns logits (B, T, V) for ids (B, T) int64; -inf in the rows without an entry."""
        positions_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)  # noqa: N806
        return self._logits(self._hidden(ids_BT, positions_T, None))

    def new_cache(self, batch_size: int, slots: int | None = None) -> KeyValueCache:
        """Returns an empty cache for `next_logits`; a row can hold `slots` positions, by default the whole context."""
        return KeyValueCache(self.config, batch_size, slots or self.config.context, self.wte.weight)

    def next_logits(self, ids_BT: Tensor, counts: Sequence[int], cache: KeyValueCache) -> Tensor:  # noqa: N803
        """Adds ids to the rows of a cache; returns the logits (B, V) of what follows each row, -inf without an entry.

        ids_BT: int64; the first counts[b] of row b, at least one, follow what the cache holds of it; the others are padding.
        """
        hidden_BTW = self._hidden(ids_BT, cache.begin(ids_BT.shape[1]), cache)  # noqa: N806
        cache.lengths = [length + count for length, count in zip(cache.lengths, counts, strict=True)]
        last_B = torch.tensor(counts, device=ids_BT.device) - 1  # noqa: N806
        return self._logits(hidden_BTW[torch.arange(len(counts), device=ids_BT.device), last_B])

    def _hidden(self, ids_BT: Tensor, positions: Tensor, cache: KeyValueCache | None) -> Tensor:  # noqa: N803
        """The residual stream (B, T, W) after the last norm."""
        x_BTW = self.wte(ids_BT) + self.wpe(positions)  # noqa: N806
        for block in self.h:
            x_BTW = block(x_BTW, cache)  # noqa: N806
        normed: Tensor = self.ln_f(x_BTW)
        return normed

    def _logits(self, hidden: Tensor) -> Tensor:
        """The tied head: logits (..., V) of (..., W)."""
        logits = F.linear(hidden, self.wte.weight)
        return logits if self.entries == self.vocab_size else logits + self.missing

    def loss(self, ids_BT: Tensor, targets_BT: Tensor) -> Tensor:  # noqa: N803
        """Returns the mean negative log-likelihood of the targets (B, T), in nats per token; softmax in float32."""
        logits_BTV = self(ids_BT)  # noqa: N806
        return F.cross_entropy(logits_BTV.float().flatten(0, 1), targets_BT.flatten())

    def target_nats(self, ids_BT: Tensor, places: Tensor, targets: Tensor) -> Tensor:  # noqa: N803
        """Returns the negative log-likelihood (n,) of targets (n,), in nats, each predicted at a flat place of ids (B, T).

        The head computes logits only at those places, not for context or padding. Softmax in float32.
        """
        positions_T = torch.arange(ids_BT.shape[1], device=ids_BT.device)  # noqa: N806
        hidden = self._hidden(ids_BT, positions_T, None).flatten(0, 1)[places]
        return F.cross_entropy(self._logits(hidden).float(), targets, reduction="none")

    def parameter_counts(self) -> ParameterCounts:
        total = sum(parameter.numel() for parameter in self.parameters())
        return ParameterCounts(total, self.wte.weight.numel() + self.wpe.weight.numel())

    def flops_per_token(self) -> int:
        """Training FLOPs of one token, as `training.config.flops_per_token` counts them."""
        return flops_per_token(self.config, self.vocab_size)
