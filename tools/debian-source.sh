#!/bin/bash
# Fetch a Debian source package, check it against apt's keys, and unpack it.
#
#   debian-source.sh PACKAGE VERSION FOLDER
#
# The source comes from where the machine's own packages come from: its deb entries, as deb-src, in a
# configuration of apt's that lives beside FOLDER. The machine's own configuration is not changed.
set -eu
package=$1 version=$2 folder=$3
mkdir -p "$(dirname "$folder")"
private=$(cd "$(dirname "$folder")" && pwd)/apt-$package
rm -rf "$private" "$folder"
mkdir -p "$private/lists/partial" "$private/archives/partial" "$private/download"

# Both formats of sources.list(5); only entries of Debian's own key ring or without one.
{
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
        sed -nE '/^deb .*debian/{/cloud-sdk/d; s/^deb /deb-src /p}'
} >"$private/machine.list" || true
for file in /etc/apt/sources.list.d/*.sources; do
    [ -e "$file" ] || continue
    awk -v RS= '/(^|\n)Types:[^\n]*deb/ && /debian-archive-keyring/ {
        sub(/Types:[^\n]*/, "Types: deb-src"); print; print "" }' "$file"
done >"$private/machine.sources"

options=(-q -o "Dir::Etc::sourcelist=/dev/null" -o "Dir::Etc::sourceparts=$private"
    -o "Dir::State::lists=$private/lists" -o "Dir::Cache=$private"
    -o "Dir::Cache::archives=$private/archives" -o "APT::Sandbox::User=")
apt-get "${options[@]}" update >"$private/log" 2>&1 || {
    cat "$private/log" >&2
    exit 1
}
(cd "$private/download" && apt-get "${options[@]}" source --only-source --download-only "$package=$version") \
    >>"$private/log" 2>&1 || {
    echo "debian-source: no source of $package $version where this machine's packages come from" >&2
    tail -n 5 "$private/log" >&2
    exit 1
}
dpkg-source -x "$private"/download/*.dsc "$folder" >>"$private/log" 2>&1 || {
    tail -n 5 "$private/log" >&2
    exit 1
}
rm -rf "$private"
