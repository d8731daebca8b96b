"""BlindBox's exceptions; each is also the `blind` exception of the same meaning.

    NotAnEnclaveError         no authentic, fresh evidence bound to this session
      FalseAttestationReport    its signature, chain or binding is wrong
      WrongAttester             simulated, where hardware was asked for
      MAATokenNotFound          the server answered without evidence
    InvalidEnclaveCode        authentic, but other code or another model
    NotIsolatedEnclaveError   right code, weaker isolation
      DebugMode                 the host can debug it
      NonCompliantUvm           firmware or utility machine older or weaker than asked
"""

from blind import errors as _blind


class AttestationException(Exception):
    """Base of all; `code` is blind's stable code, such as "MEASUREMENT"."""

    def __init__(self, message="", code="EVIDENCE", verdict=None):
        super().__init__(message)
        self.code, self.verdict = code, verdict


class NotAnEnclaveError(AttestationException, _blind.NotAnEnclaveError):
    pass


class FalseAttestationReport(NotAnEnclaveError):
    pass


class WrongAttester(NotAnEnclaveError):
    pass


class MAATokenNotFound(NotAnEnclaveError):
    pass


class InvalidEnclaveCode(AttestationException, _blind.InvalidEnclaveCode):
    pass


class NotIsolatedEnclaveError(AttestationException, _blind.NotIsolatedEnclaveError):
    pass


class DebugMode(NotIsolatedEnclaveError):
    pass


class NonCompliantUvm(NotIsolatedEnclaveError):
    pass


_BY_CODE = {
    "SIGNATURE": FalseAttestationReport, "CHAIN": FalseAttestationReport, "BINDING": FalseAttestationReport,
    "FORMAT": FalseAttestationReport, "SIMULATION": WrongAttester, "DEBUG": DebugMode, "TCB": NonCompliantUvm,
}
_BY_CLASS = ((_blind.NotAnEnclaveError, NotAnEnclaveError), (_blind.InvalidEnclaveCode, InvalidEnclaveCode),
             (_blind.NotIsolatedEnclaveError, NotIsolatedEnclaveError))


def translate(error):
    """BlindBox's exception for an exception of `blind`; others come back unchanged."""
    code = getattr(error, "code", None)
    kind = _BY_CODE.get(code) or next((mine for theirs, mine in _BY_CLASS if isinstance(error, theirs)), None)
    return error if kind is None else kind(str(error), code, getattr(error, "verdict", None))
