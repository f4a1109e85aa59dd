"""The files in conf/blur: composed, checked, built and run."""

import csv
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from sampling import exhaustive
from small_trainings import SMALLEST

from deblur.blur import (
    FAMILIES,
    Box,
    Degradation,
    Disk,
    Gaussian,
    KernelFile,
    Mixed,
    Motion,
    NoBlur,
    Trajectory,
    Varying,
)
from deblur.blur.families import completed
from deblur.config import TrainConfig, build, check
from deblur.config.command_line import conf_dir
from deblur.config.identity import config_hash
from deblur.errors import UserError
from deblur.inference.pretrained import pretrained_file
from deblur.inference.trained import load_trained
from deblur.runs.records import read_config
from deblur.train import main
from scripts.pretrained import TRAININGS

Compose = Callable[..., TrainConfig]
Run = Callable[..., Path]

CLASSES: dict[str, tuple[type[Degradation], tuple[int, int]]] = {
    "gaussian": (Gaussian, (25, 25)),
    "box": (Box, (7, 7)),
    "motion": (Motion, (1, 15)),
    "motion_random": (Motion, (27, 27)),
    "disk": (Disk, (11, 11)),
    "trajectory": (Trajectory, (51, 51)),
    "varying": (Varying, (41, 41)),
    "mixed": (Mixed, (51, 51)),
    "kernel": (KernelFile, (5, 9)),
    "none": (NoBlur, (1, 1)),
}
SMALL = (
    "debug=fast_dev_run",
    *SMALLEST,
    "trainer.limit_test_batches=null",
    "callbacks=none",
    "logger=none",
)


@pytest.fixture
def choose(compose: Compose, kernel_path: Path) -> Callable[..., TrainConfig]:
    """Compose a blur; `kernel` reads the lopsided kernel."""

    def chosen(name: str, *overrides: str) -> TrainConfig:
        path = (f"blur.path={kernel_path}",) if name == "kernel" else ()
        return compose(f"blur={name}", *path, *overrides)

    return chosen


def built(config: TrainConfig) -> Degradation:
    return build(config.blur, Degradation)


def families_of(config: TrainConfig) -> set[str]:
    mixture = built(config)
    assert isinstance(mixture, Mixed)
    return set(mixture.probabilities)


def test_every_preset_is_tried_here() -> None:
    assert {path.stem for path in (conf_dir() / "blur").glob("*.yaml")} == CLASSES.keys()


@pytest.mark.parametrize("name", CLASSES)
def test_a_preset_builds_its_class(choose: Compose, name: str) -> None:
    config = choose(name)
    degradation = built(config)
    kind, size = CLASSES[name]
    assert type(degradation) is kind
    assert degradation.max_kernel_size == size
    sampled = degradation.sample(np.random.default_rng(0))
    assert (sampled.noise_sigma, sampled.jpeg_quality) == (0, None)
    assert check(config.plain()).plain() == config.plain()


@pytest.mark.parametrize("name", CLASSES)
def test_noise_and_jpeg_are_set_alike_for_all(choose: Compose, name: str) -> None:
    config = choose(name, "blur.noise_sigma=[1,2]", "blur.jpeg_quality=80")
    sampled = built(config).sample(np.random.default_rng(0))
    assert 1 <= sampled.noise_sigma <= 2
    assert sampled.jpeg_quality == 80


def test_the_disk_has_the_radius_asked_for(choose: Compose) -> None:
    assert built(choose("disk", "blur.radius=2.5")).sample(np.random.default_rng(0)).parameters == {"radius": 2.5}


def test_random_motion_goes_everywhere(choose: Compose) -> None:
    degradation = built(choose("motion_random"))
    rng = np.random.default_rng(0)
    draws = np.array([list(degradation.sample(rng).parameters.values()) for _ in range(300)], float)
    assert ((draws >= [5, 0]) & (draws <= [25, 180])).all()
    np.testing.assert_allclose(draws.min(axis=0), [5, 0], atol=5)
    np.testing.assert_allclose(draws.max(axis=0), [25, 180], atol=5)


