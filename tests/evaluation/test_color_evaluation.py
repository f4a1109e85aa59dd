"""RGB images in evaluations: networks for them, gray networks on them, and classical baselines."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from known_blurs import BOX, LOPSIDED, pairs, unrolled
from numpy.typing import NDArray
from PIL import Image
from small_trainings import SMALLEST
from torch import Tensor, nn

import deblur
from deblur import evaluate, export, report, train
from deblur.baselines import BASELINES, make
from deblur.blur.kernels import Psf
from deblur.config import check
from deblur.errors import UserError
from deblur.evaluation.matrix import matrix_table
from deblur.evaluation.opening import opened
from deblur.evaluation.restorers import (
    BaselineRestorer,
    ExportedRestorer,
    GrayRestorer,
    NetworkRestorer,
    Restorer,
    for_images,
)
from deblur.evaluation.session import _fitted
from deblur.export.onnx import as_onnx
from deblur.inference.onnx_network import open_onnx
from deblur.inference.pixels import restore_pixels
from deblur.metrics.images import psnr
from deblur.models import SRCNN
from deblur.runs.records import read_config
from deblur.synthesis.faces import draw
from deblur.wiener.noise import noise_sigma_of

Evaluate = Callable[..., Any]
Refuse = Callable[..., str]

LUMA = torch.tensor([0.299, 0.587, 0.114])


@pytest.fixture(scope="session")
def colored(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """The output folder of a sweep of two finished runs, on gray and on RGB images; tests do not change them."""
    root = tmp_path_factory.mktemp("colored") / "outputs"
    places = (f"paths.output_root={root}", f"paths.cache_root={cache_root}")
    varied = ("-m", "data.color=gray,rgb", "blur=box", "sweep=colors")
    assert train.main([*varied, "data.max_images=16", "trainer.max_epochs=1", *SMALLEST, *places]) == 0
    return root


def run_on(colored: Path, color: str) -> Path:
    runs = [status.parent for status in colored.glob("sweeps/colors/*/status.json")]
    (found,) = (run for run in runs if ("rgb" in run.name) == (color == "rgb"))
    return found


@pytest.fixture(scope="session")
def gray(colored: Path) -> Path:
    """The folder of the run on gray images."""
    return run_on(colored, "gray")


@pytest.fixture(scope="session")
def rgb(colored: Path) -> Path:
    """The folder of the run on RGB images."""
    return run_on(colored, "rgb")


def result_of(run: Path) -> dict[str, Any]:
    return dict(json.loads((run / "metrics.json").read_text())["test"])


def means(summary: dict[str, Any]) -> dict[str, dict[str, Any]]:
    (boundary,) = summary["boundaries"].values()
    return dict(boundary["restorers"])


def colors(count: int = 2, height: int = 31, width: int = 40) -> Tensor:
    """Return images whose channels differ, and whose colors stay within the gamut if their luma changes a little."""
    generator = torch.Generator().manual_seed(0)
    return 0.3 + 0.4 * torch.rand(count, 3, height, width, generator=generator)


def some_network(channels: int = 1) -> SRCNN:
    torch.manual_seed(0)
    return SRCNN((5, 3), (6,), channels=channels).eval()


class Brighter(nn.Module):
    """Adds a known amount to each pixel."""

    def forward(self, blurred: Tensor) -> Tensor:
        return blurred + 0.05


def test_a_run_on_rgb_images_is_measured_as_its_training_measured_it(rgb: Path, evaluated: Evaluate) -> None:
    found = evaluated(f"run={rgb}")
    (ours,) = means(found.summary).values()
    assert ours == result_of(rgb)
    assert "color" not in found.summary
    assert " in RGB" in found.summary["measured_on"]["data"]


def test_the_luma_route_adds_one_amount_to_all_channels() -> None:
    given = colors()
    restorer = for_images(NetworkRestorer("net", some_network()), 3, "luma")
    with torch.inference_mode():
        restored = restorer.restore(given, [BOX] * 2)
        luma = (given * LUMA[:, None, None]).sum(1, keepdim=True)
        change = some_network()(luma).clamp(0, 1) - luma
    assert change.abs().max() > 0.01
    torch.testing.assert_close(restored, (given + change).clamp(0, 1), rtol=0, atol=1e-6)
    is_inside = ((restored > 0) & (restored < 1)).all(1)
    assert is_inside.float().mean() > 0.9
    for one, other in ((0, 1), (2, 1)):
        before, after = given[:, one] - given[:, other], restored[:, one] - restored[:, other]
        torch.testing.assert_close(after[is_inside], before[is_inside], rtol=0, atol=1e-6)


def test_the_route_by_channels_is_the_network_on_each_plane() -> None:
    given = colors()
    network = some_network()
    restorer = for_images(NetworkRestorer("net", network), 3, "channels")
    with torch.inference_mode():
        restored = restorer.restore(given, [BOX] * 2)
        for channel in range(3):
            plane = network(given[:, channel : channel + 1]).clamp(0, 1)
            torch.testing.assert_close(restored[:, channel : channel + 1], plane, rtol=0, atol=1e-6)


@pytest.mark.parametrize("color", ["luma", "channels"])
def test_a_gray_network_on_rgb_images_is_what_restore_does(color: Any, gray: Path) -> None:
    given = colors(1)
    image = np.ascontiguousarray(given[0].permute(1, 2, 0).numpy())
    alone = deblur.load(gray, accelerator="cpu", precision="32-true")(image, color=color, strength=1)
    subject = for_images(NetworkRestorer("net", loaded(gray)), 3, color)
    with torch.inference_mode():
        restored = subject.restore(given, [BOX])[0].permute(1, 2, 0).numpy()
    assert np.abs(alone - image).max() > 1e-3
    np.testing.assert_allclose(restored, alone, rtol=0, atol=1e-5)


def loaded(run: Path) -> nn.Module:
    from deblur.inference.trained import load_trained

    return load_trained(run).network


@pytest.mark.parametrize("color", ["luma", "channels"])
def test_a_gray_network_gets_the_kernel_and_the_noise_of_each_plane(color: Any) -> None:
    network = unrolled()
    given, kernels = colors(2), [BOX, LOPSIDED]
    restorer = for_images(NetworkRestorer("net", network), 3, color)
    assert restorer.takes_kernel

    def alone(kernel: Psf) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
        def restore(plane: NDArray[np.float32]) -> NDArray[np.float32]:
            known = torch.from_numpy(kernel)[None], torch.tensor([noise_sigma_of(plane[None], kernel)])
            found: NDArray[np.float32] = network(torch.from_numpy(plane)[None, None], *known)[0, 0].numpy()
            return found

        return restore

    with torch.inference_mode():
        restored = restorer.restore(given, kernels)
        for place, kernel in enumerate(kernels):
            image = np.ascontiguousarray(given[place].permute(1, 2, 0).numpy())
            expected = restore_pixels(image, alone(kernel), color)
            np.testing.assert_allclose(restored[place].permute(1, 2, 0).numpy(), expected, rtol=0, atol=1e-5)


def test_an_rgb_network_gets_all_channels_and_the_kernel_of_each_image() -> None:
    network = unrolled(channels=3)
    given = colors(2)
    with torch.inference_mode():
        restored = NetworkRestorer("net", network, noise_sigma=2.0).restore(given, [BOX, LOPSIDED])
        for place, kernel in enumerate((BOX, LOPSIDED)):
            expected = network(given[place : place + 1], torch.from_numpy(kernel)[None], torch.tensor([2.0]))
            torch.testing.assert_close(restored[place : place + 1], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in BASELINES if name != "richardson_lucy"])
def test_a_baseline_restores_each_channel_as_a_gray_image(name: str) -> None:
    baseline = make(name)
    baseline.fit(*pairs([BOX] * 3))
    given, kernels = colors(), [BOX, LOPSIDED]
    restored = BaselineRestorer(baseline).restore(given, kernels)
    assert restored.shape == given.shape
    for place, kernel in enumerate(kernels):
        for channel in range(3):
            alone = baseline.restore(np.ascontiguousarray(given[place, channel].numpy()), kernel)
            np.testing.assert_array_equal(restored[place, channel].numpy(), alone)


def test_a_baseline_is_tuned_on_all_channels(rgb: Path, cache_root: Path) -> None:
    asked = deblur.compose("evaluate", ["baseline=[dct_wiener]", f"paths.cache_root={cache_root}"])
    config = check(read_config(rgb), for_training=False, stored=True)
    data = opened(config.data, config.blur, asked)
    sharp, blurred, kernels = data.fitting_images(200, data.crop())

    def tuned_on(channels: Sequence[int]) -> NDArray[np.float32]:
        planes = ([image[..., channel] for image in images for channel in channels] for images in (sharp, blurred))
        baseline = make("dct_wiener")
        baseline.fit(*planes, [kernel for kernel in kernels for _ in channels])
        return baseline.restore(given, kernels[0])

    given = colors(1, 64, 64)[0, 0].numpy()
    found = _fitted("dct_wiener", data, data.crop()).restore(given, kernels[0])
    np.testing.assert_allclose(found, tuned_on([0, 1, 2]), rtol=0, atol=1e-5)
    assert np.abs(found - tuned_on([0])).max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("channels", [1, 3])
def test_an_exported_network_knows_its_channels(channels: int, tmp_path: Path) -> None:
    network = some_network(channels)
    by_torch = NetworkRestorer("net", network)
    settings = {"model": {"_target_": "deblur.models.SRCNN"}, "blur": {"_target_": "deblur.blur.Box"}}
    description = {"name": "net", "settings": settings, "halo": network.halo, "channels": channels}
    content, _ = as_onnx(network, description)
    (tmp_path / "net.onnx").write_bytes(content)
    by_onnx = ExportedRestorer("net", open_onnx(tmp_path / "net.onnx")[1])
    assert by_onnx.channels == channels
    given, kernels = colors()[:, :channels], [BOX, LOPSIDED]

    def restored(restorer: Restorer) -> Tensor:
        with torch.inference_mode():
            return restorer.restore(given, kernels)

    torch.testing.assert_close(restored(by_onnx), restored(by_torch), rtol=0, atol=1e-5)


def test_a_network_for_rgb_takes_no_gray_images() -> None:
    restorer = NetworkRestorer("net", some_network(3))
    assert for_images(restorer, 3, "channels") is restorer
    with pytest.raises(UserError) as caught:
        for_images(restorer, 1, "luma")
    assert str(caught.value) == (
        "net is a network for RGB images, and data.color=gray gives it gray ones: give data.color=rgb."
    )


def test_gray_images_and_baselines_go_no_detour() -> None:
    network, baseline = NetworkRestorer("net", some_network()), BaselineRestorer(make("none"))
    assert for_images(network, 1, "luma") is network
    assert for_images(baseline, 3, "luma") is baseline
    assert isinstance(for_images(network, 3, "luma"), GrayRestorer)


@pytest.mark.parametrize(("color", "route"), [("luma", "luma"), ("channels", "each channel")])
def test_a_gray_run_is_measured_on_the_rgb_images_that_it_has_not_seen(
    color: str, route: str, gray: Path, rgb: Path, evaluated: Evaluate
) -> None:
    found = evaluated(f"run={gray}", "data.color=rgb", f"color={color}")
    ((name, ours),) = means(found.summary).items()
    assert name.endswith(f" ({route})")
    assert found.summary["color"] == color
    assert found.summary["split"] == "test"
    theirs = list(csv.DictReader((rgb / "images.csv").open()))
    assert [row["name"] for row in found.rows] == [row["name"] for row in theirs]
    for row, other in zip(found.rows, theirs, strict=True):  # the same blurred images
        assert float(row["input_psnr"]) == pytest.approx(float(other["input_psnr"]), abs=1e-6)
    assert ours["psnr"] != pytest.approx(result_of(gray)["psnr"], abs=1e-6)
    seen = evaluated(f"run={gray}", "data.color=rgb", "data.max_images=20", f"color={color}").summary["seen_left_out"]
    assert seen == evaluated(f"run={gray}", "data.max_images=20").summary["seen_left_out"]


def test_both_routes_have_folders_of_their_own(gray: Path, cache_root: Path, tmp_path: Path) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", "accelerator=cpu")
    for color in ("luma", "channels"):
        assert evaluate.main([f"run={gray}", "data.color=rgb", f"color={color}", *places]) == 0
    assert len(list((tmp_path / "evaluations").iterdir())) == 2


def test_what_makes_no_sense_is_a_sentence(gray: Path, rgb: Path, refused: Refuse) -> None:
    assert refused(f"run={rgb}", "data.color=gray").endswith(
        "is a network for RGB images, and data.color=gray gives it gray ones: give data.color=rgb."
    )
    for run, color in ((gray, "channels"), (gray, "luma"), (rgb, "channels"), (rgb, "luma")):
        assert refused(f"run={run}", f"color={color}") == (
            f"color={color} is for a gray network on RGB images: leave it out, or give run=DIR of such a network and "
            "data.color=rgb."
        )
    assert refused(f"run={gray}", "color=y").startswith("color=y is not allowed: give luma, channels or null.")
    said = refused(f"compare=[{gray},{rgb}]")
    assert said.startswith(f"{gray} was tested on gray images and {rgb} on RGB images, whose PSNR is not")
    assert "optimal_linear does not read color" in refused("optimal_linear=true", "blur=box", "color=channels")


@pytest.fixture(scope="session")
def gray_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of gray images, which in color have three equal channels."""
    root = tmp_path_factory.mktemp("gray_files")
    for index in range(12):
        Image.fromarray(np.ascontiguousarray(draw(0, index)[64:144, 64:136])).save(root / f"{index:02}.png")
    return root


