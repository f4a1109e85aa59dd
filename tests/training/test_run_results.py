import math
import time
from pathlib import Path

import pytest

from deblur.metrics import METRICS
from deblur.metrics.measuring import mean_results
from deblur.training.results import stopwatch, write_images_table

INFOS = [METRICS[name].info for name in ("psnr", "ssim", "mse")]


def row(name: str, psnr: float, gain: float = 1.0, **more: object) -> dict[str, object]:
    values = dict.fromkeys(("input_psnr", "gain", "input_ssim", "ssim", "input_mse", "mse"), 1.0)
    return {"name": name, **more, **values, "psnr": psnr, "gain": gain}


def test_means_leave_out_what_is_infinite_or_undefined_and_count_it() -> None:
    rows = [row("a", 20.0), row("b", 30.0), row("c", math.inf)]
    rows[0]["ssim"] = math.nan
    means = mean_results(rows, INFOS)
    assert (means["psnr"], means["images"], means["exactly_restored"]) == (25.0, 3, 1)
    assert (means["ssim"], means["without_ssim"]) == (1.0, 1)
    assert mean_results([row("c", math.inf)], INFOS)["psnr"] is None


def test_degradation_is_a_gain_that_can_be_seen_to_be_negative() -> None:
    gains = [1.0, 0.0, -0.09, -0.11, -math.inf, math.nan, math.inf, 2.0]
    assert mean_results([row("a", 20.0, gain) for gain in gains], INFOS)["degraded"] == 2 / 8
    assert mean_results([], INFOS)["degraded"] is None


def test_the_table_has_names_then_degradations_then_values(tmp_path: Path) -> None:
    write_images_table(tmp_path, [row("a", 20.0, blur="box", size=7), row("b", math.inf, blur="disk", radius=5)], INFOS)
    lines = (tmp_path / "images.csv").read_text().splitlines()
    assert lines[0] == "name,blur,size,radius,input_psnr,psnr,gain,input_ssim,ssim,input_mse,mse"
    assert lines[1] == "a,box,7,,1.0,20.0,1.0,1.0,1.0,1.0,1.0"
    assert lines[2] == "b,disk,,5,1.0,,1.0,1.0,1.0,1.0,1.0"


def test_a_stopwatch_adds_up_and_stops_for_errors() -> None:
    seconds = {"fit": 100.0}
    with stopwatch(seconds, "fit"):
        time.sleep(0.01)
    with pytest.raises(ValueError, match="broken"), stopwatch(seconds, "test"):
        raise ValueError("broken")
    assert 100.01 <= seconds["fit"] < 101
    assert 0 <= seconds["test"] < 1
