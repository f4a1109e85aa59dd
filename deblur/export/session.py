"""Write a trained network into one file, and a model card next to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from deblur.choices import PRETRAINED, ExportFormat, ExportPrecision
from deblur.config.identity import config_without_paths
from deblur.errors import UserError
from deblur.export import names_a_file
from deblur.export.card import hub_card, model_card
from deblur.export.samples import drawn_samples
from deblur.files import safe_name, write_output
from deblur.inference.description import ORIGINS, PRECISION, SEEN
from deblur.inference.hub import is_on_hub, push
from deblur.inference.restorer import ONNX_SUFFIX, place_of
from deblur.inference.trained import SETTINGS, Trained, load_trained
from deblur.inference.weights import write_weights
from deblur.models.protocol import LARGEST_HALO, traits_of

FOLDER: Final = "export"  # in that of a run
_LONGEST_NAME: Final = 120  # bytes; the names of runs have no more
# Neither times nor the machine.
_METRICS: Final = ("test", "val", "metrics", "model", "data", "versions", "git", "seed", "precision", "weights")


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: the network.
        card: its model card.
        difference: the largest between torch and onnxruntime, of a white level of 1; None if it was not checked.
        loss: of PSNR on drawn images by arithmetic of 8 bits [dB]; None for other precisions.
    """

    file: Path
    card: Path
    difference: float | None
    loss: float | None


def export(
    run: str,
    file_format: ExportFormat,
    *,
    output: Path | None = None,
    precision: ExportPrecision = "float32",
    overwrite: bool = False,
    trusted: Sequence[str] = (),
) -> Exported:
    """Write a trained network into one file, and a model card next to it.

    Args:
        run: a run's folder, a checkpoint, an exported .safetensors file, the name of a pretrained network, or its
            address on the Hub, hf://USER/NAME.
        file_format: `onnx`, which runs without torch, or `safetensors`.
        output: a file or a folder; None is `export/` in the run's folder, the folder of the file that `run` is, and the
            working folder for a pretrained network and one of the Hub.
        precision: `float32`; `float16` for rounded weights; `int8`, of ONNX alone, for layers of 8 bits.
        overwrite: replace files that exist.
        trusted: modules of the user's whose classes may be built.

    Raises:
        UserError: if the network cannot be loaded or converted, or the files exist or cannot be written; no half of a
            file is left then.
    """
    if precision == "int8" and file_format != "onnx":
        raise UserError(
            f"--precision int8 is for --format onnx, which onnxruntime computes, not for {file_format}: take float16."
        )
    place = place_of(run)
    if place.suffix == ONNX_SUFFIX and place.is_file():
        raise UserError(f"{run} is exported already: give the run or the checkpoint that it was made from.")
    trained = load_trained(place, trusted)
    if output is None:
        output = Path() if run in PRETRAINED or is_on_hub(run) else place / FOLDER if place.is_dir() else place.parent
    try:
        file = _file(output, trained.name, file_format, precision)
        return _exported(_Job(trained, file_format, precision, trusted), file, place, overwrite)
    except OSError as error:
        raise UserError(
            f"{error.filename or 'The output'} cannot be written ({error.strerror}): choose another --output."
        ) from error


def publish(exported: Exported, repository: str) -> str:
    """Write an exported network into a repository of the Hugging Face Hub, with its model card as README.md.

    Args:
        exported: what `export` has written.
        repository: USER/NAME.

    Returns:
        The address of its page.

    Raises:
        UserError: if the connection or the right to write is missing; the files on this computer stay.
    """
    readme = hub_card(exported.card.read_text(encoding="utf-8"), repository)
    return push(repository, {exported.file.name: exported.file, "README.md": readme.encode()})


@dataclass(frozen=True)
class _Job:
    """What is exported, and how."""

    trained: Trained
    file_format: ExportFormat
    precision: ExportPrecision
    trusted: Sequence[str]


def _file(output: Path, name: str, file_format: ExportFormat, precision: ExportPrecision) -> Path:
    """Return the file to write; the name in a stranger's file must not choose its folder."""
    if names_a_file(output, file_format):
        return output
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output} is a file: give a folder, or a name that ends in .{file_format}.")
    suffix = "" if precision == "float32" else f"-{precision}"
    return output / f"{safe_name(name, longest=_LONGEST_NAME)}{suffix}.{file_format}"


