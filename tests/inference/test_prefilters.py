"""What tells that a network wants a Wiener estimate, and what only looks like it."""

import subprocess
import sys

import pytest
from torch import Tensor, nn
from wiener_networks import calibrated

from deblur.errors import UserError
from deblur.inference.prefilters import prefilter_of
from deblur.models import SRCNN, WienerSRCNN
from deblur.models.protocol import traits_of
from deblur.training.summary import describe_network
from deblur.wiener.prefilter import WienerPrefilter


class Layered(nn.Module):
    """A network with a layer of that name."""

    def __init__(self) -> None:
        super().__init__()
        self.prefilter = nn.Conv2d(1, 1, 3)


class Named(nn.Module):
    """A network with a setting of that name."""

    prefilter = "none"


class Otherwise(nn.Module):
    """A network whose method of that name gives something else."""

    def prefilter(self) -> Tensor:
        """Return no pre-filter."""
        return next(nn.Linear(1, 1).parameters())


@pytest.mark.parametrize("kind", [Layered, Named, Otherwise])
def test_something_else_of_that_name_is_a_sentence(kind: type[nn.Module]) -> None:
    with pytest.raises(UserError) as caught:
        prefilter_of(kind())
    assert str(caught.value).startswith(f"{kind.__name__}.prefilter has to be a method without arguments that")
    assert "returns a deblur.wiener.prefilter.WienerPrefilter" in str(caught.value)


def test_networks_of_ours_say_whether_they_want_one() -> None:
    assert isinstance(prefilter_of(calibrated()), WienerPrefilter)
    assert prefilter_of(SRCNN((3, 1), (2,))) is None
    with pytest.raises(RuntimeError, match="calibrate"):
        prefilter_of(WienerSRCNN((3, 1), (2,)))
    assert [traits_of(net((3, 1), (2,))).wants_wiener_estimate for net in (SRCNN, WienerSRCNN)] == [False, True]
    told = [describe_network(net((3, 1), (2,))) for net in (SRCNN, WienerSRCNN)]
    assert [one["wiener_guided"] for one in told] == [False, True]


@pytest.mark.slow
def test_without_a_wiener_estimate_scipy_is_not_loaded() -> None:
    code = (
        "import sys; from torch import nn; from deblur.inference.prefilters import prefilter_of; "
        "assert prefilter_of(nn.Identity()) is None; print('scipy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout == "False\n"
