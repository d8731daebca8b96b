"""`blind collateral`: what is asked for, what is kept, and what becomes of a vendor that is slow, busy,
wrong or cut short."""

import json
import os
import pathlib
import struct
import subprocess
import time
import urllib.parse

import pytest

from vendor import Vendor

BLIND = os.environ["BLIND"]
CHIP = bytes(range(64))
TCB = bytes([4, 0, 0, 0, 0, 0, 24, 219])  # boot loader, TEE, ..., SNP, microcode


def report(version=3, chip=CHIP):
    """An SNP report whose signature nobody made: enough to say what is needed."""
    r = bytearray(0x4A0)
    struct.pack_into("<I", r, 0, version)
    struct.pack_into("<Q", r, 8, 1 << 17)
    struct.pack_into("<I", r, 0x34, 1)
    r[0x180:0x188] = TCB
    if version >= 3:
        r[0x188:0x18B] = bytes([0x19, 0x01, 0x01])  # Milan
    r[0x1A0:0x1E0] = chip
    return bytes(r)


VCEK = f"/vcek/v1/Milan/{CHIP.hex()}?blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219"
CHAIN = "/vcek/v1/Milan/cert_chain"
CRL = "/vcek/v1/Milan/crl"


@pytest.fixture
def vendor(tmp_path):
    v = Vendor(tmp_path)
    pem = v.ca.read_bytes()  # any certificate: what is fetched is believed by nobody
    v.answers = {VCEK: ({"ETag": '"one"'}, b"a key's certificate"), CHAIN: ({}, pem + pem), CRL: ({}, b"a list")}
    yield v
    v.close()


@pytest.fixture
def fetch(tmp_path, vendor):
    evidence = tmp_path / "report.bin"
    evidence.write_bytes(report())

    def run(*more, path=evidence):
        done = subprocess.run(
            [BLIND, "collateral", "fetch", path, "--tee", "snp", "--dir", tmp_path / "store", "--mirror", vendor.url,
             "--ca", vendor.ca, "--timeout-s", "1", *more],
            capture_output=True, text=True, timeout=60)
        return done

    return run


def words(done):
    return [line.split()[0] for line in done.stdout.splitlines()]


