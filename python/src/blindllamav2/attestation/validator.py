"""What a server must prove.  The rules are a policy, which the library appraises; a validator of one's own narrows it."""

import dataclasses
import enum
import re
from typing import Dict, Optional, Protocol, runtime_checkable

import blind


class PlatformKind(enum.Enum):
    AZURE_TRUSTED_LAUNCH = "Azure Trusted Launch"
    SIMULATION_QEMU = "Qemu (Simulation)"


@dataclasses.dataclass(frozen=True)
class ExpectedMeasurements:
    """`measurements`: the number of a PCR, 0 to 23, to its SHA-256 value as 64 hexadecimal digits."""

    measurements: Dict[int, str]

    def __post_init__(self):
        for pcr, value in self.measurements.items():
            if not 0 <= int(pcr) <= 23 or not re.fullmatch("[0-9a-fA-F]{64}", value):
                raise ValueError("PCR %s: expected 0..23 and 64 hexadecimal digits, found %r" % (pcr, value))


@dataclasses.dataclass(frozen=True)
class AttestationDocument:
    """What a verified session proved: the `verdict`, and its claims."""

    verdict: blind.Verdict

    @property
    def claims(self):
        return self.verdict.claims


@runtime_checkable
class AttestationValidatorProtocol(Protocol):
    """`policy`, a path or blind.Policy, decides first; then validate_measurements(document) may refuse by raising."""

    platform_kind: PlatformKind
    policy: object

    def validate_measurements(self, document): ...


@dataclasses.dataclass(frozen=True)
class AttestationValidator:
    """A validator by expected PCRs of a TPM, or by a policy.

    platform_kind           AZURE_TRUSTED_LAUNCH asks for a TPM's quote; SIMULATION_QEMU also accepts the simulation
    expected_os_measurements
                            the PCRs that the machine must have; None: `policy` says
    expected_application_disk_roothash
                            was PCR 15's in BlindLlama; here the runtime log is there, and models are named by a policy"""

    platform_kind: PlatformKind
    expected_os_measurements: Optional[ExpectedMeasurements] = None
    expected_application_disk_roothash: Optional[str] = None
    policy: object = None

    def __post_init__(self):
        if self.expected_application_disk_roothash is not None:
            raise ValueError("a disk's root hash is not what identifies the application here: name its models in a policy")
        if (self.policy is None) == (self.expected_os_measurements is None):
            raise ValueError("expected either expected_os_measurements or policy")
        if self.policy is None:
            object.__setattr__(self, "policy", blind.Policy(text=_policy_of(self.expected_os_measurements)))

    def validate_measurements(self, document):
        """Nothing beside the policy."""


def _policy_of(expected):
    if not expected.measurements:
        raise ValueError("no PCR is expected: that would accept any machine")
    lines = ["version = 1", 'server = "any"', 'tees = ["tpm"]', "[[tpm.reference]]", 'name = "expected measurements"']
    lines += ['pcr%d = "%s"' % (int(pcr), value.lower()) for pcr, value in sorted(expected.measurements.items())]
    return "\n".join(lines + ["[models]", 'others = "allow"', ""])
