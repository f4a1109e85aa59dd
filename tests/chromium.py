"""Chromium for the tests of web pages."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

from benchmarks.browser import PROGRAMS

_PROGRAM = next(filter(None, map(shutil.which, PROGRAMS)), None)
_QUIET = [  # it asks no server for anything
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

NEEDS_CHROMIUM = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("playwright") is None, reason="the browser test needs: pip install playwright"),
    pytest.mark.skipif(_PROGRAM is None, reason="there is no Chromium to open the page with"),
]


@contextmanager
def chromium() -> Iterator[Any]:
    """Start Chromium, and close it."""
    from playwright.sync_api import sync_playwright  # here: it is optional

    with sync_playwright() as started:
        opened = started.chromium.launch(executable_path=_PROGRAM, args=_QUIET)
        yield opened
        opened.close()
