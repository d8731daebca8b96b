"""BlindAI's interfaces, as its documents and clients used them."""

import pathlib
import warnings

import numpy
import pytest

import blind
import blindai
import blindai.core
from blindai.client import BlindAiClient, ModelDatumType
from blindai.utils import errors
from onnx_bytes import identity, subtract

KSERVE = {"F32": "FP32", "F64": "FP64", "I8": "INT8", "I16": "INT16", "I32": "INT32", "I64": "INT64", "U8": "UINT8",
          "U16": "UINT16", "U32": "UINT32", "U64": "UINT64", "Bool": "BOOL"}


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture
def client(server):
    with blindai.connect(addr="127.0.0.1:%d" % server.port, policy=server.policy, simulation=True) as made:
        yield made


def file_of(folder, name, data):
    path = folder / name
    path.write_bytes(data)
    return str(path)


def test_the_numbers_of_the_types_are_blindais():
    assert [t.value for t in ModelDatumType if t.value >= 0] == list(range(11))
    assert ModelDatumType.F32 == 0 and ModelDatumType.Bool == 10 and ModelDatumType.UNKNOWN == -1


@pytest.mark.parametrize("name", KSERVE)
def test_all_eleven_types_as_numpy_torch_and_list(client, tmp_path, name):
    dtype = ModelDatumType[name]
    model = client.upload_model(file_of(tmp_path, "m.onnx", identity(KSERVE[name])), model_id="type-" + name)
    flat = [1, 0, 1, 0, 1, 1]
    expected = [bool(x) for x in flat] if name == "Bool" else flat
    for dtype_word in (dtype, name, {"F": "float", "I": "int", "U": "uint", "B": "bool"}[name[0]] + name[1:].strip("ol")):
        out = client.predict(model.model_id, flat, dtype=dtype_word, shape=(2, 3)).output[0]
        assert out.as_flat() == expected and out.shape == (2, 3) and out.datum_type == dtype
    array = numpy.array(expected).reshape(2, 3).astype(out.as_numpy().dtype)
    back = client.predict(model.model_id, array).output[0].as_numpy()
    assert back.dtype == array.dtype
    numpy.testing.assert_array_equal(back, array)
    torch = pytest.importorskip("torch")
    if name in ("U16", "U32", "U64"):
        with pytest.raises(ValueError, match="Torch does not support datum type"):
            out.as_torch()
    else:
        tensor = torch.from_numpy(array)
        assert torch.equal(client.predict(model.model_id, [tensor]).output[0].as_torch(), tensor)


def test_several_inputs_and_outputs_in_order_and_by_name(client, tmp_path):
    model = client.upload_model(file_of(tmp_path, "sub.onnx", subtract()), model_id="sub")
    for tensors in ([numpy.array(42), numpy.array(40)], {"sub": numpy.array(40), "input": numpy.array(42)}):
        answer = client.predict(model.model_id, tensors)
        assert [t.as_flat() for t in answer.output] == [[2], [82]]
        assert [t.info.index_name for t in answer.output] == ["difference", "sum"]


def test_dynamic_batch(client, tmp_path):
    model = client.upload_model(file_of(tmp_path, "d.onnx", identity("FP32")), model_id="dynamic")
    for batch in (3, 5, 10, 1):
        x = numpy.random.rand(batch, 3).astype("f4")
        numpy.testing.assert_array_equal(client.predict(model.model_id, x).output[0].as_numpy(), x)


def test_default_names_clashes_and_deletion(client, tmp_path):
    path = file_of(tmp_path, "named-by-file.onnx", identity("FP32"))
    assert client.upload_model(path).model_id == "named-by-file.onnx"
    with pytest.raises(ValueError, match="already exists, delete it first"):
        client.upload_model(file_of(tmp_path, "named-by-file.onnx", identity("FP64")))
    client.delete_model("named-by-file.onnx")
    with pytest.raises(ConnectionError):
        client.predict("named-by-file.onnx", [1.0, 2.0, 3.0])


@pytest.mark.parametrize("facts", [
    {"shape": (2, 4)}, {"dtype": ModelDatumType.I64}, {"dtype_out": "f64"},
    {"input_specs": [((1, 3), ModelDatumType.F32), ((1, 3), ModelDatumType.F32)]}])
def test_declared_facts_are_checked(client, tmp_path, facts):
    path = file_of(tmp_path, "facts.onnx", identity("FP32"))
    with pytest.raises(ValueError):
        client.upload_model(path, model_id="facts", **facts)
    client.delete_model("facts")


@pytest.mark.parametrize("value, text", [
    (["a"], "unsupported type"), (numpy.zeros((1, 3), "c8"), "is not supported"), ("text", "unsupported type"),
    (numpy.zeros((1, 3), "f8"), None), ([[1.0, 2.0], [3.0]], "ragged")])
