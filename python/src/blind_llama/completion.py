"""Completions over a verified session: `create()` for one, `Client` for many."""

import blind
from blindbox.requests import SecureSession

import blind_llama

from . import errors
from .models import Models


class Client:
    """A verified session with a server of language models.

    verbose   print the verdict with its checks
    api_base, policy, simulation
              those of the module where None
    options   SecureSession's: ca, pin, client_key, ...
    Errors    AttestationError and its kinds, blind.PolicyError, blind.NetworkError"""

    def __init__(self, verbose=False, *, api_base=None, policy=None, simulation=None, **options):
        base = api_base or blind_llama.api_base
        if not base:
            raise errors.ValidationError("no server: set blind_llama.api_base = 'https://HOST:PORT'")
        key = blind_llama.api_key
        try:
            self._session = SecureSession(
                base, policy=policy or blind_llama.policy, api_key=key,
                simulation=blind_llama.simulation if simulation is None else simulation, **options)
        except blind.BlindError as error:
            translated = errors.translate(error)
            if translated is error:
                raise
            raise translated from error
        self.models = Models(self._session, key)
        self.verdict = self._session.verdict
        if verbose:
            print(self.verdict)

    def predict(self, prompt, temperature=0.7, *, model=None, **options):
        """The text that follows the prompt.

        model     its name on the server; None: the only one there
        options   max_tokens, stop, seed, top_p, ... of OpenAI's completions
        Errors    ValidationError, APIKeyException, PredictionException"""
        _check(prompt, temperature)
        return self.models.complete(model, prompt=prompt, temperature=temperature, **options)

    def close(self):
        self._session.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def create(model=None, prompt="", temperature=0.7, verbose=False, **options):
    """One completion over a session of its own; see Client."""
    _check(prompt, temperature)  # before anything is dialled
    with Client(verbose) as client:
        return client.predict(prompt, temperature, model=model, **options)


def _check(prompt, temperature):
    if not isinstance(prompt, str) or not prompt:
        raise errors.ValidationError("The prompt cannot be empty")
    if isinstance(temperature, bool) or not isinstance(temperature, (int, float)) or not 0 <= temperature <= 2:
        raise errors.ValidationError("Invalid temperature")
