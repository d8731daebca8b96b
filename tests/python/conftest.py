"""Servers to test against: the real program, on ports of its own."""

import json
import os
import pathlib
import subprocess
import time

import plain_tls as plain_tls_server
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLIND = os.environ.get("BLIND_PROGRAM", str(ROOT / "build/release/blind"))


class Server:
    """A running `blind serve --tee sim`; .port is the attested one."""

    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        ports = self.folder / "ports.json"
        addresses = [] if "--listen" in options else ["--listen", "127.0.0.1:0"]
        self.log = open(self.folder / "server.log", "wb")
        self.process = subprocess.Popen(
            [BLIND, "serve", "--tee", "sim", *addresses, "--helper-listen", "127.0.0.1:0", "--metrics-listen",
             "127.0.0.1:0", "--state-dir", self.folder / "state", "--port-file", ports, *map(str, options)],
            stdout=self.log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 60
        while not ports.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError("the server did not start: " + (self.folder / "server.log").read_text())
            time.sleep(0.02)
        found = json.loads(ports.read_text())
        self.port = found["attested"]
        self.url = "https://127.0.0.1:%d" % self.port
        self.policy = str(self.folder / "policy.toml")
        subprocess.run([BLIND, "policy", "create", "--tee", "sim", "--binary", BLIND, "--server", "any", "--out",
                        self.policy], check=True, stdout=subprocess.DEVNULL)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture
def start(tmp_path):
    """Starts servers with options of the test's own."""
    running = []

    def make(*options):
        folder = tmp_path / ("server%d" % len(running))
        folder.mkdir()
        running.append(Server(folder, *options))
        return running[-1]

    yield make
    for one in running:
        one.stop()


@pytest.fixture
def make_key(tmp_path):
    """Makes a client's key: its path, and its row in a tokens file."""

    def make(name, rights):
        path = tmp_path / (name + ".pem")
        line = subprocess.run([BLIND, "key", "create", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        return path, "%s:%s:%s\n" % (name, line.strip(), rights)

    return make


@pytest.fixture(scope="session")
def digits():
    return ROOT / "examples/digits"


@pytest.fixture(scope="session")
def plain_tls(tmp_path_factory):
    """The port of a TLS server that is no enclave."""
    return plain_tls_server.serve(tmp_path_factory.mktemp("plain"))
