"""Where images come from: the base class of a data set's source, files in folders, and drawn images."""

import hashlib
import heapq
import importlib.util
import inspect
import json
import os
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from deblur.choices import DataColor
from deblur.data.folders import find_images, walk
from deblur.data.sizes import Shape
from deblur.errors import UserError
from deblur.image_io.decoding import DECODER_VERSION, BadImageError, luma, printable, read_gray, read_rgb_and_gray

if TYPE_CHECKING:  # pydantic
    from deblur.config.schema import Data

GroupBy = Literal["folder"] | None

# Parts of the cache keys of drawn images: raised when `draw` draws other pixels than before, gray or in color.
_FACES_VERSION: Final = 1
_LEAVES_VERSION: Final = 2
_FIRST_FRESH: Final = 2**31  # number of the first fresh image: no set is so large that it tests on one of them

ANIME_FACES: Final = "scribbless/another-anime-face-dataset"

# Files in scikit-image's wheel that are photographs and that its documentation (`skimage.data`) says to be free:
PHOTOGRAPHS: Final = (
    "astronaut.png",  # public domain, NASA
    "brick.png",  # CC0
    "camera.png",  # CC0, Lav Varshney
    "chelsea.png",  # CC0, Stefan van der Walt
    "coffee.png",  # CC0, Rachel Michetti
    "coins.png",  # no known copyright restrictions, Brooklyn Museum
    "grass.png",  # CC0
    "gravel.png",  # CC0
    "hubble_deep_field.jpg",  # public domain, NASA
    "retina.jpg",  # CC0, Mikael Häggström
    "rocket.jpg",  # public domain, SpaceX
)