def measured_in(color: str, root: Path, evaluated: Evaluate, *overrides: str) -> Any:
    given = ("data=folder", f"data.root={root}", f"data.color={color}", "data.eval_crop=64", "blur=box")
    return evaluated(*overrides, *given, "blur.noise_sigma=0")


@pytest.mark.slow
def test_on_equal_channels_baselines_have_the_numbers_of_gray_images(gray_files: Path, evaluated: Evaluate) -> None:
    baselines = "baseline=[none,wiener,dct_wiener]"
    in_gray, in_color = (
        measured_in(color, gray_files, evaluated, baselines, "both_boundaries=true").summary["boundaries"]
        for color in ("gray", "rgb")
    )
    for boundary, found in in_gray.items():
        theirs = in_color[boundary]
        for name, settings in found["baselines"].items():
            assert theirs["baselines"][name] == pytest.approx(settings), name
        for name, numbers in found["restorers"].items():
            for key in ("psnr", "gain", "input_psnr", "ssim"):
                assert theirs["restorers"][name][key] == pytest.approx(numbers[key], abs=2e-3), (name, key)


@pytest.mark.slow
def test_on_equal_channels_filters_are_those_of_gray_images(gray_files: Path, cache_root: Path, tmp_path: Path) -> None:
    found = []
    for color in ("gray", "rgb"):
        given = ("data=folder", f"data.root={gray_files}", f"data.color={color}", "data.eval_crop=64", "blur=box")
        places = (f"paths.cache_root={cache_root}", f"output={tmp_path / color}", "accelerator=cpu")
        assert evaluate.main(["optimal_linear=true", *given, *places]) == 0
        with (tmp_path / color / "filters.csv").open(newline="") as file:
            found.append([{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)])
    assert len(found[0]) == len(found[1]) > 10
    for one, other in zip(*found, strict=True):
        assert other == pytest.approx(one, abs=2e-3)


