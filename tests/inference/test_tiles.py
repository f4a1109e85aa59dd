import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deblur.errors import UserError
from deblur.inference.tiles import DEFAULT_TILE, TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.models import SRCNN, ResNet

NETWORKS = {"9-3-1-5": (9, 3, 1, 5), "1": (1,), "21-11": (21, 11)}
SHAPES = [(1, 1), (1, 40), (3, 2), (16, 16), (17, 33), (61, 47)]


def network(kernel_sizes: tuple[int, ...], residual: bool = True) -> SRCNN:
    torch.manual_seed(0)
    return SRCNN(kernel_sizes, [4] * (len(kernel_sizes) - 1), residual=residual)


def tiles_of(net: nn.Module, tile: int = DEFAULT_TILE, device: str = "cpu", bfloat16: bool = False) -> TiledNetwork:
    return TiledNetwork(TorchNetwork(net, torch.device(device), bfloat16), tile)


def plane(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(height * 1000 + width).random((height, width), dtype=np.float32)


def whole(net: nn.Module, image: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        return net.eval()(torch.from_numpy(image)[None, None])[0, 0].numpy()


@pytest.mark.parametrize("tile", [7, 16, 30, 1000])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NETWORKS)
def test_tiles_are_those_of_the_whole(name: str, shape: tuple[int, int], tile: int) -> None:
    net, image = network(NETWORKS[name]), plane(*shape)
    expected = whole(net, image)
    restored = tiles_of(net, tile).restore(image)
    assert restored.dtype == np.float32
    assert restored.flags.writeable
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("tile", [1, 7, 16, 30, 1000])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("unshuffle", [2, 3])
def test_tiles_of_a_network_that_unshuffles_pixels_are_those_of_the_whole(
    unshuffle: int, shape: tuple[int, int], tile: int
) -> None:
    torch.manual_seed(0)
    net, image, calls = ResNet(1, 4, unshuffle, 3), plane(*shape), list[int]()
    nn.init.normal_(net.last.weight, std=0.1)
    tiled = tiles_of(net, tile)
    restored = tiled.restore(image, lambda: calls.append(1))
    assert restored.shape == shape
    assert len(calls) == tiled.count(*shape)
    np.testing.assert_allclose(restored, whole(net, image), rtol=0, atol=1e-6)


@pytest.mark.parametrize("size_divisor", [0, 2, 1.0, (1, 1), "1", 3000])
def test_an_size_divisor_that_cannot_be_is_refused(size_divisor: object) -> None:
    net = network((5, 3))  # of radius 3
    net.size_divisor = size_divisor  # type: ignore[assignment] # what a network of one's own may hold
    with pytest.raises(UserError, match=r"The network's attribute size_divisor=.* is not allowed with halo=3: give"):
        tiles_of(net)


def test_tiles_of_a_pixel() -> None:
    net, image = network((9, 1, 5)), plane(3, 5)
    np.testing.assert_allclose(tiles_of(net, 1).restore(image), whole(net, image), rtol=0, atol=1e-6)


def test_a_plain_network_as_well() -> None:
    net, image = network((9, 1, 5), residual=False), plane(50, 41)
    np.testing.assert_allclose(tiles_of(net, 16).restore(image), whole(net, image), rtol=0, atol=1e-6)


def test_views_of_an_image_are_planes() -> None:
    net, colors = network((5, 3)), np.random.default_rng(0).random((20, 30, 3), dtype=np.float32)
    expected = whole(net, np.ascontiguousarray(colors[::-1, :, 1]))
    np.testing.assert_allclose(tiles_of(net, 16).restore(colors[::-1, :, 1]), expected, rtol=0, atol=1e-6)


class Recorder(nn.Module):
    """An identity that remembers the shapes of what it was given."""

    def __init__(self, halo: int) -> None:
        super().__init__()
        self.halo = halo
        self.shapes: list[tuple[int, ...]] = []
        self.grad_was_on = False

    def forward(self, blurred: Tensor, pad: bool = True) -> Tensor:
        assert not pad
        self.shapes.append(tuple(blurred.shape))
        self.grad_was_on |= torch.is_grad_enabled()
        return blurred[..., self.halo : -self.halo, self.halo : -self.halo]


@pytest.mark.parametrize("shape", [(100, 130), (33, 32), (1, 500), (64, 64), (5, 5)])
def test_tiles_have_one_shape_and_are_counted(shape: tuple[int, int]) -> None:
    net, image, calls = Recorder(3), plane(*shape), []
    tiled = tiles_of(net, 32)
    np.testing.assert_array_equal(tiled.restore(image, lambda: calls.append(1)), image)
    assert len(set(net.shapes)) == 1
    assert max(net.shapes[0]) <= 32 + 2 * net.halo
    assert len(calls) == len(net.shapes) == tiled.count(*shape) == -(-shape[0] // 32) * -(-shape[1] // 32)
    assert not net.grad_was_on


def test_little_is_computed_twice() -> None:
    net = Recorder(1)
    tiles_of(net, 256).restore(plane(257, 300))
    assert sum((height - 2) * (width - 2) for _, _, height, width in net.shapes) <= 1.01 * 257 * 300


class Padding(nn.Module):
    """A network of a user's, which pads on its own."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 5, padding=2)

    def forward(self, blurred: Tensor) -> Tensor:
        restored: Tensor = self.layer(blurred)
        return restored


def test_a_network_without_radius_is_given_the_whole_plane() -> None:
    torch.manual_seed(0)
    net, image, calls = Padding(), plane(40, 50), []
    tiled = tiles_of(net, 16)
    np.testing.assert_allclose(tiled.restore(image, lambda: calls.append(1)), whole(net, image), rtol=0, atol=1e-6)
    assert len(calls) == tiled.count(40, 50) == 1


def test_dropout_is_off() -> None:
    net = SRCNN((5, 3), (8,), dropout=0.5).train()
    tiled, image = tiles_of(net, 16), plane(30, 30)
    np.testing.assert_array_equal(tiled.restore(image), tiled.restore(image))


def test_bfloat16_is_near_and_not_the_same() -> None:
    net, image = network((9, 3, 1, 5)), plane(40, 50)
    exact, near = (tiles_of(net, 32, bfloat16=asked).restore(image) for asked in (False, True))
    assert near.dtype == np.float32
    assert 0 < np.abs(near - exact).max() < 0.01


def test_what_is_no_number_is_named() -> None:
    net = network((5, 3))
    net.convolutions[1].bias.data.fill_(float("nan"))
    with pytest.raises(UserError, match="no numbers"):
        tiles_of(net).restore(plane(9, 9))


def test_a_tile_has_a_pixel() -> None:
    with pytest.raises(ValueError, match="not 0"):
        tiles_of(network((5, 3)), 0)
    assert DEFAULT_TILE >= 1


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA GPU")
    net, image = network((9, 3, 1, 5)), plane(100, 70)
    expected = whole(net, image)
    with torch.backends.cudnn.flags(allow_tf32=False):
        restored = tiles_of(net, 32, "cuda").restore(image)
    np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-5)
