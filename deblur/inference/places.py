"""Which image is restored into which file."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from deblur.data.folders import find_images
from deblur.errors import UserError
from deblur.image_io.decoding import IMAGE_SUFFIXES, printable
from deblur.image_io.formats.opening import FORMAT_BY_SUFFIX
from deblur.image_io.images import output_format
from deblur.image_io.reading import format_of
from deblur.runs.paths import near_place

_SUFFIX_BY_FORMAT: Final = {name: suffix for suffix, name in reversed(FORMAT_BY_SUFFIX.items())}  # its first one
RESTORED: Final = "-restored"  # ends the usual name of an output


@dataclass(frozen=True)
class Task:
    """One image and the place of its results.

    Attributes:
        name: of the image, within the given folder.
        source: its file.
        target: the file of the restored image.
        stem: start of the names of further results.
    """

    name: str
    source: Path
    target: Path
    stem: str

    def sibling(self, ending: str, suffix: str | None = None) -> Path:
        """Return the path of a further result next to the target, with its suffix or another."""
        return self.target.with_name(f"{self.stem}-{ending}{suffix or self.target.suffix}")


def plan(sources: Sequence[Path], output: Path | None) -> list[Task]:
    """Return the images to restore, and their places.

    Args:
        sources: images, and folders, whose structure is kept. Repeated ones are left out.
        output: a folder, or for a single image a file; None takes NAME-restored next to each source. If it names no
            file, the suffix is the source's, or that of its format if the source has no known suffix. A single folder's
            images go into it; of several sources, those of a folder go into a subfolder of its name.

    Raises:
        UserError: if there is no image, or an output would lie where the input is.
    """
    sources = list(dict.fromkeys(sources))
    is_alone = len(sources) == 1
    tasks: list[Task] = []
    for source in sources:
        if source.is_dir():
            folder = output if output is None or is_alone else output / _real(source).name
            tasks += _of_folder(source, folder)
        else:
            tasks.append(_of_file(source, output, is_alone=is_alone))
    names = Counter(task.name for task in tasks)
    stems = Counter((task.target.parent, task.stem) for task in tasks)  # such as a.png and a.jpg
    return [
        replace(
            task,
            name=task.name if names[task.name] == 1 else str(task.source),
            stem=task.stem if stems[task.target.parent, task.stem] == 1 else Path(task.name).name.replace(".", "_"),
        )
        for task in tasks
    ]


def _of_file(source: Path, output: Path | None, *, is_alone: bool) -> Task:
    if not source.exists():
        raise UserError(
            f"{printable(str(source))} does not exist: give an image, or a folder of images.{near_place(source)}"
        )
    is_folder = output is None or output.is_dir() or (not output.suffix and not output.exists())
    if output is not None and not is_folder and is_alone:
        output_format(output)
        return Task(source.name, source, output, output.stem)
    if output is not None and not is_folder and (output.exists() or output.suffix.lower() in IMAGE_SUFFIXES):
        raise UserError(f"--output {printable(str(output))} is no folder, but several images are given: give a folder.")
    stem, suffix = _split_name(source)
    target = source.with_name(f"{stem}{RESTORED}{suffix}") if output is None else output / f"{stem}{suffix}"
    return Task(source.name, source, target, stem)


def _split_name(source: Path) -> tuple[str, str]:
    """Return the stem of an image's copy, and a suffix that names a format: that of the content, if need be."""
    if source.suffix.lower() in IMAGE_SUFFIXES:
        return source.stem, source.suffix
    return source.name, _SUFFIX_BY_FORMAT[format_of(source)]


def _of_folder(source: Path, output: Path | None) -> list[Task]:
    inside = _real(source)
    if output is None and not inside.name:
        raise UserError(f"{source} has no parent folder: name one for the restored images with --output DIR.")
    folder = inside.with_name(f"{inside.name}{RESTORED}") if output is None else output
    if folder.is_file() or folder.suffix.lower() in IMAGE_SUFFIXES:
        raise UserError(
            f"--output {printable(str(folder))} is no folder, but {printable(str(source))} is one: give a folder."
        )
    if _real(folder).is_relative_to(inside):
        raise UserError(
            f"--output {printable(str(folder))} lies in the input's folder, where the next command would take the "
            "restored images for blurred ones: give a folder elsewhere."
        )
    return [Task(name, source / name, folder / name, Path(name).stem) for name in find_images(source, "IMAGES")]


def refuse_losses(outputs: Mapping[Task, Iterable[Path]]) -> None:
    """Refuse to write a file over an input, whatever links lead there, or two results into one file.

    Args:
        outputs: all files that each task writes.

    Raises:
        UserError: for the first such file.
    """
    sources = {_real(task.source) for task in outputs}
    writers: dict[Path, Task] = {}
    for task, paths in outputs.items():
        for path in paths:
            place = _real(path)
            if place in sources or _is_same_file(place, task.source):
                raise UserError(
                    f"{printable(str(path))} is an input: give another --output, so that the image is kept."
                )
            other = writers.setdefault(place, task)
            if other is not task:
                raise UserError(
                    f"{printable(other.name)} and {printable(task.name)} would both be written to "
                    f"{printable(str(path))}: rename one of them, or restore them into two folders."
                )


def _real(path: Path) -> Path:
    """Return a path without links; unlike `Path.resolve`, also of links that lead in a circle."""
    return Path(os.path.realpath(path))


def _is_same_file(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except OSError:  # one of them is missing, such as the target of a broken link
        return False
