"""Models on a verified server: upload, infer, delete."""

import json
import os
from collections import namedtuple

from . import errors
from ._blind import ffi, lib
from .dial import Dial, refused
from .verdict import Verdict, take_text

Response = namedtuple("Response", "status headers content")
RawAnswer = namedtuple("RawAnswer", "outputs inference_time_ms")

_KSERVE = [ffi.string(lib.blind_dtype_kserve(i)).decode() for i in range(lib.BLIND_DTYPE_COUNT)]
_NUMPY = {"FP32": "<f4", "FP64": "<f8", "INT32": "<i4", "INT64": "<i8", "UINT32": "<u4", "UINT64": "<u8",
          "UINT8": "|u1", "UINT16": "<u2", "INT8": "|i1", "INT16": "<i2", "BOOL": "|b1", "FP16": "<f2"}
_FROM_NUMPY = {spelling[1:]: name for name, spelling in _NUMPY.items()}


class _Progress:
    """A caller's progress function, and what it raised."""

    def __init__(self, function):
        self.function, self.raised = function, None


@ffi.def_extern(error=lib.BLIND_CANCELLED)
def blind_py_progress(arg, sent, total, err):
    progress = ffi.from_handle(arg)
    try:
        progress.function(sent, total)
        return lib.BLIND_OK
    except BaseException as error:
        progress.raised = error
        return lib.BLIND_CANCELLED


def connect(url, **options):
    """Connects to `url`, verifies the server and returns a Client.

    policy       path, Policy, or None: then the built-in policy, for simulation only
    ca, pin      PEM that vouches for the server: an authority's, or the server's own
    server_name  expected in the server's certificate
    client_key   path of a PEM key that the server knows, or the PEM as bytes: proved after every verdict
    simulation   accept evidence signed by the published simulation key
    debug_mode   accept an enclave that its host can debug
    api_key      bearer token, sent after the verdict
    timeout      seconds from request to verdict, default 30
    verdict_ttl  seconds a verdict holds, default 3,600
    Errors: blind.errors; a refusal carries `verdict`."""
    return Client(url, **options)


