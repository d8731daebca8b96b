#!/usr/bin/env python3
"""Makes data/recurrent.bin, data/ml.bin and data/microsoft.bin: small models whose outputs are ONNX Runtime's, and
their models as seeds of the fuzz target `onnx_ort`.

    python3 tests/onnx/make_ort.py [recurrent] [ml] [microsoft]
        needs onnx, onnxruntime and numpy; `ml` also scikit-learn and skl2onnx

A file is a list of cases to its end: name and model, then inputs and outputs: how many, and for each its name and its
value, a .npy file or for strings "STR", rank (u8), dims (i64 each) and each string.  Strings and files have their
size (u32) in front; numbers are little-endian."""
import io
import os
import struct
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = []
RNG = np.random.RandomState(11)
onnxruntime.set_default_logger_severity(4)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def kind(array):
    if array.dtype == object or array.dtype.kind in "US":
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def add(name, model, inputs, wanted=None):
    """`wanted`: the names of outputs to compare; None is all."""
    raw = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(raw, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs() if wanted is None or o.name in wanted]
    outputs = session.run(names, inputs)
    CASES.append((name, raw, inputs, dict(zip(names, outputs))))


def case(name, op, inputs, n_out=1, constant=(), opset=17, domain="", version=1, dynamic=False, skip=(), types=None,
         **attrs):
    """One node; `constant` names the inputs that are initializers, None is an input left out."""
    given = {"i%d" % i: np.asarray(v) for i, v in enumerate(inputs) if v is not None}
    made = ["" if i in skip else "o%d" % i for i in range(n_out)]
    node = helper.make_node(op, ["i%d" % i if v is not None else "" for i, v in enumerate(inputs)], made, domain=domain,
                            **attrs)
    fixed = {k: v for k, v in given.items() if int(k[1:]) in constant}
    free = {k: v for k, v in given.items() if k not in fixed}
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(k, kind(v), [None] * v.ndim if dynamic else list(v.shape))
                      for k, v in free.items()],
        [onnx.ValueInfoProto(name=k) if types is None else helper.make_tensor_value_info(k, types[i], None)
         for i, k in enumerate(made) if k],
        [numpy_helper.from_array(v, k) for k, v in fixed.items()])
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, version)] if domain else [])
    model = helper.make_model(graph, opset_imports=opsets)
    model.ir_version = 8
    add(name, model, free)


# RNN, GRU, LSTM.  -----------------------------------------------------------------------------

def layer(name, op, steps=5, rows=2, inputs=3, hidden=4, directions=1, bias=True, lens=None, state=True, peephole=False,
          constant=(1, 2, 3, 7), opset=14, outputs=None, **attrs):
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[op]
    batch = attrs.get("layout", 0)
    scale = np.float32(1 / np.sqrt(hidden))
    x = f32(*((rows, steps, inputs) if batch else (steps, rows, inputs)))
    first = (rows, directions, hidden) if batch else (directions, rows, hidden)
    values = [x, f32(directions, gates * hidden, inputs) * scale, f32(directions, gates * hidden, hidden) * scale,
              f32(directions, 2 * gates * hidden) if bias else None, lens and np.array(lens, np.int32),
              f32(*first) if state else None]
    if op == "LSTM":
        values += [f32(*first) if state else None, f32(directions, 3 * hidden) if peephole else None]
    while values[-1] is None:
        values.pop()
    if directions == 2:
        attrs["direction"] = "bidirectional"
    n = 3 if op == "LSTM" else 2
    case(name, op, values, n if outputs is None else outputs, [i for i in constant if i < len(values)], opset,
         hidden_size=hidden, **attrs)


def recurrent():
    for op in ("RNN", "GRU", "LSTM"):
        low = op.lower()
        layer(low, op)
        layer(low + "_bare", op, bias=False, state=False)
        layer(low + "_reverse", op, direction="reverse")
        layer(low + "_both", op, directions=2, hidden=17, rows=3)
        layer(low + "_variable_weights", op, directions=2, constant=())
        layer(low + "_variable_recurrence", op, constant=(1,))
        layer(low + "_lens", op, rows=4, lens=[5, 1, 3, 2], directions=2)
        layer(low + "_wide", op, rows=13, hidden=33, inputs=20, directions=2, steps=4)
        layer(low + "_one", op, rows=1, hidden=40, steps=9)
        layer(low + "_clip", op, clip=0.4)
        layer(low + "_opset_7", op, opset=7)
        layer(low + "_dynamic", op, directions=2, dynamic=True)
        layer(low + "_y_only", op, outputs=1)
        layer(low + "_states_only", op, skip=(0,), hidden=9)
        layer(low + "_one_step", op, steps=1)
    for name, gates in {"relu": ["Relu"], "affine": ["Affine"], "leaky": ["LeakyRelu"], "thresholded": ["ThresholdedRelu"],
                        "scaled": ["ScaledTanh"], "hard": ["HardSigmoid"], "elu": ["Elu"], "softsign": ["Softsign"],
                        "softplus": ["Softplus"], "sigmoid": ["Sigmoid"]}.items():
        layer("rnn_" + name, "RNN", activations=gates, activation_alpha=[0.3], activation_beta=[0.2], hidden=18)
    layer("rnn_two_functions", "RNN", directions=2, activations=["LeakyRelu", "HardSigmoid"],
          activation_alpha=[0.3, 0.4], activation_beta=[0.0, 0.5])
    layer("gru_functions", "GRU", activations=["HardSigmoid", "Softsign"], hidden=18, activation_alpha=[0.25, 0.0],
          activation_beta=[0.4, 0.0])
    layer("lstm_functions", "LSTM", activations=["HardSigmoid", "Relu", "Elu"], hidden=18,
          activation_alpha=[0.25, 0.0, 0.7], activation_beta=[0.4, 0.0, 0.0])
    layer("gru_after", "GRU", linear_before_reset=1)
    layer("gru_after_both", "GRU", linear_before_reset=1, directions=2, hidden=33, rows=7, lens=[5, 0, 4, 1, 2, 3, 5])
    layer("gru_after_bare", "GRU", linear_before_reset=1, bias=False)
    layer("gru_after_clip", "GRU", linear_before_reset=1, clip=0.3, activations=["Sigmoid", "Tanh"])
    layer("lstm_peephole", "LSTM", peephole=True)
    layer("lstm_peephole_both", "LSTM", peephole=True, directions=2, hidden=35, rows=9)
    layer("lstm_forget", "LSTM", input_forget=1)


# Writing.  ------------------------------------------------------------------------------------

def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def value(array):
    array = np.asarray(array)
    if array.dtype == object or array.dtype.kind in "US":
        return piece(b"STR" + struct.pack("<B%dq" % array.ndim, array.ndim, *array.shape) +
                     b"".join(piece(s) for s in array.reshape(-1)))
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return piece(stream.getvalue())


def main():
    global CASES
    makers = {"recurrent": recurrent}
    for family in sys.argv[1:] or makers:
        CASES = []
        makers[family]()
        with open(os.path.join(HERE, "data", family + ".bin"), "wb") as out:
            for name, model, inputs, outputs in CASES:
                out.write(piece(name) + piece(model))
                for values in (inputs, outputs):
                    out.write(struct.pack("<I", len(values)) + b"".join(piece(k) + value(v) for k, v in values.items()))
        print("%s: %d cases" % (family, len(CASES)))


main()
