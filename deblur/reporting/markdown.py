"""Markdown that shows values of any origin as they are."""

import re
from typing import TYPE_CHECKING, Any

from deblur.reporting.tables import TextTable
from deblur.text import kept_lines, one_line

if TYPE_CHECKING:  # jinja2 is loaded when a page is written
    from jinja2 import Environment


def markdown_environment(package: str = "deblur.reporting") -> "Environment":
    """Return an environment that escapes every value for Markdown, as the page's does for HTML.

    Args:
        package: whose folder `templates` has the templates.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def escaped(value: Any) -> Any:
        return value if isinstance(value, Markup) else markdown(str(value))

    made = Environment(
        loader=PackageLoader(package, "templates"),
        finalize=escaped,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["table"] = lambda table: Markup(_markdown_table(table))
    made.filters["code"] = lambda text: Markup("\n".join(f"    {line}" for line in kept_lines(str(text)).split("\n")))
    return made


def markdown(text: str) -> str:
    """Return a text of any origin as Markdown that shows it, in one line, and as no list, heading or formula either."""
    text = re.sub(r"([\\`*\[\]<>|&~$])", r"\\\1", one_line(" ".join(text.split())))
    text = re.sub(r"^(\d*)(?=[-+=.)](?:[-+=\s]|$)|#)", r"\1\\", text)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", text)


def _markdown_table(table: TextTable) -> str:
    lines = ["| " + " | ".join(map(markdown, table.columns)) + " |"]
    lines.append("|" + "---|" * table.texts + "---:|" * (len(table.columns) - table.texts))
    for index, row in enumerate(table.rows):
        configurations = [
            f"**{markdown(configuration)}**" if index in table.marked and configuration else markdown(configuration)
            for configuration in row
        ]
        lines.append("| " + " | ".join(configurations) + " |")
    return "\n".join(lines)
