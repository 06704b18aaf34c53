"""What networks show when they are looked into: gradients, fields of view, memory, maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn import kernels, viz
from tinygrad_cnn.core.modes import no_grad
from tinygrad_cnn.core.tensor import Tensor
from tinygrad_cnn.models.custom import OwnConv2d
from tinygrad_cnn.nn import Conv2d, Linear, Module
from tinygrad_cnn.nn import functional as F
from tinygrad_cnn.ops import asarray

Array = NDArray[Any]


def gradient_flow(model: Module, x: Array, y: Array) -> dict[str, float]:
    """Root mean square of dL/dw, weight by weight from the input to the output, for one batch.

    The model is put back as it was, running statistics included.
    """
    with _as_it_was(model):
        model.train()
        model.zero_grad()
        F.cross_entropy(model(asarray(x)), y).backward()
        flow = {
            name: float(np.sqrt(np.mean(np.square(p.grad.data, dtype=np.float64))))
            for name, p in model.named_parameters()
            if p.ndim > 1 and p.grad is not None
        }
        model.zero_grad()
    return flow


def step_memory(model: Module, x: Array, y: Array) -> int:
    """Bytes that a training step makes in the forward pass and keeps for the gradient.

    Weights, gradients and what the optimizer remembers come on top.
    """
    with _as_it_was(model):
        model.train()
        nodes = viz.graph(F.cross_entropy(model(asarray(x)), y), model).picture.nodes
    return sum(int(node.notes.get("saved", 0)) for node in nodes)


def field_of_view(model: Module, x: Array) -> Array:
    """How much each pixel (H, W) moves the middle of the last feature maps, the most being 1.

    E |d sum_c f[c, h/2, w/2] / dx|, the mean over the images and channels of `x`. Luo et al. 2016,
    "Understanding the Effective Receptive Field": it is smaller than what the kernels could reach.
    Empty where the network has no maps. With the reference kernels, which leave a pixel that moves
    nothing at 0: the faster ones transform and gather, and leave the dust of rounding around it.
    """
    with _as_it_was(model), kernels.use("reference"):
        model.eval()
        images = Tensor(x, requires_grad=True)
        maps = last_maps(model, images)
        if maps is None:
            return np.zeros((0, 0))
        h, w = maps.shape[2] // 2, maps.shape[3] // 2
        maps[:, :, h, w].sum().backward()
        model.zero_grad()
    if images.grad is None:
        return np.zeros((0, 0))
    field = np.abs(images.grad.data).mean(axis=(0, 1))
    return np.asarray(field / (field.max() or 1.0))


def extent(field: Array) -> tuple[int, int]:
    """Height and width of the part of a field that is not 0: the receptive field."""
    if not field.any():
        return 0, 0
    rows, columns = np.flatnonzero(field.any(axis=1)), np.flatnonzero(field.any(axis=0))
    return int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def last_maps(model: Module, x: Any) -> Any:
    """The last output (N, C, h, w), with h and w above 1, of any module behind a convolution."""
    if not any(isinstance(module, Conv2d | OwnConv2d) for module in model.modules()):
        return None
    maps = [y for _, y in _outputs(model, x) if y.ndim == 4 and min(y.shape[2:]) > 1]
    return maps[-1] if maps else None


def feature_maps(model: Module, x: Array) -> tuple[str, Array]:
    """(name, maps (C, h, w)) of the first convolution for one image x (1, C, H, W)."""
    model.eval()
    kinds = {name: module for name, module in model.named_modules() if name}
    with no_grad():
        for name, y in _outputs(model, asarray(x)):
            if y.ndim == 4 and isinstance(kinds[name], Conv2d):
                return name, y.data[0]
    return "", np.zeros((0, 1, 1))


def first_filters(model: Module) -> Array:
    """The weights (F, C, K, K) of the first convolution, or of no filter."""
    for module in model.modules():
        if isinstance(module, Conv2d):
            return module.weight.data
    return np.zeros((0, 1, 1, 1))


def _outputs(model: Module, x: Any) -> list[tuple[str, Any]]:
    """(path, output) of every module inside the model, in the order in which they finish."""
    seen: list[tuple[str, Any]] = []
    handles = [
        module.register_forward_hook(lambda _m, _x, y, name=name: seen.append((name, y)))
        for name, module in model.named_modules()
        if name and not isinstance(module, Linear)
    ]
    try:
        model(x)
    finally:
        for handle in handles:
            handle.remove()
    return [(name, y) for name, y in seen if isinstance(y, Tensor)]


@contextmanager
def _as_it_was(model: Module) -> Iterator[None]:
    """Weights, running statistics and modes are put back at the end."""
    state, modes = model.state_dict(), [(m, m.training) for m in model.modules()]
    try:
        yield
    finally:
        model.load_state_dict(state)
        for module, training in modes:
            module.training = training
