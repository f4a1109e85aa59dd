"""`--help` explains every key: its default, what it means and what is allowed."""

from pathlib import Path

import pytest

from deblur import evaluate, train


def entries(shown: str) -> dict[str, str]:
    """Return the explanation of each key, by its dotted name."""
    keys = shown.partition("== Keys")[2].partition("\nMore: ")[0]
    found: dict[str, str] = {}
    sections: list[str] = []
    name = ""
    for line in keys.splitlines()[2:]:
        depth = (len(line) - len(line.lstrip())) // 2
        if depth > 10:  # a further line of an explanation
            found[name] += f" {line.strip()}"
            continue
        key, _, rest = line.strip().partition(": ")
        if line.endswith(":"):
            sections[depth:] = [line.strip().removesuffix(":")]
        elif rest:
            name = ".".join((*sections[:depth], key))
            found[name] = rest
    return found


def test_keys_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--help"]) == 0
    found = entries(capsys.readouterr().out)
    assert found["data.boundary"].startswith("symmetric ")
    assert found["data.boundary"].endswith("Allowed: symmetric, valid or circular")
    assert "side of the square [px]" in found["blur.size"]
    assert "Allowed: an odd whole number from 1 to 501 [px]" in found["blur.size"]
    bare = [key for key, text in found.items() if "  " not in text.strip() and "Allowed" not in text]
    assert bare == []


def test_a_choice_brings_its_own_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--help", "model=unrolled", "experiment=quick", "blur=motion"]) == 0
    found = entries(capsys.readouterr().out)
    assert found["model.kernel_error"].endswith("Allowed: a number from 0 to 1")
    assert "counter-clockwise" in found["blur.angle"]
    assert "blur.size" not in found


def test_options_of_a_users_folder_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("_target_: my_nets.Net\ndepth: 3\n")
    assert train.main(["--config-dir", str(tmp_path), "model=mine", "--help"]) == 0
    assert entries(capsys.readouterr().out)["model.depth"] == "3"


def test_the_evaluation_explains_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "Allowed: train, val, test, all or null" in shown
    assert shown.count("\n\n\n") == 0


def test_a_usage_error_beside_it_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert train.main(["--help", "blur=blox"]) == 2
    assert capsys.readouterr().err.startswith("error: blur=blox is not allowed: choose ")
