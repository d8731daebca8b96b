"""requests.Session over attested streams: nothing is sent before the verdict, and to no other origin."""

import functools
from urllib.parse import urljoin, urlsplit

import blind
import requests
from blind.sockets import AttestedSocket
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import NewConnectionError
from urllib3.poolmanager import PoolManager

from ..errors import translate


class _Connection(HTTPConnection):
    """An HTTP connection whose socket is a verified stream."""

    is_verified = True
    proxy_is_verified = None

    def __init__(self, *args, open_stream=None, **named):
        super().__init__(*args, **named)
        self._open_stream = open_stream

    def connect(self):
        stream = self._open_stream()
        timeout = self.timeout if isinstance(self.timeout, (int, float)) else None
        self.sock = AttestedSocket(stream, timeout)

    def request(self, *args, **named):
        self._refresh()
        return super().request(*args, **named)

    def request_chunked(self, *args, **named):
        self._refresh()
        return super().request_chunked(*args, **named)

    def _refresh(self):
        """An expired verdict is taken again before the next request."""
        if self.sock is not None and self.sock.stream.expired:
            self.sock.stream.reattest()


class _Adapter(HTTPAdapter):
    """Sends to one origin, over streams that `open_stream` verified."""

    def __init__(self, origin, open_stream, **named):
        self._origin, self._open_stream = origin, open_stream
        super().__init__(**named)

    def init_poolmanager(self, connections, maxsize, block=False, **named):
        made = functools.partial(_Connection, open_stream=self._open_stream)
        pool = type("AttestedPool", (HTTPConnectionPool,), {"scheme": "https", "ConnectionCls": staticmethod(made)})
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block)
        self.poolmanager.pool_classes_by_scheme = {"http": pool, "https": pool}

    def cert_verify(self, conn, url, verify, cert):
        """Nothing of requests' own: the stream was verified before it was handed out."""

    def get_connection(self, url, proxies=None):
        return self._pool(url)

    def get_connection_with_tls_context(self, request, verify, proxies=None, cert=None):
        return self._pool(request.url)

    def _pool(self, url):
        origin = urlsplit(self._origin)
        return self.poolmanager.connection_from_host(origin.hostname, origin.port, "https")

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None):
        if _origin(request.url) != self._origin:
            raise requests.exceptions.InvalidURL(
                "this session is attested for %s and sends nothing to %s" % (self._origin, _origin(request.url)))
        if cert:
            raise requests.exceptions.InvalidURL(
                "no certificates of clients in the handshake: client_key= is proved after the verdict")
        response = super().send(request, stream, timeout, verify, None, None)
        if _wants_attestation(response) and _replayable(request.body):
            response.close()
            self.poolmanager.clear()
            response = super().send(request, stream, timeout, verify, None, None)
        return response


def _wants_attestation(response):
    """The server's 409 `reattest`: a model changed after this connection's verdict."""
    if response.status_code != 409 or not response.headers.get("Content-Type", "").startswith("application/json"):
        return False
    try:
        return response.json().get("code") == "reattest"
    except (ValueError, AttributeError):
        return False


def _replayable(body):
    return body is None or isinstance(body, (bytes, str))


def _origin(url):
    parts = urlsplit(url)
    port = parts.port or blind.DEFAULT_PORT
    return "https://%s:%d" % (parts.hostname or "", port)


class SecureSession(requests.Session):
    """A requests.Session with one verified server.

    addr         URL of the server; `http://` is taken as `https://`, for there is no unencrypted way
    policy       path of the policy that the server must satisfy
    simulation   accept evidence signed by the published simulation key
    debug_mode   accept an enclave that its host can debug; skips no other check
    ca           PEM of the authority, or of the operator's host certificate, that vouches for the server
    client_key   path of a PEM key that the server knows (or the PEM as bytes): proved on every connection after its
                 verdict; requests' cert= would show who asks before it, and is refused
    cce_file, attestation_endpoint
                 accepted from old callers: `cce_file` is a policy in another form and must be absent
    Errors       NotAnEnclaveError, InvalidEnclaveCode, NotIsolatedEnclaveError (blindbox.errors),
                 blind.PolicyError, requests.exceptions.MissingSchema without an address

    The verdict is taken when the session is made, and again on every connection it opens."""

    def __init__(self, addr=None, cce_file=None, attestation_endpoint=None, debug_mode=False, *, policy=None,
                 simulation=False, ca=None, pin=None, server_name=None, api_key=None, client_key=None,
                 connect_timeout=30.0):
        super().__init__()
        if not addr:
            raise requests.exceptions.MissingSchema("Missing URL for the Secure Session instance")
        if cce_file is not None:
            raise requests.exceptions.ContentDecodingError(
                "a cce policy is not understood here; give policy= (blind policy create writes one)")
        self.trust_env = False  # no proxies, no .netrc: neither was attested
        self.base_url = _base(addr)
        self._options = dict(policy=policy, simulation=simulation, debug_mode=debug_mode, ca=ca, pin=pin,
                             server_name=server_name, client_key=client_key, timeout=connect_timeout)
        if api_key:
            self.headers["Authorization"] = "Bearer " + api_key
        self._first = self._open()
        self.verdict = self._first.verdict
        adapter = _Adapter(_origin(self.base_url), self._stream)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    @property
    def jwt(self):
        """The verdict as JSON; BlindBox had an attestation service's token here."""
        return self.verdict.json

    def _open(self):
        try:
            return blind.open_stream(self.base_url, **self._options)
        except blind.BlindError as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error

    def _stream(self):
        """The stream verified at construction, once; then a new one for each connection."""
        first, self._first = self._first, None
        if first is not None and not first.closed:
            return first
        try:
            return self._open()
        except (blind.NetworkError, OSError) as error:
            raise NewConnectionError(self, str(error)) from error

    def request(self, method, url="", *args, **named):
        named.pop("verify", None)  # never skips attestation, so it means nothing here
        url = "" if url is None else url
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            url = "https://" + url.split("://", 1)[1]
        else:
            url = urljoin(self.base_url + "/", url.lstrip("/"))
        return super().request(method, url, *args, **named)

    def get(self, endpoint="", **named):
        return super().get(endpoint, **named)

    def options(self, endpoint="", **named):
        return super().options(endpoint, **named)

    def head(self, endpoint="", **named):
        return super().head(endpoint, **named)

    def post(self, endpoint="", data=None, json=None, **named):
        return super().post(endpoint, data=data, json=json, **named)

    def put(self, endpoint="", data=None, **named):
        return super().put(endpoint, data=data, **named)

    def patch(self, endpoint="", data=None, **named):
        return super().patch(endpoint, data=data, **named)

    def delete(self, endpoint="", **named):
        return super().delete(endpoint, **named)

    def close(self):
        first, self._first = getattr(self, "_first", None), None
        if first is not None:
            first.close()
        super().close()


def _base(addr):
    scheme, _, rest = addr.partition("://") if "://" in addr else ("https", "", addr)
    if scheme not in ("http", "https"):
        raise requests.exceptions.InvalidSchema("no attested sessions over %s://" % scheme)
    return "https://" + rest.rstrip("/")


def connect(addr, cce_file=None, attestation_endpoint=None, debug_mode=False, **options):
    """SecureSession, by the name that the first release used."""
    return SecureSession(addr, cce_file, attestation_endpoint, debug_mode, **options)
