#!/bin/bash
# Fetch the source of a Debian package, have apt check it, and unpack it with Debian's patches.
#
#   debian-source.sh PACKAGE VERSION FOLDER
#
# It comes from where this machine's own packages come from: its deb entries, turned into deb-src, in
# a configuration of apt's beside FOLDER. The machine's configuration is read and not changed.
set -eu
package=$1 version=$2 folder=$3
mkdir -p "$(dirname "$folder")"
private=$(cd "$(dirname "$folder")" && pwd)/apt-$package
rm -rf "$private" "$folder"
mkdir -p "$private/sources" "$private/lists/partial" "$private/archives/partial" "$private/download"

# Both formats of sources.list(5): lines, and paragraphs of fields. Debian's alone.
cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -nE '/^deb .*\/debian/s/^deb /deb-src /p' >"$private/sources/lines.list"
cat /etc/apt/sources.list.d/*.sources 2>/dev/null |
    awk -v RS= '/(^|\n)Types:[^\n]*deb/ && /(^|\n)URIs:[^\n]*\/debian/ {
        sub(/(^|\n)Types:[^\n]*/, "\nTypes: deb-src"); print; print "" }' >"$private/sources/fields.sources"

options=(-q -o Dir::Etc::sourcelist=/dev/null -o "Dir::Etc::sourceparts=$private/sources"
    -o "Dir::State::lists=$private/lists" -o "Dir::Cache=$private"
    -o "Dir::Cache::archives=$private/archives" -o APT::Sandbox::User=root)
fetch() {
    apt-get "${options[@]}" update
    cd "$private/download"
    apt-get "${options[@]}" source --only-source --download-only "$package=$version"
    dpkg-source -x ./*.dsc "$private/unpacked"
}
if ! (fetch) >"$private/log" 2>&1; then
    echo "debian-source: no source of $package $version where this machine's packages come from" >&2
    tail -n 5 "$private/log" >&2
    exit 1
fi
mv "$private/unpacked" "$folder"
rm -rf "$private"
