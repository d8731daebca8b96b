#!/usr/bin/python3
"""Every benchmark network against PyTorch's recorded outputs, and the digits network against its labels.

    check_models.py PROGRAM MODELS [--server] [--onnxruntime] [--threads 2] [NAME...]

By `blind run` on this machine, or with --server through a server: `blind serve --tee sim` is started on
ports of its own, each model is uploaded and asked over attested sessions with `blind upload` and
`blind infer`.  With --onnxruntime the outputs of ONNX Runtime, which must be installed, take the place of the recorded
ones.  Outputs may differ from PyTorch's by atol + rtol * |PyTorch's|.  MODELS is what
bench/models/generate.py made.  One line for each case, then the count; exit status 1 when one is wrong.
"""
import argparse
import contextlib
import glob
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy

RTOL, ATOL = 1e-3, 1e-4
DIGITS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "digits")
DIGITS_RIGHT = 351  # of 360, in PyTorch


def blind(*command):
    """Runs a command that answers with files; what it said is shown when it fails."""
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise ValueError(done.stderr.strip())


class Local:
    """Models by `blind run`."""

    def __init__(self, program, threads):
        self.command = [program, "run", "--threads", str(threads)]

    def load(self, name, model):
        self.model = model

    def infer(self, name, inputs, out):
        blind(*self.command, "--model", self.model, *inputs, "--output-dir", out)


class Served:
    """Models over attested sessions to a server of our own."""

    def __init__(self, program, threads, folder, stack):
        ports, self.policy = os.path.join(folder, "ports.json"), os.path.join(folder, "policy.toml")
        log = stack.enter_context(open(os.path.join(folder, "server.log"), "wb+"))
        server = subprocess.Popen(
            [program, "serve", "--tee", "sim", "--listen", "127.0.0.1:0", "--helper-listen", "", "--metrics-listen", "",
             "--state-dir", os.path.join(folder, "state"), "--port-file", ports, "--threads", str(threads)],
            stderr=log)
        stack.callback(self.stop, server)
        deadline = time.monotonic() + 60
        while not os.path.exists(ports):
            if server.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                sys.exit("check_models.py: the server did not start: " + log.read().decode(errors="replace"))
            time.sleep(0.02)
        self.program = program
        with open(ports) as file:
            self.url = "https://127.0.0.1:%d" % json.load(file)["attested"]
        blind(program, "policy", "create", "--tee", "sim", "--binary", program, "--server", "any", "--out", self.policy)

    @staticmethod
    def stop(server):
        server.terminate()
        server.wait()

    def ask(self, command, *more):
        blind(self.program, command, self.url, "--policy", self.policy, "--simulation", *more)

    def load(self, name, model):
        self.ask("upload", model, "--name", name)

    def infer(self, name, inputs, out):
        self.ask("infer", "--model", name, *inputs, "--output-dir", out)


def inputs_of(folder):
    options = []
    for path in sorted(glob.glob(os.path.join(folder, "in.*.npy"))):
        options += ["--input", "%s=%s" % (os.path.basename(path)[3:-4], path)]
    return options


def recorded(folder):
    for path in sorted(glob.glob(os.path.join(folder, "out.*.npy"))):
        yield os.path.basename(path)[4:-4], numpy.load(path)


def peers(folder, model):
    import onnxruntime
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    given = {os.path.basename(p)[3:-4]: numpy.load(p) for p in glob.glob(os.path.join(folder, "in.*.npy"))}
    yield from zip(names, session.run(names, given))


def compare(wanted, out):
    """Whether every output agrees with the wanted one, and the largest difference of all."""
    equal, worst = True, 0.0
    for name, want in wanted:
        got = numpy.load(os.path.join(out, name + ".npy"))
        if want.shape != got.shape or want.dtype != got.dtype:
            return False, float("inf")
        worst = max(worst, float(numpy.abs(want - got).max(initial=0)))
        equal = equal and numpy.allclose(got, want, rtol=RTOL, atol=ATOL)
    return equal, worst


def say(case, passed, what):
    print("%-28s %-5s %s" % (case, "equal" if passed else "WRONG", what), flush=True)
    return passed


def check_case(engine, models, case, out):
    folder = os.path.join(models, case)
    engine.infer(case.split("/")[0], inputs_of(folder), out)
    model = os.path.join(models, case.split("/")[0], "model.onnx")
    equal, worst = compare(peers(folder, model) if engine.peer else recorded(folder), out)
    return say(case, equal, "largest error %.2g" % worst)


def check_digits(engine, out):
    engine.load("digits", os.path.join(DIGITS, "model.onnx"))
    engine.infer("digits", ["--input", "image=" + os.path.join(DIGITS, "images.npy")], out)
    labels = numpy.load(os.path.join(DIGITS, "labels.npy"))
    right = int((numpy.load(os.path.join(out, "scores.npy")).argmax(1) == labels).sum())
    return say("digits", right == DIGITS_RIGHT, "%d of %d right, PyTorch %d" % (right, len(labels), DIGITS_RIGHT))


def outcomes(engine, models, names, folder):
    """Passed or not, case by case; a command that fails is a case that did not pass."""
    def attempt(case, function, *more):
        try:
            return function(engine, *more)
        except ValueError as error:
            return say(case, False, str(error))
    for name in names:
        if name == "digits":
            yield attempt("digits", check_digits, os.path.join(folder, "digits"))
            continue
        cases = sorted({os.path.relpath(os.path.dirname(p), models)
                        for p in glob.glob(os.path.join(models, name, "*", "out.*.npy"))})
        if not cases:
            yield say(name, False, "no such network, or no recorded outputs")
            continue
        try:
            engine.load(name, os.path.join(models, name, "model.onnx"))
        except ValueError as error:
            yield say(name, False, str(error))
            continue
        for case in cases:
            yield attempt(case, check_case, models, case, os.path.join(folder, case.replace("/", ".")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("models")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--server", action="store_true")
    parser.add_argument("--onnxruntime", action="store_true")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_intermixed_args()
    program = os.path.realpath(args.program)
    networks = {os.path.basename(os.path.dirname(p)) for p in glob.glob(os.path.join(args.models, "*/model.onnx"))}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        engine = Served(program, args.threads, folder, stack) if args.server else Local(program, args.threads)
        engine.peer = args.onnxruntime
        results = list(outcomes(engine, args.models, args.names or sorted(networks | {"digits"}), folder))
    failed = results.count(False)
    print("%d passed, %d failed%s" % (len(results) - failed, failed,
                                      ", over attested sessions" if args.server else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
