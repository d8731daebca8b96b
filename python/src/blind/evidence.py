"""Evidence judged offline: a report, quote or document, and what goes with it."""

import datetime
import json
import os
import time

from . import errors
from ._blind import ffi, lib
from .dial import Policy
from .verdict import Verdict


class Cache:
    """What appraisals may remember from call to call: parsed and verified chains and collateral.

    Threads may share one."""

    def __init__(self, entries=64):
        pointer = lib.blind_cache_new(entries)
        if pointer == ffi.NULL:
            raise MemoryError("out of memory")
        self.pointer = ffi.gc(pointer, lib.blind_cache_free)


class _Borrowed:
    """C structures together with the Python objects they point into."""

    def __init__(self):
        self.kept = []

    def span(self, data):
        raw = ffi.from_buffer(data)
        self.kept.append(raw)
        return {"data": ffi.cast("const uint8_t *", raw), "size": len(raw)}

    def text(self, text):
        raw = ffi.new("char[]", text.encode())
        self.kept.append(raw)
        return raw


def _seconds(at):
    if at is None:
        return int(time.time())
    return int(at.timestamp()) if isinstance(at, datetime.datetime) else int(at)


def appraise_evidence(tee, evidence, parts=None, *, policy, report_data=None, at=None, debug_mode=False, cache=None):
    """Judges a TEE's own evidence by a policy.  No network, no file but the policy's.

    tee          "snp", "sgx", "tdx", "nitro", "tpm", ...
    evidence     bytes of the report, quote or document
    parts        name to bytes: endorsements and collateral, named in docs/formats/evidence.md
    policy       a Policy or a path
    report_data  1 to 64 bytes that the evidence must be bound to; None: the binding stays unknown, and the
                 verdict says nothing about any connection
    at           datetime or seconds since 1970 to judge as of; None: now
    cache        a Cache
    returns      the Verdict, when every check that the policy asks for is proven
    raises       the exception of the first failure, with the whole verdict in .verdict
    """
    keep, err, out = _Borrowed(), ffi.new("blind_error *"), ffi.new("blind_result **")
    policy = policy if isinstance(policy, Policy) else Policy(policy)
    c_parts = ffi.new("blind_part[]", [{"name": keep.text(n), "bytes": keep.span(b)} for n, b in (parts or {}).items()])
    expect = ffi.new("blind_expect *")
    expect.to = lib.BLIND_BOUND_UNBOUND if report_data is None else lib.BLIND_BOUND_REPORT_DATA
    if report_data is not None:
        expect.report_data = keep.span(report_data)
    options = ffi.new("blind_appraise_options *", {
        "debug_mode": bool(debug_mode), "now_s": _seconds(at), "cache": cache.pointer if cache else ffi.NULL})
    code = lib.blind_appraise_evidence(keep.text(tee), keep.span(evidence), c_parts, len(parts or {}), expect,
                                       policy.pointer, options, out, err)
    if out[0] == ffi.NULL:
        raise errors.from_error(err)
    result = ffi.gc(out[0], lib.blind_result_free)
    verdict = Verdict.of(result)
    if code != lib.BLIND_OK:
        raise errors.from_error(err, verdict)
    return verdict


def judge_case(case, folder):
    """Judges one recorded case of a conformance index, whatever it expects: docs/formats/conformance.md.

    case     the case, as json.load() of the index gives it
    folder   what its files are relative to: the index's own
    returns  ("ok", "reject" or "unsupported", one line of reason); "ok" says too that what was read is what the
             case says was in the evidence
    raises   the exception of a case or a file that cannot be read
    """
    keep, err, out = _Borrowed(), ffi.new("blind_error *"), ffi.new("blind_case_judgement *")
    code = lib.blind_case_judge(keep.span(json.dumps(case).encode()), keep.text(os.fspath(folder)), out, err)
    if code != lib.BLIND_OK:
        raise errors.from_error(err)
    words = {lib.BLIND_CASE_ACCEPT: "ok", lib.BLIND_CASE_REJECT: "reject"}
    return words.get(out.verdict, "unsupported"), ffi.string(out.reason).decode(errors="replace")
