"""The exceptions of blind, made from the library's one table of codes.

Every code has its exception; they form three classes that callers catch, and BlindError above all:

    NotAnEnclaveError         exit status 10: no authentic, fresh evidence bound to this session
    InvalidEnclaveCode        exit status 11: authentic, but other code or another model
    NotIsolatedEnclaveError   exit status 12: right code, weaker isolation
    PolicyError               exit status 13: the policy itself is unusable

An exception has `code` ("MEASUREMENT"), `stage` ("sim.signature"), `exit_status`, and `verdict` where one
was reached.
"""

import builtins

from ._blind import ffi, lib


class BlindError(Exception):
    """Any failure that blind reports."""

    code, exit_status = "FAILED", 1

    def __init__(self, message="", stage="", verdict=None):
        super().__init__(message)
        self.stage, self.verdict = stage, verdict


_HEADS = {10: "EVIDENCE", 11: "CODE", 12: "ISOLATION", 13: "POLICY"}
# What Python callers expect to catch beside ours.
_ALSO = {"NETWORK": builtins.ConnectionError, "CLOSED": builtins.ConnectionError, "TIMEOUT": builtins.TimeoutError,
         "TLS": builtins.ConnectionError, "INPUT": builtins.ValueError, "LIMIT": builtins.ValueError,
         "IO": builtins.OSError, "MEMORY": builtins.MemoryError, "POLICY": builtins.ValueError}


def _text(c_string):
    return ffi.string(c_string).decode()


def _make():
    """One class per code; the head of each exit status above 9 is the base of its finer ones."""
    by_code, by_exit = {}, {}
    codes = sorted(range(1, lib.BLIND_CODE_COUNT), key=lambda c: _text(lib.blind_code_name(c)) not in _HEADS.values())
    for number in codes:
        name, exit_status = _text(lib.blind_code_name(number)), lib.blind_code_exit(number)
        class_name = _text(lib.blind_code_exception(number))
        if class_name == "BlindError":
            by_code[number] = BlindError
            continue
        bases = (by_exit.get(exit_status, BlindError),) + ((_ALSO[name],) if name in _ALSO else ())
        made = type(class_name, bases, {"__doc__": _text(lib.blind_code_text(number)).capitalize() + ".",
                                        "__module__": __name__, "code": name, "exit_status": exit_status})
        by_code[number] = made
        if _HEADS.get(exit_status) == name:
            by_exit[exit_status] = made
    return by_code


_BY_CODE = _make()
globals().update({c.__name__: c for c in _BY_CODE.values()})
__all__ = sorted({c.__name__ for c in _BY_CODE.values()})


def from_error(err, verdict=None):
    """The exception of a filled blind_error."""
    kind = _BY_CODE.get(err.code, BlindError)
    stage = _text(err.stage) if err.stage != ffi.NULL else ""
    return kind(ffi.string(err.message).decode(errors="replace"), stage, verdict)
