"""Linear algebra: the array API standard's `linalg` namespace (2024.12), and its gradients.

All functions take stacks of matrices (..., M, N), or of vectors, and arrays or Tensors alike.

>>> import tinygrad_cnn as tg
>>> x = tg.Tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
>>> tg.linalg.slogdet(x).logabsdet.backward()  # its gradient is the transpose of the inverse
>>> x.grad
Tensor([[ 0.6, -0.2],
        [-0.2,  0.4]], dtype=float32)
"""

from tinygrad_cnn.core.registry import functions
from tinygrad_cnn.ops.decompositions import cholesky, eigh, eigvalsh, qr, svd, svdvals
from tinygrad_cnn.ops.face import show
from tinygrad_cnn.ops.linalg import (
    det,
    inv,
    matrix_power,
    matrix_rank,
    pinv,
    slogdet,
    solve,
    trace,
)
from tinygrad_cnn.ops.norms import matrix_norm, vector_norm
from tinygrad_cnn.ops.products import cross, matmul, outer, tensordot, vecdot
from tinygrad_cnn.ops.shape import diagonal, matrix_transpose

__all__ = [
    "cholesky",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "trace",
    "vecdot",
    "vector_norm",
]

show(globals(), __all__)

# NumPy's functions on Tensors (np.linalg.inv(t)) find these here, beside the ops.
vars(functions).update({name: globals()[name] for name in __all__})
