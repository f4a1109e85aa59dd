import re
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities import rank_zero_only
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2, backend_context, get_experiment, list_session_groups
from tensorboard.plugins.hparams.metadata import SESSION_END_INFO_TAG, SESSION_START_INFO_TAG

from deblur.training.events import PATTERN, read_records
from deblur.training.loggers import TensorBoard

SETTINGS = {"blur": "box", "lr": 1e-3, "model": "srcnn_915", "seed": 0, "set/data.flips": True}


def write_run(folder: Path, settings: dict[str, Any], psnr: float) -> None:
    """Leave the events of a finished run."""
    folder.mkdir(parents=True)
    logger = TensorBoard(folder)
    logger.log_settings(settings)
    logger.log_metrics({"val/psnr": psnr - 1, "epoch": 0}, 9)
    logger.log_metrics({"test/psnr": torch.tensor(psnr), "epoch": 1}, 10)
    logger.finish(10)


class HParamsTab:
    """What TensorBoard's HPARAMS tab asks of its backend."""

    def __init__(self, logdir: Path) -> None:
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir)).Reload()
        self._context = backend_context.Context(
            TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(logdir)))
        )

    def experiment(self) -> api_pb2.Experiment:
        request = api_pb2.GetExperimentRequest(include_metrics=True)
        found = self._context.hparams_metadata(RequestContext(), "")
        provided = self._context.hparams_from_data_provider(RequestContext(), "", limit=None)
        handler = get_experiment.Handler(RequestContext(), self._context, "", request)
        assert found
        assert not list(provided.hyperparameters)
        return handler.run()

    def runs(self, **filters: list[Any]) -> list[str]:
        """Return the runs that are left where each setting has one of these values."""
        columns = []
        for info in self.experiment().hparam_infos:
            column = api_pb2.ColParams(hparam=info.name)
            if info.name in filters:
                for value in filters[info.name]:
                    column.filter_discrete.values.add(**{f"{_kind(value)}_value": value})
            columns.append(column)
        statuses = [api_pb2.STATUS_UNKNOWN, api_pb2.STATUS_RUNNING, api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE]
        request = api_pb2.ListSessionGroupsRequest(
            col_params=columns, allowed_statuses=statuses, slice_size=100, include_metrics=True
        )
        answer = list_session_groups.Handler(RequestContext(), self._context, "", request).run()
        return sorted(group.sessions[0].name for group in answer.session_groups)


