import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import deblur
from deblur import evaluate, export, report
from deblur.config import EvaluateConfig, TrainConfig, check
from deblur.config.check import check_blur
from deblur.config.schema import FolderData
from deblur.errors import UserError
from deblur.evaluation.matrix import best_runs, conditions, distinct_labels, matrix_table
from deblur.evaluation.opening import opened
from deblur.evaluation.tables import matrix_figure_table
from deblur.files import write_csv
from deblur.inference.checkpoints import digest_of
from deblur.inference.trained import load_trained
from deblur.reporting.heatmaps import MATRIX_FILE, matrix, read_matrix
from deblur.synthesis.faces import draw

BOX = {"name": "box", "_target_": "deblur.blur.Box", "size": 7, "noise_sigma": 0.0, "jpeg_quality": None}


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    """A copy of the sweep of two runs, which a test may write into."""
    shutil.copytree(trained, tmp_path / "outputs")
    return tmp_path / "outputs"


def test_the_conditions_are_half_to_double_with_noise_and_jpeg() -> None:
    made = list(conditions(BOX))
    assert [one.label for one in made] == [
        "size 3", "size 7", "size 15", "valid boundary", "noise 2", "noise 8", "JPEG 95", "JPEG 75", "JPEG 50",
    ]  # fmt: skip
    assert [one.blur["size"] for one in made] == [3, 7, 15, 7, 7, 7, 7, 7, 7]
    assert [one.boundary for one in made] == [None, None, None, "valid", None, None, None, None, None]
    assert made[5].blur["noise_sigma"] == 8
    assert made[8].blur["jpeg_quality"] == 50
    sigmas = [one.blur["sigma"] for one in conditions({"name": "gaussian", "sigma": 3.0})][:3]
    assert sigmas == [1.5, 3.0, 6.0]


def test_of_a_range_the_ends_and_the_middle_are_taken() -> None:
    made = list(conditions({**BOX, "size": [3, 9], "noise_sigma": [0.0, 3.0]}))
    assert [one.label for one in made][:4] == ["size 3", "size 7", "size 9", "any size, valid boundary"]
    assert [one.blur["size"] for one in made] == [3, 7, 9, *[[3, 9]] * 6]
    assert made[1].blur["noise_sigma"] == [0.0, 3.0]
    assert made[4].blur["noise_sigma"] == 2


def test_where_the_boundary_is_real_already_it_is_no_condition_of_its_own() -> None:
    assert [one.label for one in conditions(BOX, "valid")] == [
        "size 3", "size 7", "size 15", "noise 2", "noise 8", "JPEG 95", "JPEG 75", "JPEG 50",
    ]  # fmt: skip
    # Of a range, no other condition is the whole of it.
    assert [one.label for one in conditions({**BOX, "size": [3, 9]}, "valid")][3] == "any size, valid boundary"


def test_the_boundary_of_the_training_is_heeded(trained: Path, cache_root: Path, tmp_path: Path) -> None:
    (box,) = trained.glob("sweeps/two/*-box-*")
    shutil.copytree(box, tmp_path / "run")
    config = yaml.safe_load((box / "config.yaml").read_text())
    config["data"]["boundary"] = "valid"
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    rows = crossed([tmp_path / "run"], cache_root)
    assert [row["condition"] for row in rows][:4] == ["size 3", "size 7", "size 15", "noise 2"]


def test_a_mixture_is_crossed_family_by_family(compose: Callable[..., TrainConfig]) -> None:
    overrides = ["blur=mixed", "blur.noise_sigma=[0,3]", "blur.families.none.weight=1", "blur.families.disk.weight=0"]
    config = compose(*overrides, "blur.families.gaussian=null")
    made = list(conditions(config.blur.plain()))
    assert list(dict.fromkeys(one.family for one in made)) == ["box", "motion", "trajectory"]
    assert [one.label for one in made if one.family == "motion"][:3] == ["length 5", "length 15", "length 25"]
    assert {str(one.blur["noise_sigma"]) for one in made} == {"[0, 3]", "2.0", "8.0"}
    for one in made:
        assert check({**config.plain(), "blur": dict(one.blur)}).blur.name == one.family


def test_every_condition_is_a_configuration(compose: Callable[..., TrainConfig]) -> None:
    for blur in ("gaussian", "box", "motion", "disk"):
        config = compose(f"blur={blur}")
        for condition in conditions(config.blur.plain()):
            check({**config.plain(), "blur": dict(condition.blur)})


