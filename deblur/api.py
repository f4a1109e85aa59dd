"""The Python interface for notebooks and scripts: what `import deblur` offers besides the command lines.

Heavy imports happen inside the functions, so that `import deblur` stays light.
"""

import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from deblur.errors import UserError, disk_error, disk_errors_as_user_errors

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import nn

    from deblur.blur import Degradation
    from deblur.blur.kernels import Psf
    from deblur.config import EvaluateConfig, TrainConfig
    from deblur.data.datamodule import DeblurDataModule
    from deblur.estimation import BlurEstimate, KernelEstimate

Overrides = Sequence[str]
Metric = Callable[[Any, Any], float]

_FOR_COMMANDS = ("sweep", "resume", "dry_run")  # keys of a training that only the command line reads


@overload
def compose(command: Literal["train"] = "train", overrides: Overrides = ()) -> "TrainConfig": ...


@overload
def compose(command: Literal["evaluate"], overrides: Overrides = ()) -> "EvaluateConfig": ...


def compose(
    command: Literal["train", "evaluate"] = "train", overrides: Overrides = ()
) -> "TrainConfig | EvaluateConfig":
    """Compose and check the configuration of a command.

    Args:
        command: `train` or `evaluate`.
        overrides: arguments of the command line, such as `["blur=box", "optimizer.lr=1e-3"]`; `--config-dir` and a
            folder add configuration files.

    Returns:
        The checked configuration. Its keys are attributes, such as `config.optimizer.lr`; `plain()` returns it as a
        nested dict.

    Raises:
        UserError: for an override that is unknown, out of range or stands for several runs.
    """
    if command not in ("train", "evaluate"):
        raise UserError(f"There is no configuration of {command}: give train or evaluate.")
    if isinstance(overrides, str):
        raise UserError(f"overrides={overrides!r} is a text: give a list of texts, such as ['{overrides}'].")
    from deblur.config.check import check, refuse_trust_in_files
    from deblur.config.commands import check_evaluate

    composed = _composed(command, overrides)
    refuse_trust_in_files(composed.get("trusted"), overrides)
    return check(composed) if command == "train" else check_evaluate(composed)


def data_module(config: "TrainConfig | Overrides") -> "DeblurDataModule":
    """Open the images of a configuration and divide them into splits.

    Images that are not in the cache are decoded or drawn first. `setup()` has been called: `splits`,
    `evaluation_dataset` and the data loaders are ready. Blurred and sharp training patches have the same size; `fit`
    adds the halo of its network.

    Args:
        config: what `compose("train")` returned, or its overrides.

    Raises:
        UserError: for a wrong configuration, or images that are unreadable or too few.
    """
    checked = _checked(config)
    from deblur.blur import Degradation
    from deblur.config import build
    from deblur.data.datamodule import build_data_module

    data = build_data_module(
        checked.data,
        build(checked.blur, Degradation, trusted=checked.trusted),
        trusted=checked.trusted,
        training_seed=checked.seed,
        cache_root=checked.paths.cache_root,
    )
    data.setup()
    return data


def network(config: "TrainConfig | Overrides") -> "nn.Module":
    """Build the untrained network of a configuration.

    Args:
        config: what `compose("train")` returned, or its overrides.

    Returns:
        A module from blurred images (N, C, H, W) in [0, 1] to restored ones, not clamped; C is 1, or 3 for
        `data.color=rgb`.

    Raises:
        UserError: for a wrong configuration.
    """
    checked = _checked(config)
    from deblur.inference.building import build_network

    return build_network(checked.model, checked.trusted)


