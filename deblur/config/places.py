"""Where the configuration files are."""

from pathlib import Path

from deblur.errors import UserError

CONFIG_FILE = "config.yaml"  # the configuration of a run, in its folder


def conf_dir() -> Path:
    """Return the folder with the configuration files: inside an installed package, next to it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise UserError(f"There is no conf folder in or next to {package}: install the package again.")
