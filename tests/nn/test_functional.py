"""The functional forms: PyTorch's names and order of arguments, and PyTorch's values."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import Tensor, manual_seed, nn
from tinygrad_cnn.errors import AxisError, DTypeError, ShapeError
from tinygrad_cnn.nn import functional as F

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(6, 4))
LABELS = np.array([0, 3, 2, 2, 1, 3])
MAPS = RNG.normal(size=(2, 4, 3, 2))  # (N, C, H, W)
MAP_LABELS = RNG.integers(0, 4, (2, 3, 2))
X, T = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
WEIGHT = np.array([0.5, 1.0, 2.0, 0.1])
SOFT = RNG.dirichlet(np.ones(4), 6)

CASES = [
    ("cross_entropy", (LOGITS, LABELS), {}),
    ("cross_entropy", (LOGITS, LABELS, WEIGHT), {}),
    ("cross_entropy", (LOGITS, LABELS), {"ignore_index": 2}),
    ("cross_entropy", (LOGITS, LABELS, WEIGHT), {"ignore_index": 2, "label_smoothing": 0.1}),
    ("cross_entropy", (LOGITS, LABELS), {"label_smoothing": 0.2, "reduction": "sum"}),
    ("cross_entropy", (LOGITS, LABELS), {"reduction": "none"}),
    ("cross_entropy", (MAPS, MAP_LABELS), {}),
    ("cross_entropy", (MAPS, MAP_LABELS, WEIGHT), {"reduction": "none", "label_smoothing": 0.1}),
    ("cross_entropy", (LOGITS, SOFT), {}),
    ("cross_entropy", (1000 * LOGITS, LABELS), {}),
    ("nll_loss", (LOGITS, LABELS), {}),
    ("nll_loss", (LOGITS, LABELS, WEIGHT), {"ignore_index": 3}),
    ("nll_loss", (MAPS, MAP_LABELS), {"reduction": "sum"}),
    ("mse_loss", (X, T), {}),
    ("mse_loss", (X, T), {"reduction": "none"}),
    ("l1_loss", (X, T), {}),
    ("l1_loss", (X, T), {"reduction": "sum"}),
    ("smooth_l1_loss", (X, T), {}),
    ("smooth_l1_loss", (X, T), {"beta": 0.3, "reduction": "sum"}),
    ("binary_cross_entropy_with_logits", (X, np.abs(T) % 1), {}),
    ("binary_cross_entropy_with_logits", (100 * X, np.abs(T) % 1, np.abs(T)), {}),
    ("binary_cross_entropy_with_logits", (X, np.abs(T) % 1), {"pos_weight": WEIGHT[:3]}),
    ("softmax", (X, 0), {}),
    ("log_softmax", (X,), {"dim": 1}),
    ("softplus", (X, 2.0), {}),
    ("relu6", (5 * X,), {}),
    ("max_pool2d", (MAPS, 2, 1), {}),
    ("avg_pool2d", (MAPS, 2, 1, 1, False, True, 3), {}),
    ("lp_pool2d", (np.abs(MAPS), 3.0, 2), {}),
    ("lp_pool1d", (np.abs(MAPS[0]), 2.0, 2), {}),
    ("pad", (MAPS, (1, 2, 0, 1)), {}),
    ("pad", (MAPS, (0, 1)), {"value": 3.0}),
    ("layer_norm", (X, (3,)), {}),
    ("group_norm", (MAPS, 2, WEIGHT), {}),
]


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).normal(size=shape)


def as_torch(torch: Any, value: Any) -> Any:
    """A tensor that requires a gradient where ours would."""
    if not isinstance(value, np.ndarray):
        return value
    return torch.tensor(value, requires_grad=value.dtype.kind == "f")


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_values_and_gradients_are_pytorchs(torch, name, args, kwargs):
    ours = [Tensor(a, requires_grad=True) if is_float(a) else a for a in args[:1]] + list(args[1:])
    theirs = [as_torch(torch, a) for a in args]
    theirs[1:] = [t.detach() if hasattr(t, "detach") else t for t in theirs[1:]]
    options = {k: v if np.isscalar(v) else torch.tensor(v) for k, v in kwargs.items()}
    if name == "pad":
        options["mode"] = "constant"
    y = getattr(F, name)(*ours, **kwargs)
    expected = getattr(torch.nn.functional, name)(*theirs, **options)
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    g = normal(*y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(ours[0].grad.data, theirs[0].grad.numpy(), rtol=1e-10, atol=1e-12)


def is_float(a: Any) -> bool:
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_arrays_give_arrays_of_the_same_values(name, args, kwargs):
    y = getattr(F, name)(*args, **kwargs)
    assert not isinstance(y, Tensor)
    expected = getattr(F, name)(Tensor(args[0]), *args[1:], **kwargs)
    np.testing.assert_allclose(y, expected.data, rtol=1e-12)


LOSSES = [
    (nn.CrossEntropyLoss(WEIGHT, ignore_index=1, label_smoothing=0.1), LOGITS, LABELS),
    (nn.NLLLoss(reduction="sum"), LOGITS, LABELS),
    (nn.MSELoss(), X, T),
    (nn.L1Loss("none"), X, T),
    (nn.SmoothL1Loss(beta=0.5), X, T),
    (nn.BCEWithLogitsLoss(pos_weight=WEIGHT[:3]), X, np.abs(T) % 1),
]


@pytest.mark.oracle
@pytest.mark.parametrize(("loss", "x", "target"), LOSSES)
def test_losses_as_modules_agree_with_pytorch(torch, loss, x, target):
    options = dict(vars(loss))
    for name in ("training", "_persistent"):
        del options[name]
    options = {
        k: torch.tensor(v.data) if isinstance(v, Tensor) else v
        for k, v in options.items()
        if v is not None
    }
    theirs = getattr(torch.nn, type(loss).__name__)(**options)
    y = loss(Tensor(x), Tensor(target))
    expected = theirs(torch.tensor(x), torch.tensor(target)).numpy()
    np.testing.assert_allclose(y.data, expected, rtol=1e-12)
    assert list(loss.state_dict()) == list(theirs.state_dict())


FUNCTIONS = [
    name
    for name, thing in vars(F).items()
    if inspect.isfunction(thing) and thing.__module__ == F.__name__ and not name.startswith("_")
]
OURS_ALONE = {"attention_weights", "flatten", "unflatten"}
NOT_TAKEN_OVER = {"size_average", "reduce", "inplace", "_stacklevel", "dtype", "mode", "threshold"}


@pytest.mark.oracle
@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in OURS_ALONE])
def test_options_come_under_pytorchs_names_in_its_order(torch, name):
    options = list(inspect.signature(getattr(F, name)).parameters)
    theirs = getattr(
        torch.nn.functional, name + ("_with_indices" if name.startswith("max_pool") else "")
    )
    try:
        expected = list(inspect.signature(theirs).parameters)
    except ValueError:  # a built-in: its documentation begins with the signature
        head = theirs.__doc__.strip().split(") ->")[0].split("(", 1)[1]
        expected = [p.split("=")[0].strip() for p in head.split(",")]
    expected = [p for p in expected if p not in NOT_TAKEN_OVER | {"*"}]
    operands = 2 if name in ("embedding", "one_hot") or "loss" in name or "entropy" in name else 1
    assert options[operands:] == expected[operands : len(options)]


def test_one_hot_marks_the_label():
    np.testing.assert_array_equal(F.one_hot(np.array([[1], [0]]), 3), [[[0, 1, 0]], [[1, 0, 0]]])
    assert isinstance(F.one_hot(Tensor([1, 0])), Tensor)
    assert F.one_hot(np.zeros((0,), int), 4).shape == (0, 4)
    with pytest.raises(ShapeError, match=r"0\.\.5 with num_classes=3"):
        F.one_hot(np.array([0, 5]), 3)
    with pytest.raises(DTypeError, match="labels are integers"):
        F.one_hot(np.array([0.5]))


def test_flatten_and_unflatten_undo_each_other():
    x = Tensor(normal(2, 3, 4, 5), requires_grad=True)
    y = F.flatten(x, 1, 2)
    assert y.shape == (2, 12, 5)
    np.testing.assert_array_equal(F.unflatten(y, 1, (3, -1)).data, x.data)
    assert F.flatten(Tensor(3.0)).shape == (1,)
    assert F.unflatten(np.zeros((2, 0)), 1, (0, -1)).shape == (2, 0, 0)
    with pytest.raises(ShapeError, match="start_dim must not come after end_dim"):
        F.flatten(x, 2, 1)
    with pytest.raises(ShapeError, match=r"multiply to the length of axis 1, got \(2, 4\)"):
        F.unflatten(y, 1, (2, 4))
    with pytest.raises(AxisError):
        F.flatten(x, 7)


def test_pad_counts_from_the_last_axis():
    assert F.pad(np.ones((2, 3)), (1, 2, 3, 4)).shape == (9, 6)
    with pytest.raises(ShapeError, match="two numbers an axis"):
        F.pad(np.ones(2), (1,))


# -- attention --

Q, K, V = (
    RNG.normal(size=(2, 3, 5, 4)),
    RNG.normal(size=(2, 3, 6, 4)),
    RNG.normal(size=(2, 3, 6, 2)),
)
MASK = RNG.random((2, 1, 5, 6)) > 0.3
MASK[..., 0] = True


@pytest.mark.oracle
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"attn_mask": MASK},
        {"attn_mask": RNG.normal(size=(5, 6))},
        {"scale": 0.3},
    ],
)
def test_scaled_dot_product_attention_agrees_with_pytorch(torch, options):
    ours = [Tensor(a, requires_grad=True) for a in (Q, K, V)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (Q, K, V)]
    y = F.scaled_dot_product_attention(*ours, **options)
    expected = torch.nn.functional.scaled_dot_product_attention(
        *theirs, **{k: torch.tensor(v) if np.ndim(v) else v for k, v in options.items()}
    )
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-10)
    g = normal(*y.shape)
    y.backward(g)
    expected.backward(torch.tensor(g))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.data, b.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_a_query_that_may_look_nowhere_gets_zero_and_finite_gradients():
    mask = np.ones((5, 6), bool)
    mask[2] = False
    q = Tensor(Q, requires_grad=True)
    y = F.scaled_dot_product_attention(q, K, V, mask)
    assert not y.data[:, :, 2].any()
    y.sum().backward()
    assert np.isfinite(q.grad.data).all()
    assert not q.grad.data[:, :, 2].any()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("options", "masks"),
    [
        ({}, {}),
        ({"bias": False, "batch_first": True}, {"average_attn_weights": False}),
        ({"batch_first": True}, {"key_padding_mask": np.array([[0, 0, 0, 1, 1], [0] * 5]) == 1}),
        ({}, {"attn_mask": np.triu(np.ones((4, 5)), 2) == 1}),
        ({}, {"attn_mask": RNG.normal(size=(4, 5))}),
        (
            {"batch_first": True},
            {
                "attn_mask": RNG.random((2 * 2, 4, 5)) > 0.8,
                "key_padding_mask": np.array([[0, 0, 0, 0, 1], [0] * 5]) == 1,
            },
        ),
        ({"kdim": 3, "vdim": 7}, {}),
    ],
)
def test_multihead_attention_agrees_with_pytorch(torch, options, masks):
    manual_seed(0)
    ours = nn.MultiheadAttention(8, 2, **options).to(np.float64)
    theirs = torch.nn.MultiheadAttention(8, 2, **options).double()
    assert list(ours.state_dict()) == list(theirs.state_dict())
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    sizes = (8, options.get("kdim", 8), options.get("vdim", 8))
    inputs = [normal(2, n, e) for n, e in zip((4, 5, 5), sizes, strict=True)]
    if not options.get("batch_first"):
        inputs = [x.swapaxes(0, 1) for x in inputs]
    q = Tensor(inputs[0], requires_grad=True)
    tq = torch.tensor(inputs[0], requires_grad=True)
    y, weights = ours(q, *map(Tensor, inputs[1:]), **masks)
    ty, tweights = theirs(
        tq,
        *map(torch.tensor, inputs[1:]),
        **{k: torch.tensor(v) for k, v in masks.items() if isinstance(v, np.ndarray)},
        **{k: v for k, v in masks.items() if not isinstance(v, np.ndarray)},
    )
    np.testing.assert_allclose(y.data, ty.detach().numpy(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(weights.data, tweights.detach().numpy(), rtol=1e-10, atol=1e-12)
    g = normal(*y.shape)
    y.backward(g)
    ty.backward(torch.tensor(g))
    np.testing.assert_allclose(q.grad.data, tq.grad.numpy(), rtol=1e-9, atol=1e-12)
    for name, p in theirs.named_parameters():
        np.testing.assert_allclose(
            dict(ours.named_parameters())[name].grad.data, p.grad.numpy(), rtol=1e-9, atol=1e-12
        )


def test_multihead_attention_works_without_a_batch_and_without_weights():
    manual_seed(0)
    attention = nn.MultiheadAttention(8, 4).to(np.float64)
    x = normal(5, 8)
    y, weights = attention(Tensor(x), Tensor(x), Tensor(x))
    assert (y.shape, weights.shape) == ((5, 8), (5, 5))
    batched, none = attention(*[Tensor(x[:, None])] * 3, need_weights=False)
    assert none is None
    np.testing.assert_allclose(batched.data[:, 0], y.data)
    with pytest.raises(ShapeError, match="two axes"):
        attention(*[Tensor(np.zeros(8))] * 3)


def test_attention_dropout_acts_in_training_mode_alone():
    manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)
    x = Tensor(normal(2, 5, 8).astype(np.float32))
    assert not np.array_equal(attention(x, x, x)[0].data, attention(x, x, x)[0].data)
    attention.eval()
    np.testing.assert_array_equal(attention(x, x, x)[0].data, attention(x, x, x)[0].data)