def degradation(blur: str, **parameters: Any) -> "Degradation":
    """Build a degradation: blur, noise, rounding to 8 bits, JPEG.

    Args:
        blur: an option of the group `blur`, such as `gaussian`, `motion` or `mixed`.
        parameters: keys of that option, such as `sigma`, `noise_sigma` or `jpeg_quality`. A pair is drawn per image.
            Keys that are not given have the value of conf/blur. `camera` is an option of conf/blur/camera, such as
            "photo", or a dictionary of its keys.

    Raises:
        UserError: for a blur or a parameter that is unknown or out of range.
    """
    from deblur.blur import Degradation
    from deblur.config import build
    from deblur.config.check import check_blur

    settings = _blur_settings(blur) | {key: _plain(value) for key, value in parameters.items()}
    checked, _ = check_blur(settings, [])
    return build(checked, Degradation)


def kernel(blur: str, *, seed: int = 0, **parameters: Any) -> "Psf":
    """Make a blur kernel.

    Args:
        blur: an option of the group `blur`.
        seed: of what is drawn; unused if all parameters are fixed.
        parameters: as in `degradation`.

    Returns:
        (H, W) with odd sides, at least 0, of sum 1.

    Raises:
        UserError: as `degradation` does.
    """
    found = degradation(blur, **parameters).sample(np.random.default_rng(seed)).psf
    if found is None:
        raise UserError(
            f"blur={blur} has no single kernel: it varies over the image. deblur.degrade blurs an image by it."
        )
    return found


def degrade(image: NDArray[np.uint8], blur: str, *, seed: int = 0, **parameters: Any) -> NDArray[np.uint8]:
    """Blur an image as in training and evaluation: symmetric boundary, noise, rounding to 8 bits, JPEG.

    Args:
        image: (H, W) gray or (H, W, 3) RGB; the channels get the same kernel and different noise.
        blur: an option of the group `blur`.
        seed: of what is drawn: kernel, noise, JPEG quality.
        parameters: as in `degradation`.

    Returns:
        The blurred image, of the same shape.

    Raises:
        UserError: as `degradation` does.
        ValueError: for an image of another type or shape.
    """
    _refuse_other_images(image)
    from deblur.blur import degrade as degrade_image

    drawn_from = degradation(blur, **parameters)
    return degrade_image(image, drawn_from, drawn_from.sample(np.random.default_rng(seed)))


def exposed(image: NDArray[np.uint8], blur: str, *, seed: int = 0, **parameters: Any) -> NDArray[np.uint8]:
    """Return what a restored image is compared with: the sharp image as the camera takes it, held still.

    Args:
        image: as in `degrade`.
        blur: as in `degrade`.
        seed: as in `degrade`: the same seed draws the same exposure.
        parameters: as in `degrade`.

    Returns:
        The image itself without a camera, and at exposure 1.

    Raises:
        UserError: as `degradation` does.
        ValueError: for an image of another type or shape.
    """
    _refuse_other_images(image)
    from deblur.blur import exposed as exposed_image

    drawn_from = degradation(blur, **parameters)
    return exposed_image(image, drawn_from, drawn_from.sample(np.random.default_rng(seed)))


def estimate_blur(image: Any) -> "BlurEstimate":
    """Estimate the blur of an image: its kind, width and direction, and where it is widest.

    Args:
        image: as `Restorer` takes it: gray or RGB, either with alpha, whose hidden colors are not read; uint8, uint16
            or floating point in [0, 1], or an image of Pillow.

    Raises:
        ValueError: for another shape, type or range.
    """
    from deblur.estimation import estimate

    return estimate(_seen(image))


def estimate_kernel(image: Any, *, linear: bool | None = None) -> "KernelEstimate":
    """Estimate the kernel that blurred a photo, up to a shift, and how far it can be relied on.

        found = deblur.estimate_kernel(photo)
        if found.kernel is not None and not found.refusal:
            sharper = deblur.load("unrolled")(photo, kernel=found.kernel)

    Args:
        image: as in `estimate_blur`.
        linear: whether the kernel blurred linear light, as in a camera, or the encoded values. None takes a color photo
            for one of a camera, unless only the other kernel is found, and surely; and for a gray one what explains it
            better.

    Returns:
        The kernel, with its `confidence`, the fraction of the photo that it has `explained`, and a `refusal`, a
        sentence if it is not to be relied on. If the blur of the photo varies, `kernel` is None, and `field` has the
        kernels at the nodes of a grid. A kernel to be relied on is refined by the pretrained network `unrolled`;
        `confidence` and `explained` are of the estimate before.

    Raises:
        ValueError: as in `estimate_blur`.
    """
    from deblur.inference.refining import photo_kernel

    return photo_kernel(_seen(image), is_linear=linear)


