#!/bin/bash
# Images on the real machine: every form that load takes, what an image says about its processes, and
# what happens when the store or the importing command goes wrong.
. "$(dirname "$0")/lib.sh"

make_image() {
    /usr/bin/python3 "$root/tests/real/make_image.py" "$layout" "$work/$1" "$@"
}

# blobs_bytes: what the store's blobs take.
blobs_bytes() {
    echo $(($(statistic store.bytes) - $(statistic store.free_bytes)))
}

run_oak images --format '{{.Repository}}:{{.Tag}}'
expect "images lists what was loaded" 0 "busybox:latest"
run_oak images -q
id=$out
run_oak run --rm "$id" echo by identifier
expect "run takes an identifier" 0 "by identifier"
run_oak run --rm "$layout" echo by path
expect "and a path" 0 "by path"

# Forms.
tar -C "$layout" -cf "$work/archive.tar" .
run_oak load -i "$work/archive.tar"
expect "an OCI archive is loaded" 0 "Loaded image: busybox:latest"
run_oak load <"$work/archive.tar"
expect "from stdin, too" 0 "Loaded image: busybox:latest"
gzip -k "$work/archive.tar"
run_oak load <"$work/archive.tar.gz"
expect "and compressed" 0 "Loaded image: busybox:latest"
/usr/bin/python3 - "$layout" "$work/saved" <<'PYTHON'
import gzip, json, os, sys
layout, saved = sys.argv[1:]
def blob(about):
    with open(os.path.join(layout, "blobs", *about["digest"].split(":")), "rb") as file:
        return file.read()
index = json.load(open(os.path.join(layout, "index.json")))
manifest = json.loads(blob(index["manifests"][0]))
os.mkdir(saved)
open(os.path.join(saved, "config.json"), "wb").write(blob(manifest["config"]))
open(os.path.join(saved, "layer.tar"), "wb").write(gzip.decompress(blob(manifest["layers"][0])))
json.dump([{"Config": "config.json", "RepoTags": ["saved:1", "saved:latest"], "Layers": ["layer.tar"]}],
          open(os.path.join(saved, "manifest.json"), "w"))
PYTHON
tar -C "$work/saved" -cf "$work/saved.tar" manifest.json config.json layer.tar
run_oak load -i "$work/saved.tar"
expect "a docker-save archive is loaded with all its names" 0 "Loaded image: saved:1
Loaded image: saved:latest"
run_oak run --rm saved echo saved
expect "and runs" 0 "saved"
run_oak rmi saved saved:1
expect "rmi takes its names away" 0 "Untagged: saved*Untagged: saved:1*"
run_oak load -i "$work/none"
expect "what is not there is refused" 1 "" "oak: *$work/none*"
head -c 100000 /dev/urandom >"$work/noise"
run_oak load -i "$work/noise"
expect "what is no image is refused" 1 "" "oak: cannot load $work/noise*"

# What the image says.
mkdir -p "$work/layer/srv" && echo content >"$work/layer/srv/file"
cat >"$work/layer/srv/start" <<'SCRIPT'
#!/bin/sh
trap 'echo got INT; exit 3' INT
echo "start: $*"
[ "$1" = wait ] || exit 0
while :; do sleep 0.05; done
SCRIPT
chmod 755 "$work/layer/srv/start" "$work/layer" "$work/layer/srv"
tar -C "$work/layer" --owner=1000 --group=1001 -cf "$work/layer.tar" srv
make_image told '{"User":"1000:1001","Env":["PATH=/bin","FROM_IMAGE=yes"],"WorkingDir":"/srv",
    "Entrypoint":["/srv/start"],"Cmd":["wait","for"],"StopSignal":"SIGINT",
    "Labels":{"maker":"test"}}' "$work/layer.tar"
run_oak load -q -i "$work/told"
expect "an image of two layers is loaded" 0 "Loaded image: told:latest"
run_oak run -d --name told told
wait_for 5 logged told 'start: wait for'
result $? "Entrypoint and Cmd are run"
run_oak exec told sh -c 'id -u; id -g; pwd; echo $FROM_IMAGE; cat file; stat -c %u:%g file'
expect "with User, WorkingDir and Env, for exec too" 0 "1000
1001
/srv
yes
content
1000:1001"
run_oak stop told
run_oak wait told
expect "StopSignal is what stop sends" 0 "3"
run_oak rm told
run_oak run --rm told other words
expect "a command replaces Cmd and keeps Entrypoint" 0 "start: other words"
run_oak run --rm -u 0 -e FROM_IMAGE=no -w / --entrypoint sh told -c 'id -u; echo $FROM_IMAGE; pwd'
expect "flags replace what the image says" 0 "0
no
/"
run_oak inspect -f '{{.Config.User}} {{.Config.WorkingDir}} {{json .Config.Labels}}' told
expect "inspect shows it" 0 '1000:1001 /srv {"maker":*"test"}'

