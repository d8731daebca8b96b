#!/usr/bin/env python3
"""`blind bench` against ONNX Runtime: the same models, cases and threads, in turns, in one run.

    compare.py PROGRAM MODELS [--threads 1,2] [--rounds 3] [--seconds 2] [--precision highest,high,medium]
               [--openvino f32,bf16] [--least] [--warm MB] [--markdown FILE] [--json FILE] [CASE...]

Each engine runs in its own process, pinned to as many processors as it has threads; the engines take
turns, and the median over all rounds counts (--least: the least, for machines with neighbours).  Load is
the time until the engine is ready for these shapes (ours includes the SHA-256 of the file), memory the most
its process held.  A CASE is NAME/CASE as the generator made them: in.NAME.npy or input_NAME.npy; where
exact_NAME.npy lies beside them, made in float64, the error is the root mean square of the difference from all
such outputs over that of the outputs.  --warm: so much memory is taken and given back before each, for guests whose host
takes free memory away, so that whoever comes next waits for it.  Needs onnxruntime: `bench/run` puts it into a folder of its own.
"""
import argparse
import glob
import json
import math
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time


def case_inputs(folder):
    found = {}
    for prefix in ("in.", "input_"):
        for path in sorted(glob.glob(os.path.join(folder, prefix + "*.npy"))):
            found[os.path.basename(path)[len(prefix):-4]] = path
    return found


def error_of(folder, outputs):
    """outputs: name to array.  None where nothing exact lies in the folder."""
    import numpy
    wrong = size = 0.0
    for name, got in outputs.items():
        path = os.path.join(folder, "exact_%s.npy" % name)
        if os.path.exists(path):
            want = numpy.load(path)
            wrong += float(((got.astype(numpy.float64) - want) ** 2).sum())
            size += float((want ** 2).sum())
    return math.sqrt(wrong / size) if size else None


def time_calls(call, seconds):
    call()
    call()
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return {"median_ms": statistics.median(times), "min_ms": min(times)}


def onnxruntime_side(model, inputs, threads, _):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return onnxruntime.__version__, lambda: dict(zip(names, session.run(None, inputs)))


def openvino_side(model, inputs, threads, precision):
    import openvino
    core = openvino.Core()
    graph = core.read_model(model)
    names = [sorted(port.get_names()) for port in graph.outputs]
    graph.reshape({name: list(value.shape) for name, value in inputs.items()})
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
                                                 "INFERENCE_PRECISION_HINT": precision})
    request = compiled.create_infer_request()

    def call():
        result = request.infer(inputs)
        return {name: result[i] for i, all_ in enumerate(names) for name in all_}
    return openvino.__version__, call


def peer_side(engine, model, folder, threads, seconds):
    """Run in a process of its own: prints one line of JSON, as `blind bench` does."""
    import numpy
    inputs = {name: numpy.load(path) for name, path in case_inputs(folder).items()}
    kind, _, precision = engine.partition(":")
    __import__(kind)
    start = time.perf_counter()
    version, call = (openvino_side if kind == "openvino" else onnxruntime_side)(model, inputs, threads, precision)
    load_ms = (time.perf_counter() - start) * 1e3
    error = error_of(folder, call())
    measured = time_calls(call, seconds)
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
    measured.update(load_ms=load_ms, rss_peak_mb=int(peak.split()[1]) / 1024, version=version, error=error)
    print(json.dumps(measured))


def pinned(command, threads):
    chosen = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(["taskset", "-c", ",".join(map(str, chosen))] + command, stdout=subprocess.PIPE,
                          check=True, text=True)
    return done.stdout.strip()


def blind_command(args, command, model, folder, threads, precision):
    command = [args.program, command, "--model", model, "--threads", str(threads), "--precision", precision]
    for name, path in case_inputs(folder).items():
        command += ["--input", "%s=%s" % (name, path)]
    return command


def blind_error(args, model, folder, threads, precision):
    exact = glob.glob(os.path.join(folder, "exact_*.npy"))
    if not exact:
        return None
    import numpy
    with tempfile.TemporaryDirectory() as out:
        pinned(blind_command(args, "run", model, folder, threads, precision) + ["--output-dir", out], threads)
        names = [os.path.basename(path)[6:-4] for path in exact]
        files = {name: os.path.join(out, re.sub("[^A-Za-z0-9._-]", "_", name) + ".npy") for name in names}
        return error_of(folder, {name: numpy.load(path) for name, path in files.items() if os.path.exists(path)})


def warm_memory(size):
    import mmap
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    room.madvise(mmap.MADV_HUGEPAGE)
    for at in range(0, size, mmap.PAGESIZE):
        room[at] = 1
    room.close()


