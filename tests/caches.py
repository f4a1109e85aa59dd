"""What tests of caches look at."""

from pathlib import Path

from deblur.data.cache import ImageCache


def content(cache: ImageCache) -> list[object]:
    parts = [cache.names, cache.shapes, cache.digests, cache.bad, cache.fingerprint]
    return [*parts, [cache[index].tolist() for index in range(len(cache))]]


def only_folder(root: Path) -> Path:
    [found] = [path for path in root.iterdir() if path.is_dir()]
    return found
