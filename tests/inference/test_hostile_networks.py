"""Files that strangers made: their code does not run, and one sentence says what is wrong."""

import io
import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.utils.collect_env
from safetensors.torch import save

import deblur
from deblur import export
from deblur.errors import UserError
from deblur.inference.trained import load_trained
from deblur.models import SRCNN

MODEL = {"_target_": "deblur.models.SRCNN", "kernel_sizes": [3, 1], "widths": [2]}
TARGETS = {
    "os.system": {"command": "touch {witness}"},
    "subprocess.Popen": {"args": ["touch", "{witness}"]},
    "torch.utils.collect_env.run": {"command": "touch {witness}"},
    "torch.hub.load": {"repo_or_dir": "{folder}", "model": "net", "source": "local"},
    "torch.load": {"f": "{folder}/pickle.pt", "weights_only": False},
    "deblur.inference.checkpoints.load_checkpoint": {"path": "{folder}/pickle.pt"},
    "stranger.Net": {},
    "deblur.models.stranger.Net": {},
    "torch.nn.Identity": {},
}
OPENERS: dict[str, Callable[[Path], object]] = {
    "load": lambda path: deblur.load(path, accelerator="cpu"),
    "load_trained": load_trained,
}


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self._witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._witness,)


@pytest.fixture(autouse=True)
def _without_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of other programs are refused as this program refuses them alone."""
    monkeypatch.setitem(sys.modules, "spandrel", None)  # which importlib takes for missing


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears where the code of a stranger runs: of modules on the path, of a hub, of a pickle."""
    witness, folder = tmp_path / "ran", tmp_path / "stranger"
    folder.mkdir()
    touch = f"from pathlib import Path\nPath({str(witness)!r}).touch()\n"
    (folder / "stranger.py").write_text(f"{touch}from torch.nn import Identity as Net\n")
    (folder / "hubconf.py").write_text(f"{touch}def net():\n    pass\n")
    torch.save(Evil(witness), folder / "pickle.pt")
    monkeypatch.syspath_prepend(folder)
    yield witness
    sys.modules.pop("stranger", None)


def checkpoint(model: Any, **others: Any) -> bytes:
    weights = {f"network.{name}": value for name, value in SRCNN([3, 1], [2]).state_dict().items()}
    content = io.BytesIO()
    settings = {"model": model, "blur": {"_target_": "deblur.blur.Box", "size": 3}, "data": {}}
    held = {"epoch": 0, "global_step": 1, "state_dict": weights, "hyper_parameters": settings}
    torch.save(held | others, content)
    return content.getvalue()


def safetensors(model: Any, **others: Any) -> bytes:
    settings = {"model": model, "blur": {"_target_": "deblur.blur.Box", "size": 3}}
    description = {"format": 1, "settings": settings} | others
    return save(SRCNN([3, 1], [2]).state_dict(), {"deblur": json.dumps(description)})


MAKERS = {".ckpt": checkpoint, ".safetensors": safetensors}


