"""Command line that shows faces: `python -m deblur.synthesis.faces --sheet faces.png`."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from deblur.console import guarded_output, say_error
from deblur.errors import UserError
from deblur.files import write_gray_png
from deblur.synthesis.faces.randomness import SEED_LIMIT
from deblur.synthesis.faces.sheet import contact_sheet
from deblur.synthesis.faces.view import IMAGE_SIZE

EXIT_USAGE = 2
MOST_FACES = 1000  # about 65 million pixels


class _Parser(argparse.ArgumentParser):
    """A parser that explains a mistake in one sentence instead of printing the usage."""

    def error(self, message: str) -> NoReturn:
        raise UserError(f"{message}; --help shows all options.")


def main(overrides: Sequence[str] | None = None) -> int:
    """Write a contact sheet.

    Args:
        overrides: The command line without the program's name; that of the process by default.

    Returns:
        The exit code: 0, or 2 for a mistake that a sentence on standard error explains.
    """
    with guarded_output():
        try:
            _write_sheet(_parser().parse_args(overrides))
        except UserError as error:
            say_error(str(error))
            return EXIT_USAGE
    return 0


def _write_sheet(options: argparse.Namespace) -> None:
    """Check what the parser cannot check, draw the faces and write the sheet."""
    last = options.first + options.count - 1
    if last >= SEED_LIMIT:
        raise UserError(f"--first {options.first} is too large: the last face would be number {last}.")
    if options.sheet.suffix.lower() != ".png":
        raise UserError(f"--sheet {options.sheet} is not allowed: give the name of a .png file.")
    sheet = contact_sheet(options.seed, options.first, options.count, options.columns, options.size)
    try:
        write_gray_png(options.sheet, sheet)
    except OSError as error:
        raise UserError(f"--sheet {options.sheet} cannot be written: {error.strerror or error}.") from error


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="python -m deblur.synthesis.faces",
        description="Draw faces and write them side by side as a PNG file.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    number = SEED_LIMIT - 1
    hidden = argparse.SUPPRESS  # the help would name None as the default
    add("--sheet", type=Path, required=True, default=hidden, metavar="FILE.png", help="where the sheet is written")
    add("--count", type=_whole_number(1, MOST_FACES), default=24, metavar="N", help="how many faces")
    add("--first", type=_whole_number(0, number), default=0, metavar="N", help="index of the first face")
    add("--seed", type=_whole_number(0, number), default=0, metavar="N", help="which collection of faces")
    add("--columns", type=_whole_number(1, MOST_FACES), default=6, metavar="N", help="faces in one row")
    add("--size", type=_whole_number(16, IMAGE_SIZE), default=IMAGE_SIZE, metavar="N", help="pixels of a face's edge")
    return parser


def _whole_number(low: int, high: int) -> Callable[[str], int]:
    """Return a converter that accepts whole numbers from `low` to `high`."""

    def convert(word: str) -> int:
        if not (word.isascii() and word.isdigit() and len(word) <= 10 and low <= int(word) <= high):
            raise argparse.ArgumentTypeError(f"{word!r} is not a whole number from {low} to {high}")
        return int(word)

    return convert


if __name__ == "__main__":
    sys.exit(main())
