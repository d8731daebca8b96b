"""blind: connect, verdict, models, refusals, raw requests."""

import base64
import json
import threading

import numpy
import pytest

import blind
from onnx_bytes import identity, subtract


@pytest.fixture
def session(server):
    with blind.connect(server.url, policy=server.policy, simulation=True) as made:
        yield made


def test_the_verdict_explains_itself(session):
    verdict = session.verdict
    assert verdict.accepted and verdict.simulation and verdict.tee == "sim"
    assert all(c["state"] in ("proven", "refuted", "unknown") for c in verdict.checks)
    assert "sim" in str(verdict)
    assert json.loads(verdict.json)["version"] == 1


def test_the_verdict_as_a_token(server, make_key):
    with blind.connect(server.url, policy=server.policy, simulation=True) as session:
        token = session.ear(make_key("verifier", "infer")[0].read_bytes())
        header, claims, signature = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
        assert json.loads(header)["alg"] == "ES256" and len(signature) == 64
        (name, appraisal), = json.loads(claims)["submods"].items()
        assert name == "sim" and appraisal["ear.status"] == "contraindicated"
        assert appraisal["ear.trustworthiness-vector"]["executables"] == 2
        with pytest.raises(blind.BlindError):
            session.ear(b"no key")


def test_digits_keep_their_accuracy(session, digits):
    images = numpy.load(digits / "images.npy")
    labels = numpy.load(digits / "labels.npy")
    info = session.upload("digits", digits / "model.onnx")
    assert info["size"] == (digits / "model.onnx").stat().st_size
    scores = session.infer("digits", {"image": images})["scores"]
    assert (scores.argmax(1) == labels).sum() == 351  # of 360, as PyTorch gets
    session.delete("digits")
    with pytest.raises(blind.NotFoundError):
        session.infer("digits", {"image": images})


def test_texts_and_files(session):
    session.upload("texts", identity("BYTES"))
    sent = numpy.array([["letter", "", "Stra\u00dfe \U0001f600"]], dtype=object)
    got = session.infer("texts", {"x": sent})["y"]
    assert got.dtype == object and got.shape == (1, 3) and (got == sent).all()
    assert session.infer("texts", {"x": sent.astype(str)})["y"].tolist() == sent.tolist()
    for odd in (b"\xff\0", "\udcff\0"):
        assert session.infer("texts", {"x": numpy.array([[odd] * 3], dtype=object)})["y"][0, 2] == "\udcff\0"
    with pytest.raises(ValueError, match="float is no text"):
        session.infer("texts", {"x": numpy.array([[1.5, "a", "b"]], dtype=object)})
    session.upload("one", identity("BYTES", ("n",)))
    assert session.infer("one", {"x": "a letter"})["y"].tolist() == ["a letter"]
    session.upload("file", identity("UINT8", ("n",)))
    assert session.infer("file", {"x": b"\x89PNG"})["y"].tobytes() == b"\x89PNG"


@pytest.mark.parametrize("kserve, dtype", [
    ("FP32", "f4"), ("FP64", "f8"), ("INT8", "i1"), ("INT16", "i2"), ("INT32", "i4"), ("INT64", "i8"),
    ("UINT8", "u1"), ("UINT16", "u2"), ("UINT32", "u4"), ("UINT64", "u8"), ("BOOL", "?")])
def test_every_element_type_comes_back_as_it_went(session, kserve, dtype):
    session.upload("identity-" + kserve.lower(), identity(kserve))
    for shape in ((2, 3), (1, 3), (0, 3)):
        sent = (numpy.arange(shape[0] * 3).reshape(shape) * 7 % 5).astype(dtype)
        got = session.infer("identity-" + kserve.lower(), {"x": sent})["y"]
        assert got.dtype == sent.dtype
        numpy.testing.assert_array_equal(got, sent)


def test_progress_is_told_and_can_stop(session, digits):
    seen = []
    session.upload("progress", digits / "model.onnx", progress=lambda sent, total: seen.append((sent, total)))
    assert session.metadata("progress")["name"] == "progress"
    assert seen[-1][0] == seen[-1][1] == (digits / "model.onnx").stat().st_size


def test_a_wrong_shape_costs_only_its_own_request(session):
    session.upload("wrong-shape", identity("FP32"))
    with pytest.raises(blind.BlindError) as refusal:
        session.infer("wrong-shape", {"x": numpy.zeros((2, 4), "f4")})
    assert "3" in str(refusal.value) and "4" in str(refusal.value)
    assert session.infer("wrong-shape", {"x": numpy.zeros((2, 3), "f4")})["y"].shape == (2, 3)


def test_a_hostile_model_is_refused_and_the_server_goes_on(session):
    with pytest.raises(blind.BlindError):
        session.upload("hostile", b"\xff" * 1000)
    session.upload("good", subtract())


def test_simulation_must_be_said(server):
    with pytest.raises(blind.SimulationNotAllowedError) as refusal:
        blind.connect(server.url, policy=server.policy)
    assert isinstance(refusal.value, blind.NotAnEnclaveError) and refusal.value.exit_status == 10


