"""The results of a measurement: a table on the screen, and JSON."""

import platform
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from deblur.console import table
from deblur.device import DeviceRequest, taken_device
from deblur.files import write_json
from deblur.training.results import versions

ROOT = Path("outputs/benchmarks")
Row = dict[str, Any]


def machine() -> dict[str, Any]:
    """Return what the figures were measured on."""
    with taken_device(DeviceRequest()) as device:
        return {
            "processor": torch.cpu.get_capabilities().get("cpu_name") or platform.processor(),
            "device": device.name,
            "threads": device.threads,
            "precision": device.precision,
            "versions": versions(),
        }


def write_table(name: str, title: str, rows: Sequence[Row]) -> Path:
    """Print the rows as a table, write them to `outputs/benchmarks/NAME.json`, and return that path.

    Args:
        name: of the measurement.
        title: of the table.
        rows: one mapping per line, with the same keys: text, numbers, or None for missing values.
    """
    columns = list(rows[0])
    print(table(title, columns, [[_shown(row[column]) for column in columns] for row in rows]))
    path = ROOT / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"title": title, "rows": list(rows), "machine": machine()})
    print(f"written to {path}")
    return path


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of first / second over interleaved pairs of measurements."""
    return statistics.median(first / second for first, second in pairs)


def _shown(value: Any) -> str:
    return "-" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)
