#!/usr/bin/python3
"""Images whose hash is right and whose EROFS is not: every byte of the superblock, and bytes and words
of inodes and directories drawn at random, are changed, one place an image. Whatever a container of
such an image does, it ends, or can be killed, and a neighbour goes on answering. Prints TAP.
"""

import os
import random
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
from engine import (ARGUMENT, ATTACH, BLOB_REMOVE, BLOB, CONTAINER, EXIT_CODE, KILL, OK, OPEN_STDIN,
                    REMOVE, ROOT, SIGNAL, START, WAIT, Machine, Tests, blob_put, counter, create,
                    number, record)

BLOCK = 4096
SUPERBLOCK = range(1024, 1024 + 128)
DRAWN = int(os.environ.get("OAK_HOSTILE_IMAGES", "40"))
PROGRAM = ("ls -laR / 2>&1 | head -n 300; cat /etc/passwd /data /bin/sh | wc -c; cd /deep/er/est; pwd;"
           "echo new > /new; echo more >> /data; mv /deep /moved; rm -r /moved; true")


def image_make(folder):
    tree = os.path.join(folder, "tree")
    for name in ("bin", "etc", "deep/er/est", "proc", "dev", "many"):
        os.makedirs(os.path.join(tree, name))
    subprocess.run(["cp", "/bin/busybox", os.path.join(tree, "bin/busybox")], check=True)
    for applet in ("sh", "ls", "cat", "head", "wc", "mv", "rm", "true", "echo"):
        os.symlink("busybox", os.path.join(tree, "bin", applet))
    for name, size in (("etc/passwd", 40), ("data", 10000), ("deep/er/est/small", 3)):
        with open(os.path.join(tree, name), "wb") as file:
            file.write(b"x" * size)
    for i in range(300):
        with open(os.path.join(tree, "many", f"a-rather-long-name-{i:04}"), "wb"):
            pass
    path = os.path.join(folder, "image")
    subprocess.run(["mkfs.erofs", "--quiet", "-x-1", "-T0", "--all-root", path, tree],
                   check=True, stdout=subprocess.DEVNULL)
    with open(path, "rb") as image:
        return image.read()


def places_of_metadata(data):
    """Offsets in blocks that are not the program's own."""
    with open("/bin/busybox", "rb") as file:
        program = file.read()
    own = {program[i:i + BLOCK] for i in range(0, len(program), BLOCK)}
    return [at for at in range(0, len(data), BLOCK) if data[at:at + BLOCK] not in own]


def variants(data):
    for at in SUPERBLOCK:
        for value in (0, 0xff):
            if data[at] != value:
                yield f"superblock byte {at - 1024} is {value:#x}", at, bytes([value])
    blocks = places_of_metadata(data)
    draw = random.Random(1)
    for _ in range(DRAWN):
        width = draw.choice((1, 2, 4, 8))
        at = draw.choice(blocks) + draw.randrange(0, BLOCK, width)
        value = draw.choice((b"\x00" * width, b"\xff" * width, draw.randbytes(width)))
        yield f"{width} bytes at {at:#x} are {value.hex()}", at, value


class Neighbour:
    """A container that gives back every line."""

    def __init__(self, machine, blob):
        self.machine = machine
        self.session = machine.session()
        self.name, status = create(self.session, blob, "/bin/cat", record(OPEN_STDIN, 1))
        assert status == OK, status
        self.session.ask(ATTACH, record(CONTAINER, self.name))
        status, _ = self.session.do(START, record(CONTAINER, self.name))
        assert status == OK, status
        self.expected = b""

    def answers(self, line):
        self.expected += line
        self.session.write(line)
        self.machine.until(lambda: len(self.session.output[1]) >= len(self.expected))
        return self.session.output[1] == self.expected


def attempt(machine, blob):
    """One container: how it ended; killed when it does not end by itself."""
    session = machine.session()
    name, status = create(session, blob, "/bin/sh", record(ARGUMENT, "-c"),
                          record(ARGUMENT, PROGRAM))
    if status != OK:
        return "not created"
    session.ask(ATTACH, record(CONTAINER, name))
    status, _ = session.do(START, record(CONTAINER, name))
    ended = "not started"
    if status == OK:
        waited = session.ask(WAIT, record(CONTAINER, name))
        try:
            machine.until(lambda: waited in session.results, seconds=10)
            ended = "ended"
        except TimeoutError:
            machine.session().do(KILL, record(CONTAINER, name), record(SIGNAL, 9))
            ended = "killed"
        assert number(session.result(waited)[1], EXIT_CODE) is not None
    session.do(REMOVE, record(CONTAINER, name))
    return ended


def main():
    tests = Tests()
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        data = image_make(folder)
        machine = Machine("build/oak.elf", folder)
        what = "the image as it is"
        try:
            machine.greet()
            session = machine.session()
            status, good = blob_put(machine, session, data)
            tests.ok(status == OK and attempt(machine, good) == "ended",
                     "the image as it is runs", status)
            neighbour = Neighbour(machine, good)
            answers = True
            for what, at, value in variants(data):
                changed = data[:at] + value + data[at + len(value):]
                if changed == data:
                    continue
                status, blob = blob_put(machine, session, changed)
                assert status == OK, status
                ended = attempt(machine, blob)
                counts[ended] = counts.get(ended, 0) + 1
                answers = answers and neighbour.answers(what.encode() + b"\n")
                session.do(BLOB_REMOVE, record(BLOB, blob))
            tests.ok(True, "every container of a changed image is over")
            print("# " + ", ".join(f"{count} {ended}" for ended, count in sorted(counts.items())))
            tests.ok(counts.get("not started", 0) > 0 and counts.get("ended", 0) > 0,
                     "some could not be started, others ran", counts)
            tests.ok(answers, "and their neighbour answered after each")
            tests.ok(counter(session, "containers") in (None, 1),
                     "nothing is left of them", counter(session, "containers"))
        except (TimeoutError, AssertionError) as error:
            tests.ok(False, f"the system serves on: {what}", error)
        finally:
            machine.end()
            if tests.failed:
                print("\n".join("# " + line for line in machine.log().splitlines()[-40:]))
    print(f"1..{tests.count}")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main())