def metric(name: str) -> Metric:
    """Return a metric as a function of two images.

    Args:
        name: of the registry: `psnr`, `ssim`, `psnr_y`, `ssim_y`, `ms_ssim`, `vif` or `mse`.

    Returns:
        A function of (restored, sharp), both gray (H, W) or both RGB (H, W, 3), uint8, uint16 or floating point in
        [0, 1]. It returns nan for images smaller than the metric can measure, and raises ValueError for another type,
        range or shape.

    Raises:
        UserError: for an unknown metric.
    """
    from deblur.metrics.registry import METRICS

    if not isinstance(name, str) or name not in METRICS:
        raise UserError(f"There is no metric {name}: give {', '.join(METRICS)}.")

    def measured(restored: Any, sharp: Any) -> float:
        import torch

        from deblur.blur.images import planes_of
        from deblur.inference.pixels import as_pixels

        first, second = as_pixels(restored), as_pixels(sharp)
        if first.shape[2:] not in ((), (3,)) or first.shape != second.shape:
            raise ValueError(
                f"{name} compares two images of one shape, (H, W) or (H, W, 3), not {first.shape}, {second.shape}"
            )
        images = [
            torch.from_numpy(planes_of(image / np.iinfo(image.dtype).max if image.dtype.kind == "u" else image))
            for image in (first, second)
        ]
        return float(METRICS[name](*(image.float()[None] for image in images)))

    return measured


def fit(config: "TrainConfig | Overrides") -> Path:
    """Train one network, as `python -m deblur.train` does.

    Args:
        config: what `compose("train")` returned, or its overrides, which the name of the run then states.

    Returns:
        The folder of the run.

    Raises:
        UserError: for a wrong configuration, and for what the command would refuse.
    """
    from deblur.config import TrainConfig

    checked = _checked(config)
    given = [key for key in _FOR_COMMANDS if getattr(checked, key)]
    if given:
        raise UserError(f"{given[0]} belongs to the command: leave it out, or run python -m deblur.train.")
    if checked.trainer.devices != 1:
        raise UserError("deblur.fit trains on one device: leave out trainer.devices, or run python -m deblur.train.")
    from deblur.config.extras import refuse_absent_loggers
    from deblur.data.sizes import refuse_too_large_patch
    from deblur.runs.paths import naming_overrides, refuse_unwritable, run_folder

    folder = run_folder(checked, [] if isinstance(config, TrainConfig) else naming_overrides(config, None))
    refuse_absent_loggers(checked)
    refuse_too_large_patch(checked)
    try:
        refuse_unwritable(folder)
    except OSError as error:
        raise disk_error(
            error, f"The run folder {folder} cannot be written ({error.strerror}): choose another paths.output_root."
        ) from error
    from deblur.training.session import train
    from deblur.training.starting import refuse_unfit_weights

    refuse_unfit_weights(checked, folder)
    train(checked, folder)
    return folder


