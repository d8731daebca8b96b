"""Small graphs through blind and through ONNX Runtime, on the same inputs.

    fuzz/peer [--graphs N] [--inputs N] [--seed N] [--show SEED]

Each graph is made from a number (graph_maker.c), opened once by both and run on many inputs; blind
runs it as a server would, on the best instruction set, fused.  An answer further away than
graph_bounds.c allows is printed with the number that makes its graph.  Status 1 when there is one."""
import argparse
import collections
import ctypes
import sys
import time

import numpy as np
import onnxruntime

DTYPES = {0: np.float32, 1: np.float64, 2: np.int32, 3: np.int64, 4: np.uint32, 5: np.uint64,
          6: np.uint8, 7: np.uint16, 8: np.int8, 9: np.int16, 10: np.bool_, 11: np.float16}
STRING = 13  # each as four bytes of its size, then its bytes
NUMBERS = {np.dtype(t): n for n, t in DTYPES.items()}


class Library:
    """peer_ops.c."""

    def __init__(self, path):
        lib = ctypes.CDLL(path)
        lib.peer_make.argtypes = [ctypes.c_uint64, ctypes.c_bool]
        lib.peer_model.restype = ctypes.c_void_p
        lib.peer_fill.argtypes = [ctypes.c_uint64]
        lib.peer_nodes.restype = lib.peer_error.restype = lib.peer_check.restype = ctypes.c_char_p
        lib.peer_check.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_void_p,
                                   ctypes.c_void_p, ctypes.c_size_t]
        self.lib = lib

    def model(self):
        size = ctypes.c_size_t()
        data = self.lib.peer_model(ctypes.byref(size))
        return ctypes.string_at(data, size.value)

    def values(self):
        """Of each input or output: number, whether it is an input, dtype, shape, address."""
        out, data = (ctypes.c_int64 * 16)(), ctypes.c_void_p()
        i = 0
        while (kind := self.lib.peer_value(i, out, ctypes.byref(data))) >= 0:
            if kind:
                yield i, kind == 1, out[0], tuple(out[3:3 + max(out[1], 0)]), data.value, out[2]
            i += 1

    def nodes(self):
        return self.lib.peer_nodes().decode().split()


def words_of(data, shape):
    """Strings as the library has them, as an array."""
    words, at = [], 0
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at:at + 4], "little")
        words.append(data[at + 4:end].decode())
        at = end
    return np.array(words, dtype=object).reshape(shape)


def lend(dtype, shape, address, size):
    """An array over the library's memory, which it fills anew; a copy of strings."""
    if dtype == STRING:
        return words_of(ctypes.string_at(address, size), shape)
    dtype = np.dtype(DTYPES[dtype])
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    memory = (ctypes.c_uint8 * size).from_address(address) if size else bytearray()
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


def session(model):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


class Peer:
    def __init__(self, library, show):
        self.library, self.lib, self.show = library, library.lib, show
        self.counts = collections.Counter()
        self.refused, self.differing = collections.Counter(), collections.Counter()

    def graph(self, seed, inputs):
        """One graph, on so many inputs."""
        mine = self.lib.peer_make(seed, seed % 3 == 0)
        if self.show:
            self.lib.peer_print()
        values = list(self.library.values())
        if any(dtype not in DTYPES and dtype != STRING for _, _, dtype, *_ in values):
            self.counts["of types that numpy has not"] += 1
            return
        try:
            theirs = session(self.library.model())
        except Exception as e:  # its own kinds, one per code
            self.counts["refused by both" if mine else "refused by ONNX Runtime"] += 1
            if not mine:
                self.refused["ONNX Runtime: " + reason(str(e))] += 1
            return
        if mine:
            self.counts["refused by blind"] += 1
            self.refused["blind: " + self.lib.peer_error().decode()] += 1
            return
        feed = self.feed(values)
        wanted = [i for i, given, *_ in values if not given]
        names = [f"v{i}" for i in wanted]
        for k in range(inputs):
            if k:
                self.lib.peer_fill(seed * 1000003 + k)
                if any(value[2] == STRING for value in values):
                    feed = self.feed(list(self.library.values()))
            if not self.one(theirs, names, wanted, feed, seed, k):
                break
        self.counts["graphs"] += 1

    def feed(self, values):
        return {f"v{i}": lend(*rest) for i, given, *rest in values if given}

    def one(self, theirs, names, wanted, feed, seed, k):
        code = self.lib.peer_run()
        try:
            answers = theirs.run(names, feed)
        except Exception as e:
            self.counts["failed in both" if code else "failed in ONNX Runtime"] += 1
            if not code:
                self.refused["ONNX Runtime fails: " + reason(str(e))] += 1
            return bool(code)
        if code:
            self.counts["failed in blind"] += 1
            self.refused["blind fails: " + self.lib.peer_error().decode()] += 1
            return True
        self.counts["executions"] += 1
        for i, a in zip(wanted, answers):
            a = np.asarray(a, order="C")
            shape = (ctypes.c_int64 * 16)(*a.shape)
            if a.dtype == object:
                texts = b"".join(len(t.encode()).to_bytes(4, "little") + t.encode() for t in a.reshape(-1))
                why = self.lib.peer_check(i, STRING, a.ndim, shape, texts, len(texts))
            else:
                why = self.lib.peer_check(i, NUMBERS[a.dtype], a.ndim, shape, a.ctypes.data, a.nbytes)
            if why:
                self.differing[self.maker(i)] += 1
                print(f"seed {seed} input {k}: v{i}: {why.decode()}: {' '.join(self.library.nodes())}", flush=True)
                return self.show
        return True

    def maker(self, _):
        return " ".join(self.library.nodes())


def reason(text):
    text = text.split("] : ")[-1]
    return "".join(c for c in text.replace("\n", " ") if not c.isdigit())[:150]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("library")
    p.add_argument("--graphs", type=int, default=1000)
    p.add_argument("--inputs", type=int, default=100)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--show", type=int)
    a = p.parse_args()
    peer = Peer(Library(a.library), a.show is not None)
    start = time.time()
    for seed in [a.show] if a.show is not None else range(a.seed, a.seed + a.graphs):
        peer.graph(seed, a.inputs)
    for name, n in sorted(peer.counts.items()):
        print(f"{n:10} {name}")
    for name, n in peer.refused.most_common(60):
        print(f"{n:10} {name}")
    print(f"{time.time() - start:.0f} s; {len(peer.differing)} graphs differ")
    return 1 if peer.differing else 0


if __name__ == "__main__":
    sys.exit(main())