def test_a_sweep_is_crossed_and_its_report_shows_it(copied: Path, cache_root: Path) -> None:
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}")
    assert evaluate.main(["sweep=two", "matrix=true", "accelerator=cpu", *places]) == 0
    sweep = copied / "sweeps" / "two"
    with (sweep / "matrix.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (2 * 9 + 3)
    for blur, condition in (("box", "size 7"), ("gaussian", "sigma 3")):
        (own,) = (row for row in rows if (row["trained_on"], row["condition"]) == (blur, condition))
        (run,) = sweep.glob(f"*-{blur}-*/metrics.json")
        test = json.loads(run.read_text())["test"]
        assert float(own["gain"]) == pytest.approx(test["gain"], abs=1e-5)
        assert float(own["input_psnr"]) == pytest.approx(test["input_psnr"], abs=1e-5)
    inputs = {row["condition"]: float(row["input_psnr"]) for row in rows if row["family"] == "box"}
    assert inputs["size 3"] > inputs["size 7"] > inputs["size 15"]
    assert inputs["size 7"] > inputs["noise 2"] > inputs["noise 8"]
    assert report.main(["two", "--no-grids", f"--output-root={copied}"]) == 0
    page = (sweep / "report" / "report.html").read_text()
    assert "Cross-degradation matrix" in page
    assert "trained on box, tested on gaussian: " in page


def test_every_condition_is_in_the_camera_of_the_training() -> None:
    camera = {"linear": True, "shot_noise": 0.001}
    mixed = {"name": "mixed", "families": {"box": {"size": [3, 9]}, "motion": {"length": 9, "angle": 0}}}
    for blur in (BOX, mixed):
        assert [one.blur["camera"] for one in conditions({**blur, "camera": camera})]
        assert all(one.blur["camera"] == camera for one in conditions({**blur, "camera": camera}))
        assert not any("camera" in one.blur for one in conditions(blur))


def test_what_is_shown_ends_with_the_means_of_all_conditions() -> None:
    measured = [("box", 2.0, 0.0), ("box", 1.0, 0.01), ("disk", -1.0, 0.5)]
    rows = [
        {"trained_on": "box", "family": family, "condition": str(place), "gain": gain, "degraded": degraded}
        for place, (family, gain, degraded) in enumerate(measured)
    ]
    *_, last = (line for line in matrix_figure_table(rows).splitlines() if line.strip())
    assert last.split() == ["all", "means", "of", "these", "+0.67", "17.0%"]


def test_each_network_is_measured_on_inputs_without_visible_blur(box: Path, cache_root: Path) -> None:
    rows = {row["condition"]: row for row in crossed([box], cache_root) if row["family"] == "no visible blur"}
    assert list(rows) == ["sharp", "gaussian, sigma 0.5", "JPEG 75"]
    assert rows["sharp"]["input_psnr"] is rows["sharp"]["gain"] is None  # the input is exact
    assert {(row["blur"], row["noise"], row["JPEG"]) for row in rows.values()} == {
        ("none", "no noise", "no JPEG"),
        ("gaussian (sigma 0.5 px)", "no noise", "no JPEG"),
        ("none", "no noise", "JPEG quality 75"),
    }
    # Of drawn faces of 64 px, either may lose more.
    assert all(30 < rows[label]["input_psnr"] < 40 for label in ("gaussian, sigma 0.5", "JPEG 75"))
    assert all(0 <= row["degraded"] <= 1 for row in rows.values())


def test_the_gate_is_measured_if_it_is_asked_for(copied: Path, cache_root: Path) -> None:
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}")
    assert evaluate.main(["sweep=two", "matrix=true", "gate=true", "accelerator=cpu", *places]) == 0
    with (copied / "sweeps" / "two" / "matrix.csv").open(newline="") as file:
        assert {row["trained_on"] for row in csv.DictReader(file)} == {"box (gated)", "gaussian (gated)"}


