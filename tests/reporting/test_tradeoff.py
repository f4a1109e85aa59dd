from collections.abc import Callable
from pathlib import Path

from deblur.files import write_json
from deblur.reporting.cells import arrange
from deblur.reporting.pictures import Picture
from deblur.reporting.results import read_sweep
from deblur.reporting.tradeoff import tradeoff
from deblur.runs import METRICS_FILE, read_json

Files = Callable[..., Path]


def drawn(sweep: Path) -> list[Picture]:
    return tradeoff(arrange([read_sweep(sweep)]))


def costing(folder: Path, macs: int, guide_psnr: float | None = None) -> None:
    """Let the run's network cost something, and say how far its guide comes."""
    metrics = read_json(folder / METRICS_FILE)
    metrics.setdefault("model", {})["macs_per_pixel"] = macs
    if guide_psnr is not None:
        metrics["test"]["guide_psnr"] = guide_psnr
    write_json(folder / METRICS_FILE, metrics)


def test_networks_stand_at_their_cost_below_or_above_the_linear_filter(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0, 2.0], model="small"), 8_000)
    costing(make_measured("b", [3.0, 4.0], model="guided"), 48_000, guide_psnr=22.25)
    (picture,) = drawn(sweep)
    assert "small 21.50 at 8,000, guided 23.50 at 48,000; linear filter 22.25." in picture.alt
    assert picture.file == "tradeoff.png"


def test_without_a_guided_network_there_is_no_line(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0], model="m1"), 8_000)
    costing(make_measured("b", [2.0], model="m2"), 24_000)
    (picture,) = drawn(sweep)
    assert "linear filter" not in picture.alt


def test_one_cost_alone_is_no_trade(make_measured: Files, sweep: Path) -> None:
    costing(make_measured("a", [1.0], model="m1"), 8_000)
    costing(make_measured("b", [2.0], model="m2"), 8_000)
    assert drawn(sweep) == []
