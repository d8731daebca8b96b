"""Which server is asked, and what it must prove: BlindLlama v2's CONFIG."""

import dataclasses
import os
from typing import Optional

from .attestation import PlatformKind


@dataclasses.dataclass
class Config:
    """`api_url`, https://HOST:PORT; `policy`, a path; `target`, which SIMULATION_QEMU opens to the published key."""

    target: PlatformKind = PlatformKind.AZURE_TRUSTED_LAUNCH
    api_url: Optional[str] = os.environ.get("BLINDLLAMA_API_URL")
    policy: Optional[str] = os.environ.get("BLINDLLAMA_POLICY")
    api_key: Optional[str] = os.environ.get("BLIND_LLAMA_API_KEY")
    ca: Optional[str] = None


CONFIG = Config()
