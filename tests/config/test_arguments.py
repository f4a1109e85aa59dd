"""Flags and overrides, told apart wherever they stand."""

import itertools
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from prepared import prepare_argv
from sampling import exhaustive

from deblur import evaluate, train
from deblur.config.arguments import read_arguments
from deblur.config.command_line import conf_dir
from deblur.errors import UserError

Shown = pytest.CaptureFixture[str]
COMMANDS = {"evaluate": evaluate, "train": train}
FLAGS = (("--config-dir", "own"), ("--config-dir=own",), ("-cd", "own"), ("--config-name", "train"), ("-m",))


@pytest.fixture
def own(workplace: Path) -> Path:
    """A folder of one's own with a preset that is a sweep's name, and one that is not."""
    folder = workplace / "own" / "experiment"
    folder.mkdir(parents=True)
    (folder / "named.yaml").write_text("# @package _global_\nsweep: mine\n")
    (folder / "plain.yaml").write_text("# @package _global_\nloss: l1\n")
    return workplace / "own"


def test_flags_may_stand_anywhere(own: Path) -> None:
    name = prepare_argv(["-m", "seed=1,2", "loss=l1"])[-1]
    for pieces in itertools.permutations([("seed=1,2",), ("--config-dir", "own"), ("-m",), ("loss=l1",)]):
        prepared = prepare_argv([word for piece in pieces for word in piece])
        assert prepared[:2] == ["--multirun", f"--config-dir={own}"]
        assert sorted(prepared[2:4]) == ["loss=l1", "seed=1,2"]
        assert prepared[4:] == [name]


@given(st.permutations(["seed=1", "loss=l1", "paths.output_root=a b", "blur=box"]), st.data())
def test_what_is_prepared_stays_as_it_is(overrides: list[str], data: st.DataObject) -> None:
    """The further processes of a run on several devices are started with the prepared command."""
    overrides.insert(data.draw(st.integers(0, 4)), "-m")
    prepared = prepare_argv(prepare_argv(overrides))
    assert prepare_argv(prepared) == prepared
    assert prepared[1:-1] == prepare_argv(overrides)[1:-1]


def test_a_preset_of_ones_own_names_its_sweep(own: Path) -> None:  # noqa: ARG001
    assert prepare_argv(["-m", "experiment=named", "--config-dir", "own"])[2:] == ["experiment=named"]
    assert prepare_argv(["-m", "experiment=plain", "--config-dir", "own"])[3].startswith("sweep=sweep-")
    assert prepare_argv(["-m", "experiment=plain,quick", "--config-dir", "own"])[3].startswith("sweep=sweep-")


@pytest.mark.parametrize(
    ("overrides", "lines"),
    [
        (("-m", "blur=motion,gaussian", "seed=3"), ["# The first of 2 jobs: blur=motion seed=3 sweep=sweep-"]),
        (("seed=3,4", "-m", "experiment=plain,quick", "--config-dir", "own"), ["# The first of 4 jobs: seed=3 exp"]),
        (("experiment=grid",), ["# The first of 18 jobs: model=srcnn_915 blur=gaussian optimizer.lr=0.0001"]),
        (
            ("-m", "experiment=grid", "seed=1,2"),
            ["# The first of 36 jobs: model=srcnn_915 blur=gaussian optimizer.lr="],
        ),
        (("-m", "seed=3"), []),
        (("seed=3", "--run"), []),
    ],
)
@pytest.mark.parametrize("place", [exhaustive(0), -1])
def test_the_configuration_of_a_sweeps_first_job_is_shown(
    own: Path,  # noqa: ARG001
    capsys: Shown,
    overrides: tuple[str, ...],
    lines: list[str],
    place: int,
) -> None:
    given = [*overrides]
    given[len(given) if place else 0 : 0] = ["--cfg", "job"]
    if "--run" in overrides:
        given.remove("--run")
    assert train.main(given) == 0
    said = capsys.readouterr()
    assert said.err == ""
    comments = [line for line in said.out.splitlines() if line.startswith("#")]
    assert len(comments) == len(lines)
    assert all(line.startswith(start) for line, start in zip(comments, lines, strict=True))
    shown = yaml.safe_load(said.out)
    blur = "gaussian" if "experiment=grid" in overrides else "motion" if lines and "blur" in overrides[1] else "box"
    assert shown["blur"]["name"] == blur
    assert shown["seed"] == (1 if "seed=1,2" in overrides else 0 if overrides == ("experiment=grid",) else 3)
    assert "hydra" not in shown


