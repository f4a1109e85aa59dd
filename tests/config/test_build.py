import sys
from pathlib import Path
from typing import Any

import pytest
from torch import nn
from torch.optim import Adam, Optimizer

from deblur.blur import Degradation, Gaussian
from deblur.config import build
from deblur.config.build import path_arguments
from deblur.errors import UserError
from deblur.models import SRCNN

OWN = """
from pathlib import Path

Path({witness!r}).touch()

from torch import nn
from torch.nn import Conv2d


class Net(nn.Module):
    def __init__(self, depth=1, *, width):
        super().__init__()
        self.depth, self.width = depth, width


class NoNet:
    pass


def make_net():
    return Net(width=1)
"""


@pytest.fixture
def witness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that appears when a module of the user's own is imported: my_nets, my_nets_evil or my.nets."""
    file = tmp_path / "imported"
    text = OWN.format(witness=str(file))
    (tmp_path / "my").mkdir()
    for path in ("my_nets.py", "my_nets_evil.py", "my/nets.py"):
        (tmp_path / path).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield file
    for name in ("my_nets", "my_nets_evil", "my.nets", "my"):
        sys.modules.pop(name, None)


def refusal(target: str, base: type = nn.Module, **settings: Any) -> str:
    trusted = settings.pop("trusted", ())
    with pytest.raises(UserError) as caught:
        build({"_target_": target, **settings}, base, trusted=trusted)
    return str(caught.value)


def test_a_class_is_built_from_its_settings() -> None:
    network = build(
        {"_target_": "deblur.models.SRCNN", "name": "a label", "kernel_sizes": [3, 1], "widths": [4]}, nn.Module
    )
    assert type(network) is SRCNN
    assert network.receptive_field == 3


def test_arguments_beside_the_settings_are_passed_on() -> None:
    network = nn.Linear(1, 1)
    optimizer = build({"_target_": "torch.optim.Adam", "lr": 0.5}, Optimizer, network.parameters(), weight_decay=0.25)
    assert type(optimizer) is Adam
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (0.5, 0.25)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.Popen",
        "torch.load",
        "torch.hub.load",
        "torch.utils.collect_env.run",
        "torch.jit.ScriptModule",
        "torchvision.models.ResNet",
        "torch.nnx.Module",
        "deblurring.models.SRCNN",
        "SRCNN",
        "deblur",
        ".deblur.models.SRCNN",
        "",
        "None",
    ],
)
def test_what_lies_elsewhere_is_refused(target: str) -> None:
    assert refusal(target, object).startswith(
        f"_target_={target} is not allowed: give a class that is defined in deblur, torch.nn, torch.optim, "
    )


@pytest.mark.parametrize(
    "target",
    [
        "torch.nn.functional.relu",
        "torch.nn.init.kaiming_normal_",
        "torch.nn.functional",
        "deblur.blur.convolve",
        "deblur.train.main",
        "deblur.runs.os.system",
        "deblur.runs.subprocess.Popen",
        "deblur.runs.Path",
        "deblur.config.schema.BaseModel",
        "torch.nn.modules.module.OrderedDict",
        "torch.optim.optimizer.defaultdict",
    ],
)
def test_only_classes_that_are_defined_in_an_allowed_module_are_built(target: str) -> None:
    assert refusal(target, object).startswith((f"_target_={target} is not allowed: ", f"_target_={target} cannot be i"))


@pytest.mark.parametrize("target", ["deblur.models.Srcnn", "deblur.nets.SRCNN", "torch.nn.", "deblur.models..SRCNN"])
def test_a_class_that_does_not_exist_is_a_sentence(target: str) -> None:
    assert refusal(target).startswith(f"_target_={target} cannot be imported: ")


def test_a_network_of_another_version_is_a_sentence_that_names_those_of_this_one() -> None:
    said = refusal("deblur.models.Former")
    assert "this version has the networks SRCNN, ResNet and Unrolled. A run or a file of another one is of" in said
    assert said.endswith("such as by experiment=known_kernel or experiment=one_kernel if the kernel is known.")


