"""A `requests.Session` whose server is verified by a validator of one's choice."""

from .attested_session import AttestedSession
from .validator import (
    AttestationDocument,
    AttestationValidator,
    AttestationValidatorProtocol,
    ExpectedMeasurements,
    PlatformKind,
)

__all__ = ["AttestedSession", "AttestationDocument", "AttestationValidator", "AttestationValidatorProtocol",
           "ExpectedMeasurements", "PlatformKind"]
