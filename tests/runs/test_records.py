from pathlib import Path

import pytest
from run_settings import refusal

from deblur.runs.records import read_config
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
