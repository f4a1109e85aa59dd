"""Given pairs of sharp and blurred images: which files belong together, and their caches."""

import hashlib
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from deblur.choices import DataColor
from deblur.data.cache import ImageCache, open_cache
from deblur.data.folders import find_images, listed, walk
from deblur.data.sizes import Shape
from deblur.data.sources import FilesSource, GroupBy, ImageSource, choose, stored_shape
from deblur.errors import UserError
from deblur.image_io.decoding import BadImage, report_bad_images

_LISTED = 5  # names in a message

_log = logging.getLogger(__name__)


class PairsData(FilesSource):
    """Sharp image files, and given blurred images of the same scenes: two folders, or one that holds both."""

    def __init__(
        self,
        sharp: str | Path | None = None,
        blurred: str | Path | None = None,
        root: str | Path | None = None,
        sharp_folder: str = "sharp",
        blurred_folder: str = "blur",
        max_images: int | None = None,
        seed: int = 0,
        group_by: GroupBy = None,
    ) -> None:
        """Choose the folders; their files are listed when `names` is first read.

        Args:
            sharp: The folder of the sharp images.
            blurred: The folder of the blurred images, of the same names, suffixes aside.
            root: Instead of the two, a folder that holds both.
            sharp_folder: Name of the folders of sharp images within `root`.
            blurred_folder: Name of the folders of blurred images within `root`.
            max_images: How many pairs to choose at random; None takes all.
            seed: Chooses the pairs.
            group_by: `folder` keeps the pairs of each folder in one split; None splits pair by pair.

        Raises:
            ValueError: Neither `root` nor the two folders are given.
        """
        if (root or sharp) is None or (root or blurred) is None:
            raise ValueError("give sharp and blurred, or root")
        super().__init__(root or sharp or "", ())
        self._places = Path(root or sharp or ""), Path(root or blurred or "")
        self._folders = None if root is None else (sharp_folder, blurred_folder)
        self._max_images = max_images
        self._seed = seed
        self._group_by = group_by

    @property
    def names(self) -> Sequence[str]:
        """The sharp images, sorted.

        Raises:
            UserError: As `find_pairs` and `find_pairs_in_tree`.
        """
        return tuple(self._pairs)

    @property
    def blurred(self) -> ImageSource:
        """The blurred image of each sharp one."""
        return FilesSource(self._places[1], self._pairs.values())

    def groups(self, names: Sequence[str]) -> Sequence[str] | None:
        """Return the folder of each pair, without that of its kind, if its pairs are to stay together."""
        if self._group_by is None:
            return None
        kind = None if self._folders is None else self._folders[0]
        return [without_folder(name, kind).rpartition("/")[0] for name in names]

    def known_shapes(self) -> Iterator[Shape | None]:
        """Yield what the headers say of the sharp images, or of all in a folder that holds both: pairs are as large."""
        key = "sharp" if self._folders is None else "root"
        yield from (stored_shape(self.root / name) for name in walk(self.root, f"data.{key}"))

    @cached_property
    def _pairs(self) -> dict[str, str]:
        sharp, blurred = self._places
        pairs = find_pairs(sharp, blurred) if self._folders is None else find_pairs_in_tree(sharp, *self._folders)
        return {name: pairs[name] for name in choose(list(pairs), self._max_images, self._seed)}


def find_pairs(sharp: Path, blurred: Path) -> dict[str, str]:
    """Match the images of two folders by their relative names without suffixes.

    Returns:
        For each sharp image, sorted, its blurred one; names relative to their folders.

    Raises:
        UserError: A folder holds no image or two of one name, or an image has no partner.
    """
    folders = {"data.sharp": sharp, "data.blurred": blurred}
    return _matched({key: {name: name for name in find_images(folder, key)} for key, folder in folders.items()})


def find_pairs_in_tree(root: Path, sharp: str, blurred: str) -> dict[str, str]:
    """Match the images of one folder that holds both kinds, in folders of two names at any depth.

    `a/sharp/1.png` belongs to `a/blur/1.png`: the two have the same name, suffix aside, without the innermost folder
    of one of the two names. Images in no such folder are left out and counted.

    Args:
        root: The folder.
        sharp: Name of the folders of sharp images.
        blurred: Name of the folders of blurred images.

    Returns:
        For each sharp image, sorted, its blurred one; names relative to `root`.

    Raises:
        UserError: There is no image of one kind, there are two of one name, or an image has no partner.
    """
    kinds: dict[str, dict[str, str]] = {sharp: {}, blurred: {}}
    others: Counter[str] = Counter()
    for name in find_images(root, "data.root"):
        *folders, _ = name.split("/")
        inner = next((folder for folder in reversed(folders) if folder in kinds), None)
        if inner is None:
            others[folders[-1] if folders else "."] += 1
        else:
            kinds[inner][name] = without_folder(name, inner)
    keys = {sharp: f"data.sharp_folder={sharp}", blurred: f"data.blurred_folder={blurred}"}
    for folder, found in kinds.items():
        if not found:
            raise UserError(
                f"{keys[folder]}: no image of data.root={root} is in a folder of that name; those that hold images are "
                f"called {listed(sorted({*others, *filter(kinds.get, kinds)}), _LISTED)}. Give another name."
            )
    if others:
        _log.warning(
            "data.root: %d images of %s are in no folder called %s or %s and are left out: %s.",
            others.total(),
            root,
            sharp,
            blurred,
            listed([f"{count} in {folder}" for folder, count in sorted(others.items())], _LISTED),
        )
    return _matched({keys[folder]: found for folder, found in kinds.items()})


