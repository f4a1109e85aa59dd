"""What a command would train, before it is given."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from small_trainings import SMALLEST

from deblur import train
from deblur.config import check
from deblur.console import ELLIPSIS
from deblur.runs.records import read_config
from deblur.sweeps.dry_run import bytes_of_run

Shown = pytest.CaptureFixture[str]
SMALL = ("data.max_images=16", "trainer.max_epochs=2", *SMALLEST)
AXES = ("-m", "blur=gaussian,box", "optimizer.lr=1e-3,1e-2", "sweep=four")


@pytest.fixture
def listed(tmp_path: Path, cache_root: Path, capsys: Shown) -> Callable[..., str]:
    """Run a command with dry_run=true, which succeeds and changes no file; return what it shows."""

    def call(*overrides: str, code: int = 0) -> str:
        def files() -> dict[Path, tuple[int, bytes | None]]:
            return {
                path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
                for path in tmp_path.rglob("*")
            }

        before = files()
        capsys.readouterr()
        assert (
            train.main([*SMALL, f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}", *overrides]) == code
        )
        assert files() == before
        said = capsys.readouterr()
        assert (said.err == "") is (code == 0)
        return said.out if code == 0 else said.err

    return call


def rows(shown: str) -> dict[str, list[str]]:
    """Return the cells beside each name, which may be continued in the lines below."""
    found: list[tuple[str, list[str]]] = []
    for line in shown.splitlines():
        name, *cells = [cell.strip() for cell in line.split("  ") if cell.strip()] or [""]
        if not line.startswith("  ") or name in ("run", "") or set(name) == {"─"}:
            continue
        if cells:
            found.append((name, cells))
        else:
            found[-1] = (found[-1][0] + name, found[-1][1])
    return dict(found)


def row(shown: dict[str, list[str]], name: str) -> list[str]:
    """Return the cells of a run, whose name may be shown without what all names share, and be continued."""
    (found,) = (cells for short, cells in shown.items() if is_of(short, name))
    return found


def is_of(short: str, name: str) -> bool:
    return re.match(".*".join(map(re.escape, short.split(ELLIPSIS))), name) is not None


@pytest.mark.slow
def test_the_runs_of_a_sweep_are_listed_with_their_states(
    listed: Callable[..., str], tmp_path: Path, cache_root: Path, capsys: Shown
) -> None:
    axes = [f"{blur}-lr_{lr}" for blur in ("gaussian", "box") for lr in ("0.001", "0.01")]
    shown = listed(*AXES, "dry_run=true")
    assert f"4 runs in {tmp_path / 'sweeps' / 'four'}: 0 done, 4 open." in shown
    assert "Left to do: 8 epochs, and about " in shown
    assert f"{ELLIPSIS} stands for what all names share, as in srcnn_915-gaussian" in shown
    assert [name.split(ELLIPSIS)[1] for name in rows(shown)] == axes
    assert all(cells == ["open", "0/2", "211"] for cells in rows(shown).values())
    assert not (tmp_path / "sweeps").exists()

    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert train.main([*AXES[:-1], "blur=box", "optimizer.lr=1e-3", "sweep=four", *SMALL, *places]) == 0
    (done,) = (path.parent for path in tmp_path.rglob("metrics.json"))
    capsys.readouterr()
    shown = listed(*AXES, "dry_run=true")
    assert ": 1 done, 3 open." in shown
    assert " s at the pace of finished epochs, and about" in shown
    assert row(rows(shown), done.name) == ["done", "2/2", "211"]
    assert sum(cells[0] == "open" for cells in rows(shown).values()) == 3

    status = json.loads((done / "status.json").read_text())
    (done / "status.json").write_text(json.dumps(status | {"state": "failed", "epoch": 1}))
    assert row(rows(listed(*AXES, "dry_run=true")), done.name) == ["open (failed)", "1/2", "211"]
    again = rows(listed(*AXES, "dry_run=true", "overwrite=true"))
    assert row(again, done.name) == ["open (failed, is replaced)", "0/2", "211"]
    assert yaml.safe_load((done / "config.yaml").read_text())["dry_run"] is False


@pytest.mark.slow
def test_the_listed_runs_are_those_that_are_trained(
    listed: Callable[..., str], tmp_path: Path, cache_root: Path
) -> None:
    overrides = ("-m", "seed=1,2")
    asked = set(rows(listed(*overrides, "dry_run=true")))
    assert train.main([*overrides, *SMALL, f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}"]) == 0
    trained = sorted(path.parent.name for path in tmp_path.rglob("metrics.json"))
    assert len(trained) == 2
    assert all(is_of(short, name) for short, name in zip(sorted(asked), trained, strict=True))
    assert ": 2 done, 0 open.\n" in (shown := listed(*overrides, "dry_run=true"))
    assert "Left to do" not in shown


def test_a_single_run_is_listed(listed: Callable[..., str], tmp_path: Path) -> None:
    shown = listed("dry_run=true", "model.dropout=0.5")
    assert f"1 run in {tmp_path / 'runs'}: 0 done, 1 open." in shown
    ((name, cells),) = rows(shown).items()
    assert name.startswith("srcnn_915-box-lr_0.001-")
    assert cells == ["open", "0/2", "211"]
    assert f"1 run in {tmp_path / 'sweeps' / 'a'}: " in listed("dry_run=true", "sweep=a")


def test_a_run_that_is_to_be_resumed_is_listed(tmp_path: Path, cache_root: Path, capsys: Shown) -> None:
    assert train.main([*SMALL, f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}"]) == 0
    (run,) = (path.parent for path in tmp_path.rglob("metrics.json"))
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "interrupted", "epoch": 1}))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    capsys.readouterr()
    assert train.main([f"resume={run}", "dry_run=true"]) == 0
    assert list(rows(capsys.readouterr().out).values()) == [["open (interrupted)", "1/2", "211"]]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("optimizer.lr=-1",), "optimizer.lr=-1 is not allowed: give a number above 0."),
        (("+optimizer.betas=3",), "torch.optim.Adam refuses its arguments"),
        (("+optimizer.beta=3",), "optimizer.beta is unknown: torch.optim.Adam takes lr, betas, eps, "),
        (
            ("scheduler=cosine", "+scheduler.x=3"),
            "scheduler.x is unknown: torch.optim.lr_scheduler.CosineAnnealingLR takes ",
        ),
        (("+trainer.max_epoch=3",), "trainer.max_epoch is unknown: lightning.pytorch.Trainer takes "),
        (("+trainer.limit_val_batches=-3",), "lightning.pytorch.Trainer refuses its arguments"),
        (("callbacks=early_stopping", "+callbacks.early_stopping.x=1"), "callbacks.early_stopping.x is unknown: "),
        (("model._target_=deblur.models.No",), "_target_=deblur.models.No cannot be imported"),
        (("data=folder", "data.root={empty}"), "there is no image in"),
        (("trainer.precision=16-mixed",), "trainer.precision=16-mixed needs a GPU"),
        (("dry_run=maybe",), "dry_run=maybe is not allowed: give true or false."),
    ],
)
@pytest.mark.parametrize("sweep", [(), pytest.param(("-m", "seed=1,2"), marks=pytest.mark.slow)])
def test_what_would_be_refused_is_refused(
    listed: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
    overrides: tuple[str, ...],
    sentence: str,
    sweep: tuple[str, ...],
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    shown = listed("dry_run=true", *sweep, *(word.format(empty=empty) for word in overrides), code=2)
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1
    assert sentence in shown


@pytest.mark.slow
def test_a_conflict_is_refused(listed: Callable[..., str], tmp_path: Path, cache_root: Path) -> None:
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert train.main(["-m", "seed=1", "sweep=a", *SMALL, *places]) == 0
    for overrides in (("sweep=a", "seed=2"), ("sweep=a", "-m", "seed=1,2")):
        shown = listed(*overrides, "dry_run=true", "data.max_images=17", code=2)
        assert "the sweep a was made with data.max_images=16" in shown


@pytest.mark.slow
def test_the_size_of_a_run_is_about_right(tmp_path: Path, cache_root: Path) -> None:
    overrides = ("data.max_images=40", "trainer.max_epochs=1", "trainer.precision=32-true", "trainer.accelerator=cpu")
    places = (f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}")
    assert train.main([*overrides, "data.patch_size=32", *places]) == 0
    (run,) = (path.parent for path in tmp_path.rglob("metrics.json"))
    written = sum(path.stat().st_size for path in run.rglob("*") if path.is_file())
    assert bytes_of_run(check(read_config(run), stored=True), 8_129) == pytest.approx(written, rel=0.5)
