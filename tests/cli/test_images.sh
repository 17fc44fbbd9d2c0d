#!/bin/bash
# load, images, rmi and inspect: every form of image, and what happens to those that are damaged,
# hostile or too large: a line, an exit code, and nothing left in the catalog or the store.
. "$(dirname "$0")/lib.sh"

make_kind() {
    rm -rf "$work/$1"
    /usr/bin/python3 "$root/tests/cli/image_kinds.py" "$1" "$work/$1"
}

# blobs: how many the store holds; the fake engine keeps 40 bytes for each.
blobs() {
    local bytes=0
    [ ! -f "$OAK_STATE/store.img.fake" ] || bytes=$(stat -c %s "$OAK_STATE/store.img.fake")
    echo $((bytes / 40))
}

# left IMAGES BLOBS SENTENCE: what the catalog and the store hold now.
left() {
    [ "$("$oak" images -q | wc -l)" = "$1" ] && [ "$(blobs)" = "$2" ] &&
        [ "$(find "$OAK_STATE/images" -name '*.new' -o -name 'spool*' | wc -l)" = 0 ]
    result $? "$3"
}

"$oak" machine start --store-size 64M >/dev/null 2>&1
run_oak images
expect "without images there is a title line" 0 "REPOSITORY *" ""

make_kind layout
run_oak load -i "$work/layout"
expect "an OCI layout is loaded" 0 "Loaded image: kind:layout" ""
run_oak images
expect "images lists it" 0 "REPOSITORY *kind *layout *" ""
run_oak images --format '{{.Repository}} {{.Tag}} {{.Size}}'
expect "images takes a template" 0 "kind layout *kB" ""
run_oak images --format json
expect "and json" 0 '{*"Repository":"kind"*}' ""
run_oak images -q
id=$out
expect "images -q prints the identifier" 0 "????????????" ""
run_oak images -q other
expect "images NAME lists only that" 0 "" ""
run_oak inspect kind:layout
expect "inspect shows the configuration" 0 '*"kind:layout"*"Created": "2024-05-06T07:08:09.5*"A=b"*' ""
run_oak inspect -f '{{.Id}}' "$id"
expect "a prefix of the identifier is enough" 0 "sha256:$id*" ""
run_oak run --rm kind:layout
expect "its command is run" 0 "image" ""
run_oak run --rm "$work/layout" echo again
expect "run takes the path too" 0 "again" ""
left 1 1 "which loads nothing twice"
run_oak run --rm "$work/no-layout" true
expect "a path that is not there is an error" 125 "" "oak: cannot read the image*"

for kind in archive archive-gz index; do
    make_kind "$kind"
    run_oak load -q -i "$work/$kind"
    expect "the form $kind is loaded" 0 "Loaded image: *$kind*" ""
done
left 4 1 "all of them are one image with four names, and one blob"
run_oak load <"$work/archive"
expect "an archive comes from stdin" 0 "Loaded image: kind:archive" ""
run_oak load <"$work/archive-gz"
expect "a compressed one too" 0 "Loaded image: kind:archive-gz" ""
make_kind saved
run_oak load -i "$work/saved"
expect "a docker-save archive is loaded with all its names" 0 "Loaded image: saved:1
Loaded image: saved:latest" ""
run_oak load <"$work/saved"
expect "from stdin too" 0 "Loaded image: saved:1*" ""
left 6 2 "it is another image"
run_oak rmi saved
expect "rmi takes a name away" 0 "Untagged: saved" ""
left 5 2 "the image stays while it has another"
run_oak rmi saved:1
expect "with the last name the image goes" 0 "Untagged: saved:1
Deleted: sha256:*" ""
left 4 1 "and its blob"
run_oak rmi saved
expect "what is gone is not found" 1 "" "oak: no such image: saved*"
make_kind nameless
run_oak load -i "$work/nameless"
expect "an image without a name is loaded under its identifier" 0 "Loaded image ID: sha256:$id*" ""
make_kind several
run_oak load -i "$work/several"
expect "several images of one source are loaded" 0 "Loaded image: first:1
Loaded image: second:latest" ""
run_oak run --rm second
expect "each is itself" 0 "second" ""
run_oak run --rm "$work/several"
expect "run does not guess which of them is meant" 125 "" "oak: *holds several images*"
run_oak rmi first:1 second
left 4 1 "rmi takes several"
"$oak" run -d --name user kind:layout sleep 1000 >/dev/null
run_oak rmi "$id"
expect "an image that a container uses is not removed" 1 "" "oak: image $id is used by a container*"
run_oak rm -f user
run_oak rmi "$id"
expect "rmi by identifier takes all names" 0 "Untagged: $id
Deleted: sha256:$id*" ""
left 0 0 "and leaves nothing"
run_oak inspect kind:layout
expect "inspect of what is not there fails" 1 "*" "oak: no such*"

