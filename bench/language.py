#!/usr/bin/env python3
"""Language models: `blind bench` against llama-bench, the same files and threads, in turns, in one run.

    language.py PROGRAM LLAMA_BENCH MODELS [--threads 2] [--rounds 3] [--prefill 512] [--decode 128] [--isa amx,avx512,avx2]
                [--markdown FILE] [NAME...]

MODELS has NAME.gguf.  Each engine runs in its own process, pinned to as many processors as it has threads; medians
of all rounds count.  Prefill is the rate at which a prompt is read, decode that at which one stream is written, in
tokens a second; peak is the most that the process held, mapped file included.  --isa: llama.cpp has the one that it was
built for, ours is told.
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


def run(command, threads, **environment):
    """What the process printed, and its peak in MB."""
    chosen = ",".join(map(str, sorted(os.sched_getaffinity(0))[:threads]))
    process = subprocess.Popen(["taskset", "-c", chosen] + command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True, env=dict(os.environ, **environment))
    text = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit("language.py: %s ended with status %d" % (" ".join(command), os.waitstatus_to_exitcode(status)))
    return text, used.ru_maxrss / 1024


def blind_once(args, model, threads, isa):
    text, peak = run([args.program, "bench", "--model", model, "--threads", str(threads), "--prefill", str(args.prefill),
                      "--decode", str(args.decode), "--runs", "1", "--warmup", "1"], threads, BLIND_ISA=isa)
    told = json.loads(text.splitlines()[-1])
    return {"prefill": told["prefill_tokens_s"], "decode": told["decode_tokens_s"], "load_ms": told["load_ms"], "peak": peak}


def llama_once(args, model, threads, _):
    text, peak = run([args.llama_bench, "-m", model, "-t", str(threads), "-p", str(args.prefill), "-n", str(args.decode),
                      "-r", "1", "-o", "json"], threads)
    rates = {("decode" if row["n_gen"] else "prefill"): row["avg_ts"] for row in json.loads(text)}
    return dict(rates, peak=peak)


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def medians(runs):
    return {key: statistics.median(one[key] for one in runs) for key in runs[0]}


HEADER = ["model", "threads", "isa", "prefill t/s", "theirs", "faster", "decode t/s", "theirs", "faster", "load ms",
          "peak MB", "theirs", "file MB"]


def row(name, threads, isa, ours, theirs, size):
    return [name, str(threads), isa, "%.0f" % ours["prefill"], "%.0f" % theirs["prefill"],
            "%.2f" % (ours["prefill"] / theirs["prefill"]), "%.1f" % ours["decode"], "%.1f" % theirs["decode"],
            "%.2f" % (ours["decode"] / theirs["decode"]), "%.0f" % ours["load_ms"], "%.0f" % ours["peak"],
            "%.0f" % theirs["peak"], "%.0f" % (size / 1e6)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("llama_bench")
    parser.add_argument("models")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prefill", type=int, default=512)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--isa", default="amx")
    parser.add_argument("--markdown", metavar="FILE")
    args = parser.parse_intermixed_args()
    models = [m for m in sorted(glob.glob(os.path.join(args.models, "*.gguf")))
              if not args.names or os.path.basename(m)[:-5] in args.names]
    if not models:
        sys.exit("language.py: no such models in '%s'" % args.models)
    form = "%-22s %7s %7s %11s %8s %6s %10s %8s %6s %7s %7s %7s %7s"
    print(form % tuple(HEADER), flush=True)
    table = []
    for model in models:
        for threads in map(int, args.threads.split(",")):
            isas = args.isa.split(",")
            runs = {isa: [] for isa in isas + ["theirs"]}
            for _ in range(args.rounds):
                for isa in isas:
                    runs[isa].append(blind_once(args, model, threads, isa))
                runs["theirs"].append(llama_once(args, model, threads, None))
            for isa in isas:
                table.append(row(os.path.basename(model)[:-5], threads, isa, medians(runs[isa]), medians(runs["theirs"]),
                                 os.path.getsize(model)))
                print(form % tuple(table[-1]), flush=True)
    about = ("%s, %d processors; medians of %d rounds in turns; prefill of %d tokens, decode of %d; %s."
             % (processor(), len(os.sched_getaffinity(0)), args.rounds, args.prefill, args.decode, time.strftime("%Y-%m-%d")))
    print(about)
    if args.markdown:
        with open(args.markdown, "w") as out:
            lines = ["| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER)]
            out.write("\n".join([about, ""] + lines + ["| " + " | ".join(r) + " |" for r in table]) + "\n")


if __name__ == "__main__":
    main()