@pytest.mark.parametrize(
    "flag",
    [
        ("--info", "defaults"),
        ("--hydra-help",),
        *(exhaustive(flag, is_one=True) for flag in [("--info", "searchpath"), ("-i",), ("--help",)]),
    ],
)
@pytest.mark.parametrize(
    "overrides",
    [
        ("-m", "seed=1,2"),
        ("experiment=grid",),
        exhaustive(("seed=1",), is_one=True),
        exhaustive(("-m", "blur=glob(m*)"), is_one=True),
    ],
)
@pytest.mark.parametrize("is_last", [exhaustive(False), True])
def test_what_shows_a_text_goes_with_a_sweep(
    workplace: Path, capsys: Shown, flag: tuple[str, ...], overrides: tuple[str, ...], is_last: bool
) -> None:
    assert train.main((*overrides, *flag) if is_last else (*flag, *overrides)) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert len(said.out.splitlines()) > 5
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_its_version_and_its_keys(workplace: Path, capsys: Shown, name: str) -> None:
    assert COMMANDS[name].main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("deblur 0.")
    for overrides in (["--help"], ["-h"], ["--help", "a_file.png"]):
        assert COMMANDS[name].main(overrides) == 0
        assert f"python -m deblur.{name}" in capsys.readouterr().out
    assert COMMANDS[name].main(["--cfg", "job"]) == 0
    assert capsys.readouterr().err == ""
    assert list(workplace.iterdir()) == []


def test_a_folder_of_configuration_files_is_found_from_here(workplace: Path, capsys: Shown) -> None:
    import shutil

    shutil.copytree(conf_dir(), workplace / "copied")
    (workplace / "copied" / "train.yaml").write_text((conf_dir() / "train.yaml").read_text() + "\nadded: 1\n")
    for overrides in (["--config-path", "copied"], ["--config-path=copied", "-m", "seed=1,2"], ["-cp", "copied"]):
        assert train.main([*overrides, "--cfg", "job", "-p", "added"]) == 0
        assert capsys.readouterr().out == "1\n"
    (workplace / "mine").mkdir()
    (workplace / "mine" / "mine.yaml").write_text("defaults:\n  - train\n  - _self_\nseed: 5\n")
    assert train.main(["--config-dir", "mine", "--config-name", "mine", "--cfg", "job", "-p", "seed"]) == 0
    assert capsys.readouterr().out == "5\n"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("--config-name nope", "There is no nope.yaml in "),
        ("--config-name grid", "For the preset write experiment=grid."),
        ("--config-name evaluate", "--config-name=evaluate is for python -m deblur.evaluate: leave it out, or name"),
        ("--config-dir nope", "nope is no folder: give one with configuration files."),
        ("--config-path nope", "nope is no folder: give one with configuration files."),
        ("--config-path .", "There is no train.yaml in "),
        ("--cfg", "--cfg/-c: expected one argument."),
        ("--cfg nope", "--cfg/-c: invalid choice: 'nope' (choose from "),
        ("--config x", "ambiguous option: --config could match --config-path, --config-name, --config-dir."),
        ("--info nope", "--info/-i: invalid choice: 'nope'"),
        ("--experimental-rerun x", "--experimental-rerun is not supported: python -m deblur.train resume=DIR continue"),
        ("--resolve", "The --resolve flag can only be used in conjunction with --cfg or --help."),
        ("-sc", "Expecting one subcommand from ['install', 'uninstall', 'query'] to be set."),
    ],
)
def test_a_wrong_flag_is_a_sentence(workplace: Path, capsys: Shown, overrides: str, sentence: str) -> None:
    assert train.main(overrides.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert sentence in said.err
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"train"}))
@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_only_trainings_are_swept(workplace: Path, capsys: Shown, name: str, flag: str) -> None:
    assert COMMANDS[name].main(["run=a,b", flag]) == 2
    assert capsys.readouterr().err == (
        "error: -m is for python -m deblur.train: leave it out, and give "
        f"python -m deblur.{name} once for each value.\n"
    )
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "overrides", "sentence"),
    [
        ("evaluate", ("run=a", "run=b"), "run is given twice, as a and b: give it once."),
    ],
)
def test_a_key_is_given_once(
    workplace: Path, capsys: Shown, name: str, overrides: tuple[str, ...], sentence: str
) -> None:
    assert COMMANDS[name].main(overrides) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")
    assert list(workplace.iterdir()) == []
    assert read_arguments([overrides[0], overrides[0]], name).overrides == (overrides[0], overrides[0])


def test_a_training_takes_the_last_of_two_values() -> None:
    """Scripts and `make train ARGS=...` add to a command."""
    assert read_arguments(["seed=1", "seed=2"], "train").overrides == ("seed=1", "seed=2")


def test_the_shell_completes(
    workplace: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert train.main(["-sc", "install=bash"]) == 0
    assert "complete -o nospace -o default -F hydra_bash_completion" in capfd.readouterr().out
    line = "deblur -m model=srcnn_9315 blur=mo"
    monkeypatch.setenv("COMP_LINE", line)
    monkeypatch.setenv("COMP_POINT", str(len(line)))
    monkeypatch.setenv("COMP_CWORD", "3")
    assert train.main(["--shell-completion", "query=bash"]) == 0
    assert capfd.readouterr().out.split() == ["blur=motion", "blur=motion_random"]
    assert list(workplace.iterdir()) == []


def test_a_wrong_argument_is_no_exception_of_argparse() -> None:
    with pytest.raises(UserError, match=r"^--package/-p: expected one argument\.$"):
        read_arguments(["-p"], "train")
