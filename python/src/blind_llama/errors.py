"""BlindLlama's exceptions.  What a verdict raises is an AttestationError and the `blind` exception of the same meaning."""

from blind import errors as _blind


class AICertException(Exception):
    """Base of all."""


class ValidationError(AICertException, ValueError):
    """A request that cannot be sent as it is."""


class APIKeyException(AICertException):
    """The server does not know the key, or it may not do this."""

    def __init__(self, key, msg):
        super().__init__(msg)
        self.key = None if key is None else key[:4] + "..."


class PredictionException(AICertException):
    """The server refused or failed."""


class AttestationError(AICertException):
    """The server did not prove what the policy asks for; `code` and `verdict` say what was found."""

    def __init__(self, message="", code="EVIDENCE", verdict=None):
        super().__init__(message)
        self.code, self.verdict = code, verdict


class AICertInvalidAttestationFormatException(AttestationError, _blind.NotAnEnclaveError):
    """No evidence, or none that can be read."""


class AICertInvalidAttestationException(AttestationError, _blind.NotAnEnclaveError):
    """No authentic evidence of this session."""


class InvalidCode(AttestationError, _blind.InvalidEnclaveCode):
    """Authentic, but other code or another model."""


class NotIsolated(AttestationError, _blind.NotIsolatedEnclaveError):
    """The right code, isolated less than asked."""


def translate(error):
    """BlindLlama's exception for one of `blind`; others come back unchanged."""
    code, verdict = getattr(error, "code", None), getattr(error, "verdict", None)
    if code == "FORMAT":
        return AICertInvalidAttestationFormatException(str(error), code, verdict)
    for theirs, mine in ((_blind.NotAnEnclaveError, AICertInvalidAttestationException),
                         (_blind.InvalidEnclaveCode, InvalidCode), (_blind.NotIsolatedEnclaveError, NotIsolated)):
        if isinstance(error, theirs):
            return mine(str(error), code, verdict)
    return error
