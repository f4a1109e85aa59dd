"""A loader of batches whose processes say what they refuse in a sentence."""

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader

from deblur.data.datasets import Sample
from deblur.errors import UserError

_BEFORE_THE_TEXT = f"{UserError.__module__}.{UserError.__qualname__}: "


class SampleLoader(DataLoader[Sample]):
    """torch's loader, which puts the traceback of a process into the text of its error."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override] # what is needed of torch's iterator is that it is one
        """Yield the batches.

        Raises:
            UserError: as one of its processes has raised it, with the same text.
        """
        try:
            yield from super().__iter__()
        except UserError as error:
            raise UserError(str(error).rpartition(_BEFORE_THE_TEXT)[2].rstrip()) from None
