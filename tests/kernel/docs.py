#!/usr/bin/python3
"""docs/kernel says of every kernel call the number, the arguments and the right that it has."""

import os
import re
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
CALL = re.compile(r'^KERNEL_CALL\((\d+), (\w+), \d, \d, (\w+), (\w+), (?:\w+|\w+\(.*?\)), \w+, '
                  r'"(.*?)", "(.*?)"\)$', re.M)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def main():
    index = read("docs/kernel/index.md")
    folder = os.path.join(ROOT, "docs/kernel")
    pages = "".join(read("docs/kernel/" + name) for name in sorted(os.listdir(folder)))
    calls = CALL.findall(read("abi/syscalls.def"))
    bad = 0
    for number, name, _, right, shape, meaning in calls:
        told = (shape or "-").replace("|", "\\|")
        row = f"| {number} | `{name}` | {told} |"
        place = index.find(row)
        cells = re.split(r"(?<!\\)\|", index[place:].split("\n")[0]) if place >= 0 else []
        wanted = "DESTROY" if name == "object_destroy" else "none" if right == "0" else right
        good = len(cells) > 5 and cells[5].strip() == wanted
        good = good and f"## {name}({shape})\n\nCall {number}: {meaning}." in pages
        if not good:
            print(f"not ok - docs/kernel tells {name} as it is")
            bad += 1
    if calls and not bad:
        print(f"ok - docs/kernel tells all {len(calls)} calls as they are")
    return 0 if calls and not bad else 1


if __name__ == "__main__":
    sys.exit(main())
