#!/usr/bin/python3
"""Writes data/cases.bin: small models with inputs and the outputs they must give, and the models
alone as seeds of the fuzz target `onnx`.

    make_cases.py            (needs Debian's python3-onnx, python3-torch)

The file is a list of cases to its end; numbers are little-endian u32:
    name, model: size and bytes       inputs, outputs: count, then for each name and .npy file,
each size and bytes.  Outputs of single operators come from numpy as the operator's specification
reads, those of networks from PyTorch.
"""
import io
import math
import os
import struct
import warnings

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

warnings.filterwarnings("ignore")
HERE = os.path.dirname(os.path.abspath(__file__))
CASES = []
RNG = np.random.RandomState(5)


def f32(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def pos(*shape):
    return (RNG.random_sample(shape) * 2 + 0.25).astype(np.float32)


def i64(*values):
    return np.array(values, np.int64)


def kind(array):
    return helper.np_dtype_to_tensor_dtype(array.dtype) if hasattr(helper, "np_dtype_to_tensor_dtype") \
        else onnx.mapping.NP_TYPE_TO_TENSOR_TYPE[array.dtype]


def dims(array, dynamic):
    return ["d%d" % i for i in range(array.ndim)] if dynamic else list(array.shape)


def case(name, op, inputs, outputs, constant=(), opset=13, dynamic=False, domain="", **attrs):
    """One node; `constant` names the inputs that are initializers, None is an input left out."""
    given = {"i%d" % i: v for i, v in enumerate(inputs) if v is not None}
    made = {"o%d" % i: v for i, v in enumerate(outputs)}
    node = helper.make_node(op, ["i%d" % i if v is not None else "" for i, v in enumerate(inputs)], list(made),
                            domain=domain, **attrs)
    fixed = {k: v for k, v in given.items() if int(k[1:]) in constant}
    free = {k: v for k, v in given.items() if k not in fixed}
    graph = helper.make_graph(
        [node], "g", [helper.make_tensor_value_info(k, kind(v), dims(v, dynamic)) for k, v in free.items()],
        [helper.make_tensor_value_info(k, kind(v), None) for k, v in made.items()],
        [numpy_helper.from_array(v, k) for k, v in fixed.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    model.ir_version = 8
    CASES.append((name, model.SerializeToString(), free, made))


def network(name, net, inputs, opset=13, dynamic=None, **more):
    net.eval()
    stream = io.BytesIO()
    names = ["i%d" % i for i in range(len(inputs))]
    with torch.no_grad():
        made = net(*inputs)
        made = made if isinstance(made, tuple) else (made,)
        outs = ["o%d" % i for i in range(len(made))]
        torch.onnx.export(net, inputs, stream, opset_version=opset, input_names=names, output_names=outs,
                          dynamic_axes=dynamic, **more)
    CASES.append((name, stream.getvalue(), {k: v.numpy() for k, v in zip(names, inputs)},
                  {k: v.numpy() for k, v in zip(outs, made)}))


# Elements.  -----------------------------------------------------------------------------------

def erf(x):
    return np.vectorize(math.erf)(x).astype(x.dtype)


def sigmoid(x):
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def elements():
    x = f32(3, 17) * 2
    for op, want in {
            "Relu": np.maximum(x, 0), "Sigmoid": sigmoid(x), "Tanh": np.tanh(x), "Exp": np.exp(x), "Erf": erf(x),
            "Abs": abs(x), "Neg": -x, "Floor": np.floor(x), "Ceil": np.ceil(x), "Round": np.round(x),
            "Sign": np.sign(x), "Sin": np.sin(x), "Cos": np.cos(x), "Tan": np.tan(x), "Atan": np.arctan(x),
            "Sinh": np.sinh(x), "Cosh": np.cosh(x), "Asinh": np.arcsinh(x), "Softsign": x / (1 + abs(x)),
            "Softplus": np.log1p(np.exp(x)), "Reciprocal": 1 / x}.items():
        case(op.lower(), op, [x], [want], dynamic=True)
    p = pos(5, 9)
    unit = np.clip(f32(40) * 0.4, -0.9, 0.9)
    for op, v, want in [("Log", p, np.log(p)), ("Sqrt", p, np.sqrt(p)), ("Asin", unit, np.arcsin(unit)),
                        ("Acos", unit, np.arccos(unit)), ("Atanh", unit, np.arctanh(unit)),
                        ("Acosh", p + 1, np.arccosh(p + 1))]:
        case(op.lower(), op, [v], [want])
    case("leaky_relu", "LeakyRelu", [x], [np.where(x < 0, x * np.float32(0.2), x)], alpha=0.2)
    case("elu", "Elu", [x], [np.where(x < 0, 1.5 * np.expm1(x), x).astype(np.float32)], alpha=1.5)
    case("selu", "Selu", [x], [np.where(x > 0, x * 1.05070102, 1.05070102 * 1.67326319 * np.expm1(x)).astype(np.float32)])
    case("celu", "Celu", [x], [np.where(x > 0, x, 2 * np.expm1(x / 2)).astype(np.float32)], alpha=2.0)
    case("thresholded_relu", "ThresholdedRelu", [x], [np.where(x > 0.5, x, 0).astype(np.float32)], alpha=0.5)
    case("hard_sigmoid", "HardSigmoid", [x], [np.clip(x * 0.25 + 0.4, 0, 1).astype(np.float32)], alpha=0.25, beta=0.4)
    case("hard_swish", "HardSwish", [x], [(x * np.clip(x / 6 + 0.5, 0, 1)).astype(np.float32)], opset=14)
    case("mish", "Mish", [x], [(x * np.tanh(np.log1p(np.exp(x)))).astype(np.float32)], opset=18)
    case("gelu", "Gelu", [x], [(x * 0.5 * (1 + erf(x / math.sqrt(2)))).astype(np.float32)], opset=20)
    case("clip_inputs", "Clip", [x, np.float32(-1), np.float32(0.5)], [np.clip(x, -1, 0.5)], (1, 2))
    case("clip_open", "Clip", [x, None, np.float32(0.5)], [np.minimum(x, np.float32(0.5))])
    case("clip_attributes", "Clip", [x], [np.clip(x, -1, 0.5)], opset=7, min=-1.0, max=0.5)
    whole = RNG.randint(-9, 9, (4, 6))
    case("clip_i64", "Clip", [whole, np.int64(-3), np.int64(4)], [np.clip(whole, -3, 4)], (1, 2))
    case("abs_i64", "Abs", [whole], [abs(whole)])
    case("neg_i32", "Neg", [whole.astype(np.int32)], [-whole.astype(np.int32)])
    case("relu_f64", "Relu", [whole.astype(np.float64)], [np.maximum(whole, 0).astype(np.float64)])
    case("prelu", "PRelu", [f := f32(2, 3, 4), s := f32(3, 1)], [np.where(f < 0, f * s, f)])
    nan = np.array([1, np.nan, np.inf, -np.inf], np.float32)
    case("is_nan", "IsNaN", [nan], [np.isnan(nan)])
    case("is_inf", "IsInf", [nan], [np.isposinf(nan)], detect_negative=0)
    case("not", "Not", [x > 0], [x <= 0])
    casts = np.array([-3.7, -0.4, 0, 0.6, 130.9], np.float32)
    for to, dtype in [(6, np.int32), (7, np.int64), (1, np.float32), (11, np.float64), (9, np.bool_)]:
        case("cast_f32_%d" % to, "Cast", [casts], [casts.astype(dtype)], to=to)
    case("cast_i64_u8", "Cast", [i64(-1, 0, 255, 300)], [np.array([255, 0, 255, 44], np.uint8)], to=2)
    case("cast_bool_f32", "Cast", [x > 0], [(x > 0).astype(np.float32)], to=1)
    half = np.array([0, 1, -2.5, 65504, 1e-7, 70000, 0.1], np.float32)
    case("cast_f32_f16", "Cast", [half], [half.astype(np.float16)], to=10)
    case("cast_f16_f32", "Cast", [half.astype(np.float16)], [half.astype(np.float16).astype(np.float32)], to=1)


def pairs():
    a, b, row, column = f32(3, 4, 5), f32(3, 4, 5), f32(5), f32(4, 1)
    for op, fn in {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}.items():
        case(op.lower(), op, [a, b], [fn(a, b)], dynamic=True)
        case(op.lower() + "_row", op, [a, row], [fn(a, row)], (1,))
        case(op.lower() + "_column", op, [column, a], [fn(column, a)])
        for dtype in (np.int32, np.int64, np.uint8, np.float64):
            u, v = RNG.randint(1, 11, (2, 6)).astype(dtype), RNG.randint(1, 5, (1, 6)).astype(dtype)
            want = u // v if op == "Div" and dtype != np.float64 else fn(u, v)
            case("%s_%s" % (op.lower(), dtype.__name__), op, [u, v], [want.astype(dtype)], opset=14)
    u, v = RNG.randint(-20, 20, 30), np.where(RNG.randint(0, 2, 30), 3, -4)
    case("div_i64_to_zero", "Div", [u, v], [np.trunc(u / v).astype(np.int64)])
    case("mod_i64", "Mod", [u, v], [np.mod(u, v)])
    case("fmod_i64", "Mod", [u, v], [np.fmod(u, v)], fmod=1)
    case("fmod_f32", "Mod", [a, b], [np.fmod(a, b)], fmod=1)
    p = pos(3, 4)
    case("pow", "Pow", [p, q := f32(3, 4)], [np.power(p, q)])
    case("pow_square", "Pow", [a, np.float32(2)], [a * a], (1,))
    case("pow_half", "Pow", [p, np.float32(0.5)], [np.sqrt(p)], (1,))
    case("pow_f32_i64", "Pow", [a, np.int64(3)], [a ** 3])
    base = RNG.randint(1, 5, 6)
    case("pow_i64", "Pow", [base, np.int64(3)], [base ** 3])
    for op, fn in {"Max": np.maximum, "Min": np.minimum}.items():
        case(op.lower() + "_3", op, [a, row, column], [fn(fn(a, row), column)])
        case(op.lower() + "_1", op, [a], [a])
        case(op.lower() + "_i32", op, [np.int32([1, 5, -2]), np.int32([3])], [fn(np.int32([1, 5, -2]), 3).astype(np.int32)])
    case("sum_3", "Sum", [a, b, row], [a + b + row])
    case("mean_2", "Mean", [a, b], [(a + b) / 2])
    for op, fn in {"Equal": np.equal, "Less": np.less, "Greater": np.greater, "LessOrEqual": np.less_equal,
                   "GreaterOrEqual": np.greater_equal}.items():
        case(op.lower() + "_i64", op, [u, v], [fn(u, v)])
        case(op.lower() + "_f32", op, [a, row], [fn(a, row)])
    t, s = a > 0, b > 0
    for op, fn in {"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal}.items():
        case(op.lower() + "_bool", op, [t, s[0]], [fn(t, s[0])])
    case("where", "Where", [t, a, row], [np.where(t, a, row)])
    case("where_i64", "Where", [u > 0, u, np.int64(7)], [np.where(u > 0, u, 7)])
    case("add_empty", "Add", [np.zeros((0, 3), np.float32), np.ones(3, np.float32)], [np.zeros((0, 3), np.float32)])


# Shapes and places.  --------------------------------------------------------------------------

def places():
    x = f32(2, 3, 4)
    case("reshape", "Reshape", [x, i64(0, -1, 2)], [x.reshape(2, 6, 2)], (1,))
    case("flatten", "Flatten", [x], [x.reshape(6, 4)], axis=2)
    case("squeeze_axes", "Squeeze", [x[:, :1], i64(1)], [x[:, 0]], (1,))
    case("squeeze_11", "Squeeze", [x[:1, :, :1]], [x[0, :, 0]], opset=11)
    case("unsqueeze", "Unsqueeze", [x, i64(0, -1)], [x[None, ..., None]], (1,))
    case("unsqueeze_11", "Unsqueeze", [x], [x[:, None]], opset=11, axes=[1])
    case("identity", "Identity", [x], [x])
    case("dropout", "Dropout", [x], [x])
    case("shape", "Shape", [x], [i64(2, 3, 4)], dynamic=True)
    case("shape_part", "Shape", [x], [i64(3)], opset=15, start=1, end=-1)
    case("size", "Size", [x], [np.int64(24)])
    case("constant", "Constant", [], [f := f32(3)], value=numpy_helper.from_array(f))
    case("constant_ints", "Constant", [], [i64(4, 5)], value_ints=[4, 5])
    case("constant_of_shape", "ConstantOfShape", [i64(2, 3)], [np.full((2, 3), 7, np.int64)], (0,),
         value=numpy_helper.from_array(i64(7)))
    case("range", "Range", [np.int64(2), np.int64(11), np.int64(3)], [i64(2, 5, 8)], (0, 1, 2))
    case("transpose", "Transpose", [x], [x.transpose(2, 0, 1)], perm=[2, 0, 1], dynamic=True)
    case("transpose_back", "Transpose", [x], [x.T])
    case("transpose_i8", "Transpose", [y := x.astype(np.int8)], [y.transpose(0, 2, 1)], perm=[0, 2, 1])
    case("slice", "Slice", [x, i64(1, -3), i64(3, 1000), i64(1, 2)], [x[:, 1:3, -3:]], (1, 2, 3))
    case("slice_steps", "Slice", [x, i64(-1, 0), i64(-100, 4), i64(2, 0), i64(-2, 1)], [x[:, :, ::-2]], (1, 2, 3, 4))
    case("slice_9", "Slice", [x], [x[1:, :2]], opset=9, starts=[1, 0], ends=[2, 2], axes=[0, 1])
    case("slice_front", "Slice", [x, i64(1), i64(2)], [x[1:2]], (1, 2))
    case("slice_empty", "Slice", [x, i64(2), i64(1)], [x[2:1]], (1, 2))
    case("expand", "Expand", [x[:, :1], i64(5, 1, 3, 1)], [np.broadcast_to(x[:, :1], (5, 2, 3, 4))], (1,))
    case("concat", "Concat", [x, y := f32(2, 2, 4), x], [np.concatenate([x, y, x], 1)], axis=1)
    case("concat_last", "Concat", [i64(1, 2), i64(3)], [i64(1, 2, 3)], axis=-1)
    case("split", "Split", [x, i64(1, 3)], [x[..., :1], x[..., 1:]], (1,), axis=2)
    case("split_even", "Split", [x], [x[:1], x[1:]], axis=0)
    case("split_11", "Split", [x], [x[:, :2], x[:, 2:]], opset=11, axis=1, split=[2, 1])
    case("tile", "Tile", [x, i64(1, 2, 2)], [np.tile(x, (1, 2, 2))], (1,))
    case("pad", "Pad", [x, i64(0, 1, 2, 0, 0, 1), np.float32(1.5)],
         [np.pad(x, ((0, 0), (1, 0), (2, 1)), constant_values=1.5)], (1, 2))
    case("pad_cut", "Pad", [x, i64(0, 0, -1, 0, 0, 2)], [np.pad(x[..., 1:], ((0, 0), (0, 0), (0, 2)))], (1,))
    for mode, numpy_mode in [("reflect", "reflect"), ("edge", "edge")]:
        case("pad_" + mode, "Pad", [x, i64(0, 1, 2, 0, 2, 1)], [np.pad(x, ((0, 0), (1, 2), (2, 1)), numpy_mode)], (1,),
             mode=mode)
    case("pad_10", "Pad", [x], [np.pad(x, ((0, 0), (0, 0), (1, 1)), constant_values=2)], opset=10, pads=[0, 0, 1, 0, 0, 1],
         value=2.0)
    case("gather", "Gather", [x, i64(2, -3)], [x[:, [2, 0]]], axis=1)
    case("gather_rows", "Gather", [f := f32(9, 8), t := np.array([[1, 8], [0, 3]])], [f[t]], (0,))
    case("gather_i32", "Gather", [f, np.int32(4)], [f[4]])
    index = np.array([[[0, 1, 1, 0]], [[2, 2, 0, 1]]])
    case("gather_elements", "GatherElements", [x, index], [np.take_along_axis(x, index, 1)], axis=1)
    case("gather_nd", "GatherND", [x, np.array([[0, 1], [1, 2]])], [x[[0, 1], [1, 2]]])
    changed = x.copy()
    changed[[0, 1], [1, 2]] = u = f32(2, 4)
    case("scatter_nd", "ScatterND", [x, np.array([[0, 1], [1, 2]]), u], [changed])
    changed = x.copy()
    np.put_along_axis(changed, index, u := f32(2, 1, 4), 1)
    case("scatter_elements", "ScatterElements", [x, index, u], [changed], axis=1)


# Sums and norms.  -----------------------------------------------------------------------------

def softmax(x, axis):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def sums():
    x = f32(3, 4, 5)
    for op, fn in {"ReduceMean": np.mean, "ReduceMax": np.max, "ReduceMin": np.min, "ReduceProd": np.prod}.items():
        case(op.lower(), op, [x], [fn(x, axis=(1, 2))], axes=[1, -1], keepdims=0, dynamic=True)
        case(op.lower() + "_first", op, [x], [fn(x, axis=0, keepdims=True)], axes=[0])
        case(op.lower() + "_apart", op, [x], [fn(x, axis=(0, 2))], axes=[0, 2], keepdims=0)
    case("reducesum", "ReduceSum", [x, i64(1)], [x.sum(1, keepdims=True)], (1,))
    case("reducesum_all", "ReduceSum", [x], [x.sum(keepdims=True)])
    case("reducesum_i64", "ReduceSum", [y := RNG.randint(-9, 9, (3, 4)), i64(0)], [y.sum(0)], (1,), keepdims=0)
    case("reducemax_i32", "ReduceMax", [z := y.astype(np.int32)], [z.max(1)], axes=[1], keepdims=0)
    case("reducel1", "ReduceL1", [x], [abs(x).sum(2)], axes=[2], keepdims=0)
    case("reducel2", "ReduceL2", [x], [np.sqrt((x * x).sum(2))], axes=[2], keepdims=0)
    case("reducesumsquare", "ReduceSumSquare", [x], [(x * x).sum(1)], axes=[1], keepdims=0)
    case("reducelogsum", "ReduceLogSum", [p := pos(4, 5)], [np.log(p.sum(1))], axes=[1], keepdims=0)
    case("reducelogsumexp", "ReduceLogSumExp", [x], [np.log(np.exp(x).sum(2))], axes=[2], keepdims=0)
    case("argmax", "ArgMax", [x], [x.argmax(1)], axis=1, keepdims=0)
    case("argmin", "ArgMin", [x], [x.argmin(2)[..., None]], axis=-1)
    case("argmax_last", "ArgMax", [np.float32([[1, 3, 3]])], [i64(2)], axis=1, keepdims=0, select_last_index=1)
    case("softmax", "Softmax", [x], [softmax(x, -1)], dynamic=True)
    case("softmax_axis", "Softmax", [x], [softmax(x, 1)], axis=1)
    case("softmax_11", "Softmax", [x], [softmax(x.reshape(3, 20), 1).reshape(x.shape)], opset=11)
    case("log_softmax", "LogSoftmax", [x], [np.log(softmax(x, -1))])
    case("cumsum", "CumSum", [x, np.int64(1)], [np.cumsum(x, 1)], (1,))
    case("cumsum_reverse", "CumSum", [y, np.int64(0)], [np.cumsum(y[::-1], 0)[::-1] - y], (1,), exclusive=1, reverse=1)
    image, scale, bias, mean, var = f32(2, 3, 4, 5), f32(3), f32(3), f32(3), pos(3)

    def by_channel(v):
        return v[None, :, None, None]
    want = (image - by_channel(mean)) / np.sqrt(by_channel(var) + 1e-3) * by_channel(scale) + by_channel(bias)
    case("batch_norm", "BatchNormalization", [image, scale, bias, mean, var], [want.astype(np.float32)], (1, 2, 3, 4),
         opset=14, epsilon=1e-3)
    case("batch_norm_variable", "BatchNormalization", [image, scale, bias, mean, var], [want.astype(np.float32)], opset=14,
         epsilon=1e-3)
    gain, shift = f32(5), f32(5)
    centred = image - image.mean(-1, keepdims=True)
    want = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5) * gain + shift
    case("layer_norm", "LayerNormalization", [image, gain, shift], [want.astype(np.float32)], opset=17)
    flat = image.reshape(2, 3, 20)
    centred = flat - flat.mean(-1, keepdims=True)
    want = centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5) * scale[:, None] + bias[:, None]
    case("instance_norm", "InstanceNormalization", [image, scale, bias], [want.reshape(image.shape).astype(np.float32)])
    groups = (image := f32(2, 4, 3, 3)).reshape(2, 2, 18)
    centred = groups - groups.mean(-1, keepdims=True)
    normal = (centred / np.sqrt((centred ** 2).mean(-1, keepdims=True) + 1e-5))
    want = (normal * np.float32([2, 3])[:, None] + np.float32([1, -1])[:, None]).reshape(image.shape)
    case("group_norm", "GroupNormalization", [image, np.float32([2, 3]), np.float32([1, -1])], [want.astype(np.float32)],
         opset=18, num_groups=2)
    case("lp_norm", "LpNormalization", [x], [x / np.sqrt((x * x).sum(1, keepdims=True))], axis=1)


# Products.  -----------------------------------------------------------------------------------

def products():
    a, w = f32(2, 7, 9), f32(9, 33)
    case("matmul_packed", "MatMul", [a, w], [a @ w], (1,), dynamic=True)
    case("matmul", "MatMul", [a, v := f32(2, 9, 4)], [a @ v], dynamic=True)
    case("matmul_batched", "MatMul", [x := f32(3, 1, 4, 5), y := f32(2, 5, 6)], [x @ y])
    case("matmul_vector", "MatMul", [a, v := f32(9)], [a @ v])
    case("matmul_row", "MatMul", [v, w], [v @ w], (1,))
    case("matmul_i32", "MatMul", [x := RNG.randint(-9, 9, (3, 4)).astype(np.int32), y := x.T.copy()], [x @ y])
    case("matmul_f64", "MatMul", [x := x.astype(np.float64), y := y.astype(np.float64)], [x @ y])
    a, b = f32(6, 9), f32(33, 9)
    case("gemm", "Gemm", [a, b, c := f32(33)], [a @ b.T + c], (1, 2), transB=1, dynamic=True)
    case("gemm_whole", "Gemm", [a, b, c := f32(6, 33)], [a @ b.T + c], (1,), transB=1)
    case("gemm_column", "Gemm", [a, b, c := f32(6, 1)], [a @ b.T + c], (1,), transB=1)
    case("gemm_scaled", "Gemm", [a, b, c], [np.float32(0.5) * (a @ b.T) + 2 * c], (1,), transB=1, alpha=0.5, beta=2.0)
    case("gemm_variable", "Gemm", [a.T.copy(), b.T.copy()], [a @ b.T], transA=1)
    for name, shape, weights, options in [
            ("conv", (2, 3, 9, 8), (5, 3, 3, 3), {"padding": 1}),
            ("conv_1x1", (1, 16, 7, 7), (40, 16, 1, 1), {}),
            ("conv_stride", (1, 3, 12, 11), (17, 3, 5, 3), {"stride": (2, 3), "padding": (2, 1)}),
            ("conv_depthwise", (1, 20, 9, 9), (20, 1, 3, 3), {"groups": 20, "stride": 2, "padding": 1}),
            ("conv_groups", (1, 8, 6, 6), (12, 4, 3, 3), {"groups": 2}),
            ("conv_dilated", (1, 4, 11, 11), (6, 4, 3, 3), {"dilation": 2})]:
        x, k, bias = f32(*shape), f32(*weights), f32(weights[0])
        want = nn.functional.conv2d(torch.tensor(x), torch.tensor(k), torch.tensor(bias), **options).numpy()

        def two(v, otherwise):
            v = options.get(v, otherwise)
            return list(v) if isinstance(v, tuple) else [v, v]
        attrs = {"pads": two("padding", 0) * 2, "strides": two("stride", 1), "dilations": two("dilation", 1),
                 "group": options.get("groups", 1)}
        case(name, "Conv", [x, k, bias], [want], (1, 2), dynamic=name == "conv", **attrs)
        case(name + "_variable", "Conv", [x, k, bias], [want], **attrs)
    x, k = f32(1, 6, 50), f32(8, 6, 4)
    case("conv_1d", "Conv", [x, k], [nn.functional.conv1d(torch.tensor(x), torch.tensor(k), dilation=3).numpy()], (1,),
         dilations=[3])
    x, k = f32(1, 2, 5, 6, 7), f32(3, 2, 2, 3, 3)
    case("conv_3d", "Conv", [x, k], [nn.functional.conv3d(torch.tensor(x), torch.tensor(k)).numpy()], (1,))
    x, k = f32(1, 2, 7, 7), f32(3, 2, 3, 3)
    want = nn.functional.conv2d(nn.functional.pad(torch.tensor(x), (1, 1, 1, 1)), torch.tensor(k), stride=2).numpy()
    case("conv_same", "Conv", [x, k], [want], (1,), auto_pad="SAME_UPPER", strides=[2, 2])
    x = f32(2, 3, 9, 10)
    t = torch.tensor(x)
    pool = nn.functional
    case("max_pool", "MaxPool", [x], [pool.max_pool2d(t, 3, 2, 1).numpy()], kernel_shape=[3, 3], strides=[2, 2],
         pads=[1, 1, 1, 1], dynamic=True)
    case("max_pool_ceil", "MaxPool", [x], [pool.max_pool2d(t, 3, 2, ceil_mode=True).numpy()], kernel_shape=[3, 3],
         strides=[2, 2], ceil_mode=1)
    case("average_pool", "AveragePool", [x], [pool.avg_pool2d(t, 3, 2, 1, count_include_pad=False).numpy()],
         kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    case("average_pool_pads", "AveragePool", [x], [pool.avg_pool2d(t, 3, 2, 1).numpy()], kernel_shape=[3, 3],
         strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    case("global_average_pool", "GlobalAveragePool", [x], [x.mean((2, 3), keepdims=True)])
    case("global_max_pool", "GlobalMaxPool", [x], [x.max((2, 3), keepdims=True)])


# Networks: what fusion, folding and dynamic shapes are for.  ------------------------------------

class Residual(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.a, self.norm_a = nn.Conv2d(4, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.b, self.norm_b = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.side, self.norm_side = nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8)
        self.act = act
        for norm in (self.norm_a, self.norm_b, self.norm_side):
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)

    def forward(self, x):
        y = self.norm_b(self.b(self.act(self.norm_a(self.a(x)))))
        y = self.act(y + self.norm_side(self.side(x)))
        return torch.flatten(nn.functional.adaptive_avg_pool2d(y, 1), 1)


class Attention(nn.Module):
    def __init__(self, first):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(12, 12) for _ in range(4))
        self.up, self.down, self.norm = nn.Linear(12, 20), nn.Linear(20, 12), nn.LayerNorm(12)
        self.words, self.first = nn.Embedding(30, 12), first
        nn.init.normal_(self.norm.weight)
        nn.init.normal_(self.norm.bias)

    def forward(self, ids, mask):
        x = self.words(ids)
        b, s = ids.shape
        q, k, v = (f(x).view(b, s, 3, 4).transpose(1, 2) for f in (self.q, self.k, self.v))
        if self.first:
            scores = (q / 2.0) @ k.transpose(2, 3)
            scores = scores.masked_fill((mask == 0).view(b, 1, 1, s).expand_as(scores), float("-inf"))
        else:
            scores = q @ k.transpose(2, 3) / 2.0 + (1 - mask[:, None, None, :].float()) * -1e4
        y = (torch.softmax(scores, -1) @ v).transpose(1, 2).reshape(b, s, 12)
        x = self.norm(x + self.o(y))
        return self.norm(x + self.down(nn.functional.gelu(self.up(x))))


class Gates(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(4, 8, 2, dilation=4), nn.Conv1d(4, 4, 1)

    def forward(self, x):
        p, q = self.a(nn.functional.pad(x, (4, 0))).chunk(2, 1)
        y = torch.tanh(p) * torch.sigmoid(q)
        return x + self.b(y), nn.functional.silu(y)


def networks():
    torch.manual_seed(3)
    image = torch.tensor(f32(2, 4, 9, 9))
    keep = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}
    network("residual_relu", Residual(nn.ReLU()), (image,))
    network("residual_kept_norms", Residual(nn.ReLU6()), (image,), 12, {"i0": {0: "batch"}}, **keep)
    network("residual_silu", Residual(nn.SiLU()), (image,))
    ids, mask = torch.tensor(RNG.randint(0, 30, (2, 7))), torch.ones(2, 7, dtype=torch.long)
    mask[1, 4:] = 0
    tokens = {"i0": {0: "batch", 1: "length"}, "i1": {0: "batch", 1: "length"}}
    network("attention_where", Attention(True), (ids, mask), 11, tokens)
    network("attention_add", Attention(False), (ids, mask), 14, tokens)
    network("attention_static", Attention(False), (ids, mask), 17)
    network("gates", Gates(), (torch.tensor(f32(1, 4, 30)),), 12)


# Seeds alone: what the loader converts or refuses.  ------------------------------------------------

def odd_models():
    def model(tensors=(), nodes=(), inputs=(), opset=13):
        graph = helper.make_graph(list(nodes), "g", list(inputs), [], list(tensors))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("ai.onnx", opset)])
    for dtype in (1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16):
        yield "typed_%d" % dtype, model([helper.make_tensor("t", dtype, [2], [1, 0])])
    yield "typed_strings", model([helper.make_tensor("t", TensorProto.STRING, [1], [b"x"])])
    yield "complex", model([helper.make_tensor("t", TensorProto.COMPLEX64, [1], [1j])])
    bad = helper.make_tensor("t", 1, [2], [1, 2])
    bad.int64_data.extend([1, 2])
    yield "two_fields", model([bad])
    bad = helper.make_tensor("t", 1, [3], [1, 2, 3])
    bad.dims[0] = 4
    yield "short_data", model([bad])
    bad = numpy_helper.from_array(f32(3), "t")
    bad.dims[0] = 4
    yield "short_raw", model([bad])
    bad = numpy_helper.from_array(f32(3), "t")
    bad.dims[:] = [-3]
    yield "negative_dim", model([bad])
    bad = numpy_helper.from_array(f32(3), "t")
    bad.dims[:] = [1] * 9 + [3]
    yield "ten_axes", model([bad])
    outside = TensorProto(name="t", data_type=1, dims=[3], data_location=TensorProto.EXTERNAL)
    yield "external", model([outside])
    sparse = model()
    sparse.graph.sparse_initializer.add()
    yield "sparse", sparse
    yield "sequence_input", model(inputs=[helper.make_tensor_sequence_value_info("s", 1, None)])
    yield "odd_element", model(inputs=[helper.make_tensor_value_info("s", TensorProto.COMPLEX64, [1])])
    yield "ten_axes_input", model(inputs=[helper.make_tensor_value_info("s", 1, [1] * 10)])
    node = helper.make_node("Constant", [], ["c"], value_floats=[1.0, 2.0])
    yield "attribute_floats", model(nodes=[node])
    node = helper.make_node("Constant", [], ["c"], value_float=1.0)
    yield "attribute_float", model(nodes=[node])
    node = helper.make_node("If", [], ["c"], then_branch=model().graph, else_branch=model().graph)
    yield "attribute_graph", model(nodes=[node])
    node = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("t", 1, [1], [1]))
    node.attribute[0].t.data_type = 0
    yield "attribute_tensor_untyped", model(nodes=[node])
    node = helper.make_node("Constant", [], ["c"], value_ints=[1])
    node.attribute[0].floats.append(1)
    yield "attribute_both", model(nodes=[node])
    node = helper.make_node("Constant", [], ["c"], value_ints=[1])
    node.attribute[0].type = 4
    yield "attribute_no_tensor", model(nodes=[node])
    yield "initializer_input", model([numpy_helper.from_array(f32(2), "t")],
                                     inputs=[helper.make_tensor_value_info("t", 1, [2])])
    yield "twice", model([numpy_helper.from_array(f32(2), "t"), numpy_helper.from_array(f32(2), "t")])


# Writing.  ------------------------------------------------------------------------------------

def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def npy(array):
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return stream.getvalue()


def main():
    for make in (elements, pairs, places, sums, products, networks):
        make()
    seeds = os.path.join(HERE, "..", "..", "fuzz", "corpus", "onnx")
    os.makedirs(seeds, exist_ok=True)
    with open(os.path.join(HERE, "data", "cases.bin"), "wb") as out:
        for name, model, inputs, outputs in CASES:
            out.write(piece(name) + piece(model))
            for tensors in (inputs, outputs):
                out.write(struct.pack("<I", len(tensors)))
                for label, array in tensors.items():
                    out.write(piece(label) + piece(npy(array)))
            with open(os.path.join(seeds, name), "wb") as seed:
                seed.write(model)
    for name, model in odd_models():
        with open(os.path.join(seeds, "load_" + name), "wb") as seed:
            seed.write(model.SerializeToString())
    print("%d cases" % len(CASES))


main()
