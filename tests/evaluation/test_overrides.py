import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from deblur import evaluate


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (("sweep=two", "matrix=true", "blur=box"), "matrix does not read blur"),
        (("sweep=two", "matrix=true", "optimal_linear=true"), "matrix does not read optimal_linear"),
        (("optimal_linear=true", "baseline=[none]", "split=val"), "optimal_linear does not read baseline, split"),
        (("compare=[a,b]", "data.max_images=9"), "compare does not read data"),
        (("compare=[a,b]", "both_boundaries=true"), "compare does not read both_boundaries"),
    ],
)
def test_overrides_that_nothing_would_read_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], overrides: tuple[str, ...], named: str
) -> None:
    assert evaluate.main([*overrides, f"paths.output_root={tmp_path}"]) == 2
    assert capsys.readouterr().err == f"error: {named}: leave that out, or give it in a command alone.\n"
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_a_sentence(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert evaluate.main([f"compare=['{run}','{run}']", f"output={tmp_path / 'file' / 'out'}"]) == 2
    assert capsys.readouterr().err.endswith(
        "cannot be read or written (Not a directory): make it so, or choose another.\n"
    )


@pytest.mark.parametrize("word", ["output={file}/out", "paths.output_root={file}"])
def test_it_is_refused_before_torch_is_imported(tmp_path: Path, word: str) -> None:
    (tmp_path / "file").touch()
    program = (
        "import sys; from deblur import evaluate; code = evaluate.main(sys.argv[1:]); "
        "sys.exit(3 if 'torch' in sys.modules else code)"
    )
    overrides = ["baseline=[wiener]", word.format(file=tmp_path / "file")]
    done = subprocess.run([sys.executable, "-c", program, *overrides], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "cannot be read or written (Not a directory): make it so, or choose another." in done.stderr


def test_pairs_of_somebody_else_are_all_taken(
    run: Path, evaluated: Callable[..., object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    from deblur.synthesis.faces import draw

    for kind, shift in (("sharp", 0), ("blurred", 1)):
        (tmp_path / kind).mkdir()
        for index in range(4):
            Image.fromarray(draw(5, index)[shift : 128 + shift, :128]).save(tmp_path / kind / f"{index}.png")
    overrides = ("data=pairs", f"data.sharp={tmp_path / 'sharp'}", f"data.blurred={tmp_path / 'blurred'}")
    rows = evaluated(f"run={run}", *overrides).rows  # type: ignore[attr-defined] # of the fixture's own class
    assert [row["name"] for row in rows] == [f"{index}.png" for index in range(4)]
    Image.fromarray(draw(5, 3)[:100, :100]).save(tmp_path / "blurred" / "3.png")
    assert evaluate.main([f"run={run}", *overrides, f"output={tmp_path / 'again'}"]) == 2
    assert "3.png is 100x100" in capsys.readouterr().err
    (tmp_path / "blurred" / "3.png").unlink()
    assert evaluate.main([f"run={run}", *overrides, f"output={tmp_path / 'again'}"]) == 2
    assert "have no partner of the same name" in capsys.readouterr().err
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("baseline=[none,none]",), "baseline=[none,none] is not allowed: name each restorer once."),
        (
            ("baseline=[none]", "blur=none", "both_boundaries=true", "data.max_images=9"),
            "both_boundaries=true needs a blur",
        ),
        (
            ("optimal_linear=true", "blur=none", "data.max_images=9"),
            "optimal_linear=true needs images that are blurred",
        ),
    ],
)
def test_overrides_that_mean_nothing_are_refused(
    refused: Callable[..., str], overrides: tuple[str, ...], said: str
) -> None:
    assert refused(*overrides).startswith(said)


@pytest.mark.parametrize("content", [b"", b"words", b"PK\x03\x04"])
def test_a_file_that_is_no_checkpoint_is_a_sentence(
    refused: Callable[..., str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "no.ckpt"
    path.write_bytes(content)
    assert refused(f"run={path}").startswith(f"{path} is no checkpoint of this program, or is damaged (")


def test_a_checkpoint_of_something_else_is_a_sentence(
    refused: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)  # not installed
    torch.save([1, 2], tmp_path / "list.ckpt")
    assert "is no checkpoint of a training. If these are the weights" in refused(f"run={tmp_path / 'list.ckpt'}")
