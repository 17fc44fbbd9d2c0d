#!/usr/bin/python3
"""Boot the storage service and the drivers under QEMU, over PCI and over MMIO, twice each: the
second boot finds what the first has committed. Prints TAP.

The blob lies on the disk where a fresh store puts its first one, as the host would have written it.
"""

import hashlib
import os
import socket
import subprocess
import sys
import tempfile
import threading

BLOB_BYTES = 5 * 1000 * 1000 - 1000
DATA_START = 2 << 20
STORE_BYTES = 64 << 20
TIMEOUT_SECONDS = 120

MACHINES = {
    "pci": ["-M", "q35", "-device", "virtio-blk-pci,drive=store,disable-legacy=on",
            "-device", "virtio-serial-pci,disable-legacy=on"],
    "mmio": ["-M", "microvm,acpi=on", "-global", "virtio-mmio.force-legacy=false",
             "-device", "virtio-blk-device,drive=store", "-device", "virtio-serial-device"],
}
# Where QEMU's microvm puts its first two devices when it has ACPI tables, and then does not say so
# in the command line.
ARGUMENTS = {
    "pci": "",
    "mmio": " virtio_mmio.device=512@0xfeb02e00:47 virtio_mmio.device=512@0xfeb02c00:46",
}


def blob_make():
    words = BLOB_BYTES // 8
    data = b"".join((i * 8 * 0x9E3779B97F4A7C15 & (1 << 64) - 1).to_bytes(8, "little")
                    for i in range(words))
    level = data + bytes(-len(data) % 4096)
    stored = level
    while True:
        hashes = b"".join(hashlib.sha256(level[i:i + 4096]).digest()
                          for i in range(0, len(level), 4096))
        level = hashes + bytes(-len(hashes) % 4096)
        stored += level
        if len(level) == 4096:
            return stored, hashlib.sha256(level + len(data).to_bytes(8, "little")).hexdigest()


def echo(listener):
    try:
        client, _ = listener.accept()
        with client:
            while True:
                data = client.recv(65536)
                if not data:
                    return
                client.sendall(data)
    except OSError:
        return


def boot(kernel, folder, machine, name, lines):
    path = os.path.join(folder, "console")
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        threading.Thread(target=echo, args=(listener,), daemon=True).start()
        command = ["qemu-system-x86_64", *MACHINES[machine],
                   "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", "256", "-nodefaults",
                   "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
                   "-drive", f"id=store,file={folder}/store,format=raw,if=none",
                   "-chardev", f"socket,id=control,path={path}",
                   "-device", "virtserialport,chardev=control,name=oak.control",
                   "-kernel", kernel, "-append", f"blob={BLOB_BYTES},{name}{ARGUMENTS[machine]}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as qemu:
            timer = threading.Timer(TIMEOUT_SECONDS, qemu.kill)
            timer.start()
            for line in qemu.stdout:
                line = line.decode("ascii", "replace").rstrip()
                lines.append(line)
                if line.endswith("test: end") or "panic" in line:
                    break
            timer.cancel()
            qemu.kill()


def main():
    kernel = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                          "../../../build/tests/storage-boot.elf")
    stored, name = blob_make()
    number = 0
    failed = False
    for machine in sys.argv[1:] or MACHINES:
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "store"), "wb") as store:
                store.truncate(STORE_BYTES)
                store.seek(DATA_START)
                store.write(stored)
            for life in ("first", "second"):
                lines = []
                boot(kernel, folder, machine, name, lines)
                ended = any(line.endswith("test: end") for line in lines)
                for line in lines:
                    text = line.split("test: ", 1)[-1]
                    if text.startswith(("ok ", "not ok ")):
                        number += 1
                        good, what = text.split(" - ", 1)
                        result = "not ok" if good.startswith("not") else "ok"
                        print(f"{result} {number} - {machine}, {life} boot: {what}")
                        failed |= result == "not ok"
                if not ended:
                    number += 1
                    failed = True
                    print(f"not ok {number} - {machine}, {life} boot: it came to its end")
                    print("\n".join("# " + line for line in lines[-40:]))
    print(f"1..{number}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
