"""BlindLlama v2's exceptions; each attestation error is also the `blind` exception of the same meaning."""

from blind_llama.errors import APIKeyException, PredictionException, ValidationError
from blind_llama.errors import AICertException as BlindLlamav2Exception
from blind_llama.errors import AICertInvalidAttestationException as BlindLlamav2InvalidAttestationException
from blind_llama.errors import AICertInvalidAttestationFormatException as BlindLlamav2InvalidAttestationFormatException
from blind_llama.errors import AttestationError, translate

__all__ = ["APIKeyException", "AttestationError", "BlindLlamav2Exception", "BlindLlamav2InvalidAttestationException",
           "BlindLlamav2InvalidAttestationFormatException", "PredictionException", "ValidationError", "translate"]
