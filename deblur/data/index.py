"""The index file of a cache: which images there are, and where their pixels are."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deblur.data.decoding import Decoded
from deblur.image_io.gray import BadImage

_FORMAT_VERSION = 1  # raised when the files of a cache change their meaning


@dataclass
class Index:
    """An entry for each good image, and the bad images.

    Attributes:
        names: Of the good images.
        shapes: Their heights and widths [px].
        offsets: Of each image's first pixel in the pixel file.
        digests: Of their pixels.
        bad: Images that were left out.
        pixels: Number of pixels of all images.
        digest_of_file: SHA-256 of the file that the index was read from; empty for one that was not.
    """

    names: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    bad: list[BadImage] = field(default_factory=list)
    pixels: int = 0
    digest_of_file: str = ""

    def add(self, name: str, image: Decoded) -> None:
        """Add an image whose pixels follow those of the last one."""
        height, width = image.pixels.shape
        self.names.append(name)
        self.shapes.append((height, width))
        self.offsets.append(self.pixels)
        self.digests.append(image.digest)
        self.pixels += height * width

    def to_bytes(self) -> bytes:
        """Return the content of the index file."""
        content = {name: value for name, value in vars(self).items() if name != "digest_of_file"}
        return json.dumps({"version": _FORMAT_VERSION, **content}, default=vars).encode()

    @classmethod
    def read(cls, path: Path) -> "Index":
        """Read the file and compare what it says with itself.

        Raises:
            OSError, ValueError: The file is missing, damaged or of another version.
        """
        stored = path.read_bytes()
        try:
            index = cls._parsed(json.loads(stored))
        except (AttributeError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path.name} has another structure: {error}") from error
        except ValueError as error:
            raise ValueError(f"{path.name} is damaged: {error}") from error
        index.digest_of_file = hashlib.sha256(stored).hexdigest()
        return index

    @classmethod
    def _parsed(cls, content: Any) -> "Index":
        if content.pop("version") != _FORMAT_VERSION:
            raise ValueError(f"it is not of version {_FORMAT_VERSION}")
        index = cls(**content)
        index.shapes = [(height, width) for height, width in index.shapes]
        index.bad = [BadImage(**bad) for bad in content["bad"]]
        texts = [*index.names, *index.digests, *(text for bad in index.bad for text in (bad.name, bad.reason))]
        sides = [side for shape in index.shapes for side in shape]
        if not all(type(text) is str for text in texts) or not all(type(side) is int and side > 0 for side in sides):
            raise ValueError("it holds names that are no texts, or sizes that are no numbers above 0")
        ends = [start + h * w for start, (h, w) in zip(index.offsets, index.shapes, strict=True)]
        if [*index.offsets, index.pixels] != [0, *ends] or not len(index.names) == len(index.digests) == len(ends):
            raise ValueError("it contradicts itself")
        # Equal to what is stored, and whole numbers for certain.
        index.offsets, index.pixels = [0, *ends][:-1], [0, *ends][-1]
        return index
