#!/bin/bash
# TAP: every program prints in a container what it prints on Linux.
#
#   run.sh [-l TIMES] [-d] [-t SECONDS] [NAME...]
#
#   -l TIMES    on Linux alone, so many times: a program must print the same each time
#   -d          the kernel without assertions
#   -t SECONDS  the limit of one boot, 150 if not given
#
# All run in one container; when one of them ends it or does not end, the rest run in another.
# The outputs stay in build/tests/linux-programs-output. What known_differences.txt lists is expected
# to be different and is reported as skipped.
set -u
cd "$(dirname "$0")/../../.." || exit 1
programs=build/tests/linux-programs output=build/tests/linux-programs-output
known=tests/linux/programs/known_differences.txt
kernel=build/tests/linux-programs.elf seconds=150 times=0
while getopts l:dt: option; do
    case $option in
    l) times=$OPTARG ;;
    d) kernel=build/tests/linux-programs-release.elf ;;
    t) seconds=$OPTARG ;;
    *) exit 1 ;;
    esac
done
shift $((OPTIND - 1))
all=("$@")
if [ $# -eq 0 ]; then
    while read -r name; do
        all+=("$name")
    done <$programs/names
fi
mkdir -p $output
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What NAME printed, out of the output of each.sh on stdin: one_of NAME.
one_of() {
    sed -n "/^begin $1\$/,/^end $1: /p"
}
# Everything, in a folder of its own with data of its own: linux_run NAME...
linux_run() {
    local folder
    folder=$(mktemp -d -p "$scratch")
    chmod 755 "$scratch" "$folder"
    cp -a $programs/data "$folder/data"
    # Processes, a name, and System V objects of their own: a signal that goes astray meets nobody, and
    # nothing is left.
    unshare --pid --ipc --uts --fork --kill-child --mount-proc \
        $programs/each.sh "$PWD/$programs" "$folder" "$folder/data" "$@"
}
number=0 failed=0
report() { # report NAME WHAT EXPECTED GOT: two files
    number=$((number + 1))
    if cmp -s "$3" "$4"; then
        echo "ok $number - $1: $2"
    else
        echo "not ok $number - $1: $2"
        diff -U 1 --label Linux --label here "$3" "$4" | sed 's/^/# /'
        failed=1
    fi
}

# What Linux printed (stdin), with the known differences of NAME in it: expected NAME. The reasons go
# to a file, one a line.
expected() {
    awk -v name="${1%-glibc}" -v reasons="$scratch/reasons" '
        NR == FNR {
            text = substr($0, 3)
            if (/^- /) { linux = text }
            else if (/^\+ /) { here = text }
            else if (/^# / && program == name) { others[linux] = here; why[linux] = text }
            else { program = $0 }
            next
        }
        $0 in others { print why[$0] >reasons; print others[$0]; next }
        { print }' $known -
}
linux_run "${all[@]}" >"$scratch/linux"
for name in "${all[@]}"; do
    one_of "$name" <"$scratch/linux" >"$output/$name.linux"
    if ! grep -qx "end $name: code 0" "$output/$name.linux"; then
        number=$((number + 1))
        echo "not ok $number - $name: ends well on Linux"
        tail -n 5 "$output/$name.linux" | sed 's/^/# /'
        failed=1
    fi
done

if [ "$times" -gt 0 ]; then
    for ((i = 1; i < times; i++)); do
        linux_run "${all[@]}" >"$scratch/again"
        for name in "${all[@]}"; do
            one_of "$name" <"$scratch/again" >"$scratch/one"
            report "$name" "prints the same again" "$output/$name.linux" "$scratch/one"
        done
    done
    echo "1..$number"
    exit $failed
fi

left=("${all[@]}")
boots=0
: >$output/log
while [ ${#left[@]} -gt 0 ] && [ $boots -le ${#all[@]} ]; do
    boots=$((boots + 1))
    tests/linux/bringup.sh -k $kernel -t "$seconds" -o "wall=$(date +%s)" \
        "/tests/each.sh /tests /tmp /tests/data ${left[*]}" >"$scratch/log" 2>&1
    cat "$scratch/log" >>$output/log
    sed -nE 's/^(out|err): //p' "$scratch/log" >"$scratch/oak"
    again=()
    judged=0
    for name in "${left[@]}"; do
        if ! grep -qx "begin $name" "$scratch/oak"; then
            again+=("$name")
            continue
        fi
        judged=$((judged + 1))
        one_of "$name" <"$scratch/oak" >"$output/$name.oak"
        : >"$scratch/reasons"
        expected "$name" <"$output/$name.linux" >"$scratch/expected"
        report "$name" "prints what Linux prints" "$scratch/expected" "$output/$name.oak"
        while read -r reason; do
            number=$((number + 1))
            echo "ok $number - $name: $reason # SKIP known difference"
        done <"$scratch/reasons"
        if ! grep -q "^end $name: " "$output/$name.oak"; then
            echo "# it ended the container, or did not end:"
            tail -n 12 "$scratch/log" | sed 's/^/#   /'
        fi
    done
    left=("${again[@]}")
    if [ $judged = 0 ]; then
        number=$((number + 1))
        echo "not ok $number - the container runs its first program"
        tail -n 30 "$scratch/log" | sed 's/^/#   /'
        failed=1
        break
    fi
done
echo "1..$number"
exit $failed
