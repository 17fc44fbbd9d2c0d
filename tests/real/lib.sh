# What the tests of the whole system share: the oak command as built, and a real machine in a state
# directory of its own, which goes when the test ends. The image "busybox" is loaded. Sourced.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
oak=$root/build/host/oak
layout=$root/build/images/busybox
work=$(mktemp -d "${TMPDIR:-/tmp}/oak-real.XXXXXX")
export OAK_STATE=$work/state
count=0
failed=0
began=$(date +%s%N)

finish() {
    timeout -k 1 10 "$oak" machine stop >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT

. "$root/tests/oak.sh"

# logged CONTAINER TEXT: the container has written it.
logged() {
    timeout -k 1 10 "$oak" logs "$1" 2>&1 | grep -q -- "$2"
}

running() {
    [ "$(timeout -k 1 10 "$oak" inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

# A counter of the machine or of a container, in bytes or pieces.
statistic() {
    timeout -k 1 10 "$oak" machine statistics ${2+"$2"} | awk -v key="$1" '$1 == key { print $2 }'
}

# Prints the time that the test took.
done_testing() {
    echo "1..$count"
    echo "# ${0##*/}: $(($(date +%s%N) / 1000000 - began / 1000000)) ms"
    exit "$failed"
}

"$oak" machine start 2>"$work/err" && "$oak" load -q -i "$layout" >"$work/out" 2>>"$work/err" || {
    echo "not ok 1 - the machine starts and loads an image"
    sed 's/^/  /' "$work/err"
    tail -n 20 "$OAK_STATE/console.log" 2>/dev/null
    exit 1
}
