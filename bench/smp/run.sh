#!/bin/bash
# What 1, 2 and 4 CPUs do in a second: calls and faults in the kernel alone, and container starts with
# the real command, and how often each lock was found held. Prints rows (name, value, unit, conditions).
set -u
cd "$(dirname "$0")/../.." || exit 1
oak=build/host/oak
starts=40
work=$(mktemp -d)
export OAK_STATE=$work/state
finish() {
    timeout -k 1 10 "$oak" machine stop >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT

# kernel_rows CPUS: from an init of its own.
kernel_rows() {
    coproc timeout 60 qemu-system-x86_64 -M q35 -accel tcg,thread=multi -smp "$1" -cpu max -m 256 \
        -nodefaults -no-user-config -no-reboot -display none -serial stdio \
        -kernel build/bench/smp.elf </dev/null 2>/dev/null
    local qemu=$COPROC_PID line
    while read -r line <&"${COPROC[0]}"; do
        echo "$line" >>"$work/log"
        case $line in "bench: end"* | *panic* | "bench: not ok"*) break ;; esac
    done
    kill "$qemu" 2>/dev/null
    wait "$qemu" 2>/dev/null
    grep -q '^bench: end' "$work/log" || { tail -n 20 "$work/log" >&2; exit 1; }
    sed -n 's/\r$//; s/^bench: \([a-zA-Z_.]*\) \([0-9]*\) \(.*\)$/\1\t\2\t\3/p' "$work/log" |
        sed "s/^/smp$1./; s/\$/\t$1 CPUs, TCG, wall time/"
    rm "$work/log"
}

contended() {
    "$oak" machine statistics | awk '/^machine.contended/ { print $1, $2 }'
}

# start_rows CPUS: containers started and ended, as many at once as there are CPUs.
start_rows() {
    "$oak" machine start --cpus "$1" >/dev/null 2>&1 &&
        "$oak" load -q -i build/images/busybox >/dev/null || exit 1
    "$oak" run --rm busybox true || exit 1
    contended >"$work/before"
    local began ended
    began=$(date +%s%N)
    seq "$starts" | xargs -P "$1" -I{} "$oak" run --rm busybox true || exit 1
    ended=$(date +%s%N)
    contended >"$work/after"
    awk -v cpus="$1" -v ns=$((ended - began)) -v starts="$starts" 'BEGIN {
        printf "smp%d.starts\t%.1f\t1/s\t%d CPUs, oak run --rm, wall time\n", cpus, starts * 1e9 / ns, cpus }
        NR == FNR { before[$1] = $2; next }
        $2 > before[$1] { sub("machine", "starts", $1)
            printf "smp%d.%s\t%d\ttimes\t%d CPUs, in %d starts\n", cpus, $1, $2 - before["machine" substr($1, 7)], cpus, starts }
    ' "$work/before" "$work/after"
    "$oak" machine stop >/dev/null 2>&1
}

for cpus in 1 2 4; do
    kernel_rows "$cpus"
    start_rows "$cpus"
done
