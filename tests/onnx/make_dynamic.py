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
LIKE_OTHERS = """strings_gather strings_initializer shape_by_value_view loop_0 loop_4 scan_reversed function_default bad_deep
bad_loop_strings bad_range_by_value scan_axes bad_no_such_item bad_no_body bad_external_past_the_end
bad_external_huge_length bad_external_no_number bad_external_negative bad_external_too_long_a_number
bad_external_another_size bad_external_no_file bad_external_no_location bad_external_control_character
external_unaligned external_to_the_end bad_loop_pile known_if_0 known_if_constant known_if_unused""".split()  # no seeds for the fuzzer
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


def sequence(name, kind=TensorProto.FLOAT):
    return helper.make_tensor_sequence_value_info(name, kind, None)


def optional(name, kind=TensorProto.FLOAT):
    return helper.make_value_info(name, helper.make_optional_type_proto(helper.make_tensor_type_proto(kind, None)))


def node(op, inputs, outputs, **attrs):
    return helper.make_node(op, inputs, outputs, **attrs)


def const(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def graph(nodes, inputs, outputs, constants=()):
    return helper.make_graph(nodes, "body", inputs, outputs, list(constants))


def f32(*shape):
    return np.arange(1, 1 + int(np.prod(shape)), dtype=np.float32).reshape(shape) / 4


I64, F32, BOOL, STRING, F16 = (TensorProto.INT64, TensorProto.FLOAT, TensorProto.BOOL, TensorProto.STRING,
                               TensorProto.FLOAT16)


def shape_cases():
    x, s = f32(2, 6), np.array([3, 4])
    given = [tensor("x", F32, [2, 6]), tensor("s", I64, [2])]
    case("shape_by_value", [node("Relu", ["x"], ["r"]), node("Reshape", ["r", "s"], ["y"]),
                            node("Add", ["y", "y"], ["z"])], given, [tensor("z"), tensor("r")], [x, s],
         [2 * x.reshape(3, 4), x])
    case("shape_by_value_view", [node("Reshape", ["x", "s"], ["y"])], given, [tensor("y")], [x, s], [x.reshape(3, 4)])
    case("range_by_value", [node("Range", ["a", "b", "c"], ["y"])], [tensor(n, I64, []) for n in "abc"],
         [tensor("y", I64)], [np.int64(2), np.int64(11), np.int64(3)], [np.array([2, 5, 8])])
    case("slice_by_value", [node("Shape", ["x"], ["n"]), node("Sub", ["n", "s"], ["e"]),
                            node("Slice", ["x", "s", "n"], ["y"]), node("Expand", ["y", "m"], ["z"])],
         [tensor("x", F32, ["a", "b"]), tensor("s", I64, [2])], [tensor("z"), tensor("e", I64)], [x, np.array([1, 2])],
         [np.broadcast_to(x[1:, 2:], (5, 1, 4)), np.array([1, 4])], initializer=[const("m", np.array([5, 1, 1]))])
    half = x.astype(np.float16)
    case("shape_by_value_f16", [node("Exp", ["x"], ["r"]), node("Reshape", ["r", "s"], ["y"]), node("Mul", ["y", "y"], ["z"])],
         [tensor("x", F16, [2, 6]), tensor("s", I64, [2])], [tensor("z", F16)], [half * 0, s],
         [np.ones((3, 4), np.float16)])
    case("pad_by_value_f16", [node("CumSum", ["x", "s"], ["y"])],
         [tensor("x", F16, [2, 6]), tensor("s", I64, [])], [tensor("y", F16)], [half * 0 + 1, np.int64(1)],
         [np.tile(np.arange(1, 7), (2, 1)).astype(np.float16)])
    nodes, last = [], "x"
    for i in range(40):  # more segments than are planned
        nodes += [node("Reshape", [last, "s"], ["r%d" % i]), node("Neg", ["r%d" % i], ["n%d" % i])]
        last = "n%d" % i
    nodes.append(node("Add", [last, "n7"], ["y"]))
    case("many_segments", nodes, given, [tensor("y")], [x, s], [2 * x.reshape(3, 4)])
    nodes, last = [node("Neg", ["s"], ["m"])], "x"  # the same where every input is ones, as the fuzzer has them
    for i in range(40):
        nodes += [node("Reshape", [last, "m"], ["r%d" % i]), node("Neg", ["r%d" % i], ["n%d" % i])]
        last = "n%d" % i
    case("many_flat_segments", nodes, [tensor("x", F32, [2, 6]), tensor("s", I64, [1])], [tensor(last)], [x, np.array([1])],
         [x.reshape(12)])


def branch_cases():
    x = f32(2, 3)
    yes = graph([node("Add", ["x", "k"], ["t"])], [], [tensor("t")])
    no = graph([node("ReduceSum", ["x"], ["e"], keepdims=0)], [], [tensor("e")])
    pick = [node("If", ["c"], ["m"], then_branch=yes, else_branch=no), node("Mul", ["m", "m"], ["y"])]
    for c, want in [(True, (x + 1) ** 2), (False, x.sum() ** 2)]:
        case("if_%d" % c, pick, [tensor("c", BOOL, []), tensor("x", F32, ["a", "b"])], [tensor("y")],
             [np.bool_(c), x], [want], initializer=[const("k", np.float32(1))])
    same = graph([], [], [tensor("x")])
    case("if_outer_value", [node("If", ["c"], ["y"], then_branch=same, else_branch=same)],
         [tensor("c", BOOL, [1]), tensor("x", F32, [2, 3])], [tensor("y")], [np.array([True]), x], [x])
    inner = graph([node("Mul", ["x", "k"], ["i"])], [], [tensor("i")])
    deep = graph([node("If", ["c"], ["d"], then_branch=inner, else_branch=same)], [], [tensor("d")])
    case("if_in_if", [node("If", ["c"], ["y"], then_branch=deep, else_branch=same)],
         [tensor("c", BOOL, []), tensor("x", F32, [2, 3])], [tensor("y")], [np.bool_(True), x], [3 * x],
         initializer=[const("k", np.float32(3))])
    fixed = graph([node("Constant", [], ["f"], value=const("", np.float32([7, 8])))], [], [tensor("f")])
    case("if_constant_result", [node("If", ["c"], ["m"], then_branch=fixed, else_branch=same), node("Neg", ["m"], ["y"])],
         [tensor("c", BOOL, []), tensor("x", F32, [2, 3])], [tensor("y")], [np.bool_(True), x], [np.float32([-7, -8])])
    case("if_by_shape", [node("Shape", ["x"], ["n"]), node("Size", ["n"], ["r"]), node("Equal", ["r", "k"], ["c"]),
                         node("If", ["c"], ["y"], then_branch=same, else_branch=fixed)],
         [tensor("x", F32, ["a", "b"])], [tensor("y")], [x], [x], initializer=[const("k", np.int64(2))])


def known_branch_cases():
    """Ifs whose condition stands in the model; the branch that is not taken has what is no operator."""
    x, k, b = f32(2, 3), const("k", np.float32(3)), lambda v: const("c", np.bool_(v))
    never = graph([node("NoSuchOperator", ["x"], ["e"])], [], [tensor("e")])
    twice = graph([node("Mul", ["x", "k"], ["t"])], [], [tensor("t")])
    given, out = [tensor("x", F32, ["a", "b"])], [tensor("y")]
    for c in (True, False):
        branches = {"then_branch": twice if c else never, "else_branch": never if c else twice}
        case("known_if_%d" % c, [node("If", ["c"], ["m"], **branches), node("Neg", ["m"], ["y"])], given, out, [x], [-3 * x],
             initializer=[b(c), k])
    case("known_if_constant", [node("Constant", [], ["c"], value=const("", np.array([True]))),
                               node("If", ["c"], ["y"], then_branch=twice, else_branch=never)], given, out, [x], [3 * x], initializer=[k])
    several = graph([node("Mul", ["x", "k"], ["t"]), node("Constant", [], ["f"], value=const("", np.float32([7, 8])))], [],
                    [tensor("t"), tensor("x"), tensor("t"), tensor("w"), tensor("f")], [const("w", np.float32(5))])
    names = ["p", "q", "r", "s", "u"]
    case("known_if_outputs", [node("If", ["c"], names, then_branch=several, else_branch=never)], given, [tensor(n) for n in names],
         [x], [3 * x, x, 3 * x, np.float32(5), np.float32([7, 8])], initializer=[b(True), k])
    case("known_if_unused", [node("If", ["c"], ["", "q"], then_branch=several, else_branch=never)], given, [tensor("q")],
         [x], [x], initializer=[b(True), k])
    inner = graph([node("Add", ["z", "k"], ["i"])], [], [tensor("i")])
    outer = graph([node("Mul", ["x", "k"], ["z"]), node("If", ["c"], ["o"], then_branch=inner, else_branch=never)], [], [tensor("o")])
    case("known_if_in_if", [node("If", ["c"], ["m"], then_branch=outer, else_branch=never), node("Neg", ["m"], ["y"])], given, out,
         [x], [-3 * x - 3], initializer=[b(True), k])
    body = loop_body([node("Identity", ["c"], ["c_out"]), node("If", ["w"], ["v_out"], then_branch=graph(
        [node("Add", ["v", "k"], ["a"])], [], [tensor("a")]), else_branch=never)], [tensor("v")], [tensor("v_out")])
    case("in_loop_known_if", [node("Loop", ["n", "", "x"], ["y"], body=body)], given, out, [x], [x + 12],
         initializer=[const("n", np.int64(4)), const("w", np.bool_(True)), k])
    open_if = graph([node("Mul", ["x", "k"], ["z"]), node("If", ["d"], ["o"], then_branch=inner, else_branch=graph(
        [node("Neg", ["z"], ["g"])], [], [tensor("g")]))], [], [tensor("o")])
    case("if_in_known_if", [node("If", ["c"], ["y"], then_branch=open_if, else_branch=never)], given + [tensor("d", BOOL, [])], out,
         [x, np.bool_(False)], [-3 * x], initializer=[b(True), k])


def loop_body(nodes, carried, outs, constants=()):
    return graph(nodes, [tensor("i", I64, []), tensor("c", BOOL, [])] + carried, [tensor("c_out", BOOL)] + outs, constants)


def loop_cases():
    x = f32(2, 3)
    keep = node("Identity", ["c"], ["c_out"])
    body = loop_body([keep, node("Add", ["v", "x"], ["v_out"]), node("Identity", ["v_out"], ["s"])], [tensor("v")],
                     [tensor("v_out"), tensor("s", F32, [2, 3])])
    loop = [node("Loop", ["n", "", "x"], ["y", "z"], body=body)]
    for n in (0, 1, 4):
        case("loop_%d" % n, loop, [tensor("n", I64, []), tensor("x", F32, [2, 3])], [tensor("y"), tensor("z")],
             [np.int64(n), x], [x * (n + 1), np.stack([x * (i + 2) for i in range(n)]) if n else np.zeros((0, 2, 3), np.float32)])
    grow = loop_body([keep, node("Concat", ["v", "x"], ["v_out"], axis=0)], [tensor("v")], [tensor("v_out")])
    case("loop_growing", [node("Loop", ["n", "", "x"], ["y"], body=grow)],
         [tensor("n", I64, []), tensor("x", F32, [2, 3])], [tensor("y")], [np.int64(5), x], [np.tile(x, (6, 1))])
    until = loop_body([node("Add", ["v", "v"], ["v_out"]), node("ReduceMax", ["v_out"], ["m"], keepdims=0),
                       node("Less", ["m", "k"], ["c_out"])], [tensor("v")], [tensor("v_out")])
    case("loop_until", [node("Loop", ["", "t", "x"], ["y"], body=until)],
         [tensor("x", F32, [2, 3]), tensor("t", BOOL, [])], [tensor("y")], [x, np.bool_(True)], [x * 128],
         initializer=[const("k", np.float32(100))])
    inner = graph([node("Add", ["w", "v"], ["w_out"]), node("Identity", ["d"], ["d_out"])],
                  [tensor("j", I64, []), tensor("d", BOOL, []), tensor("w")], [tensor("d_out", BOOL), tensor("w_out")])
    outer = loop_body([keep, node("Loop", ["n", "", "v"], ["v_out"], body=inner)], [tensor("v")], [tensor("v_out")])
    case("loop_in_loop", [node("Loop", ["n", "", "x"], ["y"], body=outer)],
         [tensor("n", I64, []), tensor("x", F32, [2, 3])], [tensor("y")], [np.int64(3), x], [x * 64])
    product = loop_body([keep, node("MatMul", ["v", "w"], ["v_out"])], [tensor("v")], [tensor("v_out")])
    w = np.float32([[0, 1, 0], [0, 0, 1], [2, 0, 0]])
    case("loop_weights", [node("Loop", ["n", "", "x"], ["y"], body=product)],
         [tensor("n", I64, []), tensor("x", F32, [2, 3])], [tensor("y")], [np.int64(4), x],
         [x @ np.linalg.matrix_power(w, 4).astype(np.float32)], initializer=[const("w", w)])
    text = strings("a", "b")
    words = loop_body([keep, node("Concat", ["v", "k"], ["v_out"], axis=0)], [tensor("v", STRING)], [tensor("v_out", STRING)])
    case("loop_strings", [node("Loop", ["n", "", "s"], ["y"], body=words)],
         [tensor("n", I64, []), tensor("s", STRING, [2])], [tensor("y", STRING)], [np.int64(3), text],
         [strings("a", "b", "end", "end", "end")],
         initializer=[helper.make_tensor("k", STRING, [1], [b"end"])])
    index = loop_body([keep, node("Gather", ["x", "i"], ["g"]), node("Unsqueeze", ["i", "zero"], ["from"]),
                       node("Add", ["from", "zero"], ["a"]), node("Slice", ["x", "a", "end", "zero"], ["part"]),
                       node("ReduceSum", ["part"], ["s"], keepdims=0), node("Add", ["v", "s"], ["v_out"])],
                      [tensor("v")], [tensor("v_out"), tensor("g")], [const("zero", np.array([0])), const("end", np.array([99]))])
    case("loop_slices", [node("Loop", ["n", "", "k"], ["y", "z"], body=index)],
         [tensor("n", I64, []), tensor("x", F32, [2, 3])], [tensor("y"), tensor("z")], [np.int64(2), x],
         [np.float32(x.sum() + x[1:].sum()), x], initializer=[const("k", np.float32(0))])


def scan_cases():
    x, s = f32(4, 3), f32(3)
    body = graph([node("Add", ["s", "e"], ["t"]), node("Mul", ["t", "e"], ["o"])], [tensor("s"), tensor("e")],
                 [tensor("t"), tensor("o")])
    def run(rows):
        state, made = s.copy(), []
        for e in rows:
            state = state + e
            made.append(state * e)
        return state, made
    given = [tensor("s", F32, [3]), tensor("x", F32, [4, 3])]
    gives = [tensor("y"), tensor("z")]
    y, z = run(x)
    case("scan", [node("Scan", ["s", "x"], ["y", "z"], body=body, num_scan_inputs=1)], given, gives, [s, x], [y, np.stack(z)])
    y, z = run(x[::-1])
    case("scan_reversed", [node("Scan", ["s", "x"], ["y", "z"], body=body, num_scan_inputs=1, scan_input_directions=[1],
                                scan_output_directions=[1], scan_output_axes=[-1])], given, gives, [s, x],
         [y, np.stack(z[::-1], axis=-1)])
    y, z = run(x)
    case("scan_axes", [node("Scan", ["s", "x"], ["y", "z"], body=body, num_scan_inputs=1, scan_input_axes=[1],
                            scan_output_axes=[1])], [given[0], tensor("x", F32, [3, 4])], gives, [s, x.T], [y, np.stack(z, axis=1)])
    batch = np.stack([x, x * 2])
    both = [run(x), run(batch[1][:2])]
    padded = np.zeros((2, 4, 3), np.float32)
    padded[0], padded[1, :2] = np.stack(both[0][1]), np.stack(both[1][1])
    case("scan_8", [node("Scan", ["l", "s", "x"], ["y", "z"], body=body, num_scan_inputs=1)],
         [tensor("l", I64, [2]), tensor("s", F32, [2, 3]), tensor("x", F32, [2, 4, 3])], gives,
         [np.array([4, 2]), np.stack([s, s]), batch], [np.stack([both[0][0], both[1][0]]), padded], opset=8)


def sequence_cases():
    a, b, c = f32(2, 3), f32(1, 3) * 5, f32(4, 3)
    s = [sequence("s")]
    case("sequence_out", [node("SequenceConstruct", ["a", "b"], ["s"]), node("SequenceInsert", ["s", "c", "k"], ["t"]),
                          node("SequenceErase", ["t", "k"], ["u"]), node("SequenceLength", ["t"], ["n"]),
                          node("ConcatFromSequence", ["t"], ["y"], axis=0)],
         [tensor("a"), tensor("b"), tensor("c")], [sequence("t"), sequence("u"), tensor("n", I64), tensor("y")], [a, b, c],
         [[a, c, b], [a, b], np.int64(3), np.concatenate([a, c, b])], initializer=[const("k", np.int64(1))])
    case("sequence_in", [node("SequenceAt", ["s", "i"], ["y"]), node("Neg", ["y"], ["z"])], s + [tensor("i", I64, [])],
         [tensor("z")], [[a, b], np.int64(-1)], [-b])
    case("sequence_empty", [node("SequenceEmpty", [], ["y"], dtype=I64)], [tensor("x")], [sequence("y", I64)], [a], [[]])
    case("sequence_split", [node("SplitToSequence", ["c", "k"], ["y"], axis=0), node("SplitToSequence", ["c"], ["z"], axis=1,
                                                                                keepdims=0)],
         [tensor("c"), tensor("k", I64, [])], [sequence("y"), sequence("z")], [c, np.int64(3)],
         [[c[:3], c[3:]], [c[:, i] for i in range(3)]])
    body = graph([node("Add", ["e", "a"], ["t"]), node("Shape", ["e"], ["o"])], [tensor("e")], [tensor("t"), tensor("o", I64)])
    case("sequence_map", [node("SequenceMap", ["s"], ["y", "z"], body=body)], s + [tensor("a")],
         [sequence("y"), sequence("z", I64)], [[a, b], np.float32(1)], [[a + 1, b + 1], [np.array([2, 3]), np.array([1, 3])]])
    keep = node("Identity", ["c"], ["c_out"])
    grow = loop_body([keep, node("Gather", ["x", "i"], ["g"]), node("SequenceInsert", ["q", "g"], ["q_out"])], [sequence("q")],
                     [sequence("q_out")])
    case("sequence_in_loop", [node("SequenceEmpty", [], ["q"]), node("Loop", ["n", "", "q"], ["y"], body=grow)],
         [tensor("n", I64, []), tensor("x")], [sequence("y")], [np.int64(4), c], [list(c)])
    case("sequence_of_strings", [node("SequenceConstruct", ["a", "k"], ["y"])], [tensor("a", STRING, [2])],
         [sequence("y", STRING)], [strings("x", "")], [[strings("x", ""), strings("k")]],
         initializer=[helper.make_tensor("k", STRING, [1], [b"k"])])
    for name, v in [("some", a), ("none", None)]:
        case("optional_" + name, [node("OptionalHasElement", ["o"], ["h"]),
                                  node("If", ["h"], ["y"], then_branch=graph([node("OptionalGetElement", ["o"], ["g"])], [], [tensor("g")]),
                                       else_branch=graph([node("Identity", ["b"], ["g2"])], [], [tensor("g2")])),
                                  node("Identity", ["o"], ["p"])],
             [optional("o"), tensor("b")], [tensor("h", BOOL), tensor("y"), optional("p")], [v, b],
             [np.bool_(v is not None), b if v is None else v, v], opset=18)


def function_cases():
    x = f32(2, 3)
    own = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    ref = node("Elu", ["a"], ["b"])
    ref.attribute.append(helper.make_attribute("alpha", 1.0))
    ref.attribute[0].ref_attr_name = "alpha"
    ref.attribute[0].ClearField("f")
    elu = helper.make_function("own", "Half", ["a", "left_out"], ["c", "unused"], [
        ref, node("Constant", [], ["k"], value_float=0.5), node("Mul", ["b", "k"], ["c"]), node("Neg", ["b"], ["unused"])], own, ["alpha"])
    twice = helper.make_function("own", "Twice", ["a"], ["c"], [
        node("Half", ["a"], ["b"], domain="own", alpha=2.0), node("Half", ["b"], ["c"], domain="own", alpha=1.0)], own)
    def half(v, alpha):
        return np.where(v < 0, alpha * np.expm1(v), v).astype(np.float32) / 2
    case("function_nested", [node("Twice", ["x"], ["y"], domain="own"), node("Half", ["x"], ["z"], domain="own", alpha=4.0)],
         [tensor("x", F32, [2, 3])], [tensor("y"), tensor("z")], [-x], [half(half(-x, 2), 1), half(-x, 4)],
         functions=[twice, elu], domains=["own"])
    default = helper.make_function("own", "Half", ["a"], ["c"], [ref, node("Identity", ["b"], ["c"])], own,
                                   attribute_protos=[helper.make_attribute("alpha", 3.0)])
    case("function_default", [node("Half", ["x"], ["y"], domain="own")], [tensor("x", F32, [2, 3])], [tensor("y")], [-x],
         [2 * half(-x, 3)], functions=[default], domains=["own"])
    body = graph([node("Add", ["a", "a"], ["t"])], [], [tensor("t")])
    flow = helper.make_function("own", "Flow", ["p", "a"], ["r"], [
        node("If", ["p"], ["r"], then_branch=body, else_branch=graph([node("Neg", ["a"], ["e"])], [], [tensor("e")]))], own)
    case("function_with_bodies", [node("Flow", ["c", "x"], ["y"], domain="own")],
         [tensor("c", BOOL, []), tensor("x", F32, [2, 3])], [tensor("y")], [np.bool_(False), x], [-x],
         functions=[flow], domains=["own"])


def outside(name, shape, kind=TensorProto.FLOAT, **where):
    """A constant in another file; w.bin holds the bytes 0 to 255 sixteen times over."""
    t = TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in where.items():
        t.external_data.add(key=key, value=str(value))
    return t


def external_cases():
    w = np.frombuffer(bytes(range(256)) * 16, np.uint8)
    x, given = np.zeros(8, np.uint8), [tensor("x", TensorProto.UINT8, [8])]
    def one(name, t, want=x):
        case(name, [node("Add", ["x", "w"], ["y"])], given, [tensor("y", TensorProto.UINT8)], [x], [want], initializer=[t])
    one("external", outside("w", [8], TensorProto.UINT8, location="w.bin", offset=40, length=8), w[40:48])
    one("external_to_the_end", outside("w", [8], TensorProto.UINT8, location="w.bin", offset=4088), w[4088:])
    odd = np.frombuffer(w[3:3 + 32].tobytes(), np.float32)
    case("external_unaligned", [node("Add", ["x", "w"], ["y"])], [tensor("x", F32, [8])], [tensor("y")], [np.zeros(8, np.float32)],
         [odd], initializer=[outside("w", [8], location="w.bin", offset=3, length=32)])
    for name, where in {
            "past_the_end": dict(location="w.bin", offset=4090, length=8), "offset_past_the_end": dict(location="w.bin", offset=5000),
            "huge_offset": dict(location="w.bin", offset=10 ** 17, length=8), "huge_length": dict(location="w.bin", length=10 ** 17),
            "no_number": dict(location="w.bin", offset="0x10"), "negative": dict(location="w.bin", offset=-8),
            "too_long_a_number": dict(location="w.bin", offset=2 ** 64), "another_size": dict(location="w.bin", length=9),
            "no_file": dict(location="v.bin", length=8), "no_location": dict(length=8),
            "control_character": dict(location="w\n.bin", length=8)}.items():
        one("bad_external_" + name, outside("w", [8], TensorProto.UINT8, **where))


# Models that have no good end.  ---------------------------------------------------------------

def bad(name, nodes, inputs, outputs, **more):
    case("bad_" + name, nodes, inputs, outputs, [None] * len(inputs), [None] * len(outputs), **more)


def bad_cases():
    own = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    def function(name, calls, times=1):
        nodes = [node(calls, ["a"], ["t%d" % i], domain="own") for i in range(times)]
        return helper.make_function("own", name, ["a"], ["t0"], nodes, own)
    x, y = [tensor("x", F32, [2])], [tensor("y")]
    bad("function_cycle", [node("F", ["x"], ["y"], domain="own")], x, y, functions=[function("F", "G"), function("G", "F")],
        domains=["own"])
    last = helper.make_function("own", "F0", ["a"], ["t0"], [node("Neg", ["a"], ["t0"])], own)
    bad("function_explosion", [node("F9", ["x"], ["y"], domain="own")], x, y,
        functions=[last] + [function("F%d" % i, "F%d" % (i - 1), 20) for i in range(1, 10)], domains=["own"])
    nothing = helper.make_function("own", "F0", ["a"], ["a"], [], own)
    def hollow(name, calls):
        nodes = [node(calls, ["a"], ["t%d" % i], domain="own") for i in range(20)]
        return helper.make_function("own", name, ["a"], ["t0"], nodes, own)
    bad("function_hollow", [node("F9", ["x"], ["y"], domain="own")], x, y,
        functions=[nothing] + [hollow("F%d" % i, "F%d" % (i - 1)) for i in range(1, 10)], domains=["own"])
    deep = graph([node("Neg", ["x"], ["d"])], [], [tensor("d")])
    for i in range(20):
        deep = graph([node("If", ["c"], ["d%d" % i], then_branch=deep, else_branch=graph([], [], [tensor("x")]))], [],
                     [tensor("d%d" % i)])
    c = [tensor("c", BOOL, [])]
    bad("deep", [node("If", ["c"], ["y"], then_branch=deep, else_branch=graph([], [], [tensor("x")]))], c + x, y)
    own_output = graph([node("Neg", ["y"], ["d"])], [], [tensor("d")])
    bad("reads_its_own_output", [node("If", ["c"], ["y"], then_branch=own_output, else_branch=own_output)], c + x, y)
    keep = node("Identity", ["c"], ["c_out"])
    forever = loop_body([keep, node("Neg", ["v"], ["v_out"])], [tensor("v")], [tensor("v_out")])
    bad("loop_forever", [node("Loop", ["", "", "x"], ["y"], body=forever)], x, y)
    hog = loop_body([keep, node("Concat", ["v", "v"], ["v_out"], axis=0)], [tensor("v")], [tensor("v_out")])
    bad("loop_memory", [node("Loop", ["", "", "x"], ["y"], body=hog)], x, y)
    pile = loop_body([keep, node("Neg", ["v"], ["v_out"]), node("Neg", ["v"], ["s"])], [tensor("v")],
                     [tensor("v_out"), tensor("s", F32, [2])])
    bad("loop_pile", [node("Loop", ["", "", "x"], ["y", "z"], body=pile)], x, y + [tensor("z")])
    queue = loop_body([keep, node("SequenceInsert", ["q", "x"], ["q_out"])], [sequence("q")], [sequence("q_out")])
    bad("loop_sequence", [node("SequenceEmpty", [], ["q"]), node("Loop", ["", "", "q"], ["y"], body=queue)], x, [sequence("y")])
    text = loop_body([keep, node("Concat", ["v", "k"], ["w"], axis=0), node("Identity", ["w"], ["v_out"])],
                     [tensor("v", STRING)], [tensor("v_out", STRING)])
    bad("loop_strings", [node("Loop", ["", "", "k"], ["y"], body=text)], x, [tensor("y", STRING)],
        initializer=[helper.make_tensor("k", STRING, [1], [b"k" * 1000])])
    bad("range_by_value", [node("Cast", ["x"], ["i"], to=I64), node("ReduceMax", ["i"], ["m"], keepdims=0),
                           node("Range", ["zero", "m", "one"], ["y"])], x, [tensor("y", I64)],
        initializer=[const("zero", np.int64(0)), const("one", np.int64(1))])
    bad("sequence_as_tensor", [node("SequenceConstruct", ["x"], ["s"]), node("Neg", ["s"], ["y"])], x, y)
    bad("tensor_as_sequence", [node("SequenceAt", ["x", "i"], ["y"])], x, y, initializer=[const("i", np.int64(0))])
    bad("no_such_item", [node("SequenceConstruct", ["x"], ["s"]), node("SequenceAt", ["s", "i"], ["y"])], x, y,
        initializer=[const("i", np.int64(1))])
    bad("nothing_there", [node("Optional", [], ["o"], type=helper.make_tensor_type_proto(F32, None)),
                          node("OptionalGetElement", ["o"], ["y"])], x, y, opset=18)
    bad("scan_lengths", [node("Scan", ["x", "x", "k"], ["y", "z"], num_scan_inputs=2, body=graph(
        [node("Add", ["s", "e"], ["t"]), node("Neg", ["f"], ["o"])], [tensor("s"), tensor("e"), tensor("f")],
        [tensor("t"), tensor("o")]))], x, y + [tensor("z")], initializer=[const("k", np.float32([1, 2, 3]))])
    bad("loop_arguments", [node("Loop", ["", "", "x", "x"], ["y"], body=forever)], x, y)
    bad("no_body", [node("If", ["c"], ["y"])], c + x, y)


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
    for make in (string_cases, shape_cases, branch_cases, known_branch_cases, loop_cases, scan_cases, sequence_cases, function_cases, external_cases, bad_cases):
        make()
    seeds = os.path.join(HERE, "..", "..", "fuzz", "corpus", "onnx_dynamic")
    os.makedirs(seeds, exist_ok=True)
    with open(os.path.join(HERE, "data", "dynamic.bin"), "wb") as out:
        for name, model, inputs, outputs in CASES:
            out.write(piece(name) + piece(model))
            for values in (inputs, outputs):
                out.write(struct.pack("<I", len(values)) + b"".join(piece(k) + value(v) for k, v in values))
            if name not in LIKE_OTHERS:
                with open(os.path.join(seeds, name), "wb") as seed:
                    seed.write(model)
    print("%d cases" % len(CASES))


main()