def engine_once(args, engine, model, folder, threads):
    if args.warm:
        warm_memory(args.warm << 20)
    kind, _, precision = engine.partition(":")
    if kind == "blind":
        command = blind_command(args, "bench", model, folder, threads, precision) + \
            ["--runs", "5", "--warmup", "2", "--min-seconds", str(args.seconds)]
    else:
        command = [sys.executable, os.path.abspath(__file__), "--child", engine, model, folder, str(threads),
                   str(args.seconds)]
    return json.loads(pinned(command, threads).splitlines()[-1])


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def measure(args, case, threads):
    """Engine to what was measured of it."""
    name = case.split("/")[0]
    model, folder = os.path.join(args.models, name, "model.onnx"), os.path.join(args.models, case)
    runs = {engine: [] for engine in args.engines}
    for _ in range(args.rounds):
        for engine in args.engines:
            runs[engine].append(engine_once(args, engine, model, folder, threads))
    key = "min_ms" if args.least else "median_ms"
    middle = min if args.least else statistics.median
    found = {}
    for engine, all_ in runs.items():
        found[engine] = dict(all_[0], ms=middle(one[key] for one in all_),
                             load_ms=middle(one["load_ms"] for one in all_),
                             rss_peak_mb=statistics.median(one["rss_peak_mb"] for one in all_))
        if engine.startswith("blind:"):
            found[engine]["error"] = blind_error(args, model, folder, threads, engine[6:])
    return {"case": case, "threads": threads, "engines": found}


HEADER = ["case", "threads", "engine", "ms", "faster", "error", "load ms", "shorter", "peak MB"]


def rows(m):
    """A row for each engine; faster and shorter are ONNX Runtime's time over the engine's."""
    base = m["engines"]["onnxruntime"]
    for engine, o in m["engines"].items():
        error = "%.1e" % o["error"] if o.get("error") is not None else "-"
        yield [m["case"], str(m["threads"]), engine, "%.4g" % o["ms"], "%.2f" % (base["ms"] / o["ms"]), error,
               "%.0f" % o["load_ms"], "%.2f" % (base["load_ms"] / o["load_ms"]), "%.0f" % o["rss_peak_mb"]]


def summary(measured):
    """One line per engine: geometric mean and worst of how much faster it is than ONNX Runtime."""
    lines = []
    for engine in measured[0]["engines"]:
        if engine == "onnxruntime":
            continue
        ratios = [m["engines"]["onnxruntime"]["ms"] / m["engines"][engine]["ms"] for m in measured]
        load = [m["engines"]["onnxruntime"]["load_ms"] / m["engines"][engine]["load_ms"] for m in measured]
        lines.append("%s: %.2f times as fast as ONNX Runtime (geometric mean; least %.2f, most %.2f), loads in a time "
                     "%.2f times shorter" % (engine, statistics.geometric_mean(ratios), min(ratios), max(ratios),
                                             statistics.geometric_mean(load)))
    return lines


def markdown(table, lines, about):
    text = ["# Against ONNX Runtime", "", about, ""] + ["- " + line for line in lines]
    text += ["", "| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    return "\n".join(text + ["| " + " | ".join(r) + " |" for r in table]) + "\n"


def main():
    if sys.argv[1:2] == ["--child"]:
        return peer_side(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), float(sys.argv[6]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--precision", default="highest")
    parser.add_argument("--openvino", default="", help="f32, bf16 or both")
    parser.add_argument("--least", action="store_true")
    parser.add_argument("--warm", type=int, default=0, metavar="MB")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--json", metavar="FILE", help="what bounds.py and plot.py read; added to")
    args = parser.parse_intermixed_args()
    args.engines = ["blind:" + p for p in args.precision.split(",")] + ["onnxruntime"]
    args.engines += ["openvino:" + p for p in args.openvino.split(",") if p]
    folders = {os.path.dirname(f) for kind in ("in.*", "input_*")
               for f in glob.glob(os.path.join(args.models, "*/*/" + kind + ".npy"))}
    found = sorted(os.path.relpath(folder, args.models) for folder in folders)
    cases = [c for c in found if not args.cases or any(c == a or c.startswith(a + "/") for a in args.cases)]
    form = "%-22s %7s %-14s %9s %7s %9s %8s %8s %8s"
    print(form % tuple(HEADER), flush=True)
    measured = []
    for case in cases:
        for threads in map(int, args.threads.split(",")):
            measured.append(measure(args, case, threads))
            for row in rows(measured[-1]):
                print(form % tuple(row), flush=True)
    if not measured:
        sys.exit("compare.py: no cases in '%s'" % args.models)
    engines = measured[0]["engines"]
    versions = ", ".join("%s %s" % (e.partition(":")[0], engines[e]["version"]) for e in engines
                         if not e.startswith("blind:") and e != "openvino:bf16")
    about = ("%s, %d processors; blind with %s, %s; %s. %s of %d rounds in turns. Faster and shorter: ONNX Runtime's "
             "time over the engine's." % (processor(), len(os.sched_getaffinity(0)),
                                          engines[args.engines[0]].get("isa", "?"), versions, time.strftime("%Y-%m-%d"),
                                          "Least" if args.least else "Medians", args.rounds))
    print("\n".join(summary(measured) + [about]))
    if args.json:
        before = []
        if os.path.exists(args.json):
            with open(args.json) as old:
                before = json.load(old)
        again = {(m["case"], m["threads"]) for m in measured}
        with open(args.json, "w") as out:
            json.dump([m for m in before if (m["case"], m["threads"]) not in again] + measured, out, indent=1)
    if args.markdown:
        table = [row for m in measured for row in rows(m)]
        with open(args.markdown, "w") as out:
            out.write(markdown(table, summary(measured), about + " Made by `./dev bench onnx`."))


if __name__ == "__main__":
    main()