def test_a_damaged_table_is_a_sentence(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (copied / "sweeps" / "two" / "matrix.csv").write_text("network\na\n")
    assert report.main(["two", f"--output-root={copied}"]) == 2
    assert "matrix.csv is damaged" in capsys.readouterr().err
    assert (copied / "sweeps" / "two" / "report" / "report.html").is_file()


def test_a_matrix_needs_networks(refused: Callable[..., str]) -> None:
    said = "matrix=true needs networks: add sweep=NAME, run=DIR or run=[DIR,DIR]."
    assert refused("baseline=[wiener]", "matrix=true") == said


def test_named_networks_are_measured_on_their_own_blurs(
    copied: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = sorted(path.parent for path in (copied / "sweeps" / "two").glob("*/status.json"))
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}")
    assert evaluate.main([f"run=[{runs[0]},{runs[1]}]", "matrix=true", "accelerator=cpu", *places]) == 0
    (file,) = (copied / "evaluations").glob("matrix-*/matrix.csv")
    assert evaluate.main(["sweep=two", "matrix=true", "accelerator=cpu", *places]) == 0
    found, of_sweep = (list(csv.DictReader(path.open(newline=""))) for path in (file, copied / "sweeps/two/matrix.csv"))
    assert {(row["family"], row["condition"], row["gain"]) for row in found} == {
        (row["family"], row["condition"], row["gain"]) for row in of_sweep
    }
    assert evaluate.main([f"run=[{runs[0]},{runs[0]}]", "matrix=true", *places]) == 2
    assert "twice: name each network once." in " ".join(capsys.readouterr().err.split())


def changed(run: Path, folder: Path, **sections: dict[str, Any]) -> Path:
    """Copy a run with another configuration."""
    shutil.copytree(run, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    for section, values in sections.items():
        config[section] |= values
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def scored(folder: Path, psnr: float | None) -> Path:
    """Give a run a validation PSNR."""
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["val"]["psnr"] = psnr
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


@pytest.fixture
def box(trained: Path) -> Path:
    (found,) = trained.glob("sweeps/two/*-box-*")
    return found


def crossed(runs: list[Path], cache_root: Path) -> list[dict[str, Any]]:
    return matrix_table(runs, asked(cache_root), torch.device("cpu"), deblur.compose("train"))


def asked(cache_root: Path) -> EvaluateConfig:
    return deblur.compose("evaluate", ["sweep=two", "matrix=true", f"paths.cache_root={cache_root}"])


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("boundary", "valid", "data.boundary (symmetric or valid)"),
        ("seed", 1, "data.seed (0 or 1)"),
        ("eval_crop", 48, "data.eval_crop (64 or 48)"),
        ("max_images", 12, "data.max_images (16 or 12)"),
        ("leaves", 0.5, "data.leaves (0 or 0.5)"),
    ],
)
def test_networks_of_other_images_are_refused(
    box: Path, tmp_path: Path, cache_root: Path, key: str, value: object, told: str
) -> None:
    other = changed(box, tmp_path / "other", data={key: value}, blur={"size": 9})
    with pytest.raises(UserError) as caught:
        crossed([box, other], cache_root)
    assert str(caught.value) == (
        f"matrix=true measures all networks on the same images, and these runs differ in {told}: give the value for "
        "all of them in this command, or a sweep of one data set."
    )


def test_checkpoints_of_one_name_are_told_apart_by_their_runs(box: Path, tmp_path: Path, cache_root: Path) -> None:
    other = changed(box, tmp_path / "other", blur={"size": 9})
    checkpoints = [run / "checkpoints" / "best.ckpt" for run in (box, other)]
    named = deblur.compose("evaluate", ["matrix=true", f"paths.cache_root={cache_root}", f"run={_listed(checkpoints)}"])
    rows = matrix_table([], named, torch.device("cpu"), deblur.compose("train"))
    ends = [f"box: best ({run.name}/checkpoints/best.ckpt)" for run in (box, other)]
    assert list(dict.fromkeys(row["trained_on"] for row in rows)) == ends


