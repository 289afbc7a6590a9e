"""Kokoro's weights out of an ONNX file that was exported from it, by their names and shapes.

Matrices in 8 bit become float32 again. Nothing is run: of the nodes only kind, name and inputs
count.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from pack.kokoro.config import KokoroConfig
from pack.kokoro.network.files import check_names
from pack.kokoro.network.model import Kokoro


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Tensors of an ONNX file by name, and its nodes: kind, name, names of inputs."""

    tensors: dict
    nodes: list


def read_graph(data):
    """What an ONNX file holds."""
    try:
        import onnx
    except ImportError as error:
        raise SystemExit("The released model is an ONNX file. Run: pip install onnx") from error
    graph = onnx.load_from_string(data).graph
    tensors = {
        entry.name: torch.from_numpy(onnx.numpy_helper.to_array(entry).copy())
        for entry in graph.initializer
    }
    nodes = [(node.op_type, node.name, list(node.input)) for node in graph.node]
    return Graph(tensors=tensors, nodes=nodes)


def convert(graph, config=None):
    """State of the network, by its own names, from a graph that was exported from it.

    A node's name is the path of its layer, and its kind tells how it stores the weight.
    """
    with torch.device("meta"):
        expected = Kokoro(config or KokoroConfig()).state_dict()
    state = {}
    for name, tensor in graph.tensors.items():
        short = name.partition(".")[2]  # after encoder or decoder, the halves of the export
        if short in expected:
            state[short] = tensor.float()
    for kind, path, inputs in graph.nodes:
        take = TAKERS.get(kind.removeprefix("Dynamic"))
        layer = layer_of(path, expected)
        if take and layer:
            state |= {f"{layer}.{name}": t for name, t in take(graph, inputs).items()}
    optional = {name for name in expected if name.rpartition(".")[0].endswith(".norm")}
    check_names(state, expected, optional)
    return {name: tensor.contiguous() for name, tensor in state.items()}


def layer_of(path, expected):
    """Our name of the layer at a path of the export, which repeats names of lists and leaves out
    the predictor; none for what is no layer, or a layer's further uses.
    """
    half, *parts = path.strip("/").split("/")[:-1] or [""]
    pairs = zip(parts, [*parts, ""][1:], strict=True)
    name = ".".join(part for part, after in pairs if not after.startswith(f"{part}."))
    for layer in (name, f"predictor.{name}"):
        if half in ("encoder", "decoder") and expected.keys() & {
            f"{layer}.weight", f"{layer}.weight_ih_l0"
        }:  # fmt: skip
            return layer
    return None


def number(graph, name, zero="", shape=None):
    """A tensor as float32, whether it is stored in 8 bit or not."""
    tensor = graph.tensors[name]
    if not name.endswith("_quantized"):
        return tensor.float()
    scale = graph.tensors[f"{name.removesuffix('_quantized')}_scale"]
    point = graph.tensors[zero].float() if zero else torch.zeros(())
    if shape:
        scale, point = scale.reshape(shape), point.reshape(shape)
    return (tensor.float() - point) * scale


def take_convolution(graph, inputs):
    """As stored; the fourth input of a whole-number convolution is the weight's zero."""
    name = inputs[1]
    if name not in graph.tensors:
        return {}
    return {"weight": number(graph, name, inputs[3] if name.endswith("_quantized") else "")}


def take_matrix(graph, inputs):
    """Transposed."""
    return {n: weight.mT for n, weight in take_convolution(graph, inputs).items()}


def take_table(graph, inputs):
    """The zero of an embedding, which belongs to the node after it, is 0."""
    return {"weight": number(graph, inputs[0])} if inputs[0] in graph.tensors else {}


def take_lstm(graph, inputs):
    """Both directions; ONNX has the gates in the order input, output, forget, cell."""
    quantized = len(inputs) > 8
    zeros = (inputs[9], inputs[11]) if quantized else ("", "")
    weights = [
        number(graph, name, zero, (2, 1, 1)) for name, zero in zip(inputs[1:3], zeros, strict=True)
    ]
    if quantized:  # these are transposed as well
        weights = [weight.mT for weight in weights]
    biases = graph.tensors[inputs[3]].float().chunk(2, dim=1)
    out = {}
    for direction, end in enumerate(("", "_reverse")):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        for name, tensor in zip(names, [*weights, *biases], strict=True):
            gates = tensor[direction].chunk(4)
            out[f"{name}_l0{end}"] = torch.cat([gates[i] for i in (0, 2, 3, 1)])
    return out


TAKERS = {
    "Conv": take_convolution, "ConvInteger": take_convolution, "ConvTranspose": take_convolution,
    "MatMul": take_matrix, "MatMulInteger": take_matrix, "Gather": take_table,
    "LSTM": take_lstm, "QuantizeLSTM": take_lstm,
}  # fmt: skip