def test_everything_needed_is_fetched_and_written(fetch, vendor, tmp_path):
    done = fetch("--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert words(done) == ["fetched"] * 3
    assert [path for path, _ in vendor.requests] == [VCEK, CHAIN, CRL]
    assert (tmp_path / "vcek").read_bytes() == b"a key's certificate"
    assert (tmp_path / "crl").read_bytes() == b"a list"
    assert (tmp_path / "ask").stat().st_size > 0


def test_young_files_are_kept_and_old_ones_asked_for_with_their_tag(fetch, vendor):
    fetch()
    vendor.requests.clear()
    assert words(fetch()) == ["kept"] * 3
    assert vendor.requests == []
    assert words(fetch("--refresh")) == ["unchanged", "fetched", "fetched"]
    assert vendor.requests[0] == (VCEK, '"one"')


@pytest.mark.parametrize("fault", ["429", "500", "503", "cut", "slow"])
def test_a_busy_or_broken_vendor_is_asked_again(fetch, vendor, fault):
    vendor.faults = [fault]
    done = fetch()
    assert done.returncode == 0, done.stderr
    assert words(done) == ["fetched"] * 3
    assert len(vendor.requests) == 4


def test_patience_ends(fetch, vendor, tmp_path):
    vendor.faults = ["429"] * 3
    done = fetch("--attempts", "3")
    assert done.returncode == 1
    assert "429" in done.stderr
    assert not list(tmp_path.glob("store/**/*.der"))


def test_an_old_file_outlives_a_vendor_out_of_reach(fetch, vendor, tmp_path):
    fetch()
    vendor.faults = ["500"] * 99
    done = fetch("--refresh", "--attempts", "1")
    assert done.returncode == 1
    assert words(done) == ["OLD"] * 3
    assert "3 of 3" in done.stderr
    assert next(tmp_path.glob("store/snp/Milan/vcek-0*.der")).read_bytes() == b"a key's certificate"


def test_a_huge_answer_is_cut_off(fetch, vendor):
    vendor.faults = ["huge"]
    done = fetch("--attempts", "1")
    assert done.returncode == 1


def test_a_server_that_is_not_the_mirror_is_refused(fetch, tmp_path, vendor):
    other = tmp_path / "other"
    other.mkdir()
    stranger = Vendor(other)
    done = fetch("--ca", str(stranger.ca), "--attempts", "1")
    stranger.close()
    assert done.returncode != 0
    assert vendor.requests == []


def test_what_is_missing_is_an_error(fetch, vendor):
    del vendor.answers[CRL]
    done = fetch()
    assert done.returncode == 1
    assert "404" in done.stderr


def test_a_damaged_file_is_fetched_again(fetch, vendor, tmp_path):
    fetch()
    path = next(tmp_path.glob("store/snp/Milan/vcek-0*.der"))
    path.write_bytes(b"damaged")
    assert words(fetch()) == ["fetched", "kept", "kept"]
    assert path.read_bytes() == b"a key's certificate"


def test_reports_of_version_2_need_the_products_name(fetch, vendor, tmp_path):
    old = tmp_path / "old.bin"
    old.write_bytes(report(version=2))
    done = fetch(path=old)
    assert done.returncode == 1 and "Milan" in done.stderr
    assert fetch("--product", "Milan", path=old).returncode == 0


def test_a_masked_chip_has_no_certificate(fetch, tmp_path):
    masked = tmp_path / "masked.bin"
    masked.write_bytes(report(chip=bytes(64)))
    done = fetch(path=masked)
    assert done.returncode == 3 and "chip" in done.stderr


def test_the_store_is_shown(fetch, tmp_path):
    fetch()
    done = subprocess.run([BLIND, "collateral", "show", "--dir", tmp_path / "store", "--json"], capture_output=True,
                          text=True, check=True)
    items = json.loads(done.stdout)["items"]
    assert [i["name"].rsplit("/", 1)[1].split("-")[0] for i in items] == ["vcek", "vcek", "vcek"]
    plain = subprocess.run([BLIND, "collateral", "show", "--dir", tmp_path / "store"], capture_output=True, text=True,
                           check=True)
    assert len(plain.stdout.splitlines()) == 3


VECTORS = pathlib.Path(os.environ.get("BLIND_VECTORS", ""))


@pytest.mark.skipif(not (VECTORS / "index.json").is_file(), reason="no recorded vectors")
def test_recorded_evidence_is_verified_from_the_store(fetch, vendor, tmp_path):
    case = next(c for c in json.loads((VECTORS / "index.json").read_text()) if c["id"] == "snp-lunal-genoa-v5")
    evidence = VECTORS / case["files"]["evidence"]
    raw = evidence.read_bytes()
    tcb = raw[0x180:0x188]
    vcek = (f"/vcek/v1/Genoa/{raw[0x1A0:0x1E0].hex()}?blSPL={tcb[0]:02}&teeSPL={tcb[1]:02}&snpSPL={tcb[6]:02}"
            f"&ucodeSPL={tcb[7]:02}")

    def pem(name):
        return subprocess.run(["openssl", "x509", "-inform", "DER", "-in", VECTORS / case["files"][name]],
                              capture_output=True, check=True).stdout

    vendor.answers = {vcek: ({}, (VECTORS / case["files"]["vcek"]).read_bytes()),
                      "/vcek/v1/Genoa/cert_chain": ({}, pem("ask") + pem("ark")),
                      "/vcek/v1/Genoa/crl": ({}, b"not the recorded one: none was recorded")}
    assert fetch(path=evidence).returncode == 0
    policy = tmp_path / "policy.toml"
    policy.write_text('version = 1\nserver = "any"\ntees = ["snp"]\n[models]\nothers = "allow"\n'
                      '[snp]\nallow_tcb = ["UpToDate", "OutOfDate"]\n[[snp.reference]]\n'
                      f'measurement = "{case["measurements"]["measurement"]}"\n')
    done = subprocess.run(
        [BLIND, "verify", evidence, "--tee", "snp", "--collateral", tmp_path / "store", "--policy", policy,
         "--unbound", "--at", case["verify_at"], "--json"], capture_output=True, text=True)
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert checks["report signature"]["state"] == "proven", checks
    assert done.returncode == 10  # the list that was served is none: refused, not ignored


# ---- our own server as the mirror ----

@pytest.fixture
def mirror(tmp_path):
    """Starts `blind serve` over a store and returns the address of its helper port and its certificate."""
    running = []

    def start(store):
        state, ports = tmp_path / "state", tmp_path / "ports.json"
        log = open(tmp_path / "server.log", "wb")
        process = subprocess.Popen(
            [BLIND, "serve", "--tee", "sim", "--listen", "127.0.0.1:0", "--helper-listen", "127.0.0.1:0",
             "--metrics-listen", "", "--state-dir", state, "--port-file", ports, "--collateral-dir", store,
             "--drain-s", "1"], stdout=log, stderr=subprocess.STDOUT)
        running.append(process)
        deadline = time.monotonic() + 60
        while not ports.exists():
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "server.log").read_text()
            time.sleep(0.02)
        return f"https://localhost:{json.loads(ports.read_text())['helper']}", state / "host_server.pem"

    yield start
    for process in running:
        process.terminate()
        process.wait(20)


