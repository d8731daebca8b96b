#!/usr/bin/env python3
"""A small firmware image with OVMF's metadata, and the launch digests and MRTD it gives by hashlib.

Writes firmware.fd beside itself and prints the lines of expected.txt.  Written from the
specifications, apart from src/measure, so that the two check each other.
"""
import hashlib
import os
import struct
import uuid

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = 4096
SEV = [(0x800000, 0x2000, 1), (0x80D000, 0x1000, 2), (0x80E000, 0x1000, 3), (0x80F000, 0x1000, 4),
       (0x810000, 0x1000, 0x10)]
HASHES = 0x810C00
RESET_EIP = 0x80B004
# offset in the file, bytes there, address, bytes in memory, type, attributes
TD = [(PAGE, 2 * PAGE, 0xFFFFE000, 2 * PAGE, 0, 1), (0, PAGE, 0xFFFFD000, PAGE, 1, 0),
      (0, 0, 0x809000, 2 * PAGE, 2, 0), (16, 100, 0x80B000, PAGE, 3, 1), (0, 0, 0x100000, PAGE, 4, 2)]


def guid(text):
    return uuid.UUID(text).bytes_le


def entry(text, data):
    return data + struct.pack("<H", len(data) + 18) + guid(text)


def firmware():
    pages = bytes(i * 7 + (i >> 8) & 0xFF for i in range(3 * PAGE))
    sev = struct.pack("<4sIII", b"ASEV", 16 + 12 * len(SEV), 1, len(SEV))
    sev += b"".join(struct.pack("<III", *row) for row in SEV)
    td = struct.pack("<4sIII", b"TDVF", 16 + 32 * len(TD), 1, len(TD))
    td += b"".join(struct.pack("<IIQQII", *row) for row in TD)
    table = entry("00f771de-1a7e-4fcb-890e-68c77e2fb44e", struct.pack("<I", RESET_EIP))
    table += entry("7255371f-3a3b-4b04-927b-1da6efa8d454", struct.pack("<II", HASHES, 0x400))
    table += entry("4c2eb361-7d9b-4cc3-8081-127c90d3d294", bytes(8))  # one that nobody reads
    behind = 32 + 18 + len(table) + 2 * 22
    table += entry("dc886566-984a-4798-a75e-5585a7bf67cc", struct.pack("<I", behind + len(sev)))
    table += entry("e47a6535-984a-4798-865e-4685a7bf8ec2",
                   struct.pack("<I", behind + len(sev) + len(td)))
    table += struct.pack("<H", len(table) + 18) + guid("96b582de-1fb2-45f7-baea-a366c55a082d")
    end = td + sev + table + bytes(32)
    return pages[:-len(end)] + end


def sha384(data):
    return hashlib.sha384(data).digest()


def vmsa(eip, features, vmm, signature):
    cs, ss, tr, pat, rdx, mxcsr, fcw = {
        "qemu": (0x9B, 0x93, 0x8B, 0x7040600070406, signature, 0x1F80, 0x37F),
        "ec2": (0x9A if eip == 0xFFFFFFF0 else 0x9B, 0x92, 0x83, 0x7040600070406, 0x600, 0, 0),
        "gce": (0x9B, 0x93, 0x8B, 0x70106, 0x600, 0, 0)}[vmm]
    page = bytearray(PAGE)
    segments = [(0, 0x93), (0xF000, cs), (0, ss), (0, 0x93), (0, 0x93), (0, 0x93), (0, 0), (0, 0x82),
                (0, 0), (0, tr)]
    for i, (selector, attributes) in enumerate(segments):
        base = eip & 0xFFFF0000 if i == 1 else 0
        struct.pack_into("<HHIQ", page, 16 * i, selector, attributes, 0xFFFF, base)
    for at, value in [(0xD0, 0x1000), (0x148, 0x40), (0x158, 0x10), (0x160, 0x400), (0x168, 0xFFFF0FF0),
                      (0x170, 2), (0x178, eip & 0xFFFF), (0x268, pat), (0x310, rdx),
                      (0x3B0, features), (0x3E8, 1)]:
        struct.pack_into("<Q", page, at, value)
    struct.pack_into("<I", page, 0x408, mxcsr)
    struct.pack_into("<H", page, 0x410, fcw)
    return bytes(page)


def snp(image, vmm, vcpus, signature, features, kernel):
    digest = bytes(48)

    def update(kind, address, contents=bytes(48)):
        nonlocal digest
        digest = sha384(digest + contents + struct.pack("<HBBIQ", 0x70, kind, 0, 0, address))

    for at in range(0, len(image), PAGE):
        update(1, 2**32 - len(image) + at, sha384(image[at:at + PAGE]))
    for address, size, kind in SEV:
        for at in range(address, address + size, PAGE):
            if kind == 0x10 and kernel:
                rows = b"".join(guid(g) + struct.pack("<H", 50) + hashlib.sha256(data).digest() for g, data in (
                    ("97d02dd8-bd20-4c94-aa78-e7714d36ab2a", kernel[2] + b"\0"),
                    ("44baf731-3a2f-4bd7-9af1-41e29169781d", kernel[1]),
                    ("4de79437-abd2-427f-b835-d5b172d2045b", kernel[0])))
                rows = guid("9438d606-4f22-4cc9-b479-a793d411fd21") + struct.pack("<H", 168) + rows
                update(1, at, sha384((bytes(HASHES - at) + rows).ljust(PAGE, b"\0")))
            elif kind != 3 or vmm != "ec2":
                update({1: 4 if vmm == "gce" else 3, 2: 5, 3: 6, 4: 3, 0x10: 3}[kind], at)
    if vmm == "ec2":
        update(6, 0x80E000)
    for i in range(vcpus):
        update(2, 0xFFFFFFFFF000, sha384(vmsa(RESET_EIP if i else 0xFFFFFFF0, features, vmm, signature)))
    return digest.hex()


def mrtd(image, two_passes):
    h = hashlib.sha384()

    def extend(data, address, at):
        for piece in range(at, at + PAGE, 256):
            h.update((b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", address + piece)).ljust(128, b"\0"))
            h.update(data[piece:piece + 256])

    for offset, size, address, memory, _, attributes in TD:
        if attributes & 2:
            continue
        data = image[offset:offset + size].ljust(memory, b"\0")
        for at in range(0, memory, PAGE):
            h.update((b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", address + at)).ljust(128, b"\0"))
            if attributes & 1 and not two_passes:
                extend(data, address, at)
        for at in range(0, memory if attributes & 1 and two_passes else 0, PAGE):
            extend(data, address, at)
    return h.hexdigest()


def main():
    image = firmware()
    with open(os.path.join(HERE, "firmware.fd"), "wb") as out:
        out.write(image)
    kernel = (b"a kernel", b"an initrd", b"console=ttyS0")
    print("firmware snp-qemu-4-kernel", snp(image, "qemu", 4, 0xA00F11, 0x21, kernel))
    print("firmware snp-qemu-1", snp(image, "qemu", 1, 0x800F12, 1, None))
    print("firmware snp-ec2-2", snp(image, "ec2", 2, 0, 1, None))
    print("firmware snp-gce-3", snp(image, "gce", 3, 0, 1, None))
    print("firmware mrtd", mrtd(image, False))
    print("firmware mrtd-two-passes", mrtd(image, True))


if __name__ == "__main__":
    main()
