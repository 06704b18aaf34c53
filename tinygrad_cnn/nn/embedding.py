"""Rows of a table, looked up by integers."""

from __future__ import annotations

from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn._options import empty, positive
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class Embedding(Module):
    """y[..., :] = weight[indices[...], :]; weight (num_embeddings, embedding_dim), start N(0, 1).

    The row `padding_idx` starts at 0 and gets no gradient.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Embedding(100, 16)(tg.Tensor([[1, 2, 3]])).shape
    (1, 3, 16)
    """

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None
    ) -> None:
        super().__init__()
        positive(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise ConfigError(
                f"Embedding: padding_idx must be a row of the table, got {padding_idx} with "
                f"num_embeddings={num_embeddings}"
            )
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        self.weight = empty(num_embeddings, embedding_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table afresh."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, indices: Array) -> Array:
        return F.embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"
