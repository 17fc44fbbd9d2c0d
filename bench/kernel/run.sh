#!/bin/bash
# The kernel's paths in instructions: boots bench/kernel under instruction counting, where one
# instruction takes one nanosecond of virtual time. Prints rows (name, value, unit, conditions).
set -u
cd "$(dirname "$0")/../.." || exit 1
conditions="icount shift=0, 1 CPU, release kernel, no ERMS or FSRM"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
coproc timeout 120 qemu-system-x86_64 -M q35 -accel tcg -icount shift=0,sleep=off -smp 1 \
    -cpu max,-erms,-fsrm -m 256 -nodefaults -no-user-config -no-reboot -display none \
    -serial stdio -kernel build/bench/kernel.elf </dev/null 2>/dev/null
qemu=$COPROC_PID
while read -r line <&"${COPROC[0]}"; do
    echo "$line" >>"$log"
    case $line in "bench: end"* | *panic* | "bench: not ok"*) break ;; esac
done
kill "$qemu" 2>/dev/null
wait "$qemu" 2>/dev/null
sed -n 's/\r$//; s/^bench: \([a-z.]*\) \([0-9]*\) \([a-z]*\)$/\1\t\2\t\3/p' "$log" |
    sed "s/\$/\t$conditions/"
grep -q '^bench: end' "$log" || { tail -n 20 "$log" >&2; exit 1; }
