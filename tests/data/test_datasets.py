import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from deblur.blur import Box, Motion, NoBlur
from deblur.data.datasets import (
    EpochSampler,
    EvaluationDataset,
    TrainingDataset,
    batches_of_one_shape,
    collate_images,
    collate_patches,
    pad_symmetric,
)
from deblur.data.frames import Frame

WHOLE = Frame("symmetric")


class Noise:
    """A few named images of random gray, of different sizes."""

    def __init__(self, count: int = 6, shape: tuple[int, int] = (50, 43), growth: int = 0) -> None:
        rng = np.random.default_rng(0)
        self.names = [f"folder/{index}.png" for index in range(count)]
        self._images = [
            rng.integers(0, 256, (shape[0] + growth * index, shape[1]), dtype=np.uint8) for index in range(count)
        ]

    def __getitem__(self, index: int) -> np.ndarray:
        return self._images[index]


def training(images: Noise, **changes: object) -> TrainingDataset:
    settings = {
        "seed": 3,
        "patch_size": 16,
        "patches_per_image": 5,
        "context": 6,
        "flips": True,
        "frame": WHOLE,
    } | changes
    return TrainingDataset(images, settings.pop("degradation", Box(5)), **settings)


def places(part: np.ndarray, whole: np.ndarray) -> list[tuple[int, int]]:
    windows = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    return [(int(y), int(x)) for y, x in np.argwhere((windows == part).all(axis=(2, 3)))]


def test_a_sample_is_a_function_of_seed_epoch_and_index() -> None:
    dataset, again = training(Noise()), training(Noise())
    first = dataset[2, 1]
    dataset[0, 0]
    for key in first:
        np.testing.assert_array_equal(first[key], again[2, 1][key])
    for other in (dataset[3, 1], dataset[2, 0], training(Noise(), seed=4)[2, 1]):
        assert not np.array_equal(first["sharp"], other["sharp"])


@pytest.mark.parametrize("context", [0, 6, 60])
def test_patches_are_cut_from_the_whole_blurred_image(context: int) -> None:
    images = Noise()
    blur = Box(5)
    whole_sharp = images[1]
    whole_blurred = blur.apply(whole_sharp, blur.sample(np.random.default_rng(0)))
    sample = training(images, flips=False, context=context)[0, 1]
    assert sample["sharp"].shape == (5, 16, 16)
    assert sample["blurred"].shape == (5, 16 + 2 * context, 16 + 2 * context)
    around = np.pad(whole_blurred, context, mode="symmetric")
    for sharp, blurred in zip(sample["sharp"], sample["blurred"], strict=True):
        assert places(sharp, whole_sharp)[0] in places(blurred, around)


def test_patches_reach_every_edge() -> None:
    sample = training(Noise(1, (18, 17)), flips=False, patches_per_image=200)[0, 0]
    assert {places(patch, Noise(1, (18, 17))[0])[0] for patch in sample["sharp"]} == {
        (y, x) for y in range(3) for x in range(2)
    }


def test_flips_mirror_in_both_directions_independently() -> None:
    images = Noise(1)
    mirrored = {
        name: np.ascontiguousarray(images[0][rows, columns])
        for name, rows, columns in (
            ("none", slice(None), slice(None)),
            ("rows", slice(None, None, -1), slice(None)),
            ("columns", slice(None), slice(None, None, -1)),
            ("both", slice(None, None, -1), slice(None, None, -1)),
        )
    }
    dataset = training(images, patch_size=None, degradation=NoBlur(), context=0)
    seen = [
        next(name for name, image in mirrored.items() if np.array_equal(image, dataset[epoch, 0]["sharp"][0]))
        for epoch in range(80)
    ]
    assert {name: 8 < seen.count(name) < 32 for name in mirrored} == dict.fromkeys(mirrored, True)


def test_whole_images_are_one_patch_each() -> None:
    sample = training(Noise(), patch_size=None, context=4)[0, 0]
    assert sample["sharp"].shape == (1, 50, 43)
    assert sample["blurred"].shape == (1, 58, 51)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_batches_are_the_same_for_any_number_of_workers(workers: int) -> None:
    dataset, sampler = (
        training(Noise(), degradation=Motion([3, 15], [0, 180], noise_sigma=2)),
        EpochSampler(range(6), 1),
    )
    loader = DataLoader(
        dataset, 2, sampler=sampler, collate_fn=collate_patches, num_workers=workers, persistent_workers=workers > 0
    )
    seen = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        seen += [batch["blurred"].sum(dim=(1, 2, 3)).tolist() for batch in loader]
    reference = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        order = list(sampler)
        for start in range(0, 6, 2):
            batch = collate_patches([dataset[position] for position in order[start : start + 2]])
            reference.append(batch["blurred"].sum(dim=(1, 2, 3)).tolist())
    assert seen == reference


def test_the_order_is_new_each_epoch_and_holds_each_image_once() -> None:
    sampler = EpochSampler([4, 5, 6, 7, 8, 9, 10], seed=0)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        assert {one for one, _ in sampler} == {epoch}
        orders.append([index for _, index in sampler])
        assert sorted(orders[-1]) == [4, 5, 6, 7, 8, 9, 10]
    assert len({tuple(order) for order in orders}) == 3


def test_evaluation_images_are_degraded_the_same_way_every_time() -> None:
    images, blur = Noise(), Motion([3, 15], [0, 180], noise_sigma=[0, 5], jpeg_quality=[50, 90])
    dataset = EvaluationDataset(images, [4, 1], blur, seed=7, frame=WHOLE)
    other_order = EvaluationDataset(images, [1, 2, 4], blur, seed=7, frame=WHOLE)
    np.testing.assert_array_equal(dataset[0]["blurred"], other_order[2]["blurred"])
    assert dataset[0]["degradation"] == other_order[2]["degradation"]
    assert dataset[0]["degradation"] != dataset[1]["degradation"]
    assert set(dataset[0]["degradation"]) == {"blur", "length", "angle", "noise_sigma", "jpeg_quality"}
    other_seed = EvaluationDataset(images, [4], blur, seed=8, frame=WHOLE)
    assert not np.array_equal(dataset[0]["blurred"], other_seed[0]["blurred"])


def test_batches_hold_neighbours_of_one_shape() -> None:
    shapes = [(4, 4)] * 3 + [(5, 4)] + [(4, 4)] * 2
    assert batches_of_one_shape(shapes, 2) == [[0, 1], [2], [3], [4, 5]]
    assert batches_of_one_shape([], 2) == []


def test_collated_images_keep_names_and_degradations() -> None:
    dataset = EvaluationDataset(Noise(), [0, 1], Box(3), seed=0, frame=Frame("symmetric", crop=16))
    batch = collate_images([dataset[0], dataset[1]])
    assert batch["blurred"].shape == batch["sharp"].shape == (2, 1, 16, 16)
    assert batch["blurred"].dtype == torch.uint8
    assert batch["name"] == ["folder/0.png", "folder/1.png"]
    assert batch["degradation"][1]["size"] == 3


@pytest.mark.parametrize("radius", [1, 4, 9, 30])
def test_padding_is_symmetric(radius: int) -> None:
    image = Noise(1, (9, 5))[0]
    np.testing.assert_array_equal(pad_symmetric(image, radius), np.pad(image, radius, mode="symmetric"))
