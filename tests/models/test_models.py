"""The networks: shapes, parameter counts of the papers, and PyTorch's arithmetic."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import Tensor, models, nn
from tinygrad_cnn.errors import ConfigError
from tinygrad_cnn.models import study
from tinygrad_cnn.nn.functional import cross_entropy


def size(model: nn.Module) -> int:
    return sum(p.size for p in model.parameters())


def images(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(0).normal(size=shape).astype(np.float32))


# -- counts --


def test_resnet20_has_the_papers_parameters_counted_by_hand():
    stem = 3 * 16 * 9 + 2 * 16
    stage1 = 6 * (16 * 16 * 9 + 2 * 16)
    stage2 = (16 * 32 * 9 + 2 * 32) + 5 * (32 * 32 * 9 + 2 * 32)
    stage3 = (32 * 64 * 9 + 2 * 64) + 5 * (64 * 64 * 9 + 2 * 64)
    assert size(models.resnet20()) == stem + stage1 + stage2 + stage3 + 650 == 269_722


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)
def test_resnets_have_the_sizes_of_table_6(depth, millions):
    assert round(size(models.resnet(depth)) / 1e6, 1 if depth == 110 else 2) == millions


def test_option_b_adds_two_projections_and_their_norms():
    added = (16 * 32 + 2 * 32) + (32 * 64 + 2 * 64)
    assert size(models.resnet20(option="B")) - size(models.resnet20()) == added


@pytest.mark.parametrize(
    ("depth", "factor", "millions"), [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (16, 8, 11.0)]
)
def test_wide_resnets_have_the_sizes_of_table_4(depth, factor, millions):
    assert round(size(models.wide_resnet(depth, factor)) / 1e6, 1) == millions


def test_mnist_leaky_has_the_parameters_of_its_figure():
    assert size(models.MnistLeaky()) == (16 * 9 + 16) + (2704 * 128 + 128) + (128 * 10 + 10)


# -- shapes --


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (models.MnistLeaky(), (2, 1, 28, 28)),
        (models.MLP(), (2, 1, 28, 28)),
        (models.MLP(12, hidden=()), (2, 3, 4)),
        (models.resnet20(), (2, 3, 32, 32)),
        (models.resnet(8, in_channels=1), (2, 1, 28, 28)),
        (models.ResNet(models.Bottleneck, (1, 1, 1)), (2, 3, 9, 11)),
        (models.ResNet(models.BasicBlock, (1, 2), widths=(4, 8), option="B"), (2, 3, 8, 8)),
        (models.wide_resnet(10, 2, dropout=0.3), (2, 3, 16, 16)),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, nn.Module) else str(x),
)
def test_every_model_gives_logits_and_every_parameter_a_gradient(model, shape):
    y = model(images(*shape))
    assert y.shape == (2, 10)
    assert y.dtype == np.float32
    cross_entropy(y, np.array([3, 7])).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert np.isfinite(p.grad.data).all(), name


def test_the_padded_shortcut_keeps_every_other_pixel_and_pads_channels_with_zeros():
    block = models.BasicBlock(2, 5, stride=2)
    x = images(1, 2, 5, 5)
    y = block.shortcut(x).numpy()
    assert y.shape == (1, 5, 3, 3)
    np.testing.assert_array_equal(y[:, :2], x.numpy()[:, :, ::2, ::2])
    assert not y[:, 2:].any()
    assert list(block.shortcut.parameters()) == []


@pytest.mark.parametrize(
    "block",
    [models.BasicBlock(4, 4), models.Bottleneck(16, 4), models.WideBlock(4, 4)],
    ids=lambda block: type(block).__name__,
)
def test_a_block_whose_last_weight_is_zero_passes_its_input_through(block):
    last = [m for m in block.body if isinstance(m, nn.Conv2d)][-1]
    nn.init.zeros_(last.weight)
    x = images(2, last.out_channels, 6, 6)
    passed = x if isinstance(block, models.WideBlock) else tg.relu(x)
    np.testing.assert_array_equal(block(x).data, passed.data)


def test_signals_keep_their_size_through_the_leaky_network_at_the_start():
    tg.manual_seed(0)
    net = models.MnistLeaky(negative_slope=0.1)
    x = images(256, 1, 28, 28)
    a = net.conv(x).data.std()
    b = net.hidden(Tensor(np.random.default_rng(1).normal(size=(256, 2704)))).data.std()
    assert 1.1 < a < 1.7  # sqrt(2 / 1.01) for unit inputs
    assert 1.1 < b < 1.7


def test_impossible_networks_are_refused_with_advice():
    with pytest.raises(ConfigError, match=r"resnet: the depth is 6n \+ 2, e.g. 20, 26; got 21"):
        models.resnet(21)
    with pytest.raises(ConfigError, match=r"wide_resnet: the depth is 6n \+ 4"):
        models.wide_resnet(3, 1)
    with pytest.raises(ConfigError, match="option 'A' or 'B'"):
        models.resnet20(option="C")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot drop any, got 8 -> 4; use option B"):
        models.BasicBlock(8, 4)


# -- arithmetic --


def in_pytorch(torch: Any, net: models.ResNet) -> Any:
    """`net` written out with PyTorch's functions, as a function of its state and an input."""
    f = torch.nn.functional

    def norm(state: Any, name: str, x: Any) -> Any:
        mean, var = state[f"{name}.running_mean"].clone(), state[f"{name}.running_var"].clone()
        return f.batch_norm(x, mean, var, state[f"{name}.weight"], state[f"{name}.bias"], True)

    def basic(state: Any, name: str, x: Any, stride: int) -> Any:
        y = f.conv2d(x, state[f"{name}.body.0.weight"], None, stride, 1)
        y = torch.relu(norm(state, f"{name}.body.1", y))
        y = f.conv2d(y, state[f"{name}.body.3.weight"], None, 1, 1)
        y = norm(state, f"{name}.body.4", y)
        x = x[:, :, ::stride, ::stride]
        x = f.pad(x, (0, 0, 0, 0, 0, y.shape[1] - x.shape[1]))
        return torch.relu(y + x)

    def forward(state: Any, x: Any) -> Any:
        x = torch.relu(norm(state, "stem.1", f.conv2d(x, state["stem.0.weight"], None, 1, 1)))
        for i, stage in enumerate(net.stages):
            for j in range(len(stage)):
                x = basic(state, f"stages.{i}.{j}", x, 2 if i and not j else 1)
        return f.linear(x.mean((2, 3)), state["classify.weight"], state["classify.bias"])

    return forward


