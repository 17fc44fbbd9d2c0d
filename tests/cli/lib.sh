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

LIMIT=${LIMIT:-30}
. "$root/tests/oak.sh"

# An OCI layout of one tiny image, loaded under the name "tiny".
load_tiny() {
    /usr/bin/python3 "$root/tests/cli/make_image.py" "$work/tiny" tiny "$@" &&
        "$oak" load -q -i "$work/tiny" >/dev/null
}
