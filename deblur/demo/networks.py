"""The networks to choose from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from deblur.blur import FAMILIES
from deblur.choices import Accelerator
from deblur.demo.wording import shortened
from deblur.errors import UserError
from deblur.inference.pretrained import PRETRAINED, pretrained_file
from deblur.inference.restorer import Restorer, load

_OWN: Final = "own"  # what the user's own network is called among the others
_MIXTURE: Final = "mixed: any of these, or camera shake"


@dataclass
class Networks:
    """The networks that are pretrained, and one of the user's own.

    Attributes:
        run: of the user's own network: a folder or a file, or None.
        accelerator: where to compute.
        trusted: modules whose classes may be built.
    """

    run: str | None = None
    accelerator: Accelerator = "auto"
    trusted: Sequence[str] = ()
    _loaded: dict[str, Restorer] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Load the networks: what is wrong with one is said on the terminal, before there is a page.

        Raises:
            UserError: where there is no network at all, or as `load` does.
        """
        if not self.names:
            raise UserError(f"{self.missing} Give a network of your own with --network DIR.")
        for name in self.names:
            self.get(name)

    @property
    def names(self) -> list[str]:
        """The networks that are there; the one that is chosen first comes first."""
        pretrained = [name for name in PRETRAINED if pretrained_file(name).is_file()]
        return pretrained if self.run is None else [_OWN, *pretrained]

    @property
    def choices(self) -> list[tuple[str, str]]:
        """What the page shows for each network, and its name."""
        return [(self._own_label if name == _OWN else _pretrained_label(name), name) for name in self.names]

    @property
    def absent(self) -> list[str]:
        """The networks that are pretrained, but whose files are not there."""
        return [name for name in PRETRAINED if not pretrained_file(name).is_file()]

    @property
    def missing(self) -> str:
        """A sentence for the terminal that names the networks whose files are not there; empty where all are."""
        if not self.absent:
            return ""
        names = ", ".join(self.absent)
        return f"This installation lacks the files of these networks: {names}. Install the package again."

    @property
    def _own_label(self) -> str:
        return f"{shortened(self.get(_OWN).name)} (your own network)"

    def get(self, name: str) -> Restorer:
        """Return a network by its name.

        Raises:
            UserError: for a name that is not among `names`, or as `load` does.
        """
        if name not in self.names:
            raise UserError(f"There is no network {name}: choose one of {', '.join(self.names)}.")
        if name not in self._loaded:
            place = self.run if name == _OWN and self.run is not None else name
            self._loaded[name] = load(place, accelerator=self.accelerator, trusted=self.trusted)
        return self._loaded[name]


def _pretrained_label(name: str) -> str:
    """Return what the page calls a pretrained network, which has the name of the family of blurs that it removes."""
    if name not in FAMILIES:
        return _MIXTURE
    cause = FAMILIES[name].cause
    return f"{name} blur: {cause}" if cause else f"{name} blur"
