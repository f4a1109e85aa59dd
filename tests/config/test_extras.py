import sys
from collections.abc import Callable

import pytest
from run_settings import refusal

from deblur.config import TrainConfig
from deblur.config.extras import refuse_absent_loggers
from deblur.train import main


@pytest.mark.parametrize(
    ("logger", "module", "sentence"),
    [
        ("mlflow", "mlflow", "logger=mlflow needs the package mlflow, which is not installed: pip install "),
        ("[csv,mlflow]", "alembic", "logger=mlflow needs the package alembic, which is not installed: pip install "),
        ("many_loggers", "wandb", "logger=wandb needs the package wandb, which is not installed: pip install "),
    ],
)
def test_a_logger_without_its_package_is_refused_with_the_extra(
    compose: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch, logger: str, module: str, sentence: str
) -> None:
    pytest.importorskip("mlflow", reason="needs the extra [mlflow]")
    pytest.importorskip("wandb", reason="needs the extra [wandb]")
    config = compose(f"logger={logger}")
    refuse_absent_loggers(config)
    monkeypatch.setitem(sys.modules, module, None)  # as if it was not installed
    extra = "wandb" if module == "wandb" else "mlflow"
    assert refusal(refuse_absent_loggers, config) == f'{sentence}"deblur-lab[{extra}]", or choose another logger.'


@pytest.mark.parametrize("logger", ["tensorboard", "csv", "none", "[tensorboard,csv]"])
def test_other_loggers_need_no_package(
    compose: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch, logger: str
) -> None:
    for module in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    refuse_absent_loggers(compose(f"logger={logger}"))


def test_loggers_are_no_axis_of_a_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-m", "logger=tensorboard,csv", "model=srcnn_915,srcnn_9315", "dry_run=true"]) == 2
    said = capsys.readouterr().err
    assert "logger=tensorboard,csv would train each run once per logger, and to the same result: write " in said
    assert '"logger=[tensorboard,csv]"' in said
