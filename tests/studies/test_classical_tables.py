import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from study_runs import write_run

from deblur.errors import UserError
from deblur.reporting.page import read_findings
from deblur.reporting.tables import NOTHING
from studies.srcnn_2022 import write_study
from studies.srcnn_2022.classical import Compared, classical_evaluations, classical_table

GAINS = (2.0, 2.0, 2.0)
ORDER = ("box", "gaussian", "motion")
BOX = {"name": "box", "_target_": "deblur.blur.box", "size": 7, "noise_sigma": 0.0, "jpeg_quality": None}


def means(level: float, gain: float | None) -> dict[str, Any]:
    psnr = None if gain is None else level + gain
    return {"input_psnr": level, "psnr": psnr, "gain": gain, "ssim": 0.8, "images": 3, "exactly_restored": 0}


def write_evaluation(root: Path, name: str, run: Path | None, age: int = 0, **changed: Any) -> Path:
    """Write an evaluation of a run, or of baselines alone, on the test images of `write_run`."""
    network = {} if run is None else {run.name: 1.0}
    gains = {**network, "none": 0.0, "wiener": 3.0, "dct_wiener": 4.0}
    boundaries = {
        boundary: {
            "restorers": {restorer: means(level, gain - lost) for restorer, gain in gains.items()},
            "baselines": {"none": {}, "wiener": {"balance": 0.1}, "dct_wiener": {}},
            "margin": [3, 3],
        }
        for boundary, level, lost in (("symmetric", 21.0, 0.0), ("valid", 20.5, 0.5))
    }
    content = {
        "run": None if run is None else str(run),
        "split": "test",
        "boundaries": boundaries,
        "blur": BOX,
        "data": {"settings": {"seed": 0, "root": "elsewhere", "boundary": "valid"}, "fingerprint": "f" * 64},
    }
    path = root / "evaluations" / name / "metrics.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content | changed))
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


def compared_in(*sweeps: Path) -> Sequence[Compared]:
    findings = read_findings(sweeps)
    return classical_evaluations(findings.sweeps, findings.answers, ORDER)


def test_a_network_is_compared_with_the_classical_restorers(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    write_evaluation(tmp_path, "one", run)
    table = classical_table(compared_in(run.parent))
    assert list(table.columns) == [
        "blur",
        "restorer",
        "symmetric boundary, PSNR [dB]",
        "symmetric boundary, gain [dB]",
        "valid boundary, PSNR [dB]",
        "valid boundary, gain [dB]",
    ]
    assert [list(row) for row in table.rows] == [
        ["box", "blurred input", "21.00", NOTHING, "20.50", NOTHING],
        ["box", "srcnn_915 at 0.001", "22.00", "+1.00", "21.00", "+0.50"],
        ["box", "Wiener", "24.00", "+3.00", "23.00", "+2.50"],
        ["box", "DCT-Wiener", "25.00", "+4.00", "24.00", "+3.50"],
    ]


def test_baselines_alone_and_other_networks_are_shown_as_what_they_are(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    write_evaluation(tmp_path, "alone", None)
    (one,) = compared_in(run.parent)
    assert (list(one.networks), list(one.baselines)) == ([], ["Wiener", "DCT-Wiener"])
    write_evaluation(tmp_path, "other", tmp_path / "sweeps" / "another" / "srcnn_915-motion", age=-9)
    (one,) = compared_in(run.parent)
    assert list(one.networks) == ["srcnn_915-motion"]


def test_the_newest_evaluation_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    write_evaluation(tmp_path, "a", None, age=1)
    write_evaluation(tmp_path, "b", run, age=0)
    write_evaluation(tmp_path, "c", None, age=2)
    (one,) = compared_in(run.parent, run.parent)
    assert list(one.networks) == ["srcnn_915 at 0.001"]


@pytest.mark.parametrize(
    "changed",
    [
        {"split": "all"},
        {"blur": BOX | {"size": 9}},
        {"blur": BOX | {"noise_sigma": 2.0}},
        {"data": {"settings": {"seed": 0}, "fingerprint": "0" * 64}},
        {"data": {"settings": {"seed": 1}, "fingerprint": "f" * 64}},
        {"boundaries": None},
        {"boundaries": {"symmetric": {"restorers": {}, "baselines": {"wiener": {}}}}},
        {"boundaries": {boundary: {"restorers": {}, "baselines": {"none": {}}} for boundary in ("symmetric", "valid")}},
    ],
)
def test_what_cannot_are_compared_with_our_runs_is_left_out(tmp_path: Path, changed: dict[str, Any]) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    write_evaluation(tmp_path, "one", run, **changed)
    assert compared_in(run.parent) == []


def test_an_image_set_that_is_restored_exactly_has_no_mean(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    exact = {"restorers": {"wiener": means(21.0, None)}, "baselines": {"wiener": {}}}
    write_evaluation(tmp_path, "one", None, boundaries={"symmetric": exact, "valid": exact})
    (_, row) = classical_table(compared_in(run.parent)).rows
    assert list(row) == ["box", "Wiener", *[NOTHING] * 4]


@pytest.mark.parametrize(
    "boundaries",
    [
        7,
        ["symmetric", "valid"],
        {boundary: {"restorers": {}} for boundary in ("symmetric", "valid")},
        {boundary: {"restorers": {}, "baselines": {"wiener": {}}} for boundary in ("symmetric", "valid")},
        {boundary: {"restorers": {"wiener": {}}, "baselines": {"wiener": {}}} for boundary in ("symmetric", "valid")},
        {
            boundary: {"restorers": {"wiener": means(1, 1) | {"psnr": "x"}}, "baselines": {"wiener": {}}}
            for boundary in ("symmetric", "valid")
        },
    ],
)
def test_a_damaged_evaluation_is_named(tmp_path: Path, boundaries: object) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    path = write_evaluation(tmp_path, "one", run, boundaries=boundaries)
    with pytest.raises(UserError, match=f"{path} is damaged"):
        compared_in(run.parent)


def test_a_file_that_is_no_json_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    path = write_evaluation(tmp_path, "one", run)
    path.write_text("{")
    with pytest.raises(UserError, match=f"{path} is damaged"):
        compared_in(run.parent)


def test_the_page_tells_what_the_table_means(tmp_path: Path, lines_of: Callable[[Path], Sequence[str]]) -> None:
    run = write_run(tmp_path / "sweeps" / "grid", GAINS)
    write_evaluation(tmp_path, "one", run)
    lines = lines_of(write_study(read_findings([run.parent]), tmp_path / "out"))
    start = lines.index("## Comparison with classical restorers")
    text = "\n".join(lines[start : lines.index("## How it was made")])
    assert "Classical restorers know the kernel, the networks do not." in text
    assert "measured on the same crops" in text
    assert "DCT-Wiener is the optimal linear filter for the symmetric boundary." in text
    assert "| box | srcnn_915 at 0.001 | 22.00 | +1.00 | 21.00 | +0.50 |" in text
    assert "python -m" not in text
