"""Recorded evidence with known verdicts, judged from Python."""

import hashlib
import json
import os
import pathlib
from datetime import datetime, timezone

import blind
import pytest

VECTORS = pathlib.Path(os.environ.get("BLIND_VECTORS") or pathlib.Path(__file__).resolve().parents[3] / "shared/vectors")
TEES = {"snp": "measurement", "sgx": "mrenclave", "tdx": "mrtd", "nitro": "pcr0", "tpm": "pcr0", "nvidia": "m1"}
STATUSES = {"snp": ["UpToDate", "OutOfDate"]}
FIELDS = {"nitro": ["nonce"], "nvidia": ["nonce"]}  # what is a field of the evidence, and not what it is bound to
SILENT = ["tpm", "nvidia"]  # these say nothing of who may read memory

pytestmark = pytest.mark.skipif(not (VECTORS / "index.json").is_file(), reason="no recorded vectors")


def index():
    if not (VECTORS / "index.json").is_file():
        return []
    return json.loads((VECTORS / "index.json").read_text())


def cases():
    """Those that are evidence, and no boot log, certificate or launch digest."""
    return [c for c in index() if c["tee"] in TEES and c.get("what", "quote") == "quote"]


def toml(table):
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in table.items())


def policy_of(case):
    """The policy that stands for what the case asks: docs/formats/conformance.md."""
    tee, asked = case["tee"], case.get("policy", {})
    rules = {"allow_tcb": asked.get("allow_tcb") or STATUSES.get(tee)}
    if tee == "snp":
        rules["crl"] = "optional"
    if tee == "tpm":
        rules["allow_sha1"] = asked.get("allow_sha1", False)
        if "ak_spki" in case["files"]:  # it comes with the case to be trusted
            rules["keys"] = [hashlib.sha256((VECTORS / case["files"]["ak_spki"]).read_bytes()).hexdigest()]
    if "collateral" in asked:
        rules["collateral"] = asked["collateral"]
    minimum = {"tcb_" + k: v for k, v in asked.get("min_tcb", {}).items()}
    minimum |= {k[4:]: v for k, v in asked.items() if k.startswith("min_") and k != "min_tcb"}
    hexes = {k[7:-4]: v for k, v in asked.items() if k.startswith("expect_") and k.endswith("_hex")}
    equal = {k: hexes.pop(k) for k in FIELDS.get(tee, []) if k in hexes}
    for outside in ("report_data", "user_data", "nonce"):
        hexes.pop(outside, None)
    reference = hexes | {"pcr" + k: v for k, v in asked.get("expect_pcrs", {}).items()}
    text = toml({"version": 1, "server": "any", "tees": [tee], "freshness_s": 300000000,
                 "allow_debug": tee in SILENT or asked.get("allow_debug", False)})
    text += '[models]\nothers = "allow"\n' + f"[{tee}]\n" + toml({k: v for k, v in rules.items() if v})
    text += f"[{tee}.minimum]\n" + toml(minimum) + f"[{tee}.equal]\n" + toml(equal)
    if tee == "snp":
        text += "[snp.maximum]\n" + toml({"vmpl": asked.get("max_vmpl", 3)})
    return text + f"[[{tee}.reference]]\n" + toml(reference or {TEES[tee]: "any"})


def judge(case, cache=None):
    asked, files = case.get("policy", {}), {}
    for name, paths in case["files"].items():
        if name != "root":  # anchors are compiled in
            files[name] = b"".join((VECTORS / p).read_bytes() for p in ([paths] if isinstance(paths, str) else paths))
    bound = asked.get("expect_report_data_hex") or asked.get("expect_user_data_hex")
    if "nonce" not in FIELDS.get(case["tee"], []):
        bound = bound or asked.get("expect_nonce_hex")
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
    assert judged >= 18


def test_every_case_of_the_index_is_right():
    wrong, judged = [], 0
    for case in index():
        found, reason = blind.judge_case(case, VECTORS)
        judged += 1
        if found != case["expect"]:
            wrong.append((case["id"], found, reason))
    assert not wrong
    assert judged > 200


def test_a_case_of_another_kind_is_not_judged():
    case = dict(next(c for c in cases() if c["tee"] == "snp"), tee="none")
    assert blind.judge_case(case, VECTORS)[0] == "unsupported"
    with pytest.raises(blind.BlindError):
        blind.judge_case({"tee": "snp", "files": {"evidence": "not-there"}}, VECTORS)


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
