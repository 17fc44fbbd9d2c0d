#!/usr/bin/python3
"""Debian's programs do in a container what they do on Linux: run.py [--full] [--namespaces] [NAME...]

Each scripts/NAME.sh (.py, .pl, ...) is one test: a script that runs in an image made by
images/recipes, through the oak command on a real machine, and, with the same files, on the host under
crun (crun.py), or in plain namespaces (namespaces.sh) where crun does not work or --namespaces is
given. A line of its output "== CHECK" begins a check, which holds when what follows is the same in
both. `known.txt` lists the checks that are expected to differ, and why; when none that a line names
differs any more, run.py says so.

A script says about itself, in comments at its beginning:

  #@ image NAME       its image; the name of the script if not given
  #@ command WORD...  what runs it, with its text as the next argument; "bash -c" if not given
  #@ seconds N [N]    its limit in the short and in the full form; 60 if not given
  #@ full             only part of --full
  #@ memory N         MiB that its container may have

The script's first argument is "short" or "full". Results: TAP, and the table build/programs.tsv,
whose column "linux" says what was compared with; build/programs/NAME.linux and NAME.oak are the outputs.
"""
import difflib
import fnmatch
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = TOP / "build"
OAK = BUILD / "host" / "oak"
OUTPUT = BUILD / "programs"
MACHINE = ["--memory", "4g"]
# How much longer anything may take on a busy machine.
PATIENCE = int(os.environ.get("OAK_TEST_PATIENCE", "3"))


class Script:
    def __init__(self, path):
        self.name = path.stem
        self.text = path.read_text(encoding="utf-8")
        about = dict(re.findall(r"^#@ (\w+) ?(.*)$", self.text, re.MULTILINE))
        self.image = about.get("image", self.name)
        self.command = about.get("command", "bash -c").split()
        self.seconds = [int(number) for number in about.get("seconds", "60").split()]
        self.memory = about.get("memory")
        self.only_full = "full" in about

    def limit(self, length):
        return self.seconds[-1 if length == "full" else 0] * PATIENCE

    def arguments(self, length):
        return [*self.command, self.text, *([self.name] if self.command[-1] == "-c" and
                                            self.command[0].endswith("sh") else []), length]