def _kind(value: Any) -> str:
    return "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def domain(info: api_pb2.HParamInfo) -> Any:
    """Return the values that a filter offers: a set, or the two ends of a range."""
    if info.HasField("domain_interval"):
        return (info.domain_interval.min_value, info.domain_interval.max_value)
    return {getattr(value, value.WhichOneof("kind")) for value in info.domain_discrete.values}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two networks on two blurs at two rates, whose settings have other names."""
    for model in ("srcnn_915", "resnet"):
        for blur, rate in (("box", 1e-3), ("gaussian", 1e-4)):
            own = {"set/model.blocks": 4} if model == "resnet" else {"set/model.kernel_sizes": "[9, 1, 5]"}
            own |= {"set/blur.sigma": 3.0} if blur == "gaussian" else {"set/blur.size": 7}
            settings = SETTINGS | {"blur": blur, "lr": rate, "model": model, "set/data.flips": blur == "box"} | own
            write_run(tmp_path / "outputs" / f"{model}-{blur}", settings, 25.0)
    return tmp_path / "outputs"


def test_the_hparams_tab_filters_by_text_and_truth_as_well(sweep: Path) -> None:
    infos = {info.name: info for info in HParamsTab(sweep).experiment().hparam_infos}
    assert domain(infos["model"]) == {"srcnn_915", "resnet"}
    assert domain(infos["blur"]) == {"box", "gaussian"}
    assert domain(infos["set/data.flips"]) == {True, False}
    assert domain(infos["set/model.kernel_sizes"]) == {"[9, 1, 5]"}
    assert domain(infos["lr"]) == (1e-4, 1e-3)


def test_the_hparams_tab_has_the_settings_of_all_runs(sweep: Path) -> None:
    names = {info.name for info in HParamsTab(sweep).experiment().hparam_infos}
    of_one_kind = {"set/model.blocks", "set/model.kernel_sizes", "set/blur.sigma", "set/blur.size"}
    assert names == SETTINGS.keys() | of_one_kind


def test_a_filter_leaves_the_runs_that_are_asked_for(sweep: Path) -> None:
    tab = HParamsTab(sweep)
    assert tab.runs() == ["resnet-box", "resnet-gaussian", "srcnn_915-box", "srcnn_915-gaussian"]
    assert tab.runs(model=["resnet"]) == ["resnet-box", "resnet-gaussian"]
    assert tab.runs(model=["resnet"], blur=["box"]) == ["resnet-box"]
    assert tab.runs(blur=["gaussian"]) == ["resnet-gaussian", "srcnn_915-gaussian"]
    assert tab.runs(**{"set/data.flips": [True]}) == ["resnet-box", "srcnn_915-box"]


def test_a_single_run_has_filters_too_and_its_test_among_the_metrics(tmp_path: Path) -> None:
    write_run(tmp_path / "run", SETTINGS, 25.0)
    experiment = HParamsTab(tmp_path).experiment()
    assert {info.name: domain(info) for info in experiment.hparam_infos} == {
        "blur": {"box"},
        "lr": (1e-3, 1e-3),
        "model": {"srcnn_915"},
        "seed": (0.0, 0.0),
        "set/data.flips": {True},
    }
    assert "test/psnr" in {info.name.tag for info in experiment.metric_infos}


def test_a_run_that_is_alive_is_in_the_tab(tmp_path: Path) -> None:
    logger = TensorBoard(tmp_path / "alive")
    logger.log_settings(SETTINGS)
    logger.log_metrics({"val/psnr": 20.0}, 9)
    write_run(tmp_path / "done", SETTINGS, 25.0)
    assert HParamsTab(tmp_path).runs() == ["alive", "done"]


def groups(tags: list[str]) -> list[str]:
    """Return the groups of tags in the order in which TensorBoard shows them; it opens the first two."""
    return list(dict.fromkeys(tag.split("/")[0] for tag in sorted(tags)))


def test_curves_come_first(tmp_path: Path) -> None:
    logger = TensorBoard(tmp_path)
    for epoch in range(2):
        logger.log_metrics({"val/loss": 0.2, "val/psnr": 20.0, "epoch": epoch}, epoch * 10 + 9)
        logger.log_metrics({"train/loss": 0.1, "epoch": epoch}, epoch * 10 + 9)
        logger.log_metrics({"lr-Adam": 1e-3}, epoch * 10)
    logger.log_metrics({"test/psnr": 21.0, "epoch": 2}, 20)
    logger.finish(20)
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = events.Tags()["scalars"]
    assert groups(tags) == ["curves", "lr-Adam", "test", "train", "val"]
    assert {tag.removeprefix("curves/") for tag in tags if tag.startswith("curves/")} == {
        "train/loss",
        "val/loss",
        "val/psnr",
    }
    for tag in ("train/loss", "val/psnr"):
        assert [(e.step, e.value) for e in events.Scalars(tag)] == [
            (e.step, e.value) for e in events.Scalars(f"curves/{tag}")
        ]
    assert [event.step for event in events.Scalars("test/psnr")] == [20]


CHARTS = {"loss": ["train/loss$", "val/loss$", "test/loss$"], "psnr": ["train/psnr$", "val/psnr$", "test/psnr$"]}


def test_a_chart_shows_a_metric_of_training_and_validation(tmp_path: Path) -> None:
    for _ in range(2):  # interrupted and resumed
        logger = TensorBoard(tmp_path)
        logger.resume(None, 10, [])
        logger.log_charts(list(CHARTS))
        logger.log_metrics({"train/loss": 0.1, "val/loss": 0.2}, 9)
        logger.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    (stored,) = events.Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(stored.tensor_proto.string_val[0])
    (category,) = layout.category
    assert {chart.title: list(chart.multiline.tag) for chart in category.chart} == CHARTS
    shown = [tag for tag in events.Tags()["scalars"] if any(re.match(found, tag) for found in CHARTS["loss"])]
    assert sorted(shown) == ["train/loss", "val/loss"]  # as the tab matches them: without those of the group `curves`


def told(folder: Path) -> list[tuple[str, int]]:
    records = [record for path in sorted(folder.glob(PATTERN)) for record in read_records(path)]
    return sorted((value.tag, record.event.step) for record in records for value in record.event.summary.value)


ROWS = [{"epoch": epoch, "step": (epoch + 1) * 10, "train/loss": 0.5, "val/psnr": 20.0} for epoch in range(2)]


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_resumed_run_has_each_event_once(tmp_path: Path, is_damaged: bool) -> None:
    def write(logger: TensorBoard, epochs: range) -> int | None:
        logger.log_settings(SETTINGS)
        length = None
        for epoch in epochs:
            if epoch == 2:
                length = logger.sync()
            logger.log_metrics({"val/psnr": 20.0}, epoch * 10 + 9)
            logger.log_metrics({"train/loss": 0.5}, epoch * 10 + 9)
        logger.log_metrics({"test/psnr": 21.0}, 30)
        return length

    whole = TensorBoard(tmp_path / "whole")
    write(whole, range(3))
    whole.finish(30)
    run = tmp_path / "run"
    length = write(TensorBoard(run), range(3))
    if is_damaged:
        (path,) = run.iterdir()
        path.write_bytes(path.read_bytes()[:200])
    for _ in range(2):  # resumed twice
        again = TensorBoard(run)
        again.resume(length, 20, ROWS)
        length = again.sync() or length
        write(again, range(2, 3))
    again.finish(30)
    assert told(run) == told(tmp_path / "whole")
    assert len(list(run.iterdir())) == 1
    tags = [tag for tag, _ in told(run)]
    assert (tags.count(SESSION_START_INFO_TAG), tags.count(SESSION_END_INFO_TAG)) == (1, 1)


def test_other_processes_of_a_run_write_no_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    logger = TensorBoard(tmp_path)
    logger.log_settings(SETTINGS)
    logger.log_metrics({"val/psnr": 20.0}, 9)
    logger.experiment.add_scalar("other", 1.0, 1)
    assert logger.sync() is None
    logger.finalize("success")
    logger.finish(10)
    assert not list(tmp_path.iterdir())
