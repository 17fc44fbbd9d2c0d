#!/usr/bin/python3
"""Boot the system as it is shipped, put busybox's image into its store and run Linux programs in
containers over the control channel. Prints TAP; each test's line says what it proves.
"""

import os
import sys
import tempfile

sys.dont_write_bytecode = True
from engine import (ARGUMENT, ATTACH, CONTAINER, EXEC, EXIT_CODE, INSPECT, KILL, MEMORY_LIMIT,
                    NOT_FOUND, OK, OPEN_STDIN, REMOVE, ROOT, SIGNAL, START, WAIT, EOF,
                    Machine, Tests, blob_put, counter, create, number, record)

NOT_PERMITTED = 21
OOM_KILLED = 26


class Run:
    """A container from CREATE to REMOVE, attached all the time."""

    def __init__(self, machine, blob, words, *more, stdin=None):
        self.session = machine.session()
        self.name, self.created = create(self.session, blob, words[0],
                                         *[record(ARGUMENT, word) for word in words[1:]], *more)
        self.session.ask(ATTACH, record(CONTAINER, self.name))
        start = self.session.ask(START, record(CONTAINER, self.name))
        if stdin is not None:
            self.session.write(stdin)
            self.session.send(EOF)
        self.started = self.session.result(start)[0]
        self.code = None
        self.ended = []
        self.output = b""

    def wait(self):
        if self.started == OK:
            self.ended = self.session.do(WAIT, record(CONTAINER, self.name))[1]
            self.code = number(self.ended, EXIT_CODE)
        self.output = self.session.output[1]
        self.session.do(REMOVE, record(CONTAINER, self.name))
        return (self.output, self.code)


def shell(text):
    return ["/bin/sh", "-c", text]


def containers(tests, machine, blob):
    got = Run(machine, blob, ["/bin/echo", "hello"]).wait()
    tests.ok(got == (b"hello\n", 0), "a Linux program prints in a container", got)
    run = Run(machine, blob, shell("echo out; echo err >&2; exit 7"))
    got = (*run.wait(), run.session.output[2])
    tests.ok(got == (b"out\n", 7, b"err\n"), "its streams stay apart and its code arrives", got)
    text = os.urandom(200000)
    got = Run(machine, blob, ["/bin/cat"], record(OPEN_STDIN, 1), stdin=text).wait()
    tests.ok(got == (text, 0), "what comes on stdin goes through unchanged",
             f"{len(got[0])} bytes, {got[1]}")
    got = Run(machine, blob, shell("seq 1 1000 | sort -rn | tail -1; ls /bin | wc -l")).wait()
    tests.ok(got[1] == 0 and got[0].startswith(b"1\n"), "pipes of several processes work", got)
    run = Run(machine, blob, ["/no/such"])
    tests.ok(run.started == NOT_FOUND, "a program that is not there is told apart", run.started)
    run.wait()
    run = Run(machine, blob, ["/etc"])
    tests.ok(run.started == NOT_PERMITTED, "and so is one that cannot be run", run.started)
    run.wait()
    got = Run(machine, blob, shell("kill -9 $$")).wait()
    tests.ok(got == (b"", 137), "a signal's death is 128 and its number", got)
    run = Run(machine, blob, shell("x=a; while true; do x=$x$x; done"),
              record(MEMORY_LIMIT, 16 << 20))
    got = (*run.wait(), number(run.ended, OOM_KILLED))
    tests.ok(got == (b"", 137, 1), "one that takes more than its memory is killed for it", got)


def exec_and_kill(tests, machine, blob):
    run = Run(machine, blob, ["/bin/sleep", "1000"])
    tests.ok(run.started == OK, "a container goes on running", run.started)
    other = machine.session()
    status, _ = other.do(EXEC, record(CONTAINER, run.name),
                         *[record(ARGUMENT, word) for word in shell("echo inside; ps | wc -l")])
    machine.until(lambda: other.over[1] or other.closed)
    tests.ok(status == OK and other.output[1].startswith(b"inside\n"),
             "a second process runs in it", (status, other.output))
    tests.ok(other.do(KILL, record(CONTAINER, run.name), record(SIGNAL, 9))[0] == OK,
             "it is sent a signal")
    got = run.wait()
    tests.ok(got == (b"", 137), "and dies of it", got)


def main():
    tests = Tests()
    with open(os.path.join(ROOT, "build/tests/linux-image.erofs"), "rb") as image:
        data = image.read()
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine("build/oak.elf", folder)
        try:
            machine.greet()
            session = machine.session()
            status, blob = blob_put(machine, session, data)
            tests.ok(status == OK, "busybox's image is in the store", status)
            containers(tests, machine, blob)
            exec_and_kill(tests, machine, blob)
            left = counter(session, "memory.bytes")
            tests.ok(left == 0, "nothing is charged to containers that are gone", left)
            tests.ok(session.do(INSPECT, record(CONTAINER, "test-1"))[0] == NOT_FOUND,
                     "nor is anything known of them")
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