@pytest.mark.oracle
def test_resnet20_computes_the_outputs_and_gradients_of_the_same_network_in_pytorch(torch):
    tg.manual_seed(0)
    net = models.resnet20().to(np.float64)
    x = np.random.default_rng(0).normal(size=(3, 3, 16, 16))
    labels = np.array([1, 5, 9])
    state = {
        name: torch.tensor(value, requires_grad=value.dtype.kind == "f")
        for name, value in net.state_dict().items()
    }
    for name in state:
        if "running" in name:
            state[name] = state[name].detach()
    expected = in_pytorch(torch, net)(state, torch.tensor(x))
    y = net(Tensor(x))
    np.testing.assert_allclose(y.data, expected.detach().numpy(), rtol=1e-9)
    cross_entropy(y, labels).backward()
    torch.nn.functional.cross_entropy(expected, torch.tensor(labels)).backward()
    for name, p in net.named_parameters():
        np.testing.assert_allclose(
            p.grad.data, state[name].grad.numpy(), rtol=1e-7, atol=1e-10, err_msg=name
        )


def test_a_small_residual_network_learns():
    tg.manual_seed(0)
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 32)
    x = rng.normal(size=(32, 1, 8, 8)).astype(np.float32)
    x[y == 1, :, :4] += 1.0
    net = models.ResNet(models.BasicBlock, (1, 1), widths=(4, 8), classes=2, in_channels=1)
    optimizer = tg.optim.Adam(net.parameters(), lr=0.01)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = cross_entropy(net(Tensor(x)), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (models.DigitsGap(), 276_810),
        (models.DigitsFlat(), 485_514),
        (models.TwoConv5x5(), (4 * 25 + 4) + (4 * 4 * 25 + 4) + (400 * 10 + 10)),
        (models.OneConv(), (8 * 9 + 8) + (1352 * 10 + 10)),
        (models.MnistLeakyPlus(second_conv=0, batch_norm=False), 347_690),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, nn.Module) else "",
)
def test_the_networks_for_digits_have_the_parameters_of_their_sources(model, parameters):
    assert size(model) == parameters
    assert model(images(2, 1, 28, 28)).shape == (2, 10)


def test_without_its_wishes_the_leaky_network_is_the_plain_one():
    plain = models.MnistLeaky()
    wishes = models.MnistLeakyPlus(second_conv=0, batch_norm=False, dropout=0.0)
    weights = zip(wishes.state_dict(), plain.state_dict().values(), strict=True)
    wishes.load_state_dict(dict(weights))
    x = images(3, 1, 28, 28)
    np.testing.assert_array_equal(wishes(x).data, plain(x).data)


def test_a_network_standardizes_what_it_was_built_for():
    facts = models.Images(channels=3, size=4, mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 4.0))
    x = images(2, 3, 4, 4)
    mean, std = (np.reshape(v, (3, 1, 1)) for v in (facts.mean, facts.std))
    np.testing.assert_allclose(models.Standardize(facts)(x).data, (x.data - mean) / std, rtol=1e-5)


CIFAR = models.Images(3, 32, 10, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2))


@pytest.mark.parametrize("facts", [models.Images(), CIFAR], ids=["digits", "colour"])
@pytest.mark.parametrize(
    ("network", "options"),
    [
        (models.FullyConnected, {"dropout": 0.2}),
        (models.SimpleCNN, {}),
        (models.SimpleCNN, {"kernels": (1, 3), "batch_norm": True, "dropout": 0.3}),
        *((models.SimpleCNN, {"own": own}) for own in get_args(study.Part)),
        (models.ResidualCNN, {}),
        (models.DeepCNN, {"depth": 2}),
        (models.DeepCNN, {"depth": 6, "residual": True}),
        *((models.BlockCNN, {"block": block}) for block in ("basic", "bottleneck", "wide")),
    ],
    ids=str,
)
def test_every_network_of_the_study_takes_either_kind_of_images(network, options, facts):
    model = network(facts, **options)
    y = model(images(2, facts.channels, facts.size, facts.size))
    assert y.shape == (2, 10)
    cross_entropy(y, np.array([3, 7])).backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert np.isfinite(p.grad.data).all(), name


def test_an_odd_depth_is_refused():
    with pytest.raises(ConfigError, match="depth: is even and 2 or more, for two stages; got 5"):
        models.DeepCNN(CIFAR, depth=5)


def test_residual_connections_add_no_parameters():
    plain, residual = (models.DeepCNN(CIFAR, 6, residual=r) for r in (False, True))
    assert size(plain) == size(residual)
