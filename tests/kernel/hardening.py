#!/usr/bin/python3
"""The kernel's protections, seen and tried from outside by the debugger: what is mapped how, and what
happens at each wrong access, overrun stack, dead canary, machine check, and NMI at any instruction."""

import os
import re
import subprocess
import sys
import time

from boot import BUILD, COMMAND
from debugger import RDI, RIP, RSP, Machine, symbols

IMAGE = "kernel.elf"
KERNEL_HALF = 0xffff808000000000  # behind the window
STACKS_BASE = 0xffffff0000200000
PAGE = 4096
THREAD_ATTENTION = 225  # in struct thread, as entry.S has it
ATTENTION_DIE = 16
# Of the suite, or of its part that looks at no clock: what is disturbed takes longer.
ENDS = ("test: end", "test: # sharing the CPUs")
failed = 0
count = 0
names = symbols(IMAGE)


def ok(good, what, shown=""):
    global failed, count
    count += 1
    failed |= not good
    print(f"{'ok' if good else 'not ok'} {count} - {what}")
    if not good:
        print("\n".join("# " + line for line in str(shown).splitlines()[-30:]))


def at(machine, name):
    """Run until a CPU enters that function, anew if it stands there."""
    machine.packet("s")
    machine.breakpoint(names[name])
    machine.go()
    assert machine.stopped(), "\n".join(machine.log)
    machine.breakpoint_remove(names[name])


def physical(address):
    return address - 0xffffffff80000000


# --- state ---

def check_registers(machine):
    text = machine.monitor("info registers -a")
    found = [[int(value, 16) for value in re.findall(rf"{name} *=([0-9a-f]+)", text)]
             for name in ("CR0", "CR4", "EFER")]
    wanted = {"WP": (0, 16), "SMEP": (1, 20), "SMAP": (1, 21), "UMIP": (1, 11), "MCE": (1, 6),
              "NX": (2, 11)}
    for name, (register, bit) in wanted.items():
        values = found[register]
        ok(len(values) == 2 and all(value >> bit & 1 for value in values),
           f"every processor has {name} on", text)
    tables = re.findall(r"(?:GDT|IDT)= *([0-9a-f]+)", text)
    start, end = names["kernel_sealed_start"], names["kernel_sealed_end"]
    ok(len(tables) == 4 and all(start <= int(table, 16) < end for table in tables),
       "every GDT and IDT lies in what is sealed", text)


def mappings(machine):
    """(address, physical, flags) of the kernel's half."""
    found = []
    for line in machine.monitor("info tlb").splitlines():
        match = re.match(r"([0-9a-f]+): ([0-9a-f]+) (\S+)", line)
        if match and int(match.group(1), 16) >= KERNEL_HALF:
            found.append((int(match.group(1), 16), int(match.group(2), 16), match.group(3)))
    return found


def check_mappings(machine):
    found = mappings(machine)
    writable = [row for row in found if "W" in row[2]]
    executable = [row for row in found if "X" not in row[2]]  # it shows the bit "no execution"
    ok(len(found) > 100 and len(writable) > 10, "the kernel's half is seen", found[:5])
    ok(not [row for row in writable if row in executable], "nothing is writable and executable")
    ok(all(names["kernel_text_start"] <= row[0] < names["kernel_text_end"] for row in executable)
       and len(executable) > 10, "only the kernel's text executes",
       [hex(row[0]) for row in executable])
    ok(not [row for row in found if "U" in row[2]], "user code reaches nothing of it")
    start, end = physical(names["kernel_text_start"]), physical(names["kernel_data_start"])
    sealed = (physical(names["kernel_sealed_start"]), physical(names["kernel_sealed_end"]))

    def overlaps(row, low, high):
        size = 1 << 30 if row[1] >= 1 << 30 and "P" in row[2] else 2 << 20 if "P" in row[2] else PAGE
        return row[1] < high and row[1] + size > low

    ok(not [row for row in writable if overlaps(row, start, end)],
       "text and read-only data have no writable mapping")
    ok(not [row for row in writable if overlaps(row, *sealed)],
       "neither have the sealed tables")
    pages = {row[0] for row in found if STACKS_BASE <= row[0] < STACKS_BASE + (1 << 30)}
    tops = [page + PAGE for page in pages if page + PAGE not in pages]
    bottoms = [page for page in pages if page - PAGE not in pages]
    ok(len(tops) == len(bottoms) == 10, "two processors have five stacks each, with a hole below "
       "each", sorted(map(hex, bottoms)))


