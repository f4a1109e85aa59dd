"""The training commands of README.md, docs/ and conf/: each is accepted as it is printed."""

import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest

from deblur import train
from deblur.files import write_gray_png
from deblur.synthesis.faces import draw

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (REPOSITORY / "README.md", *(REPOSITORY / "docs").rglob("*.md"), *(REPOSITORY / "conf").rglob("*.yaml"))
EXAMPLES = REPOSITORY / "docs" / "examples"
PLACES = {
    "data.root=FACES": "data.root=faces",
    "data.root=DIR": "data.root=faces",
    "data.root=GOPRO/train": "data.root=sequences",
    "data.root=anime_faces": "data.root=faces",
    "data.sharp=DIR": "data.sharp=faces",
    "data.blurred=DIR": "data.blurred=blurred",
    "blur.path=FILE": "blur.path=kernel.npy",
    " --config-dir conf": f" --config-dir {EXAMPLES / 'conf'}",
}
# A run that is there, a GPU, a cluster, and words that stand for a list beside the command
ELSEWHERE = re.compile(r"resume=|--help|trainer=gpu|submitit|OVERRIDES|CHANGE")


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
        sequence = tmp_path / "sequences" / f"{index // 4}"
        for folder in (tmp_path / "faces", sequence / "sharp"):
            write_gray_png(folder / f"{index}.png", face)
        for folder in (tmp_path / "blurred", sequence / "blur"):
            write_gray_png(folder / f"{index}.png", cv2.blur(face, (5, 5)))
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
