"""`requests`, attested: SecureSession, and one-shot verbs.

    from blindbox import requests
    session = requests.SecureSession("https://box.example:50051", policy="policy.toml")
    print(session.get("/status").text)
"""

from ..errors import InvalidEnclaveCode, NotAnEnclaveError, NotIsolatedEnclaveError
from .secure_session import SecureSession, connect

__all__ = ["SecureSession", "connect", "get", "options", "head", "post", "put", "patch", "delete",
           "NotAnEnclaveError", "InvalidEnclaveCode", "NotIsolatedEnclaveError"]


def _once(method, addr, endpoint="", *, policy=None, **named):
    session_names = ("simulation", "debug_mode", "cce_file", "ca", "server_name", "api_key", "client_key", "connect_timeout")
    options = {name: named.pop(name) for name in session_names if name in named}
    with SecureSession(addr, policy=policy, **options) as session:
        return session.request(method, endpoint, **named)


def get(addr, endpoint="", **named):
    """One verified GET; takes SecureSession's options and those of requests."""
    return _once("GET", addr, endpoint, **named)


def options(addr, endpoint="", **named):
    return _once("OPTIONS", addr, endpoint, **named)


def head(addr, endpoint="", **named):
    return _once("HEAD", addr, endpoint, **named)


def post(addr, endpoint="", **named):
    return _once("POST", addr, endpoint, **named)


def put(addr, endpoint="", **named):
    return _once("PUT", addr, endpoint, **named)


def patch(addr, endpoint="", **named):
    return _once("PATCH", addr, endpoint, **named)


def delete(addr, endpoint="", **named):
    return _once("DELETE", addr, endpoint, **named)
