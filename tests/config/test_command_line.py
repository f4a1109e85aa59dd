import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig
from sampling import sampled

from deblur import train
from deblur.config.command_line import conf_dir, run
from deblur.errors import UserError

Accepted = Callable[..., list[dict[str, Any]]]
Refused = Callable[..., str]


def options(group: str) -> str:
    return ", ".join(sorted(path.stem for path in (conf_dir() / group).glob("*.yaml")))


MODELS, BLURS, LOGGERS = options("model"), options("blur"), options("logger")
TOP = (
    "the keys at the top are blur, callbacks, data, debug, dry_run, experiment, fail_fast, logger, loss, metrics, "
    "model, optimizer, overwrite, paths, resume, scheduler, search, seed, sweep, trainer, trusted, weights"
)
# One of each kind, tried with the whole command
COMMANDS = [
    ("optimizer.lr=abc", "optimizer.lr=abc is not allowed: give a number above 0."),
    ("data=folder data.root=absent", "data.root=absent does not exist: give a folder with images."),
    ("blur=blox", f"blur=blox is not allowed: choose {BLURS}. Did you mean box?"),
    ("optimiser.lr=1", f"optimiser is unknown: {TOP}. Did you mean optimizer.lr=1?"),
    ("data.root=/x", "data.root is unknown in the chosen data: it belongs to data=folder or pairs."),
    ("model=null", f"model=null is not allowed: choose {MODELS}, or leave model out."),
    ("model.widths=[64,", "model.widths=[64, cannot be read ("),
    ("--resolve", "The --resolve flag can only be used in conjunction with --cfg or --help."),
]
EXPLAINED = [
    ("data=folder", "data.root is missing: give a folder with images: data.root=DIR."),
    ("~data.seed", "data.seed is missing: give a whole number from 0"),
    ("model._target_=os.system", "model._target_=os.system is not allowed: give a class that is defined in deblur, t"),
    ("model.name=${nowhere}", "model.name cannot be resolved: Interpolation key 'nowhere' not found."),
    # an option that does not exist
    ("experiment=none", "experiment=none is not allowed: choose "),
    ("logger=null", f"logger=null is not allowed: choose {LOGGERS}, or leave logger out."),
    ("data=3", "data=3 is not allowed: choose anime_faces, folder, pairs, photos, synthetic, or leave data out."),
    ("+blur=box", "blur has been chosen by conf/train.yaml: write blur=NAME, without a plus sign."),
    ("+model=srcnn_915", "model has been chosen by conf/train.yaml: write model=NAME, without a plus sign."),
    ("=3", "An option of a group is chosen by its name: GROUP=NAME."),
    # a key that does not exist
    ("zzz=1", f"zzz is unknown: {TOP}."),
    (
        "blur.sizes=7",
        "blur has the keys camera, jpeg_quality, noise_sigma, size. Did you mean blur.size=7 (of blur=box)?",
    ),
    ("+blur.sizes=7", "blur.sizes is unknown: blur has the keys camera, jpeg_quality, noise_sigma, size. Did you "),
    (
        "callbacks.comparison_grid.images=1",
        "callbacks.comparison_grid is unknown: callbacks has the keys comparison_grids. Did",
    ),
    ("data.max_images.x=3", "data.max_images.x is unknown: data.max_images has no keys."),
    ("~blur.sigma", "~blur.sigma deletes nothing: there is no blur.sigma."),
    # a key of another option
    ("blur=none blur.sigma=30", "blur.sigma is unknown in the chosen blur: it belongs to blur=gaussian."),
    ("scheduler.T_max=5", "scheduler.T_max is unknown in the chosen scheduler: it belongs to scheduler=cosine"),
    # an argument of a class of another library
    ("trainer.gradient_clip_val=1", "For an argument of lightning.pytorch.Trainer write +trainer.gradient_clip_val=V"),
    (
        "optimizer.lrr=1",
        "optimizer has the keys fused, last_layer_lr_scale, lr, weight_decay. Did you mean optimizer.lr=1? For an arg",
    ),
    # words that cannot be read
    ("seed", "seed is no setting: settings are written KEY=VALUE. Did you mean seed=VALUE?"),
    (
        "optimizer.lr==3",
        "optimizer.lr==3 cannot be read (Error parsing override 'optimizer.lr==3'): write KEY=VALUE, l",
    ),
    ("optimizer.lr=1,2", "optimizer.lr=1,2 stands for several values: add -m to train with one after the other, or wr"),
    ("seed=range(3)", "seed=range(3) stands for several values: add -m to train with one after the other, or write"),
]
SWEEPS = [
    (
        "-m optimizer.lr=1e-3,-2 sweep=a",
        "The job optimizer.lr=-2 sweep='a' is refused, so no job of this sweep was started: optimizer.lr=-2 is not al",
    ),
    ("-m model=srcnn_915,srcnn", f"was started: model=srcnn is not allowed: choose {MODELS}. Did you mean srcnn_915?"),
    ("-m blur=gaussian,box blur.sigma=choice(3)", "The job blur=box blur.sigma=3 sweep="),
    (
        "-m blur=gaussian,none blur.sigma=3",
        "is unknown at the start of a sweep over blur: write blur.sigma=choice(VALUE)",
    ),
    ("-m seed=1,2 sweep=a/b", "sweep=a/b is not allowed: give a name of letters,"),
    ("-m seed=1,2 resume=x", "resume=DIR continues one run: leave out -m."),
    ("seed=1,2 -m data=folder", "was started: data.root is missing: give a folder with images: data.root=DIR."),
]


