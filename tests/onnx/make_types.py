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
SEEDS = ("half_outputs_in_the_middle", "bf16_product", "int4_constant", "einsum_ellipsis", "einsum_scores", "top_k", "one_hot",
         "quantize_blocks", "quantized_product", "integer_convolution", "cross_entropy", "pattern", "split", "normalize", "ngrams")


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


def single(name, op, inputs, outputs, opset=21, **attrs):
    """One node over i0, i1, ... that makes o0, o1, ..."""
    given = {"i%d" % i: np.asarray(v) for i, v in enumerate(inputs)}
    made = {"o%d" % i: np.asarray(v) for i, v in enumerate(outputs)}
    case(name, [node(op, " ".join(given), " ".join(made), **attrs)], given, made, opset=opset)


def einsums():
    def f32(*shape):
        return RNG.standard_normal(shape).astype(np.float32)

    for name, equation, *operands in (
            ("product", "bij,bjk->bik", f32(3, 4, 5), f32(3, 5, 7)), ("scores", "bhqd,bhkd->bhqk", f32(2, 3, 4, 5), f32(2, 3, 6, 5)),
            ("swapped", "ij,kj->ki", f32(4, 5), f32(6, 5)), ("many_rows", "abk,kn->abn", f32(2, 3, 4), f32(4, 5)),
            ("diagonal", "ii->i", f32(4, 4)), ("trace", "ii", f32(4, 4)), ("sum", "ij->j", f32(3, 4)),
            ("implicit", "ba,cb", f32(3, 4), f32(2, 3)), ("three", "i,j,k->kji", f32(2), f32(3), f32(4)),
            ("ellipsis", "...ij,...jk->...ik", f32(3, 1, 2, 4), f32(5, 4, 3)), ("one", "i->", f32(1)),
            ("double", "ij,jk->ik", f32(2, 3).astype(np.float64), f32(3, 2).astype(np.float64))):
        single("einsum_" + name, "Einsum", operands, [np.einsum(equation, *operands)], equation=equation)


def selections():
    x = RNG.permutation(60).reshape(3, 4, 5).astype(np.float32)
    x[0, 0, 0] = x[0, 0, 1]
    order = np.argsort(-x, axis=2, kind="stable")[..., :3]
    k = ("k", np.array([3]))
    case("top_k", [node("TopK", "x k", "v i")], {"x": x}, {"v": np.take_along_axis(x, order, 2), "i": order}, [k])
    whole = x.astype(np.int64) - 2**62
    order = np.argsort(whole, axis=1, kind="stable")[:, :3]
    case("top_k_smallest_of_64_bits", [node("TopK", "x k", "v i", axis=1, largest=0)], {"x": whole},
         {"v": np.take_along_axis(whole, order, 1), "i": order}, [k])
    hot = np.zeros((2, 4, 3), np.int32)
    hot[0, 1, 0] = hot[0, 3, 1] = hot[1, 0, 0] = hot[1, 2, 2] = 1
    case("one_hot", [node("OneHot", "i d v", "y", axis=1)], {"i": np.array([[1, -1, 4], [0, 9, 2]])}, {"y": hot * 7 + 1},
         [("d", np.array(4)), ("v", np.array([1, 8], np.int32))])
    for upper in (0, 1):
        for shift in (-9, -1, 0, 2, 9):
            y = np.triu(x, shift) if upper else np.tril(x, shift)
            case("trilu_%d_%d" % (upper, shift), [node("Trilu", "x k", "y", upper=upper)], {"x": x}, {"y": y},
                 [("k", np.array(shift))])
    single("determinant", "Det", [x[..., :4]], [np.linalg.det(x[..., :4])])
    single("eye_like", "EyeLike", [x[0]], [np.eye(4, 5, -1).astype(np.int8)], k=-1, dtype=TensorProto.INT8)


