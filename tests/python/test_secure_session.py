"""blindbox.requests.SecureSession: every verb, streaming, and what it refuses to send."""

import io
import json

import numpy
import pytest
import requests

import blind
from blindbox import errors
from blindbox import requests as secure
from onnx_bytes import identity


@pytest.fixture
def session(server):
    with secure.SecureSession(server.url, policy=server.policy, simulation=True) as made:
        yield made


def test_it_is_a_requests_session(session):
    assert isinstance(session, requests.Session)
    assert session.verdict.accepted and session.trust_env is False


def test_the_verbs_reach_the_server(session):
    assert session.get("/v2/health/ready").status_code == 200
    assert session.get("v2").json()["name"] == "blind"
    assert session.head("/v2/health/ready").content == b""
    assert session.post("/v2/repository/index", json={}).status_code == 200
    put = session.put("/v2/models/verbs", data=identity("FP32"))
    assert put.ok, put.text
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]}]}
    assert session.post("/v2/models/verbs/infer", json=body).json()["outputs"][0]["data"] == [1, 2, 3]
    assert session.delete("/v2/models/verbs").ok
    for verb in (session.patch, session.options):
        answer = verb("/v2/health/ready")
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
        assert answer.json() == {"error": "this path has other methods", "code": "UNSUPPORTED"}


def test_bodies_stream_both_ways(session):
    model = identity("FP32")
    chunks = (model[i:i + 7] for i in range(0, len(model), 7))
    assert session.put("/v2/models/streamed", data=chunks).ok
    assert session.put("/v2/models/streamed2", data=io.BytesIO(model)).ok
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [20000, 3],
                        "data": numpy.arange(60000).tolist()}]}
    answer = session.post("/v2/models/streamed/infer", data=json.dumps(body), stream=True)
    pieces = list(answer.iter_content(1000))
    assert len(pieces) > 10
    assert json.loads(b"".join(pieces))["outputs"][0]["data"][-1] == 59999


def test_connections_are_kept(session):
    for _ in range(20):
        assert session.get("/v2/health/live").ok


def test_nothing_goes_to_another_origin(session, plain_tls):
    with pytest.raises(requests.exceptions.InvalidURL):
        session.get("https://127.0.0.1:%d/" % plain_tls)
    with pytest.raises(requests.exceptions.InvalidURL):
        session.get("https://example.org/", verify=False)


def test_the_three_errors(start, plain_tls, server):
    with pytest.raises(secure.NotAnEnclaveError):
        secure.SecureSession("https://127.0.0.1:%d" % plain_tls, simulation=True, connect_timeout=5)
    with pytest.raises(errors.WrongAttester):
        secure.SecureSession(server.url, policy=server.policy)
    for lie, kind in (("measurement", secure.InvalidEnclaveCode), ("debug", errors.DebugMode),
                      ("signature", errors.FalseAttestationReport)):
        liar = start("--sim-lie", lie)
        with pytest.raises(kind) as refusal:
            secure.SecureSession(liar.url, policy=liar.policy, simulation=True)
        assert isinstance(refusal.value, errors.AttestationException)


def test_debug_mode_accepts_the_debug_bit_and_nothing_else(start):
    debuggable = start("--sim-lie", "debug")
    with secure.SecureSession(debuggable.url, policy=debuggable.policy, simulation=True, debug_mode=True) as session:
        assert session.get("/v2/health/live").ok
    other = start("--sim-lie", "measurement")
    with pytest.raises(secure.InvalidEnclaveCode):
        secure.SecureSession(other.url, policy=other.policy, simulation=True, debug_mode=True)


def test_an_address_is_needed():
    with pytest.raises(requests.exceptions.MissingSchema, match="Missing URL for the Secure Session instance"):
        secure.SecureSession()
    with pytest.raises(requests.exceptions.InvalidSchema):
        secure.SecureSession("ftp://example.org")


def test_http_addresses_are_taken_as_https(server):
    with secure.SecureSession(server.url.replace("https", "http"), policy=server.policy, simulation=True) as session:
        assert session.get("/v2/health/live").url.startswith("https://")


def test_a_client_key_is_proved_on_every_connection(start, make_key, tmp_path):
    key, row = make_key("ann", "infer,upload")
    tokens = tmp_path / "tokens"
    tokens.write_text(row)
    server = start("--tokens", tokens)
    put = {"endpoint": "/v2/models/keyed", "data": identity("FP32")}
    with secure.SecureSession(server.url, policy=server.policy, simulation=True) as nobody:
        assert nobody.put(**put).status_code == 403
    with secure.SecureSession(server.url, policy=server.policy, simulation=True, client_key=key) as session:
        assert session.put(**put).status_code == 201
        session.get_adapter(server.url).poolmanager.clear()  # the next request dials again
        assert session.put(**put).status_code == 200
        with pytest.raises(requests.exceptions.InvalidURL, match="client_key"):
            session.get("/v2/health/live", cert=str(key))
    stranger, _ = make_key("stranger", "infer")
    with pytest.raises(blind.DeniedError, match="unknown client key"):
        secure.SecureSession(server.url, policy=server.policy, simulation=True, client_key=stranger)


def test_one_shot_verbs(server):
    assert secure.get(server.url, "/v2/health/live", policy=server.policy, simulation=True).ok


def test_a_server_that_went_away_is_a_connection_error(start):
    server = start()
    session = secure.SecureSession(server.url, policy=server.policy, simulation=True)
    assert session.get("/v2/health/live").ok
    server.stop()
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get("/v2/health/live")


def test_httpx_goes_over_the_same_streams(server):
    httpx = pytest.importorskip("httpx")
    with httpx.Client(transport=blind.httpx_transport(server.url, policy=server.policy, simulation=True)) as client:
        for _ in range(3):
            assert client.get(server.url + "/v2/health/live").status_code == 200
        with pytest.raises(httpx.UnsupportedProtocol):
            client.get("https://example.org/")
