"""A linear probe: multinomial logistic regression on the embeddings, standardised. Seconds to train.

No options. To expect: with encoder efficientnet_lite0 71–76 % on CIFAR-10, what a logistic regression has whose penalty
was chosen on val. It does not need train.augment, which it ignores: it sees vectors, not images.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from assay.models import ModelSpec, parse_options
from assay.params.bounds import Section
from assay.training.linear_probe import scale_of

INPUT = "embeddings"
TASKS = ("classification", "counting", "multilabel")


GAIN = 6.0
"""Length of an input vector of the layer. Adam moves all weights at one rate: with vectors of length √d a step of it
moves a logit by some units, and on noisy labels val loss is least before the first epoch ends."""


class Options(Section):
    """None."""


class Probe(nn.Module):
    """One linear layer; mean and scale of the training vectors are kept with the weights."""

    mean: torch.Tensor
    scale: torch.Tensor

    def __init__(self, dim: int, outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.linear = nn.Linear(dim, outputs)

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """(n, d) -> (n, outputs)."""
        logits: torch.Tensor = self.linear((vectors - self.mean) / self.scale)
        return logits


def build(spec: ModelSpec) -> nn.Module:
    parse_options(Options, spec.options, "probe")
    return Probe(spec.embedding_dim, spec.outputs)


def prepare(module: nn.Module, batches: Iterable[torch.Tensor]) -> None:
    """Set mean and scale from the training vectors, a batch at a time (Chan et al. 1979, in float64).

    Standardised, and then of length GAIN.
    """
    assert isinstance(module, Probe)
    count, mean, squares = 0, module.mean.double(), torch.zeros_like(module.mean, dtype=torch.float64)
    for batch in batches:
        x = batch.double()
        delta = x.mean(0) - mean
        squares += x.var(0, correction=0) * len(x) + delta**2 * count * len(x) / (count + len(x))
        mean = mean + delta * len(x) / (count + len(x))
        count += len(x)
    module.mean.copy_(mean)
    scale = scale_of((squares / max(count, 1)).numpy(), count)
    module.scale.copy_(torch.from_numpy(scale) * (len(scale) ** 0.5 / GAIN))
