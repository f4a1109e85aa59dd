"""Time and memory of the grid of the study, by parts: `python -m benchmarks.grid`.

Further arguments are overrides of the command: `python -m benchmarks.grid data.max_images=60 --epochs 2`.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

from benchmarks.clock import PARTS, WORDS, Run, runs_in
from benchmarks.results import Row, write_table
from benchmarks.timing import seconds

ONE_RUN = ("model=srcnn_915", "blur=box", "optimizer.lr=1e-3", "trainer.max_epochs=1")
STAGES = ("data", "fit", "test")  # of a run, in its metrics.json


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the grid once for each number of runs at a time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="a folder of real faces; without it they are drawn")
    parser.add_argument("--epochs", type=int, default=20, help="epochs of each run (default: 20)")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 2], help="runs at a time (default: 1 2)")
    parser.add_argument("overrides", nargs="*", help="overrides of the command")
    options = parser.parse_args(arguments)
    data = ["data=folder", f"data.root={options.root.absolute()}"] if options.root else []
    overrides = ["experiment=grid", *data, f"trainer.max_epochs={options.epochs}", *options.overrides]
    rows: list[Row] = []
    each: list[Row] = []
    with tempfile.TemporaryDirectory() as scratch:
        # The images are decoded or drawn before the clock starts.
        cache = Path(scratch) / "cache"
        train([*overrides, *ONE_RUN], Path(scratch), cache)
        for jobs in options.jobs:
            place = Path(scratch) / str(jobs)
            wall = seconds(partial(train, [*overrides, *launcher(jobs)], place, cache))
            runs = runs_in(place)
            rows.append(summary(runs, wall, jobs, time.time()))
            rows[-1]["wall / first"] = wall / rows[0]["wall s"]
            each += [{"at a time": jobs, **described(run)} for run in runs]
    write_table("grid_runs", "The runs of the grid, in the order of their ends", each)
    write_table("grid", f"The grid: {len(runs)} runs of {options.epochs} epochs", rows)


def launcher(jobs: int) -> list[str]:
    """Return the overrides that train several runs at a time, as `make grid JOBS=2` does."""
    return ["hydra/launcher=joblib", f"hydra.launcher.n_jobs={jobs}"] if jobs > 1 else []


def train(overrides: Sequence[str], place: Path, cache: Path) -> None:
    """Run the command in a separate process.

    Args:
        overrides: of the command.
        place: the folder of its runs.
        cache: the folder of decoded images.

    Raises:
        SystemExit: if it fails, after its own error message.
    """
    places = (f"paths.output_root={place}", f"paths.cache_root={cache}")
    command = [sys.executable, "-m", "deblur.train", *overrides, *WORDS, *places]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)


def summary(runs: Sequence[Run], wall: float, jobs: int, ended: float) -> Row:
    """Return one line: how the time of so many runs at a time is spent, and what memory they take.

    Args:
        runs: as `runs_in` returns them.
        wall: time from the command to its end [s].
        jobs: how many were trained at a time.
        ended: when the command did, by `time.time` [s].
    """
    staged = {stage: sum(run["metrics"]["seconds"].get(stage, 0.0) for run in runs) for stage in STAGES}
    parts = {part: sum(run["clock"]["seconds"][part] for run in runs) for part in PARTS}
    spent = wall * min(jobs, len(runs))  # by all processes together
    # Imports, the files between two runs, the report, and processes that wait for the last run.
    other = spent - sum(staged.values())
    processes = list(by_process(runs).values())
    gaps = [late["clock"]["began"] - early["clock"]["ended"] for group in processes for early, late in pairwise(group)]
    sizes = [[run["clock"]["resident_mib"] for run in group] for group in processes]
    return {
        "at a time": jobs,
        "wall s": wall,
        **{f"{stage} s": value for stage, value in staged.items()},
        "other, s per run": other / len(runs),
        "first step after s": statistics.median(group[0]["clock"]["first_step"] for group in processes),
        "between runs s": statistics.median(gaps) if gaps else None,
        "after the last s": ended - runs[-1]["clock"]["ended"],
        "share of other": other / spent,
        **{f"share {part}": value / spent for part, value in parts.items()},
        "peak MiB": max(run["clock"]["peak_mib"] for run in runs),
        "MiB, last / second run": max(size[-1] / size[:2][-1] for size in sizes),
    }


def described(run: Run) -> Row:
    """Return the line of one run."""
    parts, stages = run["clock"]["seconds"], run["metrics"]["seconds"]
    return {
        "run": run["name"].partition("-callbacks.clock")[0],
        **{f"{part} s": parts[part] for part in PARTS},
        "test s": stages.get("test"),
        "MiB at its end": round(run["clock"]["resident_mib"]),
        "test dB": run["metrics"]["test"]["psnr"],
    }


def by_process(runs: Sequence[Run]) -> dict[int, list[Run]]:
    """Group runs by the process that trained them, in the order of their ends."""
    groups: dict[int, list[Run]] = {}
    for run in runs:
        groups.setdefault(run["clock"]["process"], []).append(run)
    return groups


if __name__ == "__main__":
    main()
