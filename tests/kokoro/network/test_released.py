"""The converter of the released weights, on a small network that is exported by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pack.kokoro.network.layers import Doubling
from pack.tools.make.kokoro_onnx import Graph, convert, layer_of
from pack.tools.make.small_kokoro import SMALL, is_instance_norm, random_model

ONNX_GATES = (0, 3, 1, 2)  # input, output, forget, cell out of PyTorch's order
STEP = 2**-5


def export(model):
    """A graph whose matrices are whole numbers, as in the released one."""
    graph = Graph(tensors={"zero": torch.tensor(3), "zeros": torch.tensor([1, 2])}, nodes=[])
    for name, layer in model.named_modules():
        for kind, writer in WRITERS.items():
            if isinstance(layer, kind):
                writer(graph, path_of(name), layer)
    for name, tensor in model.state_dict().items():
        last = name.rpartition(".")[2]
        small = (
            last in ("bias", "gamma", "beta") or last.isdecimal() or "norm.weight" in name.lower()
        )
        if small and not is_instance_norm(name):
            half = "decoder" if name.startswith("decoder.") else "encoder"
            graph.tensors[f"{half}.{name}"] = tensor
    return graph


def store(graph, name, weight, zero=0.0, scale=STEP):
    graph.tensors[f"{name}_quantized"] = (weight / scale).round() + zero
    graph.tensors[f"{name}_scale"] = torch.as_tensor(scale).flatten().squeeze()
    return f"{name}_quantized"


def write_convolution(graph, path, layer):
    stored = store(graph, f"{path}/Mul_output_0", layer.weight, 3)
    graph.nodes.append(("ConvInteger", f"{path}/Conv_quant", ["x", stored, "x_zero", "zero"]))


def write_upsampling(graph, path, layer):
    graph.tensors[f"{path}/Mul_output_0"] = layer.weight
    graph.nodes.append(("ConvTranspose", f"{path}/ConvTranspose", ["x", f"{path}/Mul_output_0"]))


def write_matrix(graph, path, layer):
    inputs = ["x", store(graph, f"onnx::{path}", layer.weight.mT, 3), "x_zero", "zero"]
    for use in ("", "_1"):
        graph.nodes.append(("MatMulInteger", f"{path}{use}/MatMul_quant", inputs))


def write_table(graph, path, layer):
    graph.nodes.append(("Gather", f"{path}/Gather_quant", [store(graph, path, layer.weight), "x"]))


def write_lstm(graph, path, layer):
    gates = {}
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        both = [getattr(layer, f"{kind}_l0{end}").chunk(4) for end in ("", "_reverse")]
        gates[kind] = torch.stack([torch.cat([g[i] for i in ONNX_GATES]) for g in both])
    graph.tensors[f"{path}.b"] = torch.cat((gates["bias_ih"], gates["bias_hh"]), dim=1)
    zeros, scales = torch.tensor([[[1.0]], [[2.0]]]), torch.tensor([[[STEP]], [[STEP / 2]]])
    names = [
        store(graph, f"{path}.{kind}", gates[kind].mT, zeros, scales)
        for kind in ("weight_ih", "weight_hh")
    ]
    inputs = ["x", *names, f"{path}.b", *[""] * 4, "s", "zeros", "s", "zeros"]
    graph.nodes.append(("DynamicQuantizeLSTM", f"{path}/LSTM_quant", inputs))


WRITERS = {
    nn.Conv1d: write_convolution,
    (nn.ConvTranspose1d, Doubling): write_upsampling,
    nn.Linear: write_matrix,
    nn.Embedding: write_table,
    nn.LSTM: write_lstm,
}


def path_of(name):
    """As PyTorch writes it: members of lists with the list, the predictor's own without it."""
    half = "decoder" if name.startswith("decoder.") else "encoder"
    parts = []
    for part in name.split("."):
        if part.isdecimal():
            parts[-1] += f".{part}"
        else:
            parts.append(part)
    if name.startswith("text_encoder.cnn."):
        parts.insert(-1, parts[-1].rpartition(".")[0])
    if name.startswith(("predictor.F0", "predictor.N", "predictor.shared")):
        parts = parts[1:]
    return "/".join(["", half, *parts])


def test_every_weight_comes_back_by_name_and_shape():
    model = random_model()
    found = convert(export(model), SMALL)
    expected = {n: t for n, t in model.state_dict().items() if not is_instance_norm(n)}
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.dtype == torch.float32
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=STEP / 2, msg=name)


def test_a_graph_without_a_layer_is_refused():
    graph = export(random_model())
    nodes = [node for node in graph.nodes if "/ffn/" not in node[1]]
    with pytest.raises(ValueError, match=r"Missing: bert\.encoder.*\.ffn\.weight"):
        convert(Graph(tensors=graph.tensors, nodes=nodes), SMALL)


@pytest.mark.parametrize(
    ("path", "layer"),
    [
        ("/encoder/text_encoder/cnn.0/cnn.0.0/Conv_quant", "text_encoder.cnn.0.0"),
        ("/encoder/F0.1/pool/ConvTranspose", "predictor.F0.1.pool"),
        ("/encoder/shared/LSTM_quant", "predictor.shared"),
        ("/decoder/decoder/generator/ups.0/ConvTranspose", "decoder.generator.ups.0"),
        ("/encoder/bert/encoder/albert_layers.0/ffn_1/MatMul_quant", None),
        ("Gather", None),
        ("", None),
    ],
)
def test_a_layer_is_known_by_the_path_of_its_node(path, layer):
    assert layer_of(path, random_model().state_dict()) == layer