def _exported(job: _Job, file: Path, place: Path, overwrite: bool) -> Exported:
    card = file.with_suffix(".md")
    if file.exists() and file.samefile(place):
        raise UserError(f"The output {file} is the network that is exported: give another --output.")
    _refuse_existing(file, file.exists(), overwrite)
    _refuse_existing(card, card.is_dir(), overwrite)
    prepared = _prepared(job)
    text, replaces_other = _card(job, card, prepared.loss)
    _refuse_existing(card, replaces_other, overwrite)
    is_new = not file.exists()
    prepared.write(file)
    try:
        write_output(card, text.encode())
    except OSError:
        if is_new:
            file.unlink()
        raise
    return Exported(file, card, prepared.difference, prepared.loss)


def _refuse_existing(path: Path, is_in_the_way: bool, overwrite: bool) -> None:
    if is_in_the_way and (path.is_dir() or not overwrite):
        raise UserError(f"{path} exists: replace it with --overwrite, or give another --output.")


def _card(job: _Job, path: Path, loss: float | None) -> tuple[str, bool]:
    """Return the text of the card, and whether it replaces anything but a card of the same network.

    A network that is exported in both formats has one card, which explains the use of both.
    """
    formats: tuple[ExportFormat, ...] = get_args(ExportFormat) if job.precision != "int8" else (job.file_format,)
    made = partial(model_card, job.trained, path.stem, precision=job.precision, loss=loss)
    alone = {other: made(formats=(other,)) for other in formats}
    both = made(formats=formats)
    try:
        before = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return alone[job.file_format], False
    except (IsADirectoryError, PermissionError):
        return alone[job.file_format], True
    if before == alone[job.file_format]:
        return before, False
    return (both, False) if before in (both, *alone.values()) else (alone[job.file_format], True)


class _Prepared(NamedTuple):
    """A file that is ready to be written; for the rest see `Exported`."""

    write: Callable[[Path], None]
    difference: float | None = None
    loss: float | None = None


def _prepared(job: _Job) -> _Prepared:
    """Do all that can fail but the writing."""
    network, description = job.trained.network, describe(job.trained) | {PRECISION: job.precision}
    is_half = job.precision == "float16"
    if job.file_format == "safetensors":
        write = partial(write_weights, weights=network.state_dict(), description=description, half=is_half)
        return _Prepared(write)
    from deblur.export.onnx import as_int8, as_onnx

    if job.precision == "int8":
        content, loss = as_int8(network, description, drawn_samples(job.trained, job.trusted))
        return _Prepared(partial(write_output, content=content), loss=loss)
    content, difference = as_onnx(network, description, half=is_half)
    return _Prepared(partial(write_output, content=content), difference=difference)


def describe(trained: Trained) -> dict[str, Any]:
    """Return what an exported file says about its network, as plain values without places on this machine.

    These are `name`, `settings`, `metrics`, images and origins of the training, `channels`, `halo` and `size_divisor`
    [px]. The precision of the file is added to them.

    Raises:
        UserError: if the halo of the network is too large for the format, or `channels` or `size_divisor` are not
            allowed.
    """
    traits = traits_of(trained.network)
    halo = traits.halo
    if halo is not None and halo > LARGEST_HALO:
        raise UserError(
            f"The network needs {halo} px on each side, and an exported one at most {LARGEST_HALO}: take "
            "fewer or smaller layers (model.kernel_sizes, model.dilations, model.blocks, model.unshuffle)."
        )
    return {
        "name": trained.name,
        "settings": {key: _portable(trained.config[key]) for key in SETTINGS if key in trained.config},
        "metrics": {key: trained.metrics[key] for key in _METRICS if key in trained.metrics},
        "channels": traits.channels,
        "halo": halo,
        "size_divisor": traits.size_divisor,
        **({} if trained.seen is None else {SEEN: sorted(trained.seen)}),
        **({ORIGINS: list(trained.origins)} if trained.origins else {}),
    }


def _portable(section: Any) -> Any:
    if not isinstance(section, Mapping):
        return section
    return {key: _portable(value) for key, value in config_without_paths(section).items()}
