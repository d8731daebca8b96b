#!/usr/bin/env python3
"""Appraisals of recorded evidence against public verifiers: the same evidence and collateral, in turns.

    verify_peers.py PROGRAM [--rounds 3] [--runs 25] [--markdown FILE] [TEE...]

The peers (bench/peers) come from Rust's and Go's registries by their ordinary clients, built into
build/peers; one that cannot be built is named and left out.  Every process is pinned to one core, verifies
every accepted case RUNS times after once that is not counted, and takes turns with the others.  A figure is
processor time of the process, the median over the cases that both accept, of medians over the rounds; memory is the most the process held.
Ours does more than any of them: it also judges by a policy and writes the verdict.
"""
import argparse
import calendar
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OUT = os.path.join(ROOT, "build", "peers")

# TEEs, name, what builds it, version, what it leaves to its caller or undone
PEERS = [
    (("sgx", "tdx"), "dcap-qvl", "rust", "0.7.1", "its TCB status is not judged by a policy"),
    (("tdx",), "go-tdx-guest", "go", "0.3.1", "quotes of version 4 and UpToDate only"),
    (("snp",), "sev", "rust", "8.0.0", "no validity, CRL, TCB floor, nor the certificate's chip and TCB"),
    (("snp",), "go-sev-guest", "go", "0.15.0", "no CRL and no TCB floor; the ASK is its own"),
    (("nitro",), "nitro_attest", "rust", "0.2.0", "PCRs are left to its caller"),
    (("nitro",), "nsm-nitro-enclave-utils", "rust", "0.1.3", "PCRs are left to its caller"),
    (("tpm",), "go-attestation", "go", "0.6.1", "no certificate of the key, no parts of Azure's machines"),
]


# ---- building ----

