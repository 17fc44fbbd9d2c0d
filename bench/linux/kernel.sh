#!/bin/bash
# Linux as Debian builds it for virtual machines, which Oak is compared with: kernel.sh FOLDER MODULE...
# leaves vmlinuz and the modules there. The package is unpacked, not installed: nothing here boots it
# but QEMU.
set -eu
folder=$1
shift
mkdir -p "$folder"
private=$(mktemp -d)
trap 'rm -rf "$private"' EXIT
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2 }')
cd "$private"
if ! apt-get -q -o APT::Sandbox::User=root download "${package:-linux-image-cloud-amd64}" >log 2>&1; then
    echo "bench/linux: no Linux kernel where this machine's packages come from" >&2
    tail -n 5 log >&2
    exit 1
fi
dpkg-deb -x ./*.deb files
cd - >/dev/null
for module in "$@"; do
    mv "$(find "$private/files/lib/modules" -name "$module.ko")" "$folder/$module.ko"
done
mv "$private"/files/boot/vmlinuz-* "$folder/vmlinuz"
