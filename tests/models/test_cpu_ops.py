import copy
import logging
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.inference.building import build_network
from deblur.models import SRCNN, ResNet, cpu_ops

Layer = Callable[[Tensor, nn.Conv2d], Tensor]


def plain_rectified(features: Tensor, layer: nn.Conv2d) -> Tensor:
    return torch.relu(layer(features))


def plain_image(features: Tensor, layer: nn.Conv2d) -> Tensor:
    result: Tensor = layer(features)
    return result


PAIRS = [
    (cpu_ops.convolve_rectified, plain_rectified, (1, 6, 9)),
    (cpu_ops.convolve_rectified, plain_rectified, (6, 5, 1)),
    (cpu_ops.convolve_rectified, plain_rectified, (3, 6, 9)),
    (cpu_ops.convolve_rectified, plain_rectified, (3, 6, 1)),
    (cpu_ops.convolve_to_image, plain_image, (6, 1, 5)),
    (cpu_ops.convolve_to_image, plain_image, (6, 3, 5)),
    (cpu_ops.convolve_to_image, plain_image, (6, 1, 1)),
]


@pytest.fixture(params=[True, False], ids=["fused", "not fused"])
def both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not cpu_ops._FUSES:
        pytest.skip("this CPU's library fuses no ReLU into a convolution")
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
@pytest.mark.parametrize("channels", [3, 5])
def test_layers_may_be_dilated(dilation: int, channels: int) -> None:
    torch.manual_seed(0)
    layer = nn.Conv2d(channels, 4, 3, dilation=dilation)
    results = []
    for convolve in (cpu_ops.convolve_rectified, plain_rectified):
        features = torch.rand(2, channels, 14, 17, generator=torch.Generator().manual_seed(1)).requires_grad_()
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
def test_other_precisions_use_torchs_own_layers(dtype: torch.dtype) -> None:
    features = torch.rand(1, 1, 12, 12, dtype=dtype)
    assert not cpu_ops.is_fast_for(features)
    assert SRCNN((3, 3), (2,)).to(dtype)(features).dtype == dtype


class CustomNetwork(nn.Conv2d):
    """A network of a user, with settings of its own."""

    def __init__(self, width: int) -> None:
        super().__init__(1, 1, width)


