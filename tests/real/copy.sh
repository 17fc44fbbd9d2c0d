#!/bin/bash
# oak cp on the real machine, both ways: trees, a file larger than all buffers, links, names of every
# kind, archives on stdin and stdout, archives of an enemy, and every error's line.
. "$(dirname "$0")/lib.sh"

"$oak" run -d --name box busybox sleep 1000 >/dev/null
mkdir "$work/here"
cd "$work/here" || exit 1
make_tree() {
    local long
    long=$(printf 'n%.0s' $(seq 200))
    mkdir -p "tree/with space/ünï/deep" "tree/$long/$long" tree/empty
    for i in $(seq 300); do echo "file $i" >"tree/f$i"; done
    head -c 5000000 /dev/urandom >tree/big
    : >tree/nothing
    truncate -s 300000 tree/holes
    echo end >>tree/holes
    ln -s big tree/link
    ln -s /nowhere/at/all tree/dangling
    echo words >"tree/with space/ünï/日本.txt"
    echo long >"tree/$long/$long/$long"
    echo both >"tree/$long/$long/ü$long"
    printf 'bytes' >tree/$'not\xffutf8'
    chmod 751 tree/f1
    touch -d '2001-02-03 04:05:06Z' tree/f2
}
make_tree

# --- In and out again
run_oak cp tree box:/root
expect "a tree is copied in" 0 ""
run_oak exec box sh -c 'cd /root/tree; ls | wc -l; cat f300 "with space/ünï/日本.txt"; readlink dangling
stat -c "%a %u %Y" f1 f2 | cut -d" " -f1,2; stat -c %Y f2; md5sum <big'
expect "with its files, links, modes and times, and belongs to root" 0 "309
file 300
words
/nowhere/at/all
751 0
644 0
981173106
$(md5sum <tree/big)"
run_oak cp box:/root/tree back
expect "it is copied out again" 0 ""
diff -r --no-dereference tree back && [ "$(stat -c '%a' back/f1)" = 751 ] &&
    [ "$(stat -c '%Y' back/f2)" = 981173106 ]
result $? "and is what it was"
LC_ALL=C run_oak cp box:/root/tree/. contents && LC_ALL=C run_oak cp contents box:/tmp/again &&
    "$oak" cp box:/tmp/again - | tar -x 2>/dev/null
diff -r --no-dereference tree again
result $? "and again in another locale, the last time as an archive on stdout"
tar -C tree --format=gnu -cf gnu.tar . && tar -C tree --format=ustar -cf ustar.tar f1 big link
run_oak exec box mkdir /tmp/gnu /tmp/ustar
run_oak cp - box:/tmp/gnu <gnu.tar && run_oak cp box:/tmp/gnu . && diff -r --no-dereference tree gnu
result $? "GNU's archive on stdin is unpacked"
run_oak cp - box:/tmp/ustar <ustar.tar
"$oak" cp box:/tmp/ustar - | tar -t >/dev/null
result $? "so is a plain one, and its copy is an archive again"
run_oak exec box sh -c 'cd /tmp/ustar; ls; md5sum <big'
expect "with what it holds" 0 "big
f1
link
$(md5sum <tree/big)"

# --- Names
run_oak cp tree/f7 box:/tmp/seven
"$oak" cp box:/tmp/seven - | tar -xO seven | cmp -s - tree/f7
result $? "a file gets the name that the target says"
run_oak cp tree/f8 box:/tmp/seven && run_oak cp box:/tmp/seven seven && cmp -s seven tree/f8
result $? "and replaces the one that was there"
run_oak exec box sh -c 'ln /tmp/seven /tmp/other; ln -s seven /tmp/way; ln -s /etc /tmp/place'
run_oak cp tree/f9 box:/tmp/way
run_oak exec box sh -c 'cat /tmp/seven /tmp/other /tmp/way; [ -L /tmp/way ] || echo no link'
expect "a link is replaced, and what it led to is not touched" 0 "file 8
file 8
file 9
no link"
run_oak cp tree/f9 box:/tmp/place && run_oak exec box cat /etc/f9
expect "a link to a directory as the target means that directory" 0 "file 9"
run_oak cp box:/etc/. etc && [ -f etc/passwd ] && [ ! -e etc/etc ]
result $? "/. means the contents, also of what the image holds"
run_oak exec box ln -s etc /short
run_oak cp box:/short/. followed && [ -f followed/passwd ] && [ ! -L followed ] &&
    run_oak cp box:/short . && [ "$(readlink short)" = etc ]
result $? "a link itself is copied out, with /. what it leads to"
run_oak cp box:/bin/busybox . && run_oak exec box md5sum /bin/busybox
[ "${out%% *}" = "$(md5sum <busybox | cut -d' ' -f1)" ]
result $? "the image's own files are copied out"
run_oak cp box:/ whole && [ -f whole/etc/passwd ] && [ -d whole/proc ] && [ -z "$(ls whole/proc)" ]
result $? "all of the container is copied out, without what /proc shows"

