"""How soon our runs reach the losses that the original study published, for `studies.srcnn_2022.program`."""

import csv
from collections.abc import Mapping
from pathlib import Path

from benchmarks.results import Row
from deblur.reporting.results import Run, read_sweep
from deblur.runs.records import HISTORY_FILE
from studies.srcnn_2022.matching import OURS, select
from studies.srcnn_2022.published import Place, read_published

OUR_RATE = 1e-3  # our default
STUDY_IMAGES = 750  # for training, and as many steps an epoch


def rows_of_losses(grid: Path, step_seconds: Mapping[str, float]) -> tuple[list[Row], list[str]]:
    """Compare our times to reach each published loss with those that the study's trainings take on this machine.

    Each of the 18 published trainings (network, blur, and a rate of 1e-4 or 5e-5) is compared with our run of the same
    network and blur at our default rate, 1e-3: the same run for both of the their rates. The losses are of different
    images, and ours of images clamped to [0, 1].

    Args:
        grid: the folder of a finished `experiment=grid`.
        step_seconds: how long a training step of the study takes on this machine, by network.

    Returns:
        One row a published loss, whose network is in `step_seconds`, then one with the sums over the losses that were
        reached; and remarks.
    """
    selection = select(read_sweep(grid).runs, OURS)
    published = read_published()
    rows: list[Row] = []
    remarks = [selection.left_out] if selection.left_out else []
    for place, loss in published.losses.items():
        found = selection.configurations.get(Place(place.blur, place.network, OUR_RATE))
        if place.network not in step_seconds:
            continue
        theirs = step_seconds[place.network] * STUDY_IMAGES * published.epochs
        best, epochs, ours = _reached(found[0], loss) if found else (None, None, None)
        rows.append(
            {
                "blur": place.blur,
                "network": place.network,
                "their rate": f"{place.rate:g}",
                "published loss": loss,
                "our best loss": best,
                "our epochs": epochs,
                "ours [s]": ours,
                "theirs [s]": theirs,
                "ratio": None if ours is None else theirs / ours,
            }
        )
    missing = [f"{row['blur']} {row['network']} {row['their rate']}" for row in rows if row["ours [s]"] is None]
    if missing:
        remarks.append(f"Not reached: {', '.join(missing)}.")
    remarks += _machines([run for configuration in selection.configurations.values() for run in configuration])
    return [*rows, _sum(rows)], remarks


def _reached(run: Run, loss: float) -> tuple[float, int | None, float | None]:
    """Return a run's lowest validation loss, and epochs and seconds up to the first one that is no higher than `loss`.

    The seconds are those of history.csv: training and validation.
    """
    with (run.folder / HISTORY_FILE).open(newline="", encoding="utf-8") as file:
        history = [(float(row["val/mse"] or "nan"), float(row["seconds"])) for row in csv.DictReader(file)]
    best = min(value for value, _ in history if value == value)
    epoch = next((index for index, (value, _) in enumerate(history, 1) if value <= loss), None)
    return best, epoch, None if epoch is None else sum(taken for _, taken in history[:epoch])


def _sum(rows: list[Row]) -> Row:
    reached = [row for row in rows if row["ours [s]"] is not None]
    ours, theirs = (sum(row[column] for row in reached) for column in ("ours [s]", "theirs [s]"))
    return {
        **dict.fromkeys(rows[0]),
        "blur": f"{len(reached)} of {len(rows)} reached",
        "our epochs": sum(row["our epochs"] for row in reached),
        "ours [s]": ours,
        "theirs [s]": theirs,
        "ratio": theirs / ours if reached else None,
    }


def _machines(runs: list[Run]) -> list[str]:
    """Say what the runs were trained on: the times mean nothing on another machine."""
    kinds = {
        f"{run.metrics.get('device.name')}, {run.metrics.get('threads')} threads, {run.metrics.get('precision')}"
        for run in runs
    }
    return [f"Our runs were trained on {'; '.join(sorted(kinds))}. Compare only with a study measured on the same."]
