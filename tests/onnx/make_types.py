#!/usr/bin/env python3
"""Writes data/types.bin, models over element types that few kernels know, in the form of make_cases.py.  Outputs are
numpy's.

    python3 tests/onnx/make_types.py        (needs onnx and numpy)
"""
import io
import os
import struct

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.RandomState(7)
CASES = []


def half(*shape):
    return RNG.standard_normal(shape).astype(np.float16)


def wide(x):
    return np.asarray(x, np.float64)


def node(op, inputs, output, **attrs):
    return helper.make_node(op, inputs.split(), output.split(), **attrs)


def case(name, nodes, inputs, outputs, constants=(), opset=21):
    kind = helper.np_dtype_to_tensor_dtype
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(k, kind(v.dtype), v.shape) for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, kind(v.dtype), None) for k, v in outputs.items()],
        [c if isinstance(c, TensorProto) else numpy_helper.from_array(c[1], c[0]) for c in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 10
    CASES.append((name, model.SerializeToString(), inputs, outputs))


def halves():
    x, w, c, g, b = half(3, 8), half(8, 5), half(5), half(5), half(5)
    y = wide(x) @ wide(w) + wide(c)
    relu = np.maximum(y, 0)
    case("half_product_chain", [node("MatMul", "x w", "m"), node("Add", "m c", "a"), node("Relu", "a", "y")],
         {"x": x}, {"y": relu.astype(np.float16)}, [("w", w), ("c", c)])
    mean, var = relu.mean(-1, keepdims=True), relu.var(-1, keepdims=True)
    norm = (relu - mean) / np.sqrt(var + 1e-5) * wide(g) + wide(b)
    case("half_outputs_in_the_middle",
         [node("MatMul", "x w", "m"), node("Add", "m c", "a"), node("Relu", "a", "r"), node("Transpose", "r", "t"),
          node("LayerNormalization", "r g b", "y")], {"x": x},
         {"t": relu.T.astype(np.float16), "y": norm.astype(np.float16)}, [("w", w), ("c", c), ("g", g), ("b", b)])
    case("half_moves", [node("Transpose", "x", "t"), node("Concat", "t t", "y", axis=0)], {"x": x},
         {"y": np.concatenate([x.T, x.T])})
    case("half_moves_after_arithmetic",
         [node("Neg", "x", "n"), node("Concat", "n x", "y", axis=0), node("Shape", "n", "s")], {"x": x},
         {"y": np.concatenate([-x, x]), "s": np.array(x.shape)})
    z = half(3, 8)
    case("half_compare", [node("Less", "x z", "l"), node("Where", "l x z", "w")], {"x": x, "z": z},
         {"w": np.where(x < z, x, z)})
    case("half_to_the_power_of_float", [node("Pow", "x p", "y")], {"x": np.abs(x), "p": np.float32([2.5])},
         {"y": (np.abs(wide(x)) ** 2.5).astype(np.float16)})
    v = half(2, 5)
    sum_of_constants = (wide(c) + wide(g)).astype(np.float16)
    case("half_constants_fold", [node("Add", "c g", "k"), node("Mul", "k v", "y")], {"v": v},
         {"y": (wide(sum_of_constants) * wide(v)).astype(np.float16)}, [("c", c), ("g", g)])


def brains():
    x, w = RNG.standard_normal((4, 6)).astype(np.float32), RNG.standard_normal((6, 3)).astype(np.float32)

    def cut(v):  # to bfloat16, ties to even
        bits = np.asarray(v, np.float32).view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)

    raw = (cut(w).view(np.uint32) >> 16).astype(np.uint16)
    weights = helper.make_tensor("w", TensorProto.BFLOAT16, w.shape, raw.tobytes(), raw=True)
    case("bf16_product",
         [node("Cast", "x", "b", to=TensorProto.BFLOAT16), node("MatMul", "b w", "m"), node("Tanh", "m", "t"),
          node("Cast", "t", "y", to=TensorProto.FLOAT)],
         {"x": x}, {"y": cut(np.tanh(wide(cut(x)) @ wide(cut(w))))}, [weights])


