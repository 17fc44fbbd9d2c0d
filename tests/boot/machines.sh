#!/bin/bash
# Every machine that the system is made for, with its kernel as it is shipped: containers on QEMU's
# q35 and microvm through the CLI, and a boot on Firecracker and Cloud Hypervisor where they and KVM
# are there. Prints TAP; each line says what it proves.
set -u
cd "$(dirname "$0")/../.." || exit 1
oak=$PWD/build/host/oak
image=$PWD/build/images/busybox
kernel=$PWD/build/oak.elf
work=$(mktemp -d /tmp/oak-machines.XXXXXX)
export OAK_STATE=$work/state OAK_ACCELERATOR=tcg OAK_KERNEL=$kernel
count=0
failed=0

finish() {
    "$oak" machine stop >/dev/null 2>&1
    rm -rf "$work"
}
trap finish EXIT

# result CODE SENTENCE [SHOWN]: one TAP line, and what helps to see why not.
result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
        return
    fi
    echo "not ok $count - $2"
    failed=1
    sed 's/^/  /' <<<"${3-}"
    tail -n 20 "$OAK_STATE/console.log" 2>/dev/null | sed 's/^/  console: /'
}

skip() {
    count=$((count + 1))
    echo "ok $count - $1 # SKIP $2"
}

# A container's clock goes on by no less than it sleeps, and by no more than the host's meanwhile.
clock_rate() {
    local before after first second
    before=$(date +%s%N)
    read -r first second < <("$oak" run --rm "$image" sh -c \
        'read -r a b </proc/uptime; sleep 2; read -r c d </proc/uptime; echo $a $c')
    after=$(date +%s%N)
    awk -v a="$first" -v b="$second" -v host=$(((after - before) / 1000000)) \
        'BEGIN { guest = (b - a) * 1000; exit !(guest >= 1990 && guest <= host + 20) }'
}

containers() {
    local type=$1 out
    out=$("$oak" machine start --machine-type "$type" --cpus 2 2>&1)
    result $? "$type: the machine starts" "$out"
    out=$("$oak" machine status | awk '$1 == "machine_type" || $1 == "cpus" { print $2 }' | xargs)
    [ "$out" = "$type 2" ]
    result $? "$type: it is what was asked for" "$out"
    out=$("$oak" run --rm "$image" sh -c 'nproc; echo hello; exit 3' 2>&1)
    [ "$?/$out" = "3/2"$'\n'"hello" ]
    result $? "$type: a container runs, sees both processors and ends with its code" "$out"
    out=$(head -c 3000000 /dev/urandom >"$work/data" &&
        "$oak" run -i --rm "$image" cat <"$work/data" | cmp - "$work/data" 2>&1)
    result $? "$type: bytes pass its control channel unchanged" "$out"
    clock_rate
    result $? "$type: its clock goes as the host's"
    out=$("$oak" machine stop 2>&1)
    result $? "$type: it stops" "$out"
    rm -rf "$OAK_STATE"
}

# The kernel's end: a machine check is one, and QEMU's monitor sends it.
panic() {
    local out log
    printf '#!/bin/sh\nexec qemu-system-x86_64 "$@" -monitor unix:%s,server,nowait\n' \
        "$work/monitor" >"$work/qemu"
    chmod +x "$work/qemu"
    OAK_QEMU=$work/qemu "$oak" machine start
    "$oak" run --rm "$image" sleep 20 >"$work/out" 2>&1 &
    sleep 1
    /usr/bin/python3 -c 'import socket, sys, time
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
monitor.sendall(b"mce 0 4 0xbe00000000000000 0x5 0 0\n")
time.sleep(0.2)' "$work/monitor"
    wait $!
    [ "$?" = 125 ] && grep -q "^oak: the machine died" "$work/out"
    result $? "when the kernel panics the command says that the machine died" "$(cat "$work/out")"
    log=$OAK_STATE/console.log
    [ "$(grep -c 'oak: kernel panic' "$log")" = 1 ] && grep -q '^rip [0-9a-f]* rsp' "$log" &&
        grep -q '^r13 ' "$log"
    result $? "one processor speaks, and prints the registers"
    out=$(sed -n 's/^  \(at\|called from\) \([0-9a-f]*\) .*/\2/p' "$log" | addr2line -f -i -e "$kernel")
    grep -q '^  at [0-9a-f]* [a-z_]*+' "$log" && grep -q '^scheduler' <<<"$out" &&
        ! grep -q '^??$' <<<"$out"
    result $? "and the way to it, with names, which addr2line reads" "$out"
    rm -rf "$OAK_STATE"
}

# What init cannot go on without is the end of the machine, which is not to hang then.
dead_engine() {
    local type=$1 out begin=$SECONDS
    out=$(OAK_KERNEL=$PWD/build/tests/engine-dead.elf "$oak" machine start --machine-type "$type" \
        2>&1)
    [ "$?" = 125 ] && grep -q "did not start: QEMU ended" <<<"$out" &&
        [ $((SECONDS - begin)) -lt 20 ]
    result $? "$type: a machine without its engine ends by itself" "$out"
    rm -rf "$OAK_STATE"
}

kvm_opens() {
    (: <>/dev/kvm) 2>/dev/null
}

# boot NAME PROGRAM COMMAND...: the kernel's and init's first lines come over the serial port.
boot() {
    local name=$1 program=$2 pid
    shift 2
    if [ -z "$(command -v "$program")" ]; then
        skip "$name boots the kernel" "no $program"
        return
    fi
    if ! kvm_opens; then
        skip "$name boots the kernel" "no /dev/kvm"
        return
    fi
    "$@" >"$work/serial" 2>&1 </dev/null &
    pid=$!
    for _ in $(seq 100); do
        grep -q '^init: .* CPUs' "$work/serial" && break
        sleep 0.1
    done
    kill "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
    grep -q '^oak: 2 processors, ' "$work/serial"
    result $? "$name boots the kernel on two processors" "$(tail -n 20 "$work/serial")"
    grep -q '^init: .* 2 CPUs, [1-9][0-9]* virtio devices' "$work/serial"
    result $? "$name's disk is found" "$(tail -n 20 "$work/serial")"
}

containers q35
containers microvm
panic
dead_engine q35
dead_engine microvm

truncate -s 64M "$work/disk"
cat >"$work/firecracker.json" <<EOF
{
  "boot-source": {"kernel_image_path": "$kernel", "boot_args": ""},
  "drives": [{"drive_id": "store", "path_on_host": "$work/disk", "is_root_device": false,
              "is_read_only": false}],
  "machine-config": {"vcpu_count": 2, "mem_size_mib": 256}
}
EOF
boot Firecracker firecracker firecracker --no-api --config-file "$work/firecracker.json"
boot "Cloud Hypervisor" cloud-hypervisor cloud-hypervisor --kernel "$kernel" --cpus boot=2 \
    --memory size=256M --disk path="$work/disk" --serial tty --console off
exit $failed
