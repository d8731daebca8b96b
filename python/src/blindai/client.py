"""BlindAI's two gRPC generations: BlindAiClient (v0.1 to v0.4) and Connection (v0.5)."""

import os
import warnings

import blind

from .datatypes import (
    ModelDatumType,
    Tensor,
    TensorInfo,
    datum_type,
    from_kserve,
    is_list_of_tensors,
    is_numpy,
    is_torch,
    tensor,
    to_kserve,
)
from .utils import errors as _errors

CONNECTION_TIMEOUT = 10
DEFAULT_MODEL = "default"  # the slot that clients without model names share

__all__ = ["BlindAiClient", "BlindAiConnection", "Connection", "ModelDatumType", "SignedResponse",
           "UploadModelResponse", "RunModelResponse", "PredictResponse", "DeleteModelResponse", "connect"]


class SignedResponse:
    """What the server answered.  `attestation` is the verdict on the session that carried it."""

    def __init__(self, attestation=None):
        self.payload, self.signature, self.attestation = b"", b"", attestation

    def is_simulation_mode(self):
        return self.attestation is None or bool(self.attestation.simulation)

    def is_signed(self):
        return bool(self.signature)


class UploadModelResponse(SignedResponse):
    """`model_id`, the name to predict with; `model_hash`, the model's SHA-256 (bytes)."""

    def __init__(self, model_id, model_hash, attestation):
        super().__init__(attestation)
        self.model_id, self.model_hash = model_id, model_hash
        self.ok, self.msg = True, ""


class PredictResponse(SignedResponse):
    """`output`, a list of Tensor; `inference_time` in ms, 0 where the server withholds it."""

    def __init__(self, output, model_id, inference_time, attestation):
        super().__init__(attestation)
        self.output, self.model_id, self.inference_time = output, model_id, inference_time


class RunModelResponse(SignedResponse):
    """`output`, the first output's elements as one flat list."""

    def __init__(self, tensors, model_id, attestation):
        super().__init__(attestation)
        self.tensors, self.model_id = tensors, model_id
        self.output = tensors[0].as_flat() if tensors else []
        self.ok, self.msg = True, ""


class DeleteModelResponse:
    """The model is gone."""


def _address(addr, port):
    """The https URL of the attested port; a port in `addr` wins."""
    host = addr.split("://", 1)[-1].rstrip("/")
    bracketed = host.startswith("[")
    if (":" in host.rsplit("]", 1)[-1]) if bracketed else host.count(":") == 1:
        return "https://" + host
    if not bracketed and host.count(":") > 1:
        host = "[%s]" % host
    return "https://%s:%d" % (host, port)


