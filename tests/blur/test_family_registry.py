"""A family of blurs is declared in one place: a class, registered, is found wherever families are known."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from deblur.blur import FAMILIES, Degradation, Mixed, Parameter, ParametricBlur, Slider, register
from deblur.config import TrainConfig, build, check
from deblur.demo.wording import training_text
from deblur.demo.work import blur_of, families, title_of
from deblur.errors import UserError
from deblur.evaluation.matrix import conditions
from deblur.export.card import with_unit
from deblur.runs.conditions import blur_text

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def ring_psf(width: float) -> np.ndarray:
    side = 2 * int(width) + 1
    weights = np.ones((side, side))
    weights[1:-1, 1:-1] = 0
    return weights / weights.sum()


class Ring(ParametricBlur):
    """The rim of a square."""

    family = "ring"
    label = "Ring"
    parameters: ClassVar[Mapping[str, Parameter]] = {
        "width": Parameter(
            "Width",
            1,
            40,
            unit="km",
            numbers="whole",
            in_mixture=(2, 4),
            factors=(0.5, 2),
            slider=Slider(1, 9, step=1, start=3),
        )
    }
    make_psf = staticmethod(ring_psf)

    def __init__(self, width: Any, **after: Any) -> None:
        super().__init__({"width": width}, **after)


RING = {"name": "ring", "_target_": f"{__name__}.Ring", "width": 4, "noise_sigma": 0.0, "jpeg_quality": None}


@pytest.fixture
def registry() -> Iterator[None]:
    """Forget the families that a test registers."""
    before = dict(FAMILIES)
    yield
    FAMILIES.clear()
    FAMILIES.update(before)


@pytest.fixture
def ring(registry: None) -> type[Degradation]:  # noqa: ARG001
    return register(Ring)


def refusal(config: TrainConfig, **changes: Any) -> str:
    plain = config.plain()
    with pytest.raises(UserError) as caught:
        check({**plain, "trusted": [__name__], "blur": {**plain["blur"], **changes}})
    return str(caught.value)


@pytest.mark.usefixtures("ring")
def test_check_knows_what_a_new_family_allows(compose: Callable[..., TrainConfig]) -> None:
    config = check({**compose().plain(), "blur": RING, "trusted": [__name__]})
    assert config.blur.plain() == RING
    allowed = "give a whole number from 1 to 40 [km], or a pair [lo,hi] of them (lo <= hi)."
    assert refusal(config, width=41) == f"blur.width=41 is not allowed: {allowed}"
    assert refusal(config, width=2.0) == f"blur.width=2.0 is not allowed: {allowed}"
    mixed = compose("blur=mixed")
    mixed.blur.families["ring"] = {"width": [9, 3]}
    assert refusal(mixed) == f"blur.families.ring.width=[9,3] is not allowed: {allowed}"


@pytest.mark.usefixtures("ring")
def test_a_new_family_joins_a_mixture_by_its_name(compose: Callable[..., TrainConfig]) -> None:
    blur = compose("blur=mixed", "+blur.families.ring.weight=3").blur
    assert blur.families["ring"] == {"weight": 3, "width": [2, 4]}
    mixture = build(blur, Degradation)
    assert isinstance(mixture, Mixed)
    assert mixture.probabilities["ring"] == 3 / 8
    rng = np.random.default_rng(0)
    rings = [each for each in (mixture.sample(rng) for _ in range(60)) if each.family == "ring"]
    assert {each.parameters["width"] for each in rings} == {2, 3, 4}
    assert np.array_equal(rings[0].kernel.psf, ring_psf(float(rings[0].parameters["width"])))


@pytest.mark.usefixtures("ring")
def test_a_new_family_has_conditions_in_the_cross_degradation_matrix(compose: Callable[..., TrainConfig]) -> None:
    assert [one.label for one in conditions(RING)][:4] == ["width 2", "width 4", "width 8", "valid boundary"]
    blur = compose("blur=mixed", "+blur.families.ring.weight=1").blur
    of_ring = [one for one in conditions(blur.plain()) if one.family == "ring"]
    assert [one.blur["width"] for one in of_ring][:4] == [2, 3, 4, [2, 4]]
    for one in of_ring:
        assert build(one.blur, Degradation, trusted=[__name__]).family == "ring"


@pytest.mark.usefixtures("ring")
def test_a_new_family_has_its_unit_in_reports_cards_and_the_demo() -> None:
    assert blur_text(RING) == "ring (width 4 km)"
    assert with_unit("families.ring.width", "2 to 4") == "2 to 4 km"
    assert "on this blur: ring (width 4 km)." in training_text({"blur": RING})


@pytest.mark.usefixtures("ring")
def test_a_new_family_can_be_chosen_in_the_demo() -> None:
    assert list(families())[-1] == "ring"
    assert title_of("ring", "width") == "Width (km)"
    assert blur_of("ring", {"width": 5.0}, 0).max_kernel_size == (11, 11)
    with pytest.raises(UserError, match=r"^Width \(km\): 10 is not from 1 to 9\.$"):
        blur_of("ring", {"width": 10}, 0)


def test_a_family_that_is_not_registered_or_declares_nothing_is_left_out(compose: Callable[..., TrainConfig]) -> None:
    assert "ring" not in families()
    assert list(conditions(RING)) == []
    with pytest.raises(UserError, match=r"^blur\.families\.ring is unknown: blur\.families has the keys box, disk"):
        compose("blur=mixed", "+blur.families.ring.weight=3")


@pytest.mark.usefixtures("registry")
def test_two_families_have_two_names_and_one_unit_for_one_name() -> None:
    class Other(Ring):
        family = "box"

    with pytest.raises(ValueError, match=r"^The family box is deblur\.blur\.families\.Box already"):
        register(Other)

    class Second(Ring):
        family = "second"
        parameters: ClassVar[Mapping[str, Parameter]] = {"sigma": Parameter("Sigma", 1, 2, unit="km")}

    with pytest.raises(ValueError, match=r"^The parameter sigma of the family second is in km, and .* in px"):
        register(Second)


@pytest.mark.usefixtures("registry")
def test_a_family_in_a_trusted_module_joins_a_mixture(
    compose: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "my_blurs", raising=False)
    overrides = ["blur=mixed", "+blur.families.cross.arm=[3,5]"]
    with pytest.raises(UserError, match=r"^blur\.families\.cross is unknown: .* with trusted=\[MODULE\] \(train, "):
        compose(*overrides)
    blur = compose(*overrides, "trusted=[my_blurs]").blur
    assert blur.families["cross"] == {"arm": [3, 5]}
    assert [one.label for one in conditions(blur.plain()) if one.family == "cross"][:3] == ["arm 3", "arm 4", "arm 5"]
    assert "cross" in families()
    with pytest.raises(UserError, match=r"^The trusted module no_such_module cannot be imported"):
        compose("blur=mixed", "+blur.families.crux.arm=3", "trusted=[no_such_module]")
