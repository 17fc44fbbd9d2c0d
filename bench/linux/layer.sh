#!/bin/bash
# The files that are added to Debian's: layer.sh LAYER ROOT TAR. LAYER/bench has the programs; ROOT is
# Debian's files, whose python modules are compiled as the packages' scripts do it.
set -eu
layer=$1 root=$2 tar=$3
cp bench/linux/inside.sh "$layer/bench"
bench/linux/data.sh "$layer/bench/data"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(unshare --user --map-root-user)
"${as_root[@]}" /usr/sbin/chroot "$root" /usr/bin/python3 -m compileall -q /usr/lib/python3.11
(cd "$root" && find usr/lib/python3.11 -path '*/__pycache__*' -type f) >"$layer.compiled"
tar --owner=0 --group=0 --numeric-owner -C "$layer" -cf "$tar" bench \
    -C "$PWD/$root" --files-from "$layer.compiled"
