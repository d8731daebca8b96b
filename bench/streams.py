#!/usr/bin/env python3
"""Many streams of text at once: `blind serve`, attested, against llama-server over plain HTTP, in turns, in one run.

    streams.py PROGRAM LLAMA_SERVER MODEL.gguf [--clients 1,8] [--threads 2] [--prompt 256] [--tokens 64] [--rounds 2] [--late]

Each client asks for one completion of `tokens` tokens after a prompt of about `prompt` tokens of its own, all at once.
tokens/s is that of all together, first the time to the first token, between the time from one token to the next, in
ms.  --late: one more client comes with a prompt of four times the length while the others write; `between` is then
theirs, from its coming on.  Needs the package `blind` (./python).
"""
import argparse
import json
import os
import random
import socket
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request

import blind
from blind.sockets import AttestedSocket

WORDS = "the a of to and in is it you that he was for on are with as his they be at one have this from".split()


class Blind:
    """`blind serve` on the simulated TEE; every client has a verified session."""

    name = "blind"

    def __init__(self, args, clients):
        self.folder = tempfile.TemporaryDirectory()
        at = self.folder.name
        self.policy = os.path.join(at, "policy.toml")
        with open(self.policy, "w") as out:
            subprocess.run([args.program, "policy", "create", "--tee", "sim", "--binary", args.program, "--server", "any"],
                           stdout=out, check=True)
        ports = os.path.join(at, "ports.json")
        self.process = subprocess.Popen(
            [args.program, "serve", "--tee", "sim", "--listen", "127.0.0.1:0", "--helper-listen", "127.0.0.1:0",
             "--metrics-listen", "", "--state-dir", os.path.join(at, "state"), "--port-file", ports, "--log-level", "error",
             "--threads", str(args.threads), "--model", "m=" + args.model])
        while not os.path.exists(ports):
            time.sleep(0.05)
            assert self.process.poll() is None, "blind serve did not start"
        with open(ports) as file:
            self.url = "https://127.0.0.1:%d" % json.load(file)["attested"]

    def connect(self):
        return AttestedSocket(blind.open_stream(self.url, policy=self.policy, simulation=True))


class Llama:
    """llama-server, as many slots as clients."""

    name = "llama-server"

    def __init__(self, args, clients):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        context = clients * (args.prompt * 4 + args.tokens + 64)
        self.process = subprocess.Popen(
            [args.llama_server, "-m", args.model, "-t", str(args.threads), "-tb", str(args.threads), "-np", str(clients), "-c",
             str(context), "--port", str(self.port), "--host", "127.0.0.1"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        while True:
            assert self.process.poll() is None, "llama-server did not start"
            try:
                if urllib.request.urlopen("http://127.0.0.1:%d/health" % self.port, timeout=5).status == 200:
                    return
            except OSError:
                time.sleep(0.1)

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port))


def prompt_of(seed, words):
    chosen = random.Random(seed)
    return " ".join(chosen.choice(WORDS) for _ in range(words))


def ask(server, prompt, tokens, start, stamps):
    """Appends the time of each piece of text to `stamps`."""
    body = json.dumps({"model": "m", "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True,
                       "ignore_eos": True, "logit_bias": {}}).encode()
    sock = server.connect()
    head = ("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body))
    start.wait()
    stamps.append(time.perf_counter())
    sock.sendall(head.encode() + body)
    kept = b""
    while True:
        got = sock.recv(65536)
        now = time.perf_counter()
        kept += got
        *lines, kept = kept.split(b"\n")
        for line in lines:
            if line.startswith(b"data: {") and b'"choices":[{' in line.replace(b" ", b""):
                stamps.append(now)
            assert b'"error"' not in line, line
        if not got or any(line.startswith(b"data: [DONE]") for line in lines):
            break
    sock.close()


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def measure(server, args, clients, round_):
    stamps, start = [[] for _ in range(clients)], threading.Event()
    threads = [threading.Thread(target=ask, args=(server, prompt_of(round_ * 1000 + i, args.prompt), args.tokens, start, stamps[i]))
               for i in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    start.set()
    came = 0.0
    if args.late:
        while any(len(s) < 4 for s in stamps):
            time.sleep(0.005)
        came = time.perf_counter()
        ask(server, prompt_of(round_ * 1000 + 999, args.prompt * 4), 1, start, [])
    for thread in threads:
        thread.join()
    begin, end = min(s[0] for s in stamps), max(s[-1] for s in stamps)
    between = [(b - a) * 1e3 for s in stamps for a, b in zip(s[1:], s[2:]) if b > came]
    return {"rate": sum(len(s) - 1 for s in stamps) / (end - begin), "first": [(s[1] - s[0]) * 1e3 for s in stamps],
            "between": between}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("llama_server")
    parser.add_argument("model")
    parser.add_argument("--clients", default="1,8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prompt", type=int, default=256)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--late", action="store_true")
    args = parser.parse_args()
    print("| server | clients | tokens/s | first p50 | first p95 | between p50 | between p95 |\n|---|---|---|---|---|---|---|")
    for clients in map(int, args.clients.split(",")):
        for kind in (Blind, Llama):
            server = kind(args, clients)
            try:
                ask(server, prompt_of(-1, 16), 4, threading_set(), [])
                found = [measure(server, args, clients, r) for r in range(args.rounds)]
            finally:
                server.process.terminate()
                server.process.wait()
            first, between = sum((f["first"] for f in found), []), sum((f["between"] for f in found), [])
            print("| %s | %d | %.1f | %.0f | %.0f | %.1f | %.1f |" % (
                kind.name, clients, statistics.median(f["rate"] for f in found), percentile(first, 0.5),
                percentile(first, 0.95), percentile(between, 0.5), percentile(between, 0.95)), flush=True)


def threading_set():
    event = threading.Event()
    event.set()
    return event


if __name__ == "__main__":
    main()
