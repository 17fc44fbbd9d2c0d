#!/usr/bin/python3
"""Boot the runtime's test under QEMU and print its TAP lines."""

import os
import subprocess
import sys
import threading

TIMEOUT_SECONDS = 60
KERNEL = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                      "../../../build/tests/oak-boot.elf")
COMMAND = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "2",
           "-m", "256", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
           "-serial", "stdio", "-kernel", KERNEL]


def main():
    lines = []
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as qemu:
        timer = threading.Timer(TIMEOUT_SECONDS, qemu.kill)
        timer.start()
        for line in qemu.stdout:
            lines.append(line.decode("ascii", "replace").rstrip())
            if lines[-1] == "test: end" or "panic" in lines[-1]:
                break
        timer.cancel()
        qemu.kill()
    results = [line[6:] for line in lines if line.startswith(("test: ok ", "test: not ok "))]
    print("\n".join(results))
    if lines[-1:] != ["test: end"]:
        print(f"not ok {len(results) + 1} - it came to its end")
        print("\n".join("# " + line for line in lines[-40:]))
    return 0 if lines[-1:] == ["test: end"] and not any(r.startswith("not") for r in results) else 1


if __name__ == "__main__":
    sys.exit(main())
