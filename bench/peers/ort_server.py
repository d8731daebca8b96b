#!/usr/bin/env python3
"""ONNX Runtime behind HTTP/1.1 and KServe V2's binary form, as bench/throughput's peer.

    ort_server.py MODEL.onnx PORT_FILE --processes N --threads M

No TLS and no attestation.  Each process has an event loop, a session of M threads and as many of
them at work as it takes to keep it busy; processes share the port (SO_REUSEPORT).  The interpreter's
lock is free while a session runs.
"""
import argparse
import asyncio
import concurrent.futures
import json
import os
import socket

import numpy
import onnxruntime

TYPES = {"FP32": numpy.float32, "INT64": numpy.int64, "INT32": numpy.int32, "UINT8": numpy.uint8}
NAMES = {numpy.dtype(t): n for n, t in TYPES.items()}


def answer(session, head_size, body):
    """The whole reply to one inference."""
    asked = json.loads(body[:head_size])
    feeds, at = {}, head_size
    for t in asked["inputs"]:
        size = t["parameters"]["binary_data_size"]
        feeds[t["name"]] = numpy.frombuffer(body, TYPES[t["datatype"]],
                                            size // numpy.dtype(TYPES[t["datatype"]]).itemsize,
                                            at).reshape(t["shape"])
        at += size
    outputs = session.run(None, feeds)
    told = [{"name": o.name, "datatype": NAMES[v.dtype], "shape": list(v.shape),
             "parameters": {"binary_data_size": v.nbytes}}
            for o, v in zip(session.get_outputs(), outputs)]
    text = json.dumps({"model_name": "m", "outputs": told}, separators=(",", ":")).encode()
    parts = [text] + [numpy.ascontiguousarray(v).tobytes() for v in outputs]
    size = sum(map(len, parts))
    return b"".join([b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
                     b"Inference-Header-Content-Length: %d\r\nContent-Length: %d\r\n\r\n"
                     % (len(text), size)] + parts)


class Connection(asyncio.Protocol):
    """One request after another; nothing is pipelined."""

    def __init__(self, session, pool):
        self.session, self.pool, self.bytes, self.need = session, pool, bytearray(), None

    def connection_made(self, transport):
        self.transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data):
        self.bytes += data
        if self.need is None:
            end = self.bytes.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = bytes(self.bytes[:end]).lower().split(b"\r\n")[1:]
            fields = dict(line.split(b": ", 1) for line in lines)
            self.head = int(fields[b"inference-header-content-length"])
            self.begin = end + 4
            self.need = self.begin + int(fields[b"content-length"])
        if len(self.bytes) < self.need:
            return
        body = bytes(self.bytes[self.begin:self.need])
        self.bytes, self.need = self.bytes[self.need:], None
        asyncio.get_running_loop().create_task(self.reply(self.head, body))

    async def reply(self, head, body):
        """On the loop where there is one worker: it would wait for it all the same."""
        if self.pool is None:
            text = answer(self.session, head, body)
        else:
            text = await asyncio.get_running_loop().run_in_executor(self.pool, answer,
                                                                    self.session, head, body)
        self.transport.write(text)


async def serve(options, listener):
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(options.model, settings,
                                           providers=["CPUExecutionProvider"])
    pool = concurrent.futures.ThreadPoolExecutor(options.workers) if options.workers > 1 else None
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(session, pool), sock=listener, backlog=1024)
    await server.serve_forever()


def listen(port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("port_file")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="of a session")
    parser.add_argument("--workers", type=int, default=1, help="runs at once in a process")
    options = parser.parse_args()
    listeners = [listen(0)]
    port = listeners[0].getsockname()[1]
    listeners += [listen(port) for _ in range(options.processes - 1)]
    mine = listeners[0]
    for other in listeners[1:]:
        if os.fork() == 0:
            mine = other
            break
    if mine is listeners[0]:
        with open(options.port_file, "w", encoding="ascii") as f:
            f.write(str(port))
    asyncio.run(serve(options, mine))


if __name__ == "__main__":
    main()