class _Session:
    """One attested session and the calls that all generations share."""

    def __init__(self, addr, server_name, policy, certificate, simulation, attested_port, debug_mode, api_key,
                 client_key=None):
        if addr is None:
            raise ValueError("No address: give the address of a server (there is no managed service to fall back on)")
        for path in (policy, certificate):
            if path is not None and not os.path.exists(path):
                raise FileNotFoundError("No such file: '%s'" % path)
        if simulation:
            warnings.warn("Simulation mode: the server's evidence is signed by a key that everybody has; "
                          "it protects nothing", stacklevel=4)
        if certificate is None:
            warnings.warn("No certificate specified. The certificate verification is disabled.", stacklevel=4)
        self.policy, self.simulation_mode, self.closed = policy, simulation, False
        self._session = self._call(
            blind.connect, _address(addr, attested_port), policy=policy, ca=certificate, server_name=server_name,
            simulation=simulation, debug_mode=debug_mode, api_key=api_key, client_key=client_key,
            timeout=CONNECTION_TIMEOUT)
        self.attestation = self._session.verdict
        self.server_version = self._session.server_version

    def _call(self, function, *args, **named):
        try:
            return function(*args, **named)
        except (blind.BlindError, OSError) as error:
            translated = _errors.translate(error, self.policy)
            if translated is error:
                raise
            raise translated from error

    def use(self):
        if self.closed:
            raise ValueError("Illegal operation on closed connection.")
        return self._session

    def close(self):
        if not self.closed:
            self.closed = True
            self._session.close()

    def upload(self, model, name, specs, sign, replace=False):
        if sign:
            raise NotImplementedError("sign=True: this version makes no signed responses")
        if model is None:
            raise ValueError("No model given")
        if not os.path.isfile(model):
            raise FileNotFoundError("No such file: '%s'" % model)
        try:
            info = self._call(self.use().upload, name or os.path.basename(model), model, replace=replace)
        except blind.ExistsError as error:
            raise ValueError("A model with the same name already exists, delete it first if you want to replace it") \
                from error
        response = UploadModelResponse(info["name"], bytes.fromhex(info["sha256"]), self._session.verdict)
        self._check_facts(info["name"], specs)
        return response

    def _check_facts(self, name, specs):
        """The declared facts against those that the server read from the model."""
        described = self._call(self.use().metadata, name)
        for kind, wanted in specs.items():
            for i, (dims, dtype) in enumerate(wanted or []):
                if i >= len(described[kind]):
                    raise ValueError("%d %s declared, but the model has %d" % (len(wanted), kind, len(described[kind])))
                found = described[kind][i]
                if dtype is not None and to_kserve(datum_type(dtype)) != found["datatype"]:
                    raise ValueError("Given tensor has dtype %s, but %s was expected."
                                     % (datum_type(dtype).name, from_kserve(found["datatype"]).name))
                if dims is not None and (len(dims) != len(found["shape"]) or any(
                        f >= 0 and d >= 0 and f != d for d, f in zip(dims, found["shape"]))):
                    raise ValueError("Given tensor has shape %s, but %s was expected."
                                     % (tuple(dims), tuple(found["shape"])))

    def inputs(self, name, tensors, dtypes=None, shapes=None):
        """The model's inputs as {name: Tensor}, from a dict, a list of tensors, or one tensor or flat list."""
        described = self._call(self.use().metadata, name)["inputs"]
        if isinstance(tensors, dict):
            named = dict(tensors)
        else:
            several = is_list_of_tensors(tensors) or (
                isinstance(tensors, (list, tuple)) and len(described) > 1 and len(tensors) == len(described)
                and all(isinstance(t, (list, tuple)) or is_numpy(t) or is_torch(t) for t in tensors))
            values = list(tensors) if several else [tensors]
            if len(values) != len(described):
                raise ValueError("%d tensors given, but the model has %d inputs" % (len(values), len(described)))
            named = {d["name"]: v for d, v in zip(described, values)}
        by_name = {d["name"]: d for d in described}
        for wrong in set(named) - set(by_name):
            raise ValueError("The model has no input '%s' (it has %s)" % (wrong, ", ".join(sorted(by_name))))
        for missing in set(by_name) - set(named):
            raise ValueError("Input '%s' is missing" % missing)
        result = []
        for i, d in enumerate(described):
            value = named[d["name"]]
            dtype = _pick(dtypes, i, d["name"])
            shape = _pick_shape(shapes, i, d["name"], len(described))
            plain = isinstance(value, (list, tuple, int, float, bool))
            nested = isinstance(value, (list, tuple)) and any(isinstance(v, (list, tuple)) for v in value)
            if plain and dtype is None:
                dtype = from_kserve(d["datatype"])
            if plain and shape is None and not nested:
                shape = d["shape"]
            result.append(tensor(value, dtype, shape, d["name"]))
        return result

    def run(self, name, tensors, dtypes=None, shapes=None):
        inputs = self.inputs(name, tensors, dtypes, shapes)
        sent = [(t.name, to_kserve(t.datum_type), t.shape, t.bytes_data) for t in inputs]
        answer = self._call(self.use().infer_raw, name, sent)
        outputs = [Tensor(TensorInfo(shape, from_kserve(kserve), i, out), data)
                   for i, (out, kserve, shape, data) in enumerate(answer.outputs)]
        return outputs, answer.inference_time_ms


def _pick(values, index, name):
    if values is None or isinstance(values, (str, int)) or not isinstance(values, (list, tuple, dict)):
        return values
    if isinstance(values, dict):
        return values.get(name)
    return values[index] if index < len(values) else None


def _pick_shape(shapes, index, name, inputs):
    if shapes is None:
        return None
    if isinstance(shapes, dict):
        return shapes.get(name)
    if len(shapes) and all(isinstance(s, int) for s in shapes):
        return shapes if inputs == 1 else None
    return shapes[index] if index < len(shapes) else None


def _specs(shape, dtype, dtype_out, tensor_inputs=None, tensor_outputs=None):
    """Declared facts of all generations as {"inputs": [(dims, type)], "outputs": [...]}."""
    inputs = [_spec(s) for s in tensor_inputs] if tensor_inputs else []
    outputs = [_spec(s) for s in tensor_outputs] if tensor_outputs else []
    if not inputs and (shape is not None or dtype is not None):
        inputs = [(None if shape is None else list(shape), dtype)]
    if not outputs and dtype_out is not None:
        outputs = [(None, dtype_out)]
    return {"inputs": inputs, "outputs": outputs}


def _spec(spec):
    """(dims, type), [dims, type], a TensorInfo, or a type alone."""
    if isinstance(spec, TensorInfo):
        return spec.dims, spec.datum_type
    if isinstance(spec, (list, tuple)) and len(spec) == 2 and isinstance(spec[0], (list, tuple)):
        return list(spec[0]), spec[1]
    return None, spec


class Connected:
    """What every connection to a verified server can do: delete a model, close, be a context."""

    _s: _Session

    @property
    def closed(self):
        return self._s.closed

    def delete_model(self, model_id):
        self._s._call(self._s.use().delete, model_id)
        return DeleteModelResponse()

    def close(self):
        self._s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


