"""Attested sessions with confidential AI servers.

    with blind.connect("https://localhost:50051", policy="policy.toml") as session:
        print(session.verdict)
        answer = session.infer("digits", {"image": images})
"""

from . import errors
from ._blind import ffi as _ffi
from ._blind import lib as _lib
from .client import Client, connect
from .dial import DEFAULT_PORT, Policy
from .evidence import Cache, appraise_evidence, judge_case
from .language import openai
from .errors import *  # noqa: F401,F403  every exception is also blind.NAME
from .stream import Stream, open_stream
from .verdict import Verdict

__version__ = _ffi.string(_lib.blind_version()).decode()
__all__ = ["connect", "Client", "Policy", "Stream", "open_stream", "Verdict", "httpx_transport", "DEFAULT_PORT",
           "appraise_evidence", "Cache", "judge_case", "openai",
           "errors"] + errors.__all__


def httpx_transport(url, **options):
    """An httpx transport that verifies every connection; see blind.httpx.Transport."""
    from .httpx import Transport

    return Transport(url, **options)