def fetch_from(url, ca, evidence, tee, store, *more):
    return subprocess.run(
        [BLIND, "collateral", "fetch", evidence, "--tee", tee, "--dir", store, "--mirror", url, "--ca", ca,
         "--attempts", "1", *more], capture_output=True, text=True, timeout=60)


def test_our_server_hands_on_what_its_store_holds(fetch, vendor, mirror, tmp_path):
    assert fetch().returncode == 0
    url, ca = mirror(tmp_path / "store")
    evidence, mine = tmp_path / "report.bin", tmp_path / "mine"
    done = fetch_from(url, ca, evidence, "snp", mine)
    assert done.returncode == 0, done.stderr
    assert words(done) == ["fetched"] * 3
    for item in (tmp_path / "store").glob("snp/Milan/*[!n]"):  # bodies, without their notes
        assert (mine / "snp/Milan" / item.name).read_bytes() == item.read_bytes()
    assert words(fetch_from(url, ca, evidence, "snp", mine, "--refresh")) == ["unchanged"] * 3


def test_our_server_has_no_more_than_its_store(fetch, mirror, tmp_path):
    url, ca = mirror(tmp_path / "empty")
    (tmp_path / "report.bin").write_bytes(report())
    done = fetch_from(url, ca, tmp_path / "report.bin", "snp", tmp_path / "mine")
    assert done.returncode == 1 and "404" in done.stderr
    assert not list((tmp_path / "mine").glob("**/*.der"))


INTEL = ["sgx-cmc-spr-2026", "tdx-gotdx-v5-2026"]


@pytest.mark.skipif(not (VECTORS / "index.json").is_file(), reason="no recorded vectors")
@pytest.mark.parametrize("name", INTEL)
def test_a_recorded_quote_is_accepted_with_what_our_server_handed_on(vendor, mirror, tmp_path, name):
    case = next(c for c in json.loads((VECTORS / "index.json").read_text()) if c["id"] == name)
    tee, files = case["tee"], {k: (VECTORS / v).read_bytes() for k, v in case["files"].items()}
    fmspc = json.loads(files["tcb_info"])["tcbInfo"]["fmspc"].lower()
    crl_issuer = files["pck_crl_issuer_chain"]
    ca = "platform" if "platform" in case["files"]["pck_crl_issuer_chain"] else "processor"
    chain = urllib.parse.quote(files["tcb_signing_chain"], safe="")
    vendor.answers = {
        f"/{tee}/certification/v4/tcb?fmspc={fmspc}": ({"TCB-Info-Issuer-Chain": chain}, files["tcb_info"]),
        f"/{tee}/certification/v4/qe/identity": ({"SGX-Enclave-Identity-Issuer-Chain": chain}, files["qe_identity"]),
        f"/sgx/certification/v4/pckcrl?ca={ca}&encoding=der":
            ({"SGX-PCK-CRL-Issuer-Chain": urllib.parse.quote(crl_issuer, safe="")}, files["pck_crl"]),
        "/IntelSGXRootCA.der": ({}, files["root_ca_crl"])}
    evidence = VECTORS / case["files"]["evidence"]
    first = fetch_from(vendor.url, vendor.ca, evidence, tee, tmp_path / "store")
    assert first.returncode == 0, first.stderr
    url, trusted = mirror(tmp_path / "store")
    second = fetch_from(url, trusted, evidence, tee, tmp_path / "mine")
    assert second.returncode == 0, second.stderr
    assert words(second) == ["fetched"] * 4
    policy = tmp_path / "policy.toml"
    policy.write_text(f'version = 1\nserver = "any"\ntees = ["{tee}"]\n[models]\nothers = "allow"\n[{tee}]\n'
                      f'allow_tcb = ["{case["tcb_status"]}"]\n[[{tee}.reference]]\n'
                      f'{"mrenclave" if tee == "sgx" else "mrtd"} = "any"\n')
    done = subprocess.run(
        [BLIND, "verify", evidence, "--tee", tee, "--collateral", tmp_path / "mine", "--policy", policy,
         "--report-data", case["report_data_hex"], "--at", case["verify_at"]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ACCEPTED" in done.stdout
