"""From a trained network to an exported file and its model card."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from deblur.choices import ExportFormat
from deblur.errors import UserError
from deblur.export.card import model_card
from deblur.export.describing import describe
from deblur.export.output import SUFFIXES, names_a_file
from deblur.files import safe_name, write_output
from deblur.inference.prefilters import prefilter_of
from deblur.inference.pretrained import PRETRAINED, pretrained_file
from deblur.inference.restorer import ONNX_SUFFIX
from deblur.inference.trained import Trained, load_trained
from deblur.inference.weights import write_weights

FOLDER: Final = "export"  # in that of a run
_LONGEST_NAME: Final = 120  # bytes; the names of runs have no more


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        file: the network.
        card: its model card.
        difference: the largest between torch and onnxruntime where that was checked, of a white level of 1.
    """

    file: Path
    card: Path
    difference: float | None


def export(
    run: str,
    file_format: ExportFormat,
    *,
    output: Path | None = None,
    overwrite: bool = False,
    trusted: Sequence[str] = (),
) -> Exported:
    """Write a trained network into one file, and a model card beside it.

    Args:
        run: a run's folder, a checkpoint, an exported .safetensors file, or the name of a network that is pretrained.
        file_format: `onnx`, which runs without torch, or `safetensors`.
        output: a file or a folder; None is `export/` in the run's folder, the folder of the file that `run` is, and the
            working folder for a network that is pretrained.
        overwrite: replace files that are there already.
        trusted: modules of one's own whose classes may be built.

    Raises:
        UserError: where the network cannot be loaded or converted, or the files exist or cannot be written; no half of
            a file is left then.
    """
    place = pretrained_file(run) if run in PRETRAINED else Path(run)
    if place.suffix == ONNX_SUFFIX and place.is_file():
        raise UserError(f"{run} is exported already: give the run or the checkpoint that it was made from.")
    trained = load_trained(place, trusted)
    try:
        file = _file(output or _usual_folder(run), trained.name, file_format)
        return _exported(trained, file_format, file, place, overwrite)
    except OSError as error:
        raise UserError(
            f"{error.filename or 'The output'} cannot be written ({error.strerror}): choose another --output."
        ) from error


def _exported(trained: Trained, file_format: ExportFormat, file: Path, place: Path, overwrite: bool) -> Exported:
    card = file.with_suffix(".md")
    if file.exists() and file.samefile(place):
        raise UserError(f"The output {file} is the network that is exported: give another --output.")
    text, replaces_other = _card(trained, card, file_format)
    for path, is_in_the_way in ((file, file.exists()), (card, replaces_other)):
        if is_in_the_way and (path.is_dir() or not overwrite):
            raise UserError(f"{path} exists: replace it with --overwrite, or give another --output.")
    write, difference = _prepared(trained, file_format)
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
    """Return the text of the card, and whether it takes the place of anything but a card of the same network.

    Exported in one format after the other, a network has one card that tells how to use both.
    """
    alone = {other: model_card(trained, path.stem, (other,)) for other in SUFFIXES}
    both = model_card(trained, path.stem, tuple(SUFFIXES))
    try:
        before = path.read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return alone[file_format], False
    except (IsADirectoryError, PermissionError):
        return alone[file_format], True
    if before == alone[file_format]:
        return before, False
    return (both, False) if before in (both, *alone.values()) else (alone[file_format], True)


def _prepared(trained: Trained, file_format: ExportFormat) -> tuple[Callable[[Path], None], float | None]:
    """Do all that can fail but the writing."""
    description = describe(trained)
    if file_format == "safetensors":
        return partial(write_weights, weights=trained.network.state_dict(), description=description), None
    from deblur.export.onnx import as_onnx

    prefilter = prefilter_of(trained.network)
    if prefilter is not None:
        description["prefilter"] = prefilter.as_plain()
    content, difference = as_onnx(trained.network, description)
    return partial(write_output, content=content), difference


def _usual_folder(run: str) -> Path:
    if run in PRETRAINED:
        return Path()
    return Path(run) / FOLDER if Path(run).is_dir() else Path(run).parent


def _file(output: Path, name: str, file_format: ExportFormat) -> Path:
    """Return the file to write; a stranger's file must not choose its folder by the name that it tells."""
    if names_a_file(output, file_format):
        return output
    suffix = SUFFIXES[file_format]
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output} is a file: give a folder, or a name that ends in {suffix}.")
    return output / f"{safe_name(name, longest=_LONGEST_NAME)}{suffix}"
