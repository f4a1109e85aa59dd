from collections.abc import Callable
from pathlib import Path

import yaml

from deblur.config.places import CONFIG_FILE
from deblur.files import write_json
from deblur.reading import read_json
from deblur.reporting.configurations import arrange
from deblur.reporting.figure_files import FigureFile
from deblur.reporting.results import read_sweep
from deblur.reporting.tradeoff import tradeoff
from deblur.runs.records import METRICS_FILE

Files = Callable[..., Path]


def drawn(sweep: Path) -> list[FigureFile]:
    return tradeoff(arrange([read_sweep(sweep)]))


def costing(
    folder: Path, macs: int, wiener_psnr: float | None = None, noise_scales: tuple[float, ...] = (1.0, 9.0)
) -> None:
    """Let the run's network cost something, and say how far its Wiener estimate comes, of filters for so much noise."""
    metrics = read_json(folder / METRICS_FILE)
    metrics.setdefault("model", {})["macs_per_pixel"] = macs
    if wiener_psnr is not None:
        metrics["test"]["wiener_psnr"] = wiener_psnr
        config = yaml.safe_load((folder / CONFIG_FILE).read_text())
        config["model"]["noise_scales"] = list(noise_scales)
        (folder / CONFIG_FILE).write_text(yaml.safe_dump(config))
    write_json(folder / METRICS_FILE, metrics)


def test_networks_stand_at_their_cost_below_or_above_the_wiener_filter(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0, 2.0], model="small"), 8_000)
    costing(make_measured("b", [3.0, 4.0], model="wiener_guided"), 48_000, wiener_psnr=22.25)
    (figure_file,) = drawn(sweep)
    assert "small 21.50 at 8,000, wiener_guided 23.50 at 48,000; Wiener filter 22.25." in figure_file.alt
    assert figure_file.file == "tradeoff.png"


def test_without_a_wiener_guided_network_there_is_no_line(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0], model="m1"), 8_000)
    costing(make_measured("b", [2.0], model="m2"), 24_000)
    (figure_file,) = drawn(sweep)
    assert "filter" not in figure_file.alt


def test_a_filter_that_assumes_another_noise_is_not_the_line(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0], model="m1"), 8_000, wiener_psnr=24.5, noise_scales=(4.0, 1.0))
    costing(make_measured("b", [2.0], model="m2"), 24_000, wiener_psnr=22.25, noise_scales=(1,))
    (figure_file,) = drawn(sweep)
    assert "; Wiener filter 22.25." in figure_file.alt
    costing(sweep / "b", 24_000, wiener_psnr=22.25, noise_scales=(0.5,))
    (figure_file,) = drawn(sweep)
    assert "filter" not in figure_file.alt


def test_one_cost_alone_is_no_trade(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0], model="m1"), 8_000)
    costing(make_measured("b", [2.0], model="m2"), 8_000)
    assert drawn(sweep) == []
