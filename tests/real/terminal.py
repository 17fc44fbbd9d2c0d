#!/usr/bin/python3
"""Types into containers through a pseudo-terminal: terminal.py OAK. Prints TAP."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

OAK = sys.argv[1]
LIMIT_SECONDS = 15
count = 0
failed = False


def size_set(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


class Screen:
    """A command on a terminal of its own."""

    def __init__(self, *arguments, rows=33, columns=77):
        self.master, self.slave = pty.openpty()
        size_set(self.master, rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [OAK, *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        self.output = b""
        self.seen = 0
        self.code = None
        self.restored = None

    def _until(self, done):
        end = time.monotonic() + LIMIT_SECONDS
        while not done() and time.monotonic() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                self.output += os.read(self.master, 65536)
        return done()

    def expect(self, text):
        """Waits for the text after what was expected before."""
        good = self._until(lambda: text in self.output[self.seen:])
        if good:
            self.seen = self.output.index(text, self.seen) + len(text)
        return good

    def type(self, text):
        os.write(self.master, text)

    def finish(self):
        """Waits for the end; the exit code, and whether the terminal was given back."""
        self._until(lambda: self.process.poll() is not None and
                    not select.select([self.master], [], [], 0)[0])
        self.process.kill()
        self.code = self.process.wait()
        self.restored = termios.tcgetattr(self.slave) == self.before
        os.close(self.master)
        os.close(self.slave)
        return self.code, self.restored


def check(sentence, good, *details):
    global count, failed
    count += 1
    print(("ok" if good else "not ok"), count, "-", sentence, flush=True)
    if not good:
        failed = True
        for detail in details:
            print("  ", detail)


def oak(*arguments):
    return subprocess.run([OAK, *arguments], capture_output=True, text=True, timeout=20,
                          stdin=subprocess.DEVNULL)


def shell(*flags, command=("sh",)):
    screen = Screen("run", "-it", "-e", "PS1=> ", *flags, "busybox", *command)
    screen.expect(b"> ")
    return screen


def modes_and_sizes():
    screen = shell("--rm")
    screen.type(b"tty; stty size; echo si''zed\r")
    good = screen.expect(b"33 77") and screen.expect(b"sized")
    check("the container's terminal has the user's size", good, screen.output)
    check("and is a terminal under /dev", b"/dev/" in screen.output, screen.output)
    size_set(screen.master, 40, 100)
    screen.process.send_signal(signal.SIGWINCH)
    screen.type(b"sleep 0.2; stty size; echo mo''re\r")
    check("and follows it", screen.expect(b"40 100") and screen.expect(b"more"), screen.output)
    local = termios.tcgetattr(screen.slave)[3]
    check("the user's own terminal is raw meanwhile",
          not local & (termios.ICANON | termios.ECHO | termios.ISIG), local)
    screen.type(b"sh -c 'trap \"echo w\"inch WINCH; echo tr\"\"apped; sleep 0.5; sleep 0.1'\r")
    screen.expect(b"trapped")
    size_set(screen.master, 41, 101)
    screen.process.send_signal(signal.SIGWINCH)
    check("a change of size raises SIGWINCH", screen.expect(b"winch"), screen.output)
    screen.type(b"exit 5\r")
    check("the exit code comes through, and the terminal is given back",
          screen.finish() == (5, True), screen.code, screen.restored, screen.output)


def keys():
    screen = shell("--rm")
    screen.type(b"echo go; sleep 100\r")
    screen.expect(b"go\r\n")
    time.sleep(0.1)
    screen.type(b"\x03")
    good = screen.expect(b"> ")
    screen.type(b"echo code $?\r")
    check("Ctrl-C ends what runs in the foreground, not the shell and not the command",
          good and screen.expect(b"code 130"), screen.output)
    screen.type(b"sleep 100\r")
    time.sleep(0.2)
    screen.type(b"\x1a")
    good = screen.expect(b"topped")
    screen.type(b"jobs; kill -9 %1; echo jo''bs\r")
    check("Ctrl-Z stops it, and the shell's job control goes on",
          good and screen.expect(b"jobs"), screen.output)
    screen.type(b"cat\r")
    time.sleep(0.1)
    screen.type(b"wo\x7forld\r")
    check("lines are edited before a program reads them", screen.expect(b"\r\nworld\r\n"),
          screen.output)
    screen.type(b"\x04")
    screen.expect(b"> ")
    screen.type(b"stty raw -echo; dd bs=1 count=3 2>/dev/null | hexdump -C; stty sane\r")
    time.sleep(0.3)
    screen.type(b"\x03a\r")
    check("in raw mode a program gets the keys themselves", screen.expect(b"03 61 0d"),
          screen.output)
    screen.expect(b"> \x1b[6n")
    screen.type(b"\x04")
    check("Ctrl-D ends the shell", screen.finish()[1], screen.output)
    screen = Screen("run", "--rm", "-it", "--name", "first", "busybox", "sleep", "1000")
    end = time.monotonic() + 5
    while oak("ps", "-q").stdout == "" and time.monotonic() < end:
        time.sleep(0.05)
    screen.type(b"\x03")
    time.sleep(0.3)
    names = oak("ps", "--format", "{{.Names}}").stdout
    oak("rm", "-f", "first")
    code, restored = screen.finish()
    check("a first process without a handler ignores Ctrl-C, as on Linux", names == "first\n", names)
    check("rm -f ends it, and its user's command", (code, restored) == (137, True), code, restored,
          screen.output)


def detaching():
    screen = shell("--name", "held")
    screen.type(b"X=kept; echo a\x10b\r")
    screen.expect(b"b\r\n")
    screen.type(b"\x10\x11")
    result = screen.finish()
    names = oak("ps", "--format", "{{.Names}}").stdout
    check("the detach keys leave the container running", result == (0, True) and names == "held\n",
          result, names, screen.output)
    screen = Screen("attach", "held", rows=20, columns=50)
    time.sleep(0.3)
    screen.type(b"echo $X; stty size\r")
    good = screen.expect(b"kept") and screen.expect(b"20 50")
    check("attach takes it up again, with the new terminal's size", good, screen.output)
    screen.type(b"exit 8\r")
    check("and gives its exit code", screen.finish() == (8, True), screen.code, screen.output)
    oak("rm", "-f", "held")
    screen = Screen("run", "--rm", "-it", "--detach-keys", "ctrl-a,x", "-e", "PS1=> ", "busybox", "sh")
    screen.expect(b"> ")
    screen.type(b"\x10\x11\x01x")
    check("--detach-keys chooses other keys", screen.finish() == (0, True), screen.output)
    names = oak("ps", "-q").stdout.split()
    oak("rm", "-f", *names)


def exec_terminal():
    oak("run", "-d", "--name", "host", "busybox", "sleep", "1000")
    screen = Screen("exec", "-it", "-e", "PS1=> ", "host", "sh")
    screen.expect(b"> ")
    screen.type(b"stty size; tty; echo do''ne\r")
    check("exec -it has a terminal of its own", screen.expect(b"33 77") and screen.expect(b"done"),
          screen.output)
    screen.type(b"sleep 100\r")
    time.sleep(0.2)
    screen.type(b"\x03")
    screen.expect(b"> ")
    screen.type(b"exit 4\r")
    check("with Ctrl-C and an exit code", screen.finish() == (4, True), screen.code, screen.output)
    screen = Screen("exec", "-it", "-e", "PS1=> ", "host", "sh")
    screen.expect(b"> ")
    screen.process.kill()
    screen.finish()
    check("a user of exec who vanishes does not disturb the container",
          oak("exec", "host", "echo", "on").stdout == "on\n")
    oak("rm", "-f", "host")


def without_terminal():
    run = oak("run", "-it", "--rm", "busybox", "true")
    check("-it without a terminal is refused in one line",
          run.returncode == 1 and "the input device is not a TTY" in run.stderr, run)
    run = subprocess.run([OAK, "run", "--rm", "-t", "busybox", "sh", "-c",
                          "test -t 0 && test -t 1 && echo x | cat >&2"],
                         stdin=subprocess.DEVNULL, capture_output=True, timeout=20)
    check("-t alone gives a terminal, stderr included, with CR LF",
          (run.returncode, run.stdout, run.stderr) == (0, b"x\r\n", b""), run)
    screen = shell("--rm")
    screen.process.terminate()
    check("a command that is terminated gives the terminal back",
          screen.finish() == (-signal.SIGTERM, True), screen.code, screen.restored)
    names = oak("ps", "-q").stdout.split()
    oak("rm", "-f", *names)


def machine_death():
    screen = shell("--rm")
    status = oak("machine", "status").stdout
    pid = [line.split()[1] for line in status.splitlines() if line.startswith("machine_pid")]
    os.kill(int(pid[0]), signal.SIGKILL)
    check("when the machine dies the terminal is given back, and that is said",
          screen.finish() == (125, True) and b"the machine died" in screen.output,
          screen.code, screen.restored, screen.output)


modes_and_sizes()
keys()
detaching()
exec_terminal()
without_terminal()
machine_death()
print(f"1..{count}")
sys.exit(failed)
