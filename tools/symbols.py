#!/usr/bin/python3
"""The names of a kernel's functions as assembly: symbols.py FIRST_LINK.elf OUTPUT.s

The table that kernel/core/panic.c reads. It lies behind the text, so that linking it in moves no
function. The stubs of the 256 vectors are left out.
"""
import re
import subprocess
import sys


def functions(elf):
    start = None
    found = {}
    listing = subprocess.run(["nm", "-n", elf], check=True, capture_output=True, text=True).stdout
    for line in listing.splitlines():
        address, kind, name = line.split()
        if name == "kernel_text_start":
            start = int(address, 16)
        elif name == "kernel_text_end":
            break
        elif start is not None and kind in "tT":
            found.setdefault(int(address, 16) - start, re.sub(r"\.lto_priv\.\d+$", "", name))
    return sorted(found.items())


def main():
    symbols = functions(sys.argv[1])
    lines = ['.section .symbols, "a"', ".balign 8", f".quad {len(symbols)}"]
    at = 8 + 8 * len(symbols)
    for place, name in symbols:
        lines.append(f".long {place}, {at}")
        at += len(name) + 1
    lines += [f'.asciz "{name}"' for _, name in symbols]
    lines.append('.section .note.GNU-stack, "", @progbits')
    with open(sys.argv[2], "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")


main()
