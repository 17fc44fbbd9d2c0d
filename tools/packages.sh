#!/bin/sh
# Install the Debian packages of tools/packages.txt that are missing; through sudo when not root.
set -eu
here=$(dirname "$0")
missing=
for package in $(sed 's/#.*//' "$here/packages.txt"); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
        missing="$missing $package"
done
[ -z "$missing" ] && exit 0
command -v apt-get >/dev/null || {
    echo "oak: these packages are missing, and there is no apt-get to install them:$missing" >&2
    exit 1
}
as_root=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
        echo "oak: install these packages as root, then run make again:$missing" >&2
        exit 1
    }
    as_root=sudo
fi
echo "oak: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q >&2
# shellcheck disable=SC2086
$as_root apt-get install -y -q --no-install-recommends $missing >&2
