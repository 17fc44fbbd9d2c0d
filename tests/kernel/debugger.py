"""A machine under QEMU's debugger stub and monitor, for tests that look at, or disturb, a kernel
while it runs: breakpoints, registers and memory by the GDB remote protocol, NMIs and machine checks
by QMP."""

import json
import os
import queue
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from boot import BUILD, COMMAND

RSP = 7
RIP = 16
RDI = 5


def symbols(image):
    """Addresses by name, of an image under build/tests."""
    listing = subprocess.run(["nm", os.path.join(BUILD, image)], check=True, capture_output=True,
                             text=True).stdout
    return {line.split()[2]: int(line.split()[0], 16) for line in listing.splitlines()}


def connect(path):
    deadline = time.time() + 20
    while True:
        try:
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(path)
            return stream
        except OSError:
            stream.close()
            if time.time() > deadline:
                raise
            time.sleep(0.02)


class Machine:
    """Starts stopped, before the first instruction."""

    def __init__(self, image, cpus=2, memory_mib=512, append=""):
        self.directory = tempfile.mkdtemp(prefix="oak-debug.")
        paths = [os.path.join(self.directory, name) for name in ("gdb", "qmp")]
        command = [part for part in COMMAND if part != "-no-reboot"]
        command += ["-smp", str(cpus), "-m", str(memory_mib), "-S", "-action", "reboot=shutdown",
                    "-kernel", os.path.join(BUILD, image), "-append", append,
                    "-gdb", f"unix:{paths[0]},server=on,wait=off",
                    "-qmp", f"unix:{paths[1]},server=on,wait=off"]
        self.qemu = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.lines = queue.Queue()
        self.log = []
        threading.Thread(target=self._read_serial, daemon=True).start()
        self.gdb = connect(paths[0])
        self.gdb.settimeout(120)
        self.buffer = b""
        self.qmp = connect(paths[1]).makefile("rw")
        self.qmp.readline()
        self._qmp("qmp_capabilities")
        self.packet("QStartNoAckMode")
        self.packet("?")
        self.packet("qXfer:features:read:target.xml:0,fff")  # from then on single registers work

    def close(self):
        self.qemu.kill()
        self.qemu.wait()
        shutil.rmtree(self.directory)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # --- the serial log ---

    def _read_serial(self):
        for line in self.qemu.stdout:
            self.lines.put(line.decode("ascii", "replace").rstrip())
        self.lines.put(None)

    def line(self, seconds=60):
        """The next line; None at the machine's end. queue.Empty: nothing came."""
        line = self.lines.get(timeout=seconds)
        if line is not None:
            self.log.append(line)
        return line

    def logged(self, lines):
        """Has one of the lines come, read or not?"""
        return any(line in lines for line in self.log + list(self.lines.queue))

    def rest(self):
        """All that is logged until the machine ends by itself."""
        lines = []
        while (line := self.line()) is not None:
            lines.append(line)
        return "\n".join(lines)

    # --- QMP ---

    def _qmp(self, command, **arguments):
        json.dump({"execute": command, "arguments": arguments}, self.qmp)
        self.qmp.write("\n")
        self.qmp.flush()
        while True:
            answer = json.loads(self.qmp.readline())
            if "return" in answer or "error" in answer:
                return answer

    def monitor(self, command):
        return self._qmp("human-monitor-command", **{"command-line": command})["return"]

    def nmi(self):
        self._qmp("inject-nmi")

    # --- GDB ---

    def _receive(self):
        """The next answer; W00, as for a process that ended, when there is no machine any more."""
        while True:
            found = re.search(rb"\$([^#]*)#..", self.buffer)
            if found:
                self.buffer = self.buffer[found.end():]
                return found.group(1).decode()
            try:
                data = self.gdb.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return "W00"
            self.buffer += data

    def send(self, text):
        self.gdb.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())

    def packet(self, text):
        self.send(text)
        return self._receive()

    def breakpoint(self, address):
        assert self.packet(f"Z0,{address:x},1") == "OK"

    def breakpoint_remove(self, address):
        assert self.packet(f"z0,{address:x},1") == "OK"

    def go(self):
        """Run on; stopped says when a breakpoint was met."""
        self.send("c")

    def stopped(self):
        """Wait for the next stop and select the CPU that stopped; False at the machine's end."""
        answer = self._receive()
        while answer.startswith("O"):
            answer = self._receive()
        thread = re.search(r"thread:([^;]*);", answer)
        if thread is None:
            return False
        assert self.packet("Hg" + thread.group(1)) == "OK"
        self.cpu = int(thread.group(1), 16)
        return True

    def other_runs(self, seconds):
        """Let the other of two CPUs run for so long, while the one that stopped stands still."""
        self.send(f"vCont;c:{3 - self.cpu:x}")
        self.gdb.settimeout(seconds)
        try:
            self._receive()
        except TimeoutError:
            self.gdb.settimeout(120)
            self.gdb.sendall(b"\x03")
            self._receive()

    def stopped_unless(self, lines):
        """The same; None when the machine, running, has logged one of the lines."""
        while True:
            self.gdb.settimeout(0.2)
            try:
                return self.stopped()
            except TimeoutError:
                if self.logged(lines):
                    return None
            finally:
                self.gdb.settimeout(120)

    def register(self, number):
        return int.from_bytes(bytes.fromhex(self.packet(f"p{number:x}"))[:8], "little")

    def register_set(self, number, value):
        text = value.to_bytes(8, "little").hex()
        assert self.packet(f"P{number:x}={text}") == "OK"

    def memory(self, address, length):
        return bytes.fromhex(self.packet(f"m{address:x},{length:x}"))

    def memory_set(self, address, data):
        assert self.packet(f"M{address:x},{len(data):x}:{data.hex()}") == "OK"
