"""How the weights of a network start, where its layers' default is not the one wanted."""

from __future__ import annotations

from tinygrad_cnn.nn import Conv2d, Linear, Module, init


def he_start(model: Module, negative_slope: float = 0.0) -> None:
    """Weights from N(0, 2 / ((1 + a^2) fan_in)), a the slope of the leaky ReLUs; biases 0.

    The variance that keeps activations alike from layer to layer: He et al. 2015, "Delving Deep
    into Rectifiers", eq. 15.
    """
    for layer in model.modules():
        if isinstance(layer, Conv2d | Linear):
            init.kaiming_normal_(layer.weight, a=negative_slope)
            if layer.bias is not None:
                init.zeros_(layer.bias)
