"""Networks beside those of a sweep, also of other programs, in evaluations and in the cross-degradation matrix."""

import csv
from pathlib import Path

import pytest
from foreign_weights import nafnet, saved
from network_files import write_network

from deblur import evaluate


@pytest.mark.slow
def test_an_evaluation_measures_it_on_rgb_images(
    tmp_path: Path, cache_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(nafnet(), tmp_path / "net.pth")
    places = (f"paths.cache_root={cache_root}", f"output={tmp_path / 'out'}", "accelerator=cpu", "data.max_images=8")
    assert evaluate.main([f"run={path}", *places]) == 2
    assert "NAFNet net.pth is a network for RGB images" in capsys.readouterr().err
    assert evaluate.main([f"run={path}", "data.color=rgb", "gate=true", *places]) == 2
    assert "NAFNet net.pth is none: leave it out" in capsys.readouterr().err
    assert evaluate.main([f"run={path}", "data.color=rgb", *places]) == 0
    said = capsys.readouterr().out
    assert "NAFNet net.pth" in said
    assert "which images it was trained on is not known" in " ".join(said.split())


def gains(sweep: Path) -> dict[str, list[float]]:
    """Return the gains of each network of a matrix, by what it was trained on; sharp images have none."""
    with (sweep / "matrix.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["trained_on"], []).extend([float(row["gain"])] if row["gain"] else [])
    return found


@pytest.mark.slow
def test_other_networks_stand_beside_those_of_a_matrix(
    trained: Path, cache_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_network(tmp_path / "identity.safetensors", (3, 1))
    words = ["sweep=two", "matrix=true", f"run={path}", "accelerator=cpu"]
    assert evaluate.main([*words, f"paths.output_root={trained}", f"paths.cache_root={cache_root}"]) == 0
    assert "trained on box: identity" in " ".join(capsys.readouterr().out.split())
    found = gains(trained / "sweeps" / "two")
    assert [*found] == ["box", "gaussian", "box: identity"]
    assert set(found["box: identity"]) == {0.0}
    assert any(gain != 0 for gain in found["box"])


@pytest.mark.slow
def test_a_network_of_another_program_stands_beside_those_of_a_matrix(
    trained: Path, cache_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = saved(nafnet(channels=1), tmp_path / "net.pth")
    other = write_network(tmp_path / "identity.safetensors", (3, 1))
    words = ["sweep=two", "matrix=true", f"run=[{path},{other}]", "accelerator=cpu"]
    assert evaluate.main([*words, f"paths.output_root={trained}", f"paths.cache_root={cache_root}"]) == 0
    assert "NAFNet net.pth: which images it was trained on is not known" in caplog.text
    found = gains(trained / "sweeps" / "two")
    assert [*found] == ["box", "gaussian", "an unknown blur: NAFNet net.pth", "box: identity"]
    assert all(gain < 0 for gain in found["an unknown blur: NAFNet net.pth"])  # of random weights
