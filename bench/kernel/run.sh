#!/bin/bash
# The kernel's paths in instructions: boots bench/kernel under instruction counting, where one
# instruction takes one nanosecond of virtual time. Prints rows (name, value, unit, conditions).
set -u
cd "$(dirname "$0")/../.." || exit 1
conditions="icount shift=0, 1 CPU, release kernel, no ERMS or FSRM"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
coproc timeout 120 qemu-system-x86_64 -M q35 -accel tcg -icount shift=0,sleep=off -smp 1 \
    -cpu max,-erms,-fsrm -m 512 -nodefaults -no-user-config -no-reboot -display none \
    -serial stdio -kernel build/bench/kernel.elf </dev/null 2>/dev/null
qemu=$COPROC_PID
while read -r line <&"${COPROC[0]}"; do
    echo "$line" >>"$log"
    case $line in "bench: end"* | *panic* | "bench: not ok"*) break ;; esac
done
kill "$qemu" 2>/dev/null
wait "$qemu" 2>/dev/null
sed -n 's/\r$//; s/^bench: \([a-z.]*\) \([0-9]*\) \([a-z]*\)$/\1\t\2\t\3/p' "$log" |
    awk -F'\t' -v OFS='\t' -v conditions="$conditions" '
        sub(/\.crowd$/, "", $1) {
            more = ($2 - alone[$1]) * 100 / alone[$1]
            if (more > most) { most = more; worst = $1 }
            print $1 ".crowd", $2, $3, conditions ", among 1,000 idle domains"
            next
        }
        { alone[$1] = $2; print $0, conditions }
        END { print "crowd.more.percent", sprintf("%.1f", most), "%", worst ", which changes most among 1,000 idle domains" }'
grep -q '^bench: end' "$log" || { tail -n 20 "$log" >&2; exit 1; }
