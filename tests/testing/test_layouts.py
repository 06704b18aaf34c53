"""A layout is another way to keep the same numbers."""

from __future__ import annotations

import numpy as np
import pytest

from tinygrad_cnn.testing.layouts import LAYOUTS


@pytest.mark.parametrize("shape", [(), (0,), (1,), (5,), (2, 3, 4)])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_changes_no_number_and_touches_no_array(
    layout: str, shape: tuple[int, ...]
) -> None:
    x = np.arange(float(np.prod(shape))).reshape(shape)
    laid = LAYOUTS[layout](x)
    np.testing.assert_array_equal(laid, x)
    assert not np.shares_memory(laid, x)


def test_the_layouts_differ() -> None:
    x = np.zeros((3, 4))
    flags = {(y.strides, y.flags.writeable) for y in (f(x) for f in LAYOUTS.values())}
    assert len(flags) == len(LAYOUTS)
    assert (x.strides, True) not in flags
