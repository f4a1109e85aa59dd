"""Metadata that a copy cannot hold are named once."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from odd_images import HEIGHT, WIDTH, encoded, levels, ultra_hdr
from PIL import Image


def test_what_is_lost_is_said_once_for_a_batch(
    command: Callable[..., Any], identity: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (tmp_path / "in" / name).write_bytes(ultra_hdr())
    (tmp_path / "in" / "d.webp").write_bytes(
        encoded(Image.fromarray(levels(8, HEIGHT, WIDTH, 3)), "PNG", dpi=(300, 150))
    )
    with caplog.at_level(logging.WARNING):
        told = command(f"{tmp_path / 'in'}", f"--output={tmp_path / 'out'}", f"--network={identity}")
    assert told.code == 0
    assert [record.getMessage() for record in caplog.records] == [
        "left out of the copy of 3 images, such as a.jpg: the gain map",
        "left out of the copy of d.webp: the resolution, which WEBP cannot hold",
    ]
