from pathlib import Path
from typing import Any

import pytest

from deblur.config.identity import flatten
from deblur.reporting.labels import (
    LONGEST_LABEL,
    describe,
    frozen,
    labels_with_names,
    model_settings,
    other_settings,
    varying,
)
from deblur.reporting.results import Run


def run(**config: Any) -> Run:
    flat = flatten(config)
    return Run("grid", "run", Path("run"), "done", config=flat, settings=flat)


def rests(*configs: dict[str, Any]) -> list[str]:
    settings = [other_settings(run(**config)) for config in configs]
    varied = varying(settings)
    return [describe(one, varied) for one in settings]


ADAM = {"_target_": "torch.optim.Adam", "lr": 0.001, "weight_decay": 0.0}


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        ({"loss": "mse"}, {"loss": "mse"}, ["", ""]),
        ({"seed": 0}, {"seed": 1}, ["", ""]),
        ({"optimizer": ADAM}, {"optimizer": ADAM | {"lr": 0.0001}}, ["lr 0.001", "lr 0.0001"]),
        (
            {"loss": "mse", "optimizer": ADAM},
            {"loss": "l1", "optimizer": ADAM | {"lr": 1e-05}},
            ["lr 0.001, loss mse", "lr 1e-05, loss l1"],
        ),
        (
            {"optimizer": ADAM},
            {"optimizer": {"_target_": "torch.optim.SGD", "lr": 0.001, "momentum": 0.9}},
            ["optimizer Adam", "optimizer SGD"],
        ),
        (
            {"scheduler": None},
            {"scheduler": {"_target_": "torch.optim.lr_scheduler.OneCycleLR", "max_lr": 1}},
            ["scheduler none", "scheduler OneCycleLR"],
        ),
        ({"optimizer": ADAM}, {"optimizer": ADAM | {"new": 1}}, ["", ""]),
        ({"a": {"x": 1}, "b": {"x": 1}}, {"a": {"x": 2}, "b": {"x": 2}}, ["a.x 1, b.x 1", "a.x 2, b.x 2"]),
        (
            {"data": {"flips": True, "root": "/a"}},
            {"data": {"flips": False, "root": "/b"}},
            ["flips true", "flips false"],
        ),
    ],
)
def test_what_varies_is_told(one: dict[str, Any], other: dict[str, Any], labels: list[str]) -> None:
    assert rests(one, other) == labels


def labels(group: str, *sections: dict[str, Any]) -> list[str]:
    return list(labels_with_names([run(**{group: section}) for section in sections], group).values())


def test_a_blur_shows_what_varies_among_those_of_its_name() -> None:
    box = {"name": "box", "_target_": "deblur.blur.Box", "noise_sigma": 0.0}
    assert labels("blur", box | {"size": 7}, {"name": "none", "_target_": "deblur.blur.NoBlur"}) == ["box", "none"]
    assert labels("blur", box | {"size": 7}, box | {"size": [3, 9]}) == ["box size 7", "box size 3 to 9"]


def test_a_kernel_file_is_shown_without_its_folder() -> None:
    kernel = {"name": "kernel", "_target_": "deblur.blur.KernelFile"}
    assert labels("blur", kernel | {"path": "/x/a.npy"}, kernel | {"path": "/x/b.npy"}) == [
        "kernel path a.npy",
        "kernel path b.npy",
    ]


def test_networks_of_one_name_are_told_by_their_kernels() -> None:
    network = {"name": "srcnn_915", "_target_": "deblur.models.SRCNN", "widths": [64, 32]}
    assert labels("model", network | {"kernel_sizes": [9, 1, 5]}, network | {"kernel_sizes": [9, 3, 5]}) == [
        "srcnn_915 9-1-5",
        "srcnn_915 9-3-5",
    ]


def test_a_network_without_a_name_is_called_by_its_class() -> None:
    assert labels("model", {"_target_": "my_nets.Tiny"}) == ["my_nets.Tiny"]


def test_a_long_label_is_cut() -> None:
    (label,) = labels("model", {"name": "x" * 300, "_target_": "a.B"})
    assert len(label) == LONGEST_LABEL


def test_equal_settings_are_one_variant() -> None:
    one, other = ({"model": {"name": "a", "_target_": "a.B", "k": [1, 2]}} for _ in range(2))
    assert frozen(model_settings(run(**one))) == frozen(model_settings(run(**other)))


def test_a_blur_in_a_camera_is_another_one_than_without() -> None:
    box = {"name": "box", "_target_": "deblur.blur.Box", "size": 7}
    camera = {"linear": True, "shot_noise": 0.001}
    without, within, noisier = labels(
        "blur", box, {**box, "camera": camera}, {**box, "camera": {**camera, "shot_noise": 0.01}}
    )
    assert without == "box no camera"
    assert within == "box camera, shot_noise 0.001"
    assert noisier == "box camera, shot_noise 0.01"
    assert labels("blur", {**box, "camera": camera}, {**box, "camera": {**camera, "linear": False}}) == [
        "box linear true",
        "box linear false",
    ]


def test_cameras_of_many_settings_differ_from_each_other_and_from_none() -> None:
    motion = {"name": "motion", "_target_": "deblur.blur.Motion", "length": 15, "jpeg_quality": None}
    camera = {"linear": True, "saturation": True, "exposure": [0.7, 1.4], "highlights": [1, 4]}
    camera |= {"shot_noise": [0.0001, 0.001], "read_noise": [0, 0.002]}
    taken = {**motion, "jpeg_quality": [75, 95], "camera": camera}
    assert labels("blur", motion, taken) == [
        "motion no camera, jpeg_quality none",
        "motion camera, jpeg_quality 75 to 95",
    ]
    assert labels("blur", motion, taken, {**taken, "camera": camera | {"read_noise": 0.01}}) == [
        "motion no camera, jpeg_quality none",
        "motion camera, jpeg_quality 75 to 95, read_noise 0 to 0.002",
        "motion camera, jpeg_quality 75 to 95, read_noise 0.01",
    ]
