"""Evaluations of a small network in this process."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from deblur import evaluate

Evaluate = Callable[..., Any]
Refuse = Callable[..., str]


def means_of_test(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "metrics.json").read_text())["test"])


def only(summary: dict[str, Any]) -> dict[str, Any]:
    (boundary,) = summary["boundaries"].values()
    (means,) = boundary["restorers"].values()
    return dict(means)


def test_a_run_is_measured_as_its_training_measured_it(run: Path, evaluated: Evaluate) -> None:
    found = evaluated(f"run={run}")
    assert only(found.summary) == means_of_test(run)
    assert found.summary["split"] == "test"
    theirs = (run / "images.csv").read_text().splitlines()
    ours = (found.folder / "images.csv").read_text().splitlines()
    assert [line.split(",", 2)[2] for line in ours] == theirs  # ours begin with the boundary and the restorer


def test_a_checkpoint_alone_is_enough(run: Path, evaluated: Evaluate, tmp_path: Path) -> None:
    alone = tmp_path / "alone.ckpt"
    shutil.copy(run / "checkpoints" / "best.ckpt", alone)
    assert only(evaluated(f"run={alone}").summary) == means_of_test(run)


def test_another_blur_and_other_keys_are_taken(run: Path, evaluated: Evaluate) -> None:
    noisy = evaluated(f"run={run}", "blur.noise_sigma=4").summary
    assert (noisy["blur"]["name"], noisy["blur"]["size"], noisy["blur"]["noise_sigma"]) == ("box", 7, 4)
    assert only(noisy)["input_psnr"] < means_of_test(run)["input_psnr"]
    motion = evaluated(f"run={run}", "blur=motion", "blur.length=9").summary
    assert (motion["blur"]["name"], motion["blur"]["length"]) == ("motion", 9)
    assert "size" not in motion["blur"]


def test_images_that_the_network_has_seen_are_left_out(run: Path, evaluated: Evaluate) -> None:
    """The first 16 of 20 drawn faces are those of the training, whose splits are others for 20."""
    found = evaluated(f"run={run}", "data.max_images=20")
    assert found.summary["split"] == "test"
    unseen = {row["name"] for row in csv.DictReader((run / "images.csv").open())}
    unseen |= {f"face-{index:06d}" for index in range(16, 20)}
    assert {row["name"] for row in found.rows} <= unseen
    whole = evaluated(f"run={run}", "data.max_images=20", "split=test").summary
    assert only(whole)["images"] == only(found.summary)["images"] + found.summary["seen_left_out"]
    checkpoint = run / "checkpoints" / "best.ckpt"
    assert evaluated(f"run={checkpoint}", "data.max_images=20").summary["boundaries"].keys() == {"symmetric"}
    assert [row["name"] for row in evaluated(f"run={checkpoint}", "data.seed=5", "data.max_images=9").rows] == [
        f"face-{index:06d}" for index in range(9)
    ]


def test_nothing_but_seen_images_is_refused(run: Path, evaluated: Evaluate, refused: Refuse, tmp_path: Path) -> None:
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert len(content["seen_images"]) == 14  # 12 to train and 2 to validate
    from deblur.files import write_png
    from deblur.synthesis.faces import draw

    seen = [row["name"] for row in csv.DictReader((run / "images.csv").open())]
    known = [index for index in range(16) if f"face-{index:06d}" not in seen]
    for index in known[:4]:
        write_png(tmp_path / "seen" / f"{index}.png", draw(0, index))
    overrides = (f"run={run}", "data=folder", f"data.root={tmp_path / 'seen'}")
    assert "trained or validated on all of these images" in refused(*overrides)
    assert only(evaluated(*overrides, "split=all").summary)["images"] == 4


def test_a_split_can_be_chosen(run: Path, evaluated: Evaluate) -> None:
    counts = {
        split: only(evaluated(f"run={run}", f"split={split}").summary)["images"] for split in ("train", "val", "all")
    }
    assert counts["all"] == 16
    assert counts["train"] == 12


def test_a_folder_of_ones_own(run: Path, evaluated: Evaluate, tmp_path: Path) -> None:
    import numpy as np
    from PIL import Image

    from deblur.synthesis.faces import draw

    for index in range(4):
        (tmp_path / "faces").mkdir(exist_ok=True)
        Image.fromarray(np.asarray(draw(7, index))).save(tmp_path / "faces" / f"{index}.png")
    found = evaluated(f"run={run}", "data=folder", f"data.root={tmp_path / 'faces'}")
    assert [row["name"] for row in found.rows] == ["0.png", "1.png", "2.png", "3.png"]
    assert found.summary["data"]["settings"]["eval_crop"] == 64  # as in the training


def test_a_sweep_is_evaluated_run_by_run(trained: Path, cache_root: Path, tmp_path: Path) -> None:
    places = (f"paths.output_root={trained}", f"paths.cache_root={cache_root}", f"output={tmp_path / 'all'}")
    assert evaluate.main(["sweep=two", "accelerator=cpu", *places]) == 0
    folders = sorted((tmp_path / "all").iterdir())
    assert len(folders) == 2
    for folder, name in zip(folders, ("box", "gaussian"), strict=True):
        assert f"-{name}-" in folder.name
        (run,) = trained.glob(f"sweeps/two/*-{name}-*")
        assert only(json.loads((folder / "metrics.json").read_text())) == means_of_test(run)


def test_the_wrong_overrides_are_sentences(run: Path, refused: Refuse) -> None:
    one_of = "Give one of run=DIR, sweep=NAME, compare=[DIR,DIR], or baseline=[...] or optimal_linear=true alone."
    assert refused() == one_of
    assert refused(f"run={run}", "sweep=two") == one_of
    assert refused(f"run={run}", "blur.siz=3").startswith("blur.siz is unknown: blur has the keys")
    assert refused(f"run={run}", "blur.size=4").startswith("blur.size=4 is not allowed")
    assert refused(f"run={run}", "blur=boxx").startswith("blur=boxx is not allowed: choose")
    assert "split=tset is not allowed" in refused(f"run={run}", "split=tset")
    assert refused(f"run={run}/absent").endswith("give a run's folder, with its config.yaml, or a checkpoint file.")
    assert "the sweeps there are two." in refused("sweep=absent")
    assert refused(f"run={run}", "data=folder").startswith("data.root is missing")
    assert "baseline" in refused("baseline=[best]")


@pytest.mark.parametrize("kind", ["truncated", "other", "foreign"])
def test_a_wrong_checkpoint_is_a_sentence(run: Path, refused: Refuse, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "wrong.ckpt"
    if kind == "truncated":
        path.write_bytes((run / "checkpoints" / "best.ckpt").read_bytes()[:-200])
    else:
        content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
        if kind == "other":
            content["hyper_parameters"]["model"]["widths"] = [7]
        else:
            content["hyper_parameters"]["model"]["_target_"] = "torch.nn.Identity"
        torch.save(content, path)
    expected = {"truncated": "is damaged", "other": "does not fit its network", "foreign": "is not allowed"}
    assert expected[kind] in refused(f"run={path}")


def test_a_foreign_class_runs_nothing(run: Path, refused: Refuse, tmp_path: Path) -> None:
    """A class of a module of the attacker's, on the path, is not even imported."""
    (tmp_path / "evil.py").write_text("from pathlib import Path\nPath('imported').touch()\nclass Net: ...\n")
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    content["hyper_parameters"]["model"]["_target_"] = "evil.Net"
    torch.save(content, tmp_path / "evil.ckpt")
    assert "evil.Net is not allowed" in refused(f"run={tmp_path / 'evil.ckpt'}")
    assert not list(tmp_path.rglob("imported"))
