"""Rows of a table, looked up by integers."""

from __future__ import annotations

from typing import Self

from numpy.typing import ArrayLike

from tinygrad_cnn.core.tensor import Parameter, Tensor
from tinygrad_cnn.errors import ConfigError, ShapeError
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.nn import init
from tinygrad_cnn.nn._options import empty, positive
from tinygrad_cnn.nn.functional import Array
from tinygrad_cnn.nn.module import Module


class Embedding(Module):
    """y[..., :] = weight[indices[...], :]; weight (num_embeddings, embedding_dim), start N(0, 1).

    The row `padding_idx` starts at 0 and gets no gradient. Rows that are looked up and are longer
    than `max_norm`, in the norm of order `norm_type`, are cut to that length.

    >>> import tinygrad_cnn as tg
    >>> tg.nn.Embedding(100, 16)(tg.Tensor([[1, 2, 3]])).shape
    (1, 3, 16)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
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
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.weight = empty(num_embeddings, embedding_dim)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table afresh."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            self.weight.data[self.padding_idx] = 0

    def forward(self, indices: Array) -> Array:
        return F.embedding(indices, self.weight, self.padding_idx, self.max_norm, self.norm_type)

    @classmethod
    def from_pretrained(
        cls, embeddings: ArrayLike | Tensor, freeze: bool = True, padding_idx: int | None = None
    ) -> Self:
        """A table (V, D) that is there already, and is trained further unless `freeze`."""
        table = Parameter(embeddings, requires_grad=not freeze)
        if table.ndim != 2:
            raise ShapeError(f"Embedding: the table must have shape (V, D), got {table.shape}")
        num_embeddings, embedding_dim = table.shape
        layer = cls(num_embeddings, embedding_dim, padding_idx)
        layer.weight = table
        return layer

    def extra_repr(self) -> str:
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2.0}
        given = {k: getattr(self, k) for k, default in usual.items() if getattr(self, k) != default}
        options = [f"{name}={value}" for name, value in given.items()]
        return ", ".join([f"{self.num_embeddings}", f"{self.embedding_dim}", *options])
