"""Command line that draws faces: `python -m deblur.synthesis.faces --sheet faces.png`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from deblur.choices import DataColor
from deblur.cli import command_app, place, run_app
from deblur.errors import UserError
from deblur.files import write_png
from deblur.synthesis import IMAGE_SIZE, SEED_LIMIT
from deblur.synthesis.faces.render import contact_sheet

MOST_FACES = 1000  # about 65 million pixels

app = command_app()


def main(argv: Sequence[str] | None = None) -> int:
    """Write a contact sheet.

    Args:
        argv: the arguments; by default those of this process.

    Returns:
        The exit code: 0, or 2 for a usage error, which a sentence on standard error explains.
    """
    return run_app(app, argv, program="python -m deblur.synthesis.faces")


def _whole_number(low: int, high: int) -> Callable[[Any], int]:
    """Return a converter that accepts whole numbers from `low` to `high`."""

    def convert(value: Any) -> int:
        text = str(value)
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and low <= int(text) <= high):
            raise typer.BadParameter(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return convert


def _number(low: int, high: int, meaning: str) -> Any:
    return typer.Option(parser=_whole_number(low, high), metavar="N", help=meaning)


@app.command()
def write_sheet(
    sheet: Annotated[Path, typer.Option(parser=place, metavar="FILE.png", help="Where the sheet is written.")],
    count: Annotated[int, _number(1, MOST_FACES, "How many faces.")] = 24,
    first: Annotated[int, _number(0, SEED_LIMIT - 1, "Index of the first face.")] = 0,
    seed: Annotated[int, _number(0, SEED_LIMIT - 1, "Which collection of faces.")] = 0,
    columns: Annotated[int, _number(1, MOST_FACES, "Faces in one row.")] = 6,
    size: Annotated[int, _number(16, IMAGE_SIZE, "Pixels of a face's edge.")] = IMAGE_SIZE,
    color: Annotated[DataColor, typer.Option(help="Whether the faces are gray or in color.")] = "gray",
) -> None:
    """Draw faces and write them side by side as a PNG file."""
    last = first + count - 1
    if last >= SEED_LIMIT:
        raise UserError(f"--first {first} is too large: the last face would be number {last}.")
    if sheet.suffix.lower() != ".png":
        raise UserError(f"--sheet {sheet} is not allowed: give the name of a .png file.")
    try:
        write_png(sheet, contact_sheet(seed, first, count, columns, size, color))
    except OSError as error:
        raise UserError(f"--sheet {sheet} cannot be written: {error.strerror or error}.") from error


if __name__ == "__main__":
    sys.exit(main())
