#!/usr/bin/python3
"""Rows of the comparison with Linux: table.py WORK [PICTURE]. WORK has what was measured, a file for
each KIND.UNIT with lines "bench: NAME VALUE"; PICTURE.svg and PICTURE.png are drawn if it is given.
Prints rows (name, value, unit, conditions).
"""
import subprocess
import sys

sys.dont_write_bytecode = True
import picture

CONDITIONS = {"insns": "icount shift=0, 1 CPU, no ERMS or FSRM", "ns": "TCG, 2 CPUs, wall time"}
KINDS = {"sealed": "Oak container", "open": "Oak, not sealed", "linux": "Linux 6.1 guest"}
# What a container does as a whole is compared with the process alone.
SAME_AS = {"python.container": "python.pass"}


def values_read(path):
    found = {}
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            words = line.split()
            if len(words) == 3 and words[0] == "bench:":
                found[words[1]] = int(words[2])
    return found


def main():
    work = sys.argv[1]
    measured = {(kind, unit): values_read(f"{work}/{kind}.{unit}")
                for kind in KINDS for unit in CONDITIONS}
    ratios = {}
    for unit, conditions in CONDITIONS.items():
        linux = measured["linux", unit]
        for kind, title in KINDS.items():
            for name, value in measured[kind, unit].items():
                row = f"linux.{name}.{kind}"
                print(f"{row}.{unit}", value, unit, f"{title}; {conditions}", sep="\t")
                reference = linux.get(SAME_AS.get(name, name))
                if kind != "linux" and reference:
                    ratio = value / reference
                    if (kind, unit) == ("sealed", "insns"):
                        ratios[name] = ratio
                    print(f"{row}.ratio.{unit}", f"{ratio:.2f}", "ratio",
                          f"{title} / Linux 6.1 guest; {conditions}", sep="\t")
    if len(sys.argv) > 2:
        with open(sys.argv[2] + ".svg", "w", encoding="utf-8") as file:
            file.write(picture.draw(ratios))
        subprocess.run(["rsvg-convert", "--zoom", "2", "-o", sys.argv[2] + ".png",
                        sys.argv[2] + ".svg"], check=True)


main()
