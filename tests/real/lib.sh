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

# result CODE SENTENCE: one TAP line.
result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=1
    fi
}

# run_oak ARGUMENTS...: out, err and code of a command; it has 20 seconds unless LIMIT says otherwise.
run_oak() {
    timeout -k 1 "${LIMIT:-20}" "$oak" "$@" >"$work/out" 2>"$work/err"
    code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
}

# expect SENTENCE CODE OUT-PATTERN [ERR-PATTERN]: judges the last run_oak.
expect() {
    local good=0
    [ "$code" = "$2" ] || good=1
    # shellcheck disable=SC2254
    case "$out" in
    $3) ;;
    *) good=1 ;;
    esac
    # shellcheck disable=SC2254
    case "$err" in
    ${4-}) ;;
    *) good=1 ;;
    esac
    result $good "$1"
    if [ $good -ne 0 ]; then
        echo "  code: $code, expected $2"
        echo "  out: $out" | head -8
        echo "  err: $err" | head -8
    fi
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

# logged CONTAINER TEXT: the container has written it.
logged() {
    timeout -k 1 10 "$oak" logs "$1" 2>&1 | grep -q -- "$2"
}

running() {
    [ "$(timeout -k 1 10 "$oak" inspect -f '{{.State.Running}}' "$1" 2>/dev/null)" = true ]
}

status_value() {
    timeout -k 1 10 "$oak" machine status | awk -v key="$1" '$1 == key { print $2 }'
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
