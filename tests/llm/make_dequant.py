#!/usr/bin/env python3
"""Writes tests/vectors/llm/dequant.bin: random blocks of every type of weights, and their values by the
Python package `gguf` (PyPI), which is ggml's own description of its types.

    pip install gguf; tests/llm/make_dequant.py tests/vectors/llm/dequant.bin

Per type: its name in 8 bytes, elements and bytes as uint32, the blocks, the values as float32.
"""
import struct
import sys

import numpy
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

NAMES = ("F16 BF16 Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS").split()
# Where a block holds half-precision scales: random bytes there would be NaN or infinite.
SCALES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}


def main():
    random = numpy.random.default_rng(5)
    with open(sys.argv[1], "wb") as out:
        for name in NAMES:
            kind = GGMLQuantizationType[name]
            length, size = GGML_QUANT_SIZES[kind]
            count = 3 if length > 1 else 64
            blocks = random.integers(0, 256, (count, size), dtype=numpy.uint8)
            for at in SCALES.get(name, [0]):
                scale = random.normal(0, 0.1, count).astype(numpy.float16)
                if name == "BF16":
                    scale = (random.normal(0, 9, count).astype(numpy.float32).view(numpy.uint32) >> 16).astype(numpy.uint16)
                blocks[:, at:at + 2] = scale.view(numpy.uint8).reshape(count, 2)
            values = dequantize(blocks.reshape(-1), kind).astype(numpy.float32).reshape(-1)
            assert len(values) == count * length and numpy.isfinite(values).all()
            out.write(struct.pack("<8sII", name.encode(), len(values), blocks.size))
            out.write(blocks.tobytes() + values.tobytes())


main()
