import pytest

from studies.srcnn_2022.published import Place, rate_text, read_published, read_settings
from studies.srcnn_2022.settings import _COLUMN


def test_every_published_number_is_known() -> None:
    found = read_published()
    assert len(found.losses) == 18
    assert found.losses[Place("box", "9-3-1-5", 1e-4)] == 0.0042
    assert found.losses[Place("motion", "9-1-1-1-5", 5e-5)] == 0.0119
    assert found.inputs == {"box": 0.00856, "gaussian": 0.01031, "motion": 0.01208}
    assert found.seconds == {"9-1-5": 18, "9-3-1-5": 28, "9-1-1-1-5": 22}
    assert (found.accuracy, found.epochs) == (0.0003, 20)
    assert (found.blurs, found.rates) == (["box", "gaussian", "motion"], [1e-4, 5e-5])


@pytest.mark.parametrize(
    ("blur", "network", "rate"), [("box", "9-3-1-5", 1e-4), ("gaussian", "9-3-1-5", 5e-5), ("motion", "9-3-1-5", 1e-4)]
)
def test_the_best_published_configuration_has_the_lowest_loss(blur: str, network: str, rate: float) -> None:
    assert read_published().best(blur) == Place(blur, network, rate)


@pytest.mark.parametrize(("rate", "text"), [(5e-5, "0.00005"), (1e-3, "0.001"), (1.0, "1")])
def test_rates_are_written_out(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_all_that_the_study_decided_has_its_counterpart() -> None:
    assert [one.key for one in read_settings()] == list(_COLUMN)
