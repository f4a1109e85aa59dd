"""ONNX files that would take the memory or the time of the machine, or read other files: refused before they run."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from loading_child import Loaded, load_in_child
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import Tensor, nn

import deblur
from deblur.errors import UserError
from deblur.export.onnx import as_onnx
from deblur.inference.description import write_description
from deblur.inference.onnx_graph import Sizes, UnusableGraph, parsed

node = helper.make_node

SETTINGS: dict[str, Any] = {"settings": {"model": {}, "blur": {}}}
IMAGE = (300, 290)  # px, restored with each file that is opened
GROWTH = 300 * 2**20  # bytes
MEAN = [node("ReduceMean", ["huge"], ["mean"]), node("Add", ["blurred", "mean"], ["restored"])]


def model(
    nodes: Sequence[NodeProto], told: dict[str, Any] | None = None, domains: Sequence[str] = (), **arrays: Any
) -> ModelProto:
    """Return a network of our own exports' form, with int64 arrays for lists of whole numbers."""
    sides = ["batch", 1, "height", "width"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, sides) for name in ("blurred", "restored")]
    held = [
        one if isinstance(one, TensorProto) else numpy_helper.from_array(np.asarray(one), name)
        for name, one in arrays.items()
    ]
    graph = helper.make_graph(nodes, "graph", values[:1], values[1:], held)
    opsets = [helper.make_opsetid("", 18), *(helper.make_opsetid(domain, 1) for domain in domains)]
    made = helper.make_model(graph, opset_imports=opsets)
    made.ir_version = 10
    helper.set_model_props(made, {"deblur": write_description(SETTINGS | (told or {}))})
    return made


def branch(name: str) -> onnx.GraphProto:
    given = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    return helper.make_graph([node("Identity", ["blurred"], [name])], name, [], [given])


def loop(rounds: int) -> ModelProto:
    kinds = {"round": TensorProto.INT64, "goes": TensorProto.BOOL, "before": TensorProto.FLOAT}
    given = [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()]
    gives = [helper.make_tensor_value_info(name, kinds[name[:-1]], None) for name in ("goes2", "before2")]
    body = [node("Identity", [name[:-1]], [name]) for name in ("goes2", "before2")]
    graph = helper.make_graph(body, "body", given, gives)
    return model([node("Loop", ["rounds", "goes", "blurred"], ["restored"], body=graph)], rounds=rounds, goes=True)


def conditional() -> ModelProto:
    parts = {"then_branch": branch("yes"), "else_branch": branch("no")}
    return model([node("If", ["goes"], ["restored"], **parts)], goes=True)


def hidden_graph() -> ModelProto:
    """An operator of ours that has a graph as an attribute that is none of its own."""
    one = node("Identity", ["blurred"], ["restored"])
    one.attribute.append(helper.make_attribute("body", branch("hidden")))
    return model([one])


def function() -> ModelProto:
    made = model([node("Twice", ["blurred"], ["restored"], domain="own")], domains=["own"])
    body = [node("Add", ["x", "x"], ["y"])]
    made.functions.append(helper.make_function("own", "Twice", ["x"], ["y"], body, [helper.make_opsetid("", 18)]))
    return made


def array(data: bytes = b"", **fields: Any) -> TensorProto:
    made = TensorProto(
        name="weights", data_type=TensorProto.FLOAT, raw_data=data, dims=fields.pop("dims", [1, 1, 1, 1])
    )
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def external(location: str) -> TensorProto:
    made = array(data_location=TensorProto.EXTERNAL)
    made.ClearField("raw_data")
    entry = made.external_data.add()
    entry.key, entry.value = "location", location
    return made


def sparse() -> ModelProto:
    made = model([node("Conv", ["blurred", "weights"], ["restored"])])
    values = numpy_helper.from_array(np.ones(1, np.float32), "weights")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "indices")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [10**6, 10**6]))
    return made


def doubled(times: int) -> list[NodeProto]:
    """Each of a few operators gives twice as much as it is given."""
    names = ["blurred", *(f"part{number}" for number in range(times - 1)), "huge"]
    return [node("Concat", [one, one], [other], axis=1) for one, other in pairwise(names)]


