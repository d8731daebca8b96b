"""BlindLlama's client: completions from a server that proves what it runs.

    import blind_llama as openai

    openai.api_base, openai.policy = "https://llm.example:50051", "policy.toml"
    openai.api_key = "..."
    print(openai.completion.create(model="demo", prompt="Once upon a time", temperature=0.7))

`model` is honoured: a server that has no such model refuses.  `verbose=True` prints the verdict."""

import os

api_key = os.environ.get("BLIND_LLAMA_API_KEY")
api_base = os.environ.get("BLIND_LLAMA_API_BASE")
policy = os.environ.get("BLIND_LLAMA_POLICY")  # what the server must prove; `blind policy create` writes one
simulation = False  # accept the published simulation key: for tests, protects nothing

from . import completion  # noqa: E402
from .completion import Client  # noqa: E402
from .errors import (  # noqa: E402
    AICertException,
    AICertInvalidAttestationException,
    AICertInvalidAttestationFormatException,
    APIKeyException,
    AttestationError,
    InvalidCode,
    NotIsolated,
    PredictionException,
    ValidationError,
)

__all__ = ["api_key", "api_base", "policy", "simulation", "completion", "Client", "AICertException", "APIKeyException",
           "AICertInvalidAttestationException", "AICertInvalidAttestationFormatException", "AttestationError", "InvalidCode",
           "NotIsolated", "PredictionException", "ValidationError"]
