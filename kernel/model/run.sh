#!/bin/bash
# Check the models with spin: run.sh [MODEL...]. Each must hold in every state that it can reach, and
# each of its bugs (the #ifdef BUG_... in it) must be found, or the check would be worth nothing.
# Prints TAP.
set -u
cd "$(dirname "$0")" || exit 1
here=$PWD
work=$(mktemp -d /tmp/oak-models.XXXXXX)
trap 'rm -rf "$work"' EXIT
count=0
failed=0

result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=1
        sed 's/^/  /' "$work/out"
    fi
}

# errors MODEL [BUG]: how many spin finds, of every kind; it stops at the first.
errors() {
    (cd "$work" && rm -f ./*.trail && spin -a ${2:+"-D$2"} "$here/$1.pml" &&
        gcc -O2 -w -DSAFETY -o pan pan.c && timeout 300 ./pan -m100000) >"$work/out" 2>&1
    grep -q 'search depth too small' "$work/out" && return
    sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$work/out"
}

for model in "${@:-park call only withdraw barrier shootdown}"; do
    for name in $model; do
        [ "$(errors "$name")" = 0 ]
        result $? "$name: holds in $(sed -n 's/ *\([0-9]*\) states, stored.*/\1/p' "$work/out") states"
        for bug in $(grep -oE 'BUG_[A-Z_]+' "$name.pml" | sort -u); do
            [ "$(errors "$name" "$bug")" = 1 ]
            result $? "$name: $bug is found"
        done
    done
done
exit $failed
