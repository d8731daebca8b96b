#!/usr/bin/env python3
"""Enclave images of Nitro and SIGSTRUCTs of SGX, signed by keys made here, and what they measure to.

Writes *.eif and *.sigstruct beside itself and prints the lines of expected.txt.  Written from the
specifications, apart from src/measure, so that the two check each other.  Each run makes new keys.
"""
import datetime
import hashlib
import os
import struct
import zlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

HERE = os.path.dirname(os.path.abspath(__file__))
KERNEL, LINE, RAMDISK, SIGNATURE, METADATA = 1, 2, 3, 4, 5


def write(name, data):
    with open(os.path.join(HERE, name), "wb") as out:
        out.write(data)


def eif(sections, version=4):
    offsets, at, body = [], 548, b""
    for kind, data in sections:
        offsets.append(at + len(body))
        body += struct.pack(">HHQ", kind, 0, len(data)) + data
    sizes = [len(data) for _, data in sections]
    pad = lambda values: struct.pack(">32Q", *(values + [0] * (32 - len(values))))
    head = struct.pack(">4sHHQQHH", b".eif", version, 0, 1 << 30, 2, 0, len(sections))
    head += pad(offsets) + pad(sizes) + bytes(4)
    return head + struct.pack(">I", zlib.crc32(head + body)) + body


def register(data):
    return hashlib.sha384(bytes(48) + hashlib.sha384(data).digest()).hexdigest()


def cbor_head(major, n):
    return bytes([major << 5 | n]) if n < 24 else (
        bytes([major << 5 | 24, n]) if n < 256 else bytes([major << 5 | 25]) + struct.pack(">H", n))


def numbers(data):
    return cbor_head(4, len(data)) + b"".join(cbor_head(0, b) for b in data)


def text(word):
    return cbor_head(3, len(word)) + word.encode()


def certificate():
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "synthetic signer")])
    start = datetime.datetime(2024, 1, 1)
    return (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(36500))
            .sign(key, hashes.SHA384()))


def enclave_images():
    kernel, line, first, app = b"a kernel " * 40, b"reboot=k panic=30", b"bootstrap" * 30, b"application" * 50
    plain = [(KERNEL, kernel), (LINE, line), (METADATA, b"{}"), (RAMDISK, first), (RAMDISK, app)]
    cert = certificate()
    pem = cert.public_bytes(serialization.Encoding.PEM)
    section = cbor_head(4, 1) + cbor_head(5, 2) + text("signing_certificate") + numbers(pem)
    section += text("signature") + numbers(b"a signature that nobody here checks")
    write("plain.eif", eif(plain))
    write("signed.eif", eif([s for s in plain if s[0] != METADATA] + [(SIGNATURE, section)], 3))
    for name in ("plain", "signed"):
        print(name, "pcr0", register(kernel + line + first + app))
        print(name, "pcr1", register(kernel + line + first))
        print(name, "pcr2", register(app))
    print("plain pcr8", bytes(48).hex())
    print("signed pcr8", register(cert.public_bytes(serialization.Encoding.DER)))


def sigstruct(key, debug):
    head = bytes.fromhex("06000000e100000000000100") + bytes(4) + struct.pack("<II", 0, 0x20241121)
    head += bytes.fromhex("01010000600000006000000001") + bytes(3) + bytes(4) + bytes(84)
    body = struct.pack("<II", 0, 0xFFFFFFFF) + bytes(20)
    body += struct.pack("<QQ", 4 | (2 if debug else 0), 3)
    body += struct.pack("<QQ", 0xFFFFFFFFFFFFFFFF ^ (2 if debug else 0), 0xFFFFFFFFFFFFFF1B)
    body += hashlib.sha256(b"an enclave").digest() + bytes(32) + struct.pack("<HH", 7, 3)
    n = key.public_key().public_numbers().n
    raw = key.sign(head + body, padding.PKCS1v15(), hashes.SHA256())
    s = int.from_bytes(raw, "big")
    q1, q2 = s * s // n, (s * s % n) * s // n
    little = lambda value: value.to_bytes(384, "little")
    out = head + little(n) + struct.pack("<I", 3) + little(s) + body + bytes(12) + little(q1) + little(q2)
    assert len(out) == 1808
    return out, hashlib.sha256(little(n)).hexdigest()


def main():
    enclave_images()
    key = rsa.generate_private_key(3, 3072)
    for name, debug in (("release", False), ("debug", True)):
        data, signer = sigstruct(key, debug)
        write(name + ".sigstruct", data)
        print(name, "mrenclave", hashlib.sha256(b"an enclave").hexdigest())
        print(name, "mrsigner", signer)


if __name__ == "__main__":
    main()
