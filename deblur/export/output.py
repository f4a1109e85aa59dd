"""Where an exported network is written."""

import re
from pathlib import Path
from typing import Final

from deblur.choices import ExportFormat
from deblur.errors import UserError
from deblur.files import kind_of

SUFFIXES: Final[dict[ExportFormat, str]] = {"onnx": ".onnx", "safetensors": ".safetensors"}


def names_a_file(output: Path, file_format: ExportFormat) -> bool:
    """Return whether the output of an export is a file; else it is a folder.

    Args:
        output: what was asked for.
        file_format: of the network.

    Raises:
        UserError: for the suffix of another kind of file: a folder of that name is not what was meant.
    """
    # A new folder may be called release-1.0.
    if not re.fullmatch(r"\.[A-Za-z]\w*", output.suffix) or kind_of(output) == "folder":
        return False
    suffix = SUFFIXES[file_format]
    if output.suffix != suffix:
        raise UserError(
            f"--output {output} is no name for --format {file_format}: give one that ends in {suffix}, or a folder "
            "that is there or whose name has no ending."
        )
    return True