class Client:
    """A verified server.  Every connection it opens is verified before a request goes over it."""

    def __init__(self, url, api_key=None, **options):
        self._dial = Dial(url, **options)
        token = ffi.NULL if api_key is None else ffi.new("char[]", api_key.encode())
        c_options = ffi.new("blind_client_options *", {"dial": self._dial.options, "token": token})
        out, result, err = ffi.new("blind_client **"), ffi.new("blind_result **"), ffi.new("blind_error *")
        if lib.blind_client_open(c_options, out, result, err) != lib.BLIND_OK:
            raise refused(err, result)
        if result[0] != ffi.NULL:
            lib.blind_result_free(result[0])
        self._client = ffi.gc(out[0], lib.blind_client_close)

    def _live(self):
        if self._client is None:
            raise errors.ClosedError("the client is closed", "client")
        return self._client

    def _try(self, function, *args):
        err = ffi.new("blind_error *")
        if function(self._live(), *args, err) != lib.BLIND_OK:
            raise errors.from_error(err)

    @property
    def verdict(self):
        """The verdict of the newest connection."""
        return Verdict(take_text(lib.blind_client_verdict_json(self._live())),
                       take_text(lib.blind_client_verdict_text(self._live())))

    def ear(self, key_pem):
        """The verdict of the newest connection as a signed token (JWT): an EAT attestation result.

        key_pem: bytes, an unencrypted P-256 key."""
        raw, out = ffi.from_buffer(key_pem), ffi.new("char **")
        span = ffi.new("blind_span *", {"data": ffi.cast("const uint8_t *", raw), "size": len(raw)})
        self._try(lib.blind_client_ear, span[0], out)
        return take_text(out[0])

    @property
    def server_version(self):
        return self.server_metadata().get("version", "")

    def reattest(self):
        self._try(lib.blind_client_reattest)

    def request(self, method, target, headers=None, body=b""):
        """Any request; the Response has status, headers (lower-case names) and content, whatever the status."""
        kept = [(ffi.new("char[]", n.encode()), ffi.new("char[]", v.encode())) for n, v in (headers or {}).items()]
        c_headers = ffi.new("blind_header[]", [{"name": n, "value": v} for n, v in kept])
        raw = ffi.from_buffer(body)
        c_method, c_target = ffi.new("char[]", method.encode()), ffi.new("char[]", target.encode())
        request = ffi.new("blind_request *", {
            "method": c_method, "target": c_target, "headers": c_headers, "header_count": len(kept),
            "body": {"data": ffi.cast("const uint8_t *", raw), "size": len(raw)}})
        out = ffi.new("blind_response *")
        self._try(lib.blind_client_request, request, out)
        try:
            found = {ffi.string(out.headers[i].name).decode("latin-1"): ffi.string(out.headers[i].value).decode("latin-1")
                     for i in range(out.header_count)}
            return Response(out.status, found, bytes(ffi.buffer(out.body, out.body_size)) if out.body_size else b"")
        finally:
            lib.blind_response_done(out)

    def _json(self, function, *args):
        text = ffi.new("char **")
        self._try(function, *args, text)
        return json.loads(take_text(text[0]))

    def upload(self, name, model, progress=None, replace=True):
        """Uploads a model (a path, or bytes) and returns {"name", "sha256", "salt", "size"}.

        The server's SHA-256 is compared with the file's own.  progress(sent, total) is called as it goes;
        an exception that it raises stops the upload.  replace=False: ExistsError where the name is taken."""
        info = ffi.new("blind_model_info *")
        told = _Progress(progress)
        handle = ffi.NULL if progress is None else ffi.new_handle(told)
        options = ffi.new("blind_upload_options *", {
            "no_replace": not replace, "progress": ffi.NULL if progress is None else lib.blind_py_progress,
            "progress_arg": handle})
        try:
            if isinstance(model, (bytes, bytearray, memoryview)):
                raw = ffi.from_buffer(model)
                span = ffi.new("blind_span *", {"data": ffi.cast("const uint8_t *", raw), "size": len(raw)})
                self._try(lib.blind_client_upload_bytes, name.encode(), span[0], options, info)
            else:
                self._try(lib.blind_client_upload, name.encode(), os.fsencode(model), options, info)
        except errors.BlindError:
            if told.raised is not None:
                raise told.raised from None
            raise
        return {"name": ffi.string(info.name).decode(), "sha256": ffi.string(info.sha256).decode(),
                "salt": ffi.string(info.salt).decode(), "size": info.size}

    def delete(self, name):
        self._try(lib.blind_client_delete, name.encode())

    def metadata(self, name):
        """A model's inputs and outputs, as KServe V2 describes them."""
        return self._json(lib.blind_client_metadata, name.encode())

    def models(self):
        """The repository's index: a list of {"name", "state", ...}."""
        return self._json(lib.blind_client_index)

    def server_metadata(self):
        return json.loads(self.request("GET", "/v2").content)

    def infer_raw(self, model, inputs):
        """inputs: [(name, KServe type, shape, little-endian bytes)]; the RawAnswer's outputs are the same."""
        kept = [(ffi.new("char[]", name.encode()), ffi.from_buffer(data)) for name, _, _, data in inputs]
        tensors = ffi.new("blind_tensor[]", len(inputs))
        for t, (_, kserve, shape, data), (c_name, raw) in zip(tensors, inputs, kept):
            if len(shape) > 16 or kserve not in _KSERVE:
                raise ValueError("no tensor of type %s and shape %s" % (kserve, tuple(shape)))
            t.name, t.dtype, t.rank, t.size = c_name, _KSERVE.index(kserve), len(shape), len(data)
            t.data = ffi.cast("void *", raw)
            for i, d in enumerate(shape):
                t.shape[i] = d
        out = ffi.new("blind_outputs *")
        self._try(lib.blind_client_infer, model.encode(), tensors, len(inputs), out)
        try:
            return RawAnswer([_output(out.tensors[i]) for i in range(out.count)], out.inference_time_ms)
        finally:
            lib.blind_outputs_done(out)

    def infer(self, model, inputs):
        """Runs a model on {input name: numpy array} and returns {output name: numpy array}.

        A file for a pipeline is its bytes: {"image": b"..."} goes as UINT8 [size].  A text is a str, texts are an
        array of them; texts come back as an array of str."""
        import numpy

        sent = []
        for name, value in inputs.items():
            if isinstance(value, (bytes, bytearray, memoryview)):
                value = numpy.frombuffer(value, "u1")
            if isinstance(value, str):
                value = [value]
            array = numpy.ascontiguousarray(value)
            if numpy.asarray(value).ndim == 0:
                array = array.reshape(())
            if array.dtype.kind in "UO":
                sent.append((name, "BYTES", array.shape, _pack_texts(name, array.ravel())))
                continue
            spelling = array.dtype.newbyteorder("<").str[1:]
            if spelling not in _FROM_NUMPY:
                raise ValueError("input '%s': numpy dtype %s is not supported" % (name, array.dtype))
            kserve = _FROM_NUMPY[spelling]
            sent.append((name, kserve, array.shape, array.astype(_NUMPY[kserve], copy=False).tobytes()))
        answer = self.infer_raw(model, sent)
        return {name: _unpack_texts(shape, data) if kserve == "BYTES" else
                numpy.frombuffer(data, dtype=_NUMPY[kserve]).reshape(shape).copy()
                for name, kserve, shape, data in answer.outputs}

    def close(self):
        if self._client is not None:
            client, self._client = self._client, None
            ffi.release(client)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


def _pack_texts(name, texts):
    """Each text as its size in four bytes, little-endian, and its UTF-8: KServe's BYTES."""
    out = bytearray()
    for text in texts:
        if not isinstance(text, (str, bytes)):
            raise ValueError("input '%s': %s is no text" % (name, type(text).__name__))
        raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
        out += len(raw).to_bytes(4, "little") + raw
    return bytes(out)


def _unpack_texts(shape, data):
    """An array of str; what is not UTF-8 is kept as surrogates, so that it can be sent back."""
    import numpy

    texts, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at:at + 4], "little")
        texts.append(data[at + 4:at + 4 + size].decode("utf-8", "surrogateescape"))
        at += 4 + size
    out = numpy.empty(len(texts), dtype=object)
    out[:] = texts
    return out.reshape(shape)


def _output(t):
    shape = [t.shape[i] for i in range(t.rank)]
    data = bytes(ffi.buffer(t.data, t.size)) if t.size else b""
    return ffi.string(t.name).decode(), _KSERVE[t.dtype], shape, data
