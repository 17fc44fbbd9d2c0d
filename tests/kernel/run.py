#!/usr/bin/python3
"""The kernel's objects on two CPUs."""

import sys

from boot import run

sys.exit(run("kernel.elf", "test"))
