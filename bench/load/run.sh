#!/bin/bash
# How fast an image of OAK_BENCH_IMAGE_MIB (256) is loaded, how much memory that takes at most, and
# how long the first container of it takes. Prints rows (name, value, unit, conditions).
set -u
cd "$(dirname "$0")/../.." || exit 1
oak=build/host/oak
mib=${OAK_BENCH_IMAGE_MIB:-256}
work=$(mktemp -d)
export OAK_STATE=$work/state
finish() {
    timeout -k 1 10 "$oak" machine stop >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT

# Files of 1 MiB, and a thousand small ones.
/usr/bin/python3 - "$work/layer.tar" "$mib" <<'PYTHON'
import io, random, sys, tarfile
source = random.Random(1)
with tarfile.open(sys.argv[1], "w", format=tarfile.USTAR_FORMAT) as tar:
    for kind, count, size in (("large", int(sys.argv[2]), 1 << 20), ("small", 1000, 700)):
        for i in range(count):
            about = tarfile.TarInfo(f"data/{kind}/{i}")
            about.size = size
            tar.addfile(about, io.BytesIO(source.randbytes(size)))
PYTHON
/usr/bin/python3 tests/real/make_image.py build/images/busybox "$work/image" large '{}' \
    "$work/layer.tar" || exit 1
"$oak" machine start >/dev/null 2>&1 || exit 1
/usr/bin/python3 - "$oak" "$work/image" "$mib" <<'PYTHON'
import os, resource, subprocess, sys, time
oak, image, mib = sys.argv[1:]


def timed(*arguments):
    begin = time.monotonic()
    subprocess.run([oak, *arguments], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, timeout=600)
    return time.monotonic() - begin


took = timed("load", "-q", "-i", image)
peak_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
conditions = f"OCI layout of {mib} MiB in files of 1 MiB and 1000 small ones, not compressed"
print(f"load.mib_s\t{int(mib) / took:.1f}\tMiB/s\t{conditions}; read, digests, hash tree, commit")
print(f"load.peak_rss.mib\t{peak_kib / 1024:.1f}\tMiB\t{conditions}; the largest process")
print(f"load.first_start.ms\t{timed('run', '--rm', 'large', 'true') * 1e3:.1f}\tms\t"
      "oak run --rm of that image, for the first time")
PYTHON
