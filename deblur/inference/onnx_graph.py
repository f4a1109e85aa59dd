"""Which ONNX graphs are computed: those of known operators, whose sizes are known beforehand.

A file of a kilobyte can ask for a loop of 2^62 rounds, or for an array of a terabyte. onnxruntime computes parts of a
graph as it opens it, so both are refused before.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

from deblur.inference.description import LARGEST_PART, LARGEST_WIDTH
from deblur.inference.tiles import DEFAULT_TILE

Shape = tuple[int, ...]

_OWN_OPERATORS: Final = (  # of deblur.models
    "Add Cast Concat Conv DepthToSpace DequantizeLinear Div Gather Min Mod Mul QuantizeLinear Range Relu Reshape Shape "
    "Slice Squeeze Sub Transpose"
)
_OTHER_OPERATORS: Final = (  # of other convolutional networks; none is a loop or a condition
    "Abs And AveragePool BatchNormalization CastLike Ceil Clip Constant ConstantOfShape ConvTranspose Cos Dropout "
    "Elu Equal Erf Exp Expand Flatten Floor Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual "
    "GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization LayerNormalization LeakyRelu Less "
    "LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Mish Neg Not Or PRelu Pad Pow Reciprocal ReduceL2 ReduceMax "
    "ReduceMean ReduceMin ReduceSum Resize Round Selu Sigmoid Sign Sin Size Softmax Softplus Softsign SpaceToDepth "
    "Split Sqrt Sum Tanh ThresholdedRelu Tile Unsqueeze Where Xor"
)
OPERATORS: Final = frozenset(f"{_OWN_OPERATORS} {_OTHER_OPERATORS}".split())
LARGEST_FILE: Final = 2**31 - 1  # bytes; the format has no larger ones
_MOST_NODES: Final = 20_000
_MOST_DIMENSIONS: Final = 16
_SMALL: Final = 64  # values of an array that may be a size, and is therefore computed
_CONVOLUTIONS: Final = ("Conv", "ConvTranspose")
_CONVERSIONS: Final = ("Cast", "DequantizeLinear")
_SPARE: Final = 2**28  # bytes
_LIVE_LAYERS: Final = 6  # results of the widest layer that may be needed at a time
_NO_NUMBERS: Final = (TensorProto.STRING, TensorProto.COMPLEX64, TensorProto.COMPLEX128)
_KINDS: Final[Mapping[int, int]] = {  # bytes of a value
    kind: helper.tensor_dtype_to_np_dtype(kind).itemsize
    for kind in range(TensorProto.FLOAT, TensorProto.BFLOAT16 + 1)
    if kind not in _NO_NUMBERS
}
_TYPED_FIELDS: Final = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")


class UnusableGraph(Exception):
    """A graph that is not computed; its text is a short reason."""


def parsed(content: bytes) -> ModelProto:
    """Return the model of an ONNX file.

    Raises:
        UnusableGraph: if it is damaged, has unknown operators, or keeps a part in another file.
    """
    try:
        model = onnx.load_model_from_string(content)
    except Exception as error:  # that of the library that reads the format
        raise UnusableGraph("it cannot be read") from error
    graph = model.graph
    if not graph.node:
        raise UnusableGraph("it has no graph")
    if model.functions or model.training_info or graph.sparse_initializer:
        raise UnusableGraph("it has functions, a training or sparse arrays, which no network of this program has")
    if len(graph.node) > _MOST_NODES:
        raise UnusableGraph(f"it has {len(graph.node)} operators, more than {_MOST_NODES}")
    for node in graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise UnusableGraph(f"it has the operator {node.op_type[:80]}, which no network of this program needs")
    for tensor in _tensors(graph):
        _refuse_tensor(tensor)
    return model


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            elif attribute.type in (
                AttributeProto.GRAPH,
                AttributeProto.GRAPHS,
                AttributeProto.SPARSE_TENSOR,
                AttributeProto.SPARSE_TENSORS,
                AttributeProto.TENSORS,
            ):
                raise UnusableGraph("it has a graph or sparse arrays within an operator")


def _refuse_tensor(tensor: TensorProto) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise UnusableGraph("it keeps its weights in another file")
    size = _KINDS.get(tensor.data_type)
    if size is None:
        raise UnusableGraph("it has an array of a type that no network of this program has")
    count = _count(tensor.dims)
    held = [len(tensor.raw_data) / size] if tensor.HasField("raw_data") else []
    held += [len(getattr(tensor, field)) for field in _TYPED_FIELDS if len(getattr(tensor, field))]
    if (held or [0]) != [count]:
        raise UnusableGraph("it has an array that does not hold as many values as it declares")


def _count(shape: Sequence[int]) -> int:
    if len(shape) > _MOST_DIMENSIONS or any(side < 0 for side in shape):
        raise UnusableGraph("it has an array of a shape that cannot be")
    return math.prod(shape)


class Sizes:
    """The sizes of all arrays of a graph, from the sizes of its inputs.

    Attributes:
        inputs: names of the inputs.
    """

    def __init__(self, model: ModelProto, halo: int | None) -> None:
        """Take a graph that `parsed` has returned, and the reach of its receptive field [px], if known."""
        self._graph = model.graph
        self._opsets = {opset.domain: opset.version for opset in model.opset_import}
        self._halo = halo or 0
        self._weights = {each.name: each for each in model.graph.initializer}
        self.inputs = [each.name for each in model.graph.input if each.name not in self._weights]
        self._last_use = {name: place for place, node in enumerate(model.graph.node) for name in node.input}
        self._last_use |= {each.name: len(model.graph.node) for each in model.graph.output}

    def check(self, given: Mapping[str, Shape]) -> None:
        """Refuse shapes of the inputs for which the graph would take more memory than a network of its layers.

        Raises:
            UnusableGraph: if it does, or its sizes depend on the values of the image.
        """
        most = self._most(given)
        types, values = self._start(given)
        live = 0
        until: dict[int, list[int]] = {}
        for place, node in enumerate(self._graph.node):
            for name, kind in self._outputs(node, types, values).items():
                shape, size = self._shape(name, kind), _KINDS[kind.tensor_type.elem_type]
                types[name] = kind
                live += _count(shape) * size
                until.setdefault(self._last_use.get(name, place), []).append(_count(shape) * size)
            if live > most:
                height, width = next(iter(given.values()))[2:]
                raise UnusableGraph(
                    f"it would take {live / 2**30:.1f} GiB for {width}x{height} px: {most / 2**30:.1f} are allowed"
                )
            live -= sum(until.pop(place, []))

    def _most(self, given: Mapping[str, Shape]) -> int:
        """Return how many bytes may be needed at a time."""
        convolutions = [node for node in self._graph.node if node.op_type in _CONVOLUTIONS]
        stored = {  # what weights of lower precision are converted from
            node.output[0]: node.input[0]
            for node in self._graph.node
            if node.op_type in _CONVERSIONS and node.input[0] in self._weights
        }
        names = [stored.get(node.input[1], node.input[1]) for node in convolutions]
        shapes = [self._weights[name].dims for name in names if name in self._weights]
        widest = max((max(shape[:2]) for shape in shapes if len(shape) > 1), default=1)
        planes = sum(math.prod(shape[:2]) for shape in given.values())
        height, width = (max(shape[side] for shape in given.values()) for side in (2, 3))
        padded = (height + 2 * self._halo) * (width + 2 * self._halo)
        layers = _LIVE_LAYERS * 4 * max(min(widest, LARGEST_WIDTH), planes) * padded
        is_part = height * width <= (DEFAULT_TILE + 2 * self._halo) ** 2
        return _SPARE + (min(layers, LARGEST_PART) if is_part else layers)

    def _start(self, given: Mapping[str, Shape]) -> tuple[dict[str, TypeProto], dict[str, NDArray[Any]]]:
        """Return the types of weights and inputs, and the values that may be sizes."""
        types = {name: helper.make_tensor_type_proto(one.data_type, one.dims) for name, one in self._weights.items()}
        if self.inputs != list(given):
            raise UnusableGraph(f"it has {len(self.inputs)} inputs instead of {len(given)}")
        types |= {name: helper.make_tensor_type_proto(TensorProto.FLOAT, shape) for name, shape in given.items()}
        values = {
            name: numpy_helper.to_array(one) for name, one in self._weights.items() if math.prod(one.dims) <= _SMALL
        }
        return types, values

    def _outputs(
        self, node: NodeProto, types: Mapping[str, TypeProto], values: dict[str, NDArray[Any]]
    ) -> dict[str, TypeProto]:
        """Return the types of an operator's outputs; small ones, which may be sizes, are computed into `values`."""
        named = [name for name in node.input if name]
        if any(name not in types for name in named):
            raise UnusableGraph("its operators are not in the order in which they are computed")
        try:
            schema = onnx.defs.get_schema(node.op_type, self._opsets[""])
            found = onnx.shape_inference.infer_node_outputs(
                schema,
                node,
                {name: types[name] for name in named},
                {name: numpy_helper.from_array(values[name]) for name in named if name in values},
                opset_imports=[helper.make_opsetid(domain, version) for domain, version in self._opsets.items()],
            )
            if node.op_type == "Shape":
                values |= _shape_of(node, types[node.input[0]])
            elif all(name in values for name in named) and all(
                math.prod(self._shape(name, kind)) <= _SMALL for name, kind in found.items()
            ):
                values |= self._computed(node, [values.get(name) for name in node.input])
        except UnusableGraph:
            raise
        except Exception as error:  # of many kinds
            raise UnusableGraph(f"its operator {node.op_type} cannot be computed") from error
        return found

    def _computed(self, node: NodeProto, given: Sequence[NDArray[Any] | None]) -> dict[str, NDArray[Any]]:
        from onnx.reference import ReferenceEvaluator

        evaluator = ReferenceEvaluator(node, opsets=self._opsets)
        results = evaluator.run(None, {name: one for name, one in zip(node.input, given, strict=True) if name})
        return {name: np.asarray(one) for name, one in zip(node.output, results, strict=True)}

    @staticmethod
    def _shape(name: str, kind: TypeProto) -> Shape:
        dimensions = kind.tensor_type.shape.dim
        is_known = kind.HasField("tensor_type") and kind.tensor_type.HasField("shape")
        if not is_known or not all(each.HasField("dim_value") for each in dimensions):
            raise UnusableGraph(f"the size of its {name[:80]} cannot be known beforehand")
        if kind.tensor_type.elem_type not in _KINDS:
            raise UnusableGraph("it computes an array of a type that no network of this program has")
        return tuple(each.dim_value for each in dimensions)


def _shape_of(node: NodeProto, kind: TypeProto) -> dict[str, NDArray[Any]]:
    sides = [each.dim_value for each in kind.tensor_type.shape.dim]
    limits = {each.name: each.i for each in node.attribute}
    shown = sides[slice(limits.get("start", 0), limits.get("end"))]
    return {node.output[0]: np.array(shown, np.int64)}
