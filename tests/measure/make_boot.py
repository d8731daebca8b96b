#!/usr/bin/env python3
"""make_boot.py STUB KERNEL BUSYBOX CMDLINE OUT: a UKI whose init prints the TPM's registers and powers off."""
import struct
import sys

INIT = b"""#!/bin/busybox sh
/bin/busybox mount -t proc p /proc
/bin/busybox mount -t sysfs s /sys
echo
for i in 4 7 9 11 12 13; do echo "PCR $i $(/bin/busybox cat /sys/class/tpm/tpm0/pcr-sha256/$i)"; done
/bin/busybox poweroff -f
"""


def initrd(busybox):
    out, number = b"", 0

    def entry(name, mode, data=b"", device=(0, 0)):
        nonlocal out, number
        number += 1
        fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, device[0], device[1], len(name) + 1, 0]
        head = b"070701" + "".join("%08x" % f for f in fields).encode() + name.encode() + b"\0"
        head += bytes(-len(head) % 4) + data
        out += head + bytes(-len(head) % 4)

    for folder in ("bin", "dev", "proc", "sys"):
        entry(folder, 0o40755)
    entry("dev/console", 0o20600, device=(5, 1))
    entry("bin/busybox", 0o100755, busybox)
    entry("init", 0o100755, INIT)
    entry("TRAILER!!!", 0)
    return out + bytes(-len(out) % 512)


def uki(stub, sections):
    image = bytearray(stub)
    at = struct.unpack_from("<I", image, 60)[0]
    count, optional = struct.unpack_from("<H", image, at + 6)[0], at + 24
    table = optional + struct.unpack_from("<H", image, at + 20)[0]
    file_alignment, = struct.unpack_from("<I", image, optional + 36)
    rows = [struct.unpack_from("<IIII", image, table + 40 * i + 8) for i in range(count)]
    struct.pack_into("<II", image, at + 12, 0, 0)  # no symbols
    del image[max(size + offset for _, _, size, offset in rows):]
    address = max(size + where for size, where, _, _ in rows)
    for name, data in sections:
        address = (address + 4095) // 4096 * 4096
        image += bytes(-len(image) % file_alignment)
        raw = data + bytes(-len(data) % file_alignment)
        struct.pack_into("<8sIIII12xI", image, table + 40 * count, name.encode(), len(data), address, len(raw),
                         len(image), 0x40000040)
        image += raw
        count, address = count + 1, address + len(data)
    struct.pack_into("<H", image, at + 6, count)
    struct.pack_into("<I", image, optional + 56, (address + 4095) // 4096 * 4096)
    return image


def main():
    stub, kernel, busybox = (open(name, "rb").read() for name in sys.argv[1:4])
    sections = [(".osrel", b"ID=test\nVERSION_ID=1\n"), (".cmdline", sys.argv[4].encode()),
                (".initrd", initrd(busybox)), (".linux", kernel)]
    with open(sys.argv[5], "wb") as out:
        out.write(uki(stub, sections))


if __name__ == "__main__":
    main()
