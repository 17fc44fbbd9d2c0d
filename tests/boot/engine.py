#!/usr/bin/python3
"""Boot the whole system with a stand-in for the personality, speak the control channel as
`oak machine` does, and run containers: what they print, how they end, what stays of them. Then
with a storage service that dies, without a disk, and with an engine that dies. Prints TAP; each
test's line says what it proves.
"""

import hashlib
import os
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

HELLO, REQUEST, MORE, RESULT, DATA, CREDIT, EOF, RESIZE, CLOSE = range(1, 10)
CREATE, START, ATTACH, EXEC, WAIT, KILL, REMOVE, LIST, INSPECT = range(1, 10)
AUTHORITY, STATISTICS = 11, 12
BLOB_RESERVE, BLOB_COMMIT, BLOB_LIST, BLOB_REMOVE = range(32, 36)
MACHINE_SYNC = 66
(CONTAINER, ID, NAME, BLOB, ARGUMENT) = range(1, 6)
OPEN_STDIN, MEMORY_LIMIT, SIGNAL, FORCE, EXIT_CODE = 12, 16, 21, 22, 25
CONTAINER_STATE, STATE, SIZE, RESERVATION, EXTENT, OFFSET, IN_USE = 28, 29, 41, 42, 43, 44, 45
COUNTER, VALUE = 36, 37
OK, NO_MEMORY, NOT_FOUND, BUSY = 0, 5, 10, 9

WINDOW = 65536
STORE_BYTES = 64 << 20
TIMEOUT_SECONDS = 60
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def record(tag, value):
    if isinstance(value, int):
        value = struct.pack("<Q", value)
    elif isinstance(value, str):
        value = value.encode()
    return struct.pack("<HHI", tag, 0, len(value)) + value + bytes(-len(value) % 8)


