"""What W&B has written into a folder, as its own definitions read it."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FILE_HEADER = 7  # bytes before the first record
BLOCK = 32_768  # bytes; a record may continue in the next block
PART = struct.Struct("<IHB")  # before each part of a record: checksum, length, kind
WHOLE, FIRST, LAST = 1, 2, 4  # kinds of parts


def wandb_records(folder: Path) -> Iterator[Any]:
    """Yield the records of a W&B folder, a log in the format of LevelDB, as W&B's own definitions read them."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("run-*.wandb")
    content, place, parts = path.read_bytes(), FILE_HEADER, []
    while place + PART.size <= len(content):
        left = BLOCK - place % BLOCK
        if left < PART.size:
            place += left
            continue
        _, length, kind = PART.unpack_from(content, place)
        place += PART.size
        if place + length > len(content):  # a killed process has not written the rest
            return
        parts = [] if kind in (WHOLE, FIRST) else parts
        parts.append(content[place : place + length])
        place += length
        if kind in (WHOLE, LAST):
            yield Record.FromString(b"".join(parts))


def in_wandb(folder: Path) -> dict[str, Any]:
    """Return what `wandb sync` would upload of a folder."""
    found: dict[str, Any] = {
        "rows": [],
        "images": [],
        "settings": {},
        "id": folder.name.removeprefix("offline-").split("-")[2],
    }
    for record in wandb_records(folder):
        if record.HasField("run"):
            about = record.run
            assert about.run_id == found["id"]
            found |= {"group": about.run_group, "name": about.display_name}
            found["settings"] |= {
                item.key or item.nested_key[0]: json.loads(item.value_json) for item in about.config.update
            }
        for item in record.history.item:
            name, value = item.nested_key[0], json.loads(item.value_json)
            if item.nested_key[1:] == ["path"]:
                found["images"].append((record.history.step.num, np.asarray(Image.open(folder / "files" / value))))
            elif not name.startswith("_") and len(item.nested_key) == 1:
                found["rows"].append((name, record.history.step.num, value))
    return found
