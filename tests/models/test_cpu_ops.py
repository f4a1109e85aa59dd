import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from deblur.models import SRCNN, cpu_ops

Layer = Callable[[Tensor, nn.Conv2d], Tensor]


def plain_rectified(features: Tensor, layer: nn.Conv2d) -> Tensor:
    return torch.relu(layer(features))


def plain_plane(features: Tensor, layer: nn.Conv2d) -> Tensor:
    result: Tensor = layer(features)
    return result


PAIRS = [
    (cpu_ops.convolve_rectified, plain_rectified, (1, 6, 9)),
    (cpu_ops.convolve_rectified, plain_rectified, (6, 5, 1)),
    (cpu_ops.convolve_to_plane, plain_plane, (6, 1, 5)),
    (cpu_ops.convolve_to_plane, plain_plane, (6, 1, 1)),
]


@pytest.fixture(params=[True, False], ids=["fused", "not fused"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not cpu_ops._FUSES:
        pytest.skip("this processor's library fuses no ReLU into a convolution")
    monkeypatch.setattr(cpu_ops, "_FUSES", request.param)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize(("fast", "plain", "sizes"), PAIRS)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_torch(
    fast: Layer, plain: Layer, sizes: tuple[int, int, int], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    before, after, kernel = sizes
    layer = nn.Conv2d(before, after, kernel).to(memory_format=layout)
    results = []
    for convolve in (fast, plain):
        features = torch.rand(3, before, 14, 17, generator=torch.Generator().manual_seed(1)).requires_grad_()
        output = convolve(features, layer)
        weights = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
        gradients = torch.autograd.grad((output * weights).sum(), [features, layer.weight, layer.bias])
        results.append((output, *gradients))
    for ours, theirs in zip(*results, strict=True):
        assert ours.shape == theirs.shape
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


@pytest.mark.usefixtures("both_ways")
@pytest.mark.parametrize("dilation", [2, 3])
def test_taps_may_lie_apart(dilation: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 4, 3, dilation=dilation)
    results = []
    for convolve in (cpu_ops.convolve_rectified, plain_rectified):
        features = torch.rand(2, 5, 14, 17, generator=torch.Generator().manual_seed(1)).requires_grad_()
        output = convolve(features, layer)
        weights = torch.linspace(-1, 1, output.numel()).reshape(output.shape)
        results.append((output, *torch.autograd.grad((output * weights).sum(), [features, *layer.parameters()])))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=1e-4)


@pytest.mark.usefixtures("both_ways")
def test_a_network_trains_as_its_plain_form_does() -> None:
    torch.manual_seed(0)
    fast = SRCNN((5, 1, 3), (6, 4))
    plain = nn.Sequential(*[copy.deepcopy(layer) for layer in fast.convolutions])
    blurred, sharp = torch.rand(2, 1, 22, 19), torch.rand(2, 1, 16, 13)
    for network in (fast, plain):
        optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            if network is fast:
                restored = fast(blurred, pad=False)
            else:
                hidden = torch.relu(plain[1](torch.relu(plain[0](blurred))))
                restored = plain[2](hidden) + blurred[..., 3:-3, 3:-3]
            (restored - sharp).square().mean().backward()
            optimizer.step()
    for ours, theirs in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4)


def test_bfloat16_stays_near_float32_and_gives_float32_weights_their_gradients() -> None:
    torch.manual_seed(0)
    network = SRCNN((9, 3, 5), (16, 8))
    image = torch.rand(1, 1, 40, 40)
    exact = network(image)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = network(image)
    assert rounded.dtype == torch.float32
    torch.testing.assert_close(rounded, exact, atol=1e-2, rtol=0)
    assert not torch.equal(rounded, exact)
    rounded.mean().backward()
    assert all(
        parameter.grad.dtype == torch.float32 for parameter in network.parameters() if parameter.grad is not None
    )
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_a_closed_relu_passes_nothing_back() -> None:
    layer = nn.Conv2d(1, 1, 1)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.constant_(layer.bias, -0.5)  # type: ignore[arg-type] # there is one
    features = torch.tensor([[[[0.2, 0.8]]]], requires_grad=True)
    cpu_ops.convolve_rectified(features, layer).sum().backward()
    assert features.grad is not None
    assert features.grad.flatten().tolist() == [0.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_other_precisions_take_torchs_own_way(dtype: torch.dtype) -> None:
    features = torch.rand(1, 1, 12, 12, dtype=dtype)
    assert not cpu_ops.is_fast_for(features)
    assert SRCNN((3, 3), (2,)).to(dtype)(features).dtype == dtype