# --- What does not work
run_oak cp box:/no/such .
expect "what is not there is not found" 1 "" "oak: no /no/such in container box*"
run_oak cp tree/f1 box:/no/such/place
expect "nor is a target whose directory is missing" 1 "" "oak: no /no/such/place in container box*"
run_oak cp tree/f1 box:/etc/passwd/x
expect "a file is no directory" 1 "" "oak: cannot copy *: not a directory"
run_oak exec box sh -c 'mkdir /tmp/d /tmp/d/f1'
run_oak cp tree/f1 box:/tmp/d
expect "no directory is replaced by a file" 1 "" "oak: cannot copy *f1: a directory of that name is there"
run_oak cp box:/proc/cpuinfo .
expect "what /proc shows cannot be copied" 1 "" "oak: cannot copy *proc*"
run_oak cp tree/f1 box:/proc
expect "nothing is copied into /proc" 1 "" "oak: cannot copy *"
run_oak run -d --name strict --read-only --tmpfs /t busybox sleep 1000
run_oak cp tree/f1 strict:/root
expect "a read-only container takes nothing" 1 "" "oak: cannot copy *: read-only file system"
run_oak exec strict ls /root
expect "and has got nothing" 0 ""
run_oak cp tree/f1 strict:/t && run_oak exec strict cat /t/f1
expect "but into its tmpfs" 0 "file 1"
run_oak run -d --name small --tmpfs /t:size=1m busybox sleep 1000
run_oak cp tree/big small:/t
expect "a full file system is said" 1 "" "oak: cannot copy *big: no space left"
run_oak run -d --name poor -m 16m busybox sleep 1000
head -c 30000000 /dev/zero >huge
run_oak cp huge poor:/root
expect "so is a container's memory at its end" 1 "" "oak: cannot copy *huge: *no *left*"
run_oak exec poor echo alive
expect "which lives on" 0 "alive"
run_oak create --name later busybox true
run_oak cp later:/etc .
expect "of a container that does not run yet nothing is copied" 1 "" "oak: cannot copy *does not run yet*"
run_oak start -a later
run_oak cp later:/etc .
expect "nor of one that has ended" 1 "" "oak: cannot copy *has ended*"

# --- Enemies
run_oak exec box sh -c 'mkdir -p /victim /target; echo safe >/victim/file'
for evil in absolute parent link hardlink truncated; do
    /usr/bin/python3 "$root/tests/cli/hostile_archive.py" "$evil" "$evil.tar" /victim
    run_oak exec box sh -c 'rm -rf /target; mkdir /target'
    run_oak cp - box:/target <"$evil.tar"
    expect "a hostile archive ($evil) is refused in one line" 1 "" "oak: cannot copy *"
    run_oak exec box sh -c 'cat /victim/file; ls /victim /outside 2>&1; ls / | grep -c outside'
    expect "and writes nothing outside its target ($evil)" 1 "safe
ls: /outside: No such file or directory
/victim:
file
0"
done
/usr/bin/python3 "$root/tests/cli/hostile_archive.py" device device.tar /victim
run_oak exec box sh -c 'rm -rf /target; mkdir /target'
run_oak cp - box:/target <device.tar
run_oak exec box ls /target/dir
expect "devices in an archive are left out" 0 ""
head -c 100000 /dev/urandom >noise
run_oak cp - box:/target <noise
expect "noise is no archive" 1 "" "oak: cannot copy *no tar archive*"
run_oak cp - box:/target </dev/null
expect "nor is nothing" 1 "" "oak: cannot copy *ends early*"

# --- Ends in between
mkfifo source
"$oak" cp - box:/target <source >/dev/null 2>&1 &
copy=$!
disown $copy
exec 8>source
head -c 100000 gnu.tar >&8
wait_for 10 "$oak" exec box sh -c 'ps | grep -q "[o]ak-cp"'
result $? "a copy in progress is a process of the container"
kill -KILL $copy
wait_for 10 "$oak" exec box sh -c '! ps | grep -q "[o]ak-cp"'
result $? "which ends with the command that wanted it"
exec 8>&-
mkfifo pipe
(timeout 20 "$oak" cp box:/root/tree - >pipe 2>cut) &
copy=$!
exec 9<pipe
head -c 1000 <&9 >/dev/null
run_oak exec box true
expect "a copy that nobody takes holds up nobody else" 0 ""
run_oak rm -f box
expect "its container can be removed" 0 "box"
cat <&9 >/dev/null
wait $copy
[ $? -ne 0 ] && grep -q "the container ended" cut
result $? "and then it fails with a line"
run_oak rm -f strict small poor later
wait_for 5 [ "$(statistic memory.bytes)" = 0 ]
result $? "nothing is left of any of them"
done_testing
