"""A network that is made for one kernel is refused where kernels are drawn, and no Wiener estimate is of no noise."""

from pathlib import Path

import pytest
from checking import Change, refusal

from deblur.config import check
from deblur.errors import UserError

WIENER_GUIDED = "model=wiener_srcnn"
FACTORS = "give a list of numbers above 0, such as [1.0]."


@pytest.mark.parametrize(
    "value", ["[]", "[0]", "[-1]", "[1,0.0]", "[nan]", "[inf]", "[true]", "[a]", "1", "null", "[[1]]"]
)
def test_noise_factors_are_numbers_above_0(changed: Change, value: str) -> None:
    sentence = refusal(changed(WIENER_GUIDED, f"model.noise_scales={value}"))
    assert sentence == f"model.noise_scales={value} is not allowed: {FACTORS}"


@pytest.mark.parametrize("value", ["1", "yes", "null", "[true]"])
def test_that_a_kernel_is_given_is_true_or_false(changed: Change, value: str) -> None:
    sentence = refusal(changed(WIENER_GUIDED, f"model.non_blind={value}"))
    assert sentence == f"model.non_blind={value} is not allowed: give true or false."


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        ("model.kernel_sizes=[8,5]", "give a list of at least two odd whole numbers"),
        ("model.widths=[4]", "does not fit model.kernel_sizes=[5,3,3,3,3,3,5]: give 6, one between each two layers."),
        ("model.dropout=1", "give a number from 0 to below 1."),
        ("model.residual=true", "is unknown: model has the keys"),
    ],
)
def test_layers_are_those_of_every_chain(changed: Change, word: str, allowed: str) -> None:
    sentence = refusal(changed(WIENER_GUIDED, word))
    assert sentence.startswith(f"{word.partition('=')[0]}")
    assert allowed in sentence


DRAWN = {
    "blur=box blur.size=[3,7]": "blur.size=[3,7]",
    "blur=gaussian blur.sigma=[1,3]": "blur.sigma=[1,3]",
    "blur=motion blur.angle=[0,180]": "blur.angle=[0,180]",
    "blur=motion blur.length=[3,9]": "blur.length=[3,9]",
    "blur=motion_random": "blur.",
    "blur=trajectory blur.extent=5 blur.shake=0.5": "blur=trajectory",
    "blur=disk blur.radius=[1,2]": "blur.radius=[1,2]",
    "blur=mixed": "blur=mixed",
}


def composed(changed: Change, overrides: str, *others: str) -> dict[str, object]:
    option, *values = overrides.split()
    return changed(f"{WIENER_GUIDED} {option}", *values, *others)


@pytest.mark.parametrize("overrides", DRAWN)
def test_kernels_that_are_drawn_have_to_be_given(changed: Change, overrides: str) -> None:
    sentence = refusal(composed(changed, overrides))
    assert sentence.startswith(f"model.non_blind=false is for one kernel, and {DRAWN[overrides]}")
    assert "draws one for each image" in sentence
    assert "or model.non_blind=true for a network that gets" in sentence
    assert check(composed(changed, overrides, "model.non_blind=true")).model.non_blind is True


@pytest.mark.parametrize(
    "overrides",
    [
        "blur=box",
        "blur=gaussian blur.noise_sigma=[0,2]",
        "blur=motion blur.jpeg_quality=[50,90]",
        "blur=disk blur.noise_sigma=[0,2] blur.jpeg_quality=[50,90]",
        "blur=none",
    ],
)
def test_noise_and_compression_may_be_drawn(changed: Change, overrides: str) -> None:
    assert check(composed(changed, overrides)).model.non_blind is False


def test_other_networks_take_what_is_drawn(changed: Change) -> None:
    check(changed("blur=mixed"))


def test_a_trained_network_may_be_measured_on_blurs_that_are_drawn(changed: Change) -> None:
    config = changed(f"{WIENER_GUIDED} blur=mixed")
    assert check(config, for_training=False).blur.name == "mixed"


def test_a_list_of_a_blur_of_ones_own_may_mean_anything(
    changed: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blurs_of_taps.py").write_text(
        "from deblur.blur import Box\n"
        "class Taps(Box):\n"
        "    def __init__(self, taps):\n"
        "        super().__init__([3, 5])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = changed(WIENER_GUIDED)
    config["blur"] = {"_target_": "blurs_of_taps.Taps", "taps": [1, 2, 1]}
    assert check({**config, "trusted": ["blurs_of_taps"]}).blur.taps == [1, 2, 1]


@pytest.mark.parametrize(("given", "for_training"), [("false", True), ("true", True), ("true", False)])
def test_pairs_tell_no_kernel(changed: Change, tmp_path: Path, given: str, for_training: bool) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    config = changed(f"data=pairs {WIENER_GUIDED}", f"model.non_blind={given}")
    config["data"] |= {"sharp": str(tmp_path / "a"), "blurred": str(tmp_path / "b")}
    with pytest.raises(UserError, match="needs the kernel of each image, and data=pairs has no kernels"):
        check(config, for_training=for_training)
    config["model"]["non_blind"] = False
    assert check(config, for_training=False).data.name == "pairs"


VARYING = (
    "A network with a Wiener estimate needs one kernel for the whole image, and with blur=varying the kernel varies"
)
MIXED = VARYING.replace("varying the", "mixed the")


@pytest.mark.parametrize("is_told", ["false", "true"])
@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("blur=varying", VARYING),
        ("blur=varying blur.kind=defocus blur.extent=9 blur.variation=1", VARYING),
        ("blur=mixed blur.families.varying.weight=1", MIXED),
    ],
)
def test_a_kernel_that_varies_over_the_image_is_refused_before_training(
    changed: Change, overrides: str, sentence: str, is_told: str
) -> None:
    config = composed(changed, overrides, f"model.non_blind={is_told}")
    assert refusal(config).startswith(sentence)
    assert refusal(config).endswith("take another blur, or take a network without a Wiener estimate.")
    blind = changed(overrides.split()[0], *overrides.split()[1:])
    assert check(blind).blur.name == overrides.split()[0].removeprefix("blur=")


def test_a_network_of_one_known_kernel_is_measured_on_a_varying_blur_as_on_any_other(changed: Change) -> None:
    assert check(composed(changed, "blur=varying"), for_training=False).blur.name == "varying"
    with pytest.raises(UserError, match="needs one kernel for the whole image"):
        check(composed(changed, "blur=varying", "model.non_blind=true"), for_training=False)


def test_without_a_share_of_varying_blur_a_mixture_has_kernels(changed: Change) -> None:
    assert check(composed(changed, "blur=mixed", "model.non_blind=true")).model.non_blind is True
