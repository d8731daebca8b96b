"""ONNX Runtime over the cases that `conformance` runs, by the same rules; prints the names of those that pass.

    conformance_peer.py DIR

Needs onnx and onnxruntime, which `./dev conformance --peer` installs beside the data.
"""
import glob
import os
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator", "light")
NARROW = (onnx.TensorProto.BFLOAT16, *range(17, 23))  # types that numpy has not: handed over as bits


def tensor(proto):
    if proto.data_type not in NARROW:
        return numpy_helper.to_array(proto)
    bits = np.uint16 if proto.data_type == onnx.TensorProto.BFLOAT16 else np.uint8
    shape = tuple(proto.dims)
    if proto.HasField("raw_data"):
        data = np.frombuffer(proto.raw_data, bits)
    else:
        data = np.array(proto.int32_data).astype(bits)
    if proto.data_type in (onnx.TensorProto.UINT4, onnx.TensorProto.INT4):
        shape = data.shape
    return onnxruntime.OrtValue.ortvalue_from_numpy_with_onnx_type(data.reshape(shape), proto.data_type)


def value(data, declared):
    if declared.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(data))
    if declared.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return tensor(onnx.TensorProto.FromString(data))


def read_values(pattern, declared):
    values = []
    for i, port in enumerate(declared):
        path = pattern % i
        if not os.path.exists(path):
            break
        with open(path, "rb") as file:
            values.append(value(file.read(), port.type))
    return values


def check(want, got):
    if want is None or isinstance(want, (list, tuple)):
        assert type(want) is type(got) or isinstance(got, list)
        assert want is None or len(want) == len(got)
        for w, g in zip(want or (), got or ()):
            check(w, g)
        return
    if isinstance(want, onnxruntime.OrtValue):  # bits
        want = want.numpy()
    if isinstance(got, onnxruntime.OrtValue):
        got = got.numpy()
    got = np.asarray(got)
    assert want.shape == got.shape and want.dtype.kind == got.dtype.kind, (want.dtype, got.dtype)
    if want.dtype.kind == "f":
        np.testing.assert_allclose(got, want, rtol=1e-3, atol=1e-5)
    else:
        assert (want == got).all()


def light_input(port):
    shape = [d.dim_value if d.HasField("dim_value") else 1 for d in port.type.tensor_type.shape.dim]
    n = int(np.prod(shape))
    return (np.arange(n).reshape(shape) / n).astype(np.float32)


def run(path):
    light = path.endswith(".onnx")
    model = onnx.load(path if light else f"{path}/model.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fixed = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in fixed]
    names = [o.name for o in model.graph.output]
    if light:
        sets = [([light_input(i) for i in inputs], read_values(f"{path[:-5]}_output_%d.pb", model.graph.output))]
    else:
        sets = [
            (read_values(f"{d}/input_%d.pb", inputs), read_values(f"{d}/output_%d.pb", model.graph.output))
            for d in sorted(glob.glob(f"{path}/test_data_set_*"))
        ]
    for given, want in sets:
        feeds = {i.name: v for i, v in zip(inputs, given)}
        if any(isinstance(v, onnxruntime.OrtValue) for v in (*given, *want)):
            feeds = {
                k: v if isinstance(v, onnxruntime.OrtValue) else onnxruntime.OrtValue.ortvalue_from_numpy(v)
                for k, v in feeds.items()
            }
            got = session.run_with_ort_values(names, feeds)
        else:
            got = session.run(names, feeds)
        assert want
        for w, g in zip(want, got):
            check(w, g)


def main(folder):
    for kind in KINDS:
        names = sorted(os.listdir(f"{folder}/{kind}")) if os.path.isdir(f"{folder}/{kind}") else []
        passes = 0
        if kind == "light":
            names = [n for n in names if n.endswith(".onnx")]
        for name in names:
            try:
                run(f"{folder}/{kind}/{name}")
            except Exception as error:  # whatever it is, the case does not pass
                print(f"{kind}/{name}: {str(error)[:150]!r}", file=sys.stderr)
                continue
            print(f"{kind}/{name.removesuffix('.onnx')}")
            passes += 1
        print(f"{kind:<18} {passes} of {len(names)} pass in ONNX Runtime {onnxruntime.__version__}", file=sys.stderr)


main(sys.argv[1])
