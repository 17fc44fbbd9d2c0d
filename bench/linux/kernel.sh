#!/bin/bash
# Linux as Debian builds it for virtual machines, which Oak is compared with: kernel.sh FILE. The
# package is unpacked, not installed: nothing here boots it but QEMU.
set -eu
file=$1
mkdir -p "$(dirname "$file")"
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2 }')
cd "$private"
if ! apt-get -q -o APT::Sandbox::User=root download "${package:-linux-image-cloud-amd64}" >log 2>&1; then
    echo "bench/linux: no Linux kernel where this machine's packages come from" >&2
    tail -n 5 log >&2
    exit 1
fi
dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards './boot/vmlinuz-*' >image
cd - >/dev/null
mv "$private/image" "$file"
