import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from study_runs import write_run

from deblur.reporting.results import Run
from deblur.reporting.tables import NOTHING
from studies.srcnn_2022.epochs import (
    comparison,
    curves_of,
    epoch_figure,
    epoch_tables,
    opposed,
    time_table,
)
from studies.srcnn_2022.matching import IN_THE_STUDYS_WAY, Selection, select
from studies.srcnn_2022.published import read_published

Read = Callable[..., list[Run]]
GAINS = (1.0, 2.0, 3.0)
PUBLISHED = read_published()


def selected(runs: list[Run]) -> Selection:
    return select(runs, IN_THE_STUDYS_WAY)


def test_losses_stand_by_epoch_with_the_published_last(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, model="original_915", lr=0.0001, losses=(0.009, 0.008))
    write_run(tmp_path, GAINS, model="original_91115", lr=0.0001, losses=(0.007, 0.006))
    ((heading, table),) = epoch_tables(PUBLISHED, curves_of(selected(runs_of(tmp_path))))
    assert heading == "box, learning rate 0.0001"
    assert list(table.columns) == ["after epoch", "9-1-5", "9-1-1-1-5"]
    assert [list(row) for row in table.rows] == [
        ["1", "0.00900", "0.00700"],
        ["2", "0.00800", "0.00600"],
        ["study, 20", "0.0061 ± 0.0003", "0.0058 ± 0.0003"],
    ]
    assert table.marked == {2}


def test_another_rate_has_no_published_loss(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, model="original_915", lr=0.001)
    curves = curves_of(selected(runs_of(tmp_path)))
    ((_, table),) = epoch_tables(PUBLISHED, curves)
    assert [row[0] for row in table.rows] == ["1", "2"]
    assert "study" not in epoch_figure(PUBLISHED, curves).alt


def test_seeds_are_averaged_over_the_epochs_that_all_have(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, model="original_915", losses=(0.25, 0.5))
    write_run(tmp_path, GAINS, model="original_915", losses=(0.75, 1.0), seed=1)
    (curve,) = curves_of(selected(runs_of(tmp_path))).values()
    assert curve == {1: 0.5, 2: 0.75}


def test_equal_epochs_are_called_so(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path / "short", GAINS, model="original_915", losses=(0.5,) * 7)
    write_run(tmp_path / "whole", GAINS, model="original_915", losses=(0.5,) * 20)
    short, whole = (comparison(PUBLISHED, curves_of(selected(runs_of(tmp_path / name)))) for name in ("short", "whole"))
    assert "These runs have 7 epochs, so that no row of theirs is after as many epochs as the study's." in short
    assert "after equal epochs" in whole
    assert "after equal epochs" not in short


def test_a_network_that_validates_worse_while_it_trains_better_is_told(tmp_path: Path, runs_of: Read) -> None:
    write_run(
        tmp_path, GAINS, model="original_915", losses=(0.5, 0.7, 0.75), training=(0.5, 0.6, 0.625)
    )  # both are worse
    write_run(
        tmp_path, GAINS, model="original_9315", losses=(0.5, 0.3, 0.25), training=(0.5, 0.2, 0.125)
    )  # both are better
    write_run(tmp_path, GAINS, model="original_91115", losses=(0.5, 0.25, 0.75), training=(0.5, 0.25, 0.125))
    assert opposed(selected(runs_of(tmp_path))) == [
        "On box blur 9-1-1-1-5 validates worse while it trains better: from its first epoch to its last the validation "
        "loss rises from 0.50000 to 0.75000, the training loss, with dropout, falls from 0.50000 to 0.12500."
    ]


def test_the_figure_is_told_in_overrides(tmp_path: Path, runs_of: Read) -> None:
    for blur in ("box", "motion"):
        write_run(tmp_path, GAINS, model="original_915", blur=blur, lr=0.0001, losses=(0.009, 0.008))
    write_run(tmp_path, GAINS, model="original_9315", lr=0.0001, losses=(0.009, 0.007))
    figure = epoch_figure(PUBLISHED, curves_of(selected(runs_of(tmp_path))))
    assert figure.alt == (
        "Validation loss, box, learning rate 0.0001: 9-1-5 0.00800 after 2 (study 0.0061), 9-3-1-5 0.00700 after 2 "
        "(study 0.0042). Validation loss, motion, learning rate 0.0001: 9-1-5 0.00800 after 2 (study 0.0113)."
    )
    width, height = Image.open(io.BytesIO(figure.png)).size
    assert height > width  # a panel for each blur


def test_the_time_of_an_epoch_is_compared_with_the_published_one(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, GAINS, model="original_91115")
    write_run(tmp_path, GAINS, model="original_915")
    write_run(tmp_path, GAINS, model="original_915", blur="motion")
    table = time_table(PUBLISHED, selected(runs_of(tmp_path)).runs, IN_THE_STUDYS_WAY)
    assert [list(row) for row in table.rows] == [
        ["9-1-5", "a processor", "1", "32-true", "3.0", "18"],
        ["9-1-1-1-5", "a processor", "1", "32-true", "3.0", "22"],
    ]


def test_a_run_that_does_not_tell_its_time_has_none(tmp_path: Path, runs_of: Read) -> None:
    path = write_run(tmp_path, GAINS, model="original_915") / "metrics.json"
    path.write_text(path.read_text().replace('"epochs": 6.0', '"epochs": null').replace('"a processor"', "null"))
    write_run(tmp_path, GAINS, model="original_9315")
    table = time_table(PUBLISHED, selected(runs_of(tmp_path)).runs, IN_THE_STUDYS_WAY)
    assert [row[0] for row in table.rows] == ["9-3-1-5"]
    assert NOTHING not in table.rows[0]
