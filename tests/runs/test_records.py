import copy
import json
from pathlib import Path
from typing import Any

import pytest
from run_settings import refusal

from deblur.runs.records import read_config, read_search_file
from deblur.runs.states import state_of


def test_what_is_no_run_is_a_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        assert refusal(read_config, folder) == (
            f"{folder} is no run: it has no config.yaml. Give a folder such as outputs/runs/RUN/TIME."
        )
    assert state_of(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"a: [1", b"3", b"- 1", b"\xff\xfe\xff", b"a: 1\n  b: 2"])
def test_a_damaged_configuration_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.yaml").write_bytes(content)
    assert refusal(read_config, tmp_path).startswith(f"{tmp_path / 'config.yaml'} is damaged")


@pytest.mark.parametrize("content", [b"", b"{", b'{"state": "done"', b"[]", b"3", b"null", b"\xff\xfe"])
def test_a_damaged_json_file_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "status.json").write_bytes(content)
    assert refusal(state_of, tmp_path).startswith(f"{tmp_path / 'status.json'} is damaged")


@pytest.mark.parametrize("content", ["{}", '{"state": "finished"}', '{"state": null}', '{"state": ["done"]}'])
def test_a_status_without_a_state_is_a_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "status.json").write_text(content)
    assert refusal(state_of, tmp_path).startswith(f"{tmp_path / 'status.json'} is damaged (state: ")


SEARCH: dict[str, Any] = {
    "wanted": 2,
    "rungs": [2, 4],
    "eta": 2,
    "seed": 0,
    "space": {"lr": {"log": [0.001, 0.1]}, "size": {"int": [4, 8]}, "model": {"choice": [[9, 5], None]}},
    "common": {},
    "optuna": "4.5.0",
    "trials": [
        {"settings": {"lr": 0.001, "size": 4, "model": "[9,5]"}, "run": "a", "values": {"2": 20.0}, "error": None},
        {"settings": {"lr": 0.1, "size": 8, "model": "null"}, "run": None, "values": {}, "error": "refused"},
    ],
}
ABSENT = object()


def written(folder: Path, *keys: Any, to: Any) -> Path:
    """Write a search.json, with another value in one place; return its path."""
    content = copy.deepcopy(SEARCH)
    inner: Any = content
    for key in keys[:-1]:
        inner = inner[key]
    if to is ABSENT:
        del inner[keys[-1]]
    elif keys:
        inner[keys[-1]] = to
    (folder / "search").mkdir()
    path = folder / "search" / "search.json"
    path.write_text(json.dumps(content))
    return path


def test_a_search_is_read_as_it_was_written(tmp_path: Path) -> None:
    written(tmp_path, to=None)
    assert read_search_file(tmp_path) == SEARCH


WRONG: list[Any] = [ABSENT, None, {"a": [None]}, "text", [[]]]
ALLOWED = [("common", {"a": [None]}), ("optuna", "text")]


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key in SEARCH for value in WRONG if (key, value) not in ALLOWED]
)
def test_a_search_with_a_key_missing_or_wrong_is_a_sentence(tmp_path: Path, key: str, value: Any) -> None:
    path = written(tmp_path, key, to=value)
    said = refusal(read_search_file, tmp_path)
    assert said.startswith(f"{path} is damaged (")
    assert said.endswith(": delete the file, and the search's command writes it again from its runs.")


@pytest.mark.parametrize(
    ("keys", "value", "reason"),
    [
        (("rungs",), [4, 2], "rungs: [4, 2] are not ascending"),
        (("space",), {}, "space: it has no range"),
        (("space", "lr"), {}, "space.lr: it is none of the ranges log, linear, int, choice"),
        (("space", "lr"), {"log": [0.001, 0.1], "int": [1, 2]}, "space.lr: it is none of the ranges"),
        (("space", "lr"), {"log": [0, 0.1]}, "space.lr: [0, 0.1] is no range log"),
        (("space", "lr"), {"log": [0.001]}, "space.lr: [0.001] is no range log"),
        (("trials", 0, "settings", "trusted"), "[evil]", "trials.0.settings: its keys are not those of the space"),
        (("trials", 0, "settings", "lr"), ABSENT, "trials.0.settings: its keys are not those of the space"),
        (("trials", 1, "settings", "lr"), 1, "trials.1.settings.lr: 1 is outside its range"),
        (("trials", 1, "settings", "lr"), True, "trials.1.settings.lr: True is outside its range"),
        (("trials", 1, "settings", "size"), 4.5, "trials.1.settings.size: 4.5 is outside its range"),
        (("trials", 1, "settings", "model"), "evil", "trials.1.settings.model: 'evil' is outside its range"),
        (("trials", 0, "values"), {"3": 20.0}, "trials.0.values: it has epochs that are no rung"),
        (("trials", 0, "values"), {"two": 20.0}, "trials.0.values"),
        (("trials", 0, "values"), {"2": "much"}, "trials.0.values"),
        (("trials", 0, "run"), None, "trials.0.run: it has values without a run"),
        (("trials", 0, "run"), "..", "trials.0.run: string should match"),
        (("trials", 0, "error"), ABSENT, "trials.0.error: field required"),
    ],
)
def test_a_search_that_contradicts_itself_is_a_sentence(
    tmp_path: Path, keys: tuple[Any, ...], value: Any, reason: str
) -> None:
    path = written(tmp_path, *keys, to=value)
    assert refusal(read_search_file, tmp_path).startswith(f"{path} is damaged ({reason}")
