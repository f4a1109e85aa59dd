from collections.abc import Sequence
from pathlib import Path

from run_files import write_table
from study_runs import write_run

from deblur.reporting.page import read_findings
from deblur.reporting.tables import NOTHING
from studies.srcnn_2022.receptive_field import (
    ReceptiveFields,
    receptive_field_figures,
    receptive_field_sentences,
    receptive_field_table,
    receptive_fields,
)

INPUT = 22.0  # mean PSNR of the blurred test images of write_run [dB]
BLURS = ("box", "gaussian", "motion")


def write_filters(run: Path, psnr: dict[int, float], level: float = INPUT) -> Path:
    """Write the filters of a run's test images into its sweep."""
    rows = [
        {"run": run.name, "size": size, "psnr": one, "input_psnr": level, "gain": one - level}
        for size, one in psnr.items()
    ]
    path = run.parent / "filters.csv"
    write_table(path, rows)
    return path


def seen(*sweeps: Path) -> Sequence[ReceptiveFields]:
    findings = read_findings(sweeps)
    return receptive_fields(findings.sweeps, findings.answers, BLURS)


def test_networks_are_compared_with_the_filter_of_the_same_receptive_field(tmp_path: Path) -> None:
    run = write_run(tmp_path, (2.0, 2.0, 2.0))
    write_run(tmp_path, (1.0, 1.0, 1.0), lr=0.0001)  # the same network, not at its best
    write_run(tmp_path, (3.0, 3.0, 3.0), model="srcnn_9315", field=15)
    write_filters(run, {5: 22.5, 13: 23.25, 15: 24.0, 27: 26.0, 41: 26.5})
    found = seen(tmp_path)
    assert [list(row) for row in receptive_field_table(found).rows] == [
        ["box", "blurred input", NOTHING, NOTHING, "22.00", NOTHING, NOTHING],
        ["box", "srcnn_915", "0.001", "13", "24.00", "23.25", "+0.75"],
        ["box", "srcnn_9315", "0.001", "15", "25.00", "24.00", "+1.00"],
        ["box", NOTHING, NOTHING, "27", NOTHING, "26.00", NOTHING],
        ["box", NOTHING, NOTHING, "41", NOTHING, "26.50", NOTHING],
    ]
    assert receptive_field_sentences(found) == [
        "On box blur the largest receptive field here is 15 px. Compared with the optimal linear filter of that size, "
        "those of larger sizes reach +2.00 dB with 27 px and +2.50 dB with 41 px."
    ]
    (figure,) = receptive_field_figures(found)
    assert figure.file == "filters_box.png"
    assert "15 px 24.00" in figure.alt
    assert "srcnn_9315 (15 px) 25.00" in figure.alt


def test_a_size_that_was_not_measured_is_a_dash(tmp_path: Path) -> None:
    write_filters(write_run(tmp_path, (2.0, 2.0, 2.0)), {5: 22.5})
    found = seen(tmp_path)
    assert list(receptive_field_table(found).rows[-1]) == ["box", "srcnn_915", "0.001", "13", "24.00", NOTHING, NOTHING]
    assert receptive_field_sentences(found) == []


def test_filters_of_other_images_are_left_out(tmp_path: Path) -> None:
    write_filters(write_run(tmp_path, (2.0, 2.0, 2.0)), {13: 23.0}, level=INPUT + 0.5)
    assert seen(tmp_path) == []


def test_the_filters_of_a_whole_sweep_are_known_by_a_run(tmp_path: Path) -> None:
    run = write_run(tmp_path / "one", (2.0, 2.0, 2.0), blur="motion")
    write_run(tmp_path / "two", (2.0, 2.0, 2.0))
    row = {"run": run.name, "size": 13, "psnr": 23.0, "input_psnr": INPUT, "gain": 1.0}
    write_table(tmp_path / "one" / "filters.csv", [row, row | {"run": "another"}])
    (one,) = seen(tmp_path / "one", tmp_path / "two")
    assert (one.blur, [row["psnr"] for row in one.filters]) == ("motion", [23.0])


def test_filters_may_lie_in_any_of_the_sweeps(tmp_path: Path) -> None:
    motion, _ = (write_run(tmp_path / "one", (2.0, 2.0, 2.0), blur=blur) for blur in ("motion", "box"))
    write_filters(write_run(tmp_path / "two", (1.0, 2.0, 2.0), seed=1), {13: 23.0})
    write_filters(motion, {13: 24.0})
    assert [one.blur for one in seen(tmp_path / "one", tmp_path / "two")] == ["box", "motion"]
