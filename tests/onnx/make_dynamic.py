#!/usr/bin/env python3
"""Makes data/dynamic.bin and seeds for the fuzzer: models whose shapes depend on values, with control flow,
sequences, optionals, functions and strings.  Needs onnx and numpy; the outputs are written by hand or by numpy.

    python3 tests/onnx/make_dynamic.py

File: for each case its name and model, then inputs and outputs: how many, and for each its name, how many items
(TENSOR for a tensor, NONE for an optional without value, else a sequence of so many) and the items.  An item is a
.npy file, or for strings "STR", rank (u8), dims (i64 each), and each string.  Strings and files have their size
(u32) in front."""
import io
import os
import struct

import numpy as np
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = []
TENSOR, NONE = 0xffffffff, 0xfffffffe


def case(name, nodes, inputs, outputs, given, wanted, opset=21, **graph):
    """inputs, outputs: ValueInfoProto; given, wanted: arrays, lists of arrays, or None, in their order."""
    functions = graph.pop("functions", [])
    domains = graph.pop("domains", [])
    made = helper.make_graph(nodes, "g", inputs, outputs, **graph)
    model = helper.make_model(made, functions=functions, opset_imports=[
        helper.make_opsetid("", opset)] + [helper.make_opsetid(d, 1) for d in domains])
    model.ir_version = 10
    CASES.append((name, model.SerializeToString(), list(zip([i.name for i in inputs], given)),
                  list(zip([o.name for o in outputs], wanted))))


def tensor(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def strings(*values, shape=None):
    return np.array([v.encode() for v in values], dtype=object).reshape(shape or (len(values),))


def string_cases():
    s = strings("blind", "", "müde", "x" * 300)
    text = [tensor("s", TensorProto.STRING, [4])]
    case("strings_identity", [helper.make_node("Identity", ["s"], ["y"])], text,
         [tensor("y", TensorProto.STRING)], [s], [s])
    case("strings_gather", [helper.make_node("Gather", ["s", "i"], ["y"])], text + [tensor("i", TensorProto.INT64, [2])],
         [tensor("y", TensorProto.STRING)], [s, np.array([2, 0])], [s[[2, 0]]])
    constant = helper.make_node("Constant", [], ["c"], value_strings=["a", "bc"])
    case("strings_constant", [constant, helper.make_node("Concat", ["s", "c"], ["y"], axis=0)], text,
         [tensor("y", TensorProto.STRING)], [s], [np.concatenate([s, strings("a", "bc")])])
    case("strings_initializer", [helper.make_node("Concat", ["s", "c"], ["y"], axis=0)], text,
         [tensor("y", TensorProto.STRING)], [s], [np.concatenate([s, strings("a", "bc")])],
         initializer=[helper.make_tensor("c", TensorProto.STRING, [2], [b"a", b"bc"])])


# Writing.  ------------------------------------------------------------------------------------

def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def item(array):
    array = np.asarray(array)
    if array.dtype == object:
        return piece(b"STR" + struct.pack("<B%dq" % array.ndim, array.ndim, *array.shape) +
                     b"".join(piece(s) for s in array.reshape(-1)))
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return piece(stream.getvalue())


def value(v):
    if v is None:
        return struct.pack("<I", NONE)
    if isinstance(v, list):
        return struct.pack("<I", len(v)) + b"".join(item(x) for x in v)
    return struct.pack("<I", TENSOR) + item(v)


def main():
    string_cases()
    seeds = os.path.join(HERE, "..", "..", "fuzz", "corpus", "onnx_dynamic")
    os.makedirs(seeds, exist_ok=True)
    with open(os.path.join(HERE, "data", "dynamic.bin"), "wb") as out:
        for name, model, inputs, outputs in CASES:
            out.write(piece(name) + piece(model))
            for values in (inputs, outputs):
                out.write(struct.pack("<I", len(values)) + b"".join(piece(k) + value(v) for k, v in values))
            with open(os.path.join(seeds, name), "wb") as seed:
                seed.write(model)
    print("%d cases" % len(CASES))


main()
