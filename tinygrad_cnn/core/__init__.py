"""The core: Tensor, Op, Node, the reverse sweep and the modes. It knows no op by name."""

from tinygrad_cnn.core.backward import backward, gradients_of
from tinygrad_cnn.core.node import Leaf, Node, Spec
from tinygrad_cnn.core.op import REGISTRY, Op, op
from tinygrad_cnn.core.tensor import Parameter, Tensor, wrap

__all__ = [
    "REGISTRY",
    "Leaf",
    "Node",
    "Op",
    "Parameter",
    "Spec",
    "Tensor",
    "backward",
    "gradients_of",
    "op",
    "wrap",
]
