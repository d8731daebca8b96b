#!/usr/bin/env python3
"""How near each model comes to what this machine can do.

    bounds.py RESULTS.json MODELS KERNELS [--markdown FILE]

RESULTS is what compare.py --json wrote, MODELS its folder, KERNELS the program bench_kernels.  A model's work
is counted from the shapes that ONNX Runtime's profile of one run shows, its graph as it is: two operations per
product of matrix products, convolutions and recurrent layers, and the bytes of their constant factors, each read
once.  The peaks are the machine's own: the fastest shape of bench_kernels at this precision and number of threads,
and the rate at which a matrix far larger than the caches is multiplied by a vector.  The bound of a case is
the longer of the two times; the share is the bound over the time that was measured.
"""
import argparse
import json
import math
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from compare import case_inputs  # noqa: E402


def shapes_of(event, which):
    return [next(iter(each.values())) for each in event["args"].get(which, [])]


def work_of(event):
    """Operations, and bytes of constant factors."""
    flops, weights = products_of(event)
    return flops, weights * (1 if event["args"]["op_name"].endswith("Integer") else 4)


def products_of(event):
    """Operations, and numbers in constant factors."""
    op, ins, outs = event["args"]["op_name"], shapes_of(event, "input_type_shape"), shapes_of(event, "output_type_shape")
    if op in ("MatMul", "MatMulInteger", "Gemm") and len(ins) > 1 and ins[0]:
        k = ins[0][-1] if ins[0][-1] in (ins[1][-2:] or [1]) else ins[0][0]
        return 2 * math.prod(outs[0]) * k, math.prod(ins[1]) if len(ins[1]) == 2 else 0
    if op in ("Conv", "ConvInteger"):
        return 2 * math.prod(outs[0]) * math.prod(ins[1][1:]), math.prod(ins[1])
    if op in ("LSTM", "GRU", "RNN"):
        steps, rows = ins[0][0], ins[0][1]
        weights = math.prod(ins[1]) + math.prod(ins[2])
        return 2 * steps * rows * weights, weights
    return 0, 0


def count(model, folder):
    """Operations and bytes of one run of a case."""
    import numpy
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_profiling = True
    options.add_session_config_entry("session.disable_prepacking", "1")  # packed factors have no shape in it
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as room:
        options.profile_file_prefix = os.path.join(room, "profile")
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        session.run(None, {name: numpy.load(path) for name, path in case_inputs(folder).items()})
        with open(session.end_profiling()) as trace:
            events = json.load(trace)
    work = [work_of(e) for e in events if e.get("cat") == "Node" and "op_name" in e.get("args", {})]
    return sum(w[0] for w in work), sum(w[1] for w in work)


def peak_flops(kernels, isa, precision, threads):
    done = subprocess.run(["taskset", "-c", ",".join(map(str, range(threads))), kernels, "--isa", isa, "--precision",
                           precision, "--threads", str(threads), "gemm"], stdout=subprocess.PIPE, text=True, check=True)
    return max(float(x) for x in re.findall(r"([0-9.]+) GFLOP/s +[0-9]+ %", done.stdout)) * 1e9


BANDWIDTH = """
import time, numpy
a, v = numpy.ones((65536, 2048), numpy.float32), numpy.ones(2048, numpy.float32)
def once():
    start = time.perf_counter(); a @ v
    return time.perf_counter() - start
print(a.nbytes / min(once() for _ in range(7)))
"""


def bandwidth(threads):
    env = dict(os.environ, OPENBLAS_NUM_THREADS=str(threads))
    done = subprocess.run(["taskset", "-c", ",".join(map(str, range(threads))), sys.executable, "-c", BANDWIDTH],
                          env=env, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def table(measured, models, kernels):
    peaks, rates, works = {}, {}, {}
    yield ["case", "threads", "engine", "ms", "GFLOP", "MB read", "bound ms", "by", "share"]
    for m in measured:
        name, threads = m["case"].split("/")[0], m["threads"]
        if m["case"] not in works:
            works[m["case"]] = count(os.path.join(models, name, "model.onnx"), os.path.join(models, m["case"]))
        flops, size = works[m["case"]]
        for engine, o in m["engines"].items():
            if not engine.startswith("blind:"):
                continue
            key = (o["isa"], engine[6:], threads)
            if key not in peaks:
                peaks[key] = peak_flops(kernels, *key)
            if threads not in rates:
                rates[threads] = bandwidth(threads)
            times = {"FLOP/s": flops / peaks[key] * 1e3, "bytes/s": size / rates[threads] * 1e3}
            by = max(times, key=times.get)
            yield [m["case"], str(threads), engine[6:], "%.4g" % o["ms"], "%.3g" % (flops / 1e9), "%.3g" % (size / 1e6),
                   "%.3g" % times[by], by, "%.0f %%" % (100 * times[by] / o["ms"])]
    yield "Peaks: " + "; ".join(
        ["%s %s, %d threads: %.0f GFLOP/s" % (*key, peaks[key] / 1e9) for key in peaks] +
        ["%d threads: %.1f GB/s" % (t, rates[t] / 1e9) for t in rates])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results")
    parser.add_argument("models")
    parser.add_argument("kernels")
    parser.add_argument("--markdown", metavar="FILE")
    args = parser.parse_args()
    with open(args.results) as f:
        rows = list(table(json.load(f), args.models, args.kernels))
    peaks, rows = rows[-1], rows[:-1]
    for row in rows:
        print("%-22s %7s %-8s %9s %8s %8s %9s %-8s %6s" % tuple(row))
    print(peaks)
    if args.markdown:
        with open(args.markdown, "w") as out:
            lines = ["| " + " | ".join(row) + " |" for row in rows]
            out.write("\n".join([lines[0], "|---" * len(rows[0]) + "|"] + lines[1:] + ["", peaks, ""]))


if __name__ == "__main__":
    main()