def test_state():
    with Machine(IMAGE) as machine:
        at(machine, "call_log_write")
        check_registers(machine)
        check_mappings(machine)


# --- wrong accesses ---

def panic_after(prepare, cpus=2):
    """Stop in a kernel call, disturb, and return what the kernel says at its end."""
    with Machine(IMAGE, cpus=cpus) as machine:
        at(machine, "call_log_write")
        machine.packet("Hc0")
        prepare(machine)
        machine.go()
        return machine.rest()


def write_to(address):
    def prepare(machine):
        machine.register_set(RDI, address)
        machine.register_set(RIP, names["memset"])
    return prepare


def jump_to(address):
    return lambda machine: machine.register_set(RIP, address)


def test_accesses():
    direct = 0xffffc00000000000
    text = names["kernel_call"]
    for what, address in (("text", text), ("the table of calls", names["calls"]),
                          ("the IDT", names["idt"]), ("the kernel's page tables", names["root_table"]),
                          ("text through the direct map", direct + physical(text)),
                          ("a sealed table through the direct map",
                           direct + physical(names["idt"]))):
        said = panic_after(write_to(address))
        ok(f"vector 14 error 3 cr2 {address:x}" in said, f"a write to {what} faults", said)
    for what, address in (("text through the direct map", direct + physical(text)),
                          ("data", names["boot_cpu"])):
        said = panic_after(jump_to(address))
        ok(f"vector 14 error 11 cr2 {address:x}" in said, f"{what} does not execute", said)
    said = panic_after(write_to(0x400000))
    ok("vector 14 error" in said, "the kernel does not reach user memory by accident", said)


def test_stacks():
    with Machine(IMAGE) as machine:
        at(machine, "call_log_write")
        cpu = machine.register(RSP) - STACKS_BASE >> 17
        bottom = STACKS_BASE + (cpu << 17) + PAGE
        machine.register_set(RSP, bottom + 0x48)
        machine.go()
        said = machine.rest()
    ok("kernel stack overflow" in said and "vector 8" in said,
       "an overrun stack ends in a report from the double fault's own stack", said)
    ok(re.search(r"at [0-9a-f]+ [a-z_]+\+", said) is not None, "which names the function", said)


def test_canary():
    def prepare(machine):
        machine.breakpoint(names["log_bytes"])
        machine.go()
        assert machine.stopped()
        machine.breakpoint_remove(names["log_bytes"])
        machine.memory_set(names["__stack_chk_guard"], b"\x00WRONG!!")
    said = panic_after(prepare)
    ok("its canary is dead" in said and "__stack_chk_fail" in said,
       "a changed canary ends the machine", said)
    guards = set()
    for _ in range(2):
        with Machine(IMAGE) as machine:
            at(machine, "call_log_write")
            guards.add(machine.memory(names["__stack_chk_guard"], 8))
    ok(len(guards) == 2 and bytes(8) not in guards, "each start has a canary of its own", guards)


def test_machine_check():
    def prepare(machine):
        machine.memory_set(names["trace_on"], b"\x01")
        for _ in range(100):
            at(machine, "trace_write")
        machine.monitor("mce 0 4 0xbe00000000000000 0x5 0 0")
    said = panic_after(prepare, cpus=1)
    ok("machine check" in said and "vector 18" in said, "a machine check is reported", said)
    ok(re.search(r"the last \d+ trace events.*\n  \d+ \d+ \d", said) is not None,
       "with the last events of the trace, if it was on", said)

    with Machine(IMAGE, cpus=1) as machine:
        at(machine, "syscall_entry")
        machine.monitor("mce 0 4 0xbe00000000000000 0x5 0 0")
        machine.go()
        said = machine.rest()
    ok("machine check" in said and "at %x syscall_entry+0" % names["syscall_entry"] in said,
       "before swapgs too, where GS is the user's", said)


# --- NMIs ---

def suite_lines(machine):
    """Read the log up to the end; returns (passed, failed or what was wrong)."""
    passed, bad = 0, []
    while (line := machine.line(120)) is not None and line not in ENDS:
        passed += line.startswith("test: ok")
        if line.startswith("test: not ok") or "panic" in line:
            bad.append(line)
    return passed, bad if line is not None else bad + machine.log[-20:]


