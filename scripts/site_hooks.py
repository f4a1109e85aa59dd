"""Hooks of mkdocs for the documentation site (`make docs`).

The pages in `docs/` are written for a code host, where a link may lead to any file of the repository. On the site,
README.md is the home page, notebooks are shown without being run, other files that a link leads to have a page that
shows them, and `docs/configuration.md` gets the tables of all keys.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from scripts.configuration_reference import reference

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).resolve().parents[1]
HOME: Final = "README.md"
SHOWN: Final = (".py", ".yaml", ".toml", ".txt", ".lock", ".cff", ".csv", "LICENSE", "Makefile")
"""Suffixes and names of the text files that get a page if a link leads to them."""

_LINK: Final = re.compile(r"(?<=\]\()(?P<path>[^)\s#:]+)(?P<anchor>#[^)\s]*)?(?=\))")
_FENCE: Final = re.compile(r"^ {0,3}(```|~~~)")
_UNSEARCHED: Final = "---\nsearch:\n  exclude: true\n---\n\n"
_LANGUAGES: Final = {".py": "python", ".yaml": "yaml", ".toml": "toml"}

_origins: dict[str, str] = {}
"""The file in the repository that a page of the site shows, by the name of the page."""


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the home page, the notebooks and the files outside `docs/` that pages link to."""
    _origins.clear()
    _add(files, config, "index.md", HOME, (ROOT / HOME).read_text(encoding="utf-8"))
    for file in [*files]:
        if file.src_uri.endswith(".ipynb"):
            origin = f"docs/{file.src_uri}"
            text = notebook_text(json.loads((ROOT / origin).read_text(encoding="utf-8")), posixpath.basename(origin))
            _add(files, config, _page_of(origin), origin, text)
        elif file.src_uri.endswith(".md") and file.src_uri != "index.md":
            _origins[file.src_uri] = f"docs/{file.src_uri}"
    waiting = [*_origins.values()]
    while waiting:
        for target in _linked(waiting.pop()):
            name = _page_of(target)
            if name not in _origins and files.get_file_from_path(name) is None:
                _add(files, config, name, target, _source_text(target))
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: "Page", **_: Any) -> str:
    """Turn links of the repository into links of the site, and add the tables of the configuration."""
    name = page.file.src_uri
    if name == "configuration.md":
        markdown += f"\n{reference()}"
    origin = _origins.get(name)
    return markdown if origin is None else site_text(markdown, origin, name)


def site_text(markdown: str, origin: str, name: str) -> str:
    """Return the text of a page with links of the site.

    Args:
        markdown: the text, whose links are relative to a file of the repository.
        origin: that file, such as `docs/networks.md`.
        name: the page of the site, such as `networks.md`.
    """
    start = posixpath.dirname(name)

    def replaced(link: re.Match[str]) -> str:
        target = _target(origin, link["path"])
        if target is None:
            return link[0]
        return posixpath.relpath(_page_of(target), start or ".") + (link["anchor"] or "")

    return "".join(text if is_code else _LINK.sub(replaced, text) for text, is_code in _parts(markdown))


def notebook_text(notebook: dict[str, Any], name: str) -> str:
    """Return the cells of a notebook as Markdown, without outputs.

    Args:
        notebook: the content of the file.
        name: of the file, for the link with which the page begins.
    """
    cells = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        cells.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
    title, *others = cells
    return "\n\n".join([title, f"[This notebook as a file]({name}){{ download }}", *others]) + "\n"


def _parts(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a page, and whether each is in a fenced block of code."""
    is_code = False
    for line in markdown.splitlines(keepends=True):
        is_fence = _FENCE.match(line) is not None
        yield line, is_code or is_fence
        is_code ^= is_fence


def _target(origin: str, path: str) -> str | None:
    """Return the file or folder of the repository that a link leads to; None if it leads elsewhere."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    return target if not target.startswith("..") and (ROOT / target).exists() else None


def _linked(origin: str) -> Iterator[str]:
    """Yield the files and folders without a page in `docs/` that a page links to."""
    path = ROOT / origin
    if path.is_dir():
        yield from (each.relative_to(ROOT).as_posix() for each in sorted(path.iterdir()) if _is_shown(each))
        return
    if path.suffix != ".md":
        return
    text = "".join(line for line, is_code in _parts(path.read_text(encoding="utf-8")) if not is_code)
    for link in _LINK.finditer(text):
        target = _target(origin, link["path"])
        if target is not None and _is_shown(ROOT / target) and not _is_page(target):
            yield target


def _is_shown(path: Path) -> bool:
    return path.is_dir() or path.suffix == ".md" or path.name.endswith(SHOWN)


def _is_page(target: str) -> bool:
    return target == HOME or (target.startswith("docs/") and target.endswith((".md", ".ipynb")))


def _page_of(target: str) -> str:
    """Return the name on the site of a file or folder of the repository."""
    if target == HOME:
        return "index.md"
    path = ROOT / target
    if path.is_dir():
        return f"source/{target}/index.md"
    if target.startswith("docs/") and not target.endswith(".ipynb") and not target.endswith(SHOWN):
        return target.removeprefix("docs/")
    if target.startswith("docs/") and target.endswith(".ipynb"):
        return target.removeprefix("docs/").removesuffix("ipynb") + "md"
    return f"source/{target}" if target.endswith(".md") else f"source/{target}.md"


def _source_text(target: str) -> str:
    path = ROOT / target
    if path.is_dir():
        names = [each.name for each in sorted(path.iterdir()) if _is_shown(each) and each.name != "__pycache__"]
        return f"{_UNSEARCHED}# {target}\n\n" + "\n".join(f"- [{name}]({name})" for name in names) + "\n"
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"{_UNSEARCHED}# {target}\n\n```{_LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n```\n"


def _add(files: "Files", config: "MkDocsConfig", name: str, origin: str, text: str) -> None:
    from mkdocs.structure.files import File  # the extra `docs`, which tests of this module do not need

    # A page of a folder has links to its files, as if it lay in the folder
    _origins[name] = f"{origin}/index" if (ROOT / origin).is_dir() else origin
    files.append(File.generated(config, name, content=text))
