#!/usr/bin/env python3
"""Judges one case of SGX or TDX by PyPI's dcap-qvl, in the protocol of docs/formats/conformance.md:

    python3 -m venv build/qvl && build/qvl/bin/pip install dcap-qvl
    blind conformance INDEX.json --tee tdx --verifier 'build/qvl/bin/python examples/conformance/dcap_qvl_case.py'

dcap-qvl verifies signatures, chains, CRLs and collateral and finds the TCB's status; what a case's policy asks
for beyond is compared here, as its caller would.  Three things it cannot be asked, and are `unsupported`: to
do without collateral, to accept a debuggable TEE, and TCB info before version 3.
"""
import calendar
import json
import re
import sys
import time

import dcap_qvl

PARTS = ("tcb_info", "qe_identity", "tcb_signing_chain", "pck_crl", "pck_crl_issuer_chain", "root_ca_crl")


class Answer(Exception):
    """The first line of the output."""


def reject(reason):
    raise Answer("reject " + " ".join(str(reason).split())[:300])


def unsupported(reason):
    raise Answer("unsupported " + reason)


def part(case, name):
    """A part's bytes; a list of paths is one part, one file after another."""
    paths = case["files"].get(name) or reject("no " + name)
    paths = [paths] if isinstance(paths, str) else paths
    return b"".join(open(path, "rb").read() for path in paths)


def signed(raw, name):
    """The text that is signed, byte for byte, and its signature, out of {"tcbInfo": {...}, "signature": "hex"}."""
    try:
        text = raw.decode()
        start = text.index("{", text.index('"%s"' % name))
        _, end = json.JSONDecoder().raw_decode(text, start)
        return text[start:end], bytes.fromhex(json.loads(text)["signature"])
    except (ValueError, KeyError) as wrong:
        return reject("%s: %s" % (name, wrong))


def collateral(case):
    given = {name: part(case, name) for name in PARTS}
    tcb_info, tcb_signature = signed(given["tcb_info"], "tcbInfo")
    if json.loads(tcb_info).get("version", 0) < 3:
        unsupported("TCB info before version 3")
    identity, identity_signature = signed(given["qe_identity"], "enclaveIdentity")
    chain = given["tcb_signing_chain"].decode()
    return dcap_qvl.QuoteCollateralV3(
        given["pck_crl_issuer_chain"].decode(), given["root_ca_crl"], given["pck_crl"], chain, tcb_info,
        tcb_signature, chain, identity, identity_signature)


def fields(report):
    """Every field of the report by its name without underscores: 'mrtd', 'isvsvn', 'reportdata'."""
    flat = {}
    for name, value in report.items():
        if isinstance(value, dict):
            flat.update(fields(value))
        else:
            flat[name.replace("_", "")] = value
    return flat


def eval_number(case):
    """The lower evaluation number of the collateral, whose signatures have been verified."""
    bodies = (signed(part(case, "tcb_info"), "tcbInfo"), signed(part(case, "qe_identity"), "enclaveIdentity"))
    return min(json.loads(body)["tcbEvaluationDataNumber"] for body, _ in bodies)


def appraise(case, policy, verified):
    """What the policy asks for, of what was verified."""
    if verified["status"] not in policy.get("allow_tcb", ["UpToDate"]):
        reject("TCB status " + verified["status"])
    found = dict(fields(verified["report"]), tcbeval=eval_number(case))
    for key, value in policy.items():
        asked = re.fullmatch(r"(expect|min|max)_(.+?)(_hex)?", key)
        if not asked:
            continue
        name = asked[2].replace("_", "")
        if name not in found:
            unsupported("no field '%s'" % asked[2])
        if asked[1] == "expect" and found[name] != value:
            reject("%s is %s" % (asked[2], found[name]))
        if (asked[1] == "min" and found[name] < value) or (asked[1] == "max" and found[name] > value):
            reject("%s is %s" % (asked[2], found[name]))


def judge(case):
    policy = case.get("policy") or {}
    if case["tee"] not in ("sgx", "tdx") or case.get("what", "quote") != "quote":
        unsupported("neither SGX nor TDX")
    if policy.get("collateral") == "none":
        unsupported("no verification without collateral")
    now_s = calendar.timegm(time.strptime(case["verify_at"], "%Y-%m-%dT%H:%M:%SZ"))
    try:
        verified = json.loads(dcap_qvl.verify(part(case, "evidence"), collateral(case), now_s).to_json())
    except ValueError as refused:
        if policy.get("allow_debug") and "Debug mode is enabled" in str(refused):
            unsupported("a debuggable TEE")
        reject(refused)
    appraise(case, policy, verified)
    raise Answer("ok")


def main():
    with open(sys.argv[1]) as text:
        case = json.load(text)
    try:
        judge(case)
    except Answer as answer:
        print(answer)


main()
