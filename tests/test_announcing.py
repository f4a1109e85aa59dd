"""The first line of each command, in processes of their own: before the imports that take seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deblur.announcing import announce, announce_measuring, announce_training

HEAVY = ("hydra", "omegaconf", "numpy", "cv2", "torch", "lightning", "gradio", "matplotlib")
# Ends a command as soon as it imports something heavy.
PROGRAM = f"""
import importlib.abc, os, runpy, sys
class Stop(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.split(".")[0] in {HEAVY}:
            sys.stdout.flush()
            os.write(1, b"heavy import\\n")
            os._exit(0)
sys.meta_path.insert(0, Stop())
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


def shown(*command: str, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *command],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])} | environment,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("deblur.train", "Training with the default settings"),
        ("deblur.train model=srcnn_9315 optimizer.lr=1e-3", "Training with model=srcnn_9315 optimizer.lr=1e-3"),
        ("deblur.train -m blur=box,disk", "Training a sweep with blur=box,disk"),
        ("deblur.train blur=box dry_run=true", "Checking with blur=box dry_run=true"),
        ("deblur.train resume=outputs/runs/a/b", "Resuming outputs/runs/a/b"),
        ("deblur.train resume=a trainer.max_epochs=60", "Resuming a with trainer.max_epochs=60"),
        ("deblur train blur=box", "Training with blur=box"),
        ("deblur.evaluate run=default baseline=wiener", "Measuring with run=default baseline=wiener"),
        ("deblur.restore a.png", "Restoring a.png with default"),
        ("deblur.restore a.png b.png c.png --blind", "Restoring a.png and 2 more with unrolled"),
        ("deblur.restore a.png --compare-networks", "Restoring a.png with every blind pretrained network"),
        ("deblur restore a.png -n RUN", "Restoring a.png with RUN"),
        ("deblur.report grid other", "Reading grid, other"),
        ("deblur.export default --format onnx", "Exporting default as onnx"),
        ("deblur.demo -n RUN", "Starting the page with the pretrained networks and RUN"),
    ],
)
def test_the_first_line_comes_before_heavy_imports(command: str, line: str) -> None:
    assert shown(*command.split()) == [f"{line} (loading libraries)", "heavy import"]


@pytest.mark.parametrize(
    "command",
    [
        "deblur.train --help",
        "deblur.train --cfg job",
        "deblur.train -c job blur=box",
        "deblur.train --info=all",
        "deblur.evaluate --cfg=job run=a",
        "deblur.evaluate",
        "deblur.report --list",
    ],
)
def test_what_is_shown_or_listed_begins_with_no_other_line(command: str) -> None:
    assert shown(*command.split()) == ["heavy import"]


def test_a_further_process_of_a_training_says_nothing() -> None:
    assert shown("deblur.train", DEBLUR_RUN_FOLDER="outputs/runs/a/b") == ["heavy import"]


def test_a_process_that_has_the_libraries_says_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    announce("Training")
    announce_training(["blur=box"])
    announce_measuring(["run=a"])
    assert capsys.readouterr().out == ""
    monkeypatch.delitem(sys.modules, "torch")
    announce("Restoring a\x1b[2J\nb.png")
    announce("Reading", when_piped=False)
    assert capsys.readouterr().out == "Restoring a\\x1b[2J\\nb.png (loading libraries)\n"
