"""Real processes: the console, signals, the wheel."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

import pytest
from sampling import exhaustive

from deblur.runs.states import state_of

REPOSITORY = Path(__file__).resolve().parents[2]
SMALL = (
    "data.max_images=24",
    "data.patch_size=32",
    "data.eval_crop=64",
    "trainer.precision=32-true",
    "trainer.accelerator=cpu",
)


def command(*overrides: str) -> list[str]:
    return [sys.executable, "-m", "deblur.train", *overrides]


def environment(cache: Path) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": str(cache)}


def wait_for(condition: object, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def only_run(root: Path) -> Path:
    (status,) = root.rglob("status.json")
    return status.parent


def state(run: Path) -> str:
    return str(json.loads((run / "status.json").read_text())["state"])


def epochs_done(root: Path) -> int:
    found = list(root.rglob("history.csv"))
    return len(found[0].read_text().splitlines()) - 1 if found else 0


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, exhaustive(signal.SIGTERM), exhaustive(signal.SIGKILL)])
def test_a_stopped_process_resumes_to_the_same_result(tmp_path: Path, cache_root: Path, how: signal.Signals) -> None:
    overrides = (*SMALL, "trainer.max_epochs=6", "model.dropout=0.2")
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    env = environment(cache_root)
    subprocess.run(command(*overrides, f"paths.output_root={whole}"), check=True, env=env, capture_output=True)

    process = subprocess.Popen(
        command(*overrides, f"paths.output_root={stopped}"),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: epochs_done(stopped) >= 2)
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    run = only_run(stopped)
    assert "Traceback" not in errors
    assert state_of(run) == "interrupted"
    if how == signal.SIGKILL:
        assert state(run) == "running"
    else:
        assert process.returncode == 130
        assert state(run) == "interrupted"
        assert f"resume={run}" in errors

    subprocess.run(command(f"resume={run}"), check=True, env=env, capture_output=True)
    results = [json.loads((path / "metrics.json").read_text())["test"] for path in (run, only_run(whole))]
    assert results[0] == results[1]


@pytest.mark.slow
def test_two_processes_do_not_share_a_run(tmp_path: Path, cache_root: Path) -> None:
    env = environment(cache_root)
    overrides = ("-m", "sweep=one", f"paths.output_root={tmp_path}", "seed=0", *SMALL, "trainer.max_epochs=200")
    first = subprocess.Popen(command(*overrides), env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: epochs_done(tmp_path) >= 1)
        assert state_of(only_run(tmp_path)) == "running"
        second = subprocess.run(command(*overrides), env=env, capture_output=True, text=True, timeout=120)
        assert second.returncode == 1
        assert "is alive in another process" in second.stdout
        assert "1 run is alive in another process; this command did not wait for it." in second.stdout
    finally:
        first.send_signal(signal.SIGINT)
        assert first.wait(timeout=60) == 130


@pytest.mark.slow
def test_the_wheel_works_from_any_folder(tmp_path: Path, cache_root: Path) -> None:
    built = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(REPOSITORY)]
    subprocess.run(built, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.startswith("deblur_lab-")
    # The libraries come from this environment, the package itself from the wheel alone.
    venv.create(tmp_path / "venv", system_site_packages=False, with_pip=False)
    (packages,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(packages), str(wheel)],
        check=True,
    )
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "libraries.pth").write_text("\n".join(libraries))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    program = [str(tmp_path / "venv" / "bin" / "python"), "-m", "deblur.train"]
    located = subprocess.run(
        [program[0], "-c", "import deblur; print(deblur.__file__)"], cwd=elsewhere, capture_output=True, text=True
    )
    assert Path(located.stdout.strip()).is_relative_to(packages)
    assert (packages / "deblur" / "py.typed").is_file()
    assert (packages / "deblur" / "evaluation" / "protocols" / "published.csv").is_file()
    assert (packages / "deblur" / "conf" / "protocol" / "levin2009.yaml").is_file()
    subprocess.run(
        [*program, *SMALL, "debug=fast_dev_run"],
        check=True,
        cwd=elsewhere,
        env=environment(cache_root),
        capture_output=True,
    )
    assert state(only_run(elsewhere / "outputs")) == "done"


@pytest.mark.slow
@pytest.mark.faces
def test_real_faces_gain_within_one_epoch(tmp_path: Path, cache_root: Path, faces_root: Path) -> None:
    overrides = ("data=folder", f"data.root={faces_root}", "trainer.max_epochs=1", f"paths.output_root={tmp_path}")
    subprocess.run(command(*overrides), check=True, env=environment(cache_root), capture_output=True)
    test = json.loads((only_run(tmp_path) / "metrics.json").read_text())["test"]
    assert test["images"] == 120
    assert test["input_psnr"] == pytest.approx(21.0, abs=0.4)
    assert test["gain"] > 1


def test_the_console_script_answers_without_torch(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("deblur")
    answer = subprocess.run([script, "train", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert answer.returncode == 0
    assert re.search(r"model: .*srcnn_9315", answer.stdout)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("color", ["gray", exhaustive("rgb")])
def test_two_processes_share_a_run(color: str, tmp_path: Path, cache_root: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    overrides = (*SMALL, f"data.color={color}", "trainer.max_epochs=1", "data.eval_batch_size=1", "data.flips=false")
    two = ("trainer=ddp", "trainer.devices=2")
    env = environment(cache_root)
    subprocess.run(command(*two, *overrides, f"paths.output_root={shared}"), check=True, env=env, capture_output=True)
    subprocess.run(command(*overrides, f"paths.output_root={alone}"), check=True, env=env, capture_output=True)
    one, other = only_run(shared), only_run(alone)
    assert len(list(one.glob("events.out.tfevents.*"))) == 1
    names = [[row.split(",")[0] for row in (run / "images.csv").read_text().splitlines()] for run in (one, other)]
    assert sorted(names[0]) == sorted(names[1])
    inputs = [json.loads((run / "metrics.json").read_text())["test"]["input_psnr"] for run in (one, other)]
    assert inputs[0] == pytest.approx(inputs[1], abs=1e-5)


@pytest.mark.slow
def test_a_compiled_network_leaves_plain_checkpoints(tmp_path: Path, cache_root: Path) -> None:
    overrides = (*SMALL, "trainer.max_epochs=1", "model.compile=true", f"paths.output_root={tmp_path}")
    subprocess.run(command(*overrides), check=True, env=environment(cache_root), capture_output=True)
    best = only_run(tmp_path) / "checkpoints" / "best.ckpt"
    program = (
        "import sys, torch; from deblur.training.module import DeblurModule;"
        f"module = DeblurModule.load_from_checkpoint({str(best)!r}, weights_only=True);"
        "assert not [key for key in module.state_dict() if '_orig_mod' in key];"
        "print(module(torch.rand(1, 1, 8, 9)).shape)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [exhaustive(0), 2])
def test_a_cache_that_is_cut_while_it_trains_ends_the_run_with_a_sentence(tmp_path: Path, workers: int) -> None:
    overrides = [
        *SMALL,
        "blur.size=[3,9]",
        "data.cache_memory=0",
        f"data.num_workers={workers}",
        "trainer.max_epochs=500",
    ]
    places = (f"paths.output_root={tmp_path / 'outputs'}", f"paths.cache_root={tmp_path / 'cache'}")
    process = subprocess.Popen(
        command(*overrides, *places),
        cwd=REPOSITORY,
        env=environment(tmp_path),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: epochs_done(tmp_path) >= 2)
    (pixels,) = (tmp_path / "cache").rglob("pixels.npy")
    os.truncate(pixels, 4096)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said.startswith("error: The image cache ")
    assert "was changed by another program while it was in use (the file of the pixels has been cut short)" in said
    assert said.count("\n") == 1
    status = json.loads((only_run(tmp_path) / "status.json").read_text())
    assert status["state"] == "failed"
    assert f"error: {status['error']}\n" == said
