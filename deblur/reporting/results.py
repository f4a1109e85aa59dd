"""Run folders -> one table."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deblur.errors import UserError
from deblur.runs import CONFIG_FILE, METRICS_FILE, STATUS_FILE, flatten, read_config, read_json, state_of

Row = dict[str, Any]


def collect(folder: Path) -> list[Row]:
    """Read every run below a folder.

    Returns:
        One row a run, by path: its folder, state, settings (`model`, `blur`, `lr`, `seed`) and all of metrics.json,
        with dotted names; a run that is not done has no metrics.

    Raises:
        UserError: for a damaged file of a run.
    """
    return [_row(status.parent, folder) for status in sorted(folder.rglob(STATUS_FILE))]


def _row(run: Path, folder: Path) -> Row:
    settings = flatten(read_config(run))
    lacking = [key for key in ("model._target_", "blur._target_", "optimizer.lr", "seed") if key not in settings]
    if lacking:
        raise UserError(f"{run / CONFIG_FILE} is damaged: it lacks {', '.join(lacking)}.")
    row: Row = {
        "run": run.relative_to(folder).as_posix() if run != folder else run.name,
        "state": state_of(run),
        "model": settings.get("model.name") or settings["model._target_"],
        "blur": settings.get("blur.name") or settings["blur._target_"],
        "lr": settings["optimizer.lr"],
        "seed": settings["seed"],
    }
    if (run / METRICS_FILE).is_file():
        row |= flatten(read_json(run / METRICS_FILE))
    return row


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the main columns of a table of runs as Markdown, one line a run."""
    columns = {
        "model": "model",
        "blur": "blur",
        "lr": "learning rate",
        "seed": "seed",
        "state": "state",
        "test.input_psnr": "blurred [dB]",
        "test.psnr": "restored [dB]",
        "test.gain": "gain [dB]",
        "test.input_ssim": "SSIM blurred",
        "test.ssim": "SSIM restored",
    }
    digits = {
        "test.input_psnr": ".2f",
        "test.psnr": ".2f",
        "test.gain": "+.2f",
        "test.input_ssim": ".4f",
        "test.ssim": ".4f",
    }
    lines = ["| " + " | ".join(columns.values()) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        cells = (row.get(column) for column in columns)
        shown = [
            "" if cell is None else f"{cell:{digits[column]}}" if column in digits else str(cell)
            for column, cell in zip(columns, cells, strict=True)
        ]
        lines.append("| " + " | ".join(shown) + " |")
    return "\n".join(lines)
