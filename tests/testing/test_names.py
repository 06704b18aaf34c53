"""The names of tinygrad_cnn.testing, as completion shows them."""

import tinygrad_cnn.testing


def test_completion_shows_what_is_meant_to_be_used() -> None:
    assert set(dir(tinygrad_cnn.testing)) == {
        *tinygrad_cnn.testing.__all__,
        "mutants",
        "strategies",
    }
    assert all(hasattr(tinygrad_cnn.testing, name) for name in dir(tinygrad_cnn.testing))