NETWORKS: list[Callable[[str], nn.Module]] = [
    lambda cpu_ops: SRCNN((5, 3, 3), (6, 4), dilations=(1, 2, 1), cpu_ops=cpu_ops),
    lambda cpu_ops: ResNet(2, 6, unshuffle=2, cpu_ops=cpu_ops),
    lambda cpu_ops: SRCNN((5, 3, 3), (6, 4), channels=3, cpu_ops=cpu_ops),
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Check again which operators torch has."""
    cpu_ops._has_operators.cache_clear()
    yield monkeypatch
    cpu_ops._has_operators.cache_clear()


def uses_ours(network: nn.Module, monkeypatch: pytest.MonkeyPatch, blurred: Tensor) -> bool:
    """Return whether a network calls one of our functions."""
    calls: list[None] = []
    forward = cpu_ops._ConvolutionReLU.forward

    def counted(*arguments: object) -> Tensor:
        calls.append(None)
        rectified: Tensor = forward(*arguments)  # type: ignore[arg-type] # as it was called
        return rectified

    with monkeypatch.context() as patch:
        patch.setattr(cpu_ops._ConvolutionReLU, "forward", staticmethod(counted))
        network(blurred)
    return bool(calls)


@pytest.mark.parametrize("build", NETWORKS, ids=["srcnn", "resnet", "rgb"])
def test_both_settings_have_the_same_outputs(
    build: Callable[[str], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    auto, torchs = build("auto"), build("torch")
    for parameter in auto.parameters():  # the last layer of a ResNet starts with zeros
        nn.init.normal_(parameter, std=0.2)
    torchs.load_state_dict(auto.state_dict())
    channels = 3 if isinstance(auto, SRCNN) and auto.convolutions[0].in_channels == 3 else 1
    blurred = torch.rand(2, channels, 22, 18)
    torch.testing.assert_close(torchs(blurred), auto(blurred), atol=2e-5, rtol=1e-4)
    assert uses_ours(auto, monkeypatch, blurred)
    assert not uses_ours(torchs, monkeypatch, blurred)


@pytest.mark.parametrize("name", ["aten.convolution_backward", "aten.threshold_backward.grad_input"])
def test_a_torch_without_an_operator_uses_its_own_layers(
    name: str, installed: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    installed.setattr(cpu_ops, "OPERATORS", [f"{one}_of_old" if one == name else one for one in cpu_ops.OPERATORS])
    with caplog.at_level(logging.INFO, "deblur"):
        networks = [SRCNN((5, 3), (4,)) for _ in range(2)]
    assert not any(uses_ours(network, installed, torch.rand(1, 1, 9, 9)) for network in networks)
    sentence = f"torch {torch.__version__} lacks {name}_of_old: model.cpu_ops=auto uses torch's own layers."
    assert caplog.messages == [sentence]


@pytest.mark.parametrize("name", ["_gradients", "_rectified_gradient"])
def test_a_torch_whose_operator_takes_other_arguments_uses_its_own_layers(
    name: str, installed: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with installed.context() as patch, caplog.at_level(logging.INFO, "deblur"):
        patch.setattr(cpu_ops, name, lambda *_: torch.ops.aten.convolution_backward(torch.ones(1), "another argument"))
        network = SRCNN((5, 3), (4,))
    assert not uses_ours(network, installed, torch.rand(1, 1, 9, 9))
    (message,) = caplog.messages
    assert message.startswith(f"torch {torch.__version__} refuses an operator (")
    assert "aten::convolution_backward" in message
    assert message.endswith("): model.cpu_ops=auto uses torch's own layers.")


@pytest.mark.parametrize("fuses", [True, False])
def test_the_fused_operator_is_needed_only_if_the_cpu_has_it(fuses: bool, installed: pytest.MonkeyPatch) -> None:
    installed.setattr(cpu_ops, "FUSED_OPERATORS", ("no_such_library.fused",))
    installed.setattr(cpu_ops, "_FUSES", fuses)
    assert uses_ours(SRCNN((5, 3), (4,)), installed, torch.rand(1, 1, 9, 9)) == (not fuses)


@pytest.mark.usefixtures("installed")
def test_the_installed_torch_has_all_operators(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "deblur"):
        assert cpu_ops.uses_fast_operators("auto")
    assert not cpu_ops.uses_fast_operators("torch")
    assert not caplog.messages


@pytest.mark.parametrize("build", NETWORKS, ids=["srcnn", "resnet", "rgb"])
def test_another_setting_is_refused(build: Callable[[str], nn.Module]) -> None:
    with pytest.raises(ValueError, match=r"^cpu_ops=mkldnn is not allowed: give auto or torch\.$"):
        build("mkldnn")


def test_a_custom_class_without_the_argument_takes_the_default_settings() -> None:
    settings = {"_target_": f"{CustomNetwork.__module__}.CustomNetwork", "width": 3, "compile": False}
    trusted = [CustomNetwork.__module__]
    assert isinstance(build_network({**settings, "cpu_ops": "auto"}, trusted), CustomNetwork)
    with pytest.raises(UserError, match="unexpected keyword argument 'cpu_ops'"):
        build_network({**settings, "cpu_ops": "torch"}, trusted)
    ours = {"_target_": "deblur.models.ResNet", "blocks": 1, "width": 3, "cpu_ops": "torch"}
    with pytest.MonkeyPatch.context() as patch:
        assert not uses_ours(build_network(ours), patch, torch.rand(1, 1, 9, 9))
        assert uses_ours(build_network({**ours, "cpu_ops": "auto"}), patch, torch.rand(1, 1, 9, 9))
