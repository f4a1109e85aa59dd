"""Every command on consoles of every kind: nothing that is printed stops it, and its files are complete."""

import json
import os
import pty
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from PIL import Image
from sampling import sampled
from small_trainings import SMALLEST

from deblur import train
from deblur.synthesis.faces import draw

pytestmark = pytest.mark.slow

SMALL = ("data.max_images=16", "trainer.max_epochs=1", *SMALLEST)
ENCODINGS = ("cp1252", "cp932", "cp850", "ascii")
REDIRECTS = (">&-", ">&- 2>&-", ">/dev/full", ">/dev/full 2>/dev/full", "| true", "2>&1 | head -c 20")
LOST = "warning: standard output could not be written (No space left on device): what was printed is not complete.\n"


@pytest.fixture(scope="session")
def _swept(tmp_path_factory: pytest.TempPathFactory, cache_root: Path) -> Path:
    """A folder with a sweep of two finished runs and an image; tests work on a copy."""
    place = tmp_path_factory.mktemp("consoles")
    places = (f"paths.output_root={place / 'outputs'}", f"paths.cache_root={cache_root}")
    assert train.main(["-m", "blur=box,gaussian", "sweep=two", *SMALL, *places]) == 0
    Image.fromarray(draw(3, 0)[:96, :96]).save(place / "face.png")
    return place


