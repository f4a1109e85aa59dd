"""All commands under one name: `deblur restore photo.jpg`, `deblur train blur=box`."""

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import typer

import deblur.demo
import deblur.export
import deblur.report
import deblur.restore
from deblur import __version__
from deblur.cli import command_app, run_app
from deblur.errors import UserError

PROGRAMS: Final = ("train", "evaluate")
"""The commands whose arguments Hydra reads."""

app = command_app(add_completion=True)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        sys.stdout.write(f"deblur {__version__}\n")
        raise typer.Exit


@app.callback()
def _all_commands(
    version: Annotated[  # its callback shows it
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Train networks that remove blur, measure them, and restore images with them."""


def _completing(program: str) -> Callable[[typer.Context, str], list[str]]:
    """Return the shell completion of a command of Hydra: groups with their options, and keys."""

    def completed(ctx: typer.Context, incomplete: str) -> list[str]:
        from deblur.config.keys import known_keys, options, top_keys

        before = [*(ctx.params.get("overrides") or ()), ""]
        if before[-2:] == ["=", ""]:  # bash splits words there
            return options(before[-3]) if len(before) > 2 else []
        if incomplete == "=":
            return [f"={name}" for name in options(before[-2])] if len(before) > 1 else []
        groups = [f"{group}={name}" for group in sorted(top_keys(program)) for name in options(group)]
        return [*groups, *(f"{key}=" for key in known_keys(program))]

    return completed


def _refuse_to_start(program: str) -> None:
    raise UserError(f"{program} has to be the first argument: deblur {program} ...")


# `main` passes these two to Hydra; here they serve the list of commands and the shell's completion.
_PASSED_ON: Final[dict[str, Any]] = {"ignore_unknown_options": True, "help_option_names": []}


@app.command("train", context_settings=_PASSED_ON)
def _train(
    overrides: Annotated[  # noqa: ARG001 # Hydra reads them
        list[str] | None, typer.Argument(autocompletion=_completing("train"))
    ] = None,
) -> None:
    """Train one network, or one for each job of a sweep; deblur train --help shows all keys."""
    _refuse_to_start("train")


@app.command("evaluate", context_settings=_PASSED_ON)
def _evaluate(
    overrides: Annotated[  # noqa: ARG001 # Hydra reads them
        list[str] | None, typer.Argument(autocompletion=_completing("evaluate"))
    ] = None,
) -> None:
    """Measure trained networks and classical baselines; deblur evaluate --help shows all keys."""
    _refuse_to_start("evaluate")


for command in (deblur.restore, deblur.report, deblur.export, deblur.demo):
    app.add_typer(command.app)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; see `deblur --help`.

    Args:
        argv: the arguments; by default those of this process.

    Returns:
        The exit code.
    """
    given = sys.argv[1:] if argv is None else list(argv)
    if given and given[0] in PROGRAMS:
        code: int = importlib.import_module(f"deblur.{given[0]}").main(given[1:])
        return code
    return run_app(app, given, program="deblur")


if __name__ == "__main__":
    sys.exit(main())
