import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from run_files import write_history, write_samples, write_table

from deblur.blur.images import most_blurred
from deblur.files import write_json
from deblur.reading import read_json
from deblur.reporting.answers import answer
from deblur.reporting.configurations import Table, arrange
from deblur.reporting.curves import curves
from deblur.reporting.figures import FigureFile, line_styles, tradeoff
from deblur.reporting.grids import grids
from deblur.reporting.heatmaps import heatmap
from deblur.reporting.results import read_sweep
from deblur.runs.records import METRICS_FILE

Files = Callable[..., Path]


def read(folder: Path) -> Table:
    return arrange([read_sweep(folder)])


def size(figure_file: FigureFile) -> tuple[int, int]:
    return Image.open(io.BytesIO(figure_file.png)).size


def test_lines_differ_in_more_than_color() -> None:
    looks = list(line_styles([f"lr {number}" for number in range(4)]).values())
    assert len({look.line for look in looks}) == len({look.marker for look in looks}) == 4


def test_nothing_is_drawn_of_nothing(make_run: Files, sweep: Path) -> None:
    make_run("a", "running")
    assert curves(read(sweep)) == []
    assert heatmap(read(sweep)) == []


def test_a_single_epoch_is_drawn(make_measured: Files, sweep: Path) -> None:
    write_history(make_measured("a", [1.0, 2.0]), [0.25])
    psnr, loss = curves(read(sweep))
    assert "box, srcnn_915: restored 20.25, blurred input 20.00." in psnr.alt
    assert "box, srcnn_915: restored 0.00800." in loss.alt


def test_curves_are_averaged_over_seeds(make_measured: Files, sweep: Path) -> None:
    write_history(make_measured("a", [1.0]), [0.5, 1.0])
    write_history(make_measured("b", [1.0], seed=1), [0.5, 2.0])
    psnr, _ = curves(read(sweep))
    assert "restored 21.50" in psnr.alt
    assert "bands reach from the lowest to the highest seed" in psnr.caption


def test_a_grid_is_as_wide_as_its_networks_and_as_high_as_its_blurs(make_measured: Files, sweep: Path) -> None:
    for model in ("m1", "m2", "m3"):
        for blur in ("box", "gaussian"):
            make_measured(f"{model}-{blur}", [1.0, 2.0], model=model, blur=blur)
    psnr, _ = curves(read(sweep))
    wide = size(psnr)
    assert wide[0] / wide[1] == pytest.approx((3 * 3.1 + 0.6) / (2 * 1.9 + 0.9), rel=0.01)


def test_a_name_with_dollars_is_no_formula(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0], model=r"'$\frac{$'")
    assert len(curves(read(sweep))) == 2
    assert len(heatmap(read(sweep))) == 1


def test_the_heat_map_marks_degradation(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0])
    (harmless,) = heatmap(read(sweep))
    make_measured("b", [-1.0, -2.0], lr=0.01)
    (degrading,) = heatmap(read(sweep))
    assert "Hatched" not in harmless.caption
    assert "Hatched: worse than the blurred input." in degrading.caption
    assert "srcnn_915 lr 0.01 -1.50" in degrading.alt


def test_a_gain_that_is_shown_as_zero_is_no_degradation(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [-0.004, -0.004])
    (found,) = heatmap(read(sweep))
    assert "Hatched" not in found.caption
    assert "+0.00" in found.alt
    assert "-0.00" not in found.alt


def test_the_star_is_at_the_best_gain_before_it_is_rounded(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.001, 1.001])
    make_measured("b", [1.004, 1.004], lr=0.01)
    (found,) = heatmap(read(sweep))
    (axes,) = found.figure.axes
    assert [text.get_text() for text in axes.texts] == ["+1.00", "+1.00 ★"]


def test_the_detail_is_where_the_images_differ_most() -> None:
    sharp = np.zeros((64, 80))
    blurred = sharp.copy()
    sharp[40:56, 60:76] = 200
    sharp[2:6, 2:6] = 50
    assert most_blurred(blurred, sharp) == (40, 60, 16)


def test_the_detail_fits_into_a_small_image() -> None:
    assert most_blurred(np.zeros((9, 12)), np.ones((9, 12))) == (0, 0, 9)


def test_grids_show_the_best_configuration_of_each_network(make_measured: Files, sweep: Path) -> None:
    names = ["p/one.png", "two.png"]
    for run, gain, model, lr in (("a", 1.0, "m1", 0.1), ("b", 2.0, "m1", 0.01), ("c", 1.5, "m2", 0.1)):
        folder = make_measured(run, [gain, gain + 0.5], names, model=model, lr=lr)
        write_samples(folder, "p_one")
    (found,) = grids([one for test_setting in read(sweep).test_settings if (one := answer(test_setting))], [])
    assert "p/one.png, largest gain (+2.00 dB): blurred 20.00 dB, m1 lr 0.01 22.00 dB, m2 lr 0.1 21.50 dB." in found.alt
    assert "only known gain" in found.caption
    assert "m1, lr 0.01" in found.caption


def test_a_grid_of_rgb_images_is_in_color(make_measured: Files, sweep: Path) -> None:
    color = (200, 40, 90)
    shown = []
    for own in ((), color):
        folder = make_measured(f"run-{len(shown)}", [1.0], ["one.png"], model=f"m{len(shown)}")
        write_samples(folder, "one", own)
        (figure,) = grids([one for setting in read(sweep).test_settings if (one := answer(setting))], [])
        with Image.open(io.BytesIO(figure.png)) as image:
            shown.append(np.asarray(image.convert("RGB")).reshape(-1, 3))
        shutil.rmtree(folder)
    assert (shown[1] == color).all(axis=1).mean() > 0.2
    assert not (shown[0] == color).all(axis=1).any()