# Nothing of these may stay.
refuse() {
    make_kind "$1"
    run_oak load -i "$work/$1"
    expect "$1: refused" 1 "" "oak: cannot load $work/$1: $2"
    left 0 0 "$1: nothing is left"
}
refuse digest "*digest*"
refuse config "*digest*"
refuse difference "*digest in the image's configuration*"
refuse missing "it lacks the file blobs/sha256/*"
refuse parent "*path with ..*"
refuse link "*leads out of it*"
refuse hardlink "*path with ..*"
refuse device "*device node*"
refuse name "*name of more than 255 bytes*"
refuse deep "*too deep*"
refuse bomb "*the store has no room*"
refuse arm "it holds no image for linux/amd64"
refuse halfbad "*digest*"
refuse badname "*no proper name*"

make_kind archive
head -c 6000 "$work/archive" >"$work/short"
run_oak load -i "$work/short"
expect "a truncated archive is refused" 1 "" "oak: cannot load*"
head -c 600 "$work/archive-gz" | LIMIT=10 run_oak load
left 0 0 "and leaves nothing, nor from stdin"
head -c 100000 /dev/urandom >"$work/noise"
run_oak load -i "$work/noise"
expect "what is no archive is refused" 1 "" "oak: cannot load*"
run_oak load </dev/null
expect "so is nothing at all" 1 "" "oak: cannot load from stdin: it is no OCI layout*"
mkdir "$work/empty"
run_oak load -i "$work/empty"
expect "so is an empty directory" 1 "" "oak: cannot load*it is no OCI layout*"
mkdir "$work/pipe" && mkfifo "$work/pipe/index.json"
LIMIT=10 run_oak load -i "$work/pipe"
expect "a pipe in the place of a file is refused, and not waited for" 1 "" "oak: cannot load*no regular file*"
run_oak load -i "$work/not-there"
expect "a path that is not there is refused" 1 "" "oak: cannot read*"

make_kind large
"$oak" load -q -i "$work/large" >/dev/null 2>&1 &
pid=$!
sleep 0.15
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
wait_for 5 sh -c "[ \$($oak machine status | awk '\$1 == \"sessions\" { print \$2 }') = 0 ]"
run_oak images -q
[ "$code" = 0 ] && { [ "$out" = "" ] || "$oak" run --rm bomb true; }
result $? "a killed load leaves an image or none, never a half one"
for i in 1 2 3 4 5 6; do
    "$oak" load -q -i "$work/layout" >"$work/parallel.$i" 2>&1 &
done
wait $(jobs -p)
[ "$(cat "$work"/parallel.* | sort -u)" = "Loaded image: kind:layout" ]
result $? "loads at the same time all succeed"
"$oak" rmi bomb >/dev/null 2>&1
left 1 1 "and load it once"

rm "$OAK_STATE/images/images.json"
"$oak" load -q -i "$work/saved" >/dev/null
left 2 1 "a blob that no image is any more goes with the next import"
"$oak" load -q -i "$work/layout" >/dev/null

"$oak" machine stop >/dev/null
rm -f "$OAK_STATE/store.img" "$OAK_STATE/store.img.fake"
run_oak run --rm kind:layout true
expect "a store that lost the image says what to do" 125 "" "*oak: the store does not hold image kind:layout*load*"
run_oak run --rm "$work/layout" echo back
expect "a path is imported again" 0 "back" "*"
run_oak run --rm kind:layout echo here
expect "and then the name is good too" 0 "here" ""
echo '{' >"$OAK_STATE/images/images.json"
run_oak images
expect "a damaged catalog is said" 125 "" "oak: the image catalog is damaged*"
exit ${failed:-0}
