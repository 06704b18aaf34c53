"""Weights on disk: one safetensors file, with its configuration and metrics in its metadata.

The format holds arrays and text and nothing that could run. `config` and `metrics` are JSON.
"""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tinygrad_cnn.errors import CheckpointError, require
from tinygrad_cnn.files import write_atomic
from tinygrad_cnn.nn import Module

Weights = dict[str, NDArray[Any]]
JSON = dict[str, Any]


class Checkpoint(NamedTuple):
    """What a file of weights holds."""

    weights: Weights
    config: JSON
    metrics: JSON


def save(path: str | os.PathLike[str], model: Module, config: JSON, metrics: JSON) -> None:
    """Write the model's state_dict, with the configuration that rebuilds it, in one piece."""
    # The library writes an array's buffer as it lies in memory, so that must be C order.
    weights = {name: np.asarray(array, order="C") for name, array in model.state_dict().items()}
    metadata = {
        "format": "tinygrad-cnn",
        "config": json.dumps(config),
        "metrics": json.dumps(metrics),
    }
    write_atomic(path, require("safetensors.numpy", "train").save(weights, metadata=metadata))


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a file that `save` wrote.

    Raises:
        CheckpointError: not a safetensors file, a damaged one, or one without a configuration.
        OSError: the file cannot be read.
    """
    safetensors = require("safetensors", "train")
    with open(path, "rb"):  # a missing file is an OSError that names it, not the library's own
        pass
    try:
        with safetensors.safe_open(os.fspath(path), framework="np") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}); "
            "take another checkpoint, or train again"
        ) from error
    return Checkpoint(weights, _json(path, metadata, "config"), _json(path, metadata, "metrics"))


def restore(path: str | os.PathLike[str], model: Module) -> Checkpoint:
    """Read a checkpoint and put its weights into `model`; returns it.

    Raises:
        CheckpointError: the weights are those of another architecture, or are not finite: the
            first one at fault is named.
    """
    loaded = load(path)
    complaint = _misfit(model.state_dict(), loaded.weights)
    if complaint:
        raise CheckpointError(f"{path}: {complaint}")
    model.load_state_dict(loaded.weights)
    return loaded


def _misfit(own: Weights, given: Weights) -> str:
    """Why the weights `given` are not for a network that has `own`; "" where they are."""
    other = "so these are the weights of another network; give the file of a run of this one"
    for name, array in own.items():
        if name not in given:
            return f"holds no {name}, {other}"
        if given[name].shape != array.shape:
            shapes = f"{given[name].shape} here and {array.shape} in the network"
            return f"{name} has the shape {shapes}, {other}"
        if not np.isfinite(given[name]).all():
            return f"{name} holds NaN or infinite values; take another run, or train again"
    unknown = next((name for name in given if name not in own), "")
    return f"holds {unknown}, which the network has not, {other}" if unknown else ""


def _json(path: str | os.PathLike[str], metadata: dict[str, str], key: str) -> JSON:
    try:
        value = json.loads(metadata[key])
    except (KeyError, ValueError) as error:
        raise CheckpointError(
            f"{path}: its metadata hold no {key!r} that tinygrad_cnn wrote, so which network these "
            "weights are of is unknown; give the best.safetensors of a run"
        ) from error
    if not isinstance(value, dict):
        raise CheckpointError(f"{path}: its {key!r} is a {type(value).__name__}, not an object")
    return value
