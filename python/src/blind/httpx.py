"""httpx over attested streams.

    client = httpx.Client(transport=blind.httpx_transport("https://box.example:50051", policy="policy.toml"))
"""

import time

import httpcore
import httpx

from . import errors
from .dial import DEFAULT_PORT
from .sockets import AttestedSocket
from .stream import open_stream


class _NetworkStream:
    """httpcore's view of an attested stream: already encrypted, whatever the scheme."""

    def __init__(self, sock):
        self._sock = sock

    def read(self, max_bytes, timeout=None):
        self._sock.settimeout(timeout)
        try:
            return self._sock.recv(max_bytes)
        except errors.TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except errors.BlindError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer, timeout=None):
        self._sock.settimeout(timeout)
        try:
            self._sock.sendall(buffer)
        except errors.TimeoutError as error:
            raise httpcore.WriteTimeout(str(error)) from error
        except errors.BlindError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self):
        self._sock.close()

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        return self  # the attested stream is the TLS session already

    def get_extra_info(self, info):
        return not self._sock.stream.alive if info == "is_readable" else None


class _Backend:
    """Opens attested streams to one server, whatever host it is asked for."""

    def __init__(self, url, options):
        self._url, self._options = url, options

    def connect_tcp(self, host, port, timeout=None, local_address=None, **ignored):
        try:
            return _NetworkStream(AttestedSocket(open_stream(self._url, **self._options), timeout))
        except errors.NetworkError as error:
            raise httpcore.ConnectError(str(error)) from error

    def connect_unix_socket(self, *args, **named):
        raise httpcore.ConnectError("attested sessions go over TCP")

    def sleep(self, seconds):
        time.sleep(seconds)


class Transport(httpx.HTTPTransport):
    """Carries requests for one origin, each over a verified connection; another origin is refused."""

    def __init__(self, url, **options):
        super().__init__(trust_env=False)
        self._origin = httpx.URL(url)
        self._pool = httpcore.ConnectionPool(network_backend=_Backend(url, options))

    def handle_request(self, request):
        if (request.url.host, _port(request.url)) != (self._origin.host, _port(self._origin)):
            raise httpx.UnsupportedProtocol("this transport is attested for %s and sends nothing to %s"
                                            % (self._origin, request.url.host), request=request)
        return super().handle_request(request)


def _port(url):
    return url.port or DEFAULT_PORT
