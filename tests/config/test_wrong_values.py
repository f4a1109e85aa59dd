"""Values that no command takes, in each of them."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from deblur import demo, evaluate, export, report, restore, train

Shown = pytest.CaptureFixture[str]
MAINS = {"demo": demo, "evaluate": evaluate, "export": export, "report": report, "restore": restore, "train": train}


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("restore", "Missing argument 'IMAGES'. python -m deblur.restore --help shows what is allowed."),
        ("evaluate", "or optimal_linear=true alone. python -m deblur.evaluate --help shows examples and all keys."),
        ("export", "Missing argument 'NETWORK'. python -m deblur.export --help shows what is allowed."),
        (
            "export mixed",
            "Missing option '--format'. Choose from: onnx, safetensors. python -m deblur.export --help",
        ),
        ("report", "SWEEPS is missing: give the name of a sweep, or --list to see them."),
        ("restore a.png --output=", "Invalid value for '--output' / '-o': it is empty: give a name, or leave"),
        ("restore a.png --network=", "Invalid value for '--network' / '-n': it is empty: give a name, or leave"),
        ("restore a.png,b.png", "a.png,b.png does not exist: give an image, or a folder of images."),
        ("restore a.png --color Luma", "Invalid value for '--color': 'Luma' is not one of 'luma', 'channels'."),
        ("restore a.png --precision bf16", "'bf16' is not one of 'auto', '32-true', 'bf16-mixed'."),
        ("restore a.png --max-megapixels inf", "'--max-megapixels': inf is not allowed: give a number above 0."),
        ("restore a.png --simulate", "Option '--simulate' requires an argument."),
        ("restore a.png --simulate yes", "--simulate: yes is no blur: give box, disk, gaussian, kernel, mixed, motion"),
        ("restore a.png --simulate gausian", "Did you mean gaussian?"),
        ("restore a.png --known-blur training", "--known-blur: training is no blur: give box, disk, "),
        ("restore a.png --input b.png", "No such option: --input"),
        (
            "evaluate run=",
            "run= is not allowed: give a run folder, a checkpoint, an exported file, a network that is pretrained, one "
            "of another program (.pth, .safetensors), hf://USER/NAME, or null.",
        ),
        ("evaluate sweep=", "sweep= is not allowed: give the name of a sweep, or null."),
        ("evaluate compare=a,b", "compare=a,b stands for several values: write a list as [a,b]."),
        (
            "evaluate baseline=wiener",
            "baseline=wiener is not allowed: give a list of none, wiener, richardson_lucy, dct",
        ),
        ("evaluate baseline=[none] split=Test", "Did you mean test?"),
        ("evaluate trainer.max_epochs=3", "trainer is unknown: the keys at the top are accelerator, baseline, blur, "),
        ("evaluate baseline=[none] output=numbers.csv", "output=numbers.csv names a file: give a folder, into which"),
        ("export mixed --format ONNX", "Invalid value for '--format': 'ONNX' is not one of 'onnx', 'safetensors'."),
        (
            "export mixed --format onnx -o n.pt",
            "--output n.pt is no name for --format onnx: give one that ends in .on",
        ),
        ("report a", "There is no sweep a in outputs/sweeps: the sweeps there are none."),
        ("demo --port abc", "Invalid value for '--port': "),
        ("demo --host=", "Invalid value for '--host': it is empty"),
        ("train loss=MSE", "Did you mean mse?"),
        ("train trainer.precision=bf16", "Did you mean bf16-mixed?"),
        ("train resume=", "resume= is not allowed: give a run folder, or null."),
        ("train resume=outputs", "/outputs does not exist: give the folder of a run."),
    ],
)
def test_a_wrong_value_is_one_sentence(workplace: Path, capsys: Shown, command: str, sentence: str) -> None:
    name, *overrides = command.split()
    assert MAINS[name].main(overrides) == 2
    said = capsys.readouterr()
    assert sentence in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert list(workplace.iterdir()) == []


LIGHT = """
restore
restore --help
restore --zzz
restore absent.png
restore here.png -n mixde
restore here.png -n folder
restore here.png --simulate gausian
evaluate
evaluate --help
evaluate run=absent
evaluate run=folder
evaluate sweep=absent
evaluate baseline=[none] output=here.png
export
export --help
export absent --format onnx
export folder --format onnx
export mixed --format onnx -o n.pt
report --help
report absent
demo --help
demo --prt 3
train --help
train lr=3
train sweep=..
train resume=folder
train paths.output_root=here.png
train -m seed=1,2 paths.output_root=here.png
"""


@pytest.mark.slow
def test_answers_that_need_no_network_import_none(workplace: Path) -> None:
    (workplace / "folder").mkdir()
    (workplace / "here.png").touch()
    program = """
        import importlib, sys
        for line in sys.argv[1].strip().splitlines():
            name, *words = line.split()
            code = importlib.import_module(f"deblur.{name}").main(words)
            assert code == (0 if "--help" in words else 2), line
            heavy = {"torch", "lightning", "albumentations", "onnxruntime", "gradio"} & set(sys.modules)
            assert not heavy, (line, heavy)
    """
    overrides = [sys.executable, "-c", textwrap.dedent(program), LIGHT]
    done = subprocess.run(overrides, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("\n") == LIGHT.count("\n") - 1 - LIGHT.count("--help")