def known_read():
    """{(program, check): reason}"""
    known = {}
    for line in (HERE / "known.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            program, check, reason = (part.strip() for part in line.split("|"))
            known[program, check] = reason
    return known


def checks_of(text):
    """The output of each check, by its name, in order."""
    checks = {}
    name = "start"
    for line in text.splitlines():
        if line.startswith("== "):
            name = line[3:]
            checks[name] = []
        elif name in checks or line:
            checks.setdefault(name, []).append(line)
    return checks


def run(command, seconds):
    """Output and exit code; what does not end is ended, with its session."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
            code = str(process.returncode)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            code = f"none after {seconds} s"
    return output.decode(errors="replace") + f"\n== exit code\n{code}\n"


def oak(*arguments, check=True):
    return subprocess.run([OAK, *arguments], stdout=subprocess.PIPE, text=True, check=check).stdout


def missing_calls(container):
    counted = re.findall(r"^missing\.(.*\S) +(\d+)$",
                         oak("machine", "statistics", container, check=False), re.MULTILINE)
    return ", ".join(f"{name} ({times})" for name, times in counted)


def oak_run(script, length):
    memory = ["--memory", script.memory + "m"] if script.memory else []
    output = run([OAK, "run", "--name", script.name, *memory, script.image,
                  *script.arguments(length)], script.limit(length))
    missing = missing_calls(script.name)
    oak("rm", "-f", script.name, check=False)
    return output, missing


class Linux:
    """Where a script runs on the host: a command and its name."""

    def __init__(self, script, namespaces):
        self.command, self.name = HERE / "crun.py", "crun"
        tried = "" if namespaces else self.run(script, ["sh", "-c", "echo works"], 20 * PATIENCE)
        if not tried.startswith("works\n"):
            self.command, self.name = HERE / "namespaces.sh", "namespaces"
        print(f"# Linux is: {self.name}")
        if tried and self.name != "crun":
            print("\n".join("# crun: " + line for line in tried.splitlines()))

    def run(self, script, arguments, seconds):
        return run([self.command, BUILD / "roots" / script.image, *arguments], seconds)


class Report:
    def __init__(self, known):
        self.known = known
        self.used = set()
        self.count = 0
        self.failed = 0
        self.rows = []

    def line(self, good, sentence, skip=""):
        self.count += 1
        print(f"{'ok' if good else 'not ok'} {self.count} - {sentence}"
              + (f" # SKIP {skip}" if skip else ""), flush=True)
        self.failed += not good

    def known_reason(self, name, check):
        for (program, pattern), reason in self.known.items():
            if program == name and fnmatch.fnmatchcase(check, pattern):
                self.used.add((program, pattern))
                return reason
        return None

    def differs(self, name, check, linux, here):
        reason = self.known_reason(name, check)
        if reason:
            self.line(True, f"{name}: {check}", "known difference: " + reason)
        else:
            self.line(False, f"{name}: {check}")
            for line in list(difflib.unified_diff(linux or [], here or [], "Linux", "here", n=1,
                                                  lineterm=""))[:24]:
                print("  " + line)
        return reason or "differs"

    def program(self, name, linux_name, linux, here, missing):
        passed, why = 0, []
        for check, lines in linux.items():
            if here.get(check) != lines:
                why.append(check + ": " + self.differs(name, check, lines, here.get(check)))
            else:
                passed += 1
        for check in here.keys() - linux.keys():
            why.append(check + ": " + self.differs(name, check, None, here[check]))
        for program, pattern in self.known.keys() - self.used:
            if program == name and any(fnmatch.fnmatchcase(check, pattern) for check in linux):
                print(f"# known.txt: {name} | {pattern} differs no more")
        if passed:
            self.line(True, f"{name}: {passed} of {len(linux)} checks as on Linux")
        if missing:
            why.append("missing: " + missing)
        self.rows.append((name, len(linux), passed, len(linux) - passed, "; ".join(why), linux_name))


def test(script, length, linux, report):
    began = time.monotonic()
    there = linux.run(script, script.arguments(length), script.limit(length))
    (OUTPUT / (script.name + ".linux")).write_text(there, encoding="utf-8")
    oak("load", "-q", "-i", BUILD / "images" / script.image)
    here, missing = oak_run(script, length)
    (OUTPUT / (script.name + ".oak")).write_text(here, encoding="utf-8")
    expected = checks_of(there)
    if expected["exit code"] != ["0"] or len(expected) < 2:
        report.line(False, f"{script.name}: ends well on Linux")
        print("\n".join("  " + line for line in there.splitlines()[-20:]))
    report.program(script.name, linux.name, expected, checks_of(here), missing)
    print(f"# {script.name}: {time.monotonic() - began:.0f} s", flush=True)


def main():
    # Ignored, as in a shell's background or under nohup, they would be ignored in the programs too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    arguments = sys.argv[1:]
    full = "--full" in arguments
    wanted = [name for name in arguments if not name.startswith("--")]
    scripts = [Script(path) for path in sorted((HERE / "scripts").iterdir())]
    scripts = [script for script in scripts if script.name in wanted or
               not wanted and (full or not script.only_full)]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    linux = Linux(scripts[0], "--namespaces" in arguments)
    report = Report(known_read())
    state = tempfile.mkdtemp(prefix="oak-programs.")
    os.environ["OAK_STATE"] = state
    try:
        oak("machine", "start", *MACHINE)
        for script in scripts:
            test(script, "full" if full else "short", linux, report)
    finally:
        oak("machine", "stop", check=False)
        shutil.rmtree(state, ignore_errors=True)  # the machine takes its socket away itself
    with open(BUILD / "programs.tsv", "w", encoding="utf-8") as table:
        print("program", "checks", "passed", "failed", "why", "linux", sep="\t", file=table)
        for row in report.rows:
            print(*row, sep="\t", file=table)
    print(f"1..{report.count}")
    sys.exit(1 if report.failed else 0)


main()
