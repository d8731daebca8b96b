#!/usr/bin/env python3
"""Writes sha256.txt and sha384.txt: RFC 9261 authenticators from first principles.

Origin: this script, standard library only but for the signature, which the `openssl` program makes.
It shares no code with src/tls.  Run it in its own folder; the files change, as ECDSA is randomised.
"""
import hashlib, hmac, pathlib, subprocess, tempfile

CMW, CODEPOINT = b"\x82\x63a/b\x43cmw", 0xFFA9


def vec(n, data):
    return len(data).to_bytes(n, "big") + data


def message(kind, body):
    return bytes([kind]) + vec(3, body)


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout


def make(name):
    size = hashlib.new(name).digest_size
    secret = lambda label: hashlib.sha512(label.encode()).digest()[:size]
    handshake, finished_key = secret("handshake"), secret("finished")
    context = hashlib.sha256(b"context").digest()
    algorithms = (13).to_bytes(2, "big") + vec(2, vec(2, b"\x08\x04\x04\x03"))
    offer = CODEPOINT.to_bytes(2, "big") + vec(2, b"")
    request = message(17, vec(1, context) + vec(2, offer + algorithms))
    with tempfile.TemporaryDirectory() as folder:
        key, cert = f"{folder}/key", f"{folder}/cert"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", key, "-out", cert, "-outform", "DER", "-subj", "/CN=vector", "-days", "36500")
        der = pathlib.Path(cert).read_bytes()
        spki = openssl("pkey", "-in", key, "-pubout", "-outform", "DER")
        extension = CODEPOINT.to_bytes(2, "big") + vec(2, vec(2, CMW))
        certificate = message(11, vec(1, context) + vec(3, vec(3, der) + vec(2, extension)))
        digest = hashlib.new(name, handshake + request + certificate).digest()
        content = b" " * 64 + b"Exported Authenticator" + b"\0" + digest
        signature = openssl("dgst", "-sha256", "-sign", key, data=content)
    verify = message(15, b"\x04\x03" + vec(2, signature))
    digest = hashlib.new(name, handshake + request + certificate + verify).digest()
    finished = message(20, hmac.new(finished_key, digest, name).digest())
    rows = dict(context=context, handshake=handshake, finished_key=finished_key, request=request,
                spki=spki, cmw=CMW, authenticator=certificate + verify + finished)
    text = "".join(f"{k} {v.hex()}\n" for k, v in rows.items())
    pathlib.Path(f"{name}.txt").write_text(text)


make("sha256")
make("sha384")
