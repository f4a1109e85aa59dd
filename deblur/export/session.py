"""Write a trained network into one file, and a model card next to it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, get_args

from deblur.choices import PRETRAINED, ExportFormat
from deblur.config.identity import config_without_paths
from deblur.errors import UserError
from deblur.export import names_a_file
from deblur.export.card import model_card
from deblur.files import safe_name, write_output
from deblur.inference.description import ORIGINS, SEEN
from deblur.inference.pretrained import pretrained_file
from deblur.inference.restorer import ONNX_SUFFIX
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
    """

    file: Path
    card: Path
    difference: float | None


def export(
    run: str,
    file_format: ExportFormat,
    *,
    output: Path | None = None,
    half: bool = False,
    overwrite: bool = False,
    trusted: Sequence[str] = (),
) -> Exported:
    """Write a trained network into one file, and a model card next to it.

    Args:
        run: a run's folder, a checkpoint, an exported .safetensors file, or the name of a pretrained network.
        file_format: `onnx`, which runs without torch, or `safetensors`.
        output: a file or a folder; None is `export/` in the run's folder, the folder of the file that `run` is, and the
            working folder for a pretrained network.
        half: round the weights of a .safetensors file to float16, which halves it.
        overwrite: replace files that exist.
        trusted: modules of the user's whose classes may be built.

    Raises:
        UserError: if the network cannot be loaded or converted, or the files exist or cannot be written; no half of a
            file is left then.
    """
    if half and file_format != "safetensors":
        raise UserError(f"--half rounds the weights of --format safetensors, not of {file_format}: leave --half out.")
    place = pretrained_file(run) if run in PRETRAINED else Path(run)
    if place.suffix == ONNX_SUFFIX and place.is_file():
        raise UserError(f"{run} is exported already: give the run or the checkpoint that it was made from.")
    trained = load_trained(place, trusted)
    if output is None:
        output = Path() if run in PRETRAINED else place / FOLDER if place.is_dir() else place.parent
    try:
        return _exported(trained, file_format, _file(output, trained.name, file_format), place, half, overwrite)
    except OSError as error:
        raise UserError(
            f"{error.filename or 'The output'} cannot be written ({error.strerror}): choose another --output."
        ) from error


def _file(output: Path, name: str, file_format: ExportFormat) -> Path:
    """Return the file to write; the name in a stranger's file must not choose its folder."""
    if names_a_file(output, file_format):
        return output
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output} is a file: give a folder, or a name that ends in .{file_format}.")
    return output / f"{safe_name(name, longest=_LONGEST_NAME)}.{file_format}"


def _exported(
    trained: Trained, file_format: ExportFormat, file: Path, place: Path, half: bool, overwrite: bool
) -> Exported:
    card = file.with_suffix(".md")
    if file.exists() and file.samefile(place):
        raise UserError(f"The output {file} is the network that is exported: give another --output.")
    text, replaces_other = _card(trained, card, file_format)
    for path, is_in_the_way in ((file, file.exists()), (card, replaces_other)):
        if is_in_the_way and (path.is_dir() or not overwrite):
            raise UserError(f"{path} exists: replace it with --overwrite, or give another --output.")
    write, difference = _prepared(trained, file_format, half)
    is_new = not file.exists()
    write(file)
    try:
        write_output(card, text.encode())
    except OSError:
        if is_new:
            file.unlink()
        raise
    return Exported(file, card, difference)


def _card(trained: Trained, path: Path, file_format: ExportFormat) -> tuple[str, bool]:
    """Return the text of the card, and whether it replaces anything but a card of the same network.

    A network that is exported in both formats has one card, which explains the use of both.
    """
    formats: tuple[ExportFormat, ...] = get_args(ExportFormat)
    alone = {other: model_card(trained, path.stem, (other,)) for other in formats}
    both = model_card(trained, path.stem, formats)
    try:
        before = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return alone[file_format], False
    except (IsADirectoryError, PermissionError):
        return alone[file_format], True
    if before == alone[file_format]:
        return before, False
    return (both, False) if before in (both, *alone.values()) else (alone[file_format], True)


def _prepared(trained: Trained, file_format: ExportFormat, half: bool) -> tuple[Callable[[Path], None], float | None]:
    """Do all that can fail but the writing."""
    description = describe(trained)
    if file_format == "safetensors":
        return partial(write_weights, weights=trained.network.state_dict(), description=description, half=half), None
    from deblur.export.onnx import as_onnx

    content, difference = as_onnx(trained.network, description)
    return partial(write_output, content=content), difference


def describe(trained: Trained) -> dict[str, Any]:
    """Return what an exported file says about its network, as plain values without places on this machine.

    These are `name`, `settings`, `metrics`, images and origins of the training, `channels`, `halo` and `size_divisor`
    [px].

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
