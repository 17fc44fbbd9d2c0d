#!/bin/bash
# Run a command in a container of the bring-up harness under QEMU, show what comes on the serial
# line, and exit with the container's code (124: it did not end in time, 125: the harness failed).
#
#   bringup.sh [OPTION...] COMMAND
#
#   -d              the kernel with its assertions
#   -e              split COMMAND at spaces instead of giving it to a shell
#   -T              with a terminal
#   -n RUNS         run it so many times, each in a container of its own
#   -i TEXT         its input, with \s for a space, \n for a newline, \\ for a backslash
#   -o OPTION       one more option of bringup.h
#   -t SECONDS      the limit, 60 if not given
#   -s CPUS         2 if not given
#   -k KERNEL       another image
#   -p PERSONALITY  the ELF file of its personality, in which the addresses of a fault are looked up
set -u
cd "$(dirname "$0")/../.." || exit 125
kernel=build/tests/linux-release.elf personality=build/user/linux.elf
options='' seconds=60 cpus=2
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
exec {serial}< <(exec timeout "$seconds" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu max \
    -smp "$cpus" -m 1024 -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -kernel "$kernel" -append "$line" </dev/null \
    2> >(grep -v 'terminating on signal' >&2))
pid=$!
code=''
while IFS= read -r -u "$serial" text; do
    text=${text%$'\r'}
    name=""
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
kill "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
status=$?
if [ -z "$code" ]; then
    code=125
    [ $status = 124 ] && code=124
fi
exit "$code"
