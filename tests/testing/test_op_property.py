"""op_property makes a test of a function, and the test is right about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as hs

import tinygrad_cnn as tg
from tinygrad_cnn.core.op import Op
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.testing import GradientMismatch, op_property
from tinygrad_cnn.testing import strategies as st
from tinygrad_cnn.testing.declare import PROFILES, VARIABLE, profile
from tinygrad_cnn.testing.report import Failure

pytest_plugins = ["pytester"]
SMALL = st.arrays(st.shapes(1, 2, 2, empty=False))


def an_op(name: str, vjp: Any) -> Op:
    made = Op(lambda x: x * x, name=name)
    return made.vjp(vjp)


right = an_op("right_square", lambda g, _y, x: 2 * g * x)
wrong = an_op("wrong_square", lambda g, _y, x: g * x)


def _naive_conv(x: Any, w: Any, *, stride: Any, padding: Any) -> Any:
    """y[n, f, o] = sum over channels and kernel of x[n, c, stride o + k] w[f, c, k]"""
    x = np.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    kernel, axes = w.shape[2:], range(1, x.ndim)
    size = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    y = np.zeros((len(x), len(w), *size))
    for o in np.ndindex(*size):
        window = tuple(slice(i * s, i * s + k) for i, s, k in zip(o, stride, kernel, strict=True))
        y[(..., *o)] = np.tensordot(x[(..., *window)], w, (axes, axes))
    return y


def test_a_convolution_is_tested_by_what_its_signature_names() -> None:
    @op_property(inputs=st.conv_cases(), reference=_naive_conv, order=2, examples=10)
    def check(x: Any, w: Any, *, stride: Any, padding: Any) -> Any:
        conv = (tg.nn.functional.conv1d, tg.nn.functional.conv2d, tg.nn.functional.conv3d)
        return conv[x.ndim - 3](x, w, stride=stride, padding=padding)

    check()


def test_a_right_op_passes() -> None:
    @op_property(inputs=SMALL, examples=5)
    def check(x: Any) -> Any:
        return right(x)

    check()


def test_a_wrong_op_fails_and_the_smallest_case_is_shown() -> None:
    @op_property(inputs=SMALL, examples=20, properties=["linearity", "directional_derivative"])
    def check(x: Any) -> Any:
        return wrong(x)

    with pytest.raises(GradientMismatch) as caught:
        check()
    assert caught.value.failure.name == "directional_derivative"
    assert any("array([0.125, 0.25 ])" in note for note in caught.value.__notes__)


def failure_of(inputs: Any, body: Any, **options: Any) -> Failure:
    with pytest.raises(GradientMismatch) as caught:
        op_property(inputs=inputs, examples=50, order=1, **options)(body)()
    return caught.value.failure


def test_a_factor_that_depends_on_the_value_is_told_from_a_constant_one() -> None:
    cube = Op(lambda x: x**3, name="cube").vjp(lambda g, _y, x: 3 * g * x)
    failure = failure_of(st.arrays(), lambda x: cube(x))
    assert failure.elements == ((1,), (0,))
    assert failure.hints == ("every element is 1/x times what it should be, where x is its value",)


def test_of_a_product_with_a_wrong_gradient_the_case_that_shows_where_is_kept() -> None:
    product = Op(lambda a, b: a @ b, name="product").vjp(
        lambda g, _y, a, b: tg.matmul(g, b),  # b is not transposed
        lambda g, _y, a, b: tg.matmul(tg.matrix_transpose(a), g),
    )
    two = hs.tuples(st.arrays((2, 2)), st.arrays((2, 2)))
    failure = failure_of(two, lambda a, b: product(a, b))
    assert failure.input == 0
    assert len(failure.elements) == 4
    assert failure.where.endswith("with respect to a")
    assert failure.hints[0].startswith("it would be right if input 1 were transposed")


def windows(x: Any, w: Any, *, stride: int) -> Any:
    K = w.size
    return np.stack([x[i : i + K] @ w for i in range(0, x.size - K + 1, stride)])


def windows_input_without_stride(g: Any, _y: Any, x: Any, w: Any, stride: int) -> Any:
    K, L = w.shape[0], x.shape[0]
    return sum(tg.pad(g[i] * w, ((i, L - K - i),)) for i in range(g.shape[0]))


def windows_weight(g: Any, _y: Any, x: Any, w: Any, stride: int) -> Any:
    last = stride * (g.shape[0] - 1)
    return tg.stack([tg.sum(g * x[k : k + last + 1 : stride]) for k in range(w.shape[0])])


@hs.composite
def signals(draw: Any) -> Any:
    K = draw(hs.integers(1, 3))
    L = K + draw(hs.integers(0, 6))
    return (draw(st.arrays((L,))), draw(st.arrays((K,)))), {"stride": draw(hs.integers(1, 3))}


def test_a_forgotten_stride_is_told() -> None:
    op = Op(windows, name="windows").vjp(windows_input_without_stride, windows_weight)
    failure = failure_of(signals(), lambda x, w, stride: op(x, w, stride=stride))
    assert failure.input == 0
    assert (0,) not in failure.elements
    assert failure.hints[0].startswith("it is the same for stride=1 as for stride=2")


def grouped(x: Any, w: Any, *, groups: int) -> Any:
    (N, _), (F, C) = x.shape, w.shape
    x, w = x.reshape(N, groups, C), w.reshape(groups, F // groups, C)
    return np.einsum("ngc,gfc->ngf", x, w).reshape(N, F)


def grouped_input(g: Any, _y: Any, x: Any, w: Any, groups: int) -> Any:
    F, C = w.shape
    g = tg.reshape(g, (-1, groups, F // groups))
    return tg.reshape(tg.einsum("ngf,gfc->ngc", g, tg.reshape(w, (groups, -1, C))), x.shape)


def grouped_weight_of_one_group(g: Any, _y: Any, x: Any, w: Any, groups: int) -> Any:
    return tg.einsum("nf,nc->fc", g, x[:, : w.shape[1]])


@hs.composite
def groups(draw: Any) -> Any:
    G = draw(hs.integers(1, 3))
    N, C, F = (draw(hs.integers(1, 2)) for _ in range(3))
    return (draw(st.arrays((N, G * C))), draw(st.arrays((G * F, C)))), {"groups": G}


def test_ignored_groups_are_told() -> None:
    op = Op(grouped, name="grouped").vjp(grouped_input, grouped_weight_of_one_group)
    failure = failure_of(groups(), lambda x, w, groups: op(x, w, groups=groups))
    assert failure.input == 1
    assert failure.elements == ((1, 0),)  # of two groups the second; the first is right
    assert failure.hints[0].startswith("it is the same for groups=1 as for groups=2")


def test_the_keyword_that_a_bare_vjp_ignores_is_told() -> None:
    failure = failure_of(
        signals(),
        windows,
        vjp=lambda g, x, w, stride: (
            windows_input_without_stride(g, None, x, w, stride),
            windows_weight(g, None, x, w, stride),
        ),
    )
    assert failure.hints[0].startswith("it is the same for stride=1")


def test_what_is_wrong_at_no_element_fails_all_the_same() -> None:
    kept = []

    @op_property(inputs=SMALL, examples=5)
    def check(x: Any) -> Any:
        kept.append(right(x))
        return kept[-1]

    with pytest.raises(GradientMismatch, match="graph_freed"):
        check()


def test_a_method_is_refused_with_advice() -> None:
    with pytest.raises(ConfigError, match="write a function outside of the class"):

        class TestSomething:
            @op_property(inputs=SMALL)
            def test_method(self, x: Any) -> Any:
                return right(x)

    with pytest.raises(ConfigError, match=r"test_noself is written in a class"):

        class TestOther:
            @op_property(inputs=SMALL)
            def test_noself(x: Any) -> Any:
                return right(x)

    @op_property(inputs=SMALL)
    def local(self: Any) -> Any:
        return right(self)


def test_a_fixture_is_refused_with_advice() -> None:
    @op_property(inputs=SMALL)
    def check(tmp_path: Any, x: Any) -> Any:
        return right(x)

    with pytest.raises(ConfigError, match=r"1 input: missing .* fixtures are not passed"):
        check()


def test_where_hardly_a_case_can_be_judged_the_reason_is_told() -> None:
    @op_property(inputs=st.arrays((1,)).map(np.zeros_like), order=1)
    def check(x: Any) -> Any:
        return tg.relu(x)

    with pytest.raises(ConfigError, match=r"f has kinks.*draw other values"):
        check()


def test_a_failure_points_at_the_test_of_the_user() -> None:
    with pytest.raises(GradientMismatch) as caught:
        op_property(inputs=SMALL)(a_body)()
    place = a_body.__code__
    frames = [(str(f.path), f.lineno + 1) for f in caught.traceback if not f.ishidden(None)]
    assert frames[1:] == [(place.co_filename, place.co_firstlineno)]


def a_body(x: Any) -> Any:
    return wrong(x)


def test_of_two_ways_to_fail_one_is_raised_by_itself() -> None:
    @op_property(inputs=SMALL, examples=50)
    def check(x: Any) -> Any:
        if x.shape == (2,):
            raise KeyError
        return wrong(x)

    with pytest.raises((GradientMismatch, KeyError)):
        check()


def test_the_test_bears_the_name_and_the_words_of_its_body() -> None:
    @op_property(inputs=SMALL)
    def test_of_mine(x: Any) -> Any:
        """Squares."""
        return right(x)

    assert test_of_mine.__name__ == "test_of_mine"
    assert test_of_mine.__doc__ == "Squares."
    assert test_of_mine.__module__ == __name__


def test_static_keywords_reach_the_body_and_the_reference() -> None:
    seen = []

    def reference(x: Any, *, axis: Any, keepdims: bool) -> Any:
        seen.append(keepdims)
        return tg.mean(x, axis=axis, keepdims=keepdims)

    @op_property(
        inputs=st.reduction_cases(shape=st.shapes(empty=False)),
        reference=reference,
        properties=["reference"],
        examples=10,
    )
    def check(x: Any, *, axis: Any, keepdims: bool) -> Any:
        return tg.sum(x, axis=axis, keepdims=keepdims)

    with pytest.raises(GradientMismatch, match="differs from the reference"):
        check()
    assert set(seen) <= {True, False}
    assert seen


def test_a_case_that_cannot_be_judged_is_drawn_again() -> None:
    drawn = []

    @op_property(inputs=st.arrays((1,)), examples=10, order=1)
    def check(x: Any) -> Any:
        drawn.append(x)
        return tg.relu(x)

    check()  # the simplest case of all is the kink itself
    assert drawn


def test_a_function_of_arrays_is_tested_with_its_own_backward() -> None:
    @op_property(inputs=SMALL, vjp=lambda g, x: (g * np.sin(x),), examples=10)
    def check(x: Any) -> Any:
        return np.sin(x)

    with pytest.raises(GradientMismatch):
        check()


def test_mutants_pass_a_test_of_enough_cases_and_fail_a_tame_one() -> None:
    @op_property(inputs=SMALL, mutants=True, examples=12)
    def thorough(x: Any) -> Any:
        return right(x)

    @op_property(inputs=SMALL, mutants=True, examples=5, properties=["linearity"])
    def tame(x: Any) -> Any:
        return right(x)

    thorough()
    with pytest.raises(AssertionError, match=r"wrong gradients pass this test:\n  right_sq"):
        tame()


def test_of_two_ops_of_one_name_the_one_that_the_body_runs_is_mutated() -> None:
    first, _second = (an_op("square", lambda g, _y, x: 2 * g * x) for _ in range(2))

    @op_property(inputs=SMALL, mutants=True, examples=5, properties=["linearity"])
    def tame(x: Any) -> Any:
        return first(x)

    with pytest.raises(AssertionError, match="wrong gradients pass"):
        tame()


def test_mutants_without_any_effect_fail_the_test() -> None:
    @op_property(inputs=SMALL, mutants=True, examples=5)
    def constant(x: Any) -> Any:
        return tg.Tensor(np.ones(3))

    @op_property(inputs=hs.just(np.zeros(0)), mutants=True, examples=5)
    def empty(x: Any) -> Any:
        return right(x)

    for check in (constant, empty):
        with pytest.raises(AssertionError, match="no gradient flows through the body"):
            check()


@pytest.mark.parametrize("options", [{"examples": 0}, {"at": "corner"}, {"order": 3}])
def test_an_option_that_means_nothing_is_refused(options: Any) -> None:
    with pytest.raises(ConfigError):
        op_property(inputs=SMALL, **options)(right)()


def test_what_is_no_input_is_refused_with_advice() -> None:
    @op_property(inputs=SMALL.map(lambda x: {"x": x}))
    def check(x: Any) -> Any:
        return x

    with pytest.raises(ConfigError, match="inputs must draw an array, a tuple"):
        check()


@pytest.mark.parametrize("name", PROFILES)
def test_the_environment_names_the_profile(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, name)
    assert profile() is PROFILES[name]


def test_ci_has_its_own_profile_and_an_unknown_one_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("CI", "true")
    assert profile() is PROFILES["ci"]
    monkeypatch.setenv(VARIABLE, "profound")
    with pytest.raises(ConfigError, match="dev, ci, deep"):
        profile()


def test_pytest_takes_the_profile_as_an_option(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import os
        def test_it():
            assert os.environ["GRADCHECK_PROFILE"] == "deep"
    """)
    root = str(Path(__file__).parents[2])
    pytester.syspathinsert(root)
    arguments = ("-p", "_tinygrad_cnn_pytest", "-p", "no:cacheprovider")
    result = pytester.runpytest_inprocess(*arguments, "--gradcheck-profile=deep")
    result.assert_outcomes(passed=1)


def test_the_plugin_imports_neither_the_package_nor_numpy() -> None:
    text = (Path(__file__).parents[2] / "_tinygrad_cnn_pytest.py").read_text(encoding="utf-8")
    imports = [line for line in text.splitlines() if line.startswith(("import", "from"))]
    assert imports == ["from __future__ import annotations", "import os", "import pytest"]
