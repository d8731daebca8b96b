"""The language models of a verified session, by OpenAI's completions."""

import blind
import requests

from . import errors

TIMEOUT_S = 600


class Models:
    """session   a SecureSession
    key       the bearer token that it sends, for errors; or None
    Errors    of every call: APIKeyException, PredictionException, and AttestationError when a new connection is refused"""

    def __init__(self, session, key=None):
        self._session, self._key = session, key

    def names(self):
        return [row["id"] for row in self._ask("GET", "/v1/models")["data"]]

    def complete(self, model=None, **asked):
        """The text that follows asked["prompt"]; without a name, of the only model there is."""
        body = {"model": model or self._only(), **asked}
        return self._ask("POST", "/v1/completions", json=body)["choices"][0]["text"]

    def _only(self):
        names = self.names()
        if len(names) != 1:
            raise errors.ValidationError("model= is needed: the server has %s" % (", ".join(names) or "none"))
        return names[0]

    def _ask(self, method, path, **named):
        try:
            answer = self._session.request(method, path, timeout=TIMEOUT_S, **named)
        except blind.BlindError as error:
            raise errors.translate(error) from error
        except requests.exceptions.RequestException as error:
            raise errors.PredictionException(str(error)) from error
        if answer.status_code in (401, 403):
            raise errors.APIKeyException(self._key, _message(answer))
        if not answer.ok:
            raise errors.PredictionException(_message(answer))
        return answer.json()


def _message(answer):
    try:
        error = answer.json()["error"]
        return error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        return "the server answered %d" % answer.status_code