def without_folder(name: str, folder: str | None) -> str:
    """Return the name of a file without the innermost folder called `folder`; None returns the whole name."""
    parts = name.split("/")
    if folder is not None and folder in parts[:-1]:
        del parts[len(parts) - 2 - parts[-2::-1].index(folder)]
    return "/".join(parts)


def _matched(kinds: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the blurred image of each sharp one.

    Args:
        kinds: For the key of the sharp and that of the blurred images: what each name has in common with its partner.

    Raises:
        UserError: There are two images of one name, or an image has no partner.
    """
    (sharp_key, sharp), (blurred_key, blurred) = ((key, _by_stem(names, key)) for key, names in kinds.items())
    for key, names, others in ((sharp_key, sharp, blurred), (blurred_key, blurred, sharp)):
        alone = [name for stem, name in names.items() if stem not in others]
        if alone:
            raise UserError(
                f"{key}: {len(alone)} of {len(names)} images have no partner of the same name, suffix aside, in the "
                f"other folder: {listed(alone, _LISTED)}. Add the partners, or remove these files."
            )
    return {name: blurred[stem] for stem, name in sharp.items()}


def open_images(
    source: ImageSource, root: Path, *, color: DataColor = "gray", max_bad_fraction: float, memory_limit: int
) -> tuple[ImageCache, ImageCache]:
    """Open the caches of sharp and blurred images, without the pairs of which one image is bad.

    Args:
        source: Sharp images, with the blurred one of each if there are any.
        root: Folder of all caches.
        color: Whether gray or RGB images are wanted.
        max_bad_fraction: Largest fraction of bad images, or pairs with a bad image, 0 to 1.
        memory_limit: Of each of the two, up to this many bytes of pixels are read into memory.

    Returns:
        Sharp and blurred images of equal number, order and sizes; twice the same if there are no blurred ones. The
        fingerprint and the bad images of the sharp ones are those of the pairs.

    Raises:
        UserError: As `open_cache`, or the two images of a pair differ in size.
    """
    given = source.blurred
    if given is None:
        images = open_cache(source, root, color=color, max_bad_fraction=max_bad_fraction, memory_limit=memory_limit)
        return images, images
    sharp = open_cache(source, root, color=color, max_bad_fraction=None, memory_limit=memory_limit)
    blurred = open_cache(given, root, color=color, max_bad_fraction=None, memory_limit=memory_limit)
    sharp_at, blurred_at = ({name: index for index, name in enumerate(cache.names)} for cache in (sharp, blurred))
    reasons = {image.name: image.reason for image in sharp.bad}
    reasons_of_blurred = {image.name: f"{image.reason} (the blurred image)" for image in blurred.bad}
    good, bad = [], []
    for name, other in zip(source.names, given.names, strict=True):
        if name in reasons:
            bad.append(BadImage(name, reasons[name]))
        elif other in reasons_of_blurred:
            bad.append(BadImage(other, reasons_of_blurred[other]))
        else:
            good.append((sharp_at[name], blurred_at[other]))
    description = f"{source.description}, blurred in {given.description},"
    report_bad_images(bad, len(good), description, max_bad_fraction)
    sharp, blurred = sharp.subset([index for index, _ in good]), blurred.subset([index for _, index in good])
    _refuse_other_sizes(sharp, blurred)
    sharp.bad = tuple(bad)
    sharp.fingerprint = hashlib.sha256(f"{sharp.fingerprint}:{blurred.fingerprint}".encode()).hexdigest()
    sharp.was_built = sharp.was_built or blurred.was_built
    return sharp, blurred


def _by_stem(names: Mapping[str, str], key: str) -> dict[str, str]:
    by_stem: dict[str, str] = {}
    for name, common in names.items():
        stem = PurePosixPath(common).with_suffix("").as_posix()
        if stem in by_stem:
            raise UserError(
                f"{key}: {listed([by_stem[stem], name])} have the same name but for the suffix, and only one of them "
                "can belong to a pair. Remove one of them."
            )
        by_stem[stem] = name
    return by_stem


def _refuse_other_sizes(sharp: ImageCache, blurred: ImageCache) -> None:
    differing = [
        f"{other} is {_size(shape)}, {name} {_size(sharp_shape)}"
        for name, sharp_shape, other, shape in zip(
            sharp.names, sharp.shapes, blurred.names, blurred.shapes, strict=True
        )
        if shape != sharp_shape
    ]
    if differing:
        raise UserError(
            f"data.blurred: {len(differing)} of {len(sharp)} images are of another size than their sharp ones: "
            f"{listed(differing, _LISTED)}. Give pairs of equal sizes."
        )


def _size(shape: tuple[int, int]) -> str:
    return f"{shape[1]}x{shape[0]}"
