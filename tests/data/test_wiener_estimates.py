"""Wiener estimates are made of whole blurred images and their kernels, and cropped with the images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_images import Noise
from numpy.typing import NDArray
from small_faces import drawn
from torch.utils.data import DataLoader
from wiener_networks import LOPSIDED, calibrated

from deblur.blur import Box, Degradation, Gaussian, KernelFile, Mixed, Motion, degrade
from deblur.blur.images import Crop
from deblur.blur.kernels import Psf
from deblur.data.datasets import EvaluationDataset, collate_images
from deblur.data.patches import EpochSampler, TrainingDataset, collate_patches
from deblur.wiener.prefilter import WienerPrefilter

WHOLE = Crop("symmetric")
REAL = Crop("valid", (4, 4))
HALF = 1e-3  # what a value up to 2 may be off in float16


class Revealing:
    """A pre-filter that returns the image, its mean, and the height and width of the kernel."""

    planes = 4

    def __call__(self, blurred: NDArray[np.float32], kernel: Psf) -> NDArray[np.float32]:
        told = (blurred.mean(), *kernel.shape)
        return np.stack([blurred, *(np.full_like(blurred, value) for value in told)])


def training(images: Noise, prefilter: Any = None, **changes: Any) -> TrainingDataset:
    settings: dict[str, Any] = {
        "degradation": Box(5),
        "seed": 3,
        "crop": WHOLE,
        "flips": True,
        "memory_limit": 2**24,
        "patch_size": 16,
        "patches_per_image": 5,
        "context": 6,
        "prefilter": Revealing() if prefilter is None else prefilter,
    } | changes
    return TrainingDataset(images, images, range(len(images.names)), **settings)


def lopsided(folder: Path) -> Degradation:
    np.save(folder / "kernel.npy", LOPSIDED)
    return KernelFile(str(folder / "kernel.npy"))


def halves(levels: NDArray[np.uint8]) -> NDArray[np.float16]:
    return (levels.astype(np.float32) / 255).astype(np.float16)


BLURS = ["box", "gaussian", "motion", "tilted", "lopsided"]


def blur(name: str, folder: Path) -> Degradation:
    given = {"box": Box(5), "gaussian": Gaussian(1.3), "motion": Motion(7, 0), "tilted": Motion(9, 30)}
    return given[name] if name in given else lopsided(folder)


@pytest.mark.parametrize("limit", [0, 2**24], ids=["again", "kept"])
@pytest.mark.parametrize("crop", [WHOLE, REAL], ids=["symmetric", "valid"])
@pytest.mark.parametrize("context", [0, 6, 60])
@pytest.mark.parametrize("name", BLURS)
def test_wiener_estimates_are_cropped_as_images(
    name: str, context: int, crop: Crop, limit: int, tmp_path: Path
) -> None:
    settings = {"degradation": blur(name, tmp_path), "crop": crop, "context": context, "memory_limit": limit}
    dataset = training(Noise(2, (60, 49)), **settings)
    for epoch in range(6):
        for index in range(2):
            patches = dataset[epoch, index]
            assert patches["wiener_estimate"].shape == (5, 4, 16 + 2 * context, 16 + 2 * context)
            assert patches["wiener_estimate"].dtype == np.float16
            np.testing.assert_array_equal(patches["wiener_estimate"][:, :1], halves(patches["blurred"]))


@pytest.mark.parametrize("crop", [WHOLE, REAL], ids=["symmetric", "valid"])
def test_the_whole_frame_is_prepared_and_nothing_beyond_it(crop: Crop) -> None:
    images, box = Noise(2, (60, 49)), Box(5)
    sampled = box.sample(np.random.default_rng(0))
    patches = training(images, degradation=box, crop=crop, flips=False)[0, 1]
    expected = degrade(images[1], box, sampled, crop)
    assert expected.shape == crop.shape((60, 49))
    np.testing.assert_array_equal(patches["wiener_estimate"][:, 1], halves(expected.mean(keepdims=True))[0, 0])
    means = halves(patches["blurred"]).mean(axis=(1, 2, 3))
    assert (
        np.abs(means - patches["wiener_estimate"][:, 1, 0, 0]).max() > HALF
    )  # a patch has another mean than the whole


@pytest.mark.parametrize("limit", [0, 2**24], ids=["again", "kept"])
@pytest.mark.parametrize("crop", [WHOLE, REAL], ids=["symmetric", "valid"])
@pytest.mark.parametrize(
    "name", [name if name == "motion" else pytest.param(name, marks=pytest.mark.slow) for name in BLURS]
)
def test_the_wiener_estimate_of_a_mirrored_image_is_that_of_its_own_pixels(
    name: str, crop: Crop, limit: int, tmp_path: Path
) -> None:
    degradation = blur(name, tmp_path)
    kernel = degradation.sample(np.random.default_rng(0)).kernel.psf
    prepare = calibrated(kernel, noise_scales=(1.0, 30.0)).prefilter()
    settings = {"degradation": degradation, "crop": crop, "context": 3, "memory_limit": limit, "patch_size": None}
    dataset, images = training(Noise(1, (53, 48)), prepare, **settings), set()
    for epoch in range(8):
        patches = dataset[epoch, 0]
        images.add(patches["sharp"].tobytes())
        blurred = patches["blurred"][0, 0, 3:-3, 3:-3].astype(np.float32) / 255
        expected = np.pad(prepare(blurred), ((0, 0), (3, 3), (3, 3)), mode="symmetric")
        np.testing.assert_allclose(patches["wiener_estimate"][0], expected, rtol=HALF, atol=2 * HALF)
    assert len(images) > 2  # mirrored in several ways


def test_whole_images_bring_their_wiener_estimates() -> None:
    patches = training(Noise(), patch_size=None, context=4).__getitems__([(0, 1), (0, 4)])
    assert patches["sharp"].shape == (2, 1, 50, 43)
    assert patches["wiener_estimate"].shape == (2, 4, 58, 51)
    np.testing.assert_array_equal(patches["wiener_estimate"][:, :1], halves(patches["blurred"]))


@pytest.mark.parametrize("flips", [False, True])
@pytest.mark.parametrize("name", ["box", "lopsided"])
@pytest.mark.parametrize("enough", [True, False])
def test_wiener_estimates_take_of_the_memory_for_results(enough: bool, name: str, flips: bool, tmp_path: Path) -> None:
    images, degradation = Noise(4, (40, 40)), blur(name, tmp_path)
    ways = 4 if flips and name == "lopsided" else 1  # ways that the blur tells apart
    whole = 4 * ways * 52 * 52 * (1 + 2 * Revealing.planes) + 4 * (ways - 1) * 40 * 40
    settings = {"degradation": degradation, "flips": flips, "patch_size": None}
    dataset = training(images, memory_limit=whole - (not enough), **settings)
    before = {patches["wiener_estimate"].tobytes() for patches in (dataset[epoch, 0] for epoch in range(24))}
    images[0][:] = 0
    after = {patches["wiener_estimate"].tobytes() for patches in (dataset[epoch, 0] for epoch in range(24))}
    assert (after == before) is enough


@pytest.mark.parametrize(
    "degradation",
    [Box(5), Motion([3, 15], [0, 180], noise_sigma=2), Mixed({"box": {"size": [3, 9]}, "disk": {"radius": 2.5}})],
)
def test_loader_processes_change_nothing(degradation: Degradation) -> None:
    prepare = calibrated(non_blind=True).prefilter()
    seen = []
    for workers in (0, 2):
        sampler = EpochSampler(range(6), 1)
        loader = DataLoader(
            training(Noise(), prepare, degradation=degradation),
            2,
            sampler=sampler,
            collate_fn=collate_patches,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        batches = []
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            batches += list(loader)
        seen.append({name: torch.cat([batch[name] for batch in batches]) for name in ("wiener_estimate", "blurred")})
    assert seen[0]["wiener_estimate"].shape == (60, 1, 28, 28)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def spark() -> Noise:
    """An image with a single bright pixel: blurred it shows the kernel."""
    images = Noise(1, (41, 45))
    images[0][:] = 0
    images[0][20, 21] = 255
    return images


@pytest.mark.parametrize("flips", [False, True])
def test_the_kernel_is_the_one_that_was_drawn_for_the_image(flips: bool) -> None:
    dataset = training(spark(), degradation=Box([3, 13]), flips=flips, patch_size=None, context=0)
    sizes = set()
    for epoch in range(20):
        patches = dataset[epoch, 0]
        drawn = int(np.count_nonzero(patches["blurred"]) ** 0.5)
        assert patches["wiener_estimate"][0, 2:, 0, 0].tolist() == [drawn, drawn]
        sizes.add(drawn)
    assert len(sizes) > 3


@pytest.mark.parametrize("crop", [WHOLE, REAL, Crop("symmetric", crop=16)], ids=["symmetric", "valid", "crop"])
def test_evaluated_images_bring_the_wiener_estimate_of_what_is_seen(crop: Crop) -> None:
    dataset = EvaluationDataset(Noise(), [4, 1], Box([3, 9]), seed=0, crop=crop, prefilter=Revealing())
    samples = [dataset[0], dataset[1]]
    for sample in samples:
        image, mean, height, width = sample["wiener_estimate"]
        assert sample["wiener_estimate"].dtype == np.float32
        np.testing.assert_array_equal(image, sample["blurred"][0].astype(np.float32) / 255)
        assert mean == pytest.approx(image.mean(), abs=1e-6)
        assert (height[0, 0], width[0, 0]) == sample["kernel"].shape == (sample["degradation"]["size"],) * 2
    batch = collate_images(samples)
    assert batch["wiener_estimate"].dtype == torch.float32
    np.testing.assert_array_equal(
        batch["wiener_estimate"].numpy(), np.stack([sample["wiener_estimate"] for sample in samples])
    )


def test_without_a_preparation_there_is_no_wiener_estimate() -> None:
    dataset = EvaluationDataset(Noise(), [0], Box(5), seed=0, crop=WHOLE)
    assert "wiener_estimate" not in dataset[0]
    assert "wiener_estimate" not in collate_images([dataset[0]])


def test_batches_are_in_float32_on_the_device(cache_root: Path) -> None:
    data = drawn(cache_root, Box(7))
    data.prefilter = Revealing()
    loaders = data.train_dataloader(), data.val_dataloader(), data.test_dataloader()
    for loader, kind in zip(loaders, (torch.float16, torch.float32, torch.float32), strict=True):
        given = next(iter(loader))
        assert (given["blurred"].dtype, given["wiener_estimate"].dtype) == (torch.uint8, kind)
        batch = data.on_after_batch_transfer(given, 0)
        assert {batch[name].dtype for name in ("blurred", "sharp", "wiener_estimate")} == {torch.float32}
        torch.testing.assert_close(batch["wiener_estimate"][:, :1], batch["blurred"], atol=HALF, rtol=0)
        assert batch["wiener_estimate"][:, 2:].unique().tolist() == [7.0]  # what is no image is not scaled


def test_a_preparation_of_files_is_taken_as_well(cache_root: Path) -> None:
    network = calibrated()
    data = drawn(cache_root, Box(5), max_images=10)
    data.prefilter = WienerPrefilter.of_plain(network.prefilter().as_plain())
    batch = data.on_after_batch_transfer(next(iter(data.test_dataloader())), 0)
    wiener_estimate = network.prefilter()(batch["blurred"][0, 0].numpy())
    np.testing.assert_array_equal(batch["wiener_estimate"][0].numpy(), wiener_estimate)
