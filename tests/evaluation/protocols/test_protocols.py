"""Commands that measure by a protocol, from the words to the files."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from known_blurs import KERNELS, unrolled
from network_files import write_network
from numpy.typing import NDArray
from protocol_layouts import LAYOUTS, Measure, noisy_image
from torch import Tensor

import deblur
from deblur.blur.kernels import Psf
from deblur.config.protocols import SyntheticProtocol
from deblur.errors import UserError
from deblur.evaluation.protocols import session
from deblur.evaluation.protocols.cases import find_cases, load
from deblur.evaluation.protocols.measuring import measure_cases, result_of
from deblur.evaluation.protocols.protocol import PROTOCOLS
from deblur.evaluation.protocols.published import FILE, published_rows
from deblur.evaluation.protocols.restoring import restored
from deblur.evaluation.restorers import NetworkRestorer, Restorer
from deblur.files import write_png
from deblur.metrics import METRICS
from deblur.wiener.noise import noise_sigma_of

Refuse = Callable[..., str]
INFOS = [METRICS[name].info for name in ("psnr", "ssim")]


class Oracle(Restorer):
    """Returns the sharp image of the blurred one that it is given, moved to the right."""

    name = "oracle"

    def __init__(self, answers: list[tuple[NDArray[np.float32], NDArray[np.float32]]], shift: int = 0) -> None:
        self._answers = answers
        self._shift = shift
        self.kernels: list[Psf | None] = []

    def restore(self, blurred: Tensor, kernels: Any) -> Tensor:
        self.kernels += kernels
        sharp = next(sharp for given, sharp in self._answers if np.array_equal(given, blurred[0, 0].numpy()))
        return torch.from_numpy(np.roll(sharp, self._shift, 1))[None, None]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for index in range(2):
        write_png(tmp_path / "sharp" / f"{index}.png", noisy_image(index, 100))
    (tmp_path / "kernels").mkdir()
    np.save(tmp_path / "kernels" / "k.npy", np.array([[0.0, 0.2, 0.3], [0.1, 0.3, 0.1], [0.0, 0.0, 0.0]]))
    return tmp_path


def words(images: Path, *more: str) -> tuple[str, ...]:
    folders = (f"data.root={images / 'sharp'}", f"protocol.kernels={images / 'kernels'}")
    return ("protocol=levin_kernels", *folders, *more)


def test_a_perfect_restorer_is_exact_and_gets_the_kernel(images: Path) -> None:
    protocol = PROTOCOLS["levin_kernels"]
    settings = SyntheticProtocol(
        name="levin_kernels", kernels=str(images / "kernels"), noise_sigma=[2.55], max_images=None, seed=0
    )
    cases = find_cases(protocol, images / "sharp", settings)
    pairs = [load(case, protocol) for case in cases]
    perfect = Oracle([(pair.blurred, pair.sharp) for pair in pairs])
    rows = [row for _, rows in measure_cases([perfect], cases, protocol, 0, torch.device("cpu")) for row in rows]
    found = result_of("oracle", 2.55, rows, INFOS)
    assert found.means["exactly_restored"] == found.means["images"] == 2
    assert found.means["ssim"] == pytest.approx(1)
    assert found.psnr_of_mean_mse is None
    assert all(kernel is case.psf for kernel, case in zip(perfect.kernels, cases, strict=True))
    moved = Oracle([(pair.blurred, pair.sharp) for pair in pairs], shift=2)  # nothing aligns it here
    rows = [row for _, rows in measure_cases([moved], cases, protocol, 0, torch.device("cpu")) for row in rows]
    assert max(row["psnr"] for row in rows) < 40


def test_a_network_gets_the_kernel_of_the_case() -> None:
    network = unrolled()
    blurred = noisy_image(0)[..., 0].astype(np.float32) / 255
    cpu = torch.device("cpu")
    found = {}
    for name, kernel in KERNELS.items():
        found[name] = restored(NetworkRestorer("net", network), blurred, kernel, cpu)
        known = torch.from_numpy(kernel)[None], torch.tensor([noise_sigma_of(blurred[None], kernel)])
        with torch.inference_mode():
            expected = network(torch.from_numpy(blurred)[None, None], *known)[0, 0].numpy()
        np.testing.assert_allclose(found[name], expected, atol=1e-6)
    assert np.abs(found["even"] - found["lopsided"]).max() > 1e-3


def test_both_averages_are_those_of_their_names() -> None:
    rows = [
        {"psnr": 20.0, "input_psnr": 10.0, "gain": 10.0, "ssim": 0.5, "input_ssim": 0.4},
        {"psnr": 30.0, "input_psnr": 10.0, "gain": 20.0, "ssim": 0.7, "input_ssim": 0.4},
    ]
    found = result_of("x", 0, rows, INFOS)
    assert found.psnr("mean_of_psnrs") == 25
    assert found.psnr("psnr_of_mean_mse") == pytest.approx(-10 * np.log10((1e-2 + 1e-3) / 2))


def test_a_table_has_the_facts_our_rows_and_published_ones(images: Path, measured: Measure) -> None:
    found = measured(*words(images, "baseline=[none,wiener]", "protocol.noise_sigma=[2.55]"))
    for fact in ("valid convolution", "clipped and rounded to 8 bits", "30 px on every side", "mean of the PSNRs"):
        assert fact in found.shown
        assert fact in found.report
    assert "published [1]: VEM, Set12 x 8 kernels of Levin et al." in found.shown
    assert "[1] Nan, Quan, Ji: Variational-EM-based deep learning" in found.shown
    kinds = [(row["kind"], row["method"]) for row in found.results]
    assert kinds[:2] == [("measured", "none"), ("measured", "wiener")]
    assert ("published", "VEM") in kinds
    (vem,) = (row for row in found.results if row["method"] == "VEM")
    assert (vem["psnr"], vem["noise_sigma"]) == ("31.93", "2.55")
    assert vem["source"].startswith("Nan, Quan, Ji")
    none, wiener = found.summary["results"]
    assert (none["gain"], none["images"]) == (0, 2)
    assert wiener["gain"] > 1
    assert wiener["interval"][0] < wiener["averaged_psnr"] < wiener["interval"][1]
    assert found.summary["protocol"]["cut"] == 30
    assert [row["kernel"] for row in found.rows] == ["k"] * 4


def test_each_level_of_noise_has_its_table(images: Path, measured: Measure) -> None:
    found = measured(*words(images, "baseline=[none]", "protocol.max_images=1"))
    assert found.shown.count("blurred input") == 3
    inputs = [one["input_psnr"] for one in found.summary["results"]]
    assert inputs == sorted(inputs, reverse=True)
    assert "protocol.max_images=1: the number is of 1 blurred image alone." in found.shown


def test_networks_and_baselines_stand_in_one_table(images: Path, tmp_path: Path, measured: Measure) -> None:
    network = write_network(tmp_path / "gray.safetensors", (3, 1))
    found = measured(*words(images, f"run=[{network},unrolled]", "baseline=[none]", "protocol.noise_sigma=[0]"))
    methods = [one["method"] for one in found.summary["results"]]
    assert len(methods) == len(set(methods)) == 3
    assert "published.csv holds no row of levin_kernels at this noise." in found.shown


def test_networks_of_one_name_are_numbered(images: Path, measured: Measure) -> None:
    found = measured(*words(images, "run=[unrolled,unrolled]", "protocol.noise_sigma=[0]", "protocol.max_images=1"))
    first, second = (one["method"] for one in found.summary["results"])
    assert (first[-4:], second[-4:]) == (" (1)", " (2)")


def test_a_network_with_the_name_of_a_baseline_is_numbered() -> None:
    first, second = Oracle([]), Oracle([])
    first.name, second.name = "wiener", "other"
    networks = [session._Network(cast(Any, None), restorer) for restorer in (first, second)]
    session._number_equal_names(networks, ["none", "wiener"])
    assert (first.name, second.name) == ("wiener (1)", "other")


def test_each_run_of_a_list_may_begin_with_the_home_folder(
    images: Path, refused: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(images))
    monkeypatch.setenv("USERPROFILE", str(images))
    assert f"{images / 'none'} does not exist" in refused(*words(images, "run=[default, ~/none]"))


@pytest.mark.parametrize(
    "name", [name if name == "realblur_j" else pytest.param(name, marks=pytest.mark.slow) for name in LAYOUTS]
)
def test_a_gray_network_restores_color_pairs(name: str, tmp_path: Path, measured: Measure) -> None:
    write, count = LAYOUTS[name]
    write(tmp_path / "data")
    network = write_network(tmp_path / "gray.safetensors", (3, 1))
    found = measured(f"protocol={name}", f"data.root={tmp_path / 'data'}", f"run={network}", "color=channels")
    (one,) = found.summary["results"]
    assert one["images"] == count
    assert "(each channel)" in one["method"]
    assert f"Only {count} of {PROTOCOLS[name].cases} blurred images are measured" in found.shown


def test_results_that_cannot_be_registered_are_counted(tmp_path: Path, measured: Measure) -> None:
    write, _ = LAYOUTS["realblur_j"]
    write(tmp_path / "data")
    overrides = ("protocol=realblur_j", f"data.root={tmp_path / 'data'}", "baseline=[none]")
    assert "could not be registered" not in measured(*overrides).shown
    write_png(min((tmp_path / "data").glob("*/*/blur/blur_1.png")), np.full_like(noisy_image(0), 99))
    found = measured(*overrides)
    for text in (found.shown, found.report):
        assert "1 of 2 results could not be registered, and were compared as they are" in text
    assert sorted(row["registered"] for row in found.rows) == ["False", "True"]


def test_levins_photographs_are_measured_up_to_a_shift(levin: Path, measured: Measure) -> None:
    found = measured("protocol=levin2009", f"data.root={levin}", "baseline=[none]", "protocol.max_images=1")
    assert {row["kernel"] for row in found.rows} == {f"kernel{index}" for index in range(1, 9)}
    assert all(-5 <= float(row["shift_down"]) <= 5 for row in found.rows)
    assert "published [1]: FDN, the 32 photographs" in found.shown
    assert "Only 8 of 32 blurred images are measured: the number is not the protocol's." in found.shown


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("protocol=gopro", "data.root=ROOT", "baseline=[wiener]"), "protocol=gopro has no kernels: leave it out."),
        (("protocol=levin2009", "data.root=ROOT/none", "baseline=[none]"), "published at https://webee.technion.ac.il"),
        (
            ("protocol=levin2009", "baseline=[none]"),
            "data.root is missing: protocol=levin2009 needs the 32 photographs",
        ),
        (("protocol=levin2009", "data.root=ROOT"), "A protocol needs methods to measure: give run=DIR"),
        (
            ("protocol=levin2009", "data=folder", "data.root=ROOT", "run=default"),
            "leave out data=folder, and give data.root",
        ),
        (("protocol=hide", "data.root=ROOT", "data.max_images=3", "run=default"), "does not read data.max_images"),
        (("protocol=hide", "data.root=ROOT", "blur=box", "run=default"), "protocol does not read blur"),
        (("protocol=hide", "data.root=ROOT", "metrics=[vif]", "run=default"), "protocol does not read metrics"),
        (("protocol=hide", "data.root=ROOT", "protocol.cut=3", "run=default"), "protocol.cut is unknown"),
        (("protocol=hide", "data.root=ROOT", "run=[default,ROOT/none]"), "none does not exist: give a run's folder"),
        (("protocol=hide", "data.root=ROOT", "run=[]"), "run=[] names a run by nothing: give run=DIR or run=[DIR,DIR]"),
        (
            ("protocol=hide", "data.root=ROOT", "run=[default,,default]"),
            "run=[default,,default] names a run by nothing",
        ),
        (
            ("run=[default,default]",),
            "only a protocol or a matrix puts several networks into one table: give one run=DIR",
        ),
        (("protocol=hid", "data.root=ROOT", "run=default"), "Did you mean hide?"),
        (
            ("protocol=circular", "data.root=ROOT", "run=default"),
            "protocol.kernels is missing: give a folder of kernels",
        ),
        (("protocol.kernels=ROOT", "run=default"), "it belongs to protocol=circular or levin_kernels."),
        (("protocol=levin2009", "data.root=ROOT", "protocol.noise_sigma=[1,1]", "run=default"), "name each level once"),
        (
            ("protocol=levin2009", "data.root=ROOT", "protocol.noise_sigma=[-1]", "run=default"),
            "is not allowed: give a list",
        ),
        (("protocol=levin2009", "data.root=ROOT", "protocol.max_images=0", "run=default"), "a whole number from 1 up"),
        (
            ("protocol=circular", "data.root=ROOT", "protocol.kernels=ROOT/none", "run=default"),
            "none is no folder: give one with kernels",
        ),
    ],
)
def test_wrong_words_are_a_sentence(overrides: tuple[str, ...], sentence: str, tmp_path: Path, refused: Refuse) -> None:
    assert sentence in refused(*(word.replace("ROOT", str(tmp_path)) for word in overrides))


def test_a_color_without_effect_is_refused(images: Path, refused: Refuse) -> None:
    said = refused(*words(images, "run=unrolled", "color=luma"))
    assert "color=luma is for a gray network on RGB images" in said


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("noise_sigma=3", "noise_sigma is for a network that takes the noise: add run=DIR"),
        ("self_ensemble=true", "self_ensemble=true is for a non-blind network: add run=DIR"),
    ],
)
def test_what_is_of_a_network_is_refused_without_one(images: Path, refused: Refuse, word: str, sentence: str) -> None:
    assert sentence in refused(*words(images, "baseline=[wiener]", word))


class _Subject:
    def __init__(self, restorer: Restorer) -> None:
        self.restorer, self.seen = restorer, None


@pytest.mark.parametrize(
    ("name", "attributes", "sentence"),
    [
        ("gopro", {"takes_kernel": True}, "net is a non-blind network, and protocol=gopro has no kernels"),
        ("hide", {"takes_kernel": True}, "net is a non-blind network, and protocol=hide has no kernels"),
        ("levin2009", {"channels": 3}, "net is a network for RGB images, and protocol=levin2009 is of gray images"),
    ],
)
def test_a_network_that_does_not_fit_is_refused(
    name: str,
    attributes: dict[str, Any],
    sentence: str,
    tmp_path: Path,
    refused: Refuse,
    levin_like: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = levin_like
    if name in LAYOUTS:
        root = tmp_path / "data"
        LAYOUTS[name][0](root)
    net = Oracle([])
    for key, value in {"name": "net", **attributes}.items():
        setattr(net, key, value)
    monkeypatch.setattr(session, "open_subject", lambda *_: _Subject(net))
    assert sentence in refused(f"protocol={name}", f"data.root={root}", "run=default")


@pytest.fixture
def levin_like(tmp_path: Path) -> Path:
    """One image in the layout of Levin's photographs."""
    write_png(tmp_path / "levin" / "im1.png", noisy_image(0)[..., 0].copy())
    write_png(tmp_path / "levin" / "im1_kernel1_img.png", noisy_image(0)[..., 0].copy())
    np.save(tmp_path / "levin" / "kernel1.npy", np.ones((1, 1)))
    return tmp_path / "levin"


