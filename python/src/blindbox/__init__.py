"""Sessions with applications in confidential machines; see blindbox.requests."""

from .errors import (
    AttestationException,
    DebugMode,
    FalseAttestationReport,
    InvalidEnclaveCode,
    MAATokenNotFound,
    NonCompliantUvm,
    NotAnEnclaveError,
    NotIsolatedEnclaveError,
    WrongAttester,
)

__all__ = ["AttestationException", "NotAnEnclaveError", "InvalidEnclaveCode", "NotIsolatedEnclaveError",
           "NonCompliantUvm", "FalseAttestationReport", "DebugMode", "WrongAttester", "MAATokenNotFound"]
