#!/usr/bin/env python3
"""`blind bench` against ONNX Runtime: the same models, cases and threads, in turns, in one run.

    compare.py PROGRAM MODELS [--threads 1,2] [--rounds 3] [--seconds 2] [--markdown FILE] [CASE...]

Each engine runs in its own process, pinned to as many processors as it has threads; the engines take
turns, and the median over all rounds counts.  Load is the time until the engine is ready for these
shapes (ours includes the SHA-256 of the file), memory the most its process held.  A CASE is
NAME/CASE as the generator made them.  Needs onnxruntime: `bench/run` puts it into a folder of its own.
"""
import argparse
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
import time


def case_inputs(folder):
    return {os.path.basename(f)[3:-4]: f for f in sorted(glob.glob(os.path.join(folder, "in.*.npy")))}


def onnxruntime_side(model, folder, threads, seconds):
    """Run in a process of its own: prints one line of JSON, as `blind bench` does."""
    import numpy
    import onnxruntime
    inputs = {name: numpy.load(path) for name, path in case_inputs(folder).items()}
    start = time.perf_counter()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    load_ms = (time.perf_counter() - start) * 1e3
    session.run(None, inputs)
    session.run(None, inputs)
    times, begin = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - begin < seconds:
        start = time.perf_counter()
        session.run(None, inputs)
        times.append((time.perf_counter() - start) * 1e3)
    peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")][0]
    print(json.dumps({"median_ms": statistics.median(times), "load_ms": load_ms,
                      "rss_peak_mb": int(peak.split()[1]) / 1024, "version": onnxruntime.__version__}))


def pinned(command, threads):
    chosen = sorted(os.sched_getaffinity(0))[:threads]
    done = subprocess.run(["taskset", "-c", ",".join(map(str, chosen))] + command, stdout=subprocess.PIPE,
                          check=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def blind_command(program, model, folder, threads, seconds):
    command = [program, "bench", "--model", model, "--threads", str(threads), "--runs", "5", "--warmup", "2",
               "--min-seconds", str(seconds)]
    for name, path in case_inputs(folder).items():
        command += ["--input", "%s=%s" % (name, path)]
    return command


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def measure(args, case, threads):
    name = case.split("/")[0]
    model, folder = os.path.join(args.models, name, "model.onnx"), os.path.join(args.models, case)
    ours, theirs = [], []
    for _ in range(args.rounds):
        ours.append(pinned(blind_command(args.program, model, folder, threads, args.seconds), threads))
        theirs.append(pinned([sys.executable, os.path.abspath(__file__), "--child", model, folder, str(threads),
                              str(args.seconds)], threads))

    def middle(list_, key):
        return statistics.median(one[key] for one in list_)
    return {"case": case, "threads": threads, "version": theirs[0]["version"],
            "isa": ours[0].get("isa", "?"),
            "ours": {k: middle(ours, k) for k in ("median_ms", "load_ms", "rss_peak_mb")},
            "theirs": {k: middle(theirs, k) for k in ("median_ms", "load_ms", "rss_peak_mb")}}


HEADER = ["case", "threads", "blind ms", "ORT ms", "ratio", "load ms", "ORT load", "peak MB", "ORT peak"]


def row(m):
    o, t = m["ours"], m["theirs"]
    return [m["case"], str(m["threads"]), "%.3g" % o["median_ms"], "%.3g" % t["median_ms"],
            "%.2f" % (o["median_ms"] / t["median_ms"]), "%.0f" % o["load_ms"], "%.0f" % t["load_ms"],
            "%.0f" % o["rss_peak_mb"], "%.0f" % t["rss_peak_mb"]]


def ranges(measured):
    """One line each for time, load and memory: blind's share of ONNX Runtime's, over all cases and threads."""
    lines = []
    for what, key in (("time", "median_ms"), ("load", "load_ms"), ("memory", "rss_peak_mb")):
        ratios = [m["ours"][key] / m["theirs"][key] for m in measured]
        lines.append("%-6s %.2f to %.2f of ONNX Runtime's, median %.2f" %
                     (what, min(ratios), max(ratios), statistics.median(ratios)))
    return lines


def markdown(rows, summary, about):
    lines = ["# Against ONNX Runtime", "", about, ""] + ["- " + line for line in summary]
    lines += ["", "| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
    return "\n".join(lines + ["| " + " | ".join(r) + " |" for r in rows]) + "\n"


def main():
    if sys.argv[1:2] == ["--child"]:
        return onnxruntime_side(sys.argv[2], sys.argv[3], int(sys.argv[4]), float(sys.argv[5]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models")
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--markdown", metavar="FILE")
    args = parser.parse_intermixed_args()
    found = sorted(os.path.relpath(os.path.dirname(p), args.models)
                   for p in {os.path.dirname(f) + "/x" for f in glob.glob(os.path.join(args.models, "*/*/in.*.npy"))})
    cases = [c for c in found if not args.cases or any(c == a or c.startswith(a + "/") for a in args.cases)]
    form = "%-26s %7s %9s %9s %6s %8s %9s %8s %9s"
    print(form % tuple(HEADER), flush=True)
    measured = []
    for case in cases:
        for threads in map(int, args.threads.split(",")):
            measured.append(measure(args, case, threads))
            print(form % tuple(row(measured[-1])), flush=True)
    if not measured:
        sys.exit("compare.py: no cases in '%s'" % args.models)
    about = ("%s, %d processors; blind with %s, ONNX Runtime %s; %s. Medians of %d rounds in turns. A ratio below 1 "
             "means that blind is faster." % (processor(), len(os.sched_getaffinity(0)), measured[0]["isa"],
                                              measured[0]["version"], time.strftime("%Y-%m-%d"), args.rounds))
    print("\n".join(ranges(measured) + [about]))
    if args.markdown:
        with open(args.markdown, "w") as out:
            out.write(markdown(map(row, measured), ranges(measured), about + " Made by `./dev bench onnx`."))


if __name__ == "__main__":
    main()
