"""Writes tiny ONNX models by hand, so that tests need no onnx package."""

# blind's KServe names -> ONNX TensorProto.DataType
ONNX_TYPE = {"FP32": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "BYTES": 8, "BOOL": 9,
             "FP64": 11, "UINT32": 12, "UINT64": 13}


def varint(value):
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def value_info(name, kserve, shape):
    dims = b"".join(field(1, field(2, d) if isinstance(d, str) else field(1, d)) for d in shape)
    return field(1, name) + field(2, field(1, field(1, ONNX_TYPE[kserve]) + field(2, dims)))


def node(op, inputs, outputs):
    return b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs) + field(4, op)


def model(nodes, inputs, outputs, opset=13):
    graph = (b"".join(field(1, n) for n in nodes) + field(2, "g") + b"".join(field(11, i) for i in inputs)
             + b"".join(field(12, o) for o in outputs))
    return field(1, 7) + field(7, graph) + field(8, field(1, "") + field(2, opset))


def identity(kserve, shape=("n", 3)):
    """output = input, for one element type."""
    return model([node("Identity", ["x"], ["y"])], [value_info("x", kserve, shape)], [value_info("y", kserve, shape)])


def subtract():
    """Two int64 scalars: `input` minus `sub`; and their sum as a second output."""
    infos = [value_info(n, "INT64", ()) for n in ("input", "sub", "difference", "sum")]
    return model([node("Sub", ["input", "sub"], ["difference"]), node("Add", ["input", "sub"], ["sum"])],
                 infos[:2], infos[2:])
