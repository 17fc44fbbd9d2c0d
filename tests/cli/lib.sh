# What the CLI's tests share. Every test runs its own machine: a state directory of its own, and
# the fake engine in QEMU's place. Sourced; needs OAK_TEST_OAK and OAK_TEST_ENGINE.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
oak=${OAK_TEST_OAK:-$root/build/test/oak}
if [ ! -x "$oak" ]; then
    echo "not ok 1 - $oak is not built"
    exit 1
fi
work=$(mktemp -d /tmp/oak-cli.XXXXXX)
export OAK_STATE=$work/state
export OAK_QEMU=${OAK_TEST_ENGINE:-$root/build/test/fake_engine}
export OAK_KERNEL=$OAK_QEMU
export OAK_ACCELERATOR=tcg
export ASAN_OPTIONS=detect_leaks=0
unset FAKE_MODE
count=${TAP_COUNT:-0}

finish() {
    "$oak" machine stop >/dev/null 2>&1
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

# run_oak ARGUMENTS...: out, err and code of a command that must end soon.
run_oak() {
    timeout "${LIMIT:-30}" "$oak" "$@" >"$work/out" 2>"$work/err"
    code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
}

# expect SENTENCE CODE OUT ERR-PATTERN: judges the last run_oak; "*" for any output.
expect() {
    local good=0
    [ "$code" = "$2" ] || good=1
    case "$out" in
    $3) ;;
    *) good=1 ;;
    esac
    case "$err" in
    ${4-}) ;;
    *) good=1 ;;
    esac
    result $good "$1"
    if [ $good -ne 0 ]; then
        echo "  code: $code"
        echo "  out: $out" | head -5
        echo "  err: $err" | head -20
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

status_value() {
    "$oak" machine status | awk -v key="$1" '$1 == key { print $2 }'
}

# An OCI layout of one tiny image, loaded under the name "tiny".
load_tiny() {
    /usr/bin/python3 "$root/tests/cli/make_image.py" "$work/tiny" tiny "$@" &&
        "$oak" load -q -i "$work/tiny" >/dev/null
}