# The mixture on the command line


@pytest.mark.parametrize(
    ("overrides", "families"),
    [
        ((), {"gaussian", "box", "motion", "disk", "trajectory"}),
        (("~blur.families.disk",), {"gaussian", "box", "motion", "trajectory"}),
        (("blur.families.disk=null", "blur.families.box.weight=0"), {"gaussian", "motion", "trajectory"}),
        (("blur.families.trajectory=null",), {"gaussian", "box", "motion", "disk"}),
        (("blur.families.none.weight=1",), {"gaussian", "box", "motion", "disk", "trajectory", "none"}),
    ],
)
def test_families_are_dropped_and_added(choose: Compose, overrides: tuple[str, ...], families: set[str]) -> None:
    assert families_of(choose("mixed", *overrides)) == families


def test_the_preset_has_the_usual_ranges_of_the_families_of_the_package(choose: Compose) -> None:
    families = choose("mixed").blur.families
    assert families.keys() == FAMILIES.keys()
    assert families == completed({name: {"weight": family["weight"]} for name, family in families.items()})


def test_what_is_left_out_of_a_family_is_noted(choose: Compose) -> None:
    left_out = choose("mixed", "~blur.families.disk.radius")
    assert left_out.blur.families["disk"] == {"weight": 1.0, "radius": [1.0, 5.0]}


def test_a_family_is_changed(choose: Compose) -> None:
    overrides = ("blur.families.box.size=[11,13]", "blur.families.box.weight=9", "~blur.families.motion")
    mixture = built(choose("mixed", *overrides, "blur.families.disk=null", "~blur.families.trajectory"))
    assert isinstance(mixture, Mixed)
    assert mixture.probabilities == {"box": 0.9, "gaussian": 0.1}
    rng = np.random.default_rng(0)
    assert {each.parameters.get("size") for each in (mixture.sample(rng) for _ in range(100))} == {11, 13, None}


@pytest.mark.parametrize("overrides", [("blur.families.none.weight=1",), ("~blur.families.disk",)])
def test_another_mixture_is_another_configuration(choose: Compose, overrides: tuple[str, ...]) -> None:
    assert config_hash(choose("mixed", *overrides).plain()) != config_hash(choose("mixed").plain())


def test_the_network_that_is_pretrained_can_be_trained_on_the_mixture_that_it_was_trained_on(compose: Compose) -> None:
    then = build(load_trained(pretrained_file("default")).config["blur"], Degradation)
    now = built(compose(*TRAININGS["default"]))
    assert isinstance(then, Mixed)
    assert isinstance(now, Mixed)
    assert now.probabilities == then.probabilities
    for seed in range(30):
        first, again = (mixture.sample(np.random.default_rng(seed)) for mixture in (then, now))
        np.testing.assert_array_equal(again.kernel.psf, first.kernel.psf)
        assert (again.noise_sigma, again.jpeg_quality) == (first.noise_sigma, first.jpeg_quality)


# What is refused, without torch


