#!/bin/bash
# The same programs in an Oak container, sealed (as containers are) and open (--security-opt seal=off),
# and in a Linux guest with the same QEMU flags: instructions, and beside them wall time. Prints rows
# (name, value, unit, conditions) and draws the ratios into build/bench/linux.svg and .png. With an
# argument, only the items that begin with it, not drawn.
set -u
cd "$(dirname "$0")/../.." || exit 1
oak=build/host/oak files=build/bench/linux
counted=(-accel tcg -icount "shift=0,sleep=off" -smp 1 -cpu "max,-erms,-fsrm")
wall=(-accel "tcg,thread=multi" -smp 2 -cpu max)
guest=(-M "q35,hpet=off,usb=off,vmport=off" -m 2048 -nodefaults -no-user-config -no-reboot
    -display none -serial stdio)
only=${1-}
work=$(mktemp -d)
export OAK_STATE=$work/state
finish() {
    timeout -k 1 10 "$oak" machine stop >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT

# Each leaves lines "bench: NAME VALUE" in a file of its own: kind.unit.

linux_run() { # linux_run UNIT QEMU-FLAG...
    timeout 900 qemu-system-x86_64 "${guest[@]}" "${@:2}" -kernel $files/vmlinuz \
        -initrd $files/initramfs -append "console=ttyS0 quiet tsc=reliable bench=$1 only=$only" \
        </dev/null >"$work/linux.$1" 2>&1
}

container_run() { # container_run KIND UNIT CPUS [FLAG...]
    local kind=$1 unit=$2
    [ "$unit" = ns ] || export OAK_QEMU=$PWD/bench/linux/qemu-counted.sh
    timeout 60 "$oak" machine start --cpus "$3" --memory 2g >/dev/null 2>&1
    timeout 900 "$oak" run --rm "${@:4}" bench /bench/inside.sh "$unit" "$only" \
        >"$work/$kind.$unit" 2>&1
    if [ "$unit" = insns ]; then
        container_python "${@:4}" >>"$work/$kind.insns"
    fi
    timeout 20 "$oak" machine stop >/dev/null 2>&1
    unset OAK_QEMU
}

# From the engine's receipt of CREATE to the end of python, when everything is in the cache.
container_python() { # container_python [FLAG...]
    for _ in 1 2 3; do
        "$oak" run --rm "$@" bench python3 -c pass
    done
    "$oak" machine statistics | awk '
        { value[$1] = $2 }
        END { print "bench: python.container", value["mark.ended"] - value["mark.create"] }'
}

timeout 60 "$oak" machine start --memory 1g --store-size 2g >/dev/null 2>&1
"$oak" load -q -i $files/image >/dev/null || exit 1
"$oak" machine stop >/dev/null 2>&1
container_run sealed insns 1
container_run open insns 1 --security-opt seal=off
linux_run insns "${counted[@]}"
container_run sealed ns 2
container_run open ns 2 --security-opt seal=off
linux_run ns "${wall[@]}"
for kind in sealed open linux; do
    for unit in insns ns; do
        grep -q '^bench: end' "$work/$kind.$unit" && continue
        echo "bench/linux: $kind $unit did not come to its end" >&2
        tail -n 20 "$work/$kind.$unit" >&2
        exit 1
    done
done
if [ -n "$only" ]; then
    /usr/bin/python3 bench/linux/table.py "$work"
else
    /usr/bin/python3 bench/linux/table.py "$work" build/bench/linux
fi
