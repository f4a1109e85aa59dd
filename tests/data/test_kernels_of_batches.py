"""Patches and images come with the kernel and the noise of each, for a network that takes them."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from known_blurs import LOPSIDED
from noise_images import Noise
from small_faces import drawn
from torch.utils.data import DataLoader

from deblur.blur import Box, Camera, Degradation, Kernel, KernelFile, Mixed, Varying, convolve
from deblur.blur.images import Crop
from deblur.data.datasets import EvaluationDataset, collate_images, stacked_kernels
from deblur.data.patches import ROUNDING_VARIANCE, EpochSampler, TrainingDataset, collate_patches
from deblur.errors import UserError
from deblur.synthesis.faces import draw

DRAWN = Mixed({"motion": {"length": [3, 15], "angle": [0, 180]}, "box": {"size": [3, 9]}}, noise_sigma=[0, 5])


class Faces(Noise):
    """Drawn faces, which have the spectrum of an image."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._images = [draw(0, index) for index in range(count)]


def training(images: Any, **changes: Any) -> TrainingDataset:
    settings: dict[str, Any] = {
        "degradation": DRAWN,
        "seed": 3,
        "crop": Crop("valid", (7, 7)),
        "flips": True,
        "memory_limit": 2**24,
        "patch_size": 24,
        "patches_per_image": 3,
        "context": 0,
        "known_kernels": True,
    } | changes
    return TrainingDataset(images, images, range(len(images.names)), **settings)


def test_kernels_are_stacked_around_their_centers() -> None:
    stacked = stacked_kernels([np.ones((3, 1)), LOPSIDED, np.ones((1, 5))])
    assert stacked.shape == (3, 3, 5)
    assert stacked.dtype == np.float32
    np.testing.assert_array_equal(stacked[0], np.pad(np.ones((3, 1)), ((0, 0), (2, 2))))
    np.testing.assert_array_equal(stacked[1], np.pad(LOPSIDED.astype(np.float32), ((0, 0), (1, 1))))
    np.testing.assert_array_equal(stacked[2], np.pad(np.ones((1, 5)), ((1, 1), (0, 0))))


def test_a_patch_is_the_sharp_one_blurred_by_its_kernel() -> None:
    dataset = training(Noise(3, (60, 70)), degradation=Mixed({"motion": {"length": [3, 9], "angle": [0, 180]}}))
    kernels = set()
    for epoch in range(4):
        patches = dataset.__getitems__([(epoch, 0), (epoch, 2)])
        assert patches["psf"].shape[0] == patches["noise_sigma"].shape[0] == 6
        assert patches["psf"].dtype == patches["noise_sigma"].dtype == np.float32
        for sharp, blurred, psf in zip(patches["sharp"], patches["blurred"], patches["psf"], strict=True):
            again = convolve(sharp[0], Kernel(psf.astype(np.float64) / psf.sum(dtype=np.float64)))
            inside = np.s_[5:-5, 5:-5]
            np.testing.assert_allclose(blurred[0][inside], again[inside], atol=0.51)
            kernels.add(psf.tobytes())
    assert len(kernels) == 8


@pytest.mark.parametrize("crop", [Crop("symmetric"), Crop("valid", (1, 1))], ids=["symmetric", "valid"])
@pytest.mark.parametrize("limit", [0, 2**24], ids=["again", "kept"])
def test_the_kernel_of_a_mirrored_image_is_that_of_its_own_pixels(crop: Crop, limit: int, tmp_path: Any) -> None:
    np.save(tmp_path / "kernel.npy", LOPSIDED)
    degradation = KernelFile(str(tmp_path / "kernel.npy"))
    dataset = training(Noise(1, (40, 33)), degradation=degradation, crop=crop, memory_limit=limit, patch_size=None)
    seen = set()
    for epoch in range(8):
        patches = dataset.__getitems__([(epoch, 0)])
        psf = patches["psf"][0].astype(np.float64)
        again = convolve(patches["sharp"][0, 0], Kernel(psf / psf.sum()))
        inside = np.s_[1:-1, 1:-1]
        np.testing.assert_allclose(patches["blurred"][0, 0][inside], again[inside], atol=0.51)
        seen.add(patches["sharp"].tobytes())
    assert len(seen) > 2