@pytest.mark.parametrize(
    ("name", "word", "sentence"),
    [
        ("disk", "blur.radius=0", "blur.radius=0 is not allowed: give a number from 0.5 to 250 [px], or a pair"),
        ("disk", "blur.radius=[5,1]", "blur.radius=[5,1] is not allowed: give a number from 0.5"),
        ("disk", "+blur.size=3", "blur.size is unknown: blur has the keys camera, jpeg_quality, noise_sigma, radius."),
        (
            "varying",
            "blur.kind=roll",
            "blur.kind=roll is not allowed: give rotation, defocus, or any for one of the two",
        ),
        (
            "varying",
            "blur.kind=null",
            "blur.kind=null is not allowed: give rotation, defocus, or any for one of the two",
        ),
        ("varying", "blur.variation=1.5", "blur.variation=1.5 is not allowed: give a number from 0 to 1, or a pair"),
        ("varying", "blur.extent=[9,5]", "blur.extent=[9,5] is not allowed: give a number from 1 to 100 [px], or a"),
        ("varying", "~blur.kind", "blur.kind is missing: give rotation, defocus, or any for one of the two per image."),
        ("trajectory", "blur.extent=0", "blur.extent=0 is not allowed: give a number from 1 to 250 [px], or a pair"),
        ("trajectory", "blur.extent=[9,5]", "blur.extent=[9,5] is not allowed: give a number from 1 to 250 [px]"),
        ("trajectory", "blur.shake=1.5", "blur.shake=1.5 is not allowed: give a number from 0 to 1, or a pair [lo,hi]"),
        ("trajectory", "blur.shake=[-1,1]", "blur.shake=[-1,1] is not allowed: give a number from 0 to 1, or a pair"),
        (
            "trajectory",
            "~blur.shake",
            "blur.shake is missing: give a number from 0 to 1, or a pair [lo,hi] of them (lo <= hi).",
        ),
        (
            "trajectory",
            "+blur.angle=3",
            "blur.angle is unknown: blur has the keys camera, extent, jpeg_quality, noise_sigma, ",
        ),
        (
            "mixed",
            "blur.families.trajectory.shake=2",
            "blur.families.trajectory.shake=2 is not allowed: give a number from 0 to 1, "
            "or a pair [lo,hi] of them (lo <= hi).",
        ),
        ("mixed", "blur.families.box.size=4", "blur.families.box.size=4 is not allowed: give an odd whole number"),
        ("mixed", "blur.families.box=3", "blur.families.box=3 is not allowed: give the parameters of the family"),
        ("mixed", "blur.families.box.weight=-1", "blur.families.box.weight=-1 is not allowed: give a number from 0 up"),
        ("mixed", "blur.families.box.weight=nan", "blur.families.box.weight=nan is not allowed: give a number from 0"),
        ("mixed", "+blur.families.bix.size=3", "blur.families.bix is unknown: blur.families has the keys box, disk, "),
        (
            "mixed",
            "+blur.families.box.noise_sigma=3",
            "blur.families.box.noise_sigma is unknown: blur.families.box has the keys size, weight.",
        ),
        ("mixed", "blur.families=box", "blur.families=box is not allowed: give the families to draw from"),
        ("mixed", "blur.noise_sigma=-1", "blur.noise_sigma=-1 is not allowed: give a number from 0 to 255"),
        ("kernel", "blur.path=", "blur.path= is not allowed: give a file with a kernel: blur.path=FILE."),
        ("kernel", "blur.path=absent.npy", "blur.path=absent.npy does not exist: give a .npy array or an image"),
        ("kernel", "blur.path=..", "blur.path=.. is no file: give a .npy array or an image"),
        ("kernel", "blur.sha256=abc", "blur.sha256=abc is not allowed: give the SHA-256 of the file, 64 hexadecimal"),
    ],
)
def test_a_wrong_value_is_a_sentence(choose: Compose, name: str, word: str, sentence: str) -> None:
    with pytest.raises(UserError) as refusal:
        choose(name, word)
    assert str(refusal.value).startswith(sentence)


def test_a_mixture_of_nothing_is_refused(choose: Compose) -> None:
    dropped = [f"~blur.families.{name}" for name in ("gaussian", "motion", "disk", "trajectory")]
    with pytest.raises(UserError, match=r"^blur\.families has nothing to draw from"):
        choose("mixed", *dropped, "blur.families.box.weight=0")


def test_a_kernel_needs_its_file(compose: Compose) -> None:
    with pytest.raises(UserError, match=r"^blur\.path is missing: give a file with a kernel: blur\.path=FILE\.$"):
        compose("blur=kernel")


# The file of a kernel


