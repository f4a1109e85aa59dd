"""A network for RGB images: its tiles are those of the whole image, its channels red, green and blue in this order."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from known_blurs import KERNELS, unrolled
from network_files import write_rgb_network
from numpy.typing import NDArray
from torch import Tensor, nn

import deblur
from deblur.errors import UserError
from deblur.inference.tiles import KnownBlur, TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.models import SRCNN, ResNet

CPU = torch.device("cpu")
SHAPES = [(1, 1), (1, 40), (3, 2), (17, 33), (61, 47)]


def srcnn() -> SRCNN:
    torch.manual_seed(0)
    return SRCNN((9, 3, 1, 5), [4] * 3, channels=3)


def resnet() -> ResNet:
    torch.manual_seed(0)
    network = ResNet(1, 4, unshuffle=3, channels=3)
    nn.init.normal_(network.last.weight, std=0.1)
    return network


BUILDS: dict[str, Callable[[], nn.Module]] = {"srcnn": srcnn, "resnet": resnet}


def levels(height: int, width: int) -> NDArray[np.uint8]:
    return np.random.default_rng(height * 1000 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def unit(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    return image.astype(np.float32) / np.float32(255)


def whole(network: nn.Module, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    given = torch.from_numpy(np.ascontiguousarray(np.moveaxis(unit(image), 2, 0)))[None]
    with torch.inference_mode():
        restored: Tensor = network.eval()(given)
    return np.moveaxis(restored[0].numpy(), 0, 2)


@pytest.mark.parametrize("tile", [7, 30, 1000])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", BUILDS)
def test_tiles_are_those_of_the_whole(name: str, shape: tuple[int, int], tile: int) -> None:
    network, image, calls = BUILDS[name](), levels(*shape), list[int]()
    tiled = TiledNetwork(TorchNetwork(network, CPU), tile)
    assert tiled.channels == 3
    expected = whole(network, image)
    for given in (image, image.astype(np.uint16) * 257, unit(image)):
        calls.clear()
        restored = tiled.restore(given, lambda: calls.append(1))
        assert (restored.shape, restored.dtype) == (image.shape, np.float32)
        assert len(calls) == tiled.count(*shape)
        np.testing.assert_allclose(restored, expected, rtol=0, atol=1e-6)


def test_each_tile_is_of_its_place() -> None:
    network, image = srcnn(), levels(61, 47)
    expected = whole(network, image)
    seen = np.zeros(image.shape[:2], bool)
    for rows, columns, tile in TiledNetwork(TorchNetwork(network, CPU), 16).tiles(image):
        assert tile.shape == (3, rows.stop - rows.start, columns.stop - columns.start)
        np.testing.assert_allclose(np.moveaxis(tile, 0, 2), expected[rows, columns], rtol=0, atol=1e-6)
        seen[rows, columns] = True
    assert seen.all()


def test_each_image_brings_its_kernel() -> None:
    network, image = unrolled(channels=3), levels(31, 33)
    blurred = torch.from_numpy(np.ascontiguousarray(np.moveaxis(unit(image), 2, 0)))[None]
    tiled = TiledNetwork(TorchNetwork(network, CPU), 16)
    for kernel in KERNELS.values():
        restored = tiled.restore(image, known=KnownBlur(kernel, noise_sigma=2.0))
        with torch.inference_mode():
            expected = network(blurred, torch.from_numpy(kernel)[None], torch.tensor([2.0]))[0].numpy()
        np.testing.assert_allclose(np.moveaxis(restored, 2, 0), expected, rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="needs the kernel of each image"):
        tiled.restore(image)


class Padding(nn.Module):
    """A network of a user's own, which pads on its own and states its channels."""

    channels = 3

    def __init__(self, given: int = 3) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, given, 5, padding=2)

    def forward(self, blurred: Tensor) -> Tensor:
        restored: Tensor = self.layer(blurred)
        return restored


def test_a_network_without_halo_is_given_the_whole_image() -> None:
    torch.manual_seed(0)
    network, image = Padding(), levels(40, 50)
    tiled = TiledNetwork(TorchNetwork(network, CPU), 16)
    np.testing.assert_allclose(tiled.restore(image), whole(network, image), rtol=0, atol=1e-6)
    assert tiled.count(40, 50) == 1