def test_the_images_of_exported_networks_are_compared_as_well(
    box: Path, tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = changed(box, tmp_path / "other", blur={"size": 9})
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["data"]["fingerprint"] = "0" * 64
    (other / "metrics.json").write_text(json.dumps(metrics))
    files = [tmp_path / f"{name}.safetensors" for name in ("box", "other")]
    for run, file in zip((box, other), files, strict=True):
        assert export.main([str(run), "--format=safetensors", f"--output={file}"]) == 0
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    assert evaluate.main([f"run={_listed(files)}", "matrix=true", *places]) == 2
    assert "have different fingerprints, though their settings are the same" in " ".join(
        capsys.readouterr().err.split()
    )


def _listed(places: list[Path]) -> str:
    return f"[{','.join(map(str, places))}]"


def test_images_that_have_changed_are_refused(box: Path, tmp_path: Path, cache_root: Path) -> None:
    other = changed(box, tmp_path / "other", blur={"size": 9})
    metrics = json.loads((other / "metrics.json").read_text())
    metrics["data"]["fingerprint"] = "0" * 64
    (other / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(UserError, match="have different fingerprints, though their settings are the same"):
        crossed([box, other], cache_root)


def test_what_decides_no_test_image_may_differ(box: Path, tmp_path: Path, cache_root: Path) -> None:
    other = changed(
        box, tmp_path / "other", data={"patch_size": 16, "flips": False, "max_val_images": 1}, blur={"size": 9}
    )
    kernel = changed(
        box, tmp_path / "kernel", data={"seed": 7}, blur={"name": "none", "_target_": "deblur.blur.NoBlur"}
    )
    rows = crossed([box, other, kernel], cache_root)
    assert list(dict.fromkeys(row["trained_on"] for row in rows)) == ["box, size 7", "box, size 9"]


@pytest.mark.parametrize(
    "overrides", [["data.seed=1"], ["data.seed=0", "data.boundary=valid"], ["data=synthetic", "data.seed=5"]]
)
def test_the_command_may_name_the_images(
    copied: Path, cache_root: Path, capsys: pytest.CaptureFixture[str], overrides: list[str]
) -> None:
    (gaussian,) = copied.glob("sweeps/two/*-gaussian-*")
    config = yaml.safe_load((gaussian / "config.yaml").read_text())
    config["data"]["seed"] = 1
    (gaussian / "config.yaml").write_text(yaml.safe_dump(config))
    places = (f"paths.output_root={copied}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    assert evaluate.main(["sweep=two", "matrix=true", *places]) == 2
    assert "these runs differ in data.seed (0 or 1)" in capsys.readouterr().err
    overrides = [*overrides, "data.max_images=16", "data.eval_crop=64", "data.patch_size=32"]
    assert evaluate.main(["sweep=two", "matrix=true", *overrides, *places]) == 0
    seed = next(word[-1] for word in overrides if word.startswith("data.seed="))
    said = capsys.readouterr().out
    assert f"Data: synthetic; seed {seed};" in said
    assert "test images, none of which a network is known to be trained on." in said
    with (copied / "sweeps" / "two" / "matrix.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["seed"] for row in rows} == {f"seed {seed}"}
    assert len({row["fingerprint"] for row in rows}) == 1


def test_no_image_that_a_network_was_trained_on_is_among_them(box: Path, tmp_path: Path, cache_root: Path) -> None:
    (tmp_path / "faces").mkdir()
    for index in range(16):  # those that the network was trained, validated and tested on, as files
        Image.fromarray(draw(0, index)).save(tmp_path / "faces" / f"{index:02}.png")
    run = changed(box, tmp_path / "run")
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"] |= {"name": "folder", "_target_": "deblur.data.FolderData", "root": str(tmp_path / "faces")}
    del config["data"]["leaves"], config["data"]["fresh"]
    seen = load_trained(box).seen
    assert seen is not None

    def unseen(seed: int) -> tuple[int, int]:
        images = FolderData.model_validate(config["data"] | {"seed": seed})
        data = opened(images, check_blur(BOX, [])[0], asked(cache_root))
        known = [digest_of(data.images.digests[index]) in seen for index in data.division.test]
        return known.count(False), len(known)

    # Split with another seed, some of the test images were trained on.
    seed = next(seed for seed in range(1, 100) if 0 < unseen(seed)[0] < unseen(seed)[1])
    config["data"]["seed"] = seed
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    rows = crossed([run], cache_root)
    assert {row["images"] for row in rows} == {unseen(seed)[0]}
    config["data"]["seed"] = next(seed for seed in range(1, 100) if not unseen(seed)[0])
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="Each of these images was trained or validated on by one of the networks"):
        crossed([run], cache_root)


def test_the_best_is_chosen_among_runs_of_one_blur(box: Path, tmp_path: Path) -> None:
    runs = [
        scored(changed(box, tmp_path / "easy", blur={"size": 3}), 40.0),
        scored(changed(box, tmp_path / "worse", blur={"size": 7}), 20.0),
        scored(changed(box, tmp_path / "better", blur={"size": 7.0}), 21.0),
        scored(changed(box, tmp_path / "noisy", blur={"noise_sigma": 2.0}), None),
    ]
    found = best_runs({run: yaml.safe_load((run / "config.yaml").read_text()) for run in runs})
    assert {label: run.name for label, run in found.items()} == {
        "box, noise_sigma 0, size 3": "easy",
        "box, noise_sigma 0, size 7": "better",
        "box, noise_sigma 2, size 7": "noisy",
    }


def test_conditions_of_one_name_have_distinct_labels_and_none_is_measured_twice(
    box: Path, tmp_path: Path, cache_root: Path
) -> None:
    noisy = changed(box, tmp_path / "noisy", blur={"noise_sigma": 2.0})
    rows = crossed([box, noisy], cache_root)
    labels = [row["condition"] for row in rows if row["trained_on"] == "box, noise_sigma 2"]
    assert labels == [
        "size 3, noise_sigma 0", "size 7", "size 15, noise_sigma 0", "valid boundary, noise_sigma 0", "noise 2",
        "noise 8",
        "JPEG 95, noise_sigma 0", "JPEG 75, noise_sigma 0", "JPEG 50, noise_sigma 0", "size 3, noise_sigma 2",
        "size 15, noise_sigma 2", "valid boundary, noise_sigma 2", "JPEG 95, noise_sigma 2", "JPEG 75, noise_sigma 2",
        "JPEG 50, noise_sigma 2", "sharp", "gaussian, sigma 0.5", "JPEG 75",
    ]  # fmt: skip
    assert len(rows) == 2 * len(labels)
    blurs = {row["condition"]: (row["blur"], row["noise"], row["JPEG"], row["boundary"]) for row in rows}
    assert blurs["JPEG 50, noise_sigma 2"] == (
        "box (size 7 px)", "noise of 2 gray levels", "JPEG quality 50", "symmetric boundary",
    )  # fmt: skip
    assert blurs["valid boundary, noise_sigma 0"] == ("box (size 7 px)", "no noise", "no JPEG", "valid boundary")
    shown = matrix_figure_table(rows)
    assert len({len(line.split("%")) for line in shown.splitlines() if "%" in line}) == 1


def test_settings_tell_blurs_of_one_label_apart() -> None:
    blurs = [
        ("box", BOX),
        ("disk", {"radius": 3}),
        ("box", BOX | {"size": 9}),
        ("box", BOX | {"size": 9, "noise_sigma": 2}),
    ]
    assert distinct_labels(blurs) == [
        "box, size 7, noise_sigma 0",
        "disk",
        "box, size 9, noise_sigma 0",
        "box, size 9, noise_sigma 2",
    ]


def test_an_exact_input_is_degraded_where_a_test_would_call_it_degraded(
    box: Path, tmp_path: Path, cache_root: Path
) -> None:
    """Flat images are exact after any blur; a network that brightens them degrades all of them."""
    (tmp_path / "flat").mkdir()
    for level in range(40, 52):
        Image.new("L", (64, 64), level).save(tmp_path / "flat" / f"{level}.png")
    data = {"name": "folder", "_target_": "deblur.data.FolderData", "root": str(tmp_path / "flat"), "max_images": None}
    run = changed(box, tmp_path / "run", data=data)
    config = yaml.safe_load((run / "config.yaml").read_text())
    del config["data"]["leaves"], config["data"]["fresh"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    for name, weights in content["state_dict"].items():
        weights.fill_(0.1 if name.endswith("bias") else 0.0)
    torch.save(content, run / "checkpoints" / "best.ckpt")
    rows = crossed([run], cache_root)
    clean = [row for row in rows if row["noise"] == "no noise" and row["JPEG"] == "no JPEG"]
    assert [(row["degraded"], row["gain"], row["input_psnr"]) for row in clean] == [(1.0, None, None)] * 6
    assert all(row["psnr"] == pytest.approx(20.0, abs=0.1) for row in clean)
    assert "\N{EN DASH}  100%" in matrix_figure_table(rows)
    means = evaluate_alone(run, tmp_path / "out", cache_root)
    assert (means["degraded"], means["gain"]) == (1.0, None)
    write_csv(tmp_path / MATRIX_FILE, rows)
    assert matrix(read_matrix(tmp_path), "a.png").png


def evaluate_alone(run: Path, output: Path, cache_root: Path) -> dict[str, Any]:
    overrides = (f"run={run}", "split=test", f"output={output}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    assert evaluate.main(overrides) == 0
    (boundary,) = json.loads((output / "metrics.json").read_text())["boundaries"].values()
    (means,) = boundary["restorers"].values()
    return dict(means)