def test_the_detail_of_rgb_images_is_where_any_channel_differs_most() -> None:
    sharp = np.zeros((64, 80, 3))
    blurred = sharp.copy()
    sharp[40:56, 60:76, 2] = 200
    sharp[2:6, 2:6] = 50
    assert most_blurred(blurred, sharp) == (40, 60, 16)


def test_runs_of_both_colors_are_test_settings_of_their_own(make_measured: Files, sweep: Path) -> None:
    for name in ("old", "gray", "rgb"):
        folder = make_measured(name, [1.0], model=name)
        if name != "old":  # whose version did not know colors
            config = yaml.safe_load((folder / "config.yaml").read_text())
            config["data"]["color"] = name
            config["model"]["channels"] = 3 if name == "rgb" else 1
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
        metrics = read_json(folder / METRICS_FILE)
        metrics["data"] = {"fingerprint": "color" if name == "rgb" else "gray"}
        (folder / METRICS_FILE).write_text(json.dumps(metrics))
    found = {setting.label: [one.name for one in setting.configurations] for setting in read(sweep).test_settings}
    assert found == {"box, color gray": ["gray", "old"], "box, color rgb": ["rgb"]}


def test_a_run_without_images_has_no_grid(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0])
    assert grids([one for test_setting in read(sweep).test_settings if (one := answer(test_setting))], []) == []


def drawn(sweep: Path) -> list[FigureFile]:
    return tradeoff(arrange([read_sweep(sweep)]))


def costing(folder: Path, macs: int) -> None:
    """Let the run's network cost something."""
    metrics = read_json(folder / METRICS_FILE)
    metrics.setdefault("model", {})["macs_per_pixel"] = macs
    write_json(folder / METRICS_FILE, metrics)


def test_networks_stand_at_their_cost(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0, 2.0], model="small"), 8_000)
    costing(make_measured("b", [3.0, 4.0], model="large"), 48_000)
    (figure_file,) = drawn(sweep)
    assert figure_file.alt.endswith("small 21.50 at 8,000, large 23.50 at 48,000.")
    assert figure_file.file == "tradeoff.png"


def test_one_cost_alone_is_no_trade(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0], model="m1"), 8_000)
    costing(make_measured("b", [2.0], model="m2"), 8_000)
    assert drawn(sweep) == []


def with_losses(folder: Path, losses: list[tuple[float, float]], loss: str = "mse") -> None:
    rows = [
        {"epoch": epoch, "val/psnr": 21.0, "val/gain": 1.0, "train/loss": training, "val/loss": validation}
        for epoch, (training, validation) in enumerate(losses, 1)
    ]
    write_table(folder / "history.csv", rows)
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"loss": loss}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def test_the_training_loss_is_drawn_beside_that_of_the_validation(make_measured: Files, sweep: Path) -> None:
    with_losses(make_measured("a", [1.0]), [(0.02, 0.01), (0.004, 0.005)])
    with_losses(make_measured("b", [1.0], lr=0.01), [(0.02, 0.01), (0.001, 0.002)])
    _, loss = curves(read(sweep))
    assert loss.file == "curves_loss.png"
    assert "box, srcnn_915: lr 0.001 training 0.004, validation 0.005, lr 0.01 training 0.001, validation 0.002" in (
        loss.alt
    )
    axes = loss.figure.axes[0]
    assert axes.get_ylabel() == "box\nloss (mse)"
    assert [line.get_ydata().tolist() for line in axes.lines[:2]] == [[0.02, 0.004], [0.01, 0.005]]
    assert [text.get_text() for text in loss.figure.legends[0].get_texts()] == [
        "lr 0.001",
        "lr 0.01",
        "training",
        "validation",
    ]


def test_different_losses_have_no_common_name(make_measured: Files, sweep: Path) -> None:
    with_losses(make_measured("a", [1.0]), [(0.02, 0.01)])
    with_losses(make_measured("b", [1.0], lr=0.01), [(-20.0, -21.0)], "psnr")
    _, loss = curves(read(sweep))
    assert loss.figure.axes[0].get_ylabel() == "box\nloss"
    assert "Values of different losses cannot be compared." in loss.caption
    assert "logarithmic" not in loss.caption  # of which some are negative


def test_texts_of_vector_files_are_texts(make_measured: Files, sweep: Path) -> None:
    make_measured("a", [1.0, 2.0], model="my_network")
    (figure,) = heatmap(read(sweep))
    drawing = figure.vector("svg").decode()
    assert re.search(r"<text[^>]*>my_network</text>", drawing)
    page = figure.vector("pdf")
    assert page.startswith(b"%PDF")
    assert b"/FontFile2" in page  # an embedded TrueType font
    assert b"/Type3" not in page  # which journals refuse
    assert figure.vector("pdf") == page


def test_headings_state_the_strength_of_a_blur(make_measured: Files, sweep: Path) -> None:
    for name, blur in (("a", {"size": 7}), ("b", {"size": 9})):
        folder = make_measured(name, [1.0], model=name)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        config["blur"] |= blur
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        settings = read(sweep).test_settings
        expected = ["box (size 7 px)"] if name == "a" else ["box size 7", "box size 9"]
        assert [one.heading for one in settings] == expected
