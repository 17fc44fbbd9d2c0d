#!/usr/bin/python3
"""What starting a container costs: start.py IMAGE. Prints name, value, unit, conditions.

Instructions are counted by QEMU (one is one nanosecond of virtual time and one tick of the TSC), on
one CPU, from the engine's receipt of CREATE to the first instruction of the program's main and to
the end; the engine notes when each step happened. The second start of a program counts: then the
image's pages are in the shared cache, as for every container but the first. Then the same among
CROWD idle containers. Wall time is plain TCG with two CPUs.
"""

import hashlib
import os
import struct
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/boot"))
from engine import (ARGUMENT, ATTACH, CLOSE, CONTAINER, COUNTED, COUNTER, CREATE, ID, BLOB, NAME,
                    OK, REMOVE, START, STATISTICS, TCG, VALUE, WAIT, Machine, blob_put, number,
                    record, records)

CROWD = 1000
WARM = 3
COUNTED_RUNS = 15  # they differ by when the host's frames arrive: the median counts
COUNT = f"icount shift=0, 1 CPU, median of {COUNTED_RUNS}"
WALL = "TCG, 2 CPUs"
TO_MAIN = [("objects", "mark.create", "mark.created"), ("hand-over", "mark.start", "mark.running"),
           ("personality", "mark.running", "main")]


def row(name, value, unit, conditions):
    print(f"{name}\t{value}\t{unit}\t{conditions}", flush=True)


def statistics(session):
    found = {}
    for tag, value in session.do(STATISTICS)[1]:
        if tag == COUNTER:
            inner = dict(records(value))
            found[inner[NAME].decode()] = int.from_bytes(inner[VALUE], "little")
    return found


class Start:
    """CREATE, ATTACH, START and WAIT sent at once, as `oak run` does."""

    made = 0

    def __init__(self, machine, blob, program):
        Start.made += 1
        self.machine = machine
        self.session = machine.session()
        name = f"bench-{Start.made}"
        self.name = name
        identifier = hashlib.sha256(name.encode()).hexdigest()
        self.session.ask(CREATE, record(ID, identifier), record(NAME, name),
                         record(BLOB, blob), record(ARGUMENT, program))
        self.session.ask(ATTACH, record(CONTAINER, name))
        self.started = self.session.ask(START, record(CONTAINER, name))
        self.ended = self.session.ask(WAIT, record(CONTAINER, name))

    def finish(self):
        status, _ = self.session.result(self.started)
        assert status == OK, status
        self.session.result(self.ended)
        self.session.do(REMOVE, record(CONTAINER, self.name))
        self.session.send(CLOSE)
        return self.session.output[1]


def median_row(name, runs, start, end, conditions):
    counts = sorted(run[end] - run[start] for run in runs[WARM:])
    row(name, counts[len(counts) // 2], "instructions", conditions)
    return counts[len(counts) // 2]


def marks_of(machine, session, blob, program):
    """Of each start of that program: when what was done."""
    runs = []
    for _ in range(WARM + COUNTED_RUNS):
        output = Start(machine, blob, program).finish()
        marks = statistics(session)
        if output:
            marks["main"], = struct.unpack("<Q", output)
        runs.append(marks)
    return runs


def main_rows(name, runs, conditions):
    """The way to main, and its parts."""
    whole = median_row(name, runs, "mark.create", "main", conditions)
    for part, start, end in TO_MAIN:
        median_row(f"{name}.{part}", runs, start, end, "of which")
    return whole


def crowded(machine, session, blob, alone):
    """The two figures again, among idle containers: by how much they are more."""
    for _ in range(CROWD):
        session.result(Start(machine, blob, "/idle").started)
    among = COUNT + f", among {CROWD} idle containers"
    runs = marks_of(machine, session, blob, "/probe")
    crowd = [main_rows("start.main.insns.crowd", runs, among)]
    runs = marks_of(machine, session, blob, "/nothing")
    crowd.append(median_row("start.exit.insns.crowd", runs, "mark.create", "mark.released", among))
    more = max((there - here) * 100 / here for here, there in zip(alone, crowd))
    row("start.crowd.more.percent", round(more, 1), "%", "the larger of both differences")


def counted(image, data):
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, folder, flags=COUNTED, memory_mib=1024)
        machine.greet()
        session = machine.session()
        boot = statistics(session)
        since = boot["machine.tsc"] - boot["mark.ready"]
        row("boot.ready.insns", boot["machine.uptime_ns"] - since, "instructions",
            COUNT + ", from the kernel's first reading of its clock")
        status, blob = blob_put(machine, session, data)
        assert status == OK, status
        runs = marks_of(machine, session, blob, "/probe")
        alone = [main_rows("start.main.insns", runs, COUNT)]
        runs = marks_of(machine, session, blob, "/nothing")
        alone.append(median_row("start.exit.insns", runs, "mark.create", "mark.released", COUNT))
        median_row("start.exit.insns.release", runs, "mark.ended", "mark.released",
                   "of which: from the word that it ended")
        crowded(machine, session, blob, alone)
        machine.end()


def wall(image, data):
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, folder, flags=TCG)
        machine.greet()
        session = machine.session()
        status, blob = blob_put(machine, session, data)
        assert status == OK, status
        times = []
        for _ in range(50):
            begin = time.monotonic()
            Start(machine, blob, "/nothing").finish()
            times.append(time.monotonic() - begin)
        times.sort()
        row("start.main.us", round(times[len(times) // 2] * 1e6), "us",
            WALL + "; create to removed, seen from the host, median of 50")
        for flight in (1, 8, 64):
            count = 192
            begin = time.monotonic()
            running = []
            for _ in range(count):
                running.append(Start(machine, blob, "/nothing"))
                if len(running) == flight:
                    running.pop(0).finish()
            for start in running:
                start.finish()
            rate = count / (time.monotonic() - begin)
            row(f"start.rate.{flight}", round(rate, 1), "starts/s", WALL + f", {flight} in flight")
        machine.end()


def main():
    with open(os.path.join(ROOT, "build/bench/start.erofs"), "rb") as image:
        data = image.read()
    counted(sys.argv[1], data)
    wall(sys.argv[1], data)


main()