@pytest.mark.parametrize(
    ("target", "base"),
    [
        ("torch.nn.Conv2d", Optimizer),
        ("torch.optim.Adam", nn.Module),
        ("deblur.blur.Gaussian", nn.Module),
        ("deblur.models.SRCNN", Degradation),
        ("deblur.errors.UserError", nn.Module),
    ],
)
def test_a_class_of_another_kind_is_refused(target: str, base: type) -> None:
    assert refusal(target, base) == f"_target_={target} is no {base.__name__}: give a class that is one."


def test_an_abstract_class_is_refused() -> None:
    target = "deblur.blur.Degradation"
    assert refusal(target, Degradation) == f"_target_={target} is abstract: give a class that is derived from it."


def test_an_argument_that_the_class_does_not_take_is_refused_with_those_it_takes() -> None:
    settings = {"kernel_sizes": [9, 5], "widths": [8]}
    sentence = refusal("deblur.models.SRCNN", depth=3, **settings)
    assert sentence.startswith("deblur.models.SRCNN: got an unexpected keyword argument 'depth'. It takes: kernel_size")
    sentence = refusal("torch.optim.Adam", Optimizer, lrr=1)
    assert "params" in sentence
    with pytest.raises(UserError, match=r"'lrr'. It takes: lr, betas, eps, ") as caught:
        build({"_target_": "torch.optim.Adam", "lrr": 1}, Optimizer, [])
    assert "params" not in str(caught.value)


def test_an_argument_that_is_missing_is_named() -> None:
    sentence = refusal("deblur.models.SRCNN", kernel_sizes=[9, 5])
    assert sentence.startswith(
        "deblur.models.SRCNN: missing a required argument: 'widths'. It takes: kernel_sizes, wid"
    )


@pytest.mark.parametrize(
    ("target", "trusted"),
    [
        ("my_nets.Net", []),
        ("my_nets.Net", ["my_net"]),
        ("my_nets.Net", ["my_nets.Net"]),
        ("my_nets.Net", ["my"]),
        ("my_nets_evil.Net", ["my_nets"]),
        ("my.nets.Net", ["my_nets"]),
        ("my_nets.Net", ["deblur.my_nets"]),
        ("my_nets.Net", [""]),
    ],
)
def test_a_module_that_is_not_trusted_is_not_even_imported(witness: Path, target: str, trusted: list[str]) -> None:
    module = target.partition(".")[0]
    assert refusal(target, trusted=trusted, width=1).endswith(
        f"name the module of your own class with trusted=[{module}] (train, evaluate) or --trusted {module} (other "
        "commands)."
    )
    assert not witness.exists()


@pytest.mark.parametrize(
    ("target", "trusted"), [("my_nets.Net", "my_nets"), ("my.nets.Net", "my.nets"), ("my.nets.Net", "my")]
)
def test_a_trusted_module_is_used(witness: Path, target: str, trusted: str) -> None:
    network: Any = build({"_target_": target, "width": 3}, nn.Module, trusted=[trusted])
    assert (network.depth, network.width) == (1, 3)
    assert witness.exists()


def test_trust_in_a_module_is_none_in_its_functions_and_imports(witness: Path) -> None:  # noqa: ARG001
    trusted = ["my_nets"]
    assert refusal("my_nets.make_net", trusted=trusted).startswith("_target_=my_nets.make_net is not allowed: ")
    assert refusal("my_nets.Path", object, trusted=trusted).startswith("_target_=my_nets.Path is not allowed: ")
    assert refusal("my_nets.NoNet", trusted=trusted) == "_target_=my_nets.NoNet is no Module: give a class that is one."
    assert refusal("my_nets.Net", trusted=trusted, dept=1).endswith("It takes: depth, width.")


def test_a_caller_may_allow_less() -> None:
    node = {"_target_": "deblur.blur.Gaussian", "sigma": 1.0}
    assert type(build(node, Degradation)) is Gaussian
    with pytest.raises(UserError, match=r"give a class that is defined in deblur.models, or name the module"):
        build(node, Degradation, allowed=("deblur.models",))


def test_arguments_annotated_as_paths_are_found() -> None:
    class Data:
        def __init__(self, file: Path, other: "Path | None" = None, name: str = "", *, size: int = 1) -> None: ...

    class Unknown:
        def __init__(self, file: "Nowhere") -> None: ...  # type: ignore[name-defined] # noqa: F821 # that is the test

    assert path_arguments(Data) == {"file", "other"}
    assert path_arguments(Unknown) == path_arguments(object) == frozenset()