def quantized():
    x, scale, zero = RNG.standard_normal((2, 6)).astype(np.float32) * 9, np.float32(0.11), np.uint8(120)
    q = np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8)
    single("quantize", "QuantizeLinear", [x, scale, zero], [q])
    single("dequantize", "DequantizeLinear", [q, scale, zero], [(q.astype(np.int32) - zero).astype(np.float32) * scale])
    scales, zeros = np.float32([[0.1, 0.2], [0.3, 0.4]]), np.int8([[1, -2], [3, -4]])
    s, z = np.repeat(scales, 3, 1), np.repeat(zeros, 3, 1).astype(np.float32)
    single("quantize_blocks", "QuantizeLinear", [x, scales, zeros], [np.clip(np.rint(x / s) + z, -128, 127).astype(np.int8)],
           axis=1, block_size=3)
    a, b = RNG.randint(0, 256, (2, 3, 4)).astype(np.uint8), RNG.randint(-128, 128, (4, 5)).astype(np.int8)
    za, zb = np.uint8(7), RNG.randint(-128, 128, 5).astype(np.int8)
    exact = (a.astype(np.int32) - 7) @ (b.astype(np.int32) - zb)
    single("integer_product", "MatMulInteger", [a, b, za, zb], [exact.astype(np.int32)])
    sa, sb, sy, zy = np.float32(0.02), (np.arange(5) * 0.01 + 0.01).astype(np.float32), np.float32(0.9), np.int8(-3)
    want = np.clip(np.rint(exact.astype(np.float32) * (sa * sb / sy)) + zy, -128, 127).astype(np.int8)
    single("quantized_product", "QLinearMatMul", [a, sa, za, b, sb, zb, sy, zy], [want])
    image, taps = RNG.randint(0, 256, (1, 2, 4, 5)).astype(np.uint8), RNG.randint(0, 256, (3, 2, 2, 2)).astype(np.uint8)
    sums = np.zeros((1, 3, 5, 3), np.int32)
    padded = np.pad(image.astype(np.int32) - 100, ((0, 0), (0, 0), (1, 1), (1, 1)))
    for o in range(3):
        for y in range(5):
            for v in range(3):
                sums[0, o, y, v] = (padded[0, :, y:y + 2, 2 * v:2 * v + 2] * (taps[o].astype(np.int32) - 50)).sum()
    single("integer_convolution", "ConvInteger", [image, taps, np.uint8(100), np.uint8(50)], [sums], pads=[1, 1, 1, 1],
           strides=[1, 2])


def losses():
    x, target = RNG.standard_normal((3, 5, 2)).astype(np.float32), np.array([[1, 4], [0, 2], [3, 3]])
    weight = np.float32([1, 2, 0.5, 3, 1])
    logs = x - np.log(np.exp(x).sum(1, keepdims=True))
    picked = -np.take_along_axis(logs, target[:, None], 1)[:, 0] * weight[target]
    kept = target != 3
    single("cross_entropy", "SoftmaxCrossEntropyLoss", [x, target, weight],
           [np.float32((picked * kept).sum() / (weight[target] * kept).sum()), logs], ignore_index=3)
    single("likelihood_each", "NegativeLogLikelihoodLoss", [logs, target, weight], [picked], reduction="none")


def constants_of_text():
    def texts(name, *values):
        return helper.make_node("Constant", [], [name], value_strings=list(values))

    case("pattern", [texts("s", "www.blind.com", "www.blind.org", "x", ""), node("RegexFullMatch", "s", "m", pattern=r"www\.[\w.-]+\.\bcom\b"),
                     node("Not", "m", "a"), node("Identity", "x", "y")], {"x": np.float32([1])},
         {"a": np.array([False, True, True, True]), "y": np.float32([1])})
    case("split", [texts("s", "a b  c", "", " d "), node("StringSplit", "s", "p n"), texts("w", "a", "b", "c", "", "", "", "d", "", ""),
                   node("Reshape", "p k", "f"), node("Equal", "f w", "same"), node("Add", "n x", "y")],
         {"x": np.array([0])}, {"same": np.ones(9, bool), "y": np.array([3, 0, 1])}, [("k", np.array([9]))])
    case("normalize", [texts("s", "Monday", "TUESDAY", "\u00c4"), node("StringNormalizer", "s", "l", case_change_action="LOWER",
                                                                  stopwords=["monday"]),
                       texts("w", "tuesday", "\u00e4"), node("Equal", "l w", "e"), node("Cast", "e", "c", to=TensorProto.INT64),
                       node("Add", "c x", "y")], {"x": np.array([0])}, {"y": np.array([1, 1])})
    single("ngrams", "TfIdfVectorizer", [np.array([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])], [np.float32([0, 3, 1, 0, 1, 1, 1])],
           mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=0, ngram_counts=[0, 4],
           ngram_indexes=[0, 1, 2, 3, 4, 5, 6], pool_int64s=[2, 3, 5, 4, 5, 6, 7, 8, 6, 7])


def piece(data):
    data = data.encode() if isinstance(data, str) else data
    return struct.pack("<I", len(data)) + data


def npy(array):
    stream = io.BytesIO()
    np.save(stream, np.require(array, requirements="C"))
    return stream.getvalue()


def main():
    for make in (halves, brains, small, texts, einsums, selections, quantized, losses, constants_of_text):
        make()
    seeds = os.path.join(HERE, "..", "..", "fuzz", "corpus", "onnx")
    with open(os.path.join(HERE, "data", "types.bin"), "wb") as out:
        for name, model, inputs, outputs in CASES:
            if name in SEEDS:
                with open(os.path.join(seeds, "types_" + name), "wb") as seed:
                    seed.write(model)
            out.write(piece(name) + piece(model))
            for tensors in (inputs, outputs):
                out.write(struct.pack("<I", len(tensors)))
                for label, array in tensors.items():
                    out.write(piece(label) + piece(npy(array)))
    print("%d cases" % len(CASES))


main()
