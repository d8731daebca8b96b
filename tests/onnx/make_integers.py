#!/usr/bin/env python3
"""Writes data/integers.bin and data/integers_refused.bin: quantised models.

    make_integers.py          (needs onnx 1.17, onnxruntime and numpy)

Outputs are ONNX Runtime's.  The format is that of cases.bin (make_cases.py).  Where a name begins with "qdq" its
bytes may be one step off: QuantizeLinear around floats fixes them to within one.  A case of
integers_refused.bin has no outputs; its name begins with the code it must end in, or with ANY where it only
must be harmless.
"""
import io
import os
import struct

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

HERE = os.path.dirname(os.path.abspath(__file__))
RNG = np.random.RandomState(5)
CASES, REFUSED = [], []
onnxruntime.set_default_logger_severity(4)


def u8(*shape):
    return RNG.randint(0, 256, shape).astype(np.uint8)


def i8(*shape):
    return RNG.randint(-127, 128, shape).astype(np.int8)


def i32(*shape):
    return RNG.randint(-2000, 2000, shape).astype(np.int32)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def scales(n, about=0.01):
    return (RNG.rand(n) * about + about / 2).astype(np.float32)


def one(value, kind=np.float32):
    return np.array(value, kind)


class Graph:
    """Nodes added one after the other; arrays become initializers, `input` the model's inputs."""

    def __init__(self, opset=13, **domains):
        self.nodes, self.fixed, self.free, self.outputs = [], {}, {}, []
        self.opsets = [helper.make_opsetid("", opset)] + [helper.make_opsetid(k.replace("_", "."), v) for k, v in domains.items()]

    def name(self, of):
        return "%s%d" % (of, len(self.nodes) + len(self.fixed) + len(self.free))

    def input(self, array):
        name = self.name("x")
        self.free[name] = array
        return name

    def add(self, op, *inputs, outputs=1, **attrs):
        names = []
        for v in inputs:
            if isinstance(v, np.ndarray) or np.isscalar(v) and not isinstance(v, str):
                name = self.name("c")
                self.fixed[name] = np.asarray(v)
                v = name
            names.append(v or "")
        made = [self.name("v") + "_%d" % i for i in range(outputs)]
        self.nodes.append(helper.make_node(op, names, made, **attrs))
        return made[0] if outputs == 1 else made

    def quantized(self, x, scale, zero):
        """Through QuantizeLinear and DequantizeLinear."""
        q = self.add("QuantizeLinear", x, one(scale), zero)
        return self.add("DequantizeLinear", q, one(scale), zero)

    def weights(self, w, scale, axis=0):
        scale = np.asarray(scale, np.float32)
        return self.add("DequantizeLinear", w, scale, np.zeros(scale.shape, w.dtype), axis=axis)

    def bias(self, n, scale):
        scale = np.asarray(scale, np.float32)
        return self.add("DequantizeLinear", i32(n), scale, np.zeros(scale.shape, np.int32), axis=0)

    def model(self, outputs):
        kind = helper.np_dtype_to_tensor_dtype
        graph = helper.make_graph(
            self.nodes, "g", [helper.make_tensor_value_info(k, kind(v.dtype), list(v.shape)) for k, v in self.free.items()],
            [helper.make_empty_tensor_value_info(v) for v in outputs],
            [numpy_helper.from_array(v, k) if isinstance(v, np.ndarray) else v for k, v in self.fixed.items()])
        model = helper.make_model(graph, opset_imports=self.opsets)
        model.ir_version = 9
        return model

    def case(self, name, *outputs, by="onnxruntime"):
        model = self.model(outputs)
        if by == "reference":
            CASES.append((name, model.SerializeToString(), self.free,
                          dict(zip(outputs, ReferenceEvaluator(model).run(None, self.free)))))
            return
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        CASES.append((name, model.SerializeToString(), self.free, dict(zip(outputs, session.run(None, self.free)))))

    def refused(self, name, *outputs):
        REFUSED.append((name, self.model(outputs).SerializeToString(), self.free, {}))


