#!/bin/bash
# Run a command in a container of the bring-up harness under QEMU, show what comes on the serial
# line, and exit with the container's code (124: it did not end in time, 125: the harness failed).
#
#   bringup.sh [-d] [-e] [-T] [-k KERNEL] [-p PERSONALITY] [-n RUNS] [-i TEXT] [-o OPTION] [-t SECONDS] [-s CPUS] COMMAND
#
# Addresses in the report of a fault are followed by their names in the personality.
#
# -d the kernel with its assertions; -e split COMMAND at spaces instead of giving it to a shell;
# -T with a terminal; -k another image, -p and its personality; -n so many runs; -i input (\s \n \\); -o one more option
# (bringup.h); -t the limit. The time limit is 60 s.
set -u
cd "$(dirname "$0")/../.." || exit 125
kernel=build/tests/linux-release.elf personality=build/user/linux.elf
options= seconds=60 cpus=2
while getopts deTk:p:n:i:o:t:s: option; do
    case $option in
    d) kernel=build/tests/linux.elf ;;
    e) options+=" exec" ;;
    T) options+=" tty" ;;
    k) kernel=$OPTARG ;;
    p) personality=$OPTARG ;;
    n) options+=" runs=$OPTARG" ;;
    i) options+=" stdin=$OPTARG" ;;
    o) options+=" $OPTARG" ;;
    t) seconds=$OPTARG ;;
    s) cpus=$OPTARG ;;
    *) exit 125 ;;
    esac
done
shift $((OPTIND - 1))
line="$options -- ${1:?a command}"
if [ ${#line} -ge 2047 ]; then
    echo "bringup: the command is too long for the kernel's command line" >&2
    exit 125
fi
if [ ! -e "$kernel" ]; then
    echo "bringup: there is no $kernel: make $kernel" >&2
    exit 125
fi
name_of() { # name_of ADDRESS
    [ -e "$personality" ] && printf ' %s' "$(addr2line -fpe "$personality" "$1")"
}
coproc qemu { exec timeout "$seconds" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max \
    -smp "$cpus" -m 1024 -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -kernel "$kernel" -append "$line" </dev/null \
    2> >(grep -v 'terminating on signal' >&2); }
code=124
while IFS= read -r -u "${qemu[0]}" text; do
    text=${text%$'\r'}
    name=
    case $text in
    "init: "*" faulted: "*)
        name=${text##*rip }
        name=$(name_of "${name%% *}")
        ;;
    "init: "*" on the stack: "* | "init: "*" called from "*) name=$(name_of "${text##* }") ;;
    esac
    printf '%s%s\n' "$text" "$name"
    case $text in
    *"init: ended code "*)
        code=${text##*ended code }
        code=${code%%[!0-9]*}
        ;;
    *"init: failed: "* | *"kernel panic"*) code=125 ;;
    esac
    [[ $text == *"init: end" ]] && break
done
kill "$qemu_PID" 2>/dev/null
wait "$qemu_PID" 2>/dev/null
exit "$code"