def small():
    ints = np.array([-9, -8, -3, -1, 0, 1, 7, 8, 15, 16, 100], np.int32)
    case("int4_there_and_back",
         [node("Cast", "x", "a", to=TensorProto.INT4), node("Cast", "a", "y", to=TensorProto.INT32),
          node("Cast", "x", "b", to=TensorProto.UINT4), node("Cast", "b", "z", to=TensorProto.INT32)],
         {"x": ints}, {"y": ((ints + 8) & 15) - 8, "z": ints & 15})
    packed = helper.make_tensor("c", TensorProto.INT4, [5], bytes([0x1F, 0x87, 0x03]), raw=True)
    case("int4_constant", [node("Gather", "c i", "g"), node("Cast", "g", "y", to=TensorProto.INT8)],
         {"i": np.array([0, 1, 2, 3, 4])}, {"y": np.array([-1, 1, 7, -8, 3], np.int8)}, [packed])
    values = np.array([0, -0.0, 1, 448, 465, -1e9, 2.0**-9, 2.0**-10, 1.5 * 2.0**-9, np.inf, np.nan, 17], np.float32)
    for kind, name, want in (
            (TensorProto.FLOAT8E4M3FN, "e4m3fn",
             [0, -0.0, 1, 448, 448, -448, 2.0**-9, 0, 2.0**-8, 448, np.nan, 16]),
            (TensorProto.FLOAT8E4M3FNUZ, "e4m3fnuz",
             [0, 0, 1, 240, 240, -240, 2.0**-9, 2.0**-10, 1.5 * 2.0**-9, 240, np.nan, 16]),
            (TensorProto.FLOAT8E5M2, "e5m2",
             [0, -0.0, 1, 448, 448, -57344, 2.0**-9, 2.0**-10, 1.5 * 2.0**-9, 57344, np.nan, 16]),
            (TensorProto.FLOAT8E5M2FNUZ, "e5m2fnuz",
             [0, 0, 1, 448, 448, -57344, 2.0**-9, 2.0**-10, 1.5 * 2.0**-9, 57344, np.nan, 16])):
        case("fp8_" + name, [node("Cast", "x", "a", to=kind), node("Cast", "a", "y", to=TensorProto.FLOAT)],
             {"x": values}, {"y": np.array(want, np.float32)})
    case("fp8_unsaturated", [node("Cast", "x", "a", to=TensorProto.FLOAT8E5M2, saturate=0),
                             node("Cast", "a", "y", to=TensorProto.FLOAT)],
         {"x": values}, {"y": np.array([0, -0.0, 1, 448, 448, -np.inf, 2.0**-9, 2.0**-10, 1.5 * 2.0**-9, np.inf, np.nan,
                                        16], np.float32)})


def texts():
    x = np.array([0.1, -2, 1e-5, 123456.75, 1e16, 0, -0.00012, 1e15, np.inf, np.nan, 16777216], np.float32)
    case("floats_as_text", [node("Cast", "x", "s", to=TensorProto.STRING), node("Cast", "s", "y", to=TensorProto.FLOAT)],
         {"x": x}, {"y": x})
    i = np.array([0, -1, 2**63 - 1, -2**63], np.int64)
    case("integers_as_text", [node("Cast", "x", "s", to=TensorProto.STRING), node("Cast", "s", "y", to=TensorProto.INT64)],
         {"x": i}, {"y": i})


def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def npy(array):
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return stream.getvalue()


def main():
    for make in (halves, brains, small, texts):
        make()
    with open(os.path.join(HERE, "data", "types.bin"), "wb") as out:
        for name, model, inputs, outputs in CASES:
            out.write(piece(name) + piece(model))
            for tensors in (inputs, outputs):
                out.write(struct.pack("<I", len(tensors)))
                for label, array in tensors.items():
                    out.write(piece(label) + piece(npy(array)))
    print("%d cases" % len(CASES))


main()
