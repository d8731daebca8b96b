"""BlindLlama v2's client.

    import blindllamav2

    blindllamav2.CONFIG.api_url, blindllamav2.CONFIG.policy = "https://llm.example:50051", "policy.toml"
    print(blindllamav2.completion.create(model="demo", text_input="Once upon a time", max_tokens=20))

`AttestedSession` is a requests.Session for any server, with a validator of one's choice."""

from . import completion
from .attestation import (
    AttestationDocument,
    AttestationValidator,
    AttestationValidatorProtocol,
    AttestedSession,
    ExpectedMeasurements,
    PlatformKind,
)
from .completion import Client
from .config import CONFIG, Config
from .errors import *  # noqa: F401,F403
from .errors import __all__ as _errors

__all__ = ["completion", "Client", "CONFIG", "Config", "AttestedSession", "AttestationDocument", "AttestationValidator",
           "AttestationValidatorProtocol", "ExpectedMeasurements", "PlatformKind"] + _errors