def records(data):
    found = []
    while data:
        tag, _, length = struct.unpack("<HHI", data[:8])
        found.append((tag, data[8:8 + length]))
        data = data[8 + (length + 7) // 8 * 8:]
    return found


def number(found, tag):
    values = [value for this, value in found if this == tag]
    return int.from_bytes(values[0], "little") if values else None


def blob_make(data):
    level = data + bytes(-len(data) % 4096)
    stored = level
    while True:
        hashes = b"".join(hashlib.sha256(level[i:i + 4096]).digest()
                          for i in range(0, len(level), 4096))
        level = hashes + bytes(-len(hashes) % 4096)
        stored += level
        if len(level) == 4096:
            return stored, hashlib.sha256(level + len(data).to_bytes(8, "little")).digest()


class Session:
    """What one client sees: results by tag, the bytes of its streams, credit."""

    def __init__(self, machine, number_):
        self.machine = machine
        self.number = number_
        self.tag = 0
        self.results = {}
        self.output = {1: b"", 2: b""}
        self.over = {1: False, 2: False}
        self.credit = WINDOW
        self.closed = False
        self.partial = b""

    def send(self, kind, value=0, stream=0, payload=b""):
        self.machine.send(kind, self.number, value, stream, payload)

    def ask(self, request, *parts):
        self.tag += 1
        self.send(REQUEST, request, self.tag, b"".join(parts))
        return self.tag

    def result(self, tag):
        self.machine.until(lambda: tag in self.results or self.closed)
        return self.results.get(tag, (None, []))

    def do(self, request, *parts):
        return self.result(self.ask(request, *parts))

    def write(self, data):
        while data:
            self.machine.until(lambda: self.credit > 0 or self.closed)
            if self.closed:
                return
            piece = data[:min(self.credit, 32768)]
            self.credit -= len(piece)
            self.send(DATA, payload=piece)
            data = data[len(piece):]

    def take(self, kind, stream, value, payload):
        if kind == MORE:
            self.partial += payload
        elif kind == RESULT:
            self.results[stream] = (value, records(self.partial + payload))
            self.partial = b""
        elif kind == DATA:
            self.output[stream] += payload
            self.send(CREDIT, len(payload), stream)
        elif kind == EOF:
            self.over[stream] = True
        elif kind == CREDIT:
            self.credit += value
        elif kind == CLOSE:
            self.closed = True


TCG = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2"]
# One instruction is one nanosecond of virtual time.
COUNTED = ["-accel", "tcg", "-icount", "shift=0,sleep=off", "-cpu", "max,-erms,-fsrm", "-smp", "1"]


class Machine:
    """QEMU as `oak machine` starts it, and the host's end of the channel."""

    def __init__(self, image, folder, disk=True, flags=TCG, memory_mib=256):
        self.store = os.path.join(folder, "store")
        with open(self.store, "ab") as store:
            store.truncate(STORE_BYTES)
        self.console = os.path.join(folder, "console.log")
        self.channel, theirs = socket.socketpair(socket.AF_UNIX)
        # The machine that host/machine/qemu.c makes.
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                   "-no-reboot", "-machine", "q35,hpet=off,usb=off,vmport=off",
                   *flags, "-m", str(memory_mib),
                   "-kernel", os.path.join(ROOT, image), "-serial", f"file:{self.console}",
                   "-chardev", f"socket,id=oak,fd={theirs.fileno()}",
                   "-device", "virtio-serial-pci,disable-legacy=on",
                   "-device", "virtserialport,chardev=oak,name=oak.control"]
        if disk:
            command += ["-drive",
                        f"if=none,id=store,format=raw,cache=writeback,file={self.store}",
                        "-device", "virtio-blk-pci,disable-legacy=on,drive=store"]
        self.qemu = subprocess.Popen(command, pass_fds=[theirs.fileno()],
                                     stdin=subprocess.DEVNULL)
        theirs.close()
        self.channel.setblocking(False)
        self.out = b""
        self.bytes = b""
        self.hello = None
        self.own = {}
        self.sessions = {}

    def greet(self):
        self.send(HELLO, 0, 1, 0, struct.pack("<QQQ", time.time_ns(), 0, 0))
        self.until(lambda: self.hello is not None)

    def end(self):
        self.qemu.kill()
        self.qemu.wait()
        self.channel.close()

    def log(self):
        with open(self.console, encoding="ascii", errors="replace") as console:
            return console.read()

    def send(self, kind, session, value, stream, payload):
        self.out += struct.pack("<IIHHI", len(payload), session, kind, stream, value) + payload

    def session(self):
        made = Session(self, len(self.sessions) + 1)
        self.sessions[made.number] = made
        return made

    def own_request(self, request, tag):
        self.send(REQUEST, 0, request, tag, b"")
        self.until(lambda: tag in self.own)
        return self.own[tag]

    def frames(self):
        while len(self.bytes) >= 16:
            length, session, kind, stream, value = struct.unpack("<IIHHI", self.bytes[:16])
            if len(self.bytes) < 16 + length:
                return
            payload = self.bytes[16:16 + length]
            self.bytes = self.bytes[16 + length:]
            if session == 0 and kind == HELLO:
                self.hello = struct.unpack("<QQQ", payload)
            elif session == 0:
                self.own[stream] = value
            elif session in self.sessions:
                self.sessions[session].take(kind, stream, value, payload)

    def until(self, done, seconds=TIMEOUT_SECONDS):
        """Serve the channel until something holds; raise when it does not come to that."""
        deadline = time.monotonic() + seconds
        while not done():
            left = deadline - time.monotonic()
            if left <= 0 or self.qemu.poll() is not None:
                raise TimeoutError("the machine ended" if left > 0 else "no answer in time")
            readable, writable, _ = select.select([self.channel],
                                                  [self.channel] if self.out else [], [],
                                                  min(left, 1))
            if writable:
                self.out = self.out[self.channel.send(self.out[:65536]):]
            if readable:
                got = self.channel.recv(65536)
                if not got:
                    raise TimeoutError("the channel ended")
                self.bytes += got
                self.frames()


class Tests:
    def __init__(self):
        self.count = 0
        self.failed = False

    def ok(self, good, what, detail=""):
        self.count += 1
        self.failed |= not good
        print(f"{'ok' if good else 'not ok'} {self.count} - {what}", flush=True)
        if not good and detail != "":
            print(f"# {detail}")


containers = 0


def create(session, blob, word, *more):
    global containers
    containers += 1
    name = f"test-{containers}"
    status, _ = session.do(CREATE, record(ID, f"{containers:064x}"), record(NAME, name),
                           record(BLOB, blob), record(ARGUMENT, word), *more)
    return (name, status)


def run(machine, blob, word, *more, stdin=None, remove=True):
    """CREATE, ATTACH, START, WAIT in one go, as `oak run` does: output and exit code."""
    session = machine.session()
    name, status = create(session, blob, word, *more)
    if status != OK:
        return (None, status)
    session.ask(ATTACH, record(CONTAINER, name))
    start = session.ask(START, record(CONTAINER, name))
    wait = session.ask(WAIT, record(CONTAINER, name))
    if stdin is not None:
        session.write(stdin)
        session.send(EOF)
    status, _ = session.result(start)
    if status != OK:
        return (None, f"START {status}")
    status, found = session.result(wait)
    if remove:
        session.do(REMOVE, record(CONTAINER, name))
    session.send(CLOSE)
    return (session.output[1], number(found, EXIT_CODE))


