#!/usr/bin/python3
"""The kernel's objects on one, two and four CPUs."""

import sys

from boot import run

bad = 0
for cpus in (1, 2, 4):
    print(f"# {cpus} CPUs")
    bad |= run("kernel.elf", "test", cpus=cpus)
sys.exit(bad)