# Removing.
run_oak create --name user told
run_oak rmi told
expect "an image that a container uses is not removed" 1 "" "oak: image told is used by a container*"
run_oak rm user
before=$(blobs_bytes)
run_oak rmi told
expect "one that nobody uses is" 0 "Untagged: told*Deleted: sha256:*"
[ "$(blobs_bytes)" -lt "$before" ]
result $? "and its room is free again"
run_oak run --rm told
expect "then it is not there" 125 "" "oak: *told*oak pull*"

# An import that is killed.
mkdir -p "$work/content/data"
head -c 64M /dev/urandom >"$work/content/data/noise"
tar -C "$work/content" -cf "$work/large.tar" data
make_image large '{}' "$work/large.tar"
before=$(blobs_bytes)
"$oak" load -q -i "$work/large" >/dev/null 2>&1 &
pid=$!
wait_for 5 sh -c "[ \$('$oak' machine statistics | awk '/^store.free_bytes/ { print \$2 }') -lt $(statistic store.free_bytes) ]"
kill -9 $pid
wait $pid 2>/dev/null
run_oak images --format '{{.Repository}}'
expect "an import that is killed leaves no image" 0 "busybox"
wait_for 5 sh -c "[ $before = \$(($(statistic store.bytes) - \$('$oak' machine statistics | awk '/^store.free_bytes/ { print \$2 }'))) ]"
result $? "and takes no room"
run_oak run --rm large true
expect "it cannot be run" 125 "" "oak: *large*"
LIMIT=60 run_oak load -q -i "$work/large"
expect "loading it again works" 0 "Loaded image: large:latest"
LIMIT=60 run_oak run --rm large sha256sum /data/noise
expect "and every byte is right" 0 "$(sha256sum <"$work/content/data/noise" | cut -d' ' -f1) */data/noise"

# Images outlive the machine.
run_oak machine stop
run_oak run --rm large echo after
expect "images outlive the machine" 0 "after"
run_oak machine stop

# A store whose bytes change: a page of the large file, found by its content.
/usr/bin/python3 - "$OAK_STATE/store.img" "$work/content/data/noise" <<'PYTHON'
import os, sys
with open(sys.argv[2], "rb") as file:
    file.seek(32 << 20)
    page = file.read(4096)
store = os.open(sys.argv[1], os.O_RDWR)
at = os.lseek(store, 0, os.SEEK_DATA) & ~4095
while os.pread(store, 4096, at) != page:
    at = os.lseek(store, at + 4096, os.SEEK_DATA) & ~4095
os.pwrite(store, bytes([page[100] ^ 1]), at + 100)
PYTHON
result $? "a bit of the large file is changed in the store"
run_oak run -d --name neighbour large sh -c 'while :; do cat /etc/passwd >/dev/null; sleep 0.05; done'
expect "a neighbour starts" 0 "?*"
timeout -k 1 20 "$oak" run --rm large head -c 1000000 /data/noise >"$work/out"
[ $? -eq 0 ] && cmp -s "$work/out" <(head -c 1000000 "$work/content/data/noise")
result $? "what is whole can be read"
timeout -k 1 60 "$oak" run --rm large cat /data/noise >"$work/out" 2>"$work/err"
[ $? -eq 1 ] && [ "$(stat -c %s "$work/out")" -le $((32 << 20)) ] &&
    cmp -s -n "$(stat -c %s "$work/out")" "$work/out" "$work/content/data/noise" &&
    grep -q 'cat: .*Input/output error' "$work/err"
result $? "reading the damaged page is an I/O error, and no wrong byte comes out"
run_oak run --rm large sh -c 'dd if=/data/noise of=/dev/null bs=4096 skip=8200 count=10 2>&1 | grep -c "10+0 records in"'
expect "what follows its cluster can be read" 0 "1"
running neighbour
result $? "a neighbour of the same image goes on"
run_oak exec neighbour echo fine
expect "and is reachable" 0 "fine"
run_oak rm -f neighbour
run_oak machine stop

# The file system's first block.
/usr/bin/python3 - "$OAK_STATE/store.img" <<'PYTHON'
import os, sys
count = 0
store = os.open(sys.argv[1], os.O_RDWR)
at = 0
while True:
    try:
        at = os.lseek(store, at, os.SEEK_DATA) & ~4095
    except OSError:
        break  # no data behind
    block = os.pread(store, 4096, at)
    if block[1024:1028] == b"\xe2\xe1\xf5\xe0":
        os.pwrite(store, bytes([block[1064] ^ 1]), at + 1064)
        count += 1
    at += 4096
assert count > 0
PYTHON
result $? "a bit of each image's superblock is changed in the store"
run_oak run --rm large true
expect "no container starts from it, and that is said" 125 "" "oak: cannot start the container: the image cannot be read"
run_oak ps -aq
expect "nothing is left of it" 0 ""
run_oak rmi large busybox
expect "damaged images can be removed" 0 "Untagged*"
run_oak run --rm "$layout" echo again
expect "and loaded again" 0 "again"
done_testing
