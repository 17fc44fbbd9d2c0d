#!/usr/bin/python3
"""Boot the system as it is shipped, and type at containers that have a terminal; then let one
container use up its memory beside another. Prints TAP; each test's line says what it proves.
"""

import os
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import engine
from engine import (ARGUMENT, ATTACH, CONTAINER, EXIT_CODE, KILL, MEMORY_LIMIT, OK, OPEN_STDIN,
                    REMOVE, ROOT, SIGNAL, START, WAIT, Machine, Tests, blob_put, counter, create,
                    number, record)

TERMINAL = 10
BOMB = "exec 2>/dev/null; f() { f | f & }; f; echo bomb; while :; do :; done"


class Shell:
    """A container that runs a shell and stays attached; with a terminal unless told otherwise."""

    def __init__(self, machine, blob, script, *more, terminal=1):
        words = ["/bin/sh", "-c", script] if script else ["/bin/sh", "-i"]
        self.machine = machine
        self.session = machine.session()
        self.name, _ = create(self.session, blob, words[0],
                              *[record(ARGUMENT, word) for word in words[1:]],
                              record(TERMINAL, terminal), record(OPEN_STDIN, 1), *more)
        self.session.ask(ATTACH, record(CONTAINER, self.name))
        self.session.result(self.session.ask(START, record(CONTAINER, self.name)))

    def seen(self, text):
        """Wait until it is printed; False: it is not."""
        try:
            self.machine.until(lambda: text in self.session.output[1])
        except TimeoutError:
            return False
        return True

    def type(self, text, after=None):
        """Type it, a while after something was printed: what reads it has begun to, then."""
        if after is not None and not self.seen(after):
            return
        begin = time.monotonic()
        self.machine.until(lambda: time.monotonic() > begin + 0.3)
        self.session.write(text)
        self.machine.until(lambda: not self.machine.out)

    def wait(self):
        _, found = self.session.do(WAIT, record(CONTAINER, self.name))
        self.session.do(REMOVE, record(CONTAINER, self.name))
        return number(found, EXIT_CODE)


def keyboard(tests, machine, blob):
    shell = Shell(machine, blob, "echo ready; sleep 100; echo code $?")
    shell.type(b"\x03", after=b"ready")
    got = shell.wait()
    tests.ok(got == 130, "Ctrl-C ends a shell's command and the shell with it", got)

    shell = Shell(machine, blob, None)
    shell.type(b"tty; test -t 0 && echo is a tty\n", after=b"# ")
    tests.ok(shell.seen(b"/dev/console\r\nis a tty"), "the terminal has a name",
             shell.session.output)
    shell.type(b"echo re''ady; sleep 100\n")
    shell.type(b"\x03", after=b"\nready")
    shell.type(b"echo code=$?\n", after=b"^C")
    tests.ok(shell.seen(b"\ncode=130"), "Ctrl-C ends what runs with 130, the shell goes on",
             shell.session.output)
    shell.type(b"echo ag''ain; sleep 100\n")
    shell.type(b"\x1a", after=b"\nagain")
    tests.ok(shell.seen(b"Stopped"), "Ctrl-Z stops what runs", shell.session.output)
    shell.type(b"jobs; kill -9 %1; wait %1; echo w''aited\n")
    tests.ok(shell.seen(b"\nwaited"), "which can be killed where it stopped", shell.session.output)
    shell.type(b"cat; echo c''at ended $?\n")
    shell.type(b"one line\n")
    shell.type(b"\x04", after=b"one line\r\none line\r\n")
    tests.ok(shell.seen(b"cat ended 0"), "Ctrl-D ends the input of cat", shell.session.output)
    shell.type(b"exit 7\n")
    got = shell.wait()
    tests.ok(got == 7, "a shell's exit ends its container with its code", got)


def neighbours(tests, machine, blob):
    neighbour = Shell(machine, blob, "while read x; do echo got $x; done", terminal=0)
    bomb = Shell(machine, blob, BOMB, record(MEMORY_LIMIT, 32 << 20), terminal=0)
    tests.ok(bomb.seen(b"bomb"), "a container starts processes without end", bomb.session.output)
    for i in range(5):
        neighbour.type(b"%d\n" % i)
    tests.ok(neighbour.seen(b"got 4"), "its neighbour answers meanwhile",
             neighbour.session.output)
    other = machine.session()
    tests.ok(other.do(KILL, record(CONTAINER, bomb.name), record(SIGNAL, 9))[0] == OK,
             "it can be killed")
    got = bomb.wait()
    tests.ok(got == 137, "and ends of that, not of a fault", got)
    other.do(KILL, record(CONTAINER, neighbour.name), record(SIGNAL, 9))
    tests.ok(neighbour.wait() == 137, "the neighbour ends when it is killed itself")
    shell = Shell(machine, blob, "set -- $(grep MemTotal /proc/meminfo); echo total $2", terminal=0)
    machine.until(lambda: shell.session.over[1])
    words = shell.session.output[1].split()
    tests.ok(len(words) == 2 and 100000 < int(words[1]) <= 256 * 1024,
             "a container without a limit sees the machine's memory", words)
    shell.wait()


def main():
    tests = Tests()
    engine.TIMEOUT_SECONDS = 30
    with open(os.path.join(ROOT, "build/tests/linux-image.erofs"), "rb") as image:
        data = image.read()
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine("build/oak.elf", folder)
        try:
            machine.greet()
            session = machine.session()
            status, blob = blob_put(machine, session, data)
            tests.ok(status == OK, "busybox's image is in the store", status)
            keyboard(tests, machine, blob)
            neighbours(tests, machine, blob)
            left = counter(session, "memory.bytes")
            tests.ok(left == 0, "nothing is charged to containers that are gone", left)
        except TimeoutError as error:
            tests.ok(False, "the system comes to its end", error)
        finally:
            machine.end()
            if tests.failed:
                print("\n".join("# " + line for line in machine.log().splitlines()[-40:]))
    print(f"1..{tests.count}")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main())