def test_no_policy_needs_simulation(server):
    with pytest.raises(blind.PolicyError):
        blind.connect(server.url)
    with blind.connect(server.url, simulation=True) as session:
        assert session.verdict.accepted


@pytest.mark.parametrize("lie, kind", [("measurement", "InvalidEnclaveCode"), ("debug", "NotIsolatedEnclaveError"),
                                       ("binding", "NotAnEnclaveError"), ("signature", "NotAnEnclaveError")])
def test_each_lie_has_its_refusal(start, lie, kind):
    liar = start("--sim-lie", lie)
    with pytest.raises(getattr(blind, kind)) as refusal:
        blind.connect(liar.url, policy=liar.policy, simulation=True)
    assert refusal.value.verdict is None or not refusal.value.verdict.accepted


def test_a_server_that_is_no_enclave(plain_tls):
    with pytest.raises(blind.NotAnEnclaveError):
        blind.connect("https://127.0.0.1:%d" % plain_tls, simulation=True, timeout=5)


def test_a_model_replaced_under_a_live_session(server):
    one = blind.connect(server.url, policy=server.policy, simulation=True)
    two = blind.connect(server.url, policy=server.policy, simulation=True)
    with one, two:
        one.upload("replaced", identity("FP32"))
        x = numpy.ones((1, 3), "f4")
        assert one.infer("replaced", {"x": x})["y"].shape == (1, 3)
        one.delete("replaced")
        one.upload("replaced", identity("FP32", (1, 3)))
        assert two.infer("replaced", {"x": x})["y"].shape == (1, 3)


def test_one_session_serves_several_threads(session):
    session.upload("threads", identity("FP32"))
    wrong = []

    def ask(seed):
        x = numpy.full((2, 3), seed, "f4")
        for _ in range(10):
            if not (session.infer("threads", {"x": x})["y"] == x).all():
                wrong.append(seed)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_raw_requests_and_errors(session):
    answer = session.request("GET", "/v2/health/ready")
    assert answer.status == 200
    missing = session.request("GET", "/v2/models/none-such")
    assert missing.status == 404 and "error" in json.loads(missing.content)


def test_a_closed_client_says_so(server):
    session = blind.connect(server.url, policy=server.policy, simulation=True)
    session.close()
    session.close()
    with pytest.raises(blind.ClosedError):
        session.models()


def test_no_server_is_a_connection_error():
    with pytest.raises(ConnectionError):
        blind.connect("https://127.0.0.1:1", simulation=True)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://x", "https://", ""])
def test_only_https_is_dialled(url):
    with pytest.raises(ValueError):
        blind.connect(url, simulation=True)


def test_a_raising_progress_stops_the_upload(session, digits):
    def stop(sent, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.upload("stopped", digits / "model.onnx", progress=stop)
    assert not any(m["name"] == "stopped" for m in session.models())


def test_a_taken_name_can_be_kept(session):
    session.upload("kept", identity("FP32"))
    with pytest.raises(blind.ExistsError):
        session.upload("kept", identity("FP64"), replace=False)


def test_of_two_uploads_that_replace_nothing_one_stays(server):
    """The server decides, at once: neither client can see the name free and lose it meanwhile."""
    gate, outcomes = threading.Barrier(2), []

    def upload(shape):
        with blind.connect(server.url, policy=server.policy, simulation=True) as session:
            gate.wait()
            try:
                outcomes.append(session.upload("raced", identity("FP32", shape), replace=False)["sha256"])
            except blind.ExistsError:
                outcomes.append(None)

    for _ in range(5):
        threads = [threading.Thread(target=upload, args=(shape,)) for shape in ((1, 3), (2, 3))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        with blind.connect(server.url, policy=server.policy, simulation=True) as session:
            kept = [m["sha256"] for m in session.models() if m["name"] == "raced"]
            session.delete("raced")
        assert outcomes.count(None) == 1 and kept == [sha256 for sha256 in outcomes if sha256]
        outcomes.clear()


def test_a_client_key_brings_its_rights(start, make_key, tmp_path):
    key, row = make_key("ann", "infer,upload")
    stranger, _ = make_key("stranger", "infer")
    tokens = tmp_path / "tokens"
    tokens.write_text(row + "anonymous:-:infer\n")
    server = start("--tokens", tokens)
    for client_key in (key, str(key), key.read_bytes()):
        with blind.connect(server.url, policy=server.policy, simulation=True, client_key=client_key) as session:
            session.upload("keyed", identity("FP32"))
    with blind.connect(server.url, policy=server.policy, simulation=True) as session:
        with pytest.raises(blind.DeniedError):
            session.upload("keyed", identity("FP32"))
    with pytest.raises(blind.DeniedError, match="unknown client key"):
        blind.connect(server.url, policy=server.policy, simulation=True, client_key=stranger)
    with pytest.raises(blind.BlindError, match="client key"):
        blind.connect(server.url, policy=server.policy, simulation=True, client_key=b"no PEM")