def in_matrix(runs: Sequence[Path], cache_root: Path, *overrides: str) -> list[dict[str, Any]]:
    asked = deblur.compose("evaluate", ["sweep=x", "matrix=true", f"paths.cache_root={cache_root}", *overrides])
    return matrix_table(runs, asked, torch.device("cpu"), deblur.compose("train"))


def test_a_matrix_of_both_colors_is_measured_on_rgb_images(gray: Path, rgb: Path, cache_root: Path) -> None:
    with pytest.raises(UserError, match=r"these runs differ in data\.color \(gray or rgb\): give the value for all"):
        in_matrix([gray, rgb], cache_root)
    rows = in_matrix([gray, rgb], cache_root, "data.color=rgb")
    assert list(dict.fromkeys(row["trained_on"] for row in rows)) == ["box in gray (luma)", "box in RGB"]
    own = {row["trained_on"]: row for row in rows if row["condition"] == "size 7"}
    assert own["box in RGB"]["psnr"] == pytest.approx(result_of(rgb)["psnr"], abs=1e-5)
    assert own["box in gray (luma)"]["input_psnr"] == pytest.approx(result_of(rgb)["input_psnr"], abs=1e-5)
    assert {row["images"] for row in rows} == {result_of(rgb)["images"]}
    (by_channels, *_) = in_matrix([gray], cache_root, "data.color=rgb", "color=channels")
    assert by_channels["trained_on"] == "box (each channel)"
    with pytest.raises(UserError, match="color=channels is for gray networks on RGB images, and there is none here"):
        in_matrix([rgb], cache_root, "color=channels")
    with pytest.raises(UserError, match="is a network for RGB images, and data"):
        in_matrix([gray, rgb], cache_root, "data.color=gray")


