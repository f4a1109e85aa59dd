import copy
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from constructed import constructed

from deblur.errors import UserError
from deblur.reading import read_json
from deblur.runs.folder import RunFolder
from deblur.runs.locking import FolderLock
from deblur.runs.records import read_sweep_file
from deblur.sweeps.sweep import Job, Sweep

CONFIG: dict[str, Any] = {
    "model": {"name": "srcnn_915"},
    "data": {"_target_": "deblur.data.FolderData", "name": "folder", "root": "/a", "seed": 0, "batch_size": 16},
    "optimizer": {"lr": 0.001},
    "seed": 0,
    "overwrite": False,
}


def job(folder: Path, name: str, **changes: Any) -> Job:
    config = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        *sections, last = key.split("__")
        node = config
        for section in sections:
            node = node[section]
        node[last] = value
    return Job((name,), constructed(config), folder / name)


def conflict(sweep: Sweep) -> str | None:
    found = sweep.first_conflict()
    return None if found is None else f"{found[0].folder.name}: {found[1]}"


def noted(folder: Path) -> dict[str, Any]:
    return read_json(folder / "sweep.json")


def test_commands_and_runs_are_added_to_earlier_ones(tmp_path: Path) -> None:
    Sweep(tmp_path, (job(tmp_path, "a"), job(tmp_path, "b"))).write_file("first")
    Sweep(tmp_path, (job(tmp_path, "b"), job(tmp_path, "c"))).write_file("second")
    Sweep(tmp_path, (job(tmp_path, "a"),)).write_file("first")
    assert noted(tmp_path)["runs"] == ["a", "b", "c"]
    assert noted(tmp_path)["commands"] == ["first", "second"]


