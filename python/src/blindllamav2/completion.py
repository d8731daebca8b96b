"""Completions with the arguments of Triton's generate endpoint, as BlindLlama v2 had them."""

from blind_llama.models import Models

from . import config
from .attestation import AttestationValidator, AttestedSession
from .errors import ValidationError


class Client:
    """A verified session with the server of CONFIG.

    fetch_attestation_insecure   means nothing here; kept for callers of old
    attestation_validator        None: one of CONFIG.policy
    Errors                       AttestationError and its kinds, blind.PolicyError, blind.NetworkError"""

    def __init__(self, fetch_attestation_insecure=True, *, attestation_validator=None):
        found = config.CONFIG
        if not found.api_url:
            raise ValidationError("no server: set blindllamav2.CONFIG.api_url = 'https://HOST:PORT'")
        validator = attestation_validator or AttestationValidator(found.target, policy=found.policy)
        self._session = AttestedSession(None, found.api_url, validator, ca=found.ca, api_key=found.api_key)
        self.models = Models(self._session, found.api_key)
        self.verdict = self._session.verdict

    def predict(self, text_input, max_tokens=20, bad_words="", stop_words="", *, model=None, **options):
        """The text that follows `text_input`: at most max_tokens tokens, ended before `stop_words`.

        bad_words   must be empty: words are made of several tokens, so that forbidding them cannot be promised
        options     temperature, seed, ... of OpenAI's completions; temperature is 0 where it is not said
        Errors      ValidationError, APIKeyException, PredictionException"""
        _check(text_input, max_tokens, bad_words)
        asked = {"prompt": text_input, "max_tokens": max_tokens, "temperature": 0, **options}
        if stop_words:
            asked["stop"] = stop_words
        return self.models.complete(model, **asked)

    def close(self):
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def create(fetch_attestation_insecure=True, model=None, text_input="", max_tokens=20, bad_words="", stop_words="",
           **options):
    """One completion over a session of its own; see Client."""
    _check(text_input, max_tokens, bad_words)  # before anything is dialled
    with Client(fetch_attestation_insecure) as client:
        return client.predict(text_input, max_tokens, bad_words, stop_words, model=model, **options)


def _check(text_input, max_tokens, bad_words):
    if not isinstance(text_input, str) or not text_input:
        raise ValidationError("The prompt cannot be empty")
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < 1:
        raise ValidationError("Invalid max_tokens")
    if bad_words:
        raise ValidationError("bad_words is not supported; logit_bias= forbids tokens")
