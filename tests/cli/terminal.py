#!/usr/bin/python3
"""The terminal as a user has it: raw while attached, its size followed, given back afterwards.
Prints TAP. Arguments: the oak command, the number of tests that were printed before."""
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
count = int(sys.argv[2]) if len(sys.argv) > 2 else 0
failed = False


def size_set(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def session(arguments, steps, rows=33, columns=77):
    """Types each step when its expected text has come: (expected, typed bytes or a function)."""
    master, slave = pty.openpty()
    size_set(master, rows, columns)
    before = termios.tcgetattr(slave)
    process = subprocess.Popen(
        arguments, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    output = b""
    seen = 0
    end = time.time() + 15
    while time.time() < end:
        if steps and steps[0][0] in output[seen:]:
            seen = output.index(steps[0][0], seen) + len(steps[0][0])
            typed = steps.pop(0)[1]
            if callable(typed):
                typed(process, master)
            else:
                os.write(master, typed)
            continue
        ready, _, _ = select.select([master], [], [], 0.05)
        if ready:
            output += os.read(master, 65536)
        elif process.poll() is not None:
            break
    process.kill()
    code = process.wait()
    after = termios.tcgetattr(slave)
    os.close(master)
    os.close(slave)
    return code, output, before == after


def check(sentence, good, *details):
    global count, failed
    count += 1
    print(("ok" if good else "not ok"), count, "-", sentence)
    if not good:
        failed = True
        for detail in details:
            print("  ", detail)


def grow(process, master):
    size_set(master, 40, 100)
    process.send_signal(signal.SIGWINCH)
    time.sleep(0.2)
    os.write(master, b"stty size; echo si''zed\n")


SH = [OAK, "run", "--rm", "-it", "-e", "PS1=> ", "tiny", "/bin/sh"]

code, output, restored = session(SH, [
    (b"> ", b"stty size; echo re''ady\n"), (b"ready", grow), (b"sized", b"exit 5\n")])
check("the container's terminal has the user's size", b"33 77" in output, code, output)
check("and follows it", b"40 100" in output, code, output)
check("the exit code comes through, and the terminal is given back", code == 5 and restored,
      code, output, restored)

code, output, restored = session(SH, [
    (b"> ", b"echo go; sleep 100\n"), (b"go\r\n", b"\x03"), (b"> ", b"exit 6\n")])
check("Ctrl-C reaches the container, not the CLI", code == 6 and restored, code, output)

code, output, restored = session(
    [OAK, "run", "--name", "held", "-it", "-e", "PS1=> ", "tiny", "/bin/sh"],
    [(b"> ", b"echo a\x10b\n"), (b"b\r\n", b""), (b"> ", b"\x10\x11")])
state = subprocess.run([OAK, "ps", "--format", "{{.Names}}"], capture_output=True).stdout
check("the detach keys leave the container running", code == 0 and restored and state == b"held\n",
      code, output, state)
code, output, restored = session([OAK, "attach", "held"], [(b"", b"exit 8\n")])
check("attach takes it up again", code == 8 and restored, code, output)
subprocess.run([OAK, "rm", "-f", "held"], stdout=subprocess.DEVNULL)

code, output, restored = session(SH, [(b"> ", lambda process, _: process.terminate())])
check("a CLI that is terminated gives the terminal back", code == -signal.SIGTERM and restored,
      code, output, restored)

code, output, restored = session(
    [OAK, "run", "--rm", "-it", "--detach-keys", "ctrl-a,x", "-e", "PS1=> ", "tiny", "/bin/sh"],
    [(b"> ", b"echo a\x10\x11b\n"), (b"> ", b"\x01x")])
check("--detach-keys chooses other keys", code == 0 and restored, code, output)


def machine_kill(process, master):
    status = subprocess.run([OAK, "machine", "status"], capture_output=True, text=True).stdout
    pid = [line.split()[1] for line in status.splitlines() if line.startswith("machine_pid")]
    os.kill(int(pid[0]), signal.SIGKILL)


code, output, restored = session(SH, [(b"> ", machine_kill)])
check("when the machine dies the terminal is given back, and that is said",
      code == 125 and restored and b"the machine died" in output, code, output, restored)

run = subprocess.run([OAK, "run", "-it", "--rm", "tiny", "true"], stdin=subprocess.DEVNULL,
                     capture_output=True)
check("-it without a terminal is refused in one line",
      run.returncode == 1 and b"the input device is not a TTY" in run.stderr, run)
sys.exit(failed)
