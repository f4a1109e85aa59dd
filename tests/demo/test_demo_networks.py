from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.demo.networks import Networks
from deblur.errors import UserError
from deblur.inference import pretrained
from deblur.inference.weights import read_weights, write_weights

NetworkAt = Callable[[Path], Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Take this folder for that of the networks that are pretrained."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    return tmp_path / "pretrained"


def test_all_that_are_pretrained_can_be_chosen(folder: Path, network_at: NetworkAt) -> None:
    for name in pretrained.PRETRAINED:
        network_at(folder / f"{name}.safetensors")
    networks = Networks()
    assert networks.names == [name for _, name in networks.choices] == list(pretrained.PRETRAINED)
    assert networks.missing == ""
    assert [networks.get(name).name for name in networks.names] == list(pretrained.PRETRAINED)


def test_a_network_of_ones_own_comes_first(folder: Path, tmp_path: Path, network_at: NetworkAt) -> None:
    network_at(folder / "mixed.safetensors")
    networks = Networks(str(network_at(tmp_path / "mine.safetensors")))
    label, first = networks.choices[0]
    assert label == "mine (your own network)"
    assert networks.get(first).name == "mine"
    assert networks.names == [first, "mixed"]


def test_what_is_missing_is_told_and_cannot_be_chosen(folder: Path, network_at: NetworkAt) -> None:
    network_at(folder / "box.safetensors")
    networks = Networks()
    assert networks.names == ["box"]
    assert networks.missing == (
        "This installation lacks the files of these networks: mixed, gaussian, motion, disk. Install the package again."
    )
    with pytest.raises(UserError, match="There is no network mixed: choose one of box"):
        networks.get("mixed")


def test_a_name_of_any_length_is_one_line_to_choose(folder: Path, tmp_path: Path, network_at: NetworkAt) -> None:
    network_at(folder / "mixed.safetensors")
    weights, description = read_weights(network_at(tmp_path / "mine.safetensors"))
    write_weights(tmp_path / "mine.safetensors", weights, description | {"name": f"a\x1b\n{'b' * 300}"})
    (label, _), _ = Networks(str(tmp_path / "mine.safetensors")).choices
    assert label == f"a\ufffd\ufffd{'b' * 56}\u2026 (your own network)"


@pytest.mark.parametrize("name", pretrained.PRETRAINED)
def test_a_damaged_network_is_told_before_there_is_a_page(folder: Path, network_at: NetworkAt, name: str) -> None:
    for each in pretrained.PRETRAINED:
        network_at(folder / f"{each}.safetensors")
    (folder / f"{name}.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match=f"{name}.safetensors is no safetensors file, or is damaged"):
        Networks()


def test_a_network_is_loaded_once(folder: Path, network_at: NetworkAt) -> None:
    path = network_at(folder / "box.safetensors")
    networks = Networks()
    first = networks.get("box")
    path.write_bytes(b"damaged")
    assert networks.get("box") is first


@pytest.mark.usefixtures("folder")
def test_without_any_network_there_is_no_page() -> None:
    with pytest.raises(UserError, match=r"these networks: mixed, .* with --network DIR\."):
        Networks()


def test_a_wrong_run_is_refused_at_once(folder: Path, network_at: NetworkAt) -> None:
    network_at(folder / "box.safetensors")
    with pytest.raises(UserError, match="There is no network absent"):
        Networks("absent")