@pytest.mark.slow
def test_a_report_keeps_both_colors_apart(colored: Path, tmp_path: Path) -> None:
    assert report.main(["colors", f"--output-root={colored}", f"--output={tmp_path / 'report'}"]) == 0
    written = (tmp_path / "report" / "report.md").read_text()
    assert "box (size 7 px), color gray" in written
    assert "box (size 7 px), color rgb" in written
    with (tmp_path / "report" / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["data.color"] for row in rows) == ["gray", "rgb"]
    assert len(list((tmp_path / "report").glob("grid_*.png"))) == 2


def test_samples_and_grids_of_a_run_on_rgb_images_are_in_color(rgb: Path, gray: Path) -> None:
    found = list((rgb / "samples").rglob("*.png"))
    assert len(found) > 3
    for path in found:
        with Image.open(path) as image:
            assert image.mode == "RGB"
            pixels = np.asarray(image)
        assert (pixels.max(axis=2) != pixels.min(axis=2)).any(), path
    for path in (gray / "samples").rglob("*.png"):
        with Image.open(path) as image:
            assert image.mode == "L"
    place = next(path.parent for path in found if path.name == "sharp.png")
    with Image.open(place / "sharp.png") as sharp, Image.open(place / "restored.png") as restored:
        rows = {row["name"]: row for row in csv.DictReader((rgb / "images.csv").open())}
        pair = [torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255 for image in (restored, sharp)]
    assert float(rows[place.name]["psnr"]) == pytest.approx(psnr(*pair).item(), abs=0.1)  # the stored one is rounded


def test_the_grids_in_tensorboard_are_in_color(rgb: Path, gray: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for run, channels in ((rgb, 3), (gray, 1)):
        events = EventAccumulator(str(run))
        events.Reload()
        (tag,) = events.Tags()["images"]
        for shown in events.Images(tag):
            with Image.open(io.BytesIO(shown.encoded_image_string)) as image:
                pixels = np.asarray(image.convert("RGB"))
            assert (pixels.max(axis=2) != pixels.min(axis=2)).any() == (channels == 3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_an_exported_rgb_network_is_measured_as_its_run(
    kind: str, rgb: Path, evaluated: Evaluate, tmp_path: Path
) -> None:
    file = tmp_path / f"net.{kind}"
    assert export.main([f"{rgb}", f"--format={kind}", f"--output={file}"]) == 0
    (ours,) = means(evaluated(f"run={file}").summary).values()
    for key, value in result_of(rgb).items():
        assert ours[key] == pytest.approx(value, abs=1e-3), key
