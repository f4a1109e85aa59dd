"""An import never points up: each room of the package knows those below it alone."""

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

import deblur

PACKAGE = Path(deblur.__file__).parent
# From the ground up. Modules on one floor, such as entry points, do not import one another.
FLOORS = (
    ("text",),
    ("errors",),
    ("choices", "files", "luma", "mirroring", "processes", "srgb", "streams"),
    ("light", "reading"),
    ("console", "gpus"),
    ("announcing", "cli", "device"),
    ("blur",),
    ("losses", "metrics", "wiener"),
    ("config",),
    ("image_io", "synthesis"),
    ("data", "models"),
    ("baselines", "estimation", "runs"),
    ("inference", "reporting"),
    ("training",),
    ("evaluation", "export"),
    ("sweeps",),
    ("demo", "evaluate", "report", "restore", "train"),
    ("api",),
)
RANKS = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}


def imports(path: Path) -> Iterator[str]:
    """Yield the rooms that a file imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module == "deblur":
            names = [f"deblur.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1] for name in names if name.startswith("deblur.") and name != "deblur.__version__")


def test_every_room_has_a_floor() -> None:
    rooms = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - {"__init__", "__main__"} == RANKS.keys()


def test_no_import_points_up_or_sideways() -> None:
    upward = []
    for path in PACKAGE.rglob("*.py"):
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if room.startswith("__"):  # the package's own face
            continue
        found = {other for other in imports(path) if other != room and RANKS[other] >= RANKS[room]}
        upward += [f"{path.relative_to(PACKAGE)} imports {other}" for other in sorted(found)]
    assert upward == []


def test_studies_scripts_and_benchmarks_import_existing_modules() -> None:
    """Documents name their commands, and no other test starts most of them."""
    root = PACKAGE.parent
    files = [path for folder in ("studies", "scripts", "benchmarks") for path in (root / folder).rglob("*.py")]
    own = ("deblur", "studies", "scripts", "benchmarks")
    found = {
        node.module
        for path in files
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in own
    }
    assert [name for name in sorted(found) if importlib.util.find_spec(name) is None] == []
