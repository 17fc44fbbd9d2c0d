#!/usr/bin/python3
"""Writes an OCI image layout with busybox as its userland: busybox.py BUSYBOX DIRECTORY.

The same busybox gives the same bytes: owners, times and the order of files are fixed.
"""
import gzip
import io
import subprocess
import sys
import tarfile

import layout

DIRECTORIES = ["bin", "dev", "etc", "home", "lib", "mnt", "opt", "proc", "root", "run", "sbin", "sys",
               "tmp", "usr", "usr/bin", "usr/sbin", "usr/lib", "var", "var/log", "var/spool", "var/tmp"]
MODES = {"root": 0o700, "tmp": 0o1777, "var/tmp": 0o1777}
FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\n"
                  "daemon:x:1:1:daemon:/usr/sbin:/bin/false\n"
                  "nobody:x:65534:65534:nobody:/home:/bin/false\n",
    "etc/group": "root:x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n",
    "etc/shells": "/bin/sh\n/bin/ash\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/profile": "export PS1='\\w \\$ '\n",
}


def entry_add(tar, name, kind, mode, data=b"", target=""):
    about = tarfile.TarInfo(name)
    about.type = kind
    about.mode = mode
    about.size = len(data)
    about.linkname = target
    tar.addfile(about, io.BytesIO(data))


def applets(busybox):
    listed = subprocess.run([busybox, "--list-full"], capture_output=True, text=True, check=True)
    return sorted(name for name in set(listed.stdout.split()) - {"bin/busybox"} if "/" in name)


def layer_make(busybox):
    buffer = io.BytesIO()
    with open(busybox, "rb") as file:
        program = file.read()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in DIRECTORIES:
            entry_add(tar, name, tarfile.DIRTYPE, MODES.get(name, 0o755))
        entry_add(tar, "bin/busybox", tarfile.REGTYPE, 0o755, program)
        for name in applets(busybox):
            entry_add(tar, name, tarfile.SYMTYPE, 0o777, target="/bin/busybox")
        for name, text in FILES.items():
            entry_add(tar, name, tarfile.REGTYPE, 0o644, text.encode())
    return buffer.getvalue()


def main():
    busybox, directory = sys.argv[1:]
    layer = layer_make(busybox)
    config = {"Env": [layout.PATH], "Cmd": ["sh"], "WorkingDir": "/"}
    layout.layout_write(directory, "busybox", config, layer,
                        gzip.compress(layer, compresslevel=6, mtime=0))


main()