def rust(name):
    target = os.path.join(OUT, "cargo")
    subprocess.run(["cargo", "build", "--quiet", "--release", "--bin", name, "--features", name],
                   cwd=os.path.join(ROOT, "bench/peers/rust"), env=dict(os.environ, CARGO_TARGET_DIR=target),
                   check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return os.path.join(target, "release", name)


def go(name):
    out = os.path.join(OUT, "go", name)
    subprocess.run(["go", "build", "-o", out, "./" + name], cwd=os.path.join(ROOT, "bench/peers/go"),
                   check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return out


def build(name, kind):
    """The peer's program, or None after saying why it is left out."""
    tool = {"rust": "cargo", "go": "go"}[kind]
    if not shutil.which(tool):
        print("left out: %s (no %s here)" % (name, tool), flush=True)
        return None
    try:
        return {"rust": rust, "go": go}[kind](name)
    except subprocess.CalledProcessError as failed:
        lines = failed.stdout.decode(errors="replace").strip().splitlines() or ["no output"]
        print("left out: %s (it could not be built: %s)" % (name, lines[-1]), flush=True)
        return None


# ---- cases ----

def seconds(text):
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ")) if text else 0


def one_file(vectors, paths, folder):
    """A list of files is one part, one after another."""
    if isinstance(paths, str):
        return os.path.join(vectors, paths)
    handle, path = tempfile.mkstemp(dir=folder)
    with os.fdopen(handle, "wb") as out:
        for one in paths:
            with open(os.path.join(vectors, one), "rb") as part:
                out.write(part.read())
    return path


def accepted(vectors, tee, folder):
    with open(os.path.join(vectors, "index.json")) as index:
        cases = [c for c in json.load(index) if c["tee"] == tee and c["expect"] == "ok"
                 and c.get("what", "quote") == "quote"]
    return [{"id": c["id"], "now_s": seconds(c["verify_at"]), "nonce_hex": c.get("nonce_hex") or "",
             "files": {name: one_file(vectors, paths, folder) for name, paths in c["files"].items()}}
            for c in cases]


# ---- measuring ----

def pinned(command):
    core = str(min(os.sched_getaffinity(0)))
    done = subprocess.run(["taskset", "-c", core] + command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError("'%s' ended with status %d" % (command[0], done.returncode))
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def ours(program, tee):
    lines = pinned([program, "--json", tee])
    return {"cases": [line for line in lines if "id" in line], "peak_mb": lines[-1]["peak_mb"]}


def theirs(program, cases):
    return pinned([program, cases])[-1]


def by_case(rounds, key):
    """id -> median over the rounds, of cases that were accepted."""
    found = {}
    for one in rounds:
        for case in one["cases"]:
            if case.get(key):
                found.setdefault(case["id"], []).append(case[key])
    return {name: statistics.median(values) for name, values in found.items()}


def middle(values, among):
    return statistics.median(values[name] for name in among) if among else None


def compare(tee, peer, own, other):
    cold, cached = by_case(own, "us"), by_case(own, "cached_us")
    whole, kept = by_case(other, "us"), by_case(other, "cached_us")
    both = sorted(set(cold) & set(whole))
    return {"tee": tee, "peer": "%s %s" % (peer[1], peer[3]), "cases": len(both),
            "cold": middle(cold, both), "cached": middle(cached, both), "theirs": middle(whole, both),
            "kept": middle(kept, [name for name in both if name in kept]),
            "peak": statistics.median(o["peak_mb"] for o in own),
            "their_peak": statistics.median(o["peak_mb"] for o in other),
            "refused": {c["id"]: c["error"] for c in other[0]["cases"] if c.get("error")}}


def measure(args, tee, peers, folder):
    cases = os.path.join(folder, tee + ".json")
    with open(cases, "w") as out:
        json.dump({"runs": args.runs, "cases": accepted(args.vectors, tee, folder)}, out)
    own, others = [], {peer[1]: [] for peer in peers}
    for _ in range(args.rounds):
        own.append(ours(args.ours, tee))
        for peer in peers:
            others[peer[1]].append(theirs(args.built[peer[1]], cases))
    return [compare(tee, peer, own, others[peer[1]]) for peer in peers]


# ---- the table ----

HEADER = ["TEE", "peer", "cases", "blind us", "cached us", "peer us", "cached us", "ratio", "blind MB", "peer MB"]
FORM = "%-6s %-30s %5s %9s %9s %9s %9s %6s %9s %8s"


def row(m):
    def number(form, value):
        return form % value if value is not None else "-"
    ratio = m["cold"] / m["theirs"] if m["cases"] else None
    return [m["tee"], m["peer"], str(m["cases"]), number("%.0f", m["cold"]), number("%.0f", m["cached"]),
            number("%.0f", m["theirs"]), number("%.0f", m["kept"]), number("%.2f", ratio),
            number("%.1f", m["peak"]), number("%.1f", m["their_peak"])]


def processor():
    for line in open("/proc/cpuinfo"):
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def version(command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip()


def about(args):
    tools = [version([tool, "--version" if tool == "cargo" else "version"]) for tool in ("cargo", "go")
             if shutil.which(tool)]
    return ("%s, one core of %d; %s; %s, load %.1f. Processor time, medians of %d rounds in turns, %d runs a case. A ratio below 1 "
            "means that blind is faster." % (processor(), os.cpu_count(), "; ".join(tools), time.strftime("%Y-%m-%d"),
                                             os.getloadavg()[0], args.rounds, args.runs))


def notes(measured):
    for m in measured:
        undone = next(p[4] for p in PEERS if m["peer"].startswith(p[1] + " "))
        yield "%s (%s): %s" % (m["peer"], m["tee"], undone)
        if m["refused"]:
            yield "%s (%s) refuses %d of our accepted cases: %s" % (
                m["peer"], m["tee"], len(m["refused"]),
                "; ".join("%s: %s" % pair for pair in sorted(m["refused"].items())))


def write_markdown(path, measured, text):
    with open(path, "w") as out:
        print("| " + " | ".join(HEADER) + " |", "|" + "---|" * len(HEADER), sep="\n", file=out)
        for m in measured:
            print("| " + " | ".join(row(m)) + " |", file=out)
        print("", text, "", *("- " + note for note in notes(measured)), sep="\n", file=out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("tees", nargs="*", metavar="TEE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--markdown", metavar="FILE")
    args = parser.parse_intermixed_args()
    args.vectors = os.environ.get("BLIND_VECTORS", os.path.join(ROOT, "../shared/vectors"))
    args.ours = os.path.join(os.path.dirname(os.path.abspath(args.program)), "bench", "bench_verify")
    if not os.path.exists(os.path.join(args.vectors, "index.json")):
        print("skipped: no recorded vectors")
        return
    chosen = [p for p in PEERS if not args.tees or set(p[0]) & set(args.tees)]
    args.built = {p[1]: build(p[1], p[2]) for p in chosen}
    tees = [t for t in ("sgx", "tdx", "snp", "nitro", "tpm") if not args.tees or t in args.tees]
    measured = []
    print(FORM % tuple(HEADER), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for tee in tees:
            peers = [p for p in chosen if tee in p[0] and args.built[p[1]]]
            for m in measure(args, tee, peers, folder) if peers else []:
                measured.append(m)
                print(FORM % tuple(row(m)), flush=True)
    text = about(args)
    print(*notes(measured), text, sep="\n")
    if args.markdown:
        write_markdown(args.markdown, measured, text)


if __name__ == "__main__":
    sys.exit(main())
