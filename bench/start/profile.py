#!/usr/bin/python3
"""Where the instructions of one container start go: profile.py [LINES [ENTRY]]. With ENTRY, also the
kernel's functions under the entries whose name contains it. profile.py --order writes
linux/start_order.ld instead: the personality's functions in the order in which a start calls them.
profile.py --sequence shows every kernel entry in order, with what ran between it and the one before.

QEMU runs one warm start (CREATE to removed) of the start benchmark's empty program with every
instruction in its log, and this counts them by program and by function, and what each kernel entry
cost. An address of the window is told apart by the page-table root that was loaded.
"""

import bisect
import collections
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "tests/boot"))
sys.argv, ARGUMENTS = [sys.argv[0]], sys.argv[1:]
from engine import (ARGUMENT, ATTACH, CLOSE, CONTAINER, COUNTED, CREATE, ID, BLOB, NAME, OK, REMOVE,
                    START, WAIT, Machine, blob_put, record)

PROGRAMS = {"kernel": "build/oak.elf", "engine": "build/user/engine.elf",
            "storage": "build/user/storage.elf", "init": "build/user/init.elf",
            "personality": "build/user/linux.elf"}
KERNEL_BASE = 0xffffffff80000000
WINDOW_BASE = 0xffff800000000000


class Symbols:
    def __init__(self, path):
        text = subprocess.run(["nm", "-n", "--defined-only", os.path.join(ROOT, path)],
                              capture_output=True, text=True, check=True).stdout
        rows = [line.split() for line in text.splitlines()]
        rows = [(int(a, 16), n) for a, t, n in rows if t in "tTwW" and not n.startswith(".L")]
        self.addresses = [a for a, _ in rows]
        self.names = [n for _, n in rows]

    def name(self, address):
        index = bisect.bisect_right(self.addresses, address) - 1
        return self.names[index] if index >= 0 else "?"

    @staticmethod
    def vectors(path):
        """Where the kernel is entered for each vector: trap_entries, which is in the file."""
        path = os.path.join(ROOT, path)
        text = subprocess.run(["nm", "--defined-only", path], capture_output=True, text=True,
                              check=True).stdout
        table = int(re.search(r"^([0-9a-f]+) . trap_entries$", text, re.M).group(1), 16)
        text = subprocess.run(["objdump", "-s", f"--start-address={table}",
                               f"--stop-address={table + 256 * 8}", path],
                              capture_output=True, text=True, check=True).stdout
        data = bytes.fromhex("".join(re.findall(r"^ [0-9a-f]+ ((?:[0-9a-f]+ )+) ", text, re.M)))
        found = {int.from_bytes(data[i * 8:i * 8 + 8], "little"): i for i in range(256)}
        assert len(found) == 256, "trap_entries is not as it was thought"
        return found

    def starts(self, path):
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", os.path.join(ROOT, path)],
                              capture_output=True, text=True, check=True).stdout
        return {int(m, 16) for m in re.findall(r"^ *([0-9a-f]+):", text, re.M)}


PAGE_FAULT = 14
VECTORS = Symbols.vectors(PROGRAMS["kernel"])


class Monitor:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 10
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self.read()

    def read(self):
        got = b""
        while not got.endswith(b"(qemu) "):
            got += self.socket.recv(4096)

    def do(self, line):
        self.socket.sendall(line.encode() + b"\n")
        self.read()


def start(machine, blob, number):
    session = machine.session()
    name = f"profile-{number}"
    session.ask(CREATE, record(ID, f"{number:064x}"), record(NAME, name), record(BLOB, blob),
                record(ARGUMENT, "/nothing"))
    session.ask(ATTACH, record(CONTAINER, name))
    session.ask(START, record(CONTAINER, name))
    ended = session.ask(WAIT, record(CONTAINER, name))
    session.result(ended)
    session.do(REMOVE, record(CONTAINER, name))
    session.send(CLOSE)


def trace(folder):
    log = os.path.join(folder, "trace")
    monitor = os.path.join(folder, "monitor")
    machine = Machine("build/oak.elf", folder, flags=COUNTED + [
        "-singlestep", "-D", log, "-monitor", f"unix:{monitor},server=on,wait=off"])
    hmp = Monitor(monitor)
    machine.greet()
    with open(os.path.join(ROOT, "build/bench/start.erofs"), "rb") as image:
        status, blob = blob_put(machine, machine.session(), image.read())
    assert status == OK, status
    for number in range(4):
        start(machine, blob, number + 1)
    hmp.do("log exec,nochain,cpu")
    start(machine, blob, 9)
    hmp.do("log none")
    machine.end()
    return log


def steps(log):
    """(root, address, RAX, CR2, RSP) of every instruction, as they were before it."""
    address = number = stack = None
    with open(log, encoding="ascii", errors="replace") as lines:
        for line in lines:
            if line.startswith("RAX="):
                number = int(line[4:20], 16)
            elif line.startswith("RSI="):
                stack = int(line.split("RSP=")[1][:16], 16)
            elif line.startswith("RIP="):
                address = int(line[4:20], 16)
            elif line.startswith("CR0="):
                match = re.search(r"CR2=([0-9a-f]+) CR3=([0-9a-f]+)", line)
                yield int(match.group(2), 16), address, number, int(match.group(1), 16), stack


def call_names():
    with open(os.path.join(ROOT, "abi/syscalls.def"), encoding="ascii") as text:
        return {int(number): name for number, name in
                re.findall(r"^KERNEL_CALL\((\d+), (\w+)", text.read(), re.M)}


