#!/bin/bash
# cp in both directions, and archives of a hostile container that try to leave their target.
. "$(dirname "$0")/lib.sh"
load_tiny
run_oak run -d --name box tiny sleep 1000
# With the fake engine a container's files are the host's: these stand for its tree.
inside=$work/inside
mkdir -p "$inside/dir/sub" "$inside/empty"
echo one >"$inside/dir/one"
echo two >"$inside/dir/sub/two"
ln -s one "$inside/dir/link"
chmod 750 "$inside/dir/sub/two"
mkdir "$work/here"
cd "$work/here" || exit 1

run_oak cp "box:$inside/dir/one" copy
expect "a file is copied out under the name that was given" 0 "" ""
cmp -s copy "$inside/dir/one"
result $? "with its contents"
mkdir out
run_oak cp "box:$inside/dir" out
diff -r "$inside/dir" out/dir >/dev/null && [ "$(readlink out/dir/link)" = one ] &&
    [ "$(stat -c %a out/dir/sub/two)" = 750 ]
result $? "a directory goes into an existing one, links and modes included"
run_oak cp "box:$inside/dir/." out
[ -f out/one ] && [ -f out/sub/two ]
result $? "/. means the contents"
run_oak cp "box:$inside/dir" renamed
[ -f renamed/sub/two ]
result $? "a directory takes the name of a target that is not there"
run_oak cp "box:$inside/no-such" out
expect "what is not there is not found" 1 "" "oak: no $inside/no-such in container box*"
run_oak cp "box:$inside/dir" missing/parent/name
expect "a target whose directory is missing is refused" 1 "" "oak: cannot copy to missing/parent/name*"
[ "$(timeout 10 "$oak" cp "box:$inside/dir/one" - | tar -xO one)" = one ]
result $? "- is the archive itself"
head -c 5000000 /dev/urandom >"$inside/big"
run_oak cp "box:$inside/big" big && cmp -s big "$inside/big"
result $? "a file larger than all buffers is copied out"

run_oak cp out/dir "box:$inside/empty"
diff -r out/dir "$inside/empty/dir" >/dev/null
result $? "a directory is copied into an existing one"
run_oak cp copy "box:$inside/empty/other"
cmp -s copy "$inside/empty/other"
result $? "a file takes the name of a target that is not there"
run_oak cp out/dir/. "box:$inside/empty"
[ -f "$inside/empty/sub/two" ]
result $? "/. means the contents, inwards too"
run_oak cp big "box:$inside/empty/" && cmp -s big "$inside/empty/big"
result $? "a file larger than all buffers is copied in"
tar -cf archive.tar copy
run_oak cp - "box:$inside/empty" <archive.tar
cmp -s copy "$inside/empty/copy"
result $? "an archive from stdin is unpacked"
run_oak cp no-such "box:$inside"
expect "a source that is not there is refused" 1 "" "oak: cannot copy no-such*"
run_oak cp copy "nobody:/x"
expect "so is a container that is not there" 1 "" "oak: *no such container*"
run_oak cp a b
expect "cp needs one container" 125 "" "oak: cp needs one CONTAINER:PATH*"
run_oak machine stop

# Archives that a hostile container may send.
for evil in absolute parent link hardlink device truncated; do
    /usr/bin/python3 "$root/tests/cli/hostile_archive.py" "$evil" "$work/$evil.tar" "$work/here/victim"
    rm -rf victim target
    mkdir victim target
    echo safe >victim/file
    export FAKE_ARCHIVE=$work/$evil.tar
    "$oak" run -d --name "$evil" tiny sleep 1000 >/dev/null
    run_oak cp "$evil:$inside/dir" target
    case $evil in
    device)
        expect "a device in the archive is left out, and that is said" 0 "" "oak: left out 1*"
        ;;
    *) expect "a hostile archive ($evil) fails the copy in one line" 1 "" "oak: cannot copy*" ;;
    esac
    [ "$(cat victim/file)" = safe ] && [ "$(ls victim)" = file ] && [ ! -e "$work/outside" ]
    result $? "and writes nothing outside its target ($evil)"
    run_oak machine stop
done
exit ${failed:-0}
