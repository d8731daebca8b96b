"""BlindAI v0.6's interface: models by id or by hash, inputs by name."""

import pathlib
import warnings


from .client import Connected, PredictResponse, UploadModelResponse, _Session, _specs
from .datatypes import ModelDatumType, Tensor, TensorInfo
from .utils.errors import AttestationError, EnclaveHeldDataError, IdentityError, QuoteValidationError

__all__ = ["connect", "BlindAiConnection", "RunModelResponse", "UploadResponse", "Tensor", "TensorInfo",
           "ModelDatumType", "AttestationError", "QuoteValidationError", "EnclaveHeldDataError", "IdentityError",
           "SimulationModeWarning"]


class SimulationModeWarning(Warning):
    """The session is simulated and protects nothing."""


class UploadResponse(UploadModelResponse):
    """`model_id` and `hash`, the model's SHA-256."""

    @property
    def hash(self):
        return self.model_hash


class RunModelResponse(PredictResponse):
    """`output`, a list of Tensor."""


class BlindAiConnection(Connected):
    """A connection to a verified server (BlindAI v0.6); see connect()."""

    def __init__(self, addr, attested_server_port, manifest, simulation_mode):
        self._s = _Session(addr, "blindai-srv", manifest, None, simulation_mode, attested_server_port, False, None)

    def upload_model(self, model, model_name=None, optimize=True):
        """Uploads an ONNX file; models are always optimised, `optimize` is accepted for old callers."""
        uploaded = self._s.upload(str(model), model_name, _specs(None, None, None), False)
        return UploadResponse(uploaded.model_id, uploaded.model_hash, uploaded.attestation)

    def run_model(self, model_id="", model_hash="", input_tensors=None, dtypes=None, shapes=None):
        """Runs the model of that id, or of that SHA-256 (hex)."""
        if not isinstance(model_id, str) or not isinstance(model_hash, (str, bytes)):
            raise ValueError("model_id and model_hash are strings; give tensors as input_tensors=")
        if not model_id and not model_hash:
            raise ValueError("You must provide at least one model_id or model_hash")
        if model_id and model_hash:
            raise ValueError("You cannot provide a model_id and a model_hash in the same time")
        if model_hash:
            model_id = self._named(model_hash.hex() if isinstance(model_hash, bytes) else model_hash.lower())
        output, took_ms = self._s.run(model_id, input_tensors, dtypes, shapes)
        return RunModelResponse(output, model_id, took_ms, self._s.attestation)

    def _named(self, digest):
        for model in self._s._call(self._s.use().models):
            if model.get("sha256") == digest:
                return model["name"]
        raise ValueError("Model doesn't exist: no model has SHA-256 %s" % digest)


def connect(addr, unattested_server_port=9923, attested_server_port=9924, model_management_port=9925,
            hazmat_manifest_path=None, hazmat_http_on_unattested_port=False, simulation_mode=False):
    """Connects to `addr` and verifies it against the manifest.

    The unattested and the management port of v0.6 are accepted and unused: evidence, inference and
    management share one attested session."""
    if hazmat_manifest_path is not None and not isinstance(hazmat_manifest_path, pathlib.Path):
        raise ValueError("manifest_path should be a pathlib.Path")
    if simulation_mode:
        warnings.warn("Simulation mode: this connection protects nothing", SimulationModeWarning, stacklevel=2)
    manifest = None if hazmat_manifest_path is None else str(hazmat_manifest_path)
    return BlindAiConnection(addr, attested_server_port, manifest, simulation_mode)
