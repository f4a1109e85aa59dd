import os

import numpy as np
import torch
from noise_images import Noise

from deblur.blur import Box, Motion
from deblur.blur.images import Crop
from deblur.data.datasets import EvaluationDataset, batches_of_one_shape, collate_images
from deblur.data.patches import EpochSampler

WHOLE = Crop("symmetric")


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
    dataset = EvaluationDataset(images, [4, 1], blur, seed=7, crop=WHOLE)
    other_order = EvaluationDataset(images, [1, 2, 4], blur, seed=7, crop=WHOLE)
    np.testing.assert_array_equal(dataset[0]["blurred"], other_order[2]["blurred"])
    assert dataset[0]["degradation"] == other_order[2]["degradation"]
    assert dataset[0]["degradation"] != dataset[1]["degradation"]
    assert set(dataset[0]["degradation"]) == {"blur", "length", "angle", "noise_sigma", "jpeg_quality"}
    other_seed = EvaluationDataset(images, [4], blur, seed=8, crop=WHOLE)
    assert not np.array_equal(dataset[0]["blurred"], other_seed[0]["blurred"])


def test_a_name_that_is_no_text_degrades_an_image_as_any_other() -> None:
    images = Noise(2)
    blur = Motion([3, 15], [0, 180], noise_sigma=[0, 5])
    before = EvaluationDataset(images, [1], blur, seed=7, crop=WHOLE)[0]
    images.names[0] = os.fsdecode(b"caf\xe9.png")
    dataset = EvaluationDataset(images, [0, 1], blur, seed=7, crop=WHOLE)
    assert dataset[0]["degradation"] == dataset[0]["degradation"] != dataset[1]["degradation"]
    np.testing.assert_array_equal(dataset[1]["blurred"], before["blurred"])


def test_batches_hold_neighbors_of_one_shape() -> None:
    shapes = [(4, 4)] * 3 + [(5, 4)] + [(4, 4)] * 2
    assert batches_of_one_shape(shapes, 2) == [[0, 1], [2], [3], [4, 5]]
    assert batches_of_one_shape([], 2) == []


def test_collated_images_keep_names_and_degradations() -> None:
    dataset = EvaluationDataset(Noise(), [0, 1], Box(3), seed=0, crop=Crop("symmetric", crop=16))
    batch = collate_images([dataset[0], dataset[1]])
    assert batch["blurred"].shape == batch["sharp"].shape == (2, 1, 16, 16)
    assert batch["blurred"].dtype == torch.uint8
    assert batch["name"] == ["folder/0.png", "folder/1.png"]
    assert batch["degradation"][1]["size"] == 3


def test_images_are_announced_before_they_are_asked_for() -> None:
    announced: list[int] = []
    sampler = EpochSampler(range(200), seed=0, announce=announced.extend)
    for _, index in sampler:
        assert index in announced
    assert set(announced) == set(range(200))
    assert len(announced) < 2 * 200 + 64
    assert list(sampler) == list(EpochSampler(range(200), seed=0))
