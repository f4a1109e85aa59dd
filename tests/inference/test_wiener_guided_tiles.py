"""A network that wants a Wiener estimate is given it in tiles: those of the Wiener estimate of the whole image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from wiener_networks import KERNELS, calibrated

import deblur
from deblur.inference.tiles import KnownBlur, TiledNetwork
from deblur.inference.torch_network import TorchNetwork
from deblur.inference.weights import write_weights
from deblur.models import WienerSRCNN
from deblur.wiener.prefilter import WienerPrefilter

CPU = torch.device("cpu")


def plane(height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(height * 1000 + width).random((height, width), dtype=np.float32)


def whole(network: WienerSRCNN, image: NDArray[np.float32]) -> NDArray[np.float32]:
    wiener_estimate = torch.from_numpy(network.prefilter()(image))[None]
    with torch.inference_mode():
        return network(torch.from_numpy(image)[None, None], wiener_estimate)[0, 0].numpy()


def slow(*values: Any) -> list[Any]:
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("tile", [7, 1000, *slow(1, 4, 30)])
@pytest.mark.parametrize("shape", [(1, 40), (17, 33), *slow((1, 1), (3, 2), (16, 16), (61, 47))])
@pytest.mark.parametrize("kernel", KERNELS)
def test_tiles_are_those_of_the_whole(kernel: str, shape: tuple[int, int], tile: int) -> None:
    if tile == 1 and shape[0] * shape[1] > 300:
        tile = 3  # a tile for each of thousands of pixels shows no more
    network = calibrated(KERNELS[kernel], (9, 3, 1, 5), (4, 4, 4), noise_scales=(1.0, 9.0))
    assert network.halo == 7  # larger than some tiles and images
    image = plane(*shape)
    restored = TiledNetwork(TorchNetwork(network, CPU), tile).restore(image)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, whole(network, image), rtol=0, atol=1e-6)


def test_a_tile_of_an_image_is_not_a_image() -> None:
    network, image = calibrated(), plane(61, 47)
    part = TiledNetwork(TorchNetwork(network, CPU)).restore(image[:20, :20])
    assert np.abs(part - whole(network, image)[:20, :20]).max() > 1e-3


class WienerGuided(nn.Module):
    """A network of a user's own that wants a Wiener estimate and pads as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 1, 5, padding=2)
        self.measured = calibrated().prefilter()

    def prefilter(self) -> WienerPrefilter:
        return self.measured

    def forward(self, blurred: Tensor, wiener_estimate: Tensor) -> Tensor:
        restored: Tensor = self.layer(torch.cat([blurred, wiener_estimate], dim=1))
        return restored


def test_a_network_without_radius_is_given_the_whole_wiener_estimate() -> None:
    torch.manual_seed(0)
    network, image = WienerGuided(), plane(40, 50)
    tiled = TiledNetwork(TorchNetwork(network, CPU), 16)
    wiener_estimate = torch.from_numpy(network.measured(image))[None]
    with torch.inference_mode():
        expected = network(torch.from_numpy(image)[None, None], wiener_estimate)[0, 0].numpy()
    np.testing.assert_allclose(tiled.restore(image), expected, rtol=0, atol=1e-6)
    assert tiled.count(40, 50) == 1


def test_views_of_an_image_are_planes() -> None:
    network, colors = calibrated(), np.random.default_rng(0).random((20, 30, 3), dtype=np.float32)
    view = colors[::-1, :, 1]
    restored = TiledNetwork(TorchNetwork(network, CPU), 16).restore(view)
    np.testing.assert_allclose(restored, whole(network, np.ascontiguousarray(view)), rtol=0, atol=1e-6)


def test_bfloat16_is_near_and_not_the_same() -> None:
    network, image = calibrated(kernel_sizes=(9, 3, 5), widths=(8, 4)), plane(40, 50)
    exact, near = (TiledNetwork(TorchNetwork(network, CPU, fast), 32).restore(image) for fast in (False, True))
    assert near.dtype == np.float32
    assert 0 < np.abs(near - exact).max() < 0.01


def test_each_image_may_bring_its_kernel_and_has_to() -> None:
    network = calibrated(non_blind=True)
    tiled, image = TiledNetwork(TorchNetwork(network, CPU), 16), plane(31, 33)
    for kernel in KERNELS.values():
        wiener_estimate = torch.from_numpy(network.prefilter()(image, kernel))[None]
        with torch.inference_mode():
            expected = network(torch.from_numpy(image)[None, None], wiener_estimate)[0, 0].numpy()
        np.testing.assert_allclose(tiled.restore(image, known=KnownBlur(kernel)), expected, rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="needs the kernel of each image"):
        tiled.restore(image)


@pytest.mark.parametrize("color", ["luma", "channels"])
@pytest.mark.parametrize("shape", [(7, 9), (21, 17, 3), (7, 9, 4), *slow((7, 9, 1), (21, 17, 2), (1, 1))])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "float32", "float64"])
def test_images_of_every_kind_are_taken(tmp_path: Path, shape: tuple[int, ...], kind: str, color: str) -> None:
    network = calibrated()
    model = {"_target_": "deblur.models.WienerSRCNN", "kernel_sizes": [5, 3], "widths": [4]}
    description = {"name": "net", "settings": {"model": model, "blur": {"_target_": "deblur.blur.Box", "size": 5}}}
    write_weights(tmp_path / "net.safetensors", network.state_dict(), description)
    levels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = {
        "uint8": levels,
        "uint16": levels.astype(np.uint16) * 257,
        "float32": (levels / 255).astype(np.float32),
        "float64": levels / 255,
    }[kind]
    restored = deblur.load(tmp_path / "net.safetensors", precision="32-true", accelerator="cpu")(image, color)
    assert (restored.shape, restored.dtype) == (image.shape, image.dtype)
    if len(shape) == 2:
        expected = whole(network, (levels / 255).astype(np.float32)).clip(0, 1)
        white = {"uint8": 255, "uint16": 65535}.get(kind, 1)
        np.testing.assert_allclose(restored, expected * white, rtol=0, atol=0.51 if white > 1 else 1e-5)