def programs_find(executed, symbols):
    """Which program's window each page-table root shows: the one whose instructions begin there."""
    roots = collections.defaultdict(set)
    for root, address, _, _, _ in executed:
        if WINDOW_BASE <= address < KERNEL_BASE:
            roots[root].add(address)
    starts = {name: symbols[name].starts(path) for name, path in PROGRAMS.items()
              if name != "kernel"}
    found = {}
    for root, addresses in roots.items():
        fits = [name for name in starts if addresses <= starts[name]]
        found[root] = fits[0] if len(fits) == 1 else "/".join(fits) or "?"
    return found


def entry_name(names, kernel, address, number, fault_address):
    """What the kernel was entered for: a call by its name, a fault by its page."""
    vector = VECTORS.get(address)
    if vector is not None:
        return f"fault {fault_address & ~0xfff:x}" if vector == PAGE_FAULT else f"vector {vector}"
    name = kernel.name(address)
    return names.get(number, "call") if name == "syscall_entry" else name


class Calls:
    """What runs under each function of the programs in the window, kernel time included: who was
    called is who was entered at its first instruction, until the stack is above that again."""

    def __init__(self, symbols):
        self.first = {name: set(table.addresses) for name, table in symbols.items()}
        self.stacks = collections.defaultdict(list)
        self.current = []
        self.inclusive = collections.Counter()
        self.times = collections.Counter()

    def window(self, program, address, name, stack):
        self.current = self.stacks[program, stack >> 15]
        while self.current and stack > self.current[-1][1]:
            self.current.pop()
        if address in self.first.get(program, ()):
            self.current.append((f"{program} {name}", stack))
            self.times[f"{program} {name}"] += 1

    def count(self):
        for name in {name for name, _ in self.current}:
            self.inclusive[name] += 1


def order_write(executed, symbols):
    program_of = programs_find(executed, symbols)
    seen = {}
    for root, address, _, _, _ in executed:
        if WINDOW_BASE <= address < KERNEL_BASE and program_of[root] == "personality":
            name = symbols["personality"].name(address)
            seen[re.sub(r"\.(constprop|isra|part|cold)\.?\d*", "", name)] = True
    with open(os.path.join(ROOT, "linux/start_order.ld"), "w", encoding="ascii") as order:
        order.write("/* Functions in the order in which a container's start calls them: written by\n"
                    " * bench/start/profile.py --order. A name that is gone does no harm. */\n")
        for name in seen:
            order.write(f"*(.text.{name} .text.{name}.*)\n")


def sequence_print(executed, symbols):
    program_of = programs_find(executed, symbols)
    names = call_names()
    who = entry = last = caller = None
    kernel = between = before = total = 0
    for root, address, number, fault_address, _ in executed:
        total += 1
        if address >= KERNEL_BASE:
            if who != "kernel":
                before, caller = between, who
                kernel = 0
                entry = entry_name(names, symbols["kernel"], address, number, fault_address)
            kernel += 1
            who = "kernel"
            continue
        if who == "kernel":
            print(f"{total:8} {before:6} {kernel:6}  {caller}: {entry} (by {last})")
            between = 0
        who = program_of[root] if address >= WINDOW_BASE else "application"
        last = symbols[who].name(address) if who in symbols else ""
        between += 1


def main():
    if ARGUMENTS == ["--sequence"]:
        with tempfile.TemporaryDirectory() as folder:
            executed = list(steps(trace(folder)))
        sequence_print(executed, {name: Symbols(path) for name, path in PROGRAMS.items()})
        return
    if ARGUMENTS == ["--order"]:
        with tempfile.TemporaryDirectory() as folder:
            executed = list(steps(trace(folder)))
        order_write(executed, {name: Symbols(path) for name, path in PROGRAMS.items()})
        return
    limit = int(ARGUMENTS[0]) if ARGUMENTS else 60
    symbols = {name: Symbols(path) for name, path in PROGRAMS.items()}
    names = call_names()
    with tempfile.TemporaryDirectory() as folder:
        executed = list(steps(trace(folder)))
    program_of = programs_find(executed, symbols)
    wanted = ARGUMENTS[1] if len(ARGUMENTS) > 1 else None
    programs, functions, entries, entered, under = (collections.Counter() for _ in range(5))
    who = entry = caller = None
    calls = Calls(symbols)
    for root, address, number, fault_address, stack in executed:
        if address >= KERNEL_BASE:
            program, name = "kernel", symbols["kernel"].name(address)
            if who != "kernel":
                entry = entry_name(names, symbols["kernel"], address, number, fault_address)
                entry = f"{who}: {entry}"
                entered[entry] += 1
            entries[entry] += 1
            if wanted and wanted in entry:
                under[name] += 1
        elif address >= WINDOW_BASE:
            program = program_of[root]
            name = symbols[program].name(address) if program in symbols else "?"
            calls.window(program, address, name, stack)
        else:
            program, name = "application", ""
        calls.count()
        programs[program] += 1
        functions[f"{program} {name}"] += 1
        who = program
    print(f"{len(executed)} instructions")
    for name, count in programs.most_common():
        print(f"  {count:8} {name}")
    print("the kernel, by entry: instructions, times")
    for name, count in entries.most_common(limit):
        print(f"  {count:8} {entered[name]:4} {name}")
    if wanted:
        print(f"the kernel under {wanted}")
        for name, count in under.most_common(limit):
            print(f"  {count:8} {name}")
    print("functions of programs, with all that they call: instructions, times")
    for name, count in calls.inclusive.most_common(limit):
        print(f"  {count:8} {calls.times[name]:4} {name}")
    print("functions, alone")
    for name, count in functions.most_common(limit):
        print(f"  {count:8} {name}")


main()
