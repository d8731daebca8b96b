"""AttestedSession: a requests.Session that sends nothing before its server was verified."""

import blind
from blindbox.requests import SecureSession

from ..errors import translate
from .validator import AttestationDocument, AttestationValidatorProtocol, PlatformKind


class AttestedSession(SecureSession):
    """A requests.Session with one verified server.

    attestation_endpoint_base_url
                  kept from BlindLlama, where evidence had a server of its own; here it comes over the very session
                  that it vouches for, and another host than api_url's is an error
    api_url       https://HOST:PORT
    attestation_validator
                  its policy is appraised, then its validate_measurements(document) may refuse what the policy accepts
    fetch_attestation_document_over_insecure_connection
                  means nothing here: evidence needs no other protection than its own signature
    options       SecureSession's: ca, pin, api_key, client_key, ...
    Errors        AttestationError and its kinds, TypeError for what is no validator"""

    def __init__(self, attestation_endpoint_base_url, api_url, attestation_validator, *,
                 fetch_attestation_document_over_insecure_connection=False, **options):
        if not isinstance(attestation_validator, AttestationValidatorProtocol):
            raise TypeError("attestation_validator: expected platform_kind, policy and validate_measurements(), found %s"
                            % type(attestation_validator).__name__)
        if attestation_endpoint_base_url not in (None, "", api_url):
            raise ValueError("evidence comes over the session that it vouches for: %r is another server than %r"
                             % (attestation_endpoint_base_url, api_url))
        self._validator = attestation_validator
        simulated = attestation_validator.platform_kind is PlatformKind.SIMULATION_QEMU
        super().__init__(api_url, policy=attestation_validator.policy, simulation=simulated, **options)

    def _open(self):
        """Every connection: the policy first, then the validator."""
        try:
            stream = super()._open()
        except blind.BlindError as error:
            translated = translate(error)
            if translated is error:
                raise
            raise translated from error
        try:
            self._validator.validate_measurements(AttestationDocument(stream.verdict))
        except BaseException:
            stream.close()
            raise
        return stream
