#!/usr/bin/env python3
"""Makes the models beside it with Debian's python3-onnx 1.12."""
import numpy
from onnx import TensorProto, checker, helper, numpy_helper, save


def write(name, nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(constants))
    model = helper.make_model(graph, producer_name="blind tests",
                              opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 7
    checker.check_model(model)
    save(model, name + ".onnx")


F32 = TensorProto.FLOAT
info = helper.make_tensor_value_info

# total = a + b, doubled = total + total
write("sum",
      [helper.make_node("Add", ["a", "b"], ["total"]),
       helper.make_node("Add", ["total", "total"], ["doubled"])],
      [info("a", F32, ["batch", 3]), info("b", F32, [3])],
      [info("total", F32, ["batch", 3]), info("doubled", F32, ["batch", 3])])

# y = x W^64, W a permutation: long enough to be stepped more than once
size, layers = 96, 64
nodes = [helper.make_node("MatMul", ["x" if i == 0 else f"h{i}", "w"],
                          ["y" if i == layers - 1 else f"h{i + 1}"]) for i in range(layers)]
weights = numpy.roll(numpy.eye(size, dtype=numpy.float32), 1, axis=1)
write("matmuls", nodes, [info("x", F32, ["rows", size])], [info("y", F32, ["rows", size])],
      [numpy_helper.from_array(weights, "w")])

# y = the sum of a product of two matrices as large as asked for: one node that takes as long as anybody likes
write("product",
      [helper.make_node("ConstantOfShape", ["sides"], ["m"]),
       helper.make_node("MatMul", ["m", "m"], ["p"]),
       helper.make_node("ReduceMax", ["p"], ["y"], keepdims=0)],
      [info("sides", TensorProto.INT64, [2])], [info("y", F32, [])])

# y = the sum of the table's rows that the ids name: an id out of range fails the run
table = numpy.arange(32, dtype=numpy.float32).reshape(8, 4)
write("ids",
      [helper.make_node("Gather", ["table", "ids"], ["rows"]),
       helper.make_node("ReduceSum", ["rows", "one"], ["y"], keepdims=0)],
      [info("ids", TensorProto.INT64, ["batch", "length"])], [info("y", F32, ["batch", 4])],
      [numpy_helper.from_array(table, "table"), numpy_helper.from_array(numpy.array([1]), "one")])

# y = x less the mean over the batch: a row's answer depends on the other rows
write("mixed",
      [helper.make_node("ReduceMean", ["x"], ["mean"], axes=[0]),
       helper.make_node("Sub", ["x", "mean"], ["y"])],
      [info("x", F32, ["batch", 4])], [info("y", F32, ["batch", 4])])
