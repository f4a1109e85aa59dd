"""Every option of every group composes, is built, and trains two steps."""

import shlex
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from small_trainings import without

from deblur.config.command_line import conf_dir
from deblur.synthesis.faces import draw
from deblur.train import main

GROUPS = ("model", "blur", "optimizer", "scheduler", "data", "trainer", "callbacks", "logger", "experiment", "debug")
OPTIONS = [f"{group}={path.stem}" for group in GROUPS for path in sorted((conf_dir() / group).glob("*.yaml"))]
REASONS = {
    "data=anime_faces": "downloads",
    "trainer=ddp": "starts processes; tests/e2e/test_processes.py runs it",
    "debug=overfit": "trains a hundred epochs",
}
SMALL = ("debug=fast_dev_run", "data.eval_crop=64", "data.max_images=10", "trainer.max_epochs=1")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces as files, and a kernel."""
    root = tmp_path_factory.mktemp("images")
    for index in range(10):
        Image.fromarray(draw(0, index)[:96, :80]).save(root / f"{index}.png")
    shutil.copytree(root, root.with_name("blurred"))
    Image.new("L", (3, 3), 1).save(root.with_name("kernel.png"))
    return root


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_trains(option: str, images: Path, tmp_path: Path, cache_root: Path) -> None:
    if option in REASONS:
        pytest.skip(REASONS[option])
    if option == "trainer=gpu" and not torch.cuda.is_available():
        pytest.skip("no CUDA GPU on this machine")
    needs = {
        "data=folder": [f"data.root={images}"],
        "data=pairs": [f"data.blurred={images.with_name('blurred')}", f"data.sharp={images}"],
        "blur=kernel": [f"blur.path={images.with_name('kernel.png')}"],
        "experiment=original": ["data.batch_size=1"],
        # Sweeps, narrowed to two runs each
        "experiment=grid": ["model=srcnn_915", "blur=box"],
        "experiment=original_grid": ["model=original_915", "blur=box", "data.batch_size=1"],
        "experiment=search": ["search.trials=2", "search.first_rung=1"],
        "experiment=claims": ["model=larger_935", "blur=box", "seed=0"],
    }
    overrides = [
        option,
        *needs.get(option, []),
        *(without(SMALL, "data.max_images") if option.startswith("debug=") else SMALL),
    ]
    places = [f"paths.output_root={tmp_path}", f"paths.cache_root={cache_root}"]
    assert main([*overrides, *places]) == 0, shlex.join(overrides)
