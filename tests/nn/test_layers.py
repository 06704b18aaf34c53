"""Every layer against PyTorch's of the same name: state, output, gradients, repr."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinygrad_cnn import Tensor, manual_seed, nn

# (class, arguments, keywords, shape of the input)
LAYERS = [
    ("Linear", (5, 3), {}, (4, 5)),
    ("Linear", (5, 3), {"bias": False}, (2, 4, 5)),
    ("Linear", (5, 3), {}, (5,)),
    ("Identity", (), {}, (3, 2)),
    ("Conv1d", (4, 6, 3), {}, (2, 4, 9)),
    ("Conv1d", (4, 6, 3, 2, 1, 2, 2), {}, (2, 4, 11)),
    ("Conv2d", (3, 4, 3), {}, (2, 3, 7, 6)),
    ("Conv2d", (3, 4, (3, 2)), {"stride": (2, 1), "padding": (1, 0)}, (2, 3, 7, 6)),
    ("Conv2d", (4, 8, 3), {"groups": 4, "padding": 1, "bias": False}, (2, 4, 5, 5)),
    ("Conv2d", (4, 6, 3), {"groups": 2, "dilation": 2}, (1, 4, 8, 7)),
    ("Conv2d", (2, 3, 3), {"padding": "same"}, (2, 2, 5, 6)),
    ("Conv2d", (2, 3, 3), {"padding": "same", "dilation": 2}, (2, 2, 5, 6)),
    ("Conv2d", (2, 3, 3), {"padding": "valid"}, (2, 2, 5, 6)),
    ("Conv3d", (2, 3, 2), {"padding": 1}, (2, 2, 3, 4, 3)),
    ("ConvTranspose1d", (4, 6, 3), {"stride": 2, "groups": 2}, (2, 4, 5)),
    ("ConvTranspose2d", (3, 4, 3), {}, (2, 3, 4, 5)),
    ("ConvTranspose2d", (3, 4, 3, 2, 1, 1), {}, (2, 3, 4, 5)),
    ("ConvTranspose2d", (4, 6, 3, 1, 0, 0, 2, False, 2), {}, (1, 4, 5, 4)),
    ("ConvTranspose3d", (2, 3, 2), {"stride": 2}, (1, 2, 2, 3, 2)),
    ("MaxPool1d", (2,), {}, (2, 3, 7)),
    ("MaxPool2d", (2,), {}, (2, 3, 6, 7)),
    ("MaxPool2d", (3, 2, 1), {"dilation": 1}, (2, 3, 7, 8)),
    ("MaxPool2d", ((3, 2), (1, 2)), {"ceil_mode": True}, (2, 3, 7, 8)),
    ("MaxPool3d", (2,), {}, (1, 2, 4, 5, 4)),
    ("AvgPool1d", (3, 2, 1), {}, (2, 3, 7)),
    ("AvgPool2d", (2,), {}, (2, 3, 6, 7)),
    ("AvgPool2d", (3, 2, 1, True, False), {}, (2, 3, 6, 7)),
    ("AvgPool3d", (2,), {}, (1, 2, 4, 5, 4)),
    ("AdaptiveAvgPool1d", (3,), {}, (2, 3, 8)),
    ("AdaptiveAvgPool2d", (1,), {}, (2, 3, 5, 4)),
    ("AdaptiveAvgPool2d", ((3, 2),), {}, (2, 3, 5, 7)),
    ("AdaptiveAvgPool3d", (2,), {}, (1, 2, 3, 4, 5)),
    ("BatchNorm1d", (3,), {}, (6, 3)),
    ("BatchNorm1d", (3,), {"affine": False}, (4, 3, 5)),
    ("BatchNorm2d", (3,), {}, (4, 3, 5, 2)),
    ("BatchNorm2d", (3,), {"momentum": None, "eps": 1e-3}, (4, 3, 5, 2)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (4, 3, 5, 2)),
    ("BatchNorm2d", (3,), {"bias": False}, (4, 3, 5, 2)),
    ("BatchNorm3d", (2,), {}, (2, 2, 3, 2, 3)),
    ("LayerNorm", (5,), {}, (2, 3, 5)),
    ("LayerNorm", ((3, 5),), {"eps": 1e-3}, (2, 3, 5)),
    ("LayerNorm", (5,), {"elementwise_affine": False}, (2, 5)),
    ("LayerNorm", (5,), {"bias": False}, (2, 5)),
    ("GroupNorm", (2, 6), {}, (3, 6, 4, 2)),
    ("GroupNorm", (6, 6), {"affine": False}, (3, 6, 4)),
    ("GroupNorm", (2, 6), {"bias": False}, (3, 6, 4)),
    ("ReLU", (), {}, (3, 4)),
    ("LeakyReLU", (), {}, (3, 4)),
    ("LeakyReLU", (0.2,), {}, (3, 4)),
    ("ELU", (), {}, (3, 4)),
    ("ELU", (0.5,), {}, (3, 4)),
    ("GELU", (), {}, (3, 4)),
    ("GELU", ("tanh",), {}, (3, 4)),
    ("SiLU", (), {}, (3, 4)),
    ("Sigmoid", (), {}, (3, 4)),
    ("Tanh", (), {}, (3, 4)),
    ("Softmax", (1,), {}, (3, 4)),
    ("Softmax", (0,), {}, (3, 4)),
    ("LogSoftmax", (1,), {}, (3, 4)),
    ("Softmin", (1,), {}, (3, 4)),
    ("CELU", (0.5,), {}, (3, 4)),
    ("SELU", (), {}, (3, 4)),
    ("GLU", (), {}, (3, 4)),
    ("GLU", (1,), {}, (3, 4, 5)),
    ("Hardshrink", (), {}, (3, 4)),
    ("Softshrink", (0.7,), {}, (3, 4)),
    ("Tanhshrink", (), {}, (3, 4)),
    ("Hardtanh", (), {}, (3, 4)),
    ("Hardtanh", (-0.5, 2.0), {}, (3, 4)),
    ("Hardswish", (), {}, (3, 4)),
    ("LogSigmoid", (), {}, (3, 4)),
    ("Mish", (), {}, (3, 4)),
    ("PReLU", (), {}, (3, 4)),
    ("PReLU", (4, 0.1), {}, (3, 4, 5)),
    ("RReLU", (0.3, 0.3), {}, (3, 4)),
    ("ReLU6", (), {}, (3, 4)),
    ("Softplus", (2.0, 1.0), {}, (3, 4)),
    ("Softsign", (), {}, (3, 4)),
    ("Threshold", (0.1, 20), {}, (3, 4)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 5)),
    ("InstanceNorm2d", (3,), {"affine": True}, (2, 3, 5, 2)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 5, 2)),
    ("InstanceNorm3d", (2, 1e-3, 0.3, False, True), {}, (2, 2, 3, 2, 3)),
    ("LPPool1d", (2, 3), {}, (2, 3, 8)),
    ("LPPool2d", (2.0, 3), {"stride": 2, "ceil_mode": True}, (2, 3, 6, 7)),
    ("LPPool3d", (2, (1, 2, 2)), {}, (1, 2, 3, 4, 5)),
    ("AdaptiveAvgPool2d", ((3, None),), {}, (2, 3, 5, 7)),
    ("AdaptiveMaxPool1d", (3,), {}, (2, 3, 8)),
    ("AdaptiveMaxPool2d", ((None, 2),), {}, (2, 3, 5, 7)),
    ("AdaptiveMaxPool3d", (2,), {}, (1, 2, 3, 4, 5)),
    ("Upsample", (), {"scale_factor": 2}, (1, 2, 3, 4)),
    ("Upsample", ((5, 3),), {"mode": "bilinear"}, (1, 2, 3, 4)),
    ("Upsample", (7, None, "linear", True), {}, (1, 2, 4)),
    ("PixelShuffle", (2,), {}, (2, 8, 3, 2)),
    ("PixelUnshuffle", (2,), {}, (2, 3, 6, 4)),
    ("ChannelShuffle", (3,), {}, (2, 6, 3, 2)),
    ("Unfold", ((2, 3),), {"padding": 1, "stride": 2}, (2, 3, 5, 6)),
    ("Fold", ((4, 5), 2), {"stride": (2, 1)}, (2, 12, 8)),
    ("ConstantPad1d", (2, 3.5), {}, (2, 3, 4)),
    ("ConstantPad2d", ((1, 0, -1, 2), 3.5), {}, (2, 3, 4, 5)),
    ("ConstantPad3d", (1, 0.5), {}, (1, 2, 3, 2, 2)),
    ("ZeroPad1d", ((1, 2),), {}, (2, 3, 4)),
    ("ZeroPad2d", (1,), {}, (2, 3, 4, 5)),
    ("ZeroPad3d", (1,), {}, (1, 2, 3, 2, 2)),
    ("ReflectionPad1d", ((3, 1),), {}, (2, 3, 5)),
    ("ReflectionPad2d", ((1, 2, 0, 3),), {}, (2, 3, 4, 5)),
    ("ReflectionPad3d", (1,), {}, (1, 2, 3, 2, 2)),
    ("ReplicationPad1d", (2,), {}, (2, 3, 5)),
    ("ReplicationPad2d", ((1, 2, 0, 3),), {}, (2, 3, 4, 5)),
    ("ReplicationPad3d", (1,), {}, (1, 2, 3, 2, 2)),
    ("CircularPad1d", ((3, 1),), {}, (2, 3, 5)),
    ("CircularPad2d", ((1, 2, 0, 3),), {}, (2, 3, 4, 5)),
    ("CircularPad3d", (1,), {}, (1, 2, 3, 2, 2)),
    ("Flatten", (), {}, (2, 3, 4)),
    ("Flatten", (0, 1), {}, (2, 3, 4)),
    ("Unflatten", (1, (2, 3)), {}, (2, 6, 4)),
    ("Unflatten", (-1, (2, -1)), {}, (3, 8)),
]

pytestmark = pytest.mark.oracle


@pytest.fixture(params=LAYERS, ids=lambda layer: f"{layer[0]}{layer[1]}{layer[2] or ''}")
def pair(request: pytest.FixtureRequest, torch: Any) -> tuple[Any, Any, np.ndarray]:
    """(our layer, PyTorch's with the same weights, an input)."""
    name, args, kwargs, shape = request.param
    manual_seed(0)
    ours = getattr(nn, name)(*args, **kwargs).to(np.float64)
    theirs = getattr(torch.nn, name)(*args, **kwargs).double()
    theirs.load_state_dict({k: torch.from_numpy(v) for k, v in ours.state_dict().items()})
    return ours, theirs, np.random.default_rng(1).normal(size=shape)


def run_and_compare(torch: Any, ours: Any, theirs: Any, x: np.ndarray) -> None:
    """Outputs, gradients of the input and of the parameters, and the state afterwards."""
    a = Tensor(x, requires_grad=True)
    b = torch.tensor(x, requires_grad=True)
    ya, yb = ours(a), theirs(b)
    close(ya.data, yb.detach().numpy())
    g = np.random.default_rng(2).normal(size=ya.shape)
    ours.zero_grad()
    theirs.zero_grad()
    ya.backward(g)
    yb.backward(torch.from_numpy(g))
    close(a.grad.data, b.grad.numpy())
    expected = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        close(p.grad.data, expected[name].grad.numpy())
    for name, value in theirs.state_dict().items():
        close(ours.state_dict()[name], value.numpy())


def close(ours: np.ndarray, theirs: np.ndarray) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_a_layer_computes_what_pytorchs_does_in_training_and_in_inference(torch, pair):
    ours, theirs, x = pair
    for _ in range(2):  # the second time from moved running statistics
        run_and_compare(torch, ours, theirs, x)
    run_and_compare(torch, ours.eval(), theirs.eval(), x + 0.5)


def test_pytorchs_weights_load_into_a_layer(torch, pair):
    ours, theirs, x = pair
    with torch.no_grad():
        for p in theirs.parameters():
            p.add_(torch.randn_like(p))
    ours.load_state_dict({name: value.numpy() for name, value in theirs.state_dict().items()})
    close(ours(Tensor(x)).data, theirs(torch.tensor(x)).detach().numpy())


def test_names_shapes_and_dtypes_of_the_state_are_pytorchs(pair):
    ours, theirs, _ = pair
    expected = {k: (tuple(v.shape), v.numpy().dtype) for k, v in theirs.state_dict().items()}
    assert {k: (v.shape, v.dtype) for k, v in ours.state_dict().items()} == expected
    assert list(ours.state_dict()) == list(expected)


def test_the_repr_is_pytorchs(pair):
    ours, theirs, _ = pair
    if not isinstance(ours, nn.AvgPool1d):  # PyTorch's tells its numbers as tuples
        assert repr(ours) == repr(theirs)


@pytest.mark.parametrize(
    ("name", "args", "fan_in"),
    [
        ("Linear", (64, 48), 64),
        ("Conv2d", (8, 32, 5), 8 * 25),
        ("Conv1d", (6, 64, 7, 1, 0, 1, 2), 3 * 7),
        ("ConvTranspose2d", (16, 8, 5), 8 * 25),
    ],
)
def test_weights_and_biases_start_uniform_within_one_over_root_fan_in(torch, name, args, fan_in):
    manual_seed(0)
    torch.manual_seed(0)
    ours, theirs = getattr(nn, name)(*args), getattr(torch.nn, name)(*args)
    for layer in (ours.weight.data, theirs.weight.detach().numpy()):
        bound = fan_in**-0.5
        assert 0.98 * bound < np.abs(layer).max() <= bound
        np.testing.assert_allclose(layer.std(), bound / 3**0.5, rtol=0.03)
    for layer in (ours.bias.data, theirs.bias.detach().numpy()):
        assert 0.5 * bound < np.abs(layer).max() <= bound


def test_batch_norm_in_float32_agrees_within_rounding(torch):
    ours, theirs = nn.BatchNorm2d(4), torch.nn.BatchNorm2d(4)
    x = np.random.default_rng(0).normal(3.0, 2.0, (8, 4, 6, 6)).astype(np.float32)
    y = ours(Tensor(x))
    assert y.dtype == np.float32
    np.testing.assert_allclose(
        y.data, theirs(torch.tensor(x)).detach().numpy(), rtol=1e-4, atol=1e-5
    )
    assert ours.running_mean.dtype == np.float32
    assert ours.num_batches_tracked.item() == 1


@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_embedding_computes_what_pytorchs_does(torch, padding_idx):
    manual_seed(0)
    ours = nn.Embedding(6, 4, padding_idx).to(np.float64)
    theirs = torch.nn.Embedding(6, 4, padding_idx).double()
    theirs.load_state_dict({"weight": torch.from_numpy(ours.state_dict()["weight"])})
    indices = np.array([[0, 2, 5], [5, 5, 1]])
    ya, yb = ours(Tensor(indices)), theirs(torch.tensor(indices))
    close(ya.data, yb.detach().numpy())
    g = np.random.default_rng(0).normal(size=ya.shape)
    ya.backward(g)
    yb.backward(torch.from_numpy(g))
    close(ours.weight.grad.data, theirs.weight.grad.numpy())
    assert repr(ours) == repr(theirs)
