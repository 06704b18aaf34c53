"""What can go wrong, as one small tree.

    TinygradError
    ├── ShapeError            (ValueError)        shapes that do not fit an op's rule
    ├── DTypeError            (TypeError)         a dtype or type that an op cannot take
    ├── AxisError             (ValueError, IndexError)  an axis that the array does not have
    ├── IndexingError         (IndexError)        an index that the array does not have
    ├── NotDifferentiableError (TypeError)        a function with no derivative rule met a Tensor
    ├── LinAlgError           (np.linalg.LinAlgError)  a matrix has no inverse or decomposition
    ├── GraphError            (RuntimeError)      the recorded graph cannot do what was asked
    │   └── FreedGraphError                       ... because a sweep has released its arrays
    ├── AnomalyError          (ArithmeticError)   a NaN or an Inf appeared
    ├── DataError             (ValueError)        a file is not what its format says
    ├── CheckpointError       (ValueError)        weights that do not fit a model
    ├── ConfigError           (ValueError)        an option that cannot be honoured
    └── MissingDependencyError (ImportError)      an extra that is not installed

Every message is advice: the rule, what arrived, the remedy.

Beside them stand the warnings about code that runs and does not do what it seems to:

    FootgunWarning (UserWarning)
    ├── NotALeafWarning                    the gradient of a computed Tensor was asked for
    ├── SoftmaxBeforeCrossEntropyWarning   the loss applies softmax itself
    ├── StaleGradientWarning               a step used a gradient that holds the last step's, too
    ├── MissingGradientWarning             a step found parameters without a gradient
    ├── EqualValuesWarning                 a gradient met equal eigenvalues or singular values
    └── TrainingModeWarning                a prediction with dropout or batch statistics active

Each is silenced by its category: `warnings.simplefilter("ignore", errors.TrainingModeWarning)`.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from types import ModuleType

import numpy as np

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


class TinygradError(Exception):
    """The root: `except tinygrad_cnn.TinygradError` catches all of ours and nothing else."""


class ShapeError(TinygradError, ValueError):
    """The shapes of the inputs break the op's rule."""


class DTypeError(TinygradError, TypeError):
    """An input has a dtype, or a Python type, that the op cannot take."""


class AxisError(TinygradError, ValueError, IndexError):
    """An axis lies outside the array, or is named twice."""


class IndexingError(TinygradError, IndexError):
    """An index lies outside the array, has more parts than it has axes, or is no index at all."""


class NotDifferentiableError(TinygradError, TypeError):
    """A function without a derivative rule was given a Tensor that requires a gradient."""


class LinAlgError(TinygradError, np.linalg.LinAlgError):
    """A matrix is singular, not positive definite, or not finite, where it must be."""


class GraphError(TinygradError, RuntimeError):
    """The recorded graph cannot do what was asked."""


class FreedGraphError(GraphError):
    """A sweep has released the arrays that this second sweep would read."""


class AnomalyError(TinygradError, ArithmeticError):
    """A NaN or an Inf appeared, in the forward pass, in a gradient or in a loss."""


class DataError(TinygradError, ValueError):
    """A file or a data set is not what its format says."""


class CheckpointError(TinygradError, ValueError):
    """Saved weights do not fit the model that should take them."""


class ConfigError(TinygradError, ValueError):
    """A user's option is unknown, of the wrong type, or cannot be honoured."""


class MissingDependencyError(TinygradError, ImportError):
    """An optional dependency is needed here and is not installed."""


class FootgunWarning(UserWarning):
    """The root of the warnings about code that runs and does not do what it seems to."""


class NotALeafWarning(FootgunWarning):
    """The gradient of a computed Tensor was asked for, and only leaves keep theirs."""


class SoftmaxBeforeCrossEntropyWarning(FootgunWarning):
    """cross_entropy takes logits and applies softmax itself; it was given a softmax."""


class StaleGradientWarning(FootgunWarning):
    """An optimizer's step used gradients that were added to those of the step before."""


class MissingGradientWarning(FootgunWarning):
    """An optimizer's step found parameters without a gradient."""


class EqualValuesWarning(FootgunWarning):
    """A gradient passed eigh or svd where two of the eigenvalues or singular values are equal."""


class TrainingModeWarning(FootgunWarning):
    """A module in training mode was called under no_grad(), as for a prediction."""


def warn(message: str, category: type[FootgunWarning]) -> None:
    """Warn at the innermost line of the caller's that is outside this package."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def require(module: str, extra: str) -> ModuleType:
    """Import an optional dependency, or say which extra installs it.

    >>> require("json", "viz").dumps([1])
    '[1]'
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{module.split('.')[0]} is needed for this and is not installed; "
            f"`pip install 'tinygrad-cnn[{extra}]'` installs it"
        ) from error