def each(name, op, inputs, constant, opset=13, domain="", **attrs):
    """One node; `constant` are the inputs that are initializers."""
    g = Graph(opset, **({"com_microsoft": 1} if domain else {}))
    if domain:
        attrs["domain"] = domain
    if "opset_" in attrs:
        attrs["opset"] = attrs.pop("opset_")
    names = [v if v is None or i in constant else g.input(v) for i, v in enumerate(inputs)]
    return g, g.add(op, *names, **attrs), name


def single(*args, **attrs):
    g, out, name = each(*args, **attrs)
    g.case(name, out)


# Operators on integers.  ------------------------------------------------------------------------

def products():
    for k, n in ((64, 48), (37, 5), (200, 33)):
        for a in (u8(9, k), i8(9, k)):
            for b in (u8(k, n), i8(k, n)):
                if a.dtype == np.int8 and b.dtype == np.uint8:
                    continue  # not in ONNX Runtime
                label = "matmulinteger_%s_%s_%d" % (a.dtype, b.dtype, k)
                az, bz = one(a.flat[0], a.dtype), one(b.flat[1], b.dtype)
                single(label, "MatMulInteger", [a, b, az, bz], (1, 3))
                single(label + "_open", "MatMulInteger", [a, b, az, bz], ())
                single(label + "_bare", "MatMulInteger", [a, b], (1,))
    single("matmulinteger_columns", "MatMulInteger", [u8(2, 3, 70), i8(70, 40), one(3, np.uint8), i8(40)], (1, 3))
    single("matmulinteger_batch", "MatMulInteger", [u8(2, 4, 12), u8(2, 12, 5)], (1,))
    single("matmulinteger_vector", "MatMulInteger", [u8(12), i8(12, 5)], (1,))
    for b in (u8(96, 40), i8(96, 40)):
        for per in (1, 40):
            scale, zero = scales(per), (b[0, :per] if per > 1 else b[0, :1])
            inputs = [u8(2, 7, 96), one(0.02), one(120, np.uint8), b, scale, zero, one(0.5), one(100, np.uint8)]
            single("qlinearmatmul_%s_%d" % (b.dtype, per), "QLinearMatMul", inputs, range(1, 8))
            single("qlinearmatmul_%s_%d_open" % (b.dtype, per), "QLinearMatMul", inputs, (3, 5))
    single("qlinearmatmul_signed", "QLinearMatMul",
           [i8(3, 30), one(0.02), one(-3, np.int8), i8(30, 20), one(0.01), one(0, np.int8), one(0.1), one(4, np.int8)],
           range(1, 8))