def test_the_noise_of_patches_is_that_which_was_drawn() -> None:
    patches = training(Noise(2, (60, 70))).__getitems__([(0, 0), (0, 1)])
    drawn_noise = [
        math.sqrt(
            DRAWN.sample(np.random.default_rng(np.random.SeedSequence([3, 0, index]))).noise_sigma ** 2
            + ROUNDING_VARIANCE
        )
        for index in (0, 1)
    ]
    np.testing.assert_allclose(patches["noise_sigma"], np.repeat(drawn_noise, 3), rtol=1e-6)


@pytest.mark.parametrize(
    "degradation",
    [
        Box(7, noise_sigma=3, jpeg_quality=90),
        Box(7, camera=Camera(shot_noise=1e-3)),
    ],
    ids=["jpeg", "camera"],
)
def test_noise_that_is_not_white_is_estimated(degradation: Degradation) -> None:
    images = Faces(1)
    patches = training(images, degradation=degradation, crop=Crop("valid", (3, 3))).__getitems__([(0, 0)])
    nominal = math.sqrt(degradation.noise_sigma.high**2 + ROUNDING_VARIANCE)
    assert 0 < patches["noise_sigma"][0] != pytest.approx(nominal)


def test_images_bring_their_estimated_noise() -> None:
    dataset = EvaluationDataset(
        Faces(3), [0, 2], Box(7, noise_sigma=4), seed=0, crop=Crop("valid", (3, 3)), known_kernels=True
    )
    batch = collate_images([dataset[0], dataset[1]])
    assert batch["psf"].shape == (2, 7, 7)
    assert batch["noise_sigma"].dtype == torch.float32
    np.testing.assert_allclose(batch["noise_sigma"], 4, rtol=0.1)


def test_other_networks_get_neither() -> None:
    patches = training(Noise(2, (60, 70)), known_kernels=False).__getitems__([(0, 0)])
    assert patches.keys() == {"blurred", "sharp"}
    dataset = EvaluationDataset(Faces(1), [0], Box(7), seed=0, crop=Crop("valid", (3, 3)))
    assert not {"psf", "noise_sigma"} & collate_images([dataset[0]]).keys()


def test_loader_processes_change_nothing() -> None:
    seen = []
    for workers in (0, 2):
        dataset = training(Noise(4, (60, 70)))
        loader = DataLoader(
            dataset, 2, sampler=EpochSampler(range(4), 5), collate_fn=collate_patches, num_workers=workers
        )
        seen.append(list(loader))
    for one, other in zip(*seen, strict=True):
        for name in ("psf", "noise_sigma", "blurred"):
            torch.testing.assert_close(one[name], other[name], atol=0, rtol=0)


def test_batches_hold_kernels_that_are_known(cache_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = drawn(cache_root, Box([3, 7]), context=0)
    assert not {"psf", "noise_sigma"} & next(iter(data.train_dataloader())).keys()
    data.make_kernels_known("The network")
    for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader()):
        assert {"psf", "noise_sigma"} <= next(iter(loader)).keys()
    with pytest.raises(UserError, match=r"^The network needs one kernel for the whole image, and with blur=varying"):
        drawn(cache_root, Varying(4.0, 1.0, 0.0)).make_kernels_known("The network")
    monkeypatch.setattr(data, "inputs", copy.copy(data.images))
    with pytest.raises(UserError, match="of given blurred images it is not known: take another network"):
        data.make_kernels_known("The network")


@pytest.mark.parametrize("boundary", ["symmetric", "valid"])
def test_a_restorer_is_fitted_on_training_images_as_validation_sees_them(cache_root: Path, boundary: str) -> None:
    data = drawn(cache_root, Box([3, 7]), boundary=boundary)
    given = list(zip(*data.fitting_images(100, data.crop()), strict=True))
    samples = data.evaluation_dataset(data.splits.train)
    assert len(given) == len(samples) == len(data.splits.train)
    for (sharp, blurred, kernel), sample in zip(given, (samples[place] for place in range(len(samples))), strict=True):
        np.testing.assert_array_equal(sharp, sample["sharp"][0])
        np.testing.assert_array_equal(blurred, sample["blurred"][0])
        np.testing.assert_array_equal(kernel, sample["kernel"])
