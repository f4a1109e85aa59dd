"""The families of blurs that mixtures, the cross-degradation matrix, the demo and all labels know."""

import importlib
from collections.abc import Iterable
from typing import Final, TypeVar

from deblur.blur.degradation import SHARED_PARAMETERS, Degradation
from deblur.blur.parameters import Parameter
from deblur.errors import UserError

Family = TypeVar("Family", bound=type[Degradation])

FAMILIES: Final[dict[str, type[Degradation]]] = {}
"""The registered families by name, those of the package first."""


def register(family: Family) -> Family:
    """Register a family: a decorator of its class.

    Raises:
        ValueError: If another class has the name, or another family has a parameter of the same name and another
            unit: tables name a parameter by its name alone.
    """
    known = FAMILIES.get(family.family)
    if known is not None and import_path(known) != import_path(family):
        raise ValueError(f"The family {family.family} is {import_path(known)} already: give {family} another name.")
    units = parameter_units()
    for name, parameter in family.parameters.items():
        if known is None and units.get(name, parameter.unit) != parameter.unit:
            raise ValueError(
                f"The parameter {name} of the family {family.family} is in {parameter.unit or 'no unit'}, and that of "
                f"another family in {units[name] or 'no unit'}: give it another name."
            )
    FAMILIES[family.family] = family
    return family


def import_families(modules: Iterable[str]) -> None:
    """Import modules that the user trusts, so that the families in them are registered.

    Raises:
        UserError: If a module cannot be imported.
    """
    for module in modules:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise UserError(f"The trusted module {module} cannot be imported: {error}.") from error


def import_path(family: type[Degradation]) -> str:
    """Return the full name of a class, to write behind `_target_`."""
    return f"{family.__module__}.{family.__qualname__}"


def parameter_units() -> dict[str, str]:
    """Return the unit of each parameter of the registered families, and of those that all blurs share, by name."""
    declared: list[tuple[str, Parameter]] = list(SHARED_PARAMETERS.items())
    for family in FAMILIES.values():
        declared += family.parameters.items()
    return {name: parameter.unit for name, parameter in declared}
