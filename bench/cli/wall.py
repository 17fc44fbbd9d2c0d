#!/usr/bin/python3
"""Wall times of the oak command: wall.py OAK LAYOUT. Prints name, value, unit, conditions."""
import os
import statistics
import subprocess
import sys
import tempfile
import time

OAK, LAYOUT = sys.argv[1:]
LIMIT_SECONDS = 60


def oak(*arguments):
    begin = time.monotonic()
    subprocess.run([OAK, *arguments], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=LIMIT_SECONDS)
    return (time.monotonic() - begin) * 1e3


def row(name, times, conditions):
    print(f"{name}\t{statistics.median(times):.1f}\tms\t{conditions}; median of {len(times)}, "
          f"{min(times):.1f} to {max(times):.1f}", flush=True)


def accelerator():
    status = subprocess.run([OAK, "machine", "status"], capture_output=True, text=True,
                            check=True).stdout
    return dict(line.split(None, 1) for line in status.splitlines())["accelerator"].strip()


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OAK_STATE"] = folder
        try:
            oak("load", "-q", "-i", LAYOUT)
            conditions = f"{accelerator()}, 2 CPUs, 1 GiB, host with {os.cpu_count()} CPUs"
            times = []
            for _ in range(10):
                oak("machine", "stop")
                times.append(oak("machine", "start"))
            row("boot.ready.ms", times,
                conditions + "; oak machine start: QEMU's start to the engine's first answer")
            for _ in range(5):
                oak("run", "--rm", "busybox", "true")
            row("run.wall.ms", [oak("run", "--rm", "busybox", "true") for _ in range(20)],
                conditions + "; oak run --rm busybox true, as typed")
        finally:
            oak("machine", "stop")


main()
