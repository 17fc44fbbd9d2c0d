#!/bin/bash
# TAP: programs that attack the personality under them. Each must end well, in one container that
# goes on after all of them.
#
#   run.sh [-t SECONDS] [NAME...]
set -u
cd "$(dirname "$0")/../../.." || exit 1
programs=build/tests/linux-attack seconds=540
if [ "${1-}" = -t ]; then
    seconds=$2
    shift 2
fi
all=("$@")
if [ $# -eq 0 ]; then
    read -r -a all <$programs/names
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
tests/linux/bringup.sh -k build/tests/linux-attack.elf -t "$seconds" \
    "/tests/each.sh /tests ${all[*]}" >"$log" 2>&1
cp "$log" $programs/log
number=0 failed=0
check() { # check WHAT PATTERN NAME
    number=$((number + 1))
    if grep -qE "$2" "$log"; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        { sed -n "/begin $3\$/,/end $3:/p" "$log" && tail -n 12 "$log"; } | tail -n 40 | sed 's/^/# /'
        failed=1
    fi
}
for name in "${all[@]}"; do
    check "$name: every attack can be ended and gets nothing" "end $name: code 0\$" "$name"
done
check "the container goes on" "the container goes on" "${all[-1]}"
echo "1..$number"
exit $failed
