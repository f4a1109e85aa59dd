"""The browsers that have the page open, and their images.

A cookie identifies a browser, gradio's session hash a tab of it. An image belongs to the browser that sent it, and to
the first tab that uses it.
"""

import hashlib
import re
import secrets
import shutil
import stat
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Final

KEPT_FOR: Final = 3600  # s that an image or a result is kept
_KEPT: Final = 6  # images or results of a browser that are kept
_LARGEST_KEPT: Final = 2 * 2**30  # bytes of all images and results
_LARGEST_OF_ONE: Final = 2**29  # bytes of the images of a browser, and of its results; the newest is kept in any case
_MOST_VISITORS: Final = 200  # browsers whose images are kept
_MOST_SESSIONS: Final = 2000  # tabs
_TOKEN_BYTES: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")  # as many bytes, as `secrets.token_urlsafe` writes them
_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LONGEST_NAME: Final = 120  # bytes of an image's name
_NAMELESS: Final = "image"


@dataclass
class Visitor:
    """A browser, and its images.

    Attributes:
        folder: of its images and results.
        images: the tab that uses each image that it has sent, by path.
    """

    folder: Path
    images: dict[str, str | None] = field(default_factory=dict)

    def place_for(self, name: str) -> Path:
        """Return the path for an image of any name that is sent; it can be used after `took`."""
        return self._new_folder("images") / file_name(name)

    def took(self, path: Path) -> None:
        """Let an image be used that has been received."""
        self.images[str(path)] = None
        while len(self.images) > _KEPT:
            self.images.pop(next(iter(self.images)))

    def may_use(self, path: object, session: str) -> bool:
        """Return whether a tab of this browser may use an image, by the exact text of its path."""
        if not isinstance(path, str) or self.images.get(path, "") not in (None, session):
            return False
        self.images[path] = session
        return True

    def results(self) -> Path:
        """Return a new folder for the results of an image."""
        return self._new_folder("results")

    def owns(self, path: str) -> bool:
        """Return whether a text is the resolved path of a file in the browser's folder."""
        try:
            place = Path(path)
            resolved = place.resolve()
            is_file = stat.S_ISREG(resolved.stat().st_mode)
        except (OSError, ValueError, RuntimeError):  # for a zero byte, or links that lead in a circle
            return False
        return is_file and str(resolved) == path and resolved.is_relative_to(self.folder.resolve())

    def clean(self, before: float) -> None:
        """Remove what is older than a time [s since 1970], and all but the last few, which must not take too much."""
        for kind in ("images", "results"):
            kept = sorted(_folders(self.folder / kind), key=lambda folder: folder.stat().st_mtime, reverse=True)
            size = 0
            for place, folder in enumerate(kept):
                size += _size(folder)
                is_beyond = place >= _KEPT or (place > 0 and size > _LARGEST_OF_ONE)
                if is_beyond or folder.stat().st_mtime < before:
                    shutil.rmtree(folder, ignore_errors=True)

    def _new_folder(self, kind: str) -> Path:
        folder = self.folder / kind / secrets.token_urlsafe(_TOKEN_BYTES)
        folder.mkdir(parents=True)
        return folder


class Visitors:
    """The browsers that have the page open.

    Attributes:
        cookie: the name of their cookie; pages of this computer on other ports have other names.
    """

    def __init__(self, folder: Path) -> None:
        """Keep the images in a folder."""
        self.cookie = f"deblur-demo-{secrets.token_hex(8)}"
        self._folder = folder.resolve()
        self._visitors: OrderedDict[str, Visitor] = OrderedDict()
        self._sessions: OrderedDict[str, str] = OrderedDict()  # the folder of a tab's browser

    def token_in(self, cookies: str) -> str | None:
        """Return the token in the cookie header of a request, if there is one."""
        try:
            morsel = SimpleCookie(cookies).get(self.cookie)
        except CookieError:
            return None
        return morsel.value if morsel is not None and _TOKEN.fullmatch(morsel.value) else None

    def new_token(self) -> str:
        """Return a token for a browser that has none."""
        return secrets.token_urlsafe(_TOKEN_BYTES)

    def visitor(self, token: str) -> Visitor:
        """Return the browser of a token; of too many browsers, the oldest is removed."""
        key = hashlib.sha256(token.encode()).hexdigest()
        visitor = self._visitors.setdefault(key, Visitor(self._folder / key))
        self._visitors.move_to_end(key)
        while len(self._visitors) > _MOST_VISITORS:
            _, gone = self._visitors.popitem(last=False)
            shutil.rmtree(gone.folder, ignore_errors=True)
        return visitor

    def clean(self) -> None:
        """Remove old images and results of all browsers, and all of the oldest browsers while they take too much."""
        for visitor in list(self._visitors.values()):
            visitor.clean(time.time() - KEPT_FOR)
        sizes = {key: _size(visitor.folder) for key, visitor in self._visitors.items()}
        for key in list(sizes)[:-1]:  # not of the present one
            if sum(sizes.values()) > _LARGEST_KEPT:
                shutil.rmtree(self._visitors.pop(key).folder, ignore_errors=True)
                del sizes[key]

    def claims(self, token: str, session: object) -> bool:
        """Return whether a tab belongs to the browser of a token, which is the first that has named it."""
        if not isinstance(session, str) or not _SESSION.fullmatch(session):
            return False
        key = hashlib.sha256(token.encode()).hexdigest()
        if self._sessions.setdefault(session, key) != key:
            return False
        self._sessions.move_to_end(session)
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return True


def file_name(name: str) -> str:
    """Return the name of an image of any origin as the nearest name that a file can have."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(letter if letter.isprintable() and letter not in '<>:"|?*' else "_" for letter in last).strip(" .")
    stem, dot, suffix = plain.rpartition(".") if "." in plain else (plain, "", "")
    end = f"{dot}{suffix}".encode()[:16].decode(errors="ignore")
    room = _LONGEST_NAME - len(end.encode())
    return (stem.encode()[:room].decode(errors="ignore").strip(" .") or _NAMELESS) + end


def _size(folder: Path) -> int:
    """Return the size of the files in a folder [bytes]."""
    size = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # gradio removes some as well
            status = path.lstat()
            size += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return size


def _folders(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from (each for each in folder.iterdir() if each.is_dir())
