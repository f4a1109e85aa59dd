"""The arithmetic that derives the needs of many images and runs from measured parts."""

import math
from pathlib import Path

import pytest

import deblur
from benchmarks.needs import (
    GIB,
    HOUR,
    MIB,
    Images,
    Plan,
    Training,
    cpu_rows,
    device_rows,
    disk_rows,
    makespan,
    memory_rows,
    plan_of,
    run_bytes,
    run_seconds,
    spread,
)

IMAGES = Images(
    count=10,
    file_bytes=10 * 20_000,
    pixel_bytes=10 * 256 * 256 * 3,
    index_bytes=10 * 300,
    index_memory=10 * 1000,
    seconds=0.5,
    build_mib=300.0,
    read_per_image=200_000.0,
    read_again_per_image=0.0,
    batch_ms=3.0,
)
PLAN = Plan(train=70, val=10, test=20, images_per_step=4, epochs=5)


def training(network: str = "a", step: float = 0.1) -> Training:
    return Training(
        network=network,
        step=step,
        val_image=0.5,
        test_image=0.25,
        epoch_end=2.0,
        start=10.0,
        process_mib=512.0,
        worker_mib=256.0,
        fixed_bytes=1000.0,
        epoch_bytes=100.0,
        test_image_bytes=10.0,
    )


def only(rows: list[dict[str, object]], start: str) -> dict[str, object]:
    [row] = [row for row in rows if str(next(iter(row.values()))).startswith(start)]
    return row


def test_the_images_of_the_study_make_these_steps() -> None:
    plan = plan_of(deblur.compose("train", ["data.color=rgb"]), 92_219)
    assert (plan.train, plan.val, plan.test) == (69_164, 1000, 13_833)
    assert plan.images_per_step == 4  # batches of 16 patches, 4 of an image
    assert plan.steps_per_epoch == 17_291
    assert plan.steps == 20 * 17_291


def test_the_last_batch_of_an_epoch_is_a_step() -> None:
    assert PLAN.steps_per_epoch == 18
    whole = plan_of(deblur.compose("train", ["data.patch_size=null", "data.batch_size=3"]), 100)
    assert (whole.images_per_step, whole.steps_per_epoch) == (3, math.ceil(whole.train / 3))


def test_bytes_of_all_images() -> None:
    rows = disk_rows(IMAGES, [training()], PLAN, 92_219, 18)
    assert only(rows, "cache: decoded pixels")["GiB"] == pytest.approx(92_219 * 196_608 / GIB)
    assert only(rows, "image files")["GiB"] == pytest.approx(92_219 * 20_000 / GIB)
    assert only(rows, "cache: index")["GiB"] == pytest.approx(92_219 * 300 / GIB)
    assert only(rows, "18 runs")["GiB"] == pytest.approx(18 * (1000 + 5 * 100 + 20 * 10) / GIB)


def test_time_and_files_of_a_run_are_those_of_its_parts() -> None:
    assert run_seconds(training(), PLAN) == pytest.approx(10 + 5 * (18 * 0.1 + 10 * 0.5 + 2) + 20 * 0.25)
    assert run_bytes(training(), PLAN) == 1000 + 5 * 100 + 20 * 10


def test_a_grid_is_spread_over_its_networks_and_its_devices() -> None:
    runs = spread([training("a"), training("b"), training("c")], 18)
    assert [one.network for one in runs] == ["a"] * 6 + ["b"] * 6 + ["c"] * 6
    assert makespan([1.0] * 18, 8) == 3
    assert makespan([2.0, 1.0, 1.0], 2) == 2
    assert makespan([1.0, 2.0], 8) == 2


def test_hours_on_a_processor() -> None:
    trainings = [training("a", 0.1), training("b", 0.2)]
    rows = cpu_rows(IMAGES, trainings, PLAN, 1000, 4, [1, 4])
    first, second = (run_seconds(one, PLAN) / HOUR for one in trainings)
    assert only(rows, "index and cache")["hours"] == pytest.approx(0.5 * 100 / HOUR)
    assert only(rows, "b") == {"CPU": "b", "ms per step": 200.0, "hours": second}
    assert only(rows, "4 runs, 1 at a time")["hours"] == pytest.approx(2 * first + 2 * second)
    assert only(rows, "4 runs, 4 at a time")["hours"] == pytest.approx(second)


def test_memory_of_processes_that_share_the_page_cache() -> None:
    rows = memory_rows(IMAGES, [training()], 1010, 8, workers=2)
    process = (512 + 2 * 256) * MIB + 1000 * 1000  # the index of a thousand further images
    pixels = 1010 * 196_608
    shared, held = only(rows, "both"), only(rows, "data.cache_memory")
    assert shared["1 run [GiB]"] == held["1 run [GiB]"] == pytest.approx((process + pixels) / GIB)
    assert shared["8 runs [GiB]"] == pytest.approx((8 * process + pixels) / GIB)
    assert held["8 runs [GiB]"] == pytest.approx(8 * (process + pixels) / GIB)


def test_reading_and_cores_follow_the_time_of_a_step() -> None:
    [fast, slow] = device_rows(IMAGES, PLAN, 18, 8, [2.0, 10.0])
    assert fast["1 run reads [MB/s]"] == pytest.approx(4 * 200_000 / 0.002 / 1e6)
    assert fast["8 runs read [MB/s]"] == pytest.approx(8 * 400)
    assert slow["1 run reads [MB/s]"] == pytest.approx(80)
    assert (fast["cores per run for data"], slow["cores per run for data"]) == (1.5, 0.3)
    assert slow["1 run [h]"] == pytest.approx(5 * 18 * 0.01 / HOUR)
    assert slow["18 runs on 8 [h]"] == pytest.approx(3 * 5 * 18 * 0.01 / HOUR)


def test_without_a_time_per_step_nothing_is_said_of_devices() -> None:
    [row] = device_rows(IMAGES, PLAN, 18, 8, [])
    assert row.pop("ms per step") == "not measured"
    assert set(row.values()) == {None}


def test_the_counts_are_those_of_a_training(cache_root: Path) -> None:
    config = deblur.compose("train", ["data.max_images=30", "data.batch_size=12", f"paths.cache_root={cache_root}"])
    data, plan = deblur.data_module(config), plan_of(config, 30)
    assert plan.steps_per_epoch == len(data.train_dataloader())
    assert (plan.train, plan.val, plan.test) == tuple(map(len, (data.splits.train, data.splits.val, data.splits.test)))