def convolutions():
    shapes = {
        "": dict(x=(2, 6, 9, 10), w=(20, 6, 3, 3), pads=[1, 1, 1, 1]),
        "_one": dict(x=(1, 64, 7, 7), w=(70, 64, 1, 1)),
        "_strided": dict(x=(1, 3, 23, 21), w=(16, 3, 7, 7), pads=[3, 3, 3, 3], strides=[2, 2]),
        "_groups": dict(x=(1, 12, 8, 8), w=(18, 4, 3, 3), group=3, pads=[1, 0, 1, 2]),
        "_depthwise": dict(x=(2, 24, 9, 9), w=(24, 1, 3, 3), group=24, strides=[2, 2], pads=[1, 1, 1, 1]),
        "_dilated": dict(x=(1, 5, 12, 12), w=(7, 5, 3, 3), dilations=[2, 3]),
        "_line": dict(x=(2, 5, 30), w=(9, 5, 4), strides=[3], pads=[2, 1]),
        "_volume": dict(x=(1, 3, 5, 6, 7), w=(4, 3, 2, 3, 2), strides=[2, 1, 1]),
    }
    for suffix, shape in shapes.items():
        attrs = {k: v for k, v in shape.items() if k not in "xw"}
        x, channels = u8(*shape["x"]), shape["w"][0]
        for w in (u8(*shape["w"]), i8(*shape["w"])):
            zero = one(w.flat[2], w.dtype)
            single("convinteger%s_%s" % (suffix, w.dtype), "ConvInteger", [x, w, one(99, np.uint8), zero], (1, 3), **attrs)
            scale = scales(channels)
            single("qlinearconv%s_%s" % (suffix, w.dtype), "QLinearConv",
                   [x, one(0.02), one(110, np.uint8), w, scale, np.zeros(channels, w.dtype) if w.dtype == np.int8 else
                    np.full(channels, 128, np.uint8), one(0.4), one(128, np.uint8), i32(channels)], range(1, 9), **attrs)
        single("qlinearconv%s_open" % suffix, "QLinearConv",
               [x, one(0.02), one(110, np.uint8), i8(*shape["w"]), one(0.01), one(0, np.int8), one(0.4), one(128, np.uint8)],
               (), **attrs)
    single("convinteger_open", "ConvInteger", [u8(1, 2, 5, 5), u8(3, 2, 3, 3), one(9, np.uint8), one(7, np.uint8)], ())


def floats():
    for n in (1, 100, 5000):
        g = Graph()
        g.case("dynamicquantizelinear_%d" % n, *g.add("DynamicQuantizeLinear", g.input(f32(n)), outputs=3))
    g = Graph()
    g.case("dynamicquantizelinear_zeros", *g.add("DynamicQuantizeLinear", g.input(np.zeros(9, np.float32)), outputs=3))
    g = Graph()
    g.case("dynamicquantizelinear_positive", *g.add("DynamicQuantizeLinear", g.input(np.abs(f32(77)) + 3), outputs=3))
    for zero in (u8(7), i8(7)):
        x = f32(3, 7, 20) * 9
        single("quantizelinear_axis_%s" % zero.dtype, "QuantizeLinear", [x, scales(7, 0.1), zero], (1, 2), axis=1)
        single("quantizelinear_%s" % zero.dtype, "QuantizeLinear", [x, one(0.07), zero[0]], (1, 2))
        single("dequantizelinear_axis_%s" % zero.dtype, "DequantizeLinear", [(u8 if zero.dtype == np.uint8 else i8)(3, 7, 20),
                                                                             scales(7, 0.1), zero], (1, 2), axis=1)


# Dynamic quantisation.  -------------------------------------------------------------------------

def dynamic(g, x, k, n, per=1, turned=False, bias=True):
    q, scale, zero = g.add("DynamicQuantizeLinear", x, outputs=3)
    product = g.add("MatMulInteger", q, i8(k, n), zero, np.zeros(n, np.int8) if per > 1 else one(0, np.int8))
    by = g.add("Mul", scales(per), scale) if turned else g.add("Mul", scale, scales(per))
    cast = g.add("Cast", product, to=TensorProto.FLOAT)
    y = g.add("Mul", by, cast) if turned else g.add("Mul", cast, by)
    return g.add("Add", y, f32(n)) if bias else y


def chains():
    for per in (1, 48):
        for turned in (False, True):
            g = Graph()
            g.case("dynamic_%d_%d" % (per, turned), dynamic(g, g.input(f32(2, 9, 64)), 64, 48, per, turned))
    g = Graph()
    x = g.input(f32(5, 96))
    y = dynamic(g, x, 96, 96)
    g.case("dynamic_residual", g.add("Relu", g.add("Add", x, y)))
    g = Graph()
    y = dynamic(g, g.input(f32(5, 40)), 40, 33, bias=False)
    g.case("dynamic_bare", g.add("Sigmoid", y))
    g = Graph()
    x = g.input(f32(40, 64))
    y = dynamic(g, x, 64, 256)
    gelu = g.add("Mul", g.add("Mul", y, g.add("Add", g.add("Erf", g.add("Div", y, one(2 ** 0.5))), one(1))), one(0.5))
    g.case("dynamic_gelu", gelu)
    g = Graph()
    y = dynamic(g, g.input(f32(5, 40)), 40, 33)
    g.case("dynamic_read_twice", g.add("Relu", y), g.add("Neg", y))