def blob_put(machine, session, data):
    stored, name = blob_make(data)
    status, found = session.do(BLOB_RESERVE, record(SIZE, len(stored)))
    if status != OK:
        return (status, name)
    at = 0
    with open(machine.store, "r+b") as store:
        for tag, value in found:
            if tag == EXTENT:
                parts = records(value)
                size = number(parts, SIZE)
                store.seek(number(parts, OFFSET))
                store.write(stored[at:at + size])
                at += size
    status, _ = session.do(BLOB_COMMIT, record(RESERVATION, number(found, RESERVATION)),
                           record(BLOB, name), record(SIZE, len(data)))
    return (status, name)


def whole_system(tests, folder):
    machine = Machine("build/tests/engine.elf", folder)
    try:
        machine.greet()
        tests.ok(machine.hello[1] == STORE_BYTES and machine.hello[2] > 0,
                 "HELLO is answered with the sizes of store and memory", machine.hello)
        session = machine.session()
        data = b"sixteen letters!" + bytes(range(256)) * 600
        status, blob = blob_put(machine, session, data)
        tests.ok(status == OK, "a blob is reserved, written by the host and committed", status)
        status, found = session.do(BLOB_LIST)
        tests.ok(status == OK and number(found, SIZE) == len(data) and number(found, IN_USE) == 0,
                 "it is listed, and nobody uses it", found)

        got = run(machine, blob, "hello")
        tests.ok(got == (b"hello", 7), "a container's output and exit code arrive", got)
        got = run(machine, blob, "image")
        tests.ok(got == (data[:16], 0), "a container pages in its image from storage", got)
        text = os.urandom(300000)
        got = run(machine, blob, "cat", record(OPEN_STDIN, 1), stdin=text)
        tests.ok(got == (text, 0), "many times a ring's size goes through stdin and stdout",
                 f"{len(got[0] or b'')} bytes, {got[1]}")

        sleeper = machine.session()
        name, status = create(sleeper, blob, "sleep")
        tests.ok(status == OK and sleeper.do(START, record(CONTAINER, name))[0] == OK,
                 "a container is started without anybody attached", status)
        got = run(machine, blob, "fault")
        tests.ok(got[1] not in (0, None), "one whose personality faults is over, and said so", got)
        calls = re.findall(r"its personality failed: .* rip (ffff8000[0-9a-f]+)\n"
                           r".*:   at \1 [a-z_.]+\+[0-9a-f]+\n"
                           r"(?:.*:   from ffff8000[0-9a-f]+ [a-z_.]+\+[0-9a-f]+\n)+", machine.log())
        tests.ok(len(calls) == 1, "the serial line says where, and where that was called from, by name",
                 machine.log())
        got = run(machine, blob, "memory", record(MEMORY_LIMIT, 4 << 20))
        tests.ok(got[1] not in (0, None), "one that takes more than its limit is over", got)
        got = run(machine, blob, "again")
        tests.ok(got == (b"again", 7), "others run as before", got)
        status, found = session.do(BLOB_LIST)
        tests.ok(number(found, IN_USE) == 1, "the sleeping one uses the blob", found)
        tests.ok(session.do(BLOB_REMOVE, record(BLOB, blob))[0] == BUSY,
                 "a blob in use is not removed")
        wait = sleeper.ask(WAIT, record(CONTAINER, name))
        sleeper.do(KILL, record(CONTAINER, name), record(SIGNAL, 15))
        code = number(sleeper.result(wait)[1], EXIT_CODE)
        tests.ok(code == 128 + 15, "a signal ends it", code)
        tests.ok(sleeper.do(REMOVE, record(CONTAINER, name))[0] == OK, "it is removed")

        many = [machine.session() for _ in range(40)]
        names = [create(each, blob, "sleep")[0] for each in many]
        good = all(each.do(START, record(CONTAINER, one))[0] == OK
                   for each, one in zip(many, names))
        tests.ok(good, "forty containers run at once")
        good = all(each.do(REMOVE, record(CONTAINER, one), record(FORCE, 1))[0] == OK
                   for each, one in zip(many, names))
        status, found = session.do(LIST)
        tests.ok(good and status == OK and found == [], "and are removed by force", found)
        exhaustion(tests, machine, blob)
        tests.ok(session.do(BLOB_REMOVE, record(BLOB, blob))[0] == OK,
                 "a blob nobody uses is removed")
        tests.ok(run(machine, blob, "x") == (None, NOT_FOUND), "then nothing can be made of it")
        tests.ok(machine.own_request(MACHINE_SYNC, 9) == OK, "the machine's own SYNC is answered")
    finally:
        machine.end()
        if tests.failed:
            print("\n".join("# " + line for line in machine.log().splitlines()[-40:]))


