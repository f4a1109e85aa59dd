"""What every evaluation opens: images, networks, finished runs, a device."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deblur.baselines import Identity
from deblur.blur import Degradation
from deblur.choices import PRETRAINED
from deblur.config import EvaluateConfig, build
from deblur.config.schema import Data
from deblur.config.sections import Target
from deblur.data.datamodule import DeblurDataModule, build_data_module
from deblur.errors import PartlyDone, UserError
from deblur.evaluation.restorers import ExportedRestorer, NetworkRestorer, Restorer
from deblur.inference.checkpoints import digest_of
from deblur.inference.description import SEEN, checked_seen
from deblur.inference.foreign import load_network
from deblur.inference.onnx_network import open_onnx
from deblur.inference.restorer import ONNX_SUFFIX
from deblur.inference.restorer import place_of as place_of_network
from deblur.inference.trained import Trained
from deblur.models.protocol import traits_of
from deblur.models.self_ensemble import SelfEnsemble
from deblur.reading import MissingFile, UnusableFile
from deblur.runs.records import STATUS_FILE, config_of_run, read_metrics
from deblur.runs.states import state_of
from deblur.text import Lines

SELF_ENSEMBLE_NOTE: Final = "the mean of its restorations of eight orientations of each image (self_ensemble=true)."
UNKNOWN_TRAINING_NOTE: Final = (
    "which images it was trained on is not known: if they are among these, its numbers flatter it."
)


@dataclass(frozen=True)
class Subject:
    """A network that is evaluated.

    Attributes:
        restorer: the network.
        config: the configuration of its training, or the part of it that a file holds.
        seen: digests of the images that it was trained or validated on; None if they are not known.
        fingerprint: of the images that it was trained and tested on; None if it is not known.
    """

    restorer: Restorer
    config: Mapping[str, Any]
    seen: frozenset[str] | None
    fingerprint: str | None


def is_exported(place: Path) -> bool:
    """Return whether a network is a file that onnxruntime computes, on the processor."""
    return place.suffix == ONNX_SUFFIX and place.is_file()


def place_of(run: str) -> Path:
    """Return the path of a network; a file with the name of a pretrained one comes before that.

    Raises:
        UserError: if it is on the Hub, and cannot be downloaded.
    """
    return Path(run) if run in PRETRAINED and Path(run).exists() else place_of_network(run)


def accelerator_for(accelerator: str, places: Iterable[Path | None]) -> str:
    """Return the accelerator of an evaluation; an .onnx file is computed on the processor.

    Args:
        accelerator: what was asked for.
        places: of the networks; None for none.

    Raises:
        UserError: if such a file is to be computed elsewhere.
    """
    exported = next((place for place in places if place is not None and is_exported(place)), None)
    if exported is None:
        return accelerator
    if accelerator not in ("auto", "cpu"):
        raise UserError(
            f"{exported} is computed by onnxruntime on the CPU: leave accelerator={accelerator} out, or give the "
            "run that it was made from."
        )
    return "cpu"


def refuse_without_network(asked: EvaluateConfig) -> None:
    """Refuse what is for a non-blind network alone, in an evaluation of baselines.

    Raises:
        UserError: if it is given.
    """
    if asked.noise_sigma is not None:
        raise UserError("noise_sigma is for a network that takes the noise: add run=DIR, or leave it out.")
    if asked.self_ensemble:
        raise UserError("self_ensemble=true is for a non-blind network: add run=DIR, or leave it out.")


def open_subject(
    place: Path, trusted: Sequence[str], noise_sigma: float | None = None, self_ensemble: bool = False
) -> Subject:
    """Open the network of a run, of a checkpoint alone, of an exported file, or of another program.

    Args:
        place: the run, checkpoint or file.
        trusted: modules of the user whose classes may be built.
        noise_sigma: of all images, for a network that takes it [gray levels of 255]; None is estimated from each.
        self_ensemble: take the mean of a non-blind network's restorations of the eight orientations of each image.

    Raises:
        UserError: if there is none, it is damaged, its class is not allowed, or it is of another program and nothing
            knows it, or it is a blind network and noise or `self_ensemble` is given.
    """
    if not is_exported(place):
        trained = load_network(place, trusted)
        if not traits_of(trained.network).takes_kernel:
            _refuse_non_blind(noise_sigma, self_ensemble, trained.name)
        whole = SelfEnsemble(trained.network) if self_ensemble else trained.network
        restorer = NetworkRestorer(trained.name, whole, noise_sigma)
        return Subject(restorer, trained.config, trained.seen, trained.fingerprint)
    _refuse_non_blind(noise_sigma, self_ensemble, place.stem)
    description, network = open_onnx(place)
    metrics = description.get("metrics") or {}
    return Subject(
        ExportedRestorer(description.get("name") or place.stem, network),
        description["settings"],
        checked_seen(description.get(SEEN), place),
        (metrics.get("data") or {}).get("fingerprint"),
    )


def _refuse_non_blind(noise_sigma: float | None, self_ensemble: bool, name: str) -> None:
    if self_ensemble:
        raise UserError(
            f"self_ensemble=true is for a non-blind network, such as unrolled, and {name} is blind: leave it out."
        )
    if noise_sigma is not None:
        raise UserError(
            f"noise_sigma={noise_sigma:g} is for a network that takes the noise, such as unrolled, and {name} takes "
            "none: leave it out. To add noise to the images, give blur.noise_sigma."
        )


def opened(images: Data, blur: Target, asked: EvaluateConfig, like: DeblurDataModule | None = None) -> DeblurDataModule:
    """Return the data module of some images and a blur, with its images opened.

    They are not set up for a training: the size of its patches decides nothing, and a few images need no division.

    Args:
        images: the settings of the group `data`.
        blur: the settings of the group `blur`.
        asked: the configuration of the evaluation.
        like: has the images open already, with the same settings but for the blur and the boundary.

    Raises:
        UserError: if they cannot be opened.
    """
    degradation = build(blur, Degradation, trusted=asked.trusted)
    cache_root = asked.paths.cache_root
    data = build_data_module(images, degradation, trusted=asked.trusted, cache_root=cache_root)
    _refuse_unknown_kernels(data, asked)
    if like is None:
        data.open_images()
    else:
        data.share_images(like)
    return data


def _refuse_unknown_kernels(data: DeblurDataModule, asked: EvaluateConfig) -> None:
    """Refuse baselines that need the kernel of images that somebody else blurred, or that have no single one.

    A blur that this program adds to theirs is known, and is not all that was done to the images.
    """
    names = [name for name in asked.baseline if name != Identity.name]
    if names and data.source.blurred is not None:
        raise UserError(
            f"baseline=[{','.join(names)}] needs the kernel of each image, and data=pairs has no kernels: leave it "
            "out. To measure it with a kernel that you know, blur the sharp images by that: data=folder data.root=DIR "
            "blur=kernel blur.path=FILE."
        )
    if names:
        data.require_one_kernel(f"baseline=[{','.join(names)}]", "leave the baseline out")


def finished_runs(sweep: Path) -> tuple[list[Path], list[str]]:
    """Return the folders of a sweep's finished runs, and a sentence for each run whose files cannot be used.

    Raises:
        UserError: if there is no finished run.
    """
    found: list[Path] = []
    problems: list[str] = []
    for path in sorted(status.parent for status in sweep.glob(f"*/{STATUS_FILE}")):
        try:
            if state_of(path) == "done":
                config_of_run(path)
                metrics_of(path)
                found.append(path)
        except UnusableFile as error:
            problems.append(str(error))
    if not found:
        raise UserError(
            " ".join(problems) or f"{sweep} holds no finished run: give the name of a sweep with sweep=NAME."
        )
    return found, problems


def metrics_of(run: Path) -> dict[str, Any]:
    """Return what the metrics.json of a run holds; no results of a test if it is missing."""
    try:
        return read_metrics(run)
    except MissingFile:
        return {"test": {}}


def with_problems(shown: Lines, problems: Sequence[str]) -> Lines:
    """Return what to show of a sweep, of which some runs may have been left out.

    Raises:
        PartlyDone: if that is so.
    """
    if problems:
        raise PartlyDone(shown, problems)
    return shown


def seen_images(network: Trained | Subject, data: DeblurDataModule) -> frozenset[int]:
    """Return the places of the images that a network was trained or validated on."""
    if network.seen is not None:
        return frozenset(i for i, digest in enumerate(data.images.digests) if digest_of(digest) in network.seen)
    # A checkpoint of an earlier version: its own data set, if it is known to be that, is split as it was.
    is_other = network.fingerprint not in (None, data.images.fingerprint) or not data.can_be_divided
    return frozenset() if is_other else frozenset((*data.division.train, *data.division.val))
