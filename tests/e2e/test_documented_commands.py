"""Training commands of README.md, docs/ and conf/: each is accepted as printed."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from deblur import train
from deblur.files import write_png
from deblur.synthesis.faces import draw

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "conf").rglob("*.yaml"))
EXAMPLES = REPOSITORY / "docs" / "examples"
PLACES = {
    "data.root=FACES": "data.root=faces",
    "data.root=TRAIN400": "data.root=faces",
    "data.root=LEAVES": "data.root=faces",
    "data.root=DIR": "data.root=faces",
    "data.root=anime_faces": "data.root=faces",
    "data.file=FILE.npy": "data.file=arrays.npy",
    "data.sharp=DIR": "data.sharp=faces",
    "data.blurred=DIR": "data.blurred=blurred",
    "data.root=GOPRO/train": "data.root=frames",
    "blur.path=FILE": "blur.path=kernel.npy",
    " --config-dir conf": f" --config-dir {EXAMPLES / 'conf'}",
}
# An existing run, a GPU, a cluster, a repository of the Hub (tests/inference/test_hub.py), placeholders for overrides
ELSEWHERE = re.compile(r"resume=|--help|trainer=gpu|submitit|hf://|OVERRIDES|CHANGE")


def documented() -> list[str]:
    found = set()
    for page in PAGES:
        for line in page.read_text(encoding="utf-8").splitlines():
            for command in re.findall(r"python -m deblur\.train\b[^`|]*", line):
                found.add(re.split(r"\s{3,}|\s+#", command)[0].strip())
    return sorted(command for command in found if not ELSEWHERE.search(command))


@pytest.mark.slow
def test_every_documented_training_can_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for index in range(16):
        face = draw(1, index)
        write_png(tmp_path / "faces" / f"{index}.png", face)
        write_png(tmp_path / "blurred" / f"{index}.png", cv2.blur(face, (5, 5)))
        write_png(tmp_path / "frames" / f"{index}" / "sharp" / "1.png", face)
        write_png(tmp_path / "frames" / f"{index}" / "blur" / "1.png", cv2.blur(face, (5, 5)))
    np.save(tmp_path / "arrays.npy", np.stack([draw(1, index) for index in range(3)]))
    np.save(tmp_path / "kernel.npy", np.full((3, 3), 1 / 9))
    before = sorted(tmp_path.iterdir())
    commands = documented()
    assert len(commands) > 60
    for command in commands:
        for printed, place in PLACES.items():
            command = command.replace(printed, place)
        overrides = shlex.split(command)[3:]
        assert train.main([*overrides, "dry_run=true"]) == 0, (command, capsys.readouterr().err)
        assert " open." in capsys.readouterr().out
    assert sorted(tmp_path.iterdir()) == before