def outer() -> list[NodeProto]:
    """A row and a column of a hundred thousand numbers make ten thousand millions."""
    return [
        node("Range", ["begin", "end", "step"], ["whole"]),
        node("Cast", ["whole"], ["row"], to=TensorProto.FLOAT),
        node("Reshape", ["row", "upright"], ["column"]),
        node("Mul", ["row", "column"], ["huge"]),
    ]


WEIGHTS = np.ones((1, 1, 1, 1), np.float32)
CONVOLUTION = [node("Conv", ["blurred", "weights"], ["restored"])]
OPERATOR = "which no network of this program needs"
SIZE = "is damaged: its network cannot be computed (it would take"
UNKNOWN = "cannot be known beforehand"
REFUSED: dict[str, tuple[Callable[[], ModelProto], str]] = {
    "loop": (lambda: loop(2**62), f"it has the operator Loop, {OPERATOR}"),
    "if": (conditional, f"it has the operator If, {OPERATOR}"),
    "a hidden graph": (hidden_graph, "it has a graph or sparse arrays within an operator"),
    "a function": (function, "it has functions"),
    "another domain": (
        lambda: model([node("Gelu", ["blurred"], ["restored"], domain="com.microsoft")], domains=["com.microsoft"]),
        f"it has the operator Gelu, {OPERATOR}",
    ),
    "found by its values": (
        lambda: model([node("NonZero", ["blurred"], ["z"]), node("Cast", ["z"], ["huge"], to=1), *MEAN]),
        f"it has the operator NonZero, {OPERATOR}",
    ),
    "random numbers": (
        lambda: model([node("RandomNormal", [], ["huge"], shape=[10**6, 10**6]), *MEAN]),
        f"it has the operator RandomNormal, {OPERATOR}",
    ),
    "external": (lambda: model(CONVOLUTION, weights=external("secret")), "it keeps its weights in another file"),
    "external in a constant": (
        lambda: model([node("Constant", [], ["weights"], value=external("secret")), *CONVOLUTION]),
        "it keeps its weights in another file",
    ),
    "fewer values than it tells": (
        lambda: model(CONVOLUTION, weights=array(dims=[10**9, 1, 1, 1])),
        "it has an array that does not hold as many values as it declares",
    ),
    "a negative side": (
        lambda: model(CONVOLUTION, weights=array(dims=[-1, 1])),
        "it has an array of a shape that cannot",
    ),
    "texts": (
        lambda: model(CONVOLUTION, weights=TensorProto(name="weights", data_type=TensorProto.STRING)),
        "it has an array of a type that no network",
    ),
    "sparse": (sparse, "it has functions, a training or sparse arrays"),
    "constant of shape": (
        lambda: model([node("ConstantOfShape", ["shape"], ["huge"]), *MEAN], shape=[10**6, 10**6]),
        f"{SIZE} 3725.3 GiB for 5x3 px",
    ),
    "more than 64 bits": (
        lambda: model([node("ConstantOfShape", ["shape"], ["huge"]), *MEAN], shape=[2**62, 2**62, 2**62]),
        SIZE,
    ),
    "expand": (
        lambda: model([node("Expand", ["blurred", "shape"], ["huge"]), *MEAN], shape=[10**5, 10**5, 1, 1]),
        SIZE,
    ),
    "tile": (lambda: model([node("Tile", ["blurred", "times"], ["huge"]), *MEAN], times=[1, 1, 10**5, 10**5]), SIZE),
    "resize": (
        lambda: model(
            [node("Resize", ["blurred", "", "scales"], ["huge"]), *MEAN], scales=np.float32([1, 1, 30_000, 30_000])
        ),
        SIZE,
    ),
    "pad": (
        lambda: model([node("Pad", ["blurred", "by"], ["huge"]), *MEAN], by=[0, 0, 10**5, 10**5, 0, 0, 0, 0]),
        SIZE,
    ),
    "range": (
        lambda: model(
            [node("Range", ["begin", "end", "step"], ["whole"]), node("Cast", ["whole"], ["huge"], to=1), *MEAN],
            begin=0,
            end=10**10,
            step=1,
        ),
        SIZE,
    ),
    "gather": (
        lambda: model(
            [node("Expand", ["zero", "shape"], ["many"]), node("Gather", ["blurred", "many"], ["huge"], axis=2), *MEAN],
            zero=[0],
            shape=[10**8],
        ),
        SIZE,
    ),
    "doubled again and again": (lambda: model([*doubled(40), *MEAN]), SIZE),
    "a row and a column": (lambda: model([*outer(), *MEAN], begin=0, end=10**5, step=1, upright=[-1, 1]), SIZE),
    "many results at a time": (
        lambda: model(
            [
                *(node("Expand", ["blurred", "shape"], [f"part{number}"]) for number in range(60)),
                node("Sum", [f"part{number}" for number in range(60)], ["huge"]),
                *MEAN,
            ],
            shape=[1, 10**5, 1, 1],
        ),
        SIZE,
    ),
    "a size by a value": (
        lambda: model(
            [
                node("ReduceMax", ["blurred"], ["largest"], keepdims=0),
                node("Cast", ["largest"], ["count"], to=TensorProto.INT64),
                node("Range", ["begin", "count", "step"], ["whole"]),
                node("Cast", ["whole"], ["huge"], to=1),
                *MEAN,
            ],
            begin=0,
            step=1,
        ),
        UNKNOWN,
    ),
    "out of order": (
        lambda: model([node("Relu", ["late"], ["restored"]), node("Relu", ["blurred"], ["late"])]),
        "its operators are not in the order in which they are computed",
    ),
    "a shape that does not fit": (
        lambda: model([node("Reshape", ["blurred", "shape"], ["restored"])], shape=[7, 7]),
        "is damaged: its network cannot be computed",
    ),
    "a larger image alone": (
        lambda: model(
            [
                node("Shape", ["blurred"], ["side"], start=2, end=3),
                node("Mul", ["side", "side"], ["square"]),
                node("Mul", ["square", "square"], ["shape"]),
                node("ConstantOfShape", ["shape"], ["huge"]),
                *MEAN,
            ]
        ),
        "The network is not computed: it would take 30.2 GiB for 290x300 px",
    ),
}
ALLOWED: dict[str, Callable[[], ModelProto]] = {
    "a convolution": lambda: model(CONVOLUTION, weights=WEIGHTS),
    "a constant": lambda: model(
        [node("Constant", [], ["weights"], value=numpy_helper.from_array(WEIGHTS)), *CONVOLUTION]
    ),
    "half the size and back": lambda: model(
        [
            node("AveragePool", ["blurred"], ["half"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
            node("Shape", ["blurred"], ["shape"]),
            node("Resize", ["half", "", "", "shape"], ["whole"], mode="nearest"),
            node("Sigmoid", ["whole"], ["restored"]),
        ]
    ),
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    """All these files, opened and used one after the other in one process."""
    folder = tmp_path_factory.mktemp("graphs")
    (folder / "secret").write_bytes(np.ones(1, np.float32).tobytes())
    makers = {**{name: make for name, (make, _) in REFUSED.items()}, **ALLOWED}
    for name, make in makers.items():
        (folder / f"{name}.onnx").write_bytes(make().SerializeToString())
    return load_in_child(sorted(folder.glob("*.onnx")), IMAGE)


@pytest.mark.parametrize("name", REFUSED)
def test_a_graph_that_could_exhaust_the_machine_is_refused_in_a_sentence(name: str, loaded: Loaded) -> None:
    kind, text = loaded.said[f"{name}.onnx"]
    assert kind == "UserError", text
    assert REFUSED[name][1] in text
    assert "\n" not in text


@pytest.mark.parametrize("name", ALLOWED)
def test_a_graph_of_known_layers_and_sizes_is_computed(name: str, loaded: Loaded) -> None:
    assert loaded.said[f"{name}.onnx"] == ("", "")


def test_none_of_them_costs_memory(loaded: Loaded) -> None:
    assert loaded.growth < GROWTH


METADATA: dict[str, tuple[dict[str, Any], str]] = {
    "seen": ({"seen_images": 5}, "seen_images: "),
    "a seen number": ({"seen_images": ["0", 1]}, "seen_images.1: "),
    "name": ({"name": 5}, "name: "),
    "halo": ({"halo": True}, "halo: "),
    "size_divisor": ({"size_divisor": "1"}, "size_divisor: "),
    "metrics": ({"metrics": [1]}, "metrics: "),
    "psnr": ({"metrics": {"test": {"psnr": "high"}}}, "metrics.test.psnr: "),
    "epoch": ({"metrics": {"val": {"epoch": 1.5}}}, "metrics.val.epoch: "),
    "fingerprint": ({"metrics": {"data": {"fingerprint": 3}}}, "metrics.data.fingerprint: "),
    "counts": ({"metrics": {"data": {"counts": {"train": "all"}}}}, "metrics.data.counts.train: "),
    "model": ({"settings": {"model": {"_target_": 3}, "blur": {}}}, "settings.model._target_: "),
    "blur": ({"settings": {"model": {}, "blur": {"name": ["box"]}}}, "settings.blur.name: "),
    "families": ({"settings": {"model": {}, "blur": {"families": [1]}}}, "settings.blur.families: "),
    "family": ({"settings": {"model": {}, "blur": {"families": {"box": 3}}}}, "settings.blur.families.box: "),
    "weight": (
        {"settings": {"model": {}, "blur": {"families": {"box": {"weight": "1"}}}}},
        "settings.blur: has a weight that is no number",
    ),
    "data": ({"settings": {"model": {}, "blur": {}, "data": "faces"}}, "settings.data: "),
    "boundary": ({"settings": {"model": {}, "blur": {}, "data": {"boundary": 1}}}, "settings.data.boundary: "),
    "optimizer": ({"settings": {"model": {}, "blur": {}, "optimizer": []}}, "settings.optimizer: "),
    "loss": ({"settings": {"model": {}, "blur": {}, "loss": {}}}, "settings.loss: "),
    "seed": ({"settings": {"model": {}, "blur": {}, "seed": "0"}}, "settings.seed: "),
}


@pytest.mark.parametrize("name", METADATA)
def test_what_a_file_tells_of_itself_is_of_the_type_that_is_read(name: str, tmp_path: Path) -> None:
    told, reason = METADATA[name]
    path = tmp_path / "net.onnx"
    path.write_bytes(model(CONVOLUTION, told, weights=WEIGHTS).SerializeToString())
    with pytest.raises(UserError) as caught:
        deblur.load(path)
    assert str(caught.value).startswith(f"{path} is damaged: its description of the network is not valid ({reason}")
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_the_sizes_of_a_network_are_those_that_it_computes() -> None:
    """The estimate of a graph with all of our operators' kinds: what onnxruntime gives has the shape that was told."""
    from deblur.models import ResNet

    network = ResNet(1, 4, 3)
    content, _ = as_onnx(network, SETTINGS | {"halo": network.halo, "size_divisor": 3})
    sizes = Sizes(parsed(content), network.halo)
    assert sizes.inputs == ["blurred"]
    for shape in ((1, 1, 1, 1), (1, 1, 7, 45), (1, 1, 300, 311)):
        sizes.check({"blurred": shape})
    with pytest.raises(UnusableGraph, match="it has 1 inputs instead of 2"):
        sizes.check({"blurred": (1, 1, 3, 3), "other": (1, 1, 3, 3)})


class _Sorted(nn.Module):
    """Has an operator that no convolutional network is made of."""

    def forward(self, blurred: Tensor) -> Tensor:
        return torch.sort(blurred, dim=-1).values


class _Attending(nn.Module):
    """Compares each pixel with each other: of an image, these are too many."""

    def forward(self, blurred: Tensor) -> Tensor:
        flat = blurred.flatten(1)
        weights = torch.softmax(flat[:, :, None] * flat[:, None, :], dim=-1)
        return (weights @ flat[:, :, None]).reshape(blurred.shape)


@pytest.mark.slow
def test_what_could_not_be_restored_with_is_not_exported() -> None:
    with pytest.raises(
        UserError, match=r"^deblur\.restore could not take the network as ONNX \(it has the operator TopK"
    ):
        as_onnx(_Sorted(), SETTINGS)


@pytest.mark.slow
def test_what_takes_too_much_for_an_image_is_told_when_it_is_restored(tmp_path: Path) -> None:
    content, _ = as_onnx(_Attending(), SETTINGS)
    (tmp_path / "net.onnx").write_bytes(content)
    restorer = deblur.load(tmp_path / "net.onnx")
    assert restorer(np.zeros((9, 9), np.uint8)).shape == (9, 9)
    with pytest.raises(UserError, match=r"^The network is not computed: it would take \d+\.\d GiB for 200x200 px"):
        restorer(np.zeros((200, 200), np.uint8))