def counter(session, name):
    _, found = session.do(STATISTICS)
    counters = [dict(records(value)) for tag, value in found if tag == COUNTER]
    return next(int.from_bytes(one[VALUE], "little") for one in counters
                if one[NAME] == name.encode())


def exhaustion(tests, machine, blob):
    session = machine.session()
    names = []
    while len(names) < 4096:
        name, status = create(session, blob, "sleep")
        if status != OK:
            break
        names.append(name)
        if session.do(START, record(CONTAINER, name))[0] != OK:
            break
    tests.ok(len(names) > 100 and status in (OK, NO_MEMORY),
             "containers are made until the memory ends, which is an error", (len(names), status))
    tests.ok(session.do(INSPECT, record(CONTAINER, names[0]))[0] == OK, "the engine serves on")
    good = all(session.do(REMOVE, record(CONTAINER, name), record(FORCE, 1))[0] == OK
               for name in names)
    left = counter(session, "memory.bytes")
    tests.ok(good and left == 0, "all is given back: no byte is charged to containers", left)
    got = run(machine, blob, "again")
    tests.ok(got == (b"again", 7), "and the next one runs", got)


def no_disk(tests, folder):
    machine = Machine("build/tests/engine.elf", folder, disk=False)
    try:
        machine.greet()
        status, _ = machine.session().do(BLOB_RESERVE, record(SIZE, 8192))
        tests.ok(status not in (OK, None), "without a disk the engine answers, with errors", status)
        tests.ok("init: storage: no device for it" in machine.log(), "and the serial line says why")
    finally:
        machine.end()


def dead_engine(tests, folder):
    machine = Machine("build/tests/engine-dead.elf", folder)
    try:
        machine.qemu.wait(TIMEOUT_SECONDS)
        log = machine.log()
        tests.ok("init: engine ended by a fault" in log and "resetting it" in log,
                 "when the engine dies the machine ends, and says why", log)
    except subprocess.TimeoutExpired:
        tests.ok(False, "when the engine dies the machine ends, and says why", machine.log())
    finally:
        machine.end()


def frail_storage(tests, folder):
    machine = Machine("build/tests/engine-frail.elf", folder)
    blob = bytes(32)
    try:
        machine.greet()
        got = run(machine, blob, "image")
        tests.ok(got == (b"frail image data", 0), "a container runs on the frail storage", got)
        session = machine.session()
        name, _ = create(session, blob, "image")
        status = machine.own_request(MACHINE_SYNC, 1)
        tests.ok(status not in (OK, None), "a call that storage dies of comes back as an error")
        session.ask(ATTACH, record(CONTAINER, name))
        session.ask(START, record(CONTAINER, name))
        code = number(session.do(WAIT, record(CONTAINER, name))[1], EXIT_CODE)
        tests.ok((session.output[1], code) == (b"frail image data", 0),
                 "a container made before the restart starts after it", (session.output, code))
        for tag in (2, 3):
            machine.own_request(MACHINE_SYNC, tag)
        got = run(machine, blob, "image")
        tests.ok(got[1] == 0, "after the third restart it still works", got)
        session.do(REMOVE, record(CONTAINER, name))
        machine.own_request(MACHINE_SYNC, 4)
        got = run(machine, blob, "image")
        # Refused at START, or ended by its personality's fault, whichever is told first.
        tests.ok(got[0] in (None, b"") and got[1] not in (0, None),
                 "after that storage stays down: no container, but an answer", got)
        tests.ok(session.do(LIST)[0] == OK, "and the engine serves on")
        log = machine.log()
        tests.ok("init: frail: " not in log and "storage ended by a fault" in log and
                 "storage: restarted, 3 of 3 times" in log and "goes on without it" in log,
                 "the serial line says what happened")
    finally:
        machine.end()
        if tests.failed:
            print("\n".join("# " + line for line in machine.log().splitlines()[-40:]))


def main():
    tests = Tests()
    for part in (whole_system, frail_storage, no_disk, dead_engine):
        with tempfile.TemporaryDirectory() as folder:
            try:
                part(tests, folder)
            except TimeoutError as error:
                tests.ok(False, f"{part.__name__} comes to its end", error)
    print(f"1..{tests.count}")
    return 1 if tests.failed else 0


if __name__ == "__main__":
    sys.exit(main())