@pytest.mark.parametrize(("overrides", "sentence"), EXPLAINED)
def test_a_mistake_is_explained(explained: Refused, overrides: str, sentence: str) -> None:
    assert sentence in explained(*overrides.split())


@pytest.mark.parametrize(("overrides", "sentence"), [*COMMANDS, *SWEEPS])
def test_a_mistake_is_one_sentence(refused: Refused, overrides: str, sentence: str) -> None:
    assert sentence in refused(*overrides.split())


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "sentence"), sampled(EXPLAINED, 3))
def test_every_mistake_is_one_sentence(refused: Refused, overrides: str, sentence: str) -> None:
    assert sentence in refused(*overrides.split())


def test_a_sentence_is_no_markup_and_is_not_broken(refused: Refused) -> None:
    name = "[bold]/:smile:/[/x] " + "a long name " * 20
    assert refused("data=folder", f"data.root={name}").startswith(f"data.root={name} does not exist: ")


def test_a_file_in_the_way_of_the_output_is_a_sentence(refused: Refused, workplace: Path) -> None:
    (workplace / "outputs").touch()
    assert "outputs/sweeps/a cannot be written (Not a directory): choose another" in refused("-m", "sweep=a")


def test_a_flag_that_does_not_exist_has_the_same_exit_code(
    workplace: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert train.main(["--nonsense"]) == 2
    assert capsys.readouterr().err.startswith("error: --nonsense is no flag: settings are written KEY=VALUE, without ")


@pytest.mark.parametrize("overrides", ["loss=huber", "-m loss=mse,huber", "sed=1"])
def test_the_traceback_can_be_had(workplace: Path, monkeypatch: pytest.MonkeyPatch, overrides: str) -> None:  # noqa: ARG001
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(Exception, match=r"loss=huber is not allowed|Could not override 'sed'"):
        train.main(overrides.split())
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


@pytest.mark.slow
def test_a_key_of_all_swept_options_can_be_set(accepted: Accepted) -> None:
    configs = accepted("-m", "blur=motion,motion_random", "blur.length=choice(9)")
    assert [(config.blur.name, config.blur.length) for config in configs] == [
        ("motion", 9),
        ("motion_random", 9),
    ]


def test_a_users_own_option_passes_without_a_schema(accepted: Accepted, workplace: Path) -> None:
    option = workplace / "own" / "model" / "mine.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("_target_: my_nets.Net\nanything: [1, a]\n")
    overrides = ("--config-dir", "own", "model=mine", "trusted=[my_nets]")
    (config,) = accepted(*overrides)
    assert config.model.plain() == {"_target_": "my_nets.Net", "anything": [1, "a"]}
    (config,) = accepted(*overrides, "model.anything=3")
    assert config.model.anything == 3


def test_keys_of_a_users_own_option_are_listed(refused: Refused, workplace: Path) -> None:
    option = workplace / "own" / "model" / "mine.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("_target_: my_nets.Net\ndepth: 3\n")
    assert refused("--config-dir", "own", "model=mine", "model.dept=4", "trusted=[my_nets]") == (
        "model.dept is unknown: model has the keys depth. Did you mean model.depth? "
        "For an argument of my_nets.Net write +model.dept=VALUE."
    )
    assert " mine, original_915" in refused("--config-dir", "own", "model=min").replace("original_91115, ", "")


def test_a_preset_may_be_a_sweep(accepted: Accepted, refused: Refused, workplace: Path) -> None:
    preset = workplace / "own" / "experiment" / "mine.yaml"
    preset.parent.mkdir(parents=True)
    text = "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      blur: box,motion\n"
    preset.write_text(text)
    overrides = ("--config-dir", "own", "experiment=mine")
    assert "sweep=null is no name: give one with sweep=NAME." in refused(*overrides)
    configs = accepted(*overrides, "sweep=grid")
    assert [(config.blur.name, config.sweep) for config in configs] == [("box", "grid"), ("motion", "grid")]


def test_a_mistake_in_one_job_of_a_sweep_does_not_stop_the_others(
    workplace: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    seeds = []

    def task(config: DictConfig) -> None:
        seeds.append(config.seed)
        if config.seed == 1:
            raise UserError("Seed 1 is out.")

    assert run("train", task, ["-m", "seed=1,0"]) == 2
    assert seeds == [1, 0]
    assert capsys.readouterr().err == "error: Seed 1 is out.\n"


def test_an_unexpected_error_is_no_sentence_and_hides_none(
    workplace: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
) -> None:
    def task(config: DictConfig) -> None:
        if config.seed == 0:
            raise UserError("Seed 0 is out.")
        raise ValueError("a bug")

    with pytest.raises(ValueError, match=r"^a bug$"):
        run("train", task, ["-m", "seed=0,1"])
    assert "error: Seed 0 is out.\n" in capsys.readouterr().err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run(workplace: Path, capsys: pytest.CaptureFixture[str], sent: signal.Signals) -> None:  # noqa: ARG001
    def task(_: DictConfig) -> None:
        os.kill(os.getpid(), sent)
        time.sleep(10)

    assert run("train", task, []) == 130
    assert capsys.readouterr().err == "Stopped.\n"


@pytest.mark.parametrize("overrides", ["seed=1", "-m seed=1,2 loss=huber", "--help", "sed=1"])
def test_the_process_is_left_as_it_was(
    workplace: Path,  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
    overrides: str,
) -> None:
    def state() -> dict[str, Any]:
        root = logging.getLogger()
        return {
            "handlers": root.handlers[:],
            "level": root.level,
            "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            "arguments": sys.argv[:],
            "environment": dict(os.environ),
            "folder": Path.cwd(),
            "hydra": GlobalHydra.instance().is_initialized(),
        }

    def like_lightning(config: DictConfig) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if config.loss == "huber":
            raise UserError("huber")

    monkeypatch.setattr(sys, "argv", ["program", "overrides"])
    before = state()
    run("train", like_lightning, overrides.split())
    assert state() == before


def test_what_needs_no_torch_does_not_import_it(tmp_path: Path) -> None:
    script = """
        import sys
        from deblur import report, train
        for words in (["--cfg", "job"], ["loss=huber"]):
            assert train.main(words) == (0 if words[0].startswith("--") else 2), words
        assert report.main(["absent"]) == 2
        assert "cv2" not in sys.modules
        assert train.main(["--help"]) == 0
        for words in (["-m", "loss=mse,huber"], ["resume=absent"]):  # which check a whole configuration, the blur too
            assert train.main(words) == 2, words
        heavy = {"torch", "lightning", "torchmetrics", "albumentations", "tensorboard"}
        print("imported:", *sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "imported:"
    assert "== Groups (choose with group=option) ==" in done.stdout
    assert "  output_root: outputs" in done.stdout
    assert done.stderr.count("error: ") == done.stderr.count("\n") == 4
    assert not list(tmp_path.iterdir())
