"""The one console script `deblur`, and what its plain commands have in common."""

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

import deblur
from deblur import __version__, demo, export, report, restore
from deblur.__main__ import main

Shown = pytest.CaptureFixture[str]
PLAIN = ("restore", "report", "export", "demo")


@pytest.fixture(autouse=True)
def _workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def completed(words: str, place: int) -> list[str]:
    """Return what bash is told to complete the word at a place of a command line with."""
    environment = os.environ | {
        "_DEBLUR_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(place),
        "PYTHONPATH": str(Path(__file__).parents[1]),
    }
    program = "import sys; from deblur.__main__ import main; sys.argv[:] = ['deblur']; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    ).stdout.split()


def test_the_version_is_its_own(capsys: Shown) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"deblur {__version__}\n"


def test_help_lists_all_commands(capsys: Shown) -> None:
    for flag in ("--help", "-h"):
        assert main([flag]) == 0
        said = capsys.readouterr().out
        assert [line.split()[0] for line in said.partition("Commands:\n")[2].splitlines()] == [
            "train", "evaluate", *PLAIN,
        ]  # fmt: skip


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_programs_of_hydra_get_all_their_arguments(capsys: Shown, name: str) -> None:
    assert main([name, "--help"]) == 0
    assert f"python -m deblur.{name}" in capsys.readouterr().out
    assert main([name, "--cfg", "job", "blur=box", "blur.size=7", *(["run=a b"] if name == "evaluate" else [])]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["blur"]["size"] == 7


def test_a_sweep_is_passed_on(capsys: Shown) -> None:
    assert main(["train", "-m", "--cfg", "job", "seed=3,4"]) == 0
    assert capsys.readouterr().out.startswith("# The first of 2 jobs: seed=3 ")
    assert main(["train", "--nonsense"]) == 2
    assert "--nonsense is no flag: settings are written KEY=VALUE" in capsys.readouterr().err
    assert main(["--", "train", "blur=box"]) == 2
    assert capsys.readouterr().err == "error: train has to be the first argument: deblur train ...\n"


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("restore a.png -o a --output b", "--output / -o"),
        ("restore a.png --network=motion --network=motion", "--network / -n"),
        ("restore a.png --overwrite --overwrite", "--overwrite"),
        ("report grid --grids --no-grids", "--grids"),
        ("export motion --format onnx --format safetensors", "--format"),
        ("demo --port 1 --port 2", "--port"),
    ],
)
def test_an_option_given_twice_is_refused(capsys: Shown, words: str, option: str) -> None:
    name, *others = words.split()
    for run in (main, lambda given: importlib.import_module(f"deblur.{name}").main(given[1:])):
        assert run([name, *others]) == 2
        assert capsys.readouterr().err == f"error: {option} is given twice: give it once.\n"


def test_several_modules_can_be_trusted(capsys: Shown) -> None:
    assert main(["restore", "a.png", "--trusted", "one", "--trusted", "two"]) == 2
    assert "a.png does not exist" in capsys.readouterr().err


@pytest.mark.parametrize("name", PLAIN)
def test_plain_commands_are_the_same_in_both_ways(capsys: Shown, name: str) -> None:
    module = importlib.import_module(f"deblur.{name}")
    assert main([name, "--help"]) == 0
    under_one_name = capsys.readouterr().out
    assert module.main(["--help"]) == 0
    assert capsys.readouterr().out == under_one_name.replace(f"Usage: deblur {name}", f"Usage: python -m deblur.{name}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "Missing command. deblur --help shows what is allowed."),
        ("restor", "No such command 'restor'. Did you mean 'restore', 'report'? deblur --help shows what is allowed."),
        ("restore", "Missing argument 'IMAGES'. deblur restore --help shows what is allowed."),
        ("export net", "Missing option '--format'. Choose from: onnx, safetensors. deblur export --help shows what"),
        ("report a --lst", "No such option: --lst"),
        (
            "demo --port 99999",
            "Invalid value for '--port': Input should be less than or equal to 65535. deblur de",
        ),
        ("restore absent.png", "absent.png does not exist: give an image, or a folder of images.\n"),
    ],
)
def test_a_usage_error_is_one_sentence(capsys: Shown, words: str, sentence: str) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"error: {sentence}")
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_the_shell_completes_commands_options_and_overrides() -> None:
    assert completed("deblur re", 1) == ["restore", "report"]
    assert completed("deblur restore --sim", 2) == ["--simulate"]
    assert completed("deblur train blur=mo", 2) == ["blur=motion", "blur=motion_random"]
    assert completed("deblur train -m blur = mo", 5) == ["motion", "motion_random"]  # bash splits at the equals sign
    assert completed("deblur evaluate basel", 2) == ["baseline="]


def test_the_completion_script_can_be_shown() -> None:
    program = "import sys; from deblur.__main__ import main; sys.exit(main(['--show-completion', 'bash']))"
    environment = os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "complete -o default -F _deblur_completion deblur" in done.stdout


def test_help_imports_no_heavy_library() -> None:
    program = """
import sys
from deblur.__main__ import main
for words in ([], ["restore"], ["report"], ["export"], ["demo"]):
    assert main([*words, "--help"]) == 0
heavy = {"torch", "lightning", "albumentations", "matplotlib", "cv2", "numpy", "hydra", "rich", "gradio", "onnxruntime"}
print("imported:", *sorted(heavy & set(sys.modules)))
"""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"


@pytest.mark.parametrize("name", PLAIN)
def test_every_option_says_what_it_means(name: str) -> None:
    command = typer.main.get_command(importlib.import_module(f"deblur.{name}").app)
    assert len(command.params) > 3
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


def test_every_command_in_a_help_text_can_be_read() -> None:
    """A word that stands for a name is a name here; nothing is looked for yet."""
    shown = 0
    cards = [path.read_text() for path in (Path(deblur.__file__).parent / "inference" / "pretrained").glob("*.md")]
    for text in (restore.EXAMPLES, report.EXAMPLES, export.EXAMPLES, demo.EXAMPLES, *cards):
        for line in re.findall(r"python -m deblur\.((?:restore|report|export|demo) .*)", text):
            name, *words = shlex.split(re.split(r"\s{2,}", line)[0])
            command = typer.main.get_command(importlib.import_module(f"deblur.{name}").app)
            command.make_context(name, words)
            shown += 1
    assert shown > 25