def test_the_path_is_absolute_and_the_content_noted(
    compose: Compose, kernel_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(kernel_path.parent)
    blur = compose("blur=kernel", f"blur.path={kernel_path.name}").blur
    assert blur.path == str(kernel_path.resolve())
    assert blur.sha256 == hashlib.sha256(kernel_path.read_bytes()).hexdigest()


def test_another_content_is_another_configuration_and_not_taken_for_the_first(compose: Compose, tmp_path: Path) -> None:
    path = tmp_path / "a kernel, [1] = é.npy"
    np.save(path, np.full((3, 3), 1 / 9))
    first = compose("blur=kernel", f"blur.path={path}")
    np.save(path, np.full((1, 9), 1 / 9))
    assert config_hash(compose("blur=kernel", f"blur.path={path}").plain()) != config_hash(first.plain())
    assert check(first.plain()).plain() == first.plain()
    with pytest.raises(UserError, match=r"is not the file that blur\.sha256 stands for"):
        built(first)
    first.blur.sha256 = None
    assert built(check(first.plain())).max_kernel_size == (1, 9)


def test_an_unreadable_file_is_a_sentence(compose: Compose, kernel_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    with pytest.raises(UserError, match=r"^blur\.path=.*lopsided\.npy cannot be read \(Permission denied\)"):
        compose("blur=kernel", f"blur.path={kernel_path}")


# Whole runs


@pytest.fixture
def run(tmp_path: Path, cache_root: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Train for two steps and return the run's folder."""
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)  # Hydra leaves a run's configuration there
    root = tmp_path / "outputs"

    def trained(*overrides: str) -> Path:
        assert main([*overrides, *SMALL, f"paths.output_root={root}", f"paths.cache_root={cache_root}"]) == 0
        (folder,) = (path.parent for path in root.rglob("metrics.json"))
        return folder

    return trained


def rows_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "images.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def filled(row: dict[str, str]) -> set[str]:
    return {
        key
        for key in ("sigma", "size", "length", "angle", "radius", "extent", "shake", "variation", "kind")
        if row.get(key)
    }


@pytest.mark.parametrize(
    ("name", "family", "parameters"),
    [
        ("disk", "disk", {"radius"}),
        exhaustive(("motion_random", "motion", {"length", "angle"})),
        ("trajectory", "trajectory", {"extent", "shake"}),
        exhaustive(("varying blur.kind=rotation", "varying", {"extent", "variation", "shake", "kind"})),
        ("varying blur.kind=defocus", "varying", {"extent", "variation", "kind"}),
    ],
)
def test_a_run_says_how_each_image_was_blurred(run: Run, name: str, family: str, parameters: set[str]) -> None:
    rows = rows_of(run(*f"blur={name}".split()))
    assert {row["blur"] for row in rows} == {family}
    assert all(filled(row) == parameters for row in rows)


def test_a_run_of_a_mixture_says_which_family_was_drawn(run: Run) -> None:
    rows = rows_of(run("blur=mixed", "~blur.families.gaussian", "data.max_images=40", "data.seed=3"))
    own = {"box": {"size"}, "motion": {"length", "angle"}, "disk": {"radius"}, "trajectory": {"extent", "shake"}}
    assert len({row["blur"] for row in rows}) > 1
    assert all(filled(row) == own[row["blur"]] for row in rows)


def test_a_run_with_a_kernel_notes_it_and_its_checkpoint_no_place(run: Run, kernel_path: Path) -> None:
    folder = run("blur=kernel", f"blur.path={kernel_path}")
    digest = hashlib.sha256(kernel_path.read_bytes()).hexdigest()
    assert {(row["blur"], row["kernel"]) for row in rows_of(folder)} == {("kernel", f"sha256-{digest[:12]}")}
    stored = read_config(folder)["blur"]
    assert (stored["path"], stored["sha256"]) == (str(kernel_path.resolve()), digest)
    settings = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["hyper_parameters"]
    assert settings["blur"]["sha256"] == digest
    assert str(kernel_path.parent) not in str(settings)