def test_bad_inputs_are_clear(client, tmp_path, value, text):
    name = "bad-inputs"
    if not any(m["name"] == name for m in client._s.use().models()):
        client.upload_model(file_of(tmp_path, "b.onnx", identity("FP32")), model_id=name)
    with pytest.raises((ValueError, ConnectionError), match=text):
        client.predict(name, value)


def test_use_after_close(server):
    client = blindai.connect("127.0.0.1:%d" % server.port, policy=server.policy, simulation=True)
    client.close()
    assert client.closed
    with pytest.raises(ValueError, match="Illegal operation on closed connection."):
        client.predict("m", [1.0])


def test_errors_have_blindais_names(server, start):
    with pytest.raises(errors.HardwareModeUnsupportedError, match="Simulation mode"):
        blindai.connect("127.0.0.1:%d" % server.port, policy=server.policy)
    with pytest.raises(FileNotFoundError):
        blindai.connect("127.0.0.1", policy="/no/such/policy.toml")
    with pytest.raises(ValueError):
        blindai.connect()
    with pytest.raises(ConnectionError):
        blindai.connect("127.0.0.1:1", simulation=True)
    for lie, kind in (("measurement", errors.IdentityError), ("debug", errors.DebugNotAllowedError),
                      ("binding", errors.QuoteValidationError)):
        liar = start("--sim-lie", lie)
        with pytest.raises(kind):
            blindai.connect("127.0.0.1:%d" % liar.port, policy=liar.policy, simulation=True)


def test_certificate_is_the_operators(start, tmp_path):
    server = start()
    host = server.folder / "state/host_server.pem"
    with blindai.connect("127.0.0.1:%d" % server.port, policy=server.policy, certificate=str(host), simulation=True):
        pass
    other = tmp_path / "other.pem"
    other.write_bytes((start().folder / "state/host_server.pem").read_bytes())
    with pytest.raises(ConnectionError):
        blindai.connect("127.0.0.1:%d" % server.port, policy=server.policy, certificate=str(other), simulation=True)


def test_uploads_can_be_forbidden(start, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("allow_sendmodel = false\n")
    server = start("--config", config)
    with blindai.connect("127.0.0.1:%d" % server.port, policy=server.policy, simulation=True) as client:
        with pytest.raises(ConnectionError, match="SendModel is disabled"):
            client.upload_model(file_of(tmp_path, "f.onnx", identity("FP32")))


def test_inference_time_is_told_when_configured(start, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("send_inference_time = true\n")
    told, withheld = start("--config", config), start()
    for server, shown in ((told, True), (withheld, False)):
        with blindai.connect("127.0.0.1:%d" % server.port, policy=server.policy, simulation=True) as client:
            model = client.upload_model(file_of(tmp_path, "t.onnx", identity("FP32")))
            assert (client.predict(model.model_id, [1.0, 2.0, 3.0]).inference_time > 0) == shown


def test_one_model_slot_is_shared_between_connections(server, tmp_path):
    first, second = BlindAiClient(), BlindAiClient()
    for c in (first, second):
        c.connect_server("127.0.0.1", simulation=True, attested_port=server.port)
    assert first.upload_model(file_of(tmp_path, "g1.onnx", identity("FP32")), shape=(1, 3), dtype=ModelDatumType.F32).ok
    assert second.run_model([1.0, 2.0, 3.0]).output == [1.0, 2.0, 3.0]
    first.upload_model(file_of(tmp_path, "g1.onnx", identity("INT64")), shape=(1, 3), datum_type=ModelDatumType.I64)
    assert second.run_model([4, 5, 6]).output == [4, 5, 6]
    first.close_connection()
    with pytest.raises(ValueError):
        first.run_model([1.0])


def test_models_by_hash(server, tmp_path):
    with blindai.core.connect("127.0.0.1", attested_server_port=server.port, simulation_mode=True,
                              hazmat_manifest_path=pathlib.Path(server.policy)) as client:
        uploaded = client.upload_model(file_of(tmp_path, "hash.onnx", subtract()), model_name="by-hash")
        answer = client.run_model(model_hash=uploaded.hash.hex(), input_tensors={"input": numpy.array(42),
                                                                                 "sub": numpy.array(40)})
        assert answer.output[0].as_flat() == [2]
        with pytest.raises(ValueError, match="at least one"):
            client.run_model(input_tensors=[1.0])
        with pytest.raises(ValueError, match="in the same time"):
            client.run_model(uploaded.model_id, uploaded.hash.hex(), [1.0])
        with pytest.raises(ValueError, match="doesn't exist"):
            client.run_model(model_hash="00" * 32, input_tensors=[1.0])


def test_the_exceptions_are_blinds_too():
    assert issubclass(errors.NotAnEnclaveError, blind.NotAnEnclaveError)
    assert issubclass(errors.IdentityError, blind.InvalidEnclaveCode)
    assert issubclass(errors.DebugNotAllowedError, blind.NotIsolatedEnclaveError)