class Connection(Connected):
    """A connection to a verified server (BlindAI v0.5); see connect()."""

    def __init__(self, addr=None, server_name="blindai-srv", policy=None, certificate=None, simulation=False,
                 untrusted_port=50052, attested_port=50051, debug_mode=False, api_key=None, client_key=None):
        self._s = _Session(addr, server_name, policy, certificate, simulation, attested_port, debug_mode, api_key,
                           client_key)
        self.policy, self.simulation_mode = policy, simulation
        self.untrusted_port = untrusted_port  # kept for callers: verification takes nothing from that port
        self.attestation, self.server_version = self._s.attestation, self._s.server_version
        self.enclave_signing_key = None
        self.client_info = {"user_agent": "blindai_python", "user_agent_version": blind.__version__}

    def upload_model(self, model, input_specs=None, output_specs=None, shape=None, dtype=None, dtype_out=None,
                     sign=False, model_id=None, save_model=True):
        """Uploads the ONNX file `model`; the facts (`input_specs`, `shape`, ...) are checked when given.

        Source: BlindAI 0.5, client/blindai/client.py."""
        return self._s.upload(model, model_id, _specs(shape, dtype, dtype_out, input_specs, output_specs), sign)

    def predict(self, model_id, tensors, dtype=None, shape=None, sign=False):
        """Runs a model on a tensor, a list of tensors, or a dict of them by input name."""
        if sign:
            raise NotImplementedError("sign=True: this version makes no signed responses")
        output, took_ms = self._s.run(model_id, tensors, dtype, shape)
        return PredictResponse(output, model_id, took_ms, self._s.attestation)


def connect(*args, **kwargs):
    """Connects to `addr`, verifies the server against `policy` and returns a Connection.

    addr           host, host:port or https URL
    policy         path of policy.toml; without one only simulation=True connects
    certificate    path of a PEM: the CA, or the operator's host_server.pem, that vouches for the server
    simulation     accept evidence signed by the published simulation key
    api_key        bearer token, sent after the verdict
    client_key     path of a PEM key that the server knows, proved after the verdict
    Errors: blindai.utils.errors, ConnectionError, FileNotFoundError, ValueError."""
    return Connection(*args, **kwargs)


class BlindAiConnection(Connected):
    """A connection of BlindAI v0.4."""

    def __init__(self, addr, server_name="blindai-srv", policy=None, certificate=None, simulation=False,
                 untrusted_port=50052, attested_port=50051, debug_mode=False):
        self._s = _Session(addr, server_name, policy, certificate, simulation, attested_port, debug_mode, None)

    def upload_model(self, model, tensor_inputs=None, tensor_outputs=None, shape=None, dtype=None, dtype_out=None,
                     sign=False, model_name=None, datum_type=None):
        facts = _specs(shape, dtype if dtype is not None else datum_type, dtype_out, tensor_inputs, tensor_outputs)
        return self._s.upload(model, model_name, facts, sign)

    def run_model(self, model_id, data_list, sign=False):
        if sign:
            raise NotImplementedError("sign=True: this version makes no signed responses")
        output, took_ms = self._s.run(model_id, data_list)
        return PredictResponse(output, model_id, took_ms, self._s.attestation)


class BlindAiClient:
    """The client of BlindAI v0.1 to v0.3: one model, in a slot that all connections share."""

    def __init__(self, debug_mode=False):
        self._debug_mode, self._s = debug_mode, None

    def connect_server(self, addr, server_name="blindai-srv", policy=None, certificate=None, simulation=False,
                       untrusted_port=50052, attested_port=50051):
        """Connects and verifies; raises where v0.1 returned False."""
        self.close_connection()
        self._s = _Session(addr, server_name, policy, certificate, simulation, attested_port, self._debug_mode, None)
        return True

    def _session(self):
        if self._s is None:
            raise ValueError("Illegal operation on closed connection.")
        return self._s

    def upload_model(self, model=None, shape=None, dtype=None, dtype_out=None, sign=False, datum_type=None):
        """Uploads into the shared slot; `datum_type` is the first release's name of `dtype`."""
        facts = _specs(shape, dtype if dtype is not None else datum_type, dtype_out)
        return self._session().upload(model, DEFAULT_MODEL, facts, sign, replace=True)

    def run_model(self, data_list, sign=False):
        """Runs the shared slot's model on a flat list, an array or a list of arrays."""
        if sign:
            raise NotImplementedError("sign=True: this version makes no signed responses")
        session = self._session()
        output, _ = session.run(DEFAULT_MODEL, data_list)
        return RunModelResponse(output, DEFAULT_MODEL, session.attestation)

    send_data = run_model

    def close_connection(self):
        if self._s is not None:
            self._s.close()
            self._s = None
