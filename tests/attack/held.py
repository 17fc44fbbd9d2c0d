#!/usr/bin/python3
"""The attacks on a kernel whose processors are held up at random instructions (plugin/hold.c): held.py
[SECONDS]. Without SECONDS one run on three processors, else runs with ever other seeds."""

import os
import re
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../kernel"))
from boot import BUILD, run  # pylint: disable=wrong-import-position

PLUGIN = os.path.join(BUILD, "../host/hold.so")
HOLDS_LEAST = 100


def held(seed, cpus, most_us):
    """1 if an attack came through, or hardly anybody was held."""
    print(f"# seed {seed}, {cpus} processors, held for {most_us} us at most", flush=True)
    with tempfile.TemporaryFile("w+") as said:
        bad = run("attack.elf", "attack", cpus=cpus, seconds=400, stderr=said, more=[
            "-plugin", f"file={PLUGIN},us={most_us},seed={seed}", "-append", f"seed={seed}"])
        said.seek(0)
        told = said.read()
    holds = re.search(r"holds (\d+) places (\d+)", told)
    good = holds is not None and int(holds.group(1)) >= HOLDS_LEAST
    print(f"{'ok' if good else 'not ok'} - processors were held " +
          (f"{holds.group(1)} times among {holds.group(2)} instructions" if holds else told))
    return bad or not good


def main():
    if len(sys.argv) < 2:
        return held(1, 3, 1000)
    ends = time.monotonic() + float(sys.argv[1])
    seed = int(time.time())
    while time.monotonic() < ends:
        seed += 1
        if held(seed, 2 + seed % 3, 500 + seed % 4 * 1000):
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
