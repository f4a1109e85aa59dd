import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deblur.demo import main

MESSAGES = [
    (["--port=99999"], "Invalid value for '--port': Input should be less than or equal to 65535."),
    (["--max-megapixels=0"], "Invalid value for '--max-megapixels': 0 is not allowed: give a number above 0."),
    (["--host="], "Invalid value for '--host': it is empty"),
    (["--prot=1"], "No such option: --prot"),
]


@pytest.fixture(autouse=True)
def _temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the folders of several demos in one process, which gradio mixes up, in that of the test."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize(("argv", "sentence"), MESSAGES)
def test_a_mistake_is_told_in_a_sentence(argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert capsys.readouterr().err.startswith(f"error: {sentence}")


def test_without_gradio_the_command_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["--port=0"]) == 2
    assert capsys.readouterr().err == 'error: The demo needs gradio: pip install "deblur-lab[demo]".\n'


def test_an_address_that_cannot_be_used_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="the demo needs gradio: pip install deblur-lab[demo]")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main([f"--port={port}"]) == 2
    assert f"--host 127.0.0.1 --port {port} cannot be used (Address already in use): give" in capsys.readouterr().err
    assert main(["--host=no.such.host.invalid"]) == 2
    assert "--host no.such.host.invalid is no address" in capsys.readouterr().err


def test_a_wrong_run_is_told_before_there_is_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("gradio", reason="the demo needs gradio: pip install deblur-lab[demo]")
    assert main(["--port=0", "--network=absent"]) == 2
    printed = capsys.readouterr()
    assert "There is no network absent" in printed.err
    assert "The page is at" not in printed.out


def test_gradio_hears_nothing_else_from_the_environment(
    tmp_path: Path, network_at: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gradio", reason="the demo needs gradio: pip install deblur-lab[demo]")
    import uvicorn

    heard: dict[str, str] = {}
    monkeypatch.setenv("GRADIO_SHARE", "True")
    monkeypatch.setenv("GRADIO_ALLOWED_PATHS", "/")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "True")
    monkeypatch.setenv("GRADIO_TEMP_DIR", "/elsewhere")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "0")

    def served(*_: object, **__: object) -> None:
        heard.update({name: value for name, value in os.environ.items() if name.startswith(("GRADIO_", "HF_HUB_D"))})

    monkeypatch.setattr(uvicorn.Server, "run", served)
    assert main(["--port=0", f"--network={network_at(tmp_path / 'tiny.safetensors')}"]) == 0
    folder = heard.pop("GRADIO_TEMP_DIR")
    assert Path(folder).name.startswith("deblur-demo-")
    assert not Path(folder).exists()
    assert heard.pop("HF_HUB_DISABLE_TELEMETRY") in ("1", "True")
    assert heard == {"GRADIO_ANALYTICS_ENABLED": "False"}


def test_an_open_address_is_warned_of(
    tmp_path: Path,
    network_at: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("gradio", reason="the demo needs gradio: pip install deblur-lab[demo]")
    import uvicorn

    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **__: None)
    run = f"--network={network_at(tmp_path / 'tiny.safetensors')}"
    warning = "warning: --host 0.0.0.0 lets everybody on the network use this page and this computer."
    assert main(["--port=0", run]) == 0
    assert "warning: --host" not in capsys.readouterr().out
    assert main(["--port=0", "--host=0.0.0.0", run]) == 0
    said = capsys.readouterr().out
    assert warning in said
    assert "by whatever host name" in said


def test_help_comes_without_the_heavy_libraries() -> None:
    program = (
        "import sys; from deblur.demo import main; assert main(['--help']) == 0; "
        "heavy = {'torch', 'gradio', 'albumentations', 'lightning'} & sys.modules.keys(); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "python -m deblur.demo -n outputs" in done.stdout
