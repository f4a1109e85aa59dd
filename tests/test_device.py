"""The device of a run, also with GPUs that torch only pretends to see."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from deblur import gpus
from deblur.device import DeviceRequest, taken_device

AUTO = DeviceRequest()


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Let torch see two GPUs; claims on them lie in a folder of the test."""
    monkeypatch.setattr(gpus.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"GPU-{index}"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: (7 + index, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: f"number {index}")
    return monkeypatch


@pytest.mark.usefixtures("pretend")
def test_runs_at_a_time_share_the_gpus_evenly() -> None:
    with taken_device(AUTO) as first, taken_device(AUTO) as second, taken_device(AUTO) as third:
        assert [one.devices for one in (first, second, third)] == [[0], [1], [0]]
        assert [one.name for one in (first, second)] == ["number 0", "number 1"]
        assert [one.precision for one in (first, second)] == ["32-true", "bf16-mixed"]
        assert not first.deterministic
        assert [one.place for one in (first, second)] == [torch.device("cuda", 0), torch.device("cuda", 1)]


def test_runs_at_a_time_share_the_only_gpu(pretend: pytest.MonkeyPatch) -> None:
    pretend.setattr(torch.cuda, "device_count", lambda: 1)
    with taken_device(AUTO) as first, taken_device(AUTO) as second:
        assert first == second
        assert (first.accelerator, first.devices, first.place) == ("gpu", 1, torch.device("cuda"))


def test_float32_means_float32_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    with taken_device(DeviceRequest("cpu")):
        assert not torch.backends.cudnn.allow_tf32
    assert torch.backends.cudnn.allow_tf32
