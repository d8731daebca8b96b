"""Servers to test against: the real program, on ports of its own."""

import subprocess

import plain_tls as plain_tls_server
import pytest
from serving import BLIND, ROOT, Server


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