def entry_instructions():
    """Every instruction between user mode and C, but for the NMI's own way."""
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn",
                              f"--start-address={names['syscall_entry']}",
                              f"--stop-address={names['own_stack_common']}",
                              os.path.join(BUILD, IMAGE)],
                             check=True, capture_output=True, text=True).stdout
    found = []
    inside = True
    for line in listing.splitlines():
        label = re.match(r"[0-9a-f]+ <(\w+)>:", line)
        if label:
            inside = label.group(1) != "vector_first"
        instruction = re.match(r" *([0-9a-f]+):\t(\w+)", line)
        if instruction and inside and instruction.group(2) not in ("nop", "nopw", "nopl", "ud2", "cs",
                                                                   "data16", "xchg"):
            found.append(int(instruction.group(1), 16))
    return found


def test_nmi_everywhere():
    places = entry_instructions()
    met = 0
    with Machine(IMAGE) as machine:
        for place in places:
            machine.breakpoint(place)
        machine.go()
        while machine.stopped_unless(ENDS):
            machine.breakpoint_remove(machine.register(RIP))
            machine.nmi()
            met += 1
            machine.go()
        passed, bad = suite_lines(machine)
    ok(met > len(places) * 8 // 10, f"an NMI came at {met} of {len(places)} entry instructions")
    ok(passed > 100 and not bad, f"{passed} tests of the kernel pass nevertheless", "\n".join(bad))


def test_nmi_storm():
    sent = 0
    with Machine(IMAGE) as machine:
        machine.go()
        while not machine.logged(["test: # domain and capability"]):
            time.sleep(0.01)
        while not machine.logged(ENDS) and machine.qemu.poll() is None and sent < 100000:
            machine.nmi()
            sent += 1
        passed, bad = suite_lines(machine)
    ok(sent > 500, f"{sent} NMIs came to both processors at random moments")
    ok(passed > 100 and not bad, f"{passed} tests of the kernel pass nevertheless", "\n".join(bad))


# --- CPUs that stand still, as those of a virtual machine may at any instruction ---

def test_held():
    with Machine(IMAGE) as machine:
        attention = 0
        while not attention & ATTENTION_DIE:
            at(machine, "trap_attend")
            attention = machine.memory(machine.register(RDI) + THREAD_ATTENTION, 1)[0]
        at(machine, "scheduler_detach")
        machine.other_runs(1)
        machine.go()
        passed, bad = suite_lines(machine)
    ok(passed > 100 and not bad,
       "nobody frees a thread while a CPU that stands still shows it as its own",
       "\n".join(bad))


# --- CPUs ---

def boot(cpu, line=""):
    """The log of a boot of a small image on that CPU."""
    command = [part for part in COMMAND if part not in ("-cpu", "max")]
    command += ["-cpu", cpu, "-m", "256", "-kernel", os.path.join(BUILD, "hello.elf"), "-append",
                line]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as qemu:
        for text in qemu.stdout:
            said.append(text.decode("ascii", "replace").rstrip())
            if "hello" in said[-1] or "panic" in said[-1]:
                break
        qemu.kill()
    return "\n".join(said)


def test_cpus():
    said = boot("max,vendor=GenuineIntel")
    ok("panic" in said and "Meltdown" in said, "a CPU with Meltdown is refused", said)
    for cpu, line in (("max,vendor=GenuineIntel", "cpu=+rdcl_no"),
                      ("max,-umip,-pdpe1gb", ""), ("max,-tsc-deadline,-x2apic", ""),
                      ("max,-rdrand,-mce", ""), ("max,-avx,-avx2", ""),
                      ("max", "cpu=+md_clear,+ibrs_ibpb,+ibrs_all,-umip,-tsc_deadline")):
        said = boot(cpu, line)
        ok("panic" not in said and "hello" in said, f"a start on {cpu} {line}", said)
    for cpu, line, missing in (("max,-smap", "", "smap"), ("max,-smep", "", "smep"),
                               ("max,-xsaveopt", "", "xsaveopt"),
                               ("max", "cpu=-fsgsbase", "fsgsbase")):
        said = boot(cpu, line)
        ok("panic" in said and f"lacks {missing}" in said, f"without {missing} the kernel says so",
           said)
    with Machine(IMAGE, append="cpu=+md_clear,+ibrs_ibpb,-tsc_deadline") as machine:
        machine.go()
        passed, bad = suite_lines(machine)
    ok(passed > 100 and not bad, f"{passed} tests of the kernel pass with barriers between domains",
       "\n".join(bad))
    said = boot("max", "cpu=+nonsense")
    ok("panic" in said and "cpu=" in said, "a feature that does not exist is refused", said)


if __name__ == "__main__":
    chosen = sys.argv[1:]
    for name, test in list(globals().items()):
        if name.startswith("test_") and (not chosen or name[5:] in chosen):
            test()
    sys.exit(failed)