def test_a_network_that_returns_other_channels_is_refused() -> None:
    tiled = TiledNetwork(TorchNetwork(Padding(given=1), CPU))
    with pytest.raises(UserError, match=r"gives an array of \(1, 4, 5\) for an image of \(3, 4, 5\)"):
        tiled.restore(levels(4, 5))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_an_identity_keeps_every_level_of_gray_and_color(kind: type, tmp_path: Path) -> None:
    restorer = deblur.load(write_rgb_network(tmp_path / "n.safetensors"), accelerator="cpu", precision="32-true")
    ramp = np.arange(np.iinfo(kind).max + 1).astype(kind).reshape(-1, 64)
    for image in (ramp, ramp[..., None], np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=2)):
        np.testing.assert_array_equal(restorer(image), image)


def test_a_gray_image_is_the_luma_of_three_equal_channels(tmp_path: Path) -> None:
    """The network adds 0.1 to red, 0.2 to green and subtracts 0.4 from blue."""
    path = write_rgb_network(tmp_path / "n.safetensors", added=(0.1, 0.2, -0.4))
    restorer = deblur.load(path, accelerator="cpu", precision="32-true")
    image = np.array([[0.5, 0.2, 0.95]], np.float32)
    colors = np.stack([image + 0.1, image + 0.2, image - 0.4], axis=2).clip(0, 1)
    np.testing.assert_allclose(restorer(image), colors @ [0.299, 0.587, 0.114], rtol=0, atol=1e-6)
    np.testing.assert_allclose(restorer(np.repeat(image[..., None], 3, 2)), colors, rtol=0, atol=1e-6)


def test_red_green_and_blue_are_the_first_second_and_third_plane(tmp_path: Path) -> None:
    path = write_rgb_network(tmp_path / "n.safetensors", order=(2, 0, 1))
    restorer = deblur.load(path, accelerator="cpu", precision="32-true")
    image = levels(300, 21)
    np.testing.assert_array_equal(restorer(image), image[..., [2, 0, 1]])
    alpha = image[..., :1] // 2 + 1
    np.testing.assert_array_equal(restorer(np.dstack([image, alpha])), np.dstack([image[..., [2, 0, 1]], alpha]))


def test_hidden_colors_are_kept(tmp_path: Path) -> None:
    restorer = deblur.load(
        write_rgb_network(tmp_path / "n.safetensors", added=(0.1, 0, 0)), accelerator="cpu", precision="32-true"
    )
    image = np.full((6, 8, 4), 100, np.uint8)
    image[:3, :, 3] = 0
    expected = image.copy()
    expected[3:, :, 0] = 126
    np.testing.assert_array_equal(restorer(image), expected)


def test_an_rgb_image_has_the_tiles_of_one_pass(tmp_path: Path) -> None:
    restorer, calls = deblur.load(write_rgb_network(tmp_path / "n.safetensors"), accelerator="cpu"), list[int]()
    for image in (levels(300, 520), levels(300, 520)[..., 0]):
        calls.clear()
        restorer(image, advance=lambda: calls.append(1))
        assert len(calls) == restorer.count(image) == 6


@pytest.mark.parametrize("color", ["luma", "channels"])
def test_a_route_for_gray_networks_is_refused(color: str, tmp_path: Path) -> None:
    restorer = deblur.load(write_rgb_network(tmp_path / "n.safetensors"), accelerator="cpu")
    for call in (restorer, restorer.count):
        with pytest.raises(ValueError, match=f"^color={color} is for a network of gray images, and n restores red"):
            call(levels(4, 5), color=color)


MEGAPIXELS_12 = (3000, 4000)
MEASURED = """
import sys, numpy as np, deblur
from pathlib import Path


def peak():
    line = next(each for each in Path("/proc/self/status").read_text().splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


restorer = deblur.load(sys.argv[1], accelerator="cpu", precision="32-true")
height, width = int(sys.argv[2]), int(sys.argv[3])
image = np.zeros((height, width, 3), np.uint8)
image[:] = np.arange(width, dtype=np.uint8)[:, None]
restorer(image[:300, :300])
before = peak()
restored = restorer(image)
assert (restored[..., 0] == image[..., 2]).all()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process there")
def test_a_large_photograph_is_restored_in_bounded_memory(tmp_path: Path) -> None:
    path = write_rgb_network(tmp_path / "n.safetensors", order=(2, 0, 1))
    command = [sys.executable, "-c", MEASURED, str(path), *map(str, MEGAPIXELS_12)]
    grown = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    result = MEGAPIXELS_12[0] * MEGAPIXELS_12[1] * 3 / 2**20
    assert grown < result + 40  # MiB; one channel in floating point has 46, all three 137
