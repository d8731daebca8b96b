"""Recorded evidence with known verdicts, judged from Python."""

import json
import os
import pathlib
from datetime import datetime, timezone

import blind
import pytest

VECTORS = pathlib.Path(os.environ.get("BLIND_VECTORS") or pathlib.Path(__file__).resolve().parents[3] / "shared/vectors")
TEES = {"snp": "measurement", "sgx": "mrenclave", "tdx": "mrtd", "nitro": "pcr0"}
STATUSES = {"snp": ["UpToDate", "OutOfDate"]}

pytestmark = pytest.mark.skipif(not (VECTORS / "index.json").is_file(), reason="no recorded vectors")


def cases():
    if not (VECTORS / "index.json").is_file():
        return []
    return [c for c in json.loads((VECTORS / "index.json").read_text()) if c["tee"] in TEES]


def toml(table):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def policy_of(case):
    """The policy that stands for what the case asks: docs/formats/conformance.md."""
    tee, asked = case["tee"], case.get("policy", {})
    rules = {"allow_tcb": asked.get("allow_tcb") or STATUSES.get(tee)}
    if tee == "snp":
        rules["crl"] = "optional"
    if "collateral" in asked:
        rules["collateral"] = asked["collateral"]
    minimum = {"tcb_" + k: v for k, v in asked.get("min_tcb", {}).items()}
    minimum |= {k[4:]: v for k, v in asked.items() if k.startswith("min_") and k != "min_tcb"}
    hexes = {k[7:-4]: v for k, v in asked.items() if k.startswith("expect_") and k.endswith("_hex")}
    equal = {k: hexes.pop(k) for k in ("nonce",) if k in hexes}
    for outside in ("report_data", "user_data"):
        hexes.pop(outside, None)
    reference = hexes | {"pcr" + k: v for k, v in asked.get("expect_pcrs", {}).items()}
    text = toml({"version": 1, "server": "any", "tees": [tee], "allow_debug": asked.get("allow_debug", False),
                 "freshness_s": 300000000})
    text += '[models]\nothers = "allow"\n' + f"[{tee}]\n" + toml({k: v for k, v in rules.items() if v})
    text += f"[{tee}.minimum]\n" + toml(minimum) + f"[{tee}.equal]\n" + toml(equal)
    if tee == "snp":
        text += "[snp.maximum]\n" + toml({"vmpl": asked.get("max_vmpl", 3)})
    return text + f"[[{tee}.reference]]\n" + toml(reference or {TEES[tee]: "any"})


def judge(case, cache=None):
    files = {name: (VECTORS / path).read_bytes() for name, path in case["files"].items() if name != "root"}
    asked = case.get("policy", {})
    bound = asked.get("expect_report_data_hex") or asked.get("expect_user_data_hex")
    return blind.appraise_evidence(
        case["tee"], files.pop("evidence"), files, policy=blind.Policy(text=policy_of(case)),
        report_data=bytes.fromhex(bound) if bound else None, cache=cache,
        at=datetime.strptime(case["verify_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc))


@pytest.mark.parametrize("tee", TEES)
def test_every_recorded_case_is_judged_right(tee):
    cache, judged = blind.Cache(), 0
    for case in (c for c in cases() if c["tee"] == tee):
        for memory in (None, cache):
            judged += 1
            if case["expect"] == "ok":
                verdict = judge(case, memory)
                if "report_data_hex" in case:
                    assert verdict.claims["report_data"] == case["report_data_hex"], case["id"]
            else:
                with pytest.raises(blind.BlindError) as refused:
                    judge(case, memory)
                assert refused.value.exit_status in (10, 11, 12), (case["id"], refused.value)
    assert judged > 40


def test_a_refusal_explains_itself():
    case = next(c for c in cases() if c["id"] == "snp-virtee-milan-v2-wrong-measurement")
    with pytest.raises(blind.InvalidEnclaveCode) as refused:
        judge(case)
    checks = {c["name"]: c["state"] for c in refused.value.verdict.checks}
    assert checks["measurement"] == "refuted" and checks["report signature"] == "proven"


def test_an_unknown_tee_is_refused():
    case = dict(next(c for c in cases() if c["tee"] == "snp"))
    with pytest.raises(blind.NotAnEnclaveError):
        blind.appraise_evidence("none", b"x", policy=blind.Policy(text=policy_of(case)))
