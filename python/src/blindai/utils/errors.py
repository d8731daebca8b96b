"""BlindAI's exceptions; each is also the `blind` exception of the same meaning."""

from blind import errors as _blind


class SignatureError(Exception):
    """A signed response does not verify."""


class AttestationError(Exception):
    """The server could not be verified; `claims` and `policy` say against what."""

    def __init__(self, message="", claims=None, policy=None):
        super().__init__(message)
        self.claims, self.policy = claims, policy


class IdentityError(AttestationError, _blind.InvalidEnclaveCode):
    """The server runs other code, or another model, than the policy names."""

    def __init__(self, message="", expected_hash=None, measured_hash=None, claims=None, policy=None):
        super().__init__(message, claims, policy)
        self.expected_hash, self.measured_hash = expected_hash, measured_hash


class DebugNotAllowedError(AttestationError, _blind.NotIsolatedEnclaveError):
    """The host can debug the enclave, which the policy forbids."""


class WeakIsolationError(AttestationError, _blind.NotIsolatedEnclaveError):
    """Authentic, but isolated less than the policy asks."""


class QuoteValidationError(Exception):
    """The evidence is not authentic, not fresh or not bound to this session."""


class NotAnEnclaveError(QuoteValidationError, _blind.NotAnEnclaveError):
    """No authentic evidence of an enclave."""


class EnclaveHeldDataError(QuoteValidationError, _blind.NotAnEnclaveError):
    """The evidence is bound to another key or session."""

    def __init__(self, message="", expected_hash=None, measured_hash=None):
        super().__init__(message)
        self.expected_hash, self.measured_hash = expected_hash, measured_hash


class HardwareModeUnsupportedError(NotAnEnclaveError):
    """The server is in simulation mode: it cannot attest of its identity."""


class VersionError(_blind.VersionError):
    """Client and server share no protocol version."""


_SIMULATED = "The server you are trying to reach is in Simulation mode. It cannot attest of its identity."


def translate(error, policy=None):
    """BlindAI's exception for an exception of `blind`, with the same text and the verdict as claims."""
    claims = getattr(error, "verdict", None)
    text = str(error)
    if isinstance(error, _blind.SimulationNotAllowedError):
        return HardwareModeUnsupportedError("%s (%s)" % (_SIMULATED, text))
    if isinstance(error, _blind.BindingMismatchError):
        return EnclaveHeldDataError(text)
    if isinstance(error, _blind.DebugNotAllowedError):
        return DebugNotAllowedError(text, claims, policy)
    if isinstance(error, _blind.NotIsolatedEnclaveError):
        return WeakIsolationError(text, claims, policy)
    if isinstance(error, _blind.InvalidEnclaveCode):
        return IdentityError(text, claims=claims, policy=policy)
    if isinstance(error, _blind.NotAnEnclaveError):
        return NotAnEnclaveError(text)
    if isinstance(error, _blind.VersionError):
        return VersionError(text)
    if isinstance(error, (_blind.InputError, _blind.LimitError)):
        return ValueError(text)
    if isinstance(error, (_blind.PolicyError, _blind.ExistsError, ValueError, OSError)):
        return error
    if isinstance(error, _blind.BlindError):
        return ConnectionError(text)
    return error
