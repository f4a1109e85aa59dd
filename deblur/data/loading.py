"""Loaders of batches."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from deblur.data.datasets import Sample
from deblur.errors import UserError

_BEFORE_THE_TEXT = f"{UserError.__module__}.{UserError.__qualname__}: "


class ImageLoader(DataLoader[Sample]):
    """A loader that begins with its first batch, not when it is asked for an iterator.

    With loader processes, torch draws the order of an epoch and sends for the first batches at once. A trainer asks for
    the iterator long before its first epoch, while a resumed run is still being restored: the sampler would not know
    yet which epoch it is.
    """

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # what is needed of torch's iterator is that it is one
        """Yield the batches of one epoch.

        Raises:
            UserError: as one of its processes has raised it; torch puts the traceback of the process into the text.
        """
        try:
            yield from super().__iter__()
        except UserError as error:
            raise UserError(str(error).rpartition(_BEFORE_THE_TEXT)[2].rstrip()) from None
