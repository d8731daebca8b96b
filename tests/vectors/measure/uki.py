#!/usr/bin/env python3
"""Small unified kernel images, and what they measure to by Python's hashlib.

Writes uki-*.efi beside itself and prints the lines of expected.txt.  Written from the specifications,
apart from src/measure, so that the two check each other.
"""
import hashlib
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
ORDER = [".linux", ".osrel", ".cmdline", ".initrd", ".ucode", ".splash", ".dtb", ".dtbauto", ".efifw",
         ".hwids", ".uname", ".sbat", ".pcrpkey"]
SEPARATOR = bytes(4)
CALLING = b"Calling EFI Application from Boot Option"


def align(n, to):
    return (n + to - 1) // to * to


def pe(sections, plus=True, directories=16, tail=b"", signature=b"", alignment=512):
    """A PE32+ (or PE32) image of [(name, bytes)], in the order given."""
    optional = struct.pack("<H", 0x20B if plus else 0x10B) + bytes(58)
    headers = align(64 + 24 + (112 if plus else 96) + 8 * directories + 40 * len(sections), alignment)
    optional += struct.pack("<I", headers) + b"SUM!" + bytes(40 if plus else 24)
    optional += struct.pack("<I", directories)
    at, table, body = headers, b"", b""
    for name, data in sections:
        raw = data + bytes(align(len(data), alignment) - len(data))
        table += name.encode().ljust(8, b"\0") + struct.pack("<IIII", len(data), 0x1000 + at,
                                                              len(raw), at if raw else 0) + bytes(16)
        body, at = body + raw, at + len(raw)
    body += tail
    security = struct.pack("<II", at + len(tail), len(signature)) if signature else bytes(8)
    optional += (bytes(32) + security + bytes(8 * 11))[:8 * directories]
    start = b"MZ" + bytes(58) + struct.pack("<I", 64)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, len(optional), 0x22)
    return (start + coff + optional + table).ljust(headers, b"\0") + body + signature


def authenticode(image, bank):
    """The digest of an image made by pe(): everything but checksum, security directory, signature."""
    plus = image[88:90] == b"\x0b\x02"
    count_at = 88 + (108 if plus else 92)
    security = count_at + 4 + 32 if struct.unpack_from("<I", image, count_at)[0] > 4 else None
    end, kept = len(image), image[:88 + 64]
    if security:
        end -= struct.unpack_from("<I", image, security + 4)[0]
        kept += image[88 + 68:security] + image[security + 8:end]
    else:
        kept += image[88 + 68:end]
    return hashlib.new(bank, kept).digest()


def fold(bank, digests):
    value = bytes(hashlib.new(bank).digest_size)
    for digest in digests:
        value = hashlib.new(bank, value + digest).digest()
    return value.hex()


def cpio(osrel):
    def entry(ino, mode, size, name, hexdigits="%08x"):
        fields = [ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name) + 1, 0]
        out = b"070701" + "".join(hexdigits % f for f in fields).encode() + name.encode() + b"\0"
        return out + bytes(-len(out) % 4)
    out = entry(1, 0o40555, 0, ".extra") + entry(2, 0o100444, len(osrel), ".extra/os-release")
    out += osrel + bytes(-len(osrel) % 4)
    return out + entry(0, 0, 0, "TRAILER!!!", "%08X")


GLOBAL = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
DB = bytes.fromhex("cbb219d73a3d9645a3bcdad00e67656f")


def variable(guid, name, data):
    return guid + struct.pack("<QQ", len(name), len(data)) + name.encode("utf-16le") + data


def pcrs(bank, image, parts, stub, start, secure, phases):
    h = lambda data: hashlib.new(bank, data).digest()
    kernel = authenticode(parts[".linux"], bank)
    boot = [h(CALLING), h(SEPARATOR)]
    four = [authenticode(image, bank)] + boot if start == "loader" else boot + [authenticode(image, bank)]
    if secure != "on":
        four.append(kernel)
    state = {"off": b"\0", "empty": b"", "on": b"\1"}[secure]
    keys = {n: n.encode() * 3 if secure == "on" else b"" for n in ("PK", "KEK", "db", "dbx")}
    seven = [h(variable(GLOBAL, "SecureBoot", state))]
    seven += [h(variable(GLOBAL if n in ("PK", "KEK") else DB, n, keys[n])) for n in keys]
    seven.append(h(SEPARATOR))
    if secure == "on":
        seven.append(h(variable(DB, "db", b"owner and certificate")))
    nine = [h(parts[".cmdline"].decode().encode("utf-16le") + b"\0\0")]
    initrd = parts[".initrd"]
    if stub >= 257:
        initrd += bytes(-len(initrd) % 4) + cpio(parts[".osrel"])
    nine.append(h(initrd))
    eleven = []
    for name in ORDER:
        if name in parts and not (stub == 252 and name in (".uname", ".sbat", ".ucode")):
            eleven += [h(name.encode() + b"\0"), h(parts[name])]
    eleven += [h(p.encode()) for p in phases]
    zero = bytes(hashlib.new(bank).digest_size).hex()
    if bank == "sha384" and stub >= 257 and start == "loader":
        leave = [h(b"Exit Boot Services Invocation"), h(b"Exit Boot Services Returned with Success")]
        print("uki-%d rtmr1" % stub, fold(bank, boot + [four[0], kernel] + leave))
        print("uki-%d rtmr2" % stub, fold(bank, eleven + nine))
    return {4: fold(bank, four), 7: fold(bank, seven), 9: fold(bank, nine), 11: fold(bank, eleven),
            12: zero, 13: zero}


def magic(stub):
    return b"#### LoaderInfo: systemd-stub %d.13-1 ####\0" % stub


def main():
    kernel = pe([(".text", b"kernel code"), (".data", b"kernel data" * 60)], tail=b"behind the sections")
    small = {".linux": kernel, ".osrel": b"ID=test\nVERSION_ID=1\n", ".cmdline": b"console=ttyS0 quiet",
             ".initrd": b"070701 an initrd" * 40 + b"!!", ".uname": b"6.1.0", ".sbat": b"sbat,1,SBAT Version\n"}
    cases = [("uki-252", 252, "disk", "off", [], b""), ("uki-257", 257, "loader", "empty", [], b""),
             ("uki-252-signed", 252, "disk", "on", ["enter-initrd", "leave-initrd"], b"SIGNATURE" * 8)]
    for name, stub, start, secure, phases, signature in cases:
        listed = [(".text", b"stub code" * 100), (".sdmagic", magic(stub))]
        listed += [(n, small[n]) for n in (".osrel", ".cmdline", ".initrd", ".uname", ".sbat", ".linux")]
        image = pe(listed, signature=signature)
        with open(os.path.join(HERE, name + ".efi"), "wb") as out:
            out.write(image)
        for bank in ("sha256", "sha384"):
            print(name, "authenticode-" + bank, authenticode(image, bank).hex())
            for pcr, value in pcrs(bank, image, small, stub, start, secure, phases).items():
                print(name, "pcr%d-%s" % (pcr, bank), value)
    old = pe([(".text", b"code" * 9)], plus=False, directories=4)
    with open(os.path.join(HERE, "pe32.efi"), "wb") as out:
        out.write(old)
    for bank in ("sha1", "sha256"):
        print("pe32", "authenticode-" + bank, authenticode(old, bank).hex())


if __name__ == "__main__":
    main()
