"""GPT-2: the model that every track trains. Learned positions, pre-norm, tanh GELU, biases, tied head.

Axes of tensors: B batch, T position, V vocabulary, W width, H heads, D width of a head.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  # torch's own name for it
from torch import Tensor, nn

from toktrial.training.config import ModelConfig

INITIAL_STD = 0.02  # GPT-2's
NORM_EPSILON = 1e-5  # GPT-2's


@dataclass(frozen=True)
class ParameterCounts:
    """How many parameters a model has; the tied head counts once."""

    total: int
    embeddings: int
    """Token and position embeddings together."""
    positions: int
    """Position embeddings alone."""

    @property
    def without_embeddings(self) -> int:
        return self.total - self.embeddings


class KeyValueCache:
    """Keys and values of the positions already seen, so that sampling computes each position once."""

    def __init__(self, config: ModelConfig, batch_size: int, device: torch.device) -> None:
        shape = (config.n_layer, 2, batch_size, config.n_head, config.context, config.width // config.n_head)
        self._stored = torch.zeros(shape, device=device)
        self.positions = 0

    def extend(self, layer: int, key_BHTD: Tensor, value_BHTD: Tensor) -> tuple[Tensor, Tensor]:  # noqa: N803
        """Stores a layer's new keys and values; returns those of all positions so far."""
        end = self.positions + key_BHTD.shape[2]
        for part, new in enumerate((key_BHTD, value_BHTD)):
            self._stored[layer, part, :, :, self.positions : end] = new
        return self._stored[layer, 0, :, :, :end], self._stored[layer, 1, :, :, :end]


class Attention(nn.Module):
    """Causal multi-head self-attention."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.n_head, self.layer = config.n_head, layer
        self.c_attn = nn.Linear(config.width, 3 * config.width)
        self.c_proj = nn.Linear(config.width, config.width)

    def forward(self, x_BTW: Tensor, cache: KeyValueCache | None) -> Tensor:  # noqa: N803
        B, T, W = x_BTW.shape  # noqa: N806
        heads = self.c_attn(x_BTW).view(B, T, 3, self.n_head, W // self.n_head)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # each B H T D
        if cache is not None:
            key, value = cache.extend(self.layer, key, value)
        # One new position may look at all that came before; several are causal among themselves.
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=T > 1)
        merged: Tensor = self.c_proj(attended.transpose(1, 2).reshape(B, T, W))
        return merged


class FeedForward(nn.Module):
    """Two layers, the inner one four times as wide, with GELU in between."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.c_fc = nn.Linear(config.width, 4 * config.width)
        self.c_proj = nn.Linear(4 * config.width, config.width)

    def forward(self, x_BTW: Tensor) -> Tensor:  # noqa: N803
        projected: Tensor = self.c_proj(F.gelu(self.c_fc(x_BTW), approximate="tanh"))
        return projected


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
    """The decoder. `vocab_size` rows in embedding and head; those from `entries` on have no entry and are masked.

    Modules have the names that GPT-2's have in `transformers`.
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

        Normal with deviation 0.02; the projections into the residual stream 0.02 / sqrt(2 * layers); biases 0.
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

    def forward(self, ids_BT: Tensor, cache: KeyValueCache | None = None) -> Tensor:  # noqa: N803
        """Returns logits (B, T, V) for ids (B, T) int64; -inf in the rows without an entry.

        With a cache, `ids_BT` are the positions after those in it: any number into an empty one, else one at a time.
        """
        first = 0 if cache is None else cache.positions
        assert first == 0 or ids_BT.shape[1] == 1, "a filled cache takes one position at a time"
        positions = torch.arange(first, first + ids_BT.shape[1], device=ids_BT.device)
        x_BTW = self.wte(ids_BT) + self.wpe(positions)  # noqa: N806
        for block in self.h:
            x_BTW = block(x_BTW, cache)  # noqa: N806
        if cache is not None:
            cache.positions += ids_BT.shape[1]
        logits_BTV = F.linear(self.ln_f(x_BTW), self.wte.weight)  # noqa: N806
        return logits_BTV if self.entries == self.vocab_size else logits_BTV + self.missing

    def loss(self, ids_BT: Tensor, targets_BT: Tensor) -> Tensor:  # noqa: N803
        """Returns the mean negative log-likelihood of the targets (B, T), in nats per token; softmax in float32."""
        logits_BTV = self(ids_BT)  # noqa: N806
        return F.cross_entropy(logits_BTV.float().flatten(0, 1), targets_BT.flatten())

    def parameter_counts(self) -> ParameterCounts:
        total = sum(parameter.numel() for parameter in self.parameters())
        positions = self.wpe.weight.numel()
        return ParameterCounts(total, self.wte.weight.numel() + positions, positions)

    def flops_per_token(self) -> int:
        """Training FLOPs of one token: 6 N + 12 L W T, forward and backward.

        N: parameters without position embeddings, head included; 12 L W T: attention's products of queries, keys and
        values. Source: Chowdhery et al. 2022 (PaLM), appendix B.
        """
        counts = self.parameter_counts()
        attention = 12 * self.config.n_layer * self.config.width * self.config.context
        return 6 * (counts.total - counts.positions) + attention