def measure(run: str | os.PathLike[str], overrides: Overrides = ()) -> dict[str, dict[str, dict[str, Any]]]:
    """Measure a trained network on test images, as `python -m deblur.evaluate` does, and write the same files.

    Args:
        run: the folder of a run, a checkpoint, an exported file, the name of a pretrained network, a file with the
            weights of another program, or a repository of the Hugging Face Hub.
        overrides: further arguments of the command, such as `["blur=motion", "baseline=[wiener]"]`.

    Returns:
        The means by boundary condition (`symmetric`, `valid`) and restorer (`network`, and the name of each baseline).

    Raises:
        UserError: for a wrong configuration, and for what the command would refuse.
    """
    asked = compose("evaluate", [f"run={os.fspath(run)}", *overrides])
    if asked.protocol is not None:
        raise UserError(
            f"protocol={asked.protocol.name} belongs to the command line, python -m deblur.evaluate: its table has "
            "several methods and levels of noise."
        )
    from deblur.inference.hub import refuse_no_network
    from deblur.runs.paths import refuse_unwritable

    with disk_errors_as_user_errors():
        if asked.run is not None:
            refuse_no_network(asked.run)
        refuse_unwritable(Path(asked.output or asked.paths.output_root))
        from deblur.evaluation.session import measured

        ((_, found),), _ = measured(asked, compose("train"))
    means = {}
    for boundary, results in found.summary["boundaries"].items():
        (_, of_network), *of_baselines = results["restorers"].items()
        means[boundary] = {"network": of_network, **dict(of_baselines)}
    return means


def _checked(config: "TrainConfig | Overrides") -> "TrainConfig":
    """Return the configuration of overrides, or check one that the user may have changed."""
    from deblur.config import TrainConfig, check

    return check(config.plain(), stored=True) if isinstance(config, TrainConfig) else compose("train", config)


def _composed(command: str, overrides: Overrides) -> "DictConfig":
    """Compose a configuration without changing the Hydra of this process.

    Raises:
        UserError: for what Hydra cannot read, and for flags that belong to the command line.
    """
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from deblur.config.arguments import read_arguments
    from deblur.config.command_line import USAGE_ERRORS, prepare_overrides
    from deblur.config.explaining import explain
    from deblur.config.sweeps import loader_of

    arguments = read_arguments(overrides, command)
    if arguments.multirun or arguments.shows is not None:
        raise UserError("Flags such as -m and --help belong to the command line: give KEY=VALUE.")
    prepared = prepare_overrides(arguments)
    try:
        config = loader_of(arguments).load_configuration(arguments.config_name, prepared, RunMode.RUN)
    except USAGE_ERRORS as error:
        raise UserError(explain(error, command, prepared)) from error
    if config.hydra.mode == RunMode.MULTIRUN:
        raise UserError(f"{' '.join(overrides)} is a sweep of several runs: run python -m deblur.train.")
    return OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])


@functools.cache
def _composed_blur(name: str) -> "DictConfig":
    return _composed("train", [f"blur={name}"])


def _blur_settings(name: str) -> dict[str, Any]:
    """Return the values of an option of the group `blur`; a value that the user has to give is `???`."""
    from omegaconf import OmegaConf

    settings = OmegaConf.to_container(_composed_blur(name).blur, resolve=True)
    return {str(key): value for key, value in settings.items()} if isinstance(settings, dict) else {}


def _seen(image: Any) -> NDArray[Any]:
    """Return what is visible of an image, (H, W) or (H, W, 3)."""
    from deblur.inference.pixels import as_pixels, visible

    pixels = as_pixels(image)
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    alpha = pixels[..., -1] if channels in (2, 4) else None
    return visible(pixels[..., :3] if channels > 2 else pixels.reshape(*pixels.shape[:2], -1)[..., 0], alpha)


def _refuse_other_images(image: Any) -> None:
    if not isinstance(image, np.ndarray):
        raise ValueError(f"the image must be an array of NumPy, uint8 (H, W) or (H, W, 3), not {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
        raise ValueError(f"the image must be uint8 (H, W) or (H, W, 3), not {image.dtype} {image.shape}")
    if image.size == 0:
        raise ValueError(f"the image must have at least one pixel, not {image.shape}")


def _plain(value: Any) -> Any:
    """Return a parameter as the configuration has it: numbers of NumPy, tuples and paths are none of YAML."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value
