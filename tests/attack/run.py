#!/usr/bin/python3
"""Every refusal of the kernel, attacked on two CPUs."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../kernel"))
from boot import run  # pylint: disable=wrong-import-position

sys.exit(run("attack.elf", "attack", seconds=240))