class Place:
    """A folder of its own to run commands in, through a shell."""

    def __init__(self, folder: Path, cache_root: Path) -> None:
        self.folder = folder
        self._environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "XDG_CACHE_HOME": str(cache_root),
        }

    def run(
        self, overrides: Sequence[str], redirect: str = "", encoding: str = "utf-8"
    ) -> subprocess.CompletedProcess[str]:
        module, *others = overrides
        command = shlex.join([sys.executable, "-m", module, *others])
        return subprocess.run(
            ["bash", "-c", f"set -o pipefail; {command} {redirect}"],
            cwd=self.folder,
            env=self._environment | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            encoding=encoding,
            errors="replace",
        )

    def run_on_terminal(
        self, overrides: Sequence[str], encoding: str = "utf-8", leaves_after: int | None = None
    ) -> int:
        """Run a command on a terminal; return its exit code.

        Args:
            overrides: the module and its words.
            encoding: of the terminal.
            leaves_after: close the terminal after so many bytes.
        """
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", *overrides],
            cwd=self.folder,
            env=self._environment | {"PYTHONIOENCODING": encoding, "TERM": "xterm", "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        seen = 0
        while leaves_after is None or seen < leaves_after:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the last one has closed it
                break
            if not part:
                break
            seen += len(part)
        os.close(ours)
        return process.wait(timeout=300)

    @property
    def run_of_sweep(self) -> str:
        return str(next(self.folder.glob("outputs/sweeps/two/*-box-*")).relative_to(self.folder))


@pytest.fixture
def place(_swept: Path, tmp_path: Path, cache_root: Path) -> Place:
    shutil.copytree(_swept, tmp_path / "place")
    return Place(tmp_path / "place", cache_root)


def refuse_tracebacks(done: subprocess.CompletedProcess[str]) -> None:
    for said in (done.stdout, done.stderr):
        for word in ("Traceback", "Logging error", "Exception ignored", "UnicodeEncodeError", "BrokenPipeError"):
            assert word not in said


def trained(folder: Path) -> None:
    (run,) = (path.parent for path in folder.glob("outputs/runs/*/*/status.json"))
    assert json.loads((run / "status.json").read_text())["state"] == "done"
    assert json.loads((run / "metrics.json").read_text())["test"]["images"] == 2
    log = (run / "train.log").read_text(encoding="utf-8")
    assert "Means over 2 test images" in log
    assert "Everything is in" in log


def swept(folder: Path) -> None:
    runs = [json.loads(path.read_text()) for path in folder.glob("outputs/sweeps/new/*/status.json")]
    assert [run["state"] for run in runs] == ["done", "done"]
    report = folder / "outputs" / "sweeps" / "new" / "report"
    assert {"report.html", "report.md", "results.csv"} <= {path.name for path in report.iterdir()}


def has(pattern: str) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        (path,) = folder.glob(pattern)
        assert path.stat().st_size > 0

    return check


def nothing(_: Path) -> None:
    pass


# What is asked for, and what checks the files that it leaves. RUN stands for a finished run.
COMMANDS: dict[str, tuple[tuple[str, ...], Callable[[Path], None]]] = {
    "train": (("deblur.train", *SMALL), trained),
    "sweep": (("deblur.train", "-m", "blur=box,disk", "sweep=new", *SMALL), swept),
    "sweep in processes": (
        (
            "deblur.train",
            "-m",
            "blur=box,disk",
            "sweep=new",
            *SMALL,
            "hydra/launcher=joblib",
            "hydra.launcher.n_jobs=2",
        ),
        swept,
    ),
    "report": (("deblur.report", "two"), has("outputs/sweeps/two/report/report.html")),
    "study": (("studies.srcnn_2022", "two", "--output", "out"), has("out/original_study.md")),
    "evaluate": (("deblur.evaluate", "run=RUN", "accelerator=cpu", "output=out"), has("out/metrics.json")),
    "evaluate a sweep": (("deblur.evaluate", "sweep=two", "accelerator=cpu"), nothing),
    "compare": (("deblur.evaluate", "compare=[RUN,RUN]", "output=out"), has("out/differences.csv")),
    "matrix": (
        ("deblur.evaluate", "sweep=two", "matrix=true", "accelerator=cpu"),
        has("outputs/sweeps/two/matrix.csv"),
    ),
    "restore": (("deblur.restore", "face.png", "--output=out.png", "--accelerator=cpu"), has("out.png")),
    "simulate": (
        ("deblur.restore", "face.png", "--output=out.png", "--simulate=training", "--network=RUN", "--accelerator=cpu"),
        has("out-simulated.png"),
    ),
    "export": (("deblur.export", "RUN", "--format=onnx", "--output=out"), has("out/*.onnx")),
    "help": (("deblur.train", "--help"), nothing),
    "configuration": (("deblur.evaluate", "--cfg", "job", "run=RUN"), nothing),
    "faces": (("deblur.synthesis.faces", "--sheet", "out.png", "--count", "2"), has("out.png")),
    "help of faces": (("deblur.synthesis.faces", "--help"), nothing),
}


def in_turn(kinds: Sequence[str], each: int) -> list[tuple[str, str]]:
    """Pair a training with all kinds, and every other command with some, in turn."""
    pairs = []
    for start, name in enumerate(COMMANDS):
        several = range(len(kinds) if name == "train" else each)
        pairs += [(name, kinds[(start * each + one) % len(kinds)]) for one in several]
    return pairs


@pytest.mark.parametrize(("name", "encoding"), sampled(in_turn(ENCODINGS, 1), 2))
def test_a_command_works_in_every_encoding(place: Place, name: str, encoding: str) -> None:
    overrides, check = COMMANDS[name]
    done = place.run([word.replace("RUN", place.run_of_sweep) for word in overrides], encoding=encoding)
    refuse_tracebacks(done)
    assert (done.returncode, done.stderr) == (0, "")
    check(place.folder)


SILENT = ("faces",)  # a sheet that is written needs no word


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "redirect"), in_turn(REDIRECTS, 2))
def test_a_command_works_whatever_becomes_of_what_it_prints(place: Place, name: str, redirect: str) -> None:
    overrides, check = COMMANDS[name]
    done = place.run([word.replace("RUN", place.run_of_sweep) for word in overrides], redirect)
    refuse_tracebacks(done)
    assert done.returncode == 0
    is_lost = redirect == ">/dev/full" and name not in SILENT
    assert done.stderr == (LOST if is_lost else "")
    check(place.folder)


@pytest.mark.exhaustive
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("name", ["train", "sweep", "restore"])
def test_progress_bars_are_drawn_in_every_encoding(place: Place, name: str, encoding: str) -> None:
    overrides, check = COMMANDS[name]
    assert place.run_on_terminal(overrides, encoding) == 0
    check(place.folder)


@pytest.mark.parametrize("name", ["train", "sweep", "restore", "report"])
def test_a_terminal_that_goes_away_stops_nothing(place: Place, name: str) -> None:
    overrides, check = COMMANDS[name]
    assert place.run_on_terminal(overrides, leaves_after=1) == 0
    check(place.folder)