class ImageSource(ABC):
    """A sequence of named images, decoded one by one; several threads may decode at once.

    The arguments of the constructor are keys of the configuration's group `data`. The constructor reads no image:
    whatever takes time or may fail belongs into `names`. An argument named `seed` gets `data.seed`, and one named
    `color` gets `data.color`.

    Attributes:
        kind: What the images are, in messages.
        is_parallel: Whether several threads decode faster than one: Pillow, OpenCV and NumPy release the lock of the
            interpreter, code in Python does not.
        is_fresh: Whether a training takes the images of `fresh_image` in place of those of its split.
    """

    kind: ClassVar[str] = "images"
    is_parallel: ClassVar[bool] = True
    is_fresh: bool = False

    @property
    @abstractmethod
    def names(self) -> Sequence[str]:
        """Unique names, the same in every run and on every machine."""

    @abstractmethod
    def cache_key(self) -> str:
        """Return a text of letters and digits that changes with the names and the decoded pixels."""

    @abstractmethod
    def decode(self, index: int) -> NDArray[np.uint8]:
        """Return the image at a place in `names`: gray (H, W) or RGB (H, W, 3), uint8.

        With `data.color=gray`, RGB images become their luma.

        Raises:
            BadImageError: The image cannot be used.
        """

    def decode_rgb(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return the image at a place in `names` in RGB (H, W, 3), and its gray image (H, W), uint8.

        The gray image is what a cache of gray images holds of it. By this one, identical images are found and images
        are divided, so that the splits are the same in gray and in color.

        A source whose `decode` leaves out colors that it has overrides this. Otherwise it is what `decode` returns and
        its luma; gray images are repeated to RGB.

        Raises:
            BadImageError: The image cannot be used.
        """
        pixels = checked_image(self, index, self.decode(index))
        is_gray = pixels.ndim == 2
        return (np.repeat(pixels[..., None], 3, axis=2), pixels) if is_gray else (pixels, luma(pixels))

    def fresh_image(self, epoch: int, index: int, color: DataColor) -> NDArray[np.uint8]:  # noqa: ARG002 # for classes that have some
        """Return what is trained on in an epoch in place of the image at a place in `names`, if `is_fresh`.

        Loader processes call it during the training, so that it has to be a function of its arguments alone.

        Args:
            epoch: From 0.
            index: Place in `names` of an image of the training split.
            color: `gray` for an image (H, W), `rgb` for one (H, W, 3), uint8, of the size of the one it replaces.
        """
        raise UserError(
            f"data: {type(self).__name__}.is_fresh is true, and it has no fresh_image(epoch, index, color): define it."
        )

    @property
    def description(self) -> str:
        """What the images are, for messages: `12 images of {description}`."""
        return type(self).__name__

    @property
    def blurred(self) -> "ImageSource | None":
        """The given blurred image of each sharp one, in the same order; None if the sharp ones are to be blurred."""
        return None

    def groups(self, names: Sequence[str]) -> Sequence[str] | None:  # noqa: ARG002 # for classes that have groups
        """Return a text per good image, equal for images that must be in one split; None for no such groups.

        Identical images are in one split anyway.
        """
        return None

    def known_shapes(self) -> Iterator[Shape | None]:
        """Yield the shapes of images as far as they are known without decoding; None if one is unknown."""
        yield None


class FilesSource(ImageSource):
    """Image files in a folder and the folders within it."""

    def __init__(self, root: str | Path, names: Iterable[str]) -> None:
        """Name files of a folder, with `/` between the parts of a name."""
        self._root = Path(root).resolve()
        self._names = tuple(names)

    @property
    def names(self) -> Sequence[str]:
        """Names relative to the folder."""
        return self._names

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    @property
    def description(self) -> str:
        """The folder."""
        return printable(str(self.root))

    def cache_key(self) -> str:
        """Hash the folder's place, every file's name, size, time and permissions, and the decoder.

        Contents are not read: a file that changes but keeps its size and its time to the nanosecond goes unnoticed.
        """
        root = os.fspath(self.root)
        files = [(name, _state(f"{root}/{name}")) for name in self.names]  # a Path each would take as long again
        return _hash("folder", DECODER_VERSION, root, files)

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Decode one file as a gray image.

        A name that cannot be written into the files of a run makes it a bad image.
        """
        return read_gray(self._file(index))

    def decode_rgb(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Decode one file as an RGB and as a gray image."""
        return read_rgb_and_gray(self._file(index))

    def known_shapes(self) -> Iterator[Shape | None]:
        """Yield what the headers of the files say."""
        yield from (stored_shape(self.root / name) for name in self.names)

    def _file(self, index: int) -> Path:
        name = self.names[index]
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise BadImageError("has a name that is not valid UTF-8") from error
        return self.root / name


class FolderData(FilesSource):
    """The images of a folder and the folders within it, or some of them."""

    def __init__(
        self, root: str | Path, max_images: int | None = None, seed: int = 0, group_by: GroupBy = None
    ) -> None:
        """Choose a folder; its files are listed when `names` is first read.

        Args:
            root: The folder.
            max_images: How many images to choose at random; None takes all.
            seed: Chooses the images.
            group_by: `folder` keeps the images of each folder in one split; None splits image by image.
        """
        super().__init__(root, ())
        self._max_images = max_images
        self._seed = seed
        self._group_by = group_by

    @cached_property
    def names(self) -> Sequence[str]:
        """The images found, sorted.

        Raises:
            UserError: The folder is missing, cannot be listed or holds no image.
        """
        return tuple(choose(find_images(self.root), self._max_images, self._seed))

    def groups(self, names: Sequence[str]) -> Sequence[str] | None:
        """Return the folder of each image, if its images are to stay together."""
        return None if self._group_by is None else [name.rpartition("/")[0] for name in names]

    def known_shapes(self) -> Iterator[Shape | None]:
        """Yield what the headers of the files say, without listing all files first."""
        yield from (stored_shape(self.root / name) for name in walk(self.root, "data.root"))


class PhotosData(FilesSource):
    """The free photographs that come with scikit-image, of 384x303 to 1411x1411 px; most are in color."""

    def __init__(self, max_images: int | None = None, seed: int = 0) -> None:
        """Choose `max_images` of the photographs by a seed; None takes all."""
        self._names = tuple(choose(PHOTOGRAPHS, max_images, seed))

    @cached_property
    def root(self) -> Path:
        """The folder of scikit-image's data.

        Raises:
            UserError: scikit-image is not installed.
        """
        found = importlib.util.find_spec("skimage")  # finding is enough: an import takes a second
        if found is None or found.origin is None:
            raise UserError(
                "data=photos takes the photographs that come with scikit-image, which is not installed: "
                "run pip install scikit-image."
            )
        return (Path(found.origin).parent / "data").resolve()


class AnimeFacesData(FolderData):
    """The anime faces of the original study, downloaded from Kaggle when they are first needed."""

    def __init__(self, max_images: int | None = None, seed: int = 0) -> None:
        """Choose `max_images` of the faces by a seed; None takes all."""
        super().__init__("", max_images, seed)

    @cached_property
    def root(self) -> Path:
        """The folder of the downloaded faces."""
        return download_anime_faces().resolve()

    def known_shapes(self) -> Iterator[Shape | None]:
        """Yield that nothing is known: the faces may not have been downloaded."""
        yield None


class SyntheticData(ImageSource):
    """Drawn faces, and dead leaves after them, of 256x256 px: data that needs no files."""

    kind = "drawn images"
    is_parallel = False  # 2 threads take 6 s for 200 faces, one takes 5 s

    def __init__(self, max_images: int, leaves: float = 0.0, fresh: bool = False, seed: int = 0) -> None:
        """Name the images.

        Args:
            max_images: How many images are drawn.
            leaves: Fraction of them that are dead leaves, 0 to 1.
            fresh: Whether each epoch draws new images to train on, as many as those of the training split; those of the
                other splits stay the same.
            seed: Chooses the images; larger numbers of them with the same seed begin with the same ones.
        """
        self.is_fresh = fresh
        self._seed = seed
        self._leaves = round(leaves * max_images)
        self._faces = max_images - self._leaves
        numbered = [("face", self._faces), ("leaves", self._leaves)]
        self._names = tuple(f"{kind}-{index:06d}" for kind, count in numbered for index in range(count))

    @property
    def names(self) -> Sequence[str]:
        """Numbered names, `face-000000` and so on, then `leaves-000000` and so on."""
        return self._names

    @property
    def description(self) -> str:
        """What is drawn, and the seed."""
        kinds = [kind for kind, count in (("faces", self._faces), ("dead leaves", self._leaves)) if count]
        return f"drawn {' and '.join(kinds)} (seed {self._seed})"

    def cache_key(self) -> str:
        """Hash the seed, the counts and the versions of the drawings."""
        leaves = (_LEAVES_VERSION, self._leaves) if self._leaves else ()
        return _hash("faces", _FACES_VERSION, self._seed, self._faces, *leaves)

    def decode(self, index: int) -> NDArray[np.uint8]:
        """Draw one gray image, shape (256, 256): the luma of the one in color."""
        return self._drawn(index, "gray")

    def decode_rgb(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Draw one image in color, shape (256, 256, 3); return its luma as well."""
        colors = self._drawn(index, "rgb")
        return colors, luma(colors)

    def fresh_image(self, epoch: int, index: int, color: DataColor) -> NDArray[np.uint8]:
        """Draw an image of the same kind whose number is beyond those of any set."""
        count = self._faces if index < self._faces else self._leaves
        return self._drawn(index, color, _FIRST_FRESH + epoch * count)

    def known_shapes(self) -> Iterator[Shape | None]:
        """Yield the shape that all have."""
        from deblur.synthesis import IMAGE_SIZE

        yield IMAGE_SIZE, IMAGE_SIZE

    def _drawn(self, index: int, color: DataColor, later: int = 0) -> NDArray[np.uint8]:
        """Draw the image of the kind at a place whose number is larger by `later`."""
        from deblur.synthesis import faces, leaves  # here, so that folders of images do without the drawing

        is_face = index < self._faces
        draw, number = (faces.draw, index) if is_face else (leaves.draw, index - self._faces)
        return draw(self._seed, number + later, color)


def checked_image(source: ImageSource, index: int, pixels: Any) -> NDArray[np.uint8]:
    """Return what a source has decoded.

    Raises:
        UserError: It is no image, as it can be of a custom class.
    """
    if isinstance(pixels, np.ndarray):
        if pixels.dtype == np.uint8 and pixels.size and (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
            return pixels
        found = f"an array of shape {pixels.shape} and type {pixels.dtype}"
    else:
        found = f"an object of type {type(pixels).__name__}"
    raise UserError(
        f"data: {type(source).__name__} decodes {printable(source.names[index])} to {found}: it must return an array "
        "in uint8, gray (H, W) or RGB (H, W, 3), of at least one pixel."
    )


def source_of(section: "Data", trusted: Sequence[str] = ()) -> ImageSource:
    """Build the source that a data group names by `_target_`.

    Args:
        section: The checked group: the settings that all data sets share, and the arguments of the class. Of the shared
            settings the class gets those that it takes; arguments annotated as `Path` become one.
        trusted: Modules that the user named on the command line.

    Raises:
        UserError: The class is not found, not allowed, no source, or does not take the arguments.
    """
    from deblur.config import build
    from deblur.config.build import find_class, path_arguments
    from deblur.config.schema import SHARED_DATA_KEYS

    found = find_class(section.target, ImageSource, trusted=trusted, key="data._target_")
    taken, paths = inspect.signature(found).parameters, path_arguments(found)
    arguments = {
        key: Path(value) if key in paths and isinstance(value, str) else value
        for key, value in section.plain().items()
        if key not in SHARED_DATA_KEYS or key in taken
    }
    return build(arguments, ImageSource, trusted=trusted, key="data._target_")


def download_anime_faces() -> Path:
    """Download the 92,219 faces, unless kagglehub has done so before, and return their folder.

    Raises:
        UserError: kagglehub is not installed, or the download fails.
    """
    by_hand = f"or download https://www.kaggle.com/datasets/{ANIME_FACES} by hand and use data=folder data.root=DIR."
    try:
        import kagglehub
    except ImportError as error:
        raise UserError(
            f"data=anime_faces is downloaded by kagglehub, which is not installed: run pip install kagglehub, {by_hand}"
        ) from error
    try:
        return Path(kagglehub.dataset_download(ANIME_FACES))
    except Exception as error:  # of the network, the credentials, the disk: it has no class of error in common
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise UserError(
            f"data=anime_faces: {ANIME_FACES} cannot be downloaded ({reason}). Fix the connection or Kaggle's "
            f"credentials (https://github.com/Kaggle/kagglehub explains how), {by_hand}"
        ) from error


def choose(names: Sequence[str], count: int | None, seed: int) -> Sequence[str]:
    """Choose `count` names at random, sorted; None takes all as they are.

    Which ones depends on the names and on `seed`, so that a few more names change few of the choices.
    """
    if count is None:
        return names
    return sorted(heapq.nsmallest(count, names, key=lambda name: _hash(seed, name)))


def stored_shape(path: Path) -> Shape | None:
    """Return what the header of an image file says of its height and width; None if it says nothing."""
    from deblur.image_io.formats.opening import open_image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = open_image(path.read_bytes(), path)
        except Exception:  # a damaged file can raise nearly anything
            return None
    return image.height, image.width


def _state(path: str) -> tuple[int, ...] | None:
    """Return what changes with a file's content, and its permissions: whether it can be read at all."""
    try:
        found = os.stat(path)  # noqa: PTH116 # of a text
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_mode


def _hash(*parts: object) -> str:
    """Hash numbers, texts and sequences of them. JSON keeps them apart, and takes names that are not valid UTF-8."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
