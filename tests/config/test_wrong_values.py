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
        (
            "restore",
            "input is missing: give an image or a folder of images: input=FILE. python -m deblur.restore --he",
        ),
        ("evaluate", "or optimal_linear=true alone. python -m deblur.evaluate --help shows examples and all keys."),
        ("export", "run=DIR. python -m deblur.export --help shows examples and all keys."),
        ("report", "sweep=NAME. python -m deblur.report --help shows examples and all keys."),
        ("restore input=", "input= is not allowed: give an image or a folder of images: input=FILE."),
        ("restore input=a.png output=", "output= is not allowed: give a file or a folder, or null."),
        ("restore input=a.png,b.png", "For several images, give their folder."),
        ("restore input=[a.png,b.png]", "For several images, give their folder."),
        ("restore input=a.png color=Luma", "color=Luma is not allowed: give luma or channels. Did you mean luma?"),
        ("restore input=a.png precision=bf16", "give auto, 32-true or bf16-mixed. Did you mean bf16-mixed?"),
        ("restore input=a.png precision=32", "give auto, 32-true or bf16-mixed. Did you mean 32-true?"),
        ("restore input=a.png simulate=yes", "simulate=yes is not allowed: give true or false."),
        (
            "restore input=a.png paths.output_root=x",
            "paths is unknown: the keys at the top are accelerator, blur, color",
        ),
        (
            "evaluate run=",
            "run= is not allowed: give a run folder, a checkpoint, an exported file, a network that is pretrained, or "
            "null.",
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
        ("export run=mixed format=ONNX", "format=ONNX is not allowed: give onnx or safetensors. Did you mean onnx?"),
        (
            "export run=mixed format=onnx output=n.pt",
            "output=n.pt is no name for this format: give one that ends in .on",
        ),
        ("report sweep=", "sweep= is not allowed: give the name of a sweep: sweep=NAME."),
        ("report list=yes", "list=yes is not allowed: give true or false."),
        ("report sweep=a,b", "sweep=a does not exist in outputs/sweeps: the sweeps there are none."),
        ("demo port=abc", "port=abc is not allowed: give a whole number from 0 to 65535, or null for a free one."),
        ("demo host=", "host= is not allowed: give an address of this computer"),
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
restore input=absent.png
restore input=here.png network=mixde
restore input=here.png run=folder
evaluate
evaluate --help
evaluate run=absent
evaluate run=folder
evaluate sweep=absent
evaluate baseline=[none] output=here.png
export
export --help
export run=absent format=onnx
export run=folder format=onnx
export run=mixed format=onnx output=n.pt
report --help
report sweep=absent
demo --help
demo prt=3
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