def refusals(path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Open a file in every way; return the sentences with which it is refused."""
    said = []
    for opener in OPENERS.values():
        with pytest.raises(UserError) as caught:
            opener(path)
        said.append(str(caught.value))
    before = sorted(path.parent.rglob("*"))
    capsys.readouterr()
    assert export.main([f"{path}", "--format=safetensors"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.endswith("\n")
    assert sorted(path.parent.rglob("*")) == before
    said.append(printed.err.removeprefix("error: ").removesuffix("\n"))
    assert all("\n" not in sentence for sentence in said)
    return said


@pytest.mark.parametrize("suffix", MAKERS)
def test_a_network_of_ours_is_opened(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"given{suffix}"
    path.write_bytes(MAKERS[suffix](MODEL))
    for opener in OPENERS.values():
        assert opener(path).name == "given"
    assert export.main([f"{path}", "--format=safetensors", f"--output={tmp_path / 'out'}"]) == 0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("suffix", MAKERS)
def test_a_class_of_a_stranger_is_not_built(
    suffix: str, target: str, witness: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = json.loads(
        json.dumps(TARGETS[target]).replace("{witness}", str(witness)).replace("{folder}", str(tmp_path / "stranger"))
    )
    path = tmp_path / f"given{suffix}"
    path.write_bytes(MAKERS[suffix]({"_target_": target, **arguments}))
    for said in refusals(path, capsys):
        assert said.startswith(f"_target_={target} ")
    assert not witness.exists()


def test_the_traps_would_be_sprung(witness: Path, tmp_path: Path) -> None:
    """The tests above would see it if the code ran."""
    for spring in (
        lambda: __import__("stranger"),
        lambda: torch.hub.load(str(tmp_path / "stranger"), "net", source="local"),
        lambda: torch.utils.collect_env.run(f"touch {witness}"),
        lambda: torch.load(tmp_path / "stranger" / "pickle.pt", weights_only=False),
    ):
        spring()
        assert witness.exists()
        witness.unlink()


@pytest.mark.parametrize("suffix", MAKERS)
@pytest.mark.parametrize("wrapped", ["pickle", "torch", "within"])
def test_a_pickle_is_not_read(
    wrapped: str,
    suffix: str,
    witness: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    recwarn: pytest.WarningsRecorder,
) -> None:
    path = tmp_path / f"given{suffix}"
    if wrapped == "pickle":
        path.write_bytes(pickle.dumps(Evil(witness)))
    elif wrapped == "torch":
        torch.save(Evil(witness), path)
    else:
        path.write_bytes(checkpoint(MODEL, more=Evil(witness)))
    kind = "checkpoint of this program" if suffix == ".ckpt" else "safetensors file"
    for said in refusals(path, capsys):
        assert said.startswith(f"{path} is no {kind}, or is damaged (")
        assert "weights_only" not in said  # no advice to let the code run
    assert not witness.exists()
    assert not recwarn.list  # which would be lines beside the sentence


DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty.ckpt": (b"", "is no checkpoint of this program, or is damaged"),
    "half.ckpt": (checkpoint(MODEL)[:1500], "is no checkpoint of this program, or is damaged"),
    "bare.ckpt": (checkpoint(MODEL, hyper_parameters=None), "it holds no settings of a network"),
    "text.ckpt": (checkpoint("SRCNN"), "it holds no settings of a network"),
    "list.ckpt": (checkpoint(MODEL, state_dict=[1]), "is damaged: it holds no weights by name"),
    "numbers.ckpt": (checkpoint(MODEL, state_dict={1: 2}), "is damaged: it holds no weights by name"),
    "other.ckpt": (checkpoint(MODEL | {"widths": [3]}), "does not fit its network"),
    "unlike.ckpt": (checkpoint(MODEL | {"widths": "3"}), "deblur.models.SRCNN refuses its arguments"),
    "unknown.ckpt": (checkpoint(MODEL | {"depth": 3}), "deblur.models.SRCNN: got an unexpected keyword argument"),
    "empty.safetensors": (b"", "is no safetensors file, or is damaged"),
    "half.safetensors": (safetensors(MODEL)[:-20], "is no safetensors file, or is damaged"),
    "foreign.safetensors": (save({"a": torch.zeros(1)}), "was not exported by this program"),
    "text.safetensors": (safetensors("SRCNN"), "was not exported by this program"),
    "new.safetensors": (safetensors(MODEL, format=2), "is of the format 2, of another version of this program"),
    "other.safetensors": (safetensors(MODEL | {"widths": [3]}), "does not fit its network"),
    "metrics.safetensors": (safetensors(MODEL, metrics={"data": [1]}), "is damaged: its description"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, reason = DAMAGED[name]
    path = tmp_path / name
    path.write_bytes(content)
    for said in refusals(path, capsys):
        assert reason in said


def test_a_checkpoint_of_another_program_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, held in enumerate(([1, 2], torch.zeros(3), {"state_dict": {}})):
        path = tmp_path / f"{number}.ckpt"
        torch.save(held, path)
        for said in refusals(path, capsys):
            assert said.startswith(f"{path} is no checkpoint of a training.")


def test_a_run_without_settings_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.ckpt").write_bytes(checkpoint(MODEL))
    for said in refusals(tmp_path, capsys):
        assert said == f"{tmp_path / 'config.yaml'} is damaged: it lacks the sections model and blur."


@pytest.mark.parametrize("target", ["os.system", "stranger.Net"])
def test_a_run_of_a_stranger_is_refused(
    target: str, witness: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(
        f"model:\n  _target_: {target}\n  command: touch {witness}\nblur:\n  _target_: deblur.blur.Box\ntrusted: [os]\n"
    )
    (folder / "checkpoints" / "best.ckpt").write_bytes(checkpoint(MODEL))
    for said in refusals(folder, capsys):
        assert said.startswith(f"_target_={target} is not allowed")
    assert not witness.exists()
