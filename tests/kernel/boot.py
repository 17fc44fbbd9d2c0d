"""Boot a test image under QEMU and print its TAP lines; for the run.py of each set of tests."""

import os
import subprocess
import threading

BUILD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/tests")
COMMAND = ["qemu-system-x86_64", "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max",
           "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]


def run(image, name, cpus=2, memory_mib=512, seconds=400, more=(), stderr=None):
    """Print the lines of the init that calls itself `name`. 0 when all is well and it ended."""
    command = COMMAND + ["-smp", str(cpus), "-m", str(memory_mib),
                         "-kernel", os.path.join(BUILD, image), *more]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          stderr=stderr) as qemu:
        timer = threading.Timer(seconds, qemu.kill)
        timer.start()
        for line in qemu.stdout:
            lines.append(line.decode("ascii", "replace").rstrip())
            if lines[-1] == name + ": end" or "panic" in lines[-1]:
                break
        if "panic" in "".join(lines[-1:]):  # what the kernel says about it
            threading.Timer(2, qemu.kill).start()
            lines += [line.decode("ascii", "replace").rstrip() for line in qemu.stdout]
        timer.cancel()
        (qemu.kill if stderr is None else qemu.terminate)()  # a plugin says something at its end
    ended = lines[-1:] == [name + ": end"]
    results = [line[len(name) + 2:] for line in lines if line.startswith(name + ": ")]
    bad = 0
    for line in results:
        if line.startswith(("ok ", "not ok ", "#")):
            print(line)
        bad += line.startswith("not ok ")
    if not ended:
        print("not ok - it came to its end")
        print("\n".join("# " + line for line in lines[-40:]))
    return 0 if ended and bad == 0 else 1
