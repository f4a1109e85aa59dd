"""Separate Python processes: their output, duration and memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

KIB = 1024
SECONDS_BETWEEN_LOOKS = 0.01  # at the memory of a process


class Finished(NamedTuple):
    """The output of a process, and the peak memory of it and of the largest of its child processes [MiB]."""

    output: dict[str, Any]
    seconds: float
    peak_mib: float
    worker_mib: float


def since_start() -> float:
    """Return the seconds since this process was started; proc(5)."""
    started = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])  # field 22, in clock ticks
    return float(Path("/proc/uptime").read_text().split()[0]) - started / os.sysconf("SC_CLK_TCK")


def run(*overrides: str) -> Finished:
    """Run Python in a separate process and watch its memory. Its output is its last line that is JSON.

    Raises:
        RuntimeError: if it failed.
    """
    began = time.time()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([sys.executable, "-m", *overrides], stdout=output)
        peak = worker = 0.0
        while process.poll() is None:
            peak = max(peak, anonymous_mib(process.pid))
            worker = max([worker, *map(anonymous_mib, children(process.pid))])
            time.sleep(SECONDS_BETWEEN_LOOKS)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise RuntimeError(f"{' '.join(overrides)} failed:\n{text}")
    outputs = [line for line in text.splitlines() if line.startswith("{")]
    return Finished(json.loads(outputs[-1]) if outputs else {}, time.time() - began, peak, worker)


def anonymous_mib(process: int) -> float:
    """Return the memory of a process that is no page of a file [MiB]; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / KIB


def children(process: int) -> list[int]:
    """Return the processes that a process has started."""
    try:
        return [
            int(child)
            for task in Path(f"/proc/{process}/task").iterdir()
            for child in (task / "children").read_text(encoding="ascii").split()
        ]
    except OSError:
        return []