def test_a_missing_kernel_is_named(levin_like: Path, refused: Refuse) -> None:
    (levin_like / "kernel1.npy").unlink()
    said = refused("protocol=levin2009", f"data.root={levin_like}", "baseline=[none]")
    assert said.startswith(f"{levin_like / 'kernel1.npy'} is missing: protocol=levin2009 needs")


def test_images_that_a_network_has_seen_are_counted(
    levin_like: Path, measured: Measure, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deblur.image_io.decoding import digest, read_gray
    from deblur.inference.checkpoints import digest_of

    subject = session.open_subject

    def with_seen(*given: Any) -> Any:
        found = subject(*given)
        object.__setattr__(found, "seen", frozenset({digest_of(digest(read_gray(levin_like / "im1.png")))}))
        return found

    monkeypatch.setattr(session, "open_subject", with_seen)
    found = measured("protocol=levin2009", f"data.root={levin_like}", "run=unrolled")
    assert "was trained or validated on 1 of these images, which flatters it." in found.shown


def test_the_python_call_refuses_a_protocol(levin_like: Path) -> None:
    with pytest.raises(UserError, match="protocol=levin2009 belongs to the command line"):
        deblur.measure("unrolled", ["protocol=levin2009", f"data.root={levin_like}"])


def test_published_rows_have_sources_and_protocols() -> None:
    with FILE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["protocol"] for row in rows} <= PROTOCOLS.keys()
    assert all(row["source"] and row["data"] and 20 < float(row["psnr"]) < 40 for row in rows)
    assert [row.psnr for row in published_rows("levin2009", 2.55)] == [33.65, 34.31]
    assert len(published_rows("levin_kernels")) == 23
    assert published_rows("gopro") == []


def test_the_published_rows_lie_in_the_folders_of_the_wheel() -> None:
    """pyproject.toml packs `deblur` and `conf` whole; the slow test of the wheel looks into the built one."""
    assert FILE.is_relative_to(Path(deblur.__file__).parent)
