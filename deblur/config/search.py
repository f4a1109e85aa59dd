"""The settings of a search: its rungs, and the ranges of keys from which its trials are drawn."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field, PlainValidator

from deblur.config.identity import WITHOUT_EFFECT, is_data_setting, is_within
from deblur.config.sections import Number, Section, shown
from deblur.errors import UserError

Value = bool | int | float | str | None | list[Any]

# What is the same for all trials, besides the settings of the images: they are compared on the same images and blur.
_OF_ALL_TRIALS: Final = (
    *WITHOUT_EFFECT,
    "blur",
    "data.max_bad_fraction",
    "data.max_val_images",
    "debug",
    "experiment",
    "metrics",
    "search",
    "seed",
    "trainer.check_val_every_n_epoch",
    "trainer.devices",
    "trainer.max_epochs",
)


def _ascending(bounds: list[Any]) -> list[Any]:
    if bounds[0] >= bounds[1]:
        raise ValueError("not ascending")
    return bounds


def _of_different(choices: Any) -> list[Value]:
    if not isinstance(choices, list) or len(choices) < 2 or len(set(map(shown, choices))) < len(choices):
        raise ValueError("no list of different values")
    if any(isinstance(one, dict) for one in choices):
        raise ValueError("a group")
    return choices


_Positive = Annotated[Number, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[Number, Field(allow_inf_nan=False)]


class Range(Section):
    """The values that a key may take in a search."""

    kind: ClassVar[str]

    @property
    def values(self) -> list[Any]:
        """The two bounds of an interval, or all choices."""
        return list(next(iter(self.plain().values())))

    def has(self, value: Any) -> bool:
        """Return whether a value can be drawn: a number of an interval."""
        low, high = self.values
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and bool(low <= value <= high)


class LogRange(Range):
    """Numbers whose logarithms are drawn evenly."""

    kind: ClassVar[str] = "log"
    log: Annotated[list[_Positive], AfterValidator(_ascending)] = Field(
        min_length=2, max_length=2, description="two numbers above 0, the smaller one first, such as [1e-4,1e-2]"
    )


class LinearRange(Range):
    """Numbers that are drawn evenly."""

    kind: ClassVar[str] = "linear"
    linear: Annotated[list[_Finite], AfterValidator(_ascending)] = Field(
        min_length=2, max_length=2, description="two numbers, the smaller one first, such as [0,0.5]"
    )


class WholeRange(Range):
    """Whole numbers, both bounds included."""

    kind: ClassVar[str] = "int"
    whole: Annotated[list[int], AfterValidator(_ascending)] = Field(
        alias="int", min_length=2, max_length=2, description="two whole numbers, the smaller one first, such as [1,8]"
    )

    def has(self, value: Any) -> bool:
        """Return whether a value can be drawn: a whole number of the interval."""
        return isinstance(value, int) and super().has(value)


class Choice(Range):
    """Some values, or options of a group."""

    kind: ClassVar[str] = "choice"
    choice: Annotated[list[Any], PlainValidator(_of_different)] = Field(
        description="a list of at least two different values, such as [adam,adamw]"
    )

    def has(self, value: Any) -> bool:
        """Return whether a value can be drawn: the text of a choice."""
        return value in [shown(one) for one in self.values]


RANGES: Final[Mapping[str, type[Range]]] = {one.kind: one for one in (LogRange, LinearRange, WholeRange, Choice)}


class Search(Section):
    """Schema of the section `search`."""

    trials: int = Field(ge=1)
    first_rung: int = Field(ge=1, description="a whole number from 1 up [epochs]")
    eta: int = Field(ge=2)
    seed: int = Field(ge=0, lt=2**32)
    space: dict[str, Any] = Field(description="ranges of keys, such as search.space.optimizer.lr.log=[1e-4,1e-2]")

    @property
    def ranges(self) -> dict[str, Range]:
        """The checked ranges by their keys, in the order of the file."""
        return {key: RANGES[kind].model_validate({kind: given}) for key, kind, given in leaves(self.space)}

    def rungs(self, epochs: int) -> tuple[int, ...]:
        """Return after how many epochs trials are compared, the full length last.

        Args:
            epochs: of a full training.

        Raises:
            UserError: if the first rung does not fit that length.
        """
        found = [self.first_rung]
        if self.first_rung != epochs and self.first_rung * self.eta > epochs:
            shorter = f"at most {epochs // self.eta}, or " if epochs >= self.eta else ""
            raise UserError(
                f"search.first_rung={self.first_rung} with search.eta={self.eta} does not fit "
                f"trainer.max_epochs={epochs}: give {shorter}{epochs} for trials that all have the full length."
            )
        while found[-1] * self.eta <= epochs:
            found.append(found[-1] * self.eta)
        return (*found[:-1], epochs)


def leaves(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield the key, the kind and the bounds or choices of each range in a space, whose keys are nested or dotted.

    Raises:
        UserError: for what is no range.
    """
    for name, content in space.items():
        key = f"{prefix}{name}"
        if not isinstance(content, Mapping) or not content:
            raise _no_range(key, content)
        kinds = [kind for kind in content if kind in RANGES]
        if len(kinds) > 1:
            raise UserError(f"search.space.{key} has the ranges {' and '.join(map(str, kinds))}: give one of them.")
        yield from ((key, kind, content[kind]) for kind in kinds)
        further = {str(one): value for one, value in content.items() if one not in RANGES}
        yield from leaves(further, f"{key}.")


def _no_range(key: str, content: Any) -> UserError:
    place = f"search.space.{key}"
    above, _, last = place.rpartition(".")
    near = difflib.get_close_matches(last, RANGES, 1)
    if near:
        return UserError(f"{place}={shown(content)} is no range. Did you mean {above}.{near[0]}?")
    return UserError(
        f"{place}={shown(content)} is no range: give {place}.log=[1e-4,1e-2], {place}.linear=[0,0.5], "
        f"{place}.int=[1,8] or {place}.choice=[a,b]."
    )


def refuse_unsearchable(key: str) -> None:
    """Refuse a key of a space by which trials could not be compared.

    Raises:
        UserError: for such a key.
    """
    is_of_images = key == "data" or (key.startswith("data.") and is_data_setting(key))
    if is_of_images or is_within(key.replace("/", "."), _OF_ALL_TRIALS):
        raise UserError(
            f"search.space.{key} is not allowed: all trials have the same images, blur, seed and length, or their "
            "results could not be compared. Give keys of the network, the optimizer, the scheduler, the loss or the "
            "training patches."
        )
