"""What a connection is made with: server, policy, identity."""

import os
from importlib import resources
from urllib.parse import urlsplit

from . import errors
from ._blind import ffi, lib
from .verdict import Verdict

DEFAULT_PORT = 50051


class Policy:
    """A relying party's policy, from a path or a TOML text."""

    def __init__(self, path=None, text=None):
        out, err = ffi.new("blind_policy **"), ffi.new("blind_error *")
        if text is not None:
            raw = ffi.from_buffer(text.encode())
            span = ffi.new("blind_span *", {"data": ffi.cast("const uint8_t *", raw), "size": len(raw)})
            code = lib.blind_policy_load_text(span[0], out, err)
        else:
            code = lib.blind_policy_load_file(os.fsencode(path), out, err)
        if code != lib.BLIND_OK:
            raise errors.from_error(err)
        self.pointer = ffi.gc(out[0], lib.blind_policy_free)

    @classmethod
    def of(cls, policy, simulation):
        """A Policy, a path, or None: then the built-in one, which serves simulation only."""
        if isinstance(policy, cls):
            return policy
        if policy is not None:
            return cls(policy)
        if not simulation:
            raise errors.PolicyError("no policy: give policy=PATH (blind policy create writes one), or simulation=True")
        return cls(text=resources.files("blind").joinpath("simulation.toml").read_text("utf-8"))


class Dial:
    """Owns the C options and what they borrow."""

    def __init__(self, url, policy=None, ca=None, pin=None, server_name=None, client_key=None, simulation=False,
                 debug_mode=False, timeout=30.0, verdict_ttl=3600.0):
        parts = urlsplit(url if "://" in url else "https://" + url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("expected https://HOST:PORT, found %r" % url)
        self.host, self.port = parts.hostname, parts.port or DEFAULT_PORT
        self.policy = Policy.of(policy, simulation)
        in_memory = isinstance(client_key, (bytes, bytearray, memoryview))
        self._key = ffi.from_buffer(client_key if in_memory else b"")
        self._kept = [None if s is None else ffi.new("char[]", os.fsencode(s))
                      for s in (self.host, ca, pin, server_name, None if in_memory else client_key)]
        host, ca_file, pin_file, name, key_file = (ffi.NULL if k is None else k for k in self._kept)
        self.options = {
            "host": host, "port": self.port, "policy": self.policy.pointer, "ca_file": ca_file, "pin_file": pin_file,
            "server_name": name, "client_key_file": key_file,
            "client_key": {"data": ffi.cast("const uint8_t *", self._key), "size": len(self._key)}, "simulation": bool(simulation), "debug_mode": bool(debug_mode),
            "timeout_ms": max(1, int(timeout * 1000)), "verdict_ttl_s": max(1, int(verdict_ttl))}


def refused(err, result):
    """The exception of a failed dial, with the verdict where there is one; frees `result`."""
    if result[0] == ffi.NULL:
        return errors.from_error(err)
    verdict = Verdict.of(result[0])
    lib.blind_result_free(result[0])
    return errors.from_error(err, verdict)