# Quantise and dequantise.  ----------------------------------------------------------------------

def conv(g, x, channels, filters, x_scale, kernel=3, group=1, bias=True, per=True, **attrs):
    scale = scales(filters if per else 1) if per else one(0.012)
    w = g.weights(i8(filters, channels // group, kernel, kernel), scale)
    more = [g.bias(filters, scale * np.float32(x_scale))] if bias else []
    return g.add("Conv", x, w, *more, group=group, **attrs)


def ends(g, name, y, scale, zero):
    g.case("qdq_" + name, g.add("QuantizeLinear", y, one(scale), zero))


def qdq():
    zero = one(0, np.uint8)
    for name, kind, at in (("u8", np.uint8, 117), ("i8", np.int8, -5), ("low", np.uint8, 0)):
        for act in ("", "Relu", "Clip"):
            g = Graph()
            x = g.quantized(g.input(f32(2, 6, 11, 9)), 0.03, one(at, kind))
            y = conv(g, x, 6, 20, 0.03, pads=[1, 1, 1, 1])
            y = g.add("Clip", y, one(-0.5), one(6)) if act == "Clip" else g.add(act, y) if act else y
            ends(g, "conv_%s_%s" % (name, act.lower()), y, 0.05, one(at, kind))
    pads = [1, 1, 1, 1]
    g = Graph()  # a residual network in small: the order of channels changes at both ends
    x = g.quantized(g.input(f32(1, 3, 32, 30)), 0.03, one(120, np.uint8))
    x = g.add("Relu", conv(g, x, 3, 32, 0.03, 7, strides=[2, 2], pads=[3, 3, 3, 3]))
    x = g.add("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=pads)
    x = g.quantized(x, 0.03, zero)
    y = g.quantized(g.add("Relu", conv(g, x, 32, 32, 0.03, pads=pads)), 0.04, zero)
    y = g.quantized(conv(g, y, 32, 32, 0.04, pads=pads), 0.05, one(128, np.uint8))
    x = g.quantized(g.add("Relu", g.add("Add", y, x)), 0.04, zero)
    y = g.quantized(g.add("Relu", conv(g, x, 32, 48, 0.04, strides=[2, 2], pads=pads)), 0.04, zero)
    y = g.quantized(conv(g, y, 48, 48, 0.04, pads=pads), 0.05, one(128, np.uint8))
    side = g.quantized(conv(g, x, 32, 48, 0.04, 1, strides=[2, 2]), 0.05, one(120, np.uint8))
    x = g.quantized(g.add("Relu", g.add("Add", side, y)), 0.04, zero)
    x = g.add("Flatten", g.add("GlobalAveragePool", x))
    x = g.quantized(x, 0.01, zero)
    y = g.add("Gemm", x, g.weights(i8(10, 48), one(0.01)), g.bias(10, one(0.01) * np.float32(0.01)), transB=1)
    ends(g, "residual_net", y, 0.02, one(128, np.uint8))
    g = Graph()  # bytes that are an output and are read on
    x = g.quantized(g.input(f32(1, 8, 6, 6)), 0.03, one(120, np.uint8))
    q = g.add("QuantizeLinear", conv(g, x, 8, 8, 0.03, pads=pads), one(0.05), one(128, np.uint8))
    y = conv(g, g.add("DequantizeLinear", q, one(0.05), one(128, np.uint8)), 8, 4, 0.05)
    g.case("qdq_two_outputs", q, g.add("QuantizeLinear", y, one(0.05), one(128, np.uint8)))
    g = Graph()
    x = g.quantized(g.input(f32(1, 16, 10, 10)), 0.03, one(120, np.uint8))
    y = g.quantized(conv(g, x, 16, 16, 0.03, group=16, pads=pads), 0.03, zero)
    ends(g, "depthwise", conv(g, y, 16, 24, 0.03, 1, bias=False, per=False), 0.05, one(128, np.uint8))
    g = Graph()
    x = g.quantized(g.input(f32(1, 12, 10, 10)), 0.03, one(120, np.uint8))
    g.case("qdq_conv_open", g.add("Relu", conv(g, x, 12, 20, 0.03)))
    g = Graph()
    x = g.quantized(g.input(f32(7, 40)), 0.03, one(120, np.uint8))
    y = g.add("MatMul", x, g.weights(i8(40, 30), one(0.01)))
    ends(g, "matmul", y, 0.05, one(128, np.uint8))
    g = Graph()
    x = g.quantized(g.input(f32(2, 7, 40)), 0.03, one(120, np.uint8))
    g.case("qdq_matmul_open", g.add("Add", g.add("MatMul", x, g.weights(i8(40, 30), scales(30), axis=1)), f32(30)))
    g = Graph()
    x = g.quantized(g.input(f32(1, 6, 6, 6)), 0.03, one(120, np.uint8))
    y = g.quantized(conv(g, x, 6, 6, 0.03, pads=pads), 0.05, one(128, np.uint8))
    z = g.quantized(g.input(f32(6, 1, 1)), 0.03, one(128, np.uint8))
    ends(g, "add_broadcast", g.add("Add", y, z), 0.05, one(128, np.uint8))
    g = Graph()
    x = g.quantized(g.input(f32(1, 6, 6, 6)), 0.03, one(120, np.uint8))
    y = g.quantized(conv(g, x, 6, 6, 0.03, pads=pads), 0.05, one(128, np.uint8))
    ends(g, "twice_itself", g.add("Add", y, y), 0.05, one(128, np.uint8))
    g = Graph(opset=21)
    y = g.add("MatMul", g.input(f32(5, 64)), g.add("DequantizeLinear", i8(64, 24), scales(48, 0.1).reshape(2, 24), axis=0, block_size=32))
    g.case("weights_in_blocks", y, by="reference")  # ONNX Runtime makes bytes of the other factor


# The domain com.microsoft.  ---------------------------------------------------------------------

def small(g, kind, values):
    """A constant of 4-bit integers, or of others."""
    name = g.name("c")
    g.fixed[name] = helper.make_tensor(name, kind, values.shape, values.flatten().tolist())
    return name


def blocks():
    """Products with weights whose scales stand for blocks of rows."""
    for kind, low, high in ((TensorProto.INT4, -8, 8), (TensorProto.UINT4, 0, 16), (TensorProto.INT8, -128, 128),
                            (TensorProto.UINT8, 0, 256)):
        for k, n, block, zeros in ((64, 33, 32, True), (72, 40, 16, False)):
            g = Graph(opset=21)
            w, count = RNG.randint(low, high, (k, n)), -(-k // block)
            inputs = [small(g, kind, w), scales(count * n, 0.2 / high).reshape(count, n)]
            if zeros:
                inputs.append(small(g, kind, RNG.randint(low, high, (count, n))))
            y = g.add("MatMul", g.input(f32(2, 9, k)), g.add("DequantizeLinear", *inputs, axis=0, block_size=block))
            if zeros:
                y = g.add("Relu", g.add("Add", y, f32(n)))
            g.case("blocks_%d_%d" % (kind, k), y, by="reference")  # ONNX Runtime rounds the rows to bytes


def microsoft():
    def ms(name, op, inputs, constant=range(1, 20), **attrs):
        single(name, op, inputs, constant, domain="com.microsoft", **attrs)

    zero = {np.uint8: one(100, np.uint8), np.int8: one(-4, np.int8)}
    for make, kind in ((u8, np.uint8), (i8, np.int8)):
        x, z, name = make(2, 6, 5, 7), zero[kind], kind.__name__
        for op in ("QLinearAdd", "QLinearMul"):
            for shape in ((2, 6, 5, 7), (6, 1, 1), (1,), (5, 1)):
                ms("qdq_%s_%s_%d" % (op, name, len(shape)), op,
                   [x, one(0.02), z, make(*shape), one(0.03), z, one(0.06), z], (1, 2, 4, 5, 6, 7))
        ms("qdq_leaky_%s" % name, "QLinearLeakyRelu", [x, one(0.02), z, one(0.03), z], alpha=0.2)
        ms("qdq_sigmoid_%s" % name, "QLinearSigmoid", [x, one(0.02), z, one(0.004), z])
        for axis, opset in ((-1, 13), (1, 13), (2, 12)):
            ms("qdq_softmax_%s_%d_%d" % (name, axis, opset), "QLinearSoftmax",
               [x, one(0.02), z, one(0.004), one(0 if kind == np.uint8 else -128, kind)], axis=axis,
               opset_=opset)
        ms("qdq_mean_%s" % name, "QLinearGlobalAveragePool", [x, one(0.02), z, one(0.01), z], channels_last=0)
        ms("qdq_mean_last_%s" % name, "QLinearGlobalAveragePool", [x, one(0.02), z, one(0.01), z], channels_last=1)
        ms("qdq_average_%s" % name, "QLinearAveragePool", [x, one(0.02), z, one(0.015), z], kernel_shape=[3, 2],
           strides=[2, 1], pads=[1, 0, 1, 1], count_include_pad=1)
        ms("qdq_concat_%s" % name, "QLinearConcat",
           [one(0.03), z, x, one(0.02), z, make(2, 3, 5, 7), one(0.04), z], (0, 1, 3, 4, 6, 7), axis=1)
        if kind == np.int8:
            continue
        for per in (1, 33):
            b, by, bz = i8(70, 33), scales(per), np.zeros(per, np.int8)
            ms("tofloat_%d" % per, "MatMulIntegerToFloat", [u8(2, 5, 70), b, one(0.02), by, one(100, np.uint8), bz, f32(33)])
            ms("tofloat_%d_open" % per, "MatMulIntegerToFloat", [u8(2, 5, 70), b, one(0.02), by, one(100, np.uint8), bz], ())
            ms("dynamicmatmul_%d" % per, "DynamicQuantizeMatMul", [f32(2, 5, 70), b, by, bz, f32(33)])
            ms("dynamicmatmul_%d_bare" % per, "DynamicQuantizeMatMul", [f32(5, 70), b, by])
        turned = i8(33, 70)
        for y in ([], [one(0.7), one(120, np.uint8)]):
            ms("qgemm_%d" % len(y), "QGemm", [u8(5, 70), one(0.02), one(100, np.uint8), i8(70, 33), one(0.01), one(0, np.int8),
                                              i32(33)] + y, alpha=1.0, transA=0, transB=0)
            ms("qgemm_%d_turned" % len(y), "QGemm", [u8(5, 70), one(0.02), one(100, np.uint8), turned, scales(33),
                                                     np.zeros(33, np.int8), i32(33)] + y, alpha=1.0, transA=0, transB=1)


# What must not be.  -----------------------------------------------------------------------------

def hostile():
    def no(code, name, op, inputs, constant=range(20), **attrs):
        g, out, _ = each(name, op, inputs, constant, **attrs)
        g.refused("%s: %s" % (code, name), out)

    x, w = u8(1, 4, 6, 6), i8(5, 4, 3, 3)
    good = [x, one(0.02), one(110, np.uint8), w, scales(5), np.zeros(5, np.int8), one(0.4), one(128, np.uint8), i32(5)]
    for at, v, code in ((4, scales(4), "INPUT"), (5, np.zeros(6, np.int8), "INPUT"), (8, i32(4), "INPUT"),
                        (1, scales(3), "UNSUPPORTED"), (2, u8(4), "UNSUPPORTED"), (6, scales(2), "UNSUPPORTED"), (7, u8(3), "UNSUPPORTED"),
                        (8, f32(5), "UNSUPPORTED"), (0, f32(1, 4, 6, 6), "UNSUPPORTED"), (5, u8(5), "ANY"),
                        (2, one(-3, np.int8), "UNSUPPORTED"), (3, i8(5, 3, 3, 3), "INPUT"), (3, i8(0, 4, 3, 3), "ANY")):
        for free in (range(1, 20), ()):
            no(code, "QLinearConv's input %d, %d fixed" % (at, len(free)), "QLinearConv",
               good[:at] + [v] + good[at + 1:], free)
    no("INPUT", "QLinearConv in groups that do not divide", "QLinearConv", good, range(1, 20), group=3)
    for bad in (np.nan, np.inf, -np.inf, 0.0, -1.0, 3e38, 1e-42):
        for at in (1, 4, 6):
            v = np.full(5, bad, np.float32) if at == 4 else one(bad)
            no("ANY", "QLinearConv's scale %d of %g" % (at, bad), "QLinearConv", good[:at] + [v] + good[at + 1:], range(1, 20))
            no("ANY", "QLinearConv's scale %d of %g, open" % (at, bad), "QLinearConv", good[:at] + [v] + good[at + 1:], ())
        g = Graph()
        y = g.quantized(g.input(f32(1, 4, 6, 6)), bad, one(3, np.uint8))
        y = conv(g, y, 4, 5, 0.1)
        g.refused("ANY: bytes by %g" % bad, g.add("QuantizeLinear", g.add("Relu", y), one(bad), one(3, np.uint8)))
        g = Graph()
        y = g.quantized(g.input(f32(3, 8)), 0.1, one(3, np.uint8))
        y = g.add("Gemm", y, g.weights(i8(8, 4), np.full(4, bad), axis=1))
        g.refused("ANY: columns by %g" % bad, g.quantized(y, 0.1, one(3, np.uint8)))
        g = Graph()
        g.refused("ANY: dynamic, of %g" % bad, dynamic(g, g.input(np.full((3, 8), bad, np.float32)), 8, 5))
    a, b = u8(3, 8), i8(8, 5)
    linear = [a, one(0.02), one(110, np.uint8), b, one(0.1), one(0, np.int8), one(0.4), one(128, np.uint8)]
    for at, v, code in ((1, scales(7), "UNSUPPORTED"), (2, u8(9), "UNSUPPORTED"), (4, scales(6), "UNSUPPORTED"), (5, i8(3), "UNSUPPORTED"),
                        (6, scales(7), "UNSUPPORTED"), (7, f32(), "UNSUPPORTED"), (3, i8(9, 5), "INPUT"), (1, scales(3), "ANY"),
                        (6, scales(3), "ANY"), (2, u8(3), "ANY"), (4, scales(0), "UNSUPPORTED"), (0, u8(0, 8), "ANY"), (3, i8(8, 0), "ANY")):
        for free in (range(1, 20), ()):
            no(code, "QLinearMatMul's input %d as %s, %d fixed" % (at, v.shape, len(free)), "QLinearMatMul",
               linear[:at] + [v] + linear[at + 1:], free)
    ms = dict(domain="com.microsoft")
    add = [a, one(0.1), one(3, np.uint8), u8(3, 8), one(0.1), one(3, np.uint8), one(0.1), one(3, np.uint8)]
    for at, v, code in ((3, u8(3, 7), "INPUT"), (1, scales(3), "UNSUPPORTED"), (2, u8(2), "UNSUPPORTED"), (6, scales(2), "UNSUPPORTED"),
                        (7, f32(), "UNSUPPORTED"), (0, f32(3, 8), "UNSUPPORTED"), (1, one(np.nan), "ANY"), (6, one(0), "ANY"), (6, one(np.inf), "ANY")):
        no(code, "QLinearAdd's input %d as %s of %s" % (at, v.shape, v.dtype), "QLinearAdd", add[:at] + [v] + add[at + 1:],
           (), **ms)
    four = [u8(1, 2, 4, 4), one(0.1), one(3, np.uint8), one(0.1), one(3, np.uint8)]
    no("INPUT", "QLinearSoftmax of another axis", "QLinearSoftmax", four, axis=7, opset_=13, **ms)
    no("INPUT", "QLinearAveragePool of another kernel", "QLinearAveragePool", four, kernel_shape=[2], **ms)
    no("UNSUPPORTED", "QLinearSigmoid of two scales", "QLinearSigmoid", four[:1] + [scales(2)] + four[2:], **ms)
    joined = [one(0.1), one(3, np.uint8), u8(2, 3), one(0.1), one(3, np.uint8), u8(3, 3), one(0.1), one(3, np.uint8)]
    no("INPUT", "QLinearConcat of other shapes", "QLinearConcat", joined, axis=1, **ms)
    no("INPUT", "QLinearConcat without a zero point", "QLinearConcat", joined[:7], axis=0, **ms)
    no("INPUT", "QLinearConcat of another axis", "QLinearConcat", joined, axis=2, **ms)
    no("INPUT", "DynamicQuantizeMatMul of another bias", "DynamicQuantizeMatMul", [f32(3, 8), b, one(0.1), None, f32(4)], **ms)
    no("UNSUPPORTED", "DynamicQuantizeMatMul of bytes", "DynamicQuantizeMatMul", [a, b, one(0.1)], **ms)
    no("UNSUPPORTED", "DynamicQuantizeMatMul of two variables", "DynamicQuantizeMatMul", [f32(3, 8), b, one(0.1)], (), **ms)
    no("UNSUPPORTED", "QGemm with its left factor turned", "QGemm",
       [u8(8, 3), one(0.1), one(3, np.uint8), b, one(0.1), one(0, np.int8)], transA=1, **ms)
    no("INPUT", "QGemm of a larger bias", "QGemm", [a, one(0.1), one(3, np.uint8), b, one(0.1), one(0, np.int8), i32(6)], **ms)
    no("UNSUPPORTED", "MatMulInteger of zero points of another type", "MatMulInteger", [a, b, one(3, np.int8)], (1, 2))
    no("UNSUPPORTED", "MatMulInteger of other zero points", "MatMulInteger", [a, b, None, i8(4)], (1, 3))
    no("INPUT", "ConvInteger of other channels", "ConvInteger", [u8(1, 3, 5, 5), w], (1,))
    no("UNSUPPORTED", "ConvInteger of zero points of another type", "ConvInteger", [x, w, one(3, np.int8)], (1, 2))
    no("INPUT", "a kernel larger than the image", "ConvInteger", [u8(1, 4, 2, 2), w], (1,))


# Writing.  ------------------------------------------------------------------------------------

def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def npy(array):
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return stream.getvalue()


def write(name, cases):
    with open(os.path.join(HERE, "data", name), "wb") as out:
        for label, model, inputs, outputs in cases:
            out.write(piece(label) + piece(model))
            for tensors in (inputs, outputs):
                out.write(struct.pack("<I", len(tensors)))
                for port, array in tensors.items():
                    out.write(piece(port) + piece(npy(np.asarray(array))))
    print("%s: %d cases" % (name, len(cases)))


def main():
    for make in (products, convolutions, floats, chains, qdq, microsoft, hostile, blocks):
        make()
    write("integers.bin", CASES)
    write("integers_refused.bin", REFUSED)


main()
