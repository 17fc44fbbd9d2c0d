#!/usr/bin/python3
"""A command in a container of crun, to compare with: crun.py ROOT COMMAND...

ROOT's files are under a layer of their own; what else the container is made of is what docker asks an
OCI runtime for, with a network of lo only. Everything is done in a mount and a process namespace whose
end takes it away, crun's own state too.
"""
import json
import os
import pathlib
import resource
import subprocess
import sys

PLACE = pathlib.Path("/mnt")  # of the namespace: nobody else sees what is mounted there
NAME = "container"
KEPT = ["CAP_" + name for name in (
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT"
    " MKNOD AUDIT_WRITE SETFCAP").split()]
MOUNTS = (  # of docker: path, type, options
    ("/proc", "proc", "nosuid,noexec,nodev"),
    ("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
    ("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620"),
    ("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
    ("/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,ro"),
    ("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
    ("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k"))
MASKED = ("/proc/acpi /proc/kcore /proc/keys /proc/latency_stats /proc/timer_list /proc/timer_stats"
          " /proc/sched_debug /proc/scsi /sys/firmware").split()
READ_ONLY = "/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger".split()


def specification(command):
    """OCI's config.json."""
    return {
        "ociVersion": "1.0.0",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": command,
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "HOSTNAME=" + NAME, "HOME=/root"],
            "cwd": "/",
            "capabilities": {kind: KEPT for kind in ("bounding", "effective", "permitted")},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024,
                         "hard": resource.getrlimit(resource.RLIMIT_NOFILE)[1]}],
        },
        "root": {"path": "root"},
        "hostname": NAME,
        "mounts": [{"destination": path, "type": kind, "source": kind, "options": options.split(",")}
                   for path, kind, options in MOUNTS],
        "linux": {
            "namespaces": [{"type": kind} for kind in
                           ("pid", "network", "ipc", "uts", "mount", "cgroup")],
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
        },
    }


def mount(*arguments):
    subprocess.run(["mount", *map(str, arguments)], check=True)


def cgroup_settle():
    """crun refuses hierarchies of both versions at once; we need no limits, so version 2 will do."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", "/sys/fs/cgroup"], stdout=subprocess.PIPE,
                          text=True, check=True).stdout.strip()
    if kind != "cgroup2fs":
        mount("-t", "cgroup2", "cgroup2", "/sys/fs/cgroup")


def inside(root, command):
    mount("-t", "tmpfs", "tmpfs", PLACE)
    for name in ("upper", "work", "root", "state"):
        (PLACE / name).mkdir()
    mount("-t", "overlay", "overlay", PLACE / "root", "-o",
          f"lowerdir={root},upperdir={PLACE}/upper,workdir={PLACE}/work")
    (PLACE / "root/etc/hostname").write_text(NAME + "\n", encoding="ascii")
    (PLACE / "root/etc/hosts").write_text(
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + NAME + "\n",
        encoding="ascii")
    (PLACE / "config.json").write_text(json.dumps(specification(command)), encoding="utf-8")
    cgroup_settle()
    os.execvp("crun", ["crun", "--root", str(PLACE / "state"), "--cgroup-manager=disabled", "run",
                       "--bundle", str(PLACE), NAME])


def main():
    if sys.argv[1] == "--inside":
        inside(os.path.abspath(sys.argv[2]), sys.argv[3:])
    mapped = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", *mapped, "--mount", "--pid", "--cgroup", "--fork", "--kill-child",
                          "--mount-proc", os.path.abspath(__file__), "--inside", *sys.argv[1:]])


main()