def test_commands_given_at_once_are_all_noted(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for name in "abcdefgh":
            pool.submit(Sweep(tmp_path, (job(tmp_path, name),)).write_file, name)
    assert sorted(noted(tmp_path)["runs"]) == sorted(noted(tmp_path)["commands"]) == list("abcdefgh")


def test_other_images_are_a_conflict(tmp_path: Path) -> None:
    Sweep(tmp_path, (job(tmp_path, "a"),)).write_file("first")
    assert conflict(Sweep(tmp_path, (job(tmp_path, "a"), job(tmp_path, "b", data__batch_size=4)))) is None
    assert conflict(Sweep(tmp_path, (job(tmp_path, "a"), job(tmp_path, "b", data__root="/b")))) == (
        f"b: the sweep {tmp_path.name} was made with data.root=/a, and its runs could not be compared with one on "
        "data.root=/b: choose another name with sweep=NAME."
    )


@pytest.mark.parametrize(("first", "then"), [({}, "rgb"), ({"data__color": "rgb"}, "gray")])
def test_images_of_another_color_are_a_conflict(tmp_path: Path, first: dict[str, Any], then: str) -> None:
    Sweep(tmp_path, (job(tmp_path, "a", **first),)).write_file("first")
    found = conflict(Sweep(tmp_path, (job(tmp_path, "b", data__color=then),)))
    other = {"rgb": "gray", "gray": "rgb"}[then]
    assert f"was made with data.color={other}, and" in str(found)
    assert f"with one on data.color={then}: choose" in str(found)


def test_a_sweep_may_go_through_a_setting_of_its_images(tmp_path: Path) -> None:
    jobs = tuple(job(tmp_path, f"seed_{seed}", data__seed=seed) for seed in range(2))
    Sweep(tmp_path, jobs).write_file("first")
    assert conflict(Sweep(tmp_path, (job(tmp_path, "seed_2", data__seed=2),))) is None
    assert "data.root" in str(conflict(Sweep(tmp_path, (job(tmp_path, "seed_2", data__root="/b"),))))


@pytest.mark.parametrize("key", ["data.folds", "data.color"])
def test_a_sweep_of_an_earlier_version_has_the_images_that_its_runs_had(tmp_path: Path, key: str) -> None:
    first = job(tmp_path, "a")
    with RunFolder(first.folder, first.config.plain()):
        pass
    Sweep(tmp_path, (first,)).write_file("first")
    content = noted(tmp_path)
    for added in ("data.color", "data.fold", "data.folds"):
        del content["data"][added]
    (tmp_path / "sweep.json").write_text(json.dumps(content))
    asked, before = {"data.folds": (3, "null"), "data.color": ("rgb", "gray")}[key]
    other = job(tmp_path, "b", **{key.replace(".", "__"): asked})
    assert f"was made with {key}={before}, and" in str(conflict(Sweep(tmp_path, (other,))))
    again = Sweep(tmp_path, (job(tmp_path, "b"),))
    assert conflict(again) is None
    again.write_file("second")
    assert noted(tmp_path)["data"][key] == (None if before == "null" else before)


def test_a_sweep_that_goes_through_numbers_of_folds_takes_another(tmp_path: Path) -> None:
    jobs = tuple(job(tmp_path, f"of_{count}", data__folds=count, data__fold=0) for count in (3, 5))
    with RunFolder(jobs[0].folder, jobs[0].config.plain()):
        pass
    Sweep(tmp_path, jobs).write_file("first")
    assert conflict(Sweep(tmp_path, (*jobs, job(tmp_path, "of_4", data__folds=4, data__fold=0)))) is None


def test_another_configuration_in_its_place_is_a_conflict_that_can_be_overwritten(tmp_path: Path) -> None:
    first = job(tmp_path, "a")
    with RunFolder(first.folder, first.config.plain()):
        pass
    assert conflict(Sweep(tmp_path, (first,))) is None
    sentence = conflict(Sweep(tmp_path, (job(tmp_path, "b"), job(tmp_path, "a", optimizer__lr=1.0))))
    assert sentence is not None
    assert sentence.startswith(f"a: The run {tmp_path / 'a'} was made with another configuration (optimizer.lr differ)")
    assert conflict(Sweep(tmp_path, (job(tmp_path, "a", optimizer__lr=1.0, overwrite=True),))) is None


def damage(path: Path, how: str) -> None:
    """Damage a file; `how` names what a disk, a program or a person does to it."""
    path.unlink(missing_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how == "unreadable":
        path.symlink_to("/proc/self/mem")  # an input/output error
    else:
        contents = {"empty": "", "cut": '{"a', "zeros": "\0" * 99, "nested": "[" * 10**5, "list": "[1]", "text": "3"}
        path.write_text(contents[how])


DAMAGES = ("empty", "cut", "zeros", "nested", "list", "text", "folder", "pipe", "unreadable")


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_sweep_file_is_reported_and_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    first = job(tmp_path, "a")
    with RunFolder(first.folder, first.config.plain()):
        pass
    Sweep(tmp_path, (first,)).write_file("first")
    damage(tmp_path / "sweep.json", how)
    # The runs tell which images the sweep is about.
    assert "was made with data.root=/a" in str(conflict(Sweep(tmp_path, (job(tmp_path, "b", data__root="/b"),))))
    again = Sweep(tmp_path, (job(tmp_path, "b"),))
    assert conflict(again) is None
    assert capsys.readouterr().out == ""
    again.write_file("second")
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path / 'sweep.json'} ")
    assert said.endswith(" This command writes it again, and keeps the old one as sweep.json.damaged-1.\n")
    assert noted(tmp_path)["runs"] == ["a", "b"]
    assert noted(tmp_path)["commands"] == ["second"]
    assert noted(tmp_path)["data"]["data.root"] == "/a"
    assert os.path.lexists(tmp_path / "sweep.json.damaged-1")


@pytest.mark.parametrize("file", ["status.json", "config.yaml", "history.csv", "metrics.json", "images.csv"])
@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_run_keeps_no_other_from_being_trained(tmp_path: Path, file: str, how: str) -> None:
    first = job(tmp_path, "a")
    with RunFolder(first.folder, first.config.plain()):
        pass
    (first.folder / "metrics.json").write_text('{"test": {}}')
    damage(first.folder / file, how)
    assert conflict(Sweep(tmp_path, (first, job(tmp_path, "b")))) is None
    refused = conflict(Sweep(tmp_path, (job(tmp_path, "b"), job(tmp_path, "a", fail_fast=True))))
    assert refused is not None
    assert refused.startswith(f"a: {first.folder / file} ")  # no run would be started after it
    assert conflict(Sweep(tmp_path, (job(tmp_path, "a", fail_fast=True, overwrite=True),))) is None


def test_a_note_that_names_a_place_elsewhere_is_damaged(tmp_path: Path) -> None:
    for name in ("../evil", "/etc", "..", "a\\b", ""):
        (tmp_path / "sweep.json").write_text(json.dumps({"runs": ["a", name]}))
        with pytest.raises(UserError, match="is no name of a run"):
            read_sweep_file(tmp_path)


def test_a_lock_that_cannot_be_had_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deblur.sweeps.sweep._LONGEST_WAIT", 0.1)
    sweep = Sweep(tmp_path, (job(tmp_path, "a"),))
    with FolderLock(tmp_path, ".sweep.lock", patience=0), pytest.raises(UserError, match=r"has held .*\.sweep\.lock"):
        sweep.write_file("first")
    (tmp_path / ".sweep.lock").unlink()
    with FolderLock(tmp_path, ".sweep.lock", patience=0) as lock:
        (tmp_path / ".sweep.lock").unlink()
        with pytest.raises(UserError, match="has held"):
            sweep.write_file("first")
        assert lock.is_in_place()
    sweep.write_file("first")
    assert noted(tmp_path)["commands"] == ["first"]
