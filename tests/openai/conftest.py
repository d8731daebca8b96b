"""A server with the demo model, and the two ways to it: attested inside the client, and by the local proxy."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

from serving import BLIND, Server  # noqa: E402

MODEL = ROOT / "examples/llm/demo-llm-f16.gguf"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server"), "--model", "demo=%s" % MODEL, "--log", "json")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def proxy(server):
    """The address of `blind connect` before the server."""
    process = subprocess.Popen([BLIND, "connect", server.url, "--policy", server.policy, "--simulation", "--json",
                                "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    yield json.loads(process.stdout.readline())["listen"]
    process.terminate()
    assert process.wait(40) == 0


@pytest.fixture(params=["attested", "proxy"])
def client(request, server):
    if request.param == "attested":
        import blind
        made = blind.openai(server.url, policy=server.policy, simulation=True, max_retries=0)
    else:
        import openai
        made = openai.OpenAI(base_url=request.getfixturevalue("proxy") + "/v1", api_key="none", max_retries=0)
    with made:
        yield made
